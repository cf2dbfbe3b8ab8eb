-- Options of covet.postgresql, as far as they are read before any connection.
local covet = require "covet"
local core = require "covet.core"

-- What the core is given for these options.
local function passed(given, url)
  local real, seen = core.adapter, nil
  core.adapter = function(address, list)
    seen = { url = address }
    for _, option in ipairs(list) do
      assert.is_nil(seen[option[1]])
      seen[option[1]] = option[2]
    end
    return real(address, list)
  end
  local fine, made = pcall(covet.postgresql, url or given, url and given)
  core.adapter = real
  assert.is_true(fine, tostring(made))
  return seen, made
end

local function refused(given, ...)
  local fine, err = pcall(covet.postgresql, given)
  assert.is_false(fine)
  assert.is_true(covet.is(err, "usage"), tostring(err))
  assert.matches("postgresql_options_spec", err.where)
  for _, text in ipairs { ... } do
    assert.truthy(err.message:find(text, 1, true), err.message)
  end
end

local function describe_sizes()
  it("a minimum that nobody has asked for follows the maximum down", function()
    local _, db = passed { host = "db", max_pool_size = 3 }
    assert.equal(3, db:get_pool_stats().min_size)
    _, db = passed({}, "postgresql://db/app?max_pool_size=2")
    assert.equal(2, db:get_pool_stats().min_size)
    _, db = passed { host = "db" }
    db:configure { max_pool_size = 4 }
    refused({ min_pool_size = 5, max_pool_size = 3 },
      "min_pool_size (5) is larger than max_pool_size (3)")
  end)
end

