-- Transactions and tasks: calls that join one, who owns it, what ends it.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local support = require "spec.db.transaction_support"
local suspension = require "spec.support.suspension"
local wait = require "spec.support.wait"

database.contract("transactions of tasks", function(d, open)
  local db
  before_each(function()
    db = open()
    support.create(db, d)
  end)

  local insert = support.insert(d)

  local function ids()
    return support.ids(db)
  end

  it("calls on the adapter join the task's transaction", function()
    assert.has_error(function()
      db:transaction(function()
        db:execute(insert, 1, 1)
        assert.equal(1, db:fetch_value "select count(*) from t")
        assert.equal(1, db:fetch_all { "select count(*) as n from t", rows = "array" }[1][1])
        assert.equal(1, db:with_options({ rows = "array" }):fetch_one("select count(*) from t")[1])
        for row in db:each "select id from t" do
          assert.equal(1, row.id)
        end
        db:execute_many(insert, { { 2, 2 } })
        db:transaction(function()
          db:execute(insert, 3, 3)
        end)
        error "undo all"
      end)
    end)
    assert.same({}, ids())
  end)

  it("other tasks do not join it", function()
    if d.name == "SQLite in memory" then
      return -- its only connection is taken: they wait
    end
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      covet.spawn(function()
        assert.equal(0, db:fetch_value "select count(*) from t")
      end):join()
    end)
  end)

  it("other tasks wait for it where there is one connection", function()
    local order = {}
    local task
    db:transaction(function(tx)
      task = covet.spawn(function()
        order[2] = db:execute(insert, 2, 2).affected_rows
      end)
      covet.sleep(0.01)
      tx:execute(insert, 1, 1)
      order[1] = 0
    end)
    task:join()
    assert.same({ 0, 1 }, order)
    assert.same({ 1, 2 }, ids())
  end)

  it("is refused to another task", function()
    db:transaction(function(tx)
      covet.spawn(function()
        fails("usage", tx, "execute", insert, 1, 1)
        fails("usage", tx, "fetch_all", "select 1")
        fails("usage", tx, "commit")
        fails("usage", tx, "rollback")
        fails("usage", tx, "transaction", function() end)
      end):join()
      tx:execute(insert, 2, 2)
    end)
    assert.same({ 2 }, ids())
  end)

  it("one that its task forgets is rolled back", function()
    local task = covet.spawn(function()
      local tx = db:begin()
      tx:execute(insert, 1, 1)
      error "the task dies"
    end)
    assert.has_error(function()
      task:join()
    end)
    assert.same({}, ids())
    assert.is_true(wait.until_true(function()
      return db:get_pool_stats().used == 0
    end, 1))
  end)

  it("a cancelled task's transaction is rolled back", function()
    local task = covet.spawn(function()
      db:transaction(function(tx)
        tx:execute(insert, 1, 1)
        covet.sleep(10)
      end)
    end)
    covet.sleep(0.01)
    task:cancel()
    fails("cancelled", task.join, task)
    assert.same({}, ids())
  end)

  it("covet.timeout in it rolls back when it is not caught", function()
    fails("timeout", db, "transaction", function(tx)
      tx:execute(insert, 1, 1)
      covet.timeout(0.02, tx.fetch_value, tx, d.slow)
    end)
    assert.same({}, ids())
    db:transaction(function(tx)
      tx:execute(insert, 2, 2)
      fails("timeout", covet.timeout, 0.02, covet.sleep, 5)
      tx:execute(insert, 3, 3)
    end)
    assert.same({ 2, 3 }, ids())
  end)

  it("a cancelled task gives its connection back, and what is committed is told", function()
    for _, how in pairs(suspension.ways) do
      local k, fired = 0, true
      while fired do
        k = k + 1
        local told, committed = false, false
        db:execute "delete from t"
        local _
        _, fired = suspension.run(function()
          local tx = db:begin()
          tx:execute(insert, 1, 1)
          -- a release that takes its time
          tx:execute "create temporary table if not exists s (i integer)"
          tx:after_commit(function()
            told = true
          end)
          tx:commit()
          committed = true
        end, k, how)
        assert.equal(0, db:get_pool_stats().used)
        assert.equal(told, ids()[1] == 1)
        assert.equal(told, committed)
      end
    end
  end)

  it("500 transfers of 50 tasks keep the sum", function()
    db:execute(insert, 1, 1000)
    db:execute(insert, 2, 1000)
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    covet.each_parallel(list, 50, function(i)
      db:transaction({ retries = 20 }, function(tx)
        tx:execute(d:sql "update t set v = v - ? where id = 1", i)
        tx:execute(d:sql "update t set v = v + ? where id = 2", i)
      end)
    end)
    assert.same({ { id = 1, v = 1000 - 5050 }, { id = 2, v = 1000 + 5050 } },
      db:fetch_all "select * from t order by id")
  end)
end)

database.contract("transactions that calls do not join", function(d, open)
  it("ambient = false turns joining off", function()
    local db = open()
    db:execute(("create table t (id %s)"):format(d.types.integer))
    if d.name == "SQLite in memory" then
      db:transaction(function(tx)
        tx:execute "insert into t values (1)"
        fails("pool_exhausted", db, "begin")
      end)
      return
    end
    db:transaction(function(tx)
      tx:execute "insert into t values (1)"
      assert.equal(0, db:fetch_value "select count(*) from t")
      assert.equal(1, tx:fetch_value "select count(*) from t")
    end)
  end)
end, { ambient = false })

describe("a forgotten transaction", function()
  it("is reported with its place and rolled back", function()
    local result = process.run { false, "-e", [[
      local db = covet.sqlite ":memory:"
      db:execute "create table t (id integer)"
      covet.spawn(function()
        local tx = db:begin()
        tx:execute "insert into t values (1)"
      end):join()
      print(db:fetch_value "select count(*) from t")
    ]], limit = 20 }
    assert.equal("0\n", result.stdout)
    assert.matches("forgotten", result.stderr)
    assert.matches(":4", result.stderr, 1, true)
  end)
end)
