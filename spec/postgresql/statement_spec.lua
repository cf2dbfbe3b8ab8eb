-- Statements that are prepared without being asked: what the server keeps, how
-- much of it, and what becomes of it when tables, types and sessions change.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("prepared statements of PostgreSQL", function()
  local database

  setup(function()
    database = postgresql.fresh_database()
  end)

  teardown(function()
    database:drop()
  end)

  after_each(function()
    database:clear()
  end)

  local function open(options)
    local all = { max_pool_size = 1 }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return postgresql.open(all, database.url)
  end

  -- What the server keeps for covet: texts by name; asked as a script, which is
  -- not prepared.
  local function kept(session, condition)
    session:execute("create temp table if not exists kept (name text, statement text); delete from kept;"
      .. "insert into kept select name, statement from pg_prepared_statements where name like 'covet%'")
    local list = session:fetch_column("select name from kept where "
      .. (condition or "statement not like '%from kept%'"))
    return list
  end

  it("are kept by name, and the second run prepares nothing", function()
    open():with(function(held)
      assert.equal(5, held:fetch_value("select $1::int + 1", 4))
      local names = kept(held)
      assert.equal(1, #names)
      assert.matches("^covet_%d+$", names[1])
      for i = 1, 5 do
        assert.equal(i + 1, held:fetch_value("select $1::int + 1", i))
      end
      assert.same(names, kept(held))
      assert.equal(6, held:fetch_value("select generic_plans + custom_plans from pg_prepared_statements "
        .. "where name = $1", names[1]))
    end)
  end)

  it("are known to the whole pool: another connection asks no more about one", function()
    local db = open { max_pool_size = 2 }
    local a, b = db:acquire(), db:acquire()
    assert.equal("x", a:fetch_value("select $1::text", "x"))
    assert.equal("y", b:fetch_value("select $1::text", "y"))
    assert.equal(1, #kept(a))
    assert.equal(1, #kept(b))
    a:release()
    b:release()
  end)

  it("are at most statement_cache_size; the oldest go", function()
    open({ statement_cache_size = 3 }):with(function(held)
      for i = 1, 20 do
        assert.equal(i, held:fetch_value(("select %d + $1::int"):format(i), 0))
        assert.is_true(#kept(held, "true") <= 4)
      end
      assert.equal(20, held:fetch_value("select 20 + $1::int", 0))
      assert.equal(1, held:fetch_value("select 1 + $1::int", 0))
      assert.is_true(#kept(held, "true") <= 4)
    end)
  end)

  it("are none with statement_cache_size = 0", function()
    open({ statement_cache_size = 0 }):with(function(held)
      for i = 1, 3 do
        assert.equal(i, held:fetch_value("select $1::int", i))
        assert.equal(2, #held:fetch_all("select generate_series(1, $1::int)", 2))
      end
      assert.same({}, kept(held, "true"))
    end)
  end)

  it("are none of texts beyond max_cacheable_statement_size", function()
    open({ max_cacheable_statement_size = 100 }):with(function(held)
      local long = "select $1::int -- " .. ("x"):rep(100)
      assert.equal(1, held:fetch_value(long, 1))
      assert.equal(2, held:fetch_value(long, 2))
      assert.equal(3, held:fetch_value("select $1::int", 3))
      assert.equal(1, #kept(held))
    end)
  end)

  it("are made anew after max_cached_statement_lifetime", function()
    open({ max_cached_statement_lifetime = 0.2 }):with(function(held)
      held:fetch_value("select $1::int", 1)
      local first = kept(held)[1]
      covet.sleep(0.3)
      assert.equal(2, held:fetch_value("select $1::int", 2))
      assert.equal(3, held:fetch_value("select $1::int", 3)) -- the old one goes with it
      local names = kept(held)
      assert.equal(1, #names)
      assert.not_equal(first, names[1])
    end)
  end)

  it("are not those that a mistake ends", function()
    local db = open()
    for _ = 1, 3 do
      fails("undefined_table", db, "fetch_all", "select * from nowhere where a = $1", 1)
      fails("division_by_zero", db, "fetch_value", "select 1 / $1::int", 0)
    end
    db:with(function(held)
      assert.equal(1, #kept(held)) -- the division: it can be prepared
    end)
  end)

  it("survive a reset, DISCARD ALL and DEALLOCATE ALL", function()
    local db = open()
    db:with(function(held)
      held:execute "set work_mem = '7MB'"
      held:fetch_value("select $1::int", 1)
    end)
    db:with(function(held)
      assert.equal(1, #kept(held))
      for _, text in ipairs { "discard all", "deallocate all", "select 1; deallocate all",
        "do $$ begin execute 'deallocate all'; end $$" } do
        assert.equal(1, held:fetch_value("select $1::int", 1))
        held:execute(text)
        assert.equal(2, held:fetch_value("select $1::int", 2), text)
      end
      held:execute "begin; deallocate all"
      assert.equal(3, held:fetch_value("select $1::int", 3))
      held:execute "rollback"
      held:execute "prepare mine as select 1"
      held:execute "deallocate mine"
      assert.equal(4, held:fetch_value("select $1::int", 4))
    end)
    for _, text in ipairs { "discard all", "deallocate all" } do
      db:execute(text)
      assert.equal(4, db:fetch_value("select $1::int", 4))
    end
  end)

  describe("whose tables have changed", function()
    before_each(function()
      postgresql.psql(database.url, "create table t (a int, b text); insert into t values (1, 'x')")
    end)

    local function alter(text)
      postgresql.psql(database.url, text)
    end

    it("are made anew and run", function()
      local db = open()
      local all, some = "select * from t", "select * from t where a = $1"
      assert.same({ a = 1, b = "x" }, db:fetch_one(all))
      assert.same({ a = 1, b = "x" }, db:fetch_one(some, 1))
      alter "alter table t add column c int default 7"
      assert.same({ a = 1, b = "x", c = 7 }, db:fetch_one(all))
      assert.same({ a = 1, b = "x", c = 7 }, db:fetch_one(some, 1))
      alter "alter table t alter column b type bytea using b::bytea, alter column c type text"
      assert.same({ a = 1, b = "x", c = "7" }, db:fetch_one(all))
      alter "alter table t drop column b"
      assert.same({ { a = 1, c = "7" } }, db:fetch_all(all))
      local rows = {}
      for row in db:each(some, 1) do
        rows[#rows + 1] = row
      end
      assert.same({ { a = 1, c = "7" } }, rows)
    end)

    it("are made anew and run where they may only read", function()
      local db = open()
      local call = { "select * from t", read_only = true }
      assert.same({ a = 1, b = "x" }, db:fetch_one(call))
      alter "alter table t add column c int default 7"
      assert.same({ a = 1, b = "x", c = 7 }, db:fetch_one(call))
    end)

    it("are made anew when it is a parameter's type that has changed", function()
      local db = open { max_pool_size = 2 }
      local text = "select b from t where a = $1"
      local a, b = db:acquire(), db:acquire()
      assert.equal("x", a:fetch_value(text, 1))
      assert.equal("x", b:fetch_value(text, 1))
      alter "alter table t alter column a type text"
      assert.equal("x", a:fetch_value(text, "1"))
      assert.equal("x", b:fetch_value(text, "1"))
      assert.equal(1, a:execute("update t set b = $1 where a = $2", "y", "1").affected_rows)
      a:release()
      b:release()
      db:evict()
      assert.equal("y", db:fetch_value(text, "1"))
    end)

    it("are made anew when the table is another one", function()
      local db = open()
      local insert = "insert into t values ($1, $2) returning *"
      assert.same({ a = 2, b = "y" }, db:fetch_one(insert, 2, "y"))
      alter "drop table t; create table t (a text, b int)"
      assert.same({ a = "2", b = 3 }, db:fetch_one(insert, "2", 3))
      assert.equal(1, db:fetch_value "select count(*) from t")
    end)

    it("serve all who share a connection", function()
      local db = open { max_pool_size = 2 }
      local text = "select * from t where a = $1"
      for round = 1, 4 do
        covet.each_parallel({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 10, function()
          local row = db:fetch_one(text, 1)
          assert.equal(round > 1 and 7 or nil, row["c" .. round - 1])
        end)
        alter(("alter table t add column c%d int default 7"):format(round))
      end
    end)

    it("are refused inside of a transaction, which can be run again", function()
      local db = open { max_pool_size = 4 }
      local held = {}
      for i = 1, 4 do
        held[i] = db:acquire()
        assert.equal("x", held[i]:fetch_one("select * from t").b)
      end
      for i = 1, 4 do
        held[i]:release()
      end
      alter "alter table t add column c int default 7"
      local err = fails("serialization_failure", db, "transaction", function(tx)
        tx:execute "insert into t values (2, 'y')"
        tx:fetch_one "select * from t"
      end)
      assert.matches("out of date", err.message)
      assert.equal("0A000", err.sqlstate)
      assert.equal("safe", err.retry)
      for i = 1, 4 do -- all connections have heard of it
        held[i] = db:acquire()
        held[i]:transaction(function(tx)
          assert.equal(7, tx:fetch_one("select * from t").c)
        end)
      end
      for i = 1, 4 do
        held[i]:release()
      end
      alter "alter table t add column d int default 8"
      local runs = 0
      db:transaction({ retries = 2 }, function(tx)
        runs = runs + 1
        assert.equal(8, tx:fetch_one("select * from t").d)
      end)
      assert.equal(2, runs)
      assert.equal(1, db:fetch_value "select count(*) from t")
    end)
  end)

  describe("with types of the user's", function()
    it("are read although the types are newer than the connection", function()
      local db = open()
      assert.equal(1, db:fetch_value "select 1")
      postgresql.psql(database.url, [[
        create type mood as enum ('sad', 'happy');
        create domain positive as int check (value > 0);
        create type pair as (a int, m mood, p positive);
        create table t (m mood, p positive, pr pair, list pair[], r int4range)]])
      local insert = "insert into t values ($1, $2, $3, $4, $5) returning *"
      local row = db:fetch_one(insert, "happy", 7, { 1, "sad", 2 },
        { { 1, "sad", 2 }, { a = 3, m = "happy" } },
        { lower = 1, upper = 5 })
      assert.equal("happy", row.m)
      assert.equal(7, row.p)
      assert.same({ a = 1, m = "sad", p = 2 }, { a = row.pr.a, m = row.pr.m, p = row.pr.p })
      assert.equal(3, row.list[2].a)
      assert.equal("happy", row.list[2].m)
      assert.equal(covet.null, row.list[2].p == nil and covet.null or row.list[2].p)
      fails("check_violation", db, "fetch_one", insert, "happy", -7, nil, nil, nil)
      fails("invalid_value", db, "fetch_one", insert, "angry", 7, nil, nil, nil)
    end)

    it("follow a type that is dropped and made again", function()
      local db = open()
      postgresql.psql(database.url, "create type pair as (a int, b text)")
      local function pair()
        return db:fetch_value "select row(1, 'x')::pair"
      end
      assert.equal("x", pair().b)
      postgresql.psql(database.url, "drop type pair; create type pair as (c text, d int)")
      db:reload_types()
      local value = db:fetch_value "select row('y', 2)::pair"
      assert.equal("y", value.c)
      assert.equal(2, value.d)
      assert.equal("y", db:fetch_value("select ($1::pair).c", { "y", 3 }))
    end)
  end)
end)
