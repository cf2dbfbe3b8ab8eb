-- The servers of the tests are what spec/support/postgresql.lua says: asked by
-- psql alone.
local postgresql = require "spec.support.postgresql"
local process = require "spec.support.process"
local wait = require "spec.support.wait"

local psql, rows = postgresql.psql, postgresql.rows

-- A psql that must fail; what it says.
local function refused(url, sql)
  local ok, message = pcall(psql, url, sql or "select 1")
  assert.is_false(ok, "it was not refused")
  return message
end

-- A session that stays open. `ask(sql)` gives the first word it answers.
local function open_session(url)
  local child = process.start { os.getenv "COVET_PG_BIN" .. "/psql", "-X", "-A", "-t", "-q", "-d", url,
    stdin = true }
  local session = { child = child }
  function session.ask(sql)
    local before = #child:stdout()
    child:write(sql .. ";\n")
    wait.until_true(function()
      return child:stdout():find("\n", before + 1, true) or child:ended()
    end, 5)
    return child:stdout():match("^[^\n]*", before + 1)
  end
  function session.close()
    child:close_stdin()
    return child:wait(5)
  end
  return session
end

local function certificate(name)
  return postgresql.dir .. "/certificates/" .. name
end

-- The shared primary by the name in its certificate, with these parameters.
local function by_name(user, parameters)
  local url = postgresql.change_url(postgresql.url, { user = user }):gsub("127%.0%.0%.1", "localhost")
  return url .. "?" .. parameters
end

postgresql.describe("psql", function()
  it("prints what the server answers, unaligned", function()
    assert.equal("1|a", psql(postgresql.url, "select 1, 'a'"))
    assert.equal("1\n2", psql(postgresql.url, "select generate_series(1, 2)"))
    assert.equal("t|f|", psql(postgresql.url, "select true, false, null"))
    assert.equal("", psql(postgresql.url, "select 1 where false"))
    assert.equal("2", psql(postgresql.url, "create temp table t (a int); insert into t values (1), (2);"
      .. "select count(*) from t"))
  end)

  it("takes values as literals and identifiers", function()
    for _, text in ipairs { "it's", "a\nb", "\\", "", "é", ":'1'", "$1", "a|b" } do
      assert.equal(text, psql(postgresql.url, "select :'1'", text))
    end
    assert.equal("7", psql(postgresql.url, "select :'1'::int + :'2'", 3, 4))
    assert.equal('a "b"', psql(postgresql.url, "select * from (select :'1' as :\"1\") t", 'a "b"'))
  end)

  it("takes rows apart", function()
    assert.same({ { "a|b", false, "" }, { "x\n", "y", "\n" } },
      rows(postgresql.url, "select 'a|b', null, '' union all select E'x\\n', 'y', E'\\n'"))
    assert.same({}, rows(postgresql.url, "select 1 where false"))
    assert.same({ { "" } }, rows(postgresql.url, "select ''"))
  end)

  it("raises what the server refuses, with its message", function()
    assert.matches("nonsense", refused(postgresql.url, "select nonsense"))
    assert.matches("division by zero", refused(postgresql.url, "select 1; select 1 / 0; select 2"))
  end)
end)

