-- The pool of an adapter, changed and ended while it runs.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local wait = require "spec.support.wait"

local function eventually(condition)
  assert(wait.until_true(condition), "it did not come to that")
end

database.contract("the pool", function(d, open)
  local function stats()
    return open():get_pool_stats()
  end

  -- Run `fn` while so many connections that read are lent.
  local function while_lent(count, fn)
    local held = {}
    for i = 1, count do
      held[i] = open():acquire { read_only = true, timeout = 5 }
    end
    fn(held)
    for i = 1, count do
      held[i]:close()
    end
  end

  it("configure: what is not the pool's, or nonsense, is refused at the caller's line", function()
    local db = open()
    for _, case in ipairs {
      { { max_pool_sise = 3 }, 'unknown option "max_pool_sise", did you mean "max_pool_size"' },
      { { path = "x" }, 'unknown option "path"' },
      { { acquire_timeout = "x" }, "acquire_timeout" },
      { { scale_up_threshold = 0.1, scale_down_threshold = 0.5 }, "scale_down_threshold" },
      { { retry = { backoff = 5, max_backoff = 1 } }, "max_backoff" },
      { 5, "expected table, got number" },
    } do
      local err = fails("usage", db, "configure", case[1])
      assert.matches(case[2], tostring(err), 1, true)
      assert.matches("fails.lua", err.where)
    end
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("configure: acquire_timeout counts for who asks from now on", function()
    local db = open()
    if d.dialect ~= "sqlite" then
      db:resize(1, 1) -- as the one writer of SQLite
    end
    local held = db:acquire()
    db:configure { acquire_timeout = 0.05 }
    local other = covet.spawn(function()
      local start = covet.now()
      fails("pool_timeout", db, "acquire")
      return covet.now() - start
    end)
    local seconds = other:join()
    assert.is_true(seconds >= 0.04 and seconds < 2)
    held:release()
  end)

  -- What a task that holds nothing is told of a call, and after how long.
  local function refused(...)
    local call = { ... }
    return unpack(covet.spawn(function()
      local start = covet.now()
      return { fails("pool_timeout", open(), unpack(call)), covet.now() - start }
    end):join())
  end

  it("a call waits for a connection no longer than acquire_timeout", function()
    local db = open()
    db:execute "create table t (a integer)"
    if d.dialect ~= "sqlite" then
      db:resize(1, 1) -- as the one writer of SQLite
    end
    local held = db:acquire()
    db:configure { acquire_timeout = 0.1 }
    local insert = d:sql "insert into t values (?)"
    for _, call in ipairs {
      { "execute", insert, 1 },
      { "execute", { insert, 1, timeout = 30 } },
      { "execute_many", insert, { { 1 }, { 2 } } },
      { "execute", "delete from t; delete from t" },
      { "transaction", function() end },
    } do
      local err, seconds = refused(unpack(call))
      assert.is_true(seconds >= 0.09 and seconds < 2)
      assert.matches("no connection came free within 0.1%d* s: %d+ of %d+ in use", err.message)
      assert.matches("pool_spec.lua:%d+", err.holders[1].taken_at)
      assert.same({ "queue", "safe" }, { err.phase, err.retry })
    end
    held:release()
    assert.equal(0, db:fetch_value "select count(*) from t")
  end)

  it("reads and streams wait no longer either", function()
    local db = open()
    if d.name ~= "SQLite in memory" then
      db:resize(0, 1)
    end
    local query = d.dialect == "sqlite" and "select a from t" or "select 1"
    db:execute "create table t (a integer)"
    local writer = db:acquire()
    local held = d.name == "SQLite in a file" and db:acquire { read_only = true } or writer
    db:configure { acquire_timeout = 0.1 }
    if d.dialect == "sqlite" then
      query = d.series:gsub("%?", "100000") -- too long for the loop's own reader
    end
    local _, seconds = refused("stream_query", query)
    assert.is_true(seconds >= 0.09 and seconds < 2)
    db:configure { acquire_timeout = 30 } -- who asks from now on waits for as long
    local reader = covet.spawn(db.fetch_all, db, query)
    covet.sleep(0.2)
    held:release()
    writer:close()
    assert.is_true(#reader:join() > 0)
  end)

  it("a call with an earlier deadline of its own gives up then", function()
    local db = open()
    db:execute "create table t (a integer)"
    if d.dialect ~= "sqlite" then
      db:resize(1, 1)
    end
    local held = db:acquire()
    local err, seconds = refused("execute", { "delete from t", timeout = 0.1 })
    assert.is_true(seconds < 2)
    assert.matches("no connection came free within 0.1", err.message, 1, true)
    held:release()
  end)

  it("configure: leak_timeout counts for what is lent already", function()
    local db, told = open(), {}
    db:on("leak", function(event) told[#told + 1] = event end)
    local held = db:acquire()
    covet.sleep(0.02)
    assert.equal(0, #told)
    db:configure { leak_timeout = 0.01 }
    eventually(function() return #told == 1 end)
    assert.equal(held, told[1].connection)
    held:release()
    eventually(function() return #told == 2 end)
  end)

  it("configure: query_timeout and slow_query", function()
    local db = open()
    db:configure { query_timeout = 0.05, slow_query = 0.01 }
    local slow
    db:on("error", function(event) slow = event end)
    fails("timeout", db, "fetch_value", d.slow)
    assert.is_table(slow)
  end)

  if d.name == "SQLite in memory" then
    it("resize and evict are refused: the one connection is the database", function()
      local db = open()
      db:execute "create table t (a integer)"
      assert.matches("in memory", tostring(fails("usage", db, "resize", 0, 3)))
      assert.matches("in memory", tostring(fails("usage", db, "configure", { max_pool_size = 3 })))
      assert.matches("in memory", tostring(fails("usage", db, "evict")))
      assert.equal(0, db:fetch_value "select count(*) from t")
      assert.equal(1, stats().max_size)
    end)
  else
    it("resize: who waits is served at once, what is too much goes when it comes back", function()
      local db = open()
      db:resize(0, 1)
      while_lent(1, function(held)
        local waiter = covet.spawn(function()
          return db:with({ read_only = true }, function(c) return c:fetch_value "select 7" end)
        end)
        eventually(function() return stats().waiting == 1 end)
        db:resize(0, 2)
        assert.equal(7, waiter:join())
        local before = stats()
        db:resize(0, 1)
        eventually(function() return stats().closed_by.resized == before.closed_by.resized + 1 end)
        assert.equal(before.max_size - 1, stats().max_size)
        assert.equal(1, held[1]:fetch_value "select 1")
      end)
    end)

    it("resize: the minimum is kept open from now on", function()
      local db = open()
      db:resize(0, 1)
      eventually(function() return stats().size <= 2 end) -- one may be for writing only
      db:resize(3, 4)
      eventually(function() return stats().size >= 3 end)
      assert.matches("min_pool_size", tostring(fails("usage", db, "resize", 5, 4)))
      local before = stats().closed_by.idle
      db:resize(0, 4)
      db:configure { idle_timeout = 0.01, auto_scale = false }
      eventually(function() return stats().closed_by.idle >= before + 2 end)
    end)

    it("evict: idle ones now, lent ones when they come back", function()
      local db = open()
      local closed = {}
      db:resize(0, 2)
      while_lent(2, function(held)
        db:on("close", function(event) closed[#closed + 1] = event.reason end)
        held[1]:release()
        db:evict()
        eventually(function() return #closed == 1 end)
        assert.equal(2, held[2]:fetch_value "select 2")
      end)
      eventually(function() return #closed == 2 end)
      assert.same({ "evicted", "evicted" }, closed)
      assert.equal(3, db:fetch_value "select 3")
    end)
  end

  it("drain: serves who waits, refuses who comes, waits for what is lent", function()
    local db = open()
    if d.name ~= "SQLite in memory" then
      db:resize(1, 1)
    end
    local held = db:acquire()
    local waiter = covet.spawn(function()
      return db:with(function(connection) return connection:fetch_value "select 5" end)
    end)
    eventually(function() return stats().waiting == 1 end)
    local drained = false
    local drain = covet.spawn(function()
      db:drain { timeout = 5 }
      drained = true
    end)
    covet.sleep(0.01)
    covet.spawn(function() -- a task that holds nothing of it
      fails("pool_closed", db, "fetch_value", "select 1")
      fails("pool_closed", db, "acquire")
    end):join()
    assert.equal(1, held:fetch_value "select 1")
    assert.is_false(drained)
    held:release()
    assert.equal(5, waiter:join())
    drain:join()
    assert.equal(0, stats().size)
    fails("pool_closed", db, "fetch_value", "select 1")
    assert.equal(2, db:connect():fetch_value "select 2")
  end)

  it("drain: what is out at the deadline holds it up, and it goes on", function()
    local db = open()
    local held = db:acquire()
    local err = fails("pool_timeout", db, "drain", { timeout = 0.02 })
    assert.matches("not drained within 0.02 s", tostring(err), 1, true)
    assert.matches("pool_spec.lua:%d+", err.holders[1].taken_at)
    assert.equal("safe", err.retry)
    local second = covet.spawn(function() db:drain(5) end)
    covet.sleep(0.01)
    held:release()
    second:join()
    assert.equal(0, stats().size)
    db:drain() -- nothing is left: at once
    db:connect()
  end)

  it("drain: disconnect ends what holds it up", function()
    local db = open()
    local held = db:acquire()
    local drain = covet.spawn(function() return db.try:drain { timeout = 60 } end)
    covet.sleep(0.01)
    db:disconnect(0.01)
    drain:join()
    fails("pool_closed", held, "fetch_value", "select 1")
    assert.equal(0, stats().size)
    fails("usage", db, "drain", { timout = 1 })
    db:connect()
  end)

  it("drain: an adapter that was never used", function()
    local db = d.connect {}
    db:drain()
    fails("pool_closed", db, "fetch_value", "select 1")
    assert.equal(1, db:connect():fetch_value "select 1")
    db:disconnect()
  end)
end)
