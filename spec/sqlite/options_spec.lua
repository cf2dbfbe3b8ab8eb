-- Options, pragmas, journal modes, and which connection runs what.
local covet = require "covet"
local fails = require "spec.support.fails"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

describe("SQLite options", function()
  local db
  after_each(function()
    if db then
      db:disconnect(1)
      db = nil
    end
  end)

  local function open(options)
    if db then
      db:disconnect(1)
    end
    options = options or {}
    options.path = options.path or tmp.path()
    db = covet.sqlite(options):connect()
    return db
  end

  it("takes a path and options", function()
    local path = tmp.path()
    db = covet.sqlite(path, { query_timeout = 7 })
    assert.equal(7, db.query_timeout)
    assert.equal(path, db.options.path)
    fails("usage", covet.sqlite, path, { path = path })
    fails("usage", covet.sqlite, path, 5)
    fails("usage", covet.sqlite, { path = path }, { readers = 1 })
  end)

  it("takes every option in a URL", function()
    local url = "sqlite:" .. tmp.path() .. "?query_timeout=0.05&readers=2&ambient=off&name=a%20b"
    db = covet.connect(url)
    assert.equal("a b", db.name)
    assert.is_false(db.ambient)
    fails("timeout", db, "fetch_value", "with recursive n(i) as (select 1 union all "
      .. "select i + 1 from n) select count(*) from n")
    db:disconnect()
    db = covet.connect(url, { query_timeout = 8 })
    assert.equal(8, db.query_timeout)
    fails("usage", covet.connect, "sqlite::memory:?query_timeout=soon")
    fails("usage", covet.connect, "sqlite::memory:?query_timeot=1")
    fails("usage", covet.connect, "sqlite::memory:", "options")
  end)

  it("takes the options of a pool", function()
    local path = tmp.path()
    local one = covet.sqlite { path = path, min_pool_size = 1, max_pool_size = 2,
      idle_timeout = 60, max_lifetime = math.huge, reset = "always", order = "fifo",
      pre_ping = true, test_on_borrow = true, auto_scale = true, leak_timeout = 10,
      max_waiting = 5, retry = { attempts = 2 }, breaker = { failures = 3 } }
    one:connect()
    assert.is_true(wait.until_true(function() return one:get_pool_stats().size == 2 end))
    assert.equal(3, one:get_pool_stats().max_size) -- with the one that writes
    for _ = 1, 3 do
      one:with({ read_only = true }, function(held)
        assert.equal(1, held:fetch_value "select 1")
      end)
    end
    assert.equal(0, one:get_pool_stats().used)
    one:disconnect()
    fails("usage", covet.sqlite, { path = path, min_pool_size = 9 })
    fails("usage", covet.sqlite, { path = path, order = "random" })
    fails("usage", covet.sqlite, { path = path, scale_up_threshold = 0.2 })
    fails("usage", covet.sqlite, { path = path, idle_timeout = -1 })
  end)

  it("takes a path, a table, a URL or nothing", function()
    local path = tmp.path()
    db = covet.sqlite(path)
    db:execute "create table t (a)"
    db:disconnect()
    db = covet.connect("sqlite:" .. path)
    assert.is_true(db:table_exists "t")
    db:disconnect()
    db = covet.connect("sqlite:" .. path .. "?read_only=true")
    fails("read_only", db, "execute", "create table u (a)")
    db:disconnect()
    db = covet.connect("sqlite:" .. path, { read_only = true })
    fails("read_only", db, "execute", "create table u (a)")
    db:disconnect()
    db = covet.connect "sqlite::memory:"
    assert.is_false(db:table_exists "t")
    db:disconnect()
    db = covet.sqlite()
    assert.equal("", db:fetch_value "select file from pragma_database_list where name = 'main'")
    fails("usage", covet.sqlite, 7)
    fails("usage", covet.connect, "nonsense")
    fails("usage", covet.connect, "oracle://localhost/x")
    fails("usage", covet.connect, "sqlite:" .. path .. "?read_onyl=true")
  end)

  it("names the nearest option", function()
    local err = fails("usage", covet.sqlite, { path = ":memory:", jornal_mode = "wal" })
    assert.matches("journal_mode", err.message)
    err = fails("usage", covet.sqlite, { paht = "x" })
    assert.matches("path", err.message)
  end)

  it("refuses wrong types and values", function()
    for _, options in ipairs {
      { readers = "four" }, { readers = 0 }, { readers = 1.5 }, { readers = -1 },
      { journal_mode = "wall" }, { synchronous = "fulll" }, { synchronous = 2 },
      { foreign_keys = "yes" }, { busy_timeout = "long" }, { busy_timeout = -1 },
      { pragmas = "cache_size = 1" }, { pragmas = { ["a b"] = 1 } }, { read_only = 1 },
      { group_commit = "on" }, { path = 7 }, { path = "a\0b" }, { ambient = 1 },
      { statement_cache_size = -1 }, { query_timeout = {} },
    } do
      local ok, err = pcall(function()
        covet.sqlite(options):connect():disconnect()
      end)
      local name = next(options)
      assert.is_false(ok, name .. " was taken")
      assert.is_true(covet.is(err, "usage"), name .. ": " .. tostring(err))
      assert.matches(name, tostring(err), 1, true)
    end
  end)

  it("has the defaults of the documentation", function()
    open()
    for name, value in pairs { journal_mode = "wal", synchronous = 1, foreign_keys = 1 } do
      assert.equal(value, db:fetch_value("pragma " .. name), name)
      db:with(function(held)
        assert.equal(value, held:fetch_value("pragma " .. name), name)
      end)
    end
  end)

  it("sets pragmas on every connection", function()
    open { pragmas = { cache_size = -1234, recursive_triggers = true }, synchronous = "full",
      foreign_keys = false }
    local function check(session)
      assert.equal(-1234, session:fetch_value "pragma cache_size")
      assert.equal(1, session:fetch_value "pragma recursive_triggers")
      assert.equal(2, session:fetch_value "pragma synchronous")
      assert.equal(0, session:fetch_value "pragma foreign_keys")
    end
    check(db)
    db:with(check)
    db:with({ read_only = true }, check)
    db:transaction(check)
    open { pragmas = { "pragma cache_size = -4321", "pragma case_sensitive_like = 1" } }
    assert.equal(-4321, db:fetch_value "pragma cache_size")
    assert.equal(0, db:fetch_value "select 'a' like 'A'")
    local _, err = pcall(open, { pragmas = { "nonsense" } })
    assert.is_true(covet.is(err, "syntax_error"), tostring(err))
  end)

  it("journal modes", function()
    for _, mode in ipairs { "delete", "truncate", "persist", "memory", "off", "wal" } do
      open { journal_mode = mode }
      assert.equal(mode, db:fetch_value "pragma journal_mode")
      db:execute "create table t (a)"
      db:transaction(function(tx)
        for i = 1, 10 do
          tx:execute("insert into t values (?)", i)
        end
      end)
      covet.each_parallel({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function(i)
        db:execute("insert into t values (?)", i)
        assert(db:fetch_value "select count(*) from t" >= 11)
      end)
      assert.equal(18, db:fetch_value "select count(*) from t")
    end
  end)

  it("synchronous", function()
    for value, name in pairs { [0] = "off", "normal", "full", "extra" } do
      open { synchronous = name }
      db:with(function(held)
        assert.equal(value, held:fetch_value "pragma synchronous")
      end)
    end
  end)

  it("foreign keys are enforced unless that is turned off", function()
    local schema = "create table a (id integer primary key); create table b (a references a)"
    open():execute(schema)
    fails("foreign_key_violation", db, "execute", "insert into b values (7)")
    open { foreign_keys = false }
    db:execute(schema)
    assert.equal(1, db:execute("insert into b values (7)").affected_rows)
  end)

  it("read_only opens a file without writing", function()
    local path = tmp.path()
    open { path = path }:execute "create table t (a); insert into t values (1)"
    open { path = path, read_only = true }
    assert.equal(1, db:fetch_value "select a from t")
    fails("read_only", db, "execute", "insert into t values (2)")
    fails("read_only", db, "transaction", function(tx)
      tx:execute "delete from t"
    end)
    fails("read_only", db, "copy_records_to_table", "t", { { 1 } })
    assert.equal(1, (db:transaction(function(tx)
      return tx:fetch_value "select count(*) from t"
    end)))
  end)

  it("transaction modes", function()
    open():execute "create table t (a)"
    for _, mode in ipairs { "immediate", "deferred", "exclusive", "IMMEDIATE" } do
      db:transaction({ mode = mode }, function(tx)
        tx:execute "insert into t values (1)"
      end)
    end
    assert.equal(4, db:fetch_value "select count(*) from t")
    fails("usage", db, "transaction", { mode = "eager" }, function() end)
    fails("usage", db, "transaction", { deferrable = true }, function() end)
    assert.equal(4, db:transaction({ isolation = "serializable", read_only = true,
      deferrable = true, retries = 3 }, function(tx)
        return tx:fetch_value "select count(*) from t"
      end))
  end)
end)

describe("SQLite connections", function()
  local db
  before_each(function()
    db = covet.sqlite { path = tmp.path(), readers = 2 }:connect()
    db:execute "create table t (a); insert into t values (1)"
  end)
  after_each(function()
    db:disconnect(1)
  end)

  it("readers do not wait for the writer", function()
    db:with(function(held)
      held:execute "begin immediate"
      held:execute "insert into t values (2)"
      covet.spawn(function()
        assert.equal(1, db:fetch_value "select count(*) from t")
      end):join()
      held:execute "commit"
    end)
    assert.equal(2, db:fetch_value "select count(*) from t")
  end)

  it("everyone sees what was acknowledged", function()
    for i = 2, 300 do
      db:execute("insert into t values (?)", i)
      assert.equal(i, db:fetch_value "select count(*) from t")
    end
    covet.each_parallel({ 1, 2, 3, 4 }, 4, function(k)
      for i = 1, 50 do
        db:execute("insert into t values (?)", k * 1000 + i)
        assert.equal(1, db:fetch_value("select count(*) from t where a = ?", k * 1000 + i))
      end
    end)
  end)

  it("what writes without looking so goes to the writer", function()
    assert.equal(2, #db:fetch_all "insert into t values (7), (8) returning a")
    assert.equal(7, db:fetch_value "update t set a = 7 where a = 7 returning a")
    assert.equal(3, db:fetch_value "with n as (select 1) select count(*) from t")
    db:execute "with n(a) as (values (9)) insert into t select a from n"
    assert.equal(4, db:fetch_value "select count(*) from t")
    db:execute "pragma user_version = 7"
    assert.equal(7, db:fetch_value "pragma user_version")
    db:execute "create temp table scratch (a)"
    for row in db:each "delete from t where a > 7 returning a" do
      assert.is_true(row.a > 7)
    end
    assert.equal(2, db:fetch_value "select count(*) from t")
  end)

  it("a lease for reading cannot write", function()
    db:with({ read_only = true }, function(held)
      assert.equal(1, held:fetch_value "select count(*) from t")
      fails("read_only", held, "execute", "insert into t values (2)")
    end)
  end)

  it("pragmas of one lease do not reach the next", function()
    db:with(function(held)
      held:execute "pragma foreign_keys = 0"
      held:execute "create temp table mine (a)"
      assert.equal(0, held:fetch_value "pragma foreign_keys")
    end)
    db:with(function(held)
      assert.equal(1, held:fetch_value "pragma foreign_keys")
      fails("undefined_table", held, "fetch_all", "select * from mine")
    end)
  end)

  it(":memory: is one database for all tasks", function()
    local memory = covet.sqlite(":memory:"):connect()
    memory:execute "create table t (a)"
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    covet.each_parallel(list, 100, function(i)
      memory:execute("insert into t values (?)", i)
      assert(memory:fetch_value("select a from t where a = ?", i) == i)
    end)
    assert.equal(100, memory:fetch_value "select count(*) from t")
    assert.equal(1, memory:get_pool_stats().size)
    memory:disconnect()
  end)

  it("two adapters on :memory: are two databases", function()
    local one, two = covet.sqlite(), covet.sqlite()
    one:execute "create table t (a)"
    assert.is_false(two:table_exists "t")
    one:disconnect()
    two:disconnect()
  end)

  it("has no more connections than it may", function()
    local list = {}
    for i = 1, 50 do
      list[i] = i
    end
    covet.each_parallel(list, 50, function()
      db:fetch_value("with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) "
        .. "select count(*) from n")
      db:execute "insert into t values (5)"
    end)
    assert.is_true(db:get_pool_stats().size <= 3, tostring(db:get_pool_stats().size))
  end)

  it("statement_cache_size = 0 works as well", function()
    local other = covet.sqlite { path = tmp.path(), statement_cache_size = 0 }
    other:execute "create table t (a)"
    for i = 1, 20 do
      other:execute("insert into t values (?)", i)
    end
    assert.equal(20, other:fetch_value "select count(*) from t")
    other:disconnect()
  end)

  it("more statements than the cache holds", function()
    local other = covet.sqlite { path = tmp.path(), statement_cache_size = 5 }
    for i = 1, 200 do
      assert.equal(i, other:fetch_value("select " .. i % 20 .. " + ?", i - i % 20))
    end
    other:disconnect()
  end)
end)