postgresql.describe("PostgreSQL", function()
  it("has the settings that the specs expect", function()
    for name, value in pairs {
      fsync = "off", synchronous_commit = "on", max_connections = "200", wal_level = "replica",
      max_prepared_transactions = "10", TimeZone = "Europe/Berlin", lc_messages = "C",
      password_encryption = "scram-sha-256", server_encoding = "UTF8", standard_conforming_strings = "on",
    } do
      assert.equal(value, psql(postgresql.url, "select current_setting(:'1')", name), name)
    end
  end)

  it("speaks TLS to those who want it", function()
    local query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
    assert.equal("t|TLSv1.3", psql(postgresql.url, query))
    assert.equal("f|", psql(by_name("covet", "sslmode=disable"), query))
  end)

  it("has a certificate for localhost by its CA, and for nothing else", function()
    local mode = "sslmode=verify-full&sslrootcert="
    assert.equal("1", psql(by_name("covet", mode .. certificate "ca.crt"), "select 1"))
    assert.matches("certificate verify failed", refused(by_name("covet", mode .. certificate "wrong_ca.crt")))
    assert.matches('does not match host name "127.0.0.1"',
      refused(postgresql.url .. "?" .. mode .. certificate "ca.crt"))
  end)

  it("knows passwords by SCRAM only", function()
    assert.equal("t", psql(postgresql.admin_url,
      "select bool_and(rolpassword like 'SCRAM-SHA-256$%') from pg_authid where rolpassword is not null"))
    assert.equal("cert\nreject\nscram-sha-256", psql(postgresql.admin_url,
      "select distinct auth_method from pg_hba_file_rules order by 1"))
    assert.matches("password authentication failed", refused((postgresql.url:gsub(":pw@", ":no@"))))
  end)

  it("has users with and without rights", function()
    local function as(user)
      return postgresql.change_url(postgresql.url, { user = user })
    end
    local query = "select rolsuper, pg_has_role(datdba, 'usage') from pg_roles, pg_database "
      .. "where rolname = current_user and datname = 'covet'"
    assert.equal("f|t", psql(as "covet", query))
    assert.equal("t|t", psql(as "admin", query))
    assert.equal("f|f", psql(as "covet_reader", query))
    assert.matches("read%-only transaction", refused(as "covet_reader", "create table no (a int)"))
    assert.equal("1", psql(as "covet_tls", "select 1"))
    assert.matches("rejects connection", refused(as "covet_tls" .. "?sslmode=disable"))
  end)

  it("limits the connections of covet_limited", function()
    local url = postgresql.change_url(postgresql.url, { user = "covet_limited" })
    local first, second = open_session(url), open_session(url)
    assert.equal("1", first.ask "select 1")
    assert.equal("1", second.ask "select 1")
    assert.matches("too many connections for role", refused(url))
    first.close()
    second.close()
  end)

  it("lets covet_certificate in by its certificate", function()
    local function with(name)
      return by_name("covet_certificate", ("sslmode=require&sslcert=%s&sslkey=%s"):format(
        certificate(name .. ".crt"), certificate(name .. ".key")))
    end
    assert.equal("covet_certificate", psql(with "client", "select current_user"))
    assert.matches("unknown ca", refused(with "wrong_client"))
    assert.matches("requires a valid client certificate",
      refused(by_name("covet_certificate", "sslmode=require")))
  end)

  it("has a Unix socket", function()
    assert.equal("t", psql(postgresql.socket_url, "select inet_server_addr() is null"))
    local options = postgresql.options(postgresql.socket_url)
    assert.equal(postgresql.dir .. "/socket", options.host)
    assert.equal(postgresql.options(postgresql.url).port, options.port)
  end)

  it("has a replica that streams", function()
    assert.equal("t", psql(postgresql.replica_url, "select pg_is_in_recovery()"))
    assert.equal("streaming", psql(postgresql.admin_url,
      "select state from pg_stat_replication where application_name = 'replica'"))
    local database = postgresql.fresh_database()
    psql(database.url, "create table t as select 7 as a")
    local url = postgresql.change_url(postgresql.replica_url, { database = database.name })
    assert.is_true(wait.until_true(function()
      local ok, answer = pcall(psql, url, "select a from t")
      return ok and answer == "7"
    end))
    assert.matches("read%-only transaction", refused(url, "insert into t values (8)"))
    database:drop()
  end)
end)

