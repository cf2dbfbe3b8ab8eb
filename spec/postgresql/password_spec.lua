-- Passwords that a function gives, and that change while the adapter runs.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local wait = require "spec.support.wait"

postgresql.describe("a password that a function gives", function()
  local database, user, right, calls

  setup(function()
    database = postgresql.fresh_database()
    user = "rotating_" .. database.name
    postgresql.psql(database.admin_url, ("create role %s login password 'first'; "
      .. "grant all on schema public to %s; create table t (a int); grant all on t to public"):format(user,
      user))
  end)
  teardown(function()
    postgresql.psql(database.admin_url, ("drop owned by %s; drop role %s"):format(user, user))
    database:drop()
  end)

  -- The server has another password from now on, and no session is left.
  local function rotate(password, db)
    postgresql.psql(database.admin_url, ("alter role %s password '%s'"):format(user, password))
    right = password
    if db then
      db:evict()
    end
  end

  before_each(function()
    rotate "first"
    calls = 0
  end)

  local function open(options)
    local all = { user = user, min_pool_size = 1, max_pool_size = 8, retry = { attempts = 1 },
      password = function()
        calls = calls + 1
        covet.sleep(0.001) -- it may wait
        return right
      end }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return postgresql.adapter(all, database.url)
  end

  it("is asked once for all calls that meet the old one", function()
    local db = open()
    assert.equal(1, db:fetch_value "select 1")
    rotate("second", db)
    local tasks, held = {}, {}
    for i = 1, 6 do
      tasks[i] = covet.spawn(function()
        held[i] = db:acquire()
        return held[i]:fetch_value("select $1::int", i)
      end)
    end
    for i, task in ipairs(tasks) do
      assert.equal(i, task:join())
    end
    assert.equal(2, calls)
  end)

  it("is asked once by the first calls together", function()
    local db = open()
    covet.all {
      function() db:fetch_value "select 1" end,
      function() db:fetch_value "select 1" end,
      function() db:listen("a", print):close() end,
    }
    assert.equal(1, calls)
  end)

  local CALLS = {
    fetch_value = function(db) return db:fetch_value "select 1" end,
    table_form = function(db) return db:fetch_value { "select $1::int[]", { 1 } } end,
    each = function(db) return db:each "select 1 as a"().a end,
    execute_many = function(db) return db:execute_many("insert into t values ($1)", { { 1 } }) end,
    prepare = function(db) return db:prepare "select 1" end,
    script = function(db) return db:execute "select 1; select 2" end,
    copy_from_query = function(db) return db:copy_from_query "select 1"() end,
    copy_to_table = function(db) return db:copy_to_table("t", { from = { "1\n" } }) end,
    pipeline = function(db) return db:pipeline(function(p) p:execute "select 1" return true end) end,
    transaction = function(db) return db:transaction(function(tx) return tx:fetch_value "select 1" end) end,
    connect = function(db) return db:connect() end,
  }

  for name, run in pairs(CALLS) do
    it("is asked again whatever meets the old one: " .. name, function()
      local db = open()
      assert.truthy(run(db))
      rotate("second", db)
      assert.truthy(run(db))
      assert.equal(2, calls)
    end)
  end

  it("is asked again by who listens when the connection was lost", function()
    local db, got = open(), {}
    db:listen("news", function(payload) got[#got + 1] = payload end)
    local gap
    db:on("listen_gap", function() gap = true end)
    rotate "second"
    postgresql.psql(database.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
      .. "where usename = :'1'", user)
    assert.truthy(wait.until_true(function() return gap end, 20))
    postgresql.psql(database.url, "notify news, 'after'")
    assert.truthy(wait.until_true(function() return got[1] end, 5))
    db:unlisten()
  end)

  it("whose function raises are errors of connecting, with that as the cause", function()
    for _, what in ipairs { "the vault is closed", { reason = "closed" } } do
      local db = open { password = function() error(what, 0) end }
      for _, name in ipairs { "connect", "acquire" } do
        local err = fails("connection_failed", db, name)
        assert.equal(what, err.cause)
        assert.equal("connect", err.phase)
      end
    end
  end)

  it("that stays wrong is an error, at once", function()
    local asked = 0
    local db = open { password = function()
      asked = asked + 1
      return "wrong " .. asked
    end }
    fails("authentication_failed", db, "fetch_value", "select 1")
    assert.equal(2, asked)
    fails("authentication_failed", db, "listen", "a", print)
    fails("authentication_failed", open { password = function() return "wrong" end }, "connect")
    fails("authentication_failed", open { password = "wrong" }, "listen", "a", print)
  end)
end)
