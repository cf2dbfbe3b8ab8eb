-- Tasks that would wait for themselves.
local covet = require "covet"
local fails = require "spec.support.fails"
local tmp = require "spec.support.tmp"

local SLOW = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) "
  .. "select count(*) from n"
local ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"

describe("a task that would wait for itself", function()
  local db
  before_each(function()
    db = covet.sqlite { path = tmp.path(), readers = 3 }:connect()
    db:execute "create table t (a integer)"
  end)
  after_each(function()
    db:disconnect(2)
  end)

  -- Raise at once, naming what the task has; nothing is left in the queue.
  local function check_refused(...)
    local start = covet.now()
    local err = fails("pool_exhausted", ...)
    assert.is_true(covet.now() - start < 1)
    assert.equal(0, db:get_pool_stats().waiting)
    assert.equal("no", err.retry)
    assert.matches("fails.lua", err.where)
    return err
  end

  it("goes on when streams were only left early", function()
    for _ = 1, 10 do
      for row in db:each(ENDLESS) do
        if row.i == 2 then
          break
        end
      end
      assert.equal(300000, db:fetch_value { SLOW, timeout = 5 })
    end
    for _ = 1, 5 do
      for chunk in db:stream_query { ENDLESS, chunk_size = 10 } do
        if chunk[1].i > 10 then
          break
        end
      end
    end
    db:acquire({ read_only = true, timeout = 5 }):release()
  end)

  it("gets an error that names its open streams", function()
    local streams = {}
    assert.equal(1, db:fetch_value "select 1") -- known from now on
    for i = 1, 3 do
      streams[i] = db:stream_query { ENDLESS, chunk_size = 10 }
    end
    local line = debug.getinfo(1, "l").currentline - 2
    for _, call in ipairs {
      { "fetch_all", SLOW }, { "fetch_one", SLOW }, { "fetch_value", { SLOW, timeout = 60 } },
      { "stream_query", ENDLESS }, { "acquire", { read_only = true } }, { "backup", tmp.path() },
      { "transaction", { read_only = true }, function() end },
    } do
      local err = check_refused(db, unpack(call))
      local _, named = err.message:gsub("wait_spec.lua:" .. line, "")
      assert.equal(3, named)
    end
    -- what needs no connection of these goes on
    assert.equal(1, db:fetch_value "select 1")
    assert.equal(1, db:execute("insert into t values (1)").affected_rows)
    assert.equal(300000, covet.spawn(function()
      covet.spawn(function()
        covet.sleep(0.02)
        streams[1]:close()
      end)
      return db:fetch_value { SLOW, timeout = 10 }
    end):join())
    assert.equal(300000, db:fetch_value(SLOW))
    for i = 2, 3 do
      streams[i]:close()
    end
  end)

  it("gets it for leases, and for leases and streams together", function()
    local leases = { db:acquire { read_only = true }, db:acquire { read_only = true } }
    local stream = db:stream_query { ENDLESS, chunk_size = 10 }
    local err = check_refused(db, "fetch_value", SLOW)
    assert.matches("a connection taken at %S*wait_spec.lua:%d+", err.message)
    assert.matches("a stream opened at %S*wait_spec.lua:%d+", err.message)
    leases[1]:release()
    assert.equal(300000, db:fetch_value(SLOW))
    leases[2]:release()
    stream:close()
  end)

  it("gets it for the one connection that writes", function()
    db:with(function()
      check_refused(db, "acquire")
      check_refused(db, "execute", "insert into t values (1)")
      check_refused(db, "execute", "create table u (a); create table v (a)")
      check_refused(db, "execute_many", "insert into t values (?)", { { 1 } })
      check_refused(db, "begin")
    end)
    local list = {}
    for i = 1, 5000 do
      list[i] = { i }
    end
    db:execute_many("insert into t values (?)", list)
    local stream = db:stream_query { "delete from t returning a", chunk_size = 10 }
    stream()
    check_refused(db, "execute", "insert into t values (1)")
    stream:close()
    db:execute "insert into t values (1)"
  end)

  it("is told of as an error", function()
    local told = {}
    db:on("error", function(event)
      told[#told + 1] = event.sql
    end)
    local leases = {}
    for i = 1, 3 do
      leases[i] = db:acquire { read_only = true }
    end
    check_refused(db, "fetch_value", SLOW)
    assert.same({ SLOW }, told)
    for i = 1, 3 do
      leases[i]:release()
    end
  end)
end)