postgresql.describe("PgBouncer", function()
  local function console(sql)
    local url = postgresql.change_url(postgresql.bouncer_url, { user = "admin", database = "pgbouncer" })
    return rows(url, sql)
  end

  it("pools transactions and hides nothing of a client's start", function()
    local config = {}
    for _, row in ipairs(console "show config") do
      config[row[1]] = row[2]
    end
    assert.equal("transaction", config.pool_mode)
    assert.equal("extra_float_digits", config.ignore_startup_parameters)
    assert.equal("scram-sha-256", config.auth_type)
    assert.matches("unsupported startup parameter: options",
      refused(postgresql.bouncer_url .. "?options=-cwork_mem%3D1MB"))
  end)

  it("stands before the primary", function()
    local query = "select system_identifier from pg_control_system()"
    local function identifier(url)
      return psql(postgresql.change_url(url, { user = "admin" }), query)
    end
    assert.equal(identifier(postgresql.url), identifier(postgresql.bouncer_url))
    assert.matches("authentication failed", refused((postgresql.bouncer_url:gsub(":pw@", ":no@"))))
  end)

  it("gives a session's connection to others between transactions", function()
    local database = postgresql.fresh_database()
    local first, second = open_session(database.bouncer_url), open_session(database.bouncer_url)
    local backend = first.ask "select pg_backend_pid()"
    assert.equal(backend, second.ask "select pg_backend_pid()")
    first.ask "begin; select 1"
    assert.not_equal(backend, second.ask "select pg_backend_pid()")
    first.close()
    second.close()
    database:drop()
  end)
end)

postgresql.describe("databases of a spec's own", function()
  it("are new, made empty, and dropped", function()
    local database = postgresql.fresh_database()
    assert.equal(database.name .. "|covet", psql(database.url, "select current_database(), current_user"))
    assert.not_equal(database.name, postgresql.fresh_database().name)
    local query = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace "
      .. "where nspname !~ '^pg_' and nspname <> 'information_schema'"
    local count = psql(database.url, query)
    psql(database.url, "create extension hstore; create extension citext;"
      .. "create table t (a hstore, b citext); create schema s; create view s.v as select * from t")
    local session = open_session(database.url)
    session.ask "begin; lock table t; select 1"
    database:clear()
    assert.matches("terminating connection", session.ask "select 1" .. session.close().stderr)
    assert.equal(count, psql(database.url, query))
    psql(database.url, "create table t (a int)")
    database:drop()
    database:drop()
    assert.matches("does not exist", refused(database.url))
  end)
end)

postgresql.describe("servers of a spec's own", function()
  it("start, stop and restart without a loss", function()
    local server = postgresql.start { settings = { work_mem = "7MB" } }
    assert.equal("7MB", psql(server.url, "show work_mem"))
    assert.not_equal(postgresql.options(postgresql.url).port, server.port)
    psql(server.url, "create table t as select 1 as a")
    for _, mode in ipairs { "smart", "fast", "immediate", "kill" } do
      server:stop(mode)
      server:stop(mode)
      assert.is_false(server:is_running())
      assert.matches("refused", refused(server.url))
      server:restart()
      assert.equal("1", psql(server.socket_url, "select a from t"))
    end
    server:remove()
    assert.matches("refused", refused(server.admin_url))
  end)

  it("freeze and thaw", function()
    local server = postgresql.start()
    local session = open_session(server.url)
    assert.equal("1", session.ask "select 1")
    server:freeze()
    session.child:write "select 'after' || 'wards';\n"
    assert.is_nil(session.child:expect("afterwards", 0.2))
    server:thaw()
    assert.equal("afterwards", session.child:expect("afterwards", 5))
    session.close()
    server:freeze()
    server:remove()
  end)

  it("end one session", function()
    local server = postgresql.start()
    local session = open_session(server.url)
    server:kill_backend(tonumber(session.ask "select pg_backend_pid()"))
    session.ask "select 1"
    assert.matches("due to administrator command", session.close().stderr)
    assert.equal("1", psql(server.url, "select 1"))
    server:remove()
  end)

  it("have replicas that can be promoted", function()
    local primary = postgresql.start()
    local replica = postgresql.start { replica_of = primary }
    psql(primary.url, "create table t (a int)")
    assert.is_true(wait.until_true(function()
      return pcall(psql, replica.url, "select * from t")
    end))
    assert.matches("read%-only transaction", refused(replica.url, "insert into t values (1)"))
    primary:stop "immediate"
    replica:promote()
    assert.equal("1|f", psql(replica.url, "insert into t values (1) returning a, pg_is_in_recovery()"))
    primary:remove()
    replica:remove()
  end)
end)
