-- Where connections go, who they are there, and what they say of themselves: by
-- options, URLs, variables and files. spec/postgresql/tls_spec.lua has TLS,
-- refused_spec.lua what goes wrong.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

local open = postgresql.open

postgresql.describe("a connection to PostgreSQL", function()
  local shared = postgresql.options(postgresql.url or "postgresql://a:b@c/d")
  local on_replica = "select pg_is_in_recovery()"

  local function host_of(url)
    local options = postgresql.options(url)
    return options.host .. ":" .. options.port
  end

  it("goes through a Unix socket where the host is a folder", function()
    local db = open({}, postgresql.socket_url)
    assert.is_true(db:fetch_value "select inet_server_addr() is null")
    local by_list = postgresql.options(postgresql.socket_url)
    by_list.hosts = { by_list.host .. ":1", by_list.host }
    by_list.host, by_list.port, by_list.min_pool_size = nil, nil, 1
    local err = fails("connection_failed", postgresql.close_later(covet.postgresql(by_list)), "connect")
    assert.matches("PGSQL%.", err.message) -- a folder has no port behind a colon
  end)

  it("says who it is", function()
    local query = "select current_setting('application_name')"
    assert.equal("covet", open():fetch_value(query))
    assert.equal("the name", open({ application_name = "the name" }):fetch_value(query))
  end)

  it("has the settings of its sessions, also after a reset", function()
    local db = open { max_pool_size = 1, server_settings = {
      work_mem = "7MB", search_path = "one, two", ["my.text"] = "it's \\ \"x\"\ty\nz", ["my.number"] = 7,
    } }
    local function check()
      assert.equal("7MB", db:fetch_value "select current_setting('work_mem')")
      assert.equal("one, two", db:fetch_value "select current_setting('search_path')")
      assert.equal("it's \\ \"x\"\ty\nz", db:fetch_value "select current_setting('my.text')")
      assert.equal("7", db:fetch_value "select current_setting('my.number')")
    end
    check()
    db:execute "set work_mem = '9MB'"
    check()
    fails("usage", postgresql.adapter, { server_settings = { ["a b"] = 1 } })
    local err = fails("database_error", postgresql.adapter { server_settings = { nonsense = 1 } }, "connect")
    assert.matches('unrecognized configuration parameter "nonsense"', err.message)
    assert.equal("42704", err.sqlstate)
  end)

  it("takes libpq's other keywords", function()
    local db = open { conninfo = { options = "-c work_mem=8MB", keepalives_idle = 30 },
      server_settings = { ["my.setting"] = "x" } }
    assert.equal("8MB", db:fetch_value "show work_mem")
    assert.equal("x", db:fetch_value "select current_setting('my.setting')")
    assert.equal("UTF8", db:fetch_value "show client_encoding")
  end)

  describe("by URL", function()
    local function connect(url, options)
      return postgresql.close_later(covet.connect(url, options or { min_pool_size = 1 }))
    end

    it("of either scheme, with options behind the question mark", function()
      local db = connect(postgresql.url .. "?sslmode=require&application_name=a%20b&connect_timeout=5"
        .. "&min_pool_size=1&query_timeout=7")
      assert.equal("a b", db:fetch_value "show application_name")
      assert.is_true(db:fetch_value "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
      assert.equal(7, db.query_timeout)
      db = connect((postgresql.url:gsub("^postgresql", "postgres")))
      assert.equal("covet", db:fetch_value "select current_user")
    end)

    it("options in the table win", function()
      local db = connect(postgresql.url .. "?application_name=a&query_timeout=7",
        { application_name = "b", query_timeout = 8, min_pool_size = 1 })
      assert.equal("b", db:fetch_value "show application_name")
      assert.equal(8, db.query_timeout)
    end)

    it("of a socket, and of several hosts", function()
      assert.is_true(connect(postgresql.socket_url):fetch_value "select inet_server_addr() is null")
      local hosts = host_of(postgresql.replica_url) .. "," .. host_of(postgresql.url)
      local url = ("postgresql://covet:pw@%s/covet?target_session_attrs=read-write"):format(hosts)
      assert.is_false(connect(url):fetch_value(on_replica))
    end)

    it("with a name and a password of any characters", function()
      local role = 'a@b:c/d?e%f "é"'
      local quoted = '"' .. role:gsub('"', '""') .. '"'
      postgresql.psql(postgresql.admin_url,
        ("drop role if exists %s; create role %s login password 'p@ss:w/rd?#%% ü'"):format(quoted, quoted))
      finally(function()
        postgresql.psql(postgresql.admin_url, "drop role " .. quoted)
      end)
      local function encode(text)
        return (text:gsub("[^%w]", function(c)
          return ("%%%02X"):format(c:byte())
        end))
      end
      local db = connect(("postgresql://%s:%s@%s/covet"):format(encode(role), encode "p@ss:w/rd?#% ü",
        host_of(postgresql.url)))
      assert.equal(role, db:fetch_value "select current_user")
      db = open { user = role, password = "p@ss:w/rd?#% ü" }
      assert.equal(role, db:fetch_value "select current_user")
    end)
  end)

  describe("to one of several hosts", function()
    local primary, replica = host_of(postgresql.url or "postgresql://a:b@c:1/d"),
      host_of(postgresql.replica_url or "postgresql://a:b@c:1/d")

    local function open_hosts(hosts, attrs)
      return postgresql.close_later(covet.postgresql {
        hosts = hosts, target_session_attrs = attrs, database = "covet", user = "covet", password = "pw",
        min_pool_size = 1, connect_timeout = 5,
      })
    end

    local function is_replica(hosts, attrs)
      return open_hosts(hosts, attrs):connect():fetch_value(on_replica)
    end

    it("the first that answers", function()
      assert.is_false(is_replica { "127.0.0.1:1", primary })
      assert.is_false(is_replica { "nowhere.invalid:1", primary, replica })
      assert.is_true(is_replica { "127.0.0.1:1", replica, primary })
    end)

    it("of the kind that is wanted", function()
      for _, hosts in ipairs { { primary, replica }, { replica, primary } } do
        for attrs, expected in pairs {
          ["read-write"] = false, primary = false, ["read-only"] = true, standby = true,
          ["prefer-standby"] = true,
        } do
          assert.equal(expected, is_replica(hosts, attrs), attrs)
        end
      end
      assert.is_false(is_replica({ primary }, "prefer-standby"))
      assert.is_false(is_replica({ primary, replica }, "any"))
    end)

    it("or to none: the error lists every attempt", function()
      local err = fails("connection_failed", open_hosts({ replica, "127.0.0.1:1" }, "read-write"), "connect")
      assert.matches("session is read%-only", err.message)
      assert.matches("port 1 failed: Connection refused", err.message)
      assert.equal("connect", err.phase)
    end)

    it("not one that is frozen", function()
      local frozen = postgresql.start()
      finally(function()
        frozen:remove()
      end)
      frozen:freeze()
      local db = postgresql.close_later(covet.postgresql {
        hosts = { "127.0.0.1:" .. frozen.port, primary }, database = "covet", user = "covet",
        password = "pw", min_pool_size = 1, connect_timeout = 1,
      })
      local started = covet.now()
      assert.equal(shared.port, db:connect():fetch_value "select inet_server_port()")
      assert.is_true(covet.now() - started < 5)
    end)
  end)

  describe("by variables and files", function()
    -- What covet prints that is run with these changes of the environment.
    local function run(code, env)
      for name in pairs(require "luv".os_environ()) do
        if name:match "^PG" and env[name] == nil then
          env[name] = false
        end
      end
      local result = process.run { false, "-e", "local covet = require 'covet'; " .. code, env = env }
      assert.equal(0, result.status, result.stderr)
      return (result.stdout:gsub("\n$", ""))
    end

    local show = "print(db:fetch_value \"select current_user||' '||current_setting('application_name')\"); "
      .. "db:disconnect()"

    -- A file that only its owner may read.
    local function private(content)
      local path = tmp.file(content)
      assert(require "luv".fs_chmod(path, tonumber("600", 8)))
      return path
    end

    local function environment()
      return { PGHOST = shared.host, PGPORT = shared.port, PGDATABASE = "covet", PGUSER = "covet",
        PGPASSWORD = "pw", PGAPPNAME = "by variable" }
    end

    it("PG* variables count, and options before them", function()
      assert.equal("covet by variable",
        run("local db = covet.postgresql{ min_pool_size = 1 } " .. show, environment()))
      assert.equal("covet by variable",
        run("local db = covet.connect 'postgresql:///' " .. show, environment()))
      local env = environment()
      env.PGUSER = "nobody"
      assert.equal("covet_reader by option", run("local db = covet.postgresql{ min_pool_size = 1, "
        .. "user = 'covet_reader', application_name = 'by option' } " .. show, env))
    end)

    it("~/.pgpass, PGPASSFILE and passfile tell the password", function()
      local line = ("%s:%d:*:covet:pw\n"):format(shared.host, shared.port)
      local env, open_it = environment(), "local db = covet.postgresql{ min_pool_size = 1 } "
      env.PGPASSWORD, env.PGPASSFILE = false, private(line)
      assert.equal("covet by variable", run(open_it .. show, env))
      local home = tmp.dir "home"
      assert(require "luv".fs_rename(private(line), home .. "/.pgpass"))
      env.PGPASSFILE, env.HOME = false, home
      assert.equal("covet by variable", run(open_it .. show, env))
      local options = postgresql.options(postgresql.url)
      options.password, options.passfile, options.min_pool_size = nil, private(line), 1
      local db = postgresql.close_later(covet.postgresql(options)):connect()
      assert.equal("covet", db:fetch_value "select current_user")
    end)

    it("a service file tells all", function()
      local file = tmp.file(("[covet_spec]\nhost=%s\nport=%d\ndbname=covet\nuser=covet\npassword=pw\n"
        .. "application_name=by service\n"):format(shared.host, shared.port))
      for _, how in ipairs { "covet.postgresql { service = 'covet_spec' }",
        "covet.connect 'postgresql://?service=covet_spec'" } do
        local code = "local db = " .. how .. " " .. show
        assert.equal("covet by service", run(code, { PGSERVICEFILE = file }))
      end
    end)
  end)

  describe("with a password that a function gives", function()
    local role

    before_each(function()
      role = "covet_changing_" .. require "luv".os_getpid()
      postgresql.psql(postgresql.admin_url, ("create role %s login password 'one'"):format(role))
    end)

    after_each(function()
      postgresql.psql(postgresql.admin_url, "drop role " .. role)
    end)

    it("calls it to connect, and again when it was refused", function()
      local passwords, calls = { "wrong", "one" }, 0
      local db = postgresql.adapter { user = role, max_pool_size = 1, password = function()
        calls = calls + 1
        covet.sleep(0.001)
        return passwords[calls] or passwords[#passwords]
      end }
      db:connect()
      assert.equal(role, db:fetch_value "select current_user")
      assert.equal(2, calls)
      postgresql.psql(postgresql.admin_url, ("alter role %s password 'two'"):format(role))
      assert.equal(role, db:fetch_value "select current_user")
      assert.equal(2, calls) -- who is connected needs none
      passwords = { "two" }
      db:evict()
      assert.equal(role, db:fetch_value "select current_user")
      db:evict()
      db:with(function(held)
        assert.equal(role, held:fetch_value "select current_user")
      end)
    end)

    it("fails when there is no other", function()
      local calls = 0
      local db = postgresql.adapter { user = role, password = function()
        calls = calls + 1
        return "wrong"
      end }
      for _, name in ipairs { "connect", "fetch_value" } do
        local err = fails("authentication_failed", db, name, "select 1")
        assert.is_nil(tostring(err):find("wrong", 1, true))
      end
      assert.is_true(calls < 8, calls)
    end)
  end)

  it("succeeds with a part of the minimum, and tells of each connection that failed", function()
    postgresql.psql(postgresql.admin_url, "create role covet_few login password 'pw' connection limit 3")
    local db, told = postgresql.adapter({ user = "covet_few", min_pool_size = 6, max_pool_size = 6 }), {}
    db:on("connect_failed", function(event) told[#told + 1] = event end)
    db:connect()
    assert.is_true(wait.until_true(function() return #told > 0 end))
    assert.equal(1, db:fetch_value "select 1")
    assert.is_true(wait.until_true(function() return db:get_pool_stats().size == 3 end))
    assert.is_true(wait.until_true(function()
      return #told == db:get_pool_stats().connection_errors
    end))
    assert.matches("too many connections", told[1].error.message)
    assert.equal("postgresql", told[1].error.database)
    assert.equal(db.name, told[1].pool)
    assert.is_true(told[1].size >= 1 and told[1].size <= 3)
    assert.equal("too_many_connections", told[1].error.kind)
    db:disconnect()
    postgresql.psql(postgresql.admin_url, "drop role covet_few")
  end)
end)
