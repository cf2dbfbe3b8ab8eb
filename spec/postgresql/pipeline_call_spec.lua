-- `db:pipeline`: all of its statements, or none of them.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("a pipeline", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    database:clear()
    db = postgresql.open({ max_pool_size = 1 }, database.url)
    db:execute "create table t (id int primary key, name text)"
    db:execute "insert into t values (77, 'kept')"
  end)

  local function ids()
    return db:fetch_column "select id from t"
  end

  describe("beside others", function()
    before_each(function()
      db:execute "truncate t"
    end)

    it("gives results in order when its function has returned", function()
      assert.equal("x", db:pipeline(function() return "x" end))
      local inserted, all, one, value, column = db:pipeline(function(p)
        local first = p:execute("insert into t values ($1, $2), (2, 'b')", 1, "a")
        fails("usage", first, "result")
        return first, p:fetch_all "select * from t order by id",
          p:fetch_one { "select :n::int as n", params = { n = 7 }, rows = "array" },
          p:fetch_value("select count(*) from t where id > $1", 0),
          p:fetch_column "select null union all select 'x'"
      end)
      assert.equal(2, inserted:result().affected_rows)
      assert.same({ { id = 1, name = "a" }, { id = 2, name = "b" } }, all:result())
      assert.same({ 7 }, one:result())
      assert.equal(2, value:result())
      assert.same({ covet.null, "x" }, column:result())
    end)

    it("is all or nothing, and tells the error of the statement that failed", function()
      local before, after
      local err = fails("unique_violation", db, "pipeline", function(p)
        before = p:execute "insert into t values (1)"
        p:execute "insert into t values (1)"
        after = p:execute "insert into t values (3)"
      end)
      assert.equal("insert into t values (1)", err.sql)
      fails("usage", before, "result")
      fails("usage", after, "result")
      assert.equal(0, db:fetch_value "select count(*) from t")
      assert.equal(7, db:fetch_value "select 7")
    end)

    it("is a part of the transaction that is open", function()
      pcall(db.transaction, db, function(tx)
        tx:pipeline(function(p)
          p:execute "insert into t values (1)"
        end)
        assert.equal(1, tx:fetch_value "select count(*) from t")
        error "undo"
      end)
      assert.equal(0, db:fetch_value "select count(*) from t")
    end)

    it("takes many statements", function()
      local handles = {}
      db:pipeline(function(p)
        for i = 1, 500 do
          handles[i] = p:fetch_value("select $1::int", i)
        end
      end)
      for i = 1, 500 do
        assert.equal(i, handles[i]:result())
      end
    end)

    it("runs nothing when its function fails, and takes nothing afterwards", function()
      local kept
      local _, err = pcall(db.pipeline, db, function(p)
        p:execute "insert into t values (1)"
        error "broken"
      end)
      assert.matches("broken", tostring(err))
      assert.equal(0, db:fetch_value "select count(*) from t")
      db:pipeline(function(p) kept = p end)
      fails("usage", kept, "execute", "select 1")
      fails("usage", db, "pipeline", function(p) p:execute "begin" end)
      fails("usage", db, "pipeline", function(p) p:execute("select $1") end)
      fails("usage", db, "pipeline")
    end)
  end)

  it("undoes what it did whichever texts are new", function()
    for round = 1, 2 do
      fails("division_by_zero", db, "pipeline", function(p)
        p:execute "truncate t"
        p:execute("insert into t (id) values ($1)", 1)
        p:fetch_value "select 1/0"
      end)
      assert.same({ 77 }, ids(), round)
    end
  end)

  it("undoes it without any statement kept by the driver", function()
    db = postgresql.open({ max_pool_size = 1, statement_cache_size = 0 }, database.url)
    for _ = 1, 2 do
      fails("division_by_zero", db, "pipeline", function(p)
        p:execute("insert into t (id) values ($1)", 1)
        p:execute("insert into t (id) values ($1::int + 1)", 1)
        p:fetch_value "select 1/0"
      end)
    end
    assert.same({ 77 }, ids())
  end)

  it("sends nothing when a value cannot be written", function()
    local function run(value)
      db:pipeline(function(p)
        p:execute "insert into t (id) values (1)"
        p:execute("update t set id = $1 where id = 77", value)
        p:execute "insert into t (id) values (2)"
      end)
    end
    run(78)
    db:execute "update t set id = 77 where id = 78; delete from t where id < 77"
    local err = fails("usage", run, true)
    assert.matches("parameter 1: expected integer, got a boolean", err.message)
    assert.same({ 77 }, ids())
  end)

  it("may use what it makes", function()
    local made
    db:execute "create type mood as enum ('ok')"
    for _ = 1, 2 do
      db:pipeline(function(p)
        p:execute "create table made (a int[], b mood)"
        p:execute("insert into made values ($1, $2)", { 1 }, "ok")
        made = p:fetch_all "select * from made"
        p:execute "drop table made"
      end)
      assert.same({ { a = { 1 }, b = "ok" } }, made:result())
    end
  end)

  it("keeps its order in a transaction", function()
    db:transaction(function(tx)
      for _ = 1, 2 do
        local left
        tx:pipeline(function(p)
          p:execute("insert into t (id) values ($1)", 5)
          p:execute "delete from t"
          left = p:fetch_column "select id from t"
        end)
        assert.same({}, left:result())
      end
    end)
    assert.same({}, ids())
  end)

  it("is one with statements that only read", function()
    fails("division_by_zero", db, "pipeline", function(p)
      p:execute "delete from t"
      p:fetch_all { "select * from t", read_only = true }
      p:fetch_value "select 1/0"
    end)
    assert.same({ 77 }, ids())
  end)

  it("is one transaction of the server's", function()
    for _ = 1, 2 do
      local first, second
      db:pipeline(function(p)
        first = p:fetch_value "select txid_current()"
        p:execute("insert into t (id) values ($1) on conflict do nothing", 1)
        second = p:fetch_value("select txid_current() + $1", 0)
      end)
      assert.equal(first:result(), second:result())
    end
  end)
end)
