-- TLS to PostgreSQL: modes, certificates, channel binding.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local tmp = require "spec.support.tmp"

local open, adapter = postgresql.open, postgresql.adapter

local function certificate(name)
  return postgresql.dir .. "/certificates/" .. name
end

-- The name in the server's certificate is localhost; 127.0.0.1 is none of it.
local function by_name(options)
  options.host = "localhost"
  return options
end

postgresql.describe("TLS to PostgreSQL", function()
  local function has_tls(db)
    return db:fetch_value "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
  end

  it("is there as the mode says", function()
    for mode, expected in pairs { disable = false, allow = false, prefer = true, require = true } do
      assert.equal(expected, has_tls(open { ssl = mode }), mode)
      assert.equal(expected, has_tls(open { ssl = { mode = mode } }), mode)
      local url = postgresql.url .. "?min_pool_size=1&sslmode=" .. mode
      assert.equal(expected, has_tls(postgresql.close_later(covet.connect(url))), mode)
    end
    assert.is_true(has_tls(open()))
  end)

  it("is offered by allow where the server wants it", function()
    assert.is_true(has_tls(open { user = "covet_tls", ssl = "allow" }))
    local err = fails("authentication_failed", adapter { user = "covet_tls", ssl = "disable" }, "connect")
    assert.matches("pg_hba.conf rejects connection", err.message)
  end)

  it("checks the certificate's authority, and its name", function()
    local ca = certificate "ca.crt"
    assert.is_true(has_tls(open { ssl = { mode = "verify-ca", ca = ca } }))
    assert.is_true(has_tls(open(by_name { ssl = { mode = "verify-full", ca = ca } })))
    assert.is_true(has_tls(open(by_name { ssl = { ca = ca } })))
    local err = fails("tls_error", adapter { ssl = { mode = "verify-full", ca = ca } }, "connect")
    assert.matches('does not match host name "127.0.0.1"', err.message, 1, true)
    fails("tls_error", adapter { ssl = { ca = ca } }, "connect") -- a ca means verify-full
    assert.equal("connect", err.phase)
  end)

  it("refuses what another authority has signed", function()
    for _, mode in ipairs { "verify-ca", "verify-full" } do
      local err = fails("tls_error", adapter(by_name {
        ssl = { mode = mode, ca = certificate "wrong_ca.crt" } }), "connect")
      assert.matches("certificate verify failed", err.message)
    end
  end)

  it("needs files that are there", function()
    local err = fails("tls_error", adapter { ssl = { mode = "verify-ca", ca = "/nowhere/ca.crt" } },
      "connect")
    assert.matches("/nowhere/ca.crt", err.message, 1, true)
    err = fails("tls_error", adapter { ssl = { mode = "require", ca = tmp.file "nonsense" } }, "connect")
    assert.matches("could not read root certificate file", err.message)
    local key = tmp.file "x"
    assert(require "luv".fs_chmod(key, tonumber("644", 8)))
    fails("tls_error", adapter(by_name { user = "covet_certificate",
      ssl = { mode = "require", cert = certificate "client.crt", key = key } }), "connect")
    fails("tls_error", adapter(by_name { user = "covet_certificate",
      ssl = { mode = "require", cert = certificate "client.crt", key = "/nowhere.key" } }), "connect")
  end)

  it("lets users in by their certificate", function()
    local function login(name)
      return adapter(by_name { user = "covet_certificate", ssl = { mode = "require",
        cert = name and certificate(name .. ".crt"), key = name and certificate(name .. ".key") } })
    end
    local db = login "client":connect()
    assert.equal("covet_certificate", db:fetch_value "select current_user")
    assert.equal("/CN=covet_certificate",
      db:fetch_value "select client_dn from pg_stat_ssl where pid = pg_backend_pid()")
    fails("tls_error", login "wrong_client", "connect")
    assert.matches("requires a valid client certificate",
      fails("authentication_failed", login(nil), "connect").message)
  end)

  it("binds SCRAM to its channel", function()
    assert.is_true(has_tls(open { ssl = "require", channel_binding = "require" }))
    assert.is_true(has_tls(open { ssl = "require", channel_binding = "disable" }))
    local err = fails("authentication_failed", adapter { ssl = "disable", channel_binding = "require" },
      "connect")
    assert.matches("channel binding required", err.message)
  end)

  it("is refused with a word that is no mode", function()
    assert.matches('did you mean "verify%-full"', fails("usage", adapter, { ssl = "verify_full" }).message)
    assert.matches("did you mean", fails("usage", adapter, { ssl = { mode = "requires" } }).message)
    assert.matches("ssl.certs", fails("usage", adapter, { ssl = { certs = "x" } }).message, 1, true)
    fails("connection_failed", covet.connect, postgresql.url .. "?sslmode=requires")
  end)
end)
