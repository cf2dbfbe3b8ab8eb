-- Transactions as MySQL has them, and scripts.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

mysql.describe("transactions of MariaDB", function()
  local database, db

  local function open(changes)
    return mysql.open_one(changes, database.url)
  end

  before_each(function()
    database = mysql.fresh_database()
    db = open()
  end)

  after_each(function()
    database:drop()
  end)

  it("isolation levels in any spelling reach the server", function()
    db:execute "create table t (a int) engine = innodb"
    for given, expected in pairs { ["REPEATABLE READ"] = "REPEATABLE READ",
      repeatable_read = "REPEATABLE READ", ["READ COMMITTED"] = "READ COMMITTED",
      Read_Uncommitted = "READ UNCOMMITTED", serializable = "SERIALIZABLE" } do
      local found = db:transaction({ isolation = given }, function(tx)
        tx:execute "insert into t values (1)"
        covet.sleep(0.15) -- so long InnoDB keeps what it told last
        return mysql.administer("select trx_isolation_level from information_schema.innodb_trx "
          .. "where trx_mysql_thread_id = " .. tx:fetch_value "select connection_id()")
      end)
      assert.equal(expected, found)
    end
  end)

  it("a transaction's isolation level costs no reset, and goes with it", function()
    local function misses()
      assert.equal("REPEATABLE-READ", (db:fetch_value "select @@tx_isolation"))
      return db:get_pool_stats().cache_misses
    end
    local count = misses()
    for _ = 1, 3 do
      db:transaction({ isolation = "serializable" }, function() end)
    end
    assert.equal(count, misses())
  end)

  it("a statement that commits by itself is noticed and told", function()
    db:execute "create table t (a int)"
    local err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (1)"
      tx:execute "create table other (a int)"
      tx:execute "insert into t values (2)"
    end)
    assert.matches("committed by a statement", err.message)
    assert.matches("create", err.message)
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (3)"
      tx:execute "truncate table other"
    end)
    assert.matches("truncate", err.message)
    assert.equal(2, db:fetch_value "select count(*) from t")
    -- a temporary table does not
    db:transaction(function(tx)
      tx:execute "create temporary table temp (a int)"
      tx:execute "insert into t values (4)"
    end)
    assert.equal(3, db:fetch_value "select count(*) from t")
  end)

  it("a script that ends the transaction around it is noticed and told", function()
    db:execute "create table t (a int)"
    local err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (1)"
      tx:execute "create table s (x int); insert into s values (1)"
      tx:execute "insert into t values (2)"
    end)
    assert.matches("ended by a script", err.message)
    assert.equal(1, db:fetch_value "select count(*) from s")
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    err = fails("transaction_aborted", db, "transaction", function(tx)
      fails("undefined_table", tx, "execute", "create table v (x int); insert into nonsense values (1)")
      tx:execute "insert into t values (2)"
    end)
    assert.matches("ended by a script", err.message)
  end)

  it("a script that ends the transaction around it, and begins another", function()
    db:execute "create table t (a int)"
    db:with(function(held)
      held:execute "begin"
      held:execute "insert into t values (1)"
      held:execute "insert into t values (2); commit; begin; insert into t values (3)"
      held:execute "insert into t values (4)"
      held:execute "rollback"
      assert.same({ 1, 2 }, (held:fetch_column "select a from t"))
      held:execute "begin"
      fails("undefined_table", held, "execute",
        "commit; begin; insert into t values (3); select * from nonsense")
      held:execute "commit"
      assert.same({ 1, 2, 3 }, (held:fetch_column "select a from t"))
      -- covet's own: what the script has begun is not taken for it
      held:execute "set autocommit = 0"
      local err = fails("transaction_aborted", held, "transaction", function(tx)
        tx:execute "insert into t values (4)"
        tx:execute "create table s (x int); insert into s values (1)"
        tx:execute "insert into t values (5)"
      end)
      assert.matches("ended by a script", err.message)
    end)
    assert.same({ 1, 2, 3, 4 }, (db:fetch_column "select a from t"))
    assert.equal(0, db:fetch_value "select count(*) from s")
  end)

  local function two_rows(wide)
    wide:execute "create table locks (id int primary key, n int)"
    wide:execute "insert into locks values (1, 0), (2, 0)"
  end

  it("a deadlock undoes the whole transaction, and retries run it again", function()
    local wide = open { max_pool_size = 4 }
    two_rows(wide)
    local runs, told = 0, 0
    wide:on("retry", function() told = told + 1 end)
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      wide:transaction({ retries = 5 }, function(tx)
        runs = runs + 1
        tx:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        tx:execute("update locks set n = n + 1 where id = ?", order[2])
      end)
    end)
    assert.is_true(runs >= 3)
    assert.equal(runs - 2, told)
    assert.same({ 2, 2 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("after a deadlock nothing of the transaction goes on", function()
    local wide = open { max_pool_size = 4 }
    two_rows(wide)
    local kinds = {}
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      local _, err = pcall(wide.transaction, wide, function(tx)
        tx:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        local _, first = tx.try:execute("update locks set n = n + 1 where id = ?", order[2])
        if first then
          assert.equal("deadlock", first.kind)
          assert.equal("safe", first.retry)
          local _, second = tx.try:execute "update locks set n = 100"
          assert.equal("transaction_aborted", second.kind)
          error(first, 0)
        end
      end)
      kinds[#kinds + 1] = type(err) == "table" and err.kind or "fine"
    end)
    table.sort(kinds)
    assert.same({ "deadlock", "fine" }, kinds)
    assert.same({ 1, 1 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("after a deadlock a script that begins again has nothing of it", function()
    local wide = open { max_pool_size = 4 }
    two_rows(wide)
    local deadlocks = 0
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      wide:with(function(held)
        held:execute "begin"
        held:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        local _, err = held.try:execute("update locks set n = n + 1 where id = ?", order[2])
        if not err then
          return held:execute "commit"
        end
        deadlocks = deadlocks + 1
        assert.equal("deadlock", err.kind)
        held:execute "rollback; begin; update locks set n = n + 10"
        held:execute "update locks set n = n + 100"
        held:execute "commit"
      end)
    end)
    assert.equal(1, deadlocks)
    assert.same({ 111, 111 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("with autocommit = false a deadlock is followed by another transaction", function()
    local wide = open { max_pool_size = 4, autocommit = false }
    two_rows(wide)
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      wide:with(function(held)
        held:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        local _, err = held.try:execute("update locks set n = n + 1 where id = ?", order[2])
        if err then
          held:execute "update locks set n = n + 100" -- nobody commits it
        else
          held:execute "commit"
        end
      end)
    end)
    assert.same({ 1, 1 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("a lock that takes too long undoes its statement only, and can be retried", function()
    local wide = open { max_pool_size = 4, init_command = "set innodb_lock_wait_timeout = 1" }
    two_rows(wide)
    local holder = open():begin() -- of another adapter: no part of this task's
    holder:execute "update locks set n = 5 where id = 1"
    local err = fails("lock_timeout", wide, "transaction", function(tx)
      tx:execute "update locks set n = 7 where id = 2"
      local _, late = tx.try:execute "update locks set n = 8 where id = 1"
      assert.equal("lock_timeout", late.kind)
      assert.equal(7, tx:fetch_value "select n from locks where id = 2")
      error(late, 0)
    end)
    assert.equal(1205, err.code)
    assert.equal(0, wide:fetch_value "select n from locks where id = 2")
    local runs = 0
    local task = covet.spawn(function()
      wide:transaction({ retries = 3 }, function(tx)
        runs = runs + 1
        tx:execute "update locks set n = n + 1 where id = 1"
      end)
    end)
    covet.sleep(1.2)
    holder:commit()
    task:join()
    assert.is_true(runs >= 1)
    assert.equal(6, wide:fetch_value "select n from locks where id = 1")
  end)

  it("savepoints hold what they promise", function()
    db:execute "create table t (a int primary key)"
    db:transaction(function(tx)
      tx:execute "insert into t values (1)"
      fails("unique_violation", tx, "transaction", function(inner)
        inner:execute "insert into t values (2)"
        inner:execute "insert into t values (1)"
      end)
      tx:savepoint "a"
      tx:execute "insert into t values (3)"
      tx:rollback_to "a"
    end)
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    local err = fails("usage", db, "transaction", function(tx)
      tx:rollback_to "nonsense"
    end)
    assert.matches("nonsense", err.message)
  end)

  it("autocommit = false: a lease begins a transaction by itself", function()
    local other = open { autocommit = false, max_pool_size = 2 }
    other:execute "create table t (a int)"
    other:with(function(held)
      held:execute "insert into t values (1)"
    end)
    assert.equal(0, other:fetch_value "select count(*) from t")
    other:with(function(held)
      held:execute "insert into t values (2)"
      held:execute "commit"
    end)
    assert.equal(1, other:fetch_value "select count(*) from t")
    other:execute "insert into t values (3)" -- a call on the adapter is complete
    assert.equal(2, other:fetch_value "select count(*) from t")
    other:transaction(function(tx)
      tx:execute "insert into t values (4)"
    end)
    assert.equal(3, other:fetch_value "select count(*) from t")
  end)

  it("what a call on the adapter leaves open is told", function()
    db:execute "create table t (a int)"
    db:execute "create procedure opening() begin start transaction; insert into t values (1); end"
    local err = fails("usage", db, "execute", "call opening()")
    assert.matches("statement left a transaction open", err.message)
    assert.equal(0, db:fetch_value "select count(*) from t")
    db:transaction(function(tx)
      tx:execute "insert into t values (2)"
    end)
    db:with(function(held)
      held:execute "set autocommit = 0"
      held:execute "insert into t values (3)"
    end)
    db:execute "insert into t values (4)"
    assert.same({ 2, 4 }, (db:fetch_column "select a from t"))
    err = fails("usage", mysql.adapter { init_command = "set autocommit = 0" }, "connect")
    assert.matches("init_command", err.message)
  end)

  it("read_only in a transaction that writes lets queries through, behind WITH too", function()
    db:execute "create table t (a int)"
    db:transaction(function(tx)
      tx:execute "insert into t values (1)"
      for _, text in ipairs { "select a from t", "with w as (select a from t) select a from w",
        "-- update\nwith w as (select ')' as b), x (a) as (select a from t) select a from w, x" } do
        assert.equal(1, tx:fetch_value { text, read_only = true })
      end
      for _, text in ipairs { "update t set a = 2", "with w as (select 2 as b) update t, w set a = b",
        "with w as (select 2 as b) delete from t where a in (select 1 from w)", "do 1" } do
        fails("read_only", tx, "execute", { text, read_only = true })
      end
    end)
    assert.equal(1, db:fetch_value { "with w as (select a from t) select a from w", read_only = true })
  end)

  it("mode and deferrable are others'", function()
    fails("usage", db, "transaction", { mode = "immediate" }, function() end)
    fails("usage", db, "transaction", { deferrable = true, read_only = true }, function() end)
  end)

  it("scripts: all or nothing, unless they define data", function()
    db:execute "create table t (a int primary key)"
    fails("unique_violation", db, "execute", "insert into t values (1); insert into t values (1)")
    assert.equal(0, db:fetch_value "select count(*) from t")
    db:transaction(function(tx)
      tx:execute "insert into t values (5)"
      fails("unique_violation", tx, "execute", "insert into t values (6); insert into t values (6)")
    end)
    assert.same({ 5 }, (db:fetch_column "select a from t"))
    assert.equal(2, db:execute("delete from t; insert into t values (1), (2)").affected_rows)
    db:execute "begin not atomic insert into t values (20); insert into t values (21); end"
    assert.equal(2, db:execute("delete from t where a >= 20").affected_rows)
    fails("usage", db, "execute", "create or replace table u (a int); begin; insert into u values (1)")
    assert.equal(0, db:fetch_value "select count(*) from u")
    db:execute "insert into u values (1); begin; insert into u values (2); commit; insert into u values (3)"
    db:with(function(held)
      held:execute "insert into u values (4); begin; insert into u values (5)"
      held:execute "rollback"
    end)
    assert.same({ 1, 2, 3, 4 }, (db:fetch_column "select a from u order by a"))
    fails("usage", db, "fetch_all", "select 1; select 2")
    local err = fails("syntax_error", db, "execute", "insert into t values (9);\nselct 1")
    assert.matches("line 2: selct", tostring(err))
  end)
end)
