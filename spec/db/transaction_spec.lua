-- Transactions: commit, rollback, savepoints, options, what is refused.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local support = require "spec.db.transaction_support"

database.contract("transactions", function(d, open)
  local db
  before_each(function()
    db = open()
    support.create(db, d)
  end)

  local insert = support.insert(d)

  local function ids()
    return support.ids(db)
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

  it("a savepoint has the isolation of its transaction", function()
    db:transaction({ isolation = "serializable" }, function(tx)
      assert.equal(1, tx:transaction({ isolation = "SERIALIZABLE" }, function() return 1 end))
      assert.equal(2, db:transaction(function(inner)
        return inner:transaction({ isolation = "serializable" }, function() return 2 end)
      end))
      local err = fails("usage", tx, "transaction", { isolation = "read committed" }, print)
      assert.matches("serializable: it cannot be read committed", err.message)
      fails("usage", db, "transaction", { isolation = "read committed" }, print)
      fails("usage", tx, "begin", { isolation = "read committed" })
    end)
    db:transaction(function(tx)
      fails("usage", tx, "transaction", { isolation = "serializable" }, print)
      tx:execute(insert, 1, 1)
    end)
    assert.same({ 1 }, ids())
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

  it("none begins or ends on a connection that is anybody's", function()
    for _, text in ipairs { "begin", "commit", "rollback", "savepoint a", "/* x */ begin" } do
      local err = fails("usage", db, "execute", text)
      assert.matches("connection of its own", err.message)
      fails("usage", db, "fetch_all", text)
      fails("usage", db, "execute", { text, timeout = 5 })
    end
    assert.equal(1, db:fetch_value "select 1")
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("a script that leaves one open is told that it was rolled back", function()
    db:execute "begin; insert into t values (1, 1); commit"
    local err = fails("usage", db, "execute", "begin; insert into t values (2, 2)")
    assert.matches("rolled back", err.message)
    fails("usage", db, "execute", "insert into t values (3, 3); begin; insert into t values (4, 4)")
    assert.equal(1, db:fetch_value "select min(id) from t")
    assert.equal(0, db:fetch_value "select count(*) from t where id in (2, 4)")
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("one that reads only cannot be made to write", function()
    local function refused(run)
      local fine, err = pcall(run)
      assert.is_false(fine)
      assert.is_true(covet.is(err, "read_only", "usage", "syntax_error", "database_error"), tostring(err))
    end
    for _, text in ipairs {
      "insert into t values (7, 7)", "commit; insert into t values (7, 7)",
      "set transaction read write; insert into t values (7, 7)",
      "/* ; */ set /* ; */ session characteristics as transaction read write; commit; "
        .. "insert into t values (7, 7)",
      'set "transaction_read_only" = off; insert into t values (7, 7)',
      "reset transaction_read_only; insert into t values (7, 7)",
      "select 1; end; insert into t values (7, 7)",
    } do
      refused(function() db:execute { text, read_only = true } end)
      refused(function() db:with_options({ read_only = true }):execute(text) end)
      refused(function()
        db:transaction({ read_only = true }, function(tx) tx:execute(text) end)
      end)
    end
    refused(function()
      db:transaction({ read_only = true }, function(tx)
        tx:execute "set transaction read write"
        tx:execute(insert, 7, 7)
      end)
    end)
    assert.same({}, ids())
    db:transaction({ read_only = true }, function(tx)
      assert.equal(0, tx:fetch_value "select count(*) from t")
    end)
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
end)
