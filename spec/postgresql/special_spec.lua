-- Advisory locks, passwords, insert ids, notices.
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

  it("execute_insert answers what is returned", function()
    db:execute "create table t (id serial primary key, name text unique)"
    assert.equal(1, db:execute_insert("insert into t (name) values ($1) returning id", "a"))
    assert.equal(2, db:execute_insert { "insert into t (name) values (:n) RETURNING id",
      params = { n = "b" } })
    local err = fails("usage", db, "execute_insert", "insert into t (name) values ($1)", "returning id")
    assert.matches("RETURNING", err.message)
    fails("usage", db, "execute_insert", "insert into t (name) values ('returning id') -- returning id")
    assert.equal(2, db:fetch_value "select count(*) from t")
    assert.is_nil(db:execute("select 7").last_insert_id)
    assert.is_nil(db:execute("update t set name = name returning id").last_insert_id)
    assert.is_nil(db:execute_insert("insert into t (name) values ($1) on conflict do nothing returning id",
      "a"))
  end)

  it("a password may be a function", function()
    local right, calls = postgresql.options(database.url).password, 0
    local other = open { max_pool_size = 1, password = function()
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
    local long = ("long "):rep(50)
    db:on("notice", function(event) told[#told + 1] = event end)
    db:execute(([[do $$ begin raise notice 'hello'; raise warning '%s' using errcode = '01004',
      detail = 'the detail', hint = 'the hint'; end $$]]):format(long))
    wait.until_true(function() return #told == 2 end, 5)
    assert.same({ message = "hello", severity = "NOTICE", sqlstate = "00000" }, told[1])
    assert.same({ message = long, severity = "WARNING", sqlstate = "01004",
      detail = "the detail", hint = "the hint" }, told[2])
  end)

  it("execute_insert finds RETURNING where it is", function()
    db:execute "create table notes (id serial primary key, body text)"
    local function insert(text, ...)
      return db:execute_insert(text, ...)
    end
    assert.equal(1, insert "insert into notes (body) values ('a -- b') returning id")
    assert.equal(2, insert "insert into notes (body) values ('it''s /* ') /* ' */ returning id")
    assert.equal(3, insert [[insert into notes (body) values (E'\' ') returning id]])
    assert.equal(4, insert [[with w as (select $$x$$ as b)
      insert into notes (body) select b from w returning id]])
    fails("usage", insert, [[with w as (insert into notes (body) values ('x') returning body)
      insert into notes (body) select body from w]])
    fails("usage", insert, [[insert into notes (body) values ($$ returning $$)]])
  end)

  it("execute tells the server's words for what it did", function()
    local function command(text, ...)
      return db:execute(text, ...).command
    end
    assert.equal("CREATE TABLE", command "create table t (a int, b int)")
    assert.equal("INSERT 0 2", command("insert into t values ($1, 1), (2, 2)", 1))
    assert.equal("INSERT 0 2", command("insert into t values ($1, 1), (2, 2)", 1))
    assert.equal("CREATE MATERIALIZED VIEW",
      command "create materialized view m as select 1 as a with no data")
    assert.equal("DROP MATERIALIZED VIEW", command "drop materialized view m")
    assert.equal("SELECT 3", command "create table made as select generate_series(1, 3)")
    assert.equal("MERGE 4", command [[merge into t using (select 1) s on true
      when matched then update set b = 9]])
    local handle
    db:pipeline(function(p)
      handle = p:execute("delete from t where a = $1", 1)
    end)
    assert.same({ affected_rows = 2, command = "DELETE 2" }, handle:result())
  end)

  it("server_settings and PgBouncer do not go together", function()
    local err = fails("usage", open, { pgbouncer = true, server_settings = { work_mem = "5MB" } })
    assert.matches("PgBouncer takes no server_settings", err.message)
    open { pgbouncer = true, server_settings = {} }
  end)
end)
