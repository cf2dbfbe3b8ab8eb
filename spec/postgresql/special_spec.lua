-- LISTEN, advisory locks, pipelines, introspection, passwords, insert ids.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local wait = require "spec.support.wait"

postgresql.describe("what only PostgreSQL has", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)

  local function open(more)
    local given = postgresql.options(database.url)
    given.min_pool_size, given.max_pool_size = 1, 4
    for name, value in pairs(more or {}) do
      given[name] = value
    end
    return covet.postgresql(given)
  end

  before_each(function()
    database:clear()
    db = open():connect()
  end)
  after_each(function()
    db:disconnect(2)
  end)

  describe("listen", function()
    it("hands notifications to its function, in order", function()
      local got = {}
      local listener = db:listen("news", function(payload, channel, pid)
        covet.sleep(0.002) -- a task: it may wait
        got[#got + 1] = payload
        assert.equal("news", channel)
        assert.equal("number", type(pid))
      end)
      for i = 1, 20 do
        db:notify("news", tostring(i))
      end
      db:notify "news"
      db:notify("other", "x")
      wait.until_true(function() return #got == 21 end, 5)
      for i = 1, 20 do
        assert.equal(tostring(i), got[i])
      end
      assert.equal("", got[21])
      listener:close()
      listener:close()
      db:notify("news", "late")
      covet.sleep(0.1)
      assert.equal(21, #got)
    end)

    it("sends from a transaction when it commits", function()
      local got = {}
      db:listen("Odd \"name\"", function(payload) got[#got + 1] = payload end)
      pcall(db.transaction, db, function(tx)
        tx:notify("Odd \"name\"", "rolled back")
        error "no"
      end)
      db:transaction(function(tx)
        tx:notify("Odd \"name\"", "committed")
        covet.sleep(0.05)
        assert.equal(0, #got)
      end)
      wait.until_true(function() return #got == 1 end, 5)
      assert.same({ "committed" }, got)
      db:unlisten()
    end)

    it("has several functions of a channel, and goes on after an error in one", function()
      local one, two = 0, 0
      local first = db:listen("c", function() one = one + 1 end)
      db:listen("c", function() two = two + 1 end)
      db:notify "c"
      wait.until_true(function() return one == 1 and two == 1 end, 5)
      first:close()
      db:notify "c"
      wait.until_true(function() return two == 2 end, 5)
      assert.equal(1, one)
      db:unlisten "c"
      assert.equal(0, db:fetch_value "select count(*) from pg_listening_channels()")
    end)

    it("listens again when the connection is lost, and tells of the gap", function()
      local got, gaps = {}, {}
      db:listen("news", function(payload) got[#got + 1] = payload end)
      local stop = db:on("listen_gap", function(event) gaps[#gaps + 1] = event.channels[1] end)
      postgresql.psql(database.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
        .. "where datname = current_database() and query ilike 'listen%'")
      wait.until_true(function() return gaps[1] end, 10)
      assert.same({ "news" }, gaps)
      db:notify("news", "after")
      wait.until_true(function() return got[1] end, 5)
      assert.same({ "after" }, got)
      stop()
    end)

    it("refuses what is no channel and no function", function()
      fails("usage", db, "listen", 7, print)
      fails("usage", db, "listen", "c")
      fails("usage", db, "notify", "")
      local bouncer = open { pgbouncer = true }
      fails("unsupported", bouncer, "listen", "c", print)
    end)
  end)

  describe("with_advisory_lock", function()
    it("holds a lock as long as its function runs", function()
      local inside
      local a, b = db:with_advisory_lock("job", function(conn)
        inside = db:with_advisory_lock("job", { try = true }, function() error "not reached" end)
        assert.is_true((db:with_advisory_lock("other", { try = true }, function() end)))
        assert.equal(1, conn:fetch_value "select count(*) from pg_locks where locktype = 'advisory'")
        return 1, 2
      end)
      assert.is_false(inside)
      assert.same({ 1, 2 }, { a, b })
      assert.same({ true, "x" }, { db:with_advisory_lock("job", { try = true }, function() return "x" end) })
    end)

    it("lets go of it after an error", function()
      local _, err = pcall(db.with_advisory_lock, db, 7, function() error "broken" end)
      assert.matches("broken", tostring(err))
      assert.is_true((db:with_advisory_lock(7, { try = true }, function() end)))
      pcall(db.with_advisory_lock, db, 7, function(conn) conn:execute "nonsense" end)
      assert.equal(0, db:fetch_value "select count(*) from pg_locks where locktype = 'advisory'")
    end)

    it("may be shared, and waits in turn", function()
      db:with_advisory_lock("s", { shared = true }, function()
        assert.is_true((db:with_advisory_lock("s", { shared = true, try = true }, function() end)))
        assert.is_false((db:with_advisory_lock("s", { try = true }, function() end)))
        fails("timeout", db, "with_advisory_lock", "s", { timeout = 0.05 }, function() end)
      end)
      local running, most = 0, 0
      covet.each_parallel({ 1, 2, 3 }, 3, function()
        db:with_advisory_lock(9007199254740993LL, function()
          running = running + 1
          most = math.max(most, running)
          covet.sleep(0.01)
          running = running - 1
        end)
      end)
      assert.equal(1, most)
    end)

    it("is the transaction's inside of one", function()
      db:transaction(function(tx)
        tx:with_advisory_lock("t", function(same)
          assert.equal(tx, same)
        end)
        assert.is_false((open():with_advisory_lock("t", { try = true }, function() end)))
      end)
      assert.is_true((db:with_advisory_lock("t", { try = true }, function() end)))
    end)

    it("refuses what is no key", function()
      fails("usage", db, "with_advisory_lock", 1.5, print)
      fails("usage", db, "with_advisory_lock", {}, print)
      fails("usage", db, "with_advisory_lock", "a")
      fails("usage", db, "with_advisory_lock", "a", { tyr = true }, print)
    end)
  end)

  describe("pipeline", function()
    before_each(function()
      db:execute "create table t (id int primary key, name text)"
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

  describe("introspection", function()
    it("tells of columns as the information schema does", function()
      db:execute [[create table parent (a int, b text, primary key (a, b));
        create table child (id bigint generated always as identity primary key,
          name varchar(20) not null, price numeric(10, 2) default 1.5, tags text[], a int, b text,
          at timestamptz(3),
          foreign key (a, b) references parent on delete cascade on update set null);
        alter table child drop column at;
        alter table child add column last date;
        create unique index child_name on child (lower(name), id) where a > 0]]
      local keys = { "column_name", "data_type", "is_nullable", "column_default",
        "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision",
        "ordinal_position", "udt_name", "is_identity", "is_generated" }
      local expected = db:fetch_all("select " .. table.concat(keys, ", ")
        .. " from information_schema.columns where table_name = 'child' order by ordinal_position")
      local columns = db:get_table_info "child"
      assert.equal(#expected, #columns)
      for i, row in ipairs(expected) do
        for _, key in ipairs(keys) do
          assert.equal(row[key], columns[i][key], key)
        end
      end
      assert.equal("character varying(20)", columns[2].type)
      assert.is_true(columns[1].primary_key)
      assert.is_false(columns[2].nullable)
      assert.equal("last", columns[7].name)
      assert.equal(7, columns[7].position)
      assert.equal("1.5", columns[3].default)
      local indexes = db:get_indexes "child"
      assert.same({
        { name = "child_name", unique = true, primary_key = false, partial = true, columns = { "", "id" } },
        { name = "child_pkey", unique = true, primary_key = true, partial = false, columns = { "id" } },
      }, indexes)
      assert.same({ {
        name = "child_a_b_fkey", table = "parent", schema = "public", columns = { "a", "b" },
        foreign_columns = { "a", "b" }, on_update = "SET NULL", on_delete = "CASCADE",
      } }, db:get_foreign_keys "child")
    end)

    it("finds tables along the search path, or in a schema", function()
      db:execute "create schema other; create table other.t (a int); create view v as select 1 as x"
      assert.is_false(db:table_exists "t")
      assert.is_true(db:table_exists("t", "other"))
      assert.is_true(db:table_exists("t", { schema = "other" }))
      assert.is_true(db:table_exists "v")
      assert.same({}, db:get_table_list())
      assert.same({ "t" }, db:get_table_list "other")
      assert.same({}, db:get_table_info "t")
      assert.equal("a", db:get_table_info("t", { schema = "other" })[1].name)
      assert.equal("OK", db:optimize_table("t", { schema = "other" }).Msg_text)
      assert.equal("OK", db:analyze_table("t", { schema = "other" }).Msg_text)
      fails("undefined_table", db, "analyze_table", "t")
      local found = false
      for _, name in ipairs(db:get_database_list()) do
        found = found or name == database.name
      end
      assert.is_true(found)
      assert.matches("^PostgreSQL %d+", db:get_version())
      db:transaction(function(tx)
        assert.is_true(tx:table_exists("t", "other"))
      end)
    end)
  end)

  it("execute_insert answers what is returned", function()
    db:execute "create table t (id serial primary key, name text unique)"
    assert.equal(1, db:execute_insert("insert into t (name) values ($1) returning id", "a"))
    assert.equal(2, db:execute_insert { "insert into t (name) values (:n) RETURNING id",
      params = { n = "b" } })
    local err = fails("usage", db, "execute_insert", "insert into t (name) values ($1)", "returning id")
    assert.matches("RETURNING", err.message)
    fails("usage", db, "execute_insert", "insert into t (name) values ('returning id') -- returning id")
    assert.equal(2, db:fetch_value "select count(*) from t")
    assert.is_nil(db:execute_insert("insert into t (name) values ($1) on conflict do nothing returning id",
      "a"))
  end)

  it("a password may be a function", function()
    local right, calls = postgresql.options(database.url).password, 0
    local other = open { password = function()
      calls = calls + 1
      covet.sleep(0.001)
      return right
    end }
    assert.equal(1, other:fetch_value "select 1")
    assert.equal(1, calls)
    other:disconnect(1)
    -- one that has run out
    local list = { "wrong", right }
    other = open { password = function() return table.remove(list, 1) or right end }
    other:connect()
    assert.equal(1, other:fetch_value "select 1")
    other:disconnect(1)
    other = open { password = function() return "wrong" end }
    fails("authentication_failed", other, "connect")
    other:disconnect(1)
    other = open { password = function() return 7 end }
    fails("usage", other, "connect")
    other:disconnect(1)
  end)

  it("operators with a question mark are no placeholders", function()
    assert.is_true(db:fetch_value("select '{\"a\": 1}'::jsonb ? $1", "a"))
    assert.is_true(db:fetch_value [[select '{"a": 1}'::jsonb ?| array['a', 'b']
]])
    assert.is_true(db:fetch_value { [[select '{"a": 1}'::jsonb ?& array[:k]
]], params = { k = "a" } })
    assert.equal("E'?' $$?$$", db:fetch_value [[select 'E''?'' $$?$$']])
  end)

  it("notices are events", function()
    local told = {}
    db:on("notice", function(event) told[#told + 1] = event.message end)
    db:execute "do $$ begin raise notice 'hello'; raise warning 'careful'; end $$"
    wait.until_true(function() return #told == 2 end, 5)
    assert.matches("hello", told[1])
    assert.matches("careful", told[2])
  end)
end)
