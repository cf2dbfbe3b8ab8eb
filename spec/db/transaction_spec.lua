-- Transactions: commit, rollback, savepoints, ambient joining, ownership.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local suspension = require "spec.support.suspension"
local wait = require "spec.support.wait"

database.contract("transactions", function(d, open)
  local db
  before_each(function()
    db = open()
    db:execute(("create table t (id %s primary key, v %s)"):format(d.types.integer, d.types.integer))
  end)

  local insert = d:sql "insert into t values (?, ?)"

  local function ids()
    return (db:fetch_column "select id from t order by id")
  end

  it("commits when the function returns", function()
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      assert.equal(1, tx:fetch_value "select count(*) from t")
    end)
    assert.same({ 1 }, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("passes results through, nils included", function()
    local function count(...)
      return select("#", ...), ...
    end
    local n, a, b, c, e = count(db:transaction(function()
      return nil, 2, nil, nil
    end))
    assert.equal(4, n)
    assert.same({ nil, 2, nil, nil }, { a, b, c, e })
    assert.equal(0, (count(db:transaction(function() end))))
  end)

  it("an error rolls back and is raised again, the same object", function()
    local thrown = { "an object of mine" }
    local ok, err = pcall(db.transaction, db, function(tx)
      tx:execute(insert, 1, 1)
      error(thrown)
    end)
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.same({}, ids())
    err = fails("undefined_table", db, "transaction", function(tx)
      tx:execute(insert, 1, 1)
      tx:execute "insert into nonsense values (1)"
    end)
    assert.equal("insert into nonsense values (1)", err.sql)
    assert.same({}, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("rollback() ends it without an error", function()
    assert.equal("done", (db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      tx:rollback()
      fails("usage", tx, "execute", insert, 2, 2)
      fails("usage", tx, "commit")
      fails("usage", tx, "rollback")
      return "done"
    end)))
    assert.same({}, ids())
  end)

  it("commit() in the function ends it early", function()
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      tx:commit()
      fails("usage", tx, "execute", insert, 2, 2)
    end)
    assert.same({ 1 }, ids())
  end)

  it("a nested one is a savepoint", function()
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      assert.has_error(function()
        tx:transaction(function(inner)
          inner:execute(insert, 2, 2)
          inner:transaction(function(innermost)
            innermost:execute(insert, 3, 3)
          end)
          error "undo both"
        end)
      end)
      assert.equal(7, (tx:transaction(function(inner)
        inner:execute(insert, 4, 4)
        return 7
      end)))
      tx:transaction(function(inner)
        inner:execute(insert, 5, 5)
        inner:rollback()
      end)
    end)
    assert.same({ 1, 4 }, ids())
  end)

  it("an error in a statement does not undo what a savepoint guards", function()
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      fails("unique_violation", tx, "transaction", function(inner)
        inner:execute(insert, 2, 2)
        inner:execute(insert, 1, 1)
      end)
      tx:execute(insert, 3, 3)
    end)
    assert.same({ 1, 3 }, ids())
  end)

  it("savepoint, rollback_to, release_savepoint", function()
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      tx:savepoint 'odd "name"'
      tx:execute(insert, 2, 2)
      tx:rollback_to 'odd "name"'
      tx:execute(insert, 3, 3)
      tx:release_savepoint 'odd "name"'
    end)
    assert.same({ 1, 3 }, ids())
    db:transaction(function(tx)
      local _, err = tx.try:rollback_to "nonsense"
      assert.is_table(err)
      tx:rollback()
    end)
  end)

  it("isolation in any spelling, a wrong one being told", function()
    for _, name in ipairs { "serializable", "SERIALIZABLE", "read committed", "Read_Committed",
      "repeatable  read", "read_uncommitted" } do
      assert.equal(1, (db:transaction({ isolation = name }, function(tx)
        return tx:fetch_value "select 1"
      end)))
    end
    assert.matches("serializable", fails("usage", db, "transaction", { isolation = "snapshot" },
      function() end).message)
    fails("usage", db, "transaction", { isolaton = "serializable" }, function() end)
    fails("usage", db, "transaction", { retries = -1 }, function() end)
    fails("usage", db, "transaction", { retries = "many" }, function() end)
    fails("usage", db, "transaction", {})
    fails("usage", db, "transaction")
    fails("usage", db, "transaction", 7)
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("read_only refuses what writes and sees one state", function()
    db:execute(insert, 1, 1)
    fails("read_only", db, "transaction", { read_only = true }, function(tx)
      assert.equal(1, tx:fetch_value "select count(*) from t")
      tx:execute(insert, 2, 2)
    end)
    assert.same({ 1 }, ids())
    if d.name == "SQLite in memory" then
      return
    end
    db:transaction({ read_only = true, isolation = "repeatable read" }, function(tx)
      assert.equal(1, tx:fetch_value "select count(*) from t")
      covet.spawn(function()
        db:execute(insert, 2, 2)
      end):join()
      assert.equal(1, tx:fetch_value "select count(*) from t")
    end)
    assert.same({ 1, 2 }, ids())
  end)

  it("a timeout counts for each call in it", function()
    fails("timeout", db, "transaction", { timeout = 0.05 }, function(tx)
      tx:execute(insert, 1, 1)
      tx:fetch_value(d.slow)
    end)
    assert.same({}, ids())
  end)

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

  it("cannot be used when it is over", function()
    local kept
    db:transaction(function(tx)
      kept = tx
    end)
    for _, call in ipairs { { "execute", insert, 1, 1 }, { "fetch_all", "select 1" }, { "commit" },
      { "rollback" }, { "savepoint", "a" }, { "after_commit", print } } do
      fails("usage", kept, unpack(call))
    end
    local view
    db:transaction(function(tx)
      view = tx:with_options { rows = "array" }
    end)
    fails("usage", view, "fetch_all", "select 1")
  end)

  it("after_commit runs in order, after the commit, outside of it", function()
    local order = {}
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      tx:after_commit(function()
        order[#order + 1] = "first"
        assert.equal(0, db:get_pool_stats().used)
        assert.same({ 1 }, ids())
      end)
      tx:transaction(function(inner)
        inner:after_commit(function()
          order[#order + 1] = "second"
        end)
      end)
      tx:after_commit(function()
        order[#order + 1] = "third"
      end)
      assert.same({}, order)
    end)
    assert.same({ "first", "second", "third" }, order)
    db:transaction(function(tx)
      fails("usage", tx, "after_commit", 7)
    end)
  end)

  it("after_commit is dropped with what is rolled back", function()
    local ran = {}
    local function note(name)
      return function()
        ran[#ran + 1] = name
      end
    end
    pcall(db.transaction, db, function(tx)
      tx:after_commit(note "outer")
      tx:transaction(function(inner)
        inner:after_commit(note "inner")
      end)
      error "no"
    end)
    db:transaction(function(tx)
      tx:after_commit(note "rolled back")
      tx:rollback()
    end)
    db:transaction(function(tx)
      tx:after_commit(note "kept")
      pcall(tx.transaction, tx, function(inner)
        inner:after_commit(note "lost")
        error "no"
      end)
    end)
    assert.same({ "kept" }, ran)
  end)

  it("an error in after_commit is raised; the work is there", function()
    local _, err = pcall(db.transaction, db, function(tx)
      tx:execute(insert, 1, 1)
      tx:after_commit(function()
        error "in the hook"
      end)
    end)
    assert.matches("in the hook", tostring(err))
    assert.same({ 1 }, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("after_commit runs once, however often the transaction ran", function()
    local function deadlock()
      return require("covet.error").new { kind = "deadlock", message = "made up" }
    end
    local runs, hooks = 0, {}
    db:transaction({ retries = 3 }, function(tx)
      runs = runs + 1
      local run = runs
      tx:after_commit(function()
        hooks[#hooks + 1] = run
      end)
      if runs < 3 then
        error(deadlock())
      end
    end)
    assert.equal(3, runs)
    assert.same({ 3 }, hooks)
    -- what a hook raises is no reason to commit twice
    runs, hooks = 0, {}
    fails("deadlock", db, "transaction", { retries = 3 }, function(tx)
      runs = runs + 1
      tx:execute(insert, runs, runs)
      tx:after_commit(function()
        hooks[#hooks + 1] = "first"
        error(deadlock())
      end)
      tx:after_commit(function()
        hooks[#hooks + 1] = "second"
      end)
    end)
    assert.equal(1, runs)
    assert.same({ "first", "second" }, hooks)
    assert.same({ 1 }, ids())
  end)

  it("begin, commit and rollback", function()
    local tx = db:begin()
    tx:execute(insert, 1, 1)
    db:execute(insert, 2, 2)
    tx:commit()
    assert.same({ 1, 2 }, ids())
    tx = db:begin { isolation = "serializable" }
    tx:execute(insert, 3, 3)
    tx:rollback()
    assert.same({ 1, 2 }, ids())
    fails("usage", tx, "rollback")
    fails("usage", tx, "commit")
    tx = db:begin()
    local inner = tx:begin()
    inner:execute(insert, 4, 4)
    inner:rollback()
    inner = tx:begin()
    inner:execute(insert, 5, 5)
    inner:commit()
    tx:commit()
    assert.same({ 1, 2, 5 }, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("an outer end ends what is open inside", function()
    local tx = db:begin()
    local inner = tx:begin()
    inner:execute(insert, 1, 1)
    tx:rollback()
    fails("usage", inner, "execute", insert, 2, 2)
    assert.same({}, ids())
    tx = db:begin()
    inner = tx:begin()
    inner:execute(insert, 3, 3)
    tx:commit()
    fails("usage", inner, "commit")
    assert.same({ 3 }, ids())
    assert.equal(1, (db:transaction(function(last)
      return last:fetch_value "select 1"
    end)))
    assert.equal(0, db:get_pool_stats().used)
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

  it("works on a leased connection", function()
    db:with(function(held)
      held:transaction(function(tx)
        tx:execute(insert, 1, 1)
      end)
      pcall(held.transaction, held, function(tx)
        tx:execute(insert, 2, 2)
        error "no"
      end)
      local tx = held:begin()
      tx:execute(insert, 3, 3)
      tx:commit()
      assert.equal(2, held:fetch_value "select count(*) from t")
    end)
    assert.same({ 1, 3 }, ids())
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

  it("the caller's own BEGIN and COMMIT on a lease", function()
    db:with(function(held)
      held:execute "begin"
      held:execute(insert, 1, 1)
      held:execute "rollback"
      held:execute "begin"
      held:execute(insert, 2, 2)
      held:execute "commit"
      held:execute "begin"
      held:execute(insert, 3, 3)
    end)
    assert.same({ 2 }, ids())
  end)

  it("statements that end or begin one are refused, whatever stands before them", function()
    local methods = {
      COMMIT = "tx:commit()", END = "tx:commit()", ROLLBACK = "tx:rollback()",
      BEGIN = "tx:transaction(fn)", SAVEPOINT = "tx:savepoint(name)",
      RELEASE = "tx:release_savepoint(name)",
    }
    for _, text in ipairs {
      "commit", "COMMIT transaction", "end", "rollback", "rollback to a", "begin immediate",
      "savepoint a", "release a", " \n\t commit;", "-- a\n/* b */ rollback", ";; end",
      "insert into t values (5, 5); commit", "select 1; /* x */ ; release a;",
    } do
      db:transaction(function(tx)
        tx:execute(insert, 1, 1)
        local err = fails("usage", tx, "execute", text)
        assert.equal(text, err.sql)
        assert.matches("spec/support/fails.lua", err.where, 1, true)
        local word = err.message:match "^%u+"
        assert.is_truthy(err.message:find(methods[word], 1, true), err.message)
        fails("usage", tx, "execute", { text, timeout = 1 })
        fails("usage", tx:with_options { timeout = 1 }, "execute", text)
        fails("usage", db, "execute", text)
        fails("usage", db:with_options { timeout = 1 }, "execute", text)
        fails("usage", tx, "fetch_all", text)
        fails("usage", tx, "stream_query", text)
        fails("usage", tx, "execute_many", text, {})
        fails("usage", tx, "prepare", text)
        local _, answered = tx.try:with_options({ rows = "array" }):execute(text)
        assert.equal("usage", answered.kind)
        assert.equal(1, tx:fetch_value "select count(*) from t")
        tx:rollback()
      end)
    end
    assert.same({}, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("words that only look like that are not refused", function()
    db:transaction(function(tx)
      assert.equal("commit", tx:fetch_value "select 'commit'")
      assert.equal(1, tx:fetch_value "select case when 1 = 1 then 1 end")
      database.run(tx, d.words)
    end)
  end)

  it("rollback() of one that cannot be committed any more rolls back", function()
    local tx = db:begin()
    tx:execute(insert, 1, 1)
    tx.doomed = true -- a nested one could not be rolled back
    fails("transaction_aborted", tx, "execute", insert, 2, 2)
    fails("transaction_aborted", db, "execute", insert, 2, 2)
    fails("transaction_aborted", tx, "commit")
    tx:rollback()
    fails("usage", tx, "rollback")
    assert.same({}, ids())
    assert.equal(0, db:get_pool_stats().used)
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