local function describe_adapter()
  it("passes what is given, and no defaults", function()
    local seen = passed { host = "db", port = 5433, database = "app", user = "ann",
      password = "secret", application_name = "test" }
    assert.same({ url = "postgresql://", host = "db", port = "5433", database = "app",
      user = "ann", password = "secret", application_name = "test" }, seen)
    assert.same({ url = "postgresql://" }, (passed {}))
  end)

  it("takes several hosts", function()
    local seen = passed { hosts = { "a:5432", "b", "[::1]:5433" }, target_session_attrs = "read-write" }
    assert.equal("a:5432,b,[::1]:5433", seen.hosts)
    refused({ hosts = { "a,b" } }, "hosts")
    refused({ hosts = {} }, "at least one")
    refused({ hosts = { "a" }, host = "b" }, "instead of host")
    refused({ target_session_attrs = "readwrite" }, 'did you mean "read-write"?')
  end)

  it("takes a mode of TLS, or a table with files", function()
    assert.equal("require", passed({ ssl = "require" }).ssl)
    local seen = passed { ssl = { ca = "ca.crt", cert = "c.crt", key = "c.key" } }
    assert.equal("verify-full", seen.ssl)
    assert.equal("ca.crt", seen.ssl_ca)
    assert.equal("c.crt", seen.ssl_cert)
    assert.equal("c.key", seen.ssl_key)
    assert.equal("verify-ca", passed({ ssl = { ca = "ca.crt", mode = "verify-ca" } }).ssl)
    assert.equal("require", passed({ ssl = { cert = "c.crt" } }).ssl)
    refused({ ssl = "verify_full" }, 'did you mean "verify-full"?')
    refused({ ssl = { ca = 7 } }, "ssl.ca")
    refused({ ssl = { certificate = "x" } }, "ssl.certificate")
  end)

  it("writes the settings of sessions in lines", function()
    local seen = passed { server_settings = { search_path = "a, b", ["my.text"] = "x\ny\\z",
      work_mem = 65536 } }
    assert.equal("my.text=x\\ny\\\\z\nsearch_path=a, b\nwork_mem=65536", seen.server_settings)
    refused({ server_settings = { ["a b"] = 1 } }, "no name of a setting")
  end)

  it("takes pipelines and polling by name or switched off", function()
    local seen = passed { pipeline = "each", pipeline_depth = 8, busy_poll = 50, pgbouncer = true }
    assert.equal("each", seen.pipeline)
    assert.equal("8", seen.pipeline_depth)
    assert.equal("50", seen.busy_poll)
    assert.equal("true", seen.pgbouncer)
    seen = passed { pipeline = false, busy_poll = false }
    assert.equal("false", seen.pipeline)
    assert.equal("false", seen.busy_poll)
    refused({ pipeline = "grup" }, 'did you mean "group"?')
    refused({ pipeline = true }, "pipeline")
    refused({ busy_poll = "always" }, "busy_poll")
    refused({ busy_poll = 1.5 }, "busy_poll")
  end)

  it("takes the other keywords of libpq in conninfo", function()
    local seen = passed { conninfo = { keepalives_idle = 30, krbsrvname = "pg" } }
    assert.equal("30", seen.keepalives_idle)
    assert.equal("pg", seen.krbsrvname)
    refused({ conninfo = { keepalive_idle = 30 } }, "keepalive_idle")
  end)

  it("names the nearest option for one that is none", function()
    refused({ hots = "a" }, '"hots"', 'did you mean "host"?')
    refused({ max_pol_size = 7 }, 'did you mean "max_pool_size"?')
    refused({ port = "5432" }, "port")
    refused({ password = 7 }, "password")
    refused({ user = "a\0b" }, "NUL")
    refused(7, "a table of options or a URL")
  end)

  it("takes a URL, its own options out of it", function()
    local seen, db = passed({ command_timeout = 7 },
      "postgresql://ann:secret@db:5433/app?sslmode=disable&query_timeout=3&application_name=x")
    assert.equal("postgresql://ann:secret@db:5433/app?sslmode=disable&application_name=x", seen.url)
    assert.equal(3, db.query_timeout)
    assert.equal(7, db.command_timeout)
    assert.equal("postgresql://ann@db:5433/app", db.name)
  end)

  it("is called by its place, never with a password", function()
    local _, db = passed { host = "db", port = 5433, database = "app", user = "ann", password = "secret" }
    assert.equal("postgresql://ann@db:5433/app", db.name)
    _, db = passed { name = "mine" }
    assert.equal("mine", db.name)
    _, db = passed { hosts = { "a", "b:1" } }
    assert.equal("postgresql://a,b:1", db.name)
    assert.is_nil(db.options.password)
    _, db = passed { conninfo = { password = "secret", sslpassword = "secret", keepalives_idle = 30 } }
    assert.same({ keepalives_idle = 30 }, db.options.conninfo)
  end)

  it("does not pass a password that a function gives", function()
    local seen, db = passed { password = function() return "x" end }
    assert.is_nil(seen.password)
    assert.equal("function", type(db.passwords.ask))
  end)

  it("begins transactions as they are asked for", function()
    local _, db = passed {}
    assert.equal("BEGIN", db:begin_text {})
    assert.equal("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
      db:begin_text { isolation = "SERIALIZABLE", read_only = true, deferrable = true })
    assert.equal("BEGIN READ WRITE", db:begin_text { read_only = false })
    assert.has_error(function() db:begin_text { deferrable = true } end)
    assert.has_error(function() db:begin_text { mode = "immediate" } end)
  end)

  it("has what is SQLite's as errors", function()
    local _, db = passed {}
    for _, name in ipairs { "backup", "create_function", "open_blob" } do
      local _, err = db.try[name](db.try, "x")
      assert.equal("unsupported", err.kind)
    end
  end)
end

describe("options of covet.postgresql", function()
  if not core.has "postgresql" then
    it("needs libpq", function()
      pending "the driver is not in this build"
    end)
    return
  end
  describe_adapter()
  describe_sizes()
end)

describe("PostgreSQL where it is not", function()
  it("is refused for SQLite what only PostgreSQL has", function()
    local db = covet.sqlite ":memory:"
    for _, name in ipairs { "listen", "unlisten", "notify", "copy_to_table", "copy_from_table",
      "copy_from_query", "set_type_codec", "reload_types", "with_advisory_lock", "pipeline" } do
      local _, err = db.try[name](db.try, "x", print)
      assert.equal("unsupported", err.kind, name)
      assert.matches("PostgreSQL", err.message)
    end
  end)

  it("says so where the driver is left out", function()
    local real = core.has
    core.has = function() return false end
    local _, err = pcall(covet.connect, "postgresql://db/app")
    core.has = real
    assert.equal("unsupported", err.kind)
    assert.matches("not in this build", err.message)
  end)
end)
