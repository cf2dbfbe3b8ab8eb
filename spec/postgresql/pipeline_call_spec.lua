-- `db:pipeline`: all of its statements, or none of them.
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

  local function kept()
    return db:fetch_column "select id from t"
  end

  it("undoes what it did whichever texts are new", function()
    for round = 1, 2 do
      fails("division_by_zero", db, "pipeline", function(p)
        p:execute "truncate t"
        p:execute("insert into t (id) values ($1)", 1)
        p:fetch_value "select 1/0"
      end)
      assert.same({ 77 }, kept(), round)
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
    assert.same({ 77 }, kept())
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
    assert.same({ 77 }, kept())
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
    assert.same({}, kept())
  end)

  it("is one with statements that only read", function()
    fails("division_by_zero", db, "pipeline", function(p)
      p:execute "delete from t"
      p:fetch_all { "select * from t", read_only = true }
      p:fetch_value "select 1/0"
    end)
    assert.same({ 77 }, kept())
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
