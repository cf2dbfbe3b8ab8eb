-- Passwords that a function gives, and that change while the adapter runs.
local covet = require "covet"
local fails = require "spec.support.fails"
local passwords = require "spec.support.passwords"
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

  it("is asked by the first calls together", function()
    local db = open()
    covet.all {
      function() db:fetch_value "select 1" end,
      function() db:fetch_value "select 1" end,
      function() db:listen("a", print):close() end,
    }
    assert.is_true(calls >= 1 and calls <= db:get_pool_stats().created + 1, calls)
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
      local db = open { max_pool_size = 1 }
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

  it("fails a listener at once when there is none that the server takes", function()
    local db = open { password = function() return "wrong" end }
    fails("authentication_failed", db, "listen", "a", print)
    fails("authentication_failed", open { password = "wrong" }, "listen", "a", print)
    db = open { password = function() error("no vault", 0) end }
    local err = fails("connection_failed", db, "listen", "a", print)
    assert.equal("no vault", err.cause)
    fails("usage", open { password = function() return 7 end }, "listen", "a", print)
  end)

  describe("as in every database:", function()
    local server = {}

    function server.open(options)
      options.user = user
      return postgresql.adapter(options, database.url)
    end

    server.rotate = rotate

    function server.cut()
      postgresql.psql(database.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
        .. "where usename = :'1'", user)
    end

    function server.refused()
      local file = assert(io.open(os.getenv "COVET_PG_DIR" .. "/primary.log"))
      local _, n = file:read("*a"):gsub('password authentication failed for user "' .. user .. '"', "")
      file:close()
      return n
    end

    function server.code(options)
      local at = postgresql.options(database.url)
      return ("covet.postgresql((function(o) o.host, o.port, o.database, o.user = %q, %d, %q, %q "
        .. "return o end)(%s))")
        :format(at.host, at.port, at.database, user, options)
    end

    passwords(server)
  end)
end)
