-- Other processes with a lock on the file.
local covet = require "covet"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

describe("SQLite beside another process", function()
  local db, path, holder
  before_each(function()
    path = tmp.path()
    db = covet.sqlite { path = path, busy_timeout = 5 }:connect()
    db:execute "create table t (a); insert into t values (1)"
  end)
  after_each(function()
    if holder then
      holder:kill "sigkill"
      holder:wait(5)
      holder = nil
    end
    db:disconnect(1)
  end)

  -- The sqlite3 command with a lock.
  local function hold(begin)
    holder = process.start { "sqlite3", "-batch", path, stdin = true }
    holder:write((begin or "begin immediate") .. "; insert into t values (100); select 'held';\n")
    assert(holder:expect "held", "the other process does not hold the lock")
  end

  local function let_go()
    holder:write "commit; select 'free';\n"
    assert(holder:expect "free")
  end

  it("waits for the lock and then writes", function()
    hold()
    local task = covet.spawn(function()
      return db:execute("insert into t values (2)").affected_rows
    end)
    covet.sleep(0.05)
    assert.equal(2, db:fetch_value "select 2")
    assert.equal(1, db:fetch_value "select count(*) from t")
    let_go()
    assert.equal(1, task:join())
    assert.equal(3, db:fetch_value "select count(*) from t")
  end)

  it("gives up after busy_timeout", function()
    local other = covet.sqlite { path = path, busy_timeout = 0.05 }
    assert.equal(1, other:fetch_value "select count(*) from t")
    hold()
    local err = fails("lock_timeout", other, "execute", "insert into t values (2)")
    assert.equal("safe", err.retry)
    assert.matches("process", tostring(err))
    fails("lock_timeout", other, "transaction", function() end)
    fails("lock_timeout", other, "execute_many", "insert into t values (?)", { { 1 }, { 2 } })
    fails("lock_timeout", other, "execute", "insert into t values (2); insert into t values (3)")
    assert.equal(0, other:get_pool_stats().used)
    let_go()
    other:execute "insert into t values (2)"
    other:disconnect()
  end)

  it("busy_timeout = 0 does not wait", function()
    local other = covet.sqlite { path = path, busy_timeout = 0 }
    other:connect()
    hold()
    fails("lock_timeout", other, "execute", "insert into t values (2)")
    other:disconnect()
  end)

  it("a deadline wakes the wait", function()
    hold()
    local started = covet.now()
    local err = fails("timeout", db, "execute", { "insert into t values (2)", timeout = 0.05 })
    assert.equal("query", err.phase)
    fails("timeout", covet.timeout, 0.05, db.execute, db, "insert into t values (2)")
    fails("timeout", db, "transaction", { timeout = 0.05 }, function() end)
    fails("timeout", covet.timeout, 0.05, db.transaction, db, function() end)
    assert.is_true(covet.now() - started < 3)
    assert.equal(0, db:get_pool_stats().used)
    let_go()
    assert.equal(2, db:fetch_value "select count(*) from t")
    db:execute "insert into t values (3)"
  end)

  it("a cancel wakes the wait", function()
    hold()
    for _, method in ipairs { "execute", "execute_insert", "begin", "transaction" } do
      local task = covet.spawn(function()
        local argument = method == "transaction" and function() end
          or method ~= "begin" and "insert into t values (2)" or nil
        return db[method](db, argument)
      end)
      covet.sleep(0.02)
      local started = covet.now()
      task:cancel()
      fails("cancelled", task.join, task)
      assert.is_true(covet.now() - started < 2)
      assert.equal(0, db:get_pool_stats().used)
    end
    let_go()
    assert.equal(2, db:fetch_value "select count(*) from t")
  end)

  it("an exclusive lock keeps readers out in rollback modes", function()
    db:disconnect()
    path = tmp.path()
    db = covet.sqlite { path = path, journal_mode = "delete", busy_timeout = 0.05 }
    db:execute "create table t (a); insert into t values (1)"
    hold "begin exclusive"
    fails("lock_timeout", db, "fetch_value", "select count(*) from t")
    let_go()
    assert.equal(2, db:fetch_value "select count(*) from t")
  end)

  it("a file that is locked when it is opened", function()
    local locked = tmp.path()
    local first = covet.sqlite { path = locked, journal_mode = "delete" }
    first:execute "create table t (a)"
    first:disconnect()
    holder = process.start { "sqlite3", "-batch", locked, stdin = true }
    holder:write "begin exclusive; insert into t values (100); select 'held';\n"
    assert(holder:expect "held")
    local other = covet.sqlite { path = locked, busy_timeout = 0.05 }
    fails("lock_timeout", other, "connect")
    let_go()
    assert.equal(1, other:fetch_value "select count(*) from t")
    other:disconnect()
  end)

  it("two processes write to one file", function()
    local script = [[
      local db = covet.sqlite { path = arg[1], busy_timeout = 30 }
      for i = 1, 150 do
        db:execute("insert into t values (?)", i)
      end
      db:transaction(function(tx)
        for i = 1, 50 do
          tx:execute("insert into t values (?)", i)
        end
      end)
      db:disconnect()
    ]]
    local file = tmp.file(script, "writer.lua")
    local others = {}
    for i = 1, 2 do
      others[i] = process.start { false, file, path }
    end
    for i = 1, 150 do
      db:execute("insert into t values (?)", i)
    end
    for i = 1, 2 do
      local result = others[i]:wait(30)
      assert.equal("", result.stderr)
      assert.equal(0, result.status)
    end
    assert.equal(551, db:fetch_value "select count(*) from t")
  end)

  it("retries run a transaction again after a real conflict", function()
    local runs, told = 0, 0
    db:on("retry", function(event)
      told = told + 1
      assert(event.error.kind == "serialization_failure")
    end)
    local count = db:transaction({ mode = "deferred", retries = 3 }, function(tx)
      runs = runs + 1
      local n = tx:fetch_value "select count(*) from t"
      if runs == 1 then -- somebody else changes what was read
        local result = process.run { "sqlite3", path, "insert into t values (50)", limit = 10 }
        assert(result.status == 0, result.stderr)
      end
      tx:execute("insert into t values (?)", n)
      return n
    end)
    assert.equal(2, runs)
    assert.equal(1, told)
    assert.equal(2, count)
    assert.same({ 1, 50, 2 }, (db:fetch_column "select a from t order by rowid"))
    runs = 0
    fails("serialization_failure", db, "transaction", { mode = "deferred" }, function(tx)
      runs = runs + 1
      tx:fetch_value "select count(*) from t"
      process.run { "sqlite3", path, "insert into t values (51)", limit = 10 }
      tx:execute "insert into t values (0)"
    end)
    assert.equal(1, runs)
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("a schema changed by another process is seen", function()
    assert.same({ a = 1 }, db:fetch_one "select * from t")
    local result = process.run { "sqlite3", path, "alter table t add column b default 7", limit = 10 }
    assert.equal(0, result.status)
    assert.same({ a = 1, b = 7 }, db:fetch_one "select * from t")
    db:execute("insert into t (a, b) values (?, ?)", 2, 8)
    assert.same({ a = 2, b = 8 }, db:fetch_one "select * from t where a = 2")
  end)
end)
