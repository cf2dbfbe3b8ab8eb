-- Connecting: options, names, sockets, TLS, the ways to prove who one is, and what
-- goes wrong with them.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"
local tmp = require "spec.support.tmp"
local uv = require "luv"
local wait = require "spec.support.wait"

local certificate = mysql.certificate

mysql.describe("connecting to MariaDB", function()
  it("keeps no more than the maximum where nobody has asked for a minimum", function()
    local db = covet.mysql { host = "nowhere", max_pool_size = 3 }
    assert.equal(3, db:get_pool_stats().min_size)
    db:disconnect()
  end)

  local function encrypted(db)
    local _, cipher = db:fetch_one { "show session status like 'Ssl_cipher'", rows = "array" }[1],
      db:fetch_one { "show session status like 'Ssl_cipher'", rows = "array" }[2]
    return cipher ~= ""
  end

  it("by a URL, with options that win over it", function()
    local db = mysql.close_later(covet.connect(mysql.url .. "?connect_timeout=5&charset=utf8mb4",
      { min_pool_size = 1 }))
    assert.equal("covet", (db:fetch_value "select database()"))
    assert.is_nil(tostring(db.name):find("pw", 1, true))
    db = mysql.close_later(covet.connect((mysql.url:gsub("^mysql:", "mariadb:")), { min_pool_size = 1 }))
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("not in a charset in which quoting is not safe", function()
    for _, name in ipairs { "big5", "cp932", "gb18030", "GB18030", "gbk", "GBK", "sjis" } do
      local err = fails("usage", covet.mysql, { charset = name })
      assert.matches("quoted texts are not safe in " .. name, err.message)
    end
  end)

  it("is called by its URL, without any part of a password", function()
    for url, name in pairs {
      ["mysql://u:p@ssw:rd@localhost/db?charset=utf8mb4"] = "mysql://u@localhost/db",
      ["mysql://u@ser:x@[::1]:3307/d@b"] = "mysql://u@ser@[::1]:3307/d@b",
      ["mysql://localhost:3307/db"] = "mysql://localhost:3307/db",
      ["postgresql://u:p@ss@a:1,b:2/db"] = "postgresql://u@a:1,b:2/db",
      ["mysql:///db"] = "mysql:///db",
    } do
      local db = covet[url:match "^%a+"](url)
      assert.equal(name, db.name)
      db:disconnect()
    end
  end)

  it("moments are told as such in UTC only, whoever has chosen the time zone", function()
    local function moment(options)
      local db = mysql.open(options)
      return db:with(function(held)
        held:execute "create temporary table moments (at timestamp)"
        held:execute "insert into moments values (from_unixtime(86400))"
        return held:fetch_value { "select at from moments", types = { timestamptz = "epoch" } }
      end)
    end
    assert.equal(86400, moment {})
    assert.equal(86400, moment { time_zone = "+02:00", init_command = "set time_zone = '+00:00'" })
    assert.equal("1970-01-02 02:00:00", moment { time_zone = "+02:00" })
    assert.equal("1970-01-02 02:00:00", moment { init_command = "set time_zone = '+02:00'" })
  end)

  it("without a database", function()
    local db = mysql.open { database = false }
    assert.is_nil(db:fetch_value "select database()")
    -- one that is chosen does not stay
    db:execute "use covet"
    assert.is_nil(db:fetch_value "select database()")
  end)

  it("by the Unix socket", function()
    local db = mysql.open { unix_socket = mysql.socket, host = false, port = false }
    assert.equal("1", mysql.administer("select count(*) from information_schema.processlist where id = "
      .. db:fetch_value "select connection_id()" .. " and host = 'localhost'"))
    fails("usage", covet.mysql, { unix_socket = "/x", host = "localhost" })
  end)

  it("a socket that is not there, or is none, is told", function()
    local path = tmp.path()
    local err = fails("connection_failed", mysql.adapter { unix_socket = path, host = false, port = false },
      "connect")
    assert.matches("nothing is there", err.hint)
    io.open(path, "w"):close()
    err = fails("connection_failed", mysql.adapter { unix_socket = path, host = false, port = false },
      "connect")
    assert.matches("no socket", err.hint)
    err = fails("connection_failed", mysql.adapter { unix_socket = path .. ("x"):rep(200), host = false,
      port = false }, "connect")
    assert.matches("longer than a socket's path can be: 107 bytes", err.hint)
  end)

  it("options: misspelt ones are named with the nearest, values checked", function()
    for given, expected in pairs {
      [{ chaset = "x" }] = 'did you mean "charset"',
      [{ unix_sock = "x" }] = 'did you mean "unix_socket"',
      [{ port = "3306" }] = "port",
      [{ charset = "nonsense" }] = "libmariadb knows no 'nonsense'",
      [{ zero_dates = "nul" }] = 'did you mean "null"',
      [{ bulk = "rewrit" }] = 'did you mean "rewrite"',
      [{ ssl = "required" }] = 'did you mean "require"',
      [{ ssl = { caa = "x" } }] = "ssl.ca",
      [{ ssl = { cert = "x" } }] = "needs its key",
      [{ ssl = { mode = "verify-ca" } }] = "ssl_ca",
      [{ ssl = { crl = "x" } }] = "needs ssl_ca, or ssl_verify = true",
      [{ ssl = { crl = "x", ca = "y", verify = false } }] = "needs ssl_ca, or ssl_verify = true",
      [{ ssl = { crl = "x", ca = "y", mode = "require" } }] = "needs ssl_ca, or ssl_verify = true",
      [{ ssl = { mode = "disable", verify = true } }] = "contradicts ssl_verify",
      [{ ssl = { mode = "disable", verify = false } }] = "contradicts ssl_verify",
      [{ ssl = { mode = "disable", ca = "x" } }] = "contradicts ssl_ca",
      [{ ssl = { mode = "disable", cipher = "x" } }] = "contradicts ssl_cipher",
      [{ ssl = { mode = "require", verify = true } }] = "contradicts ssl_verify, which means verify-full",
      [{ ssl = { mode = "verify-ca", ca = "x", verify = true } }] = "which means verify-full",
      [{ ssl = { mode = "verify-full", verify = false } }] = "contradicts ssl_verify, which means require",
      [{ port = 0 }] = "between 1 and 65535",
      [{ busy_poll = "never" }] = "busy_poll",
      [{ autocommit = "yes" }] = "autocommit",
      [{ min_pool_size = 5, max_pool_size = 2 }] = "is larger than",
    } do
      local err = fails("usage", covet.mysql, given)
      assert.matches(expected, tostring(err), 1, true)
    end
    for url, expected in pairs {
      ["mysql://localhost/?chrset=utf8mb4"] = "charset",
      ["mysql://localhost/?ssl=disable&ssl_verify=true"] = "contradicts ssl_verify",
      ["mysql://localhost/?ssl=true&ssl_crl=x"] = "needs ssl_ca",
    } do
      assert.matches(expected, tostring(fails("usage", covet.mysql, url)))
    end
  end)

  it("the session is as promised: UTC, strict, utf8mb4", function()
    local db = mysql.open()
    assert.equal("+00:00", db:fetch_value "select @@time_zone")
    assert.matches("STRICT_TRANS_TABLES", db:fetch_value "select @@sql_mode")
    assert.equal("utf8mb4", db:fetch_value "select @@character_set_client")
    assert.equal("utf8mb4", db:fetch_value "select @@character_set_results")
    assert.equal(1, db:fetch_value "select @@autocommit")
    assert.equal("🂡", db:fetch_value("select ?", "🂡"))
    db = mysql.open { time_zone = "+05:30", init_command = "set @a = 7; set lock_wait_timeout = 9" }
    assert.equal("+05:30", db:fetch_value "select @@time_zone")
    assert.equal(7, db:fetch_value "select @a")
    assert.equal(9, db:fetch_value "select @@lock_wait_timeout")
  end)

  it("an init_command that fails is the error of connecting", function()
    local err = fails("syntax_error", mysql.adapter { init_command = "nonsense" }, "connect")
    assert.equal("connect", err.phase)
  end)

  it("an init_command that has texts read otherwise is refused", function()
    for _, mode in ipairs { "concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')",
      "'ORACLE,NO_BACKSLASH_ESCAPES'" } do
      local err = fails("usage", mysql.adapter { init_command = "set sql_mode = " .. mode }, "connect")
      assert.matches("init_command sets NO_BACKSLASH_ESCAPES", err.message)
    end
    local db = mysql.open { max_pool_size = 1,
      init_command = "set sql_mode = 'NO_BACKSLASH_ESCAPES'; set sql_mode = ''" }
    assert.equal([[C:\dir]], db:fetch_value("select " .. db:quote_literal [[C:\dir]]))
    db:with(function(held)
      held:execute "set sql_mode = 'NO_BACKSLASH_ESCAPES'"
    end)
    assert.equal("a\0'\\b", db:fetch_value("select " .. db:quote_literal "a\0'\\b"))
  end)

  it("a wrong password, user, database", function()
    fails("authentication_failed", mysql.adapter { password = "wrong" }, "connect")
    local err = fails("authentication_failed", mysql.adapter { user = "nobody" }, "connect")
    assert.is_nil(tostring(err):find("pw", 1, true))
    assert.equal(1045, err.code)
    fails("unknown_database", mysql.adapter { database = "covet_nonsense" }, "connect")
  end)

  it("nobody listens, a name that does not resolve", function()
    local err = fails("connection_failed", mysql.adapter { port = 1 }, "connect")
    assert.equal("connect", err.phase)
    assert.equal("safe", err.retry)
    assert.equal("127.0.0.1, port 1", err.detail)
    assert.is_nil(err.message:find("115", 1, true))
    fails("connection_failed", mysql.adapter { host = "nowhere.invalid" }, "connect")
  end)

  it("ed25519", function()
    local db = mysql.open { user = "covet_ed25519" }
    assert.matches("^covet_ed25519@", (db:fetch_value "select current_user()"))
    fails("authentication_failed", mysql.adapter { user = "covet_ed25519", password = "wrong" }, "connect")
  end)

  it("a password function is asked when connections are opened, and again when refused", function()
    local asked = 0
    local db = mysql.open { max_pool_size = 1, password = function()
      asked = asked + 1
      covet.sleep(0.001)
      return asked == 1 and "old" or "pw"
    end }
    assert.equal(2, asked)
    assert.equal(1, db:fetch_value "select 1")
    fails("usage", mysql.adapter { password = function() return 7 end }, "connect")
  end)

  it("more connections than the server lets in", function()
    local db = mysql.adapter { user = "covet_limited", min_pool_size = 1, max_pool_size = 8 }
    local list = {}
    for i = 1, 8 do list[i] = i end
    local errors = 0
    covet.each_parallel(list, 8, function()
      local _, err = db.try:fetch_value { "select sleep(0.2)", timeout = 3 }
      if err then
        assert.is_true(covet.is(err, "too_many_connections", "pool_timeout", "breaker_open"), tostring(err))
        errors = errors + 1
      end
    end)
    assert.is_true(errors < 8)
  end)

  it("TLS: off by default, on when asked", function()
    assert.is_false(encrypted(mysql.open()))
    assert.is_true(encrypted(mysql.open { ssl = "require" }))
    assert.is_true(encrypted(mysql.open { ssl = true }))
    assert.is_true(encrypted(mysql.open { user = "covet_tls", ssl = { ca = certificate "ca.crt" },
      host = "localhost" }))
    fails("authentication_failed", mysql.adapter { user = "covet_tls" }, "connect")
  end)

  it("TLS: the server's certificate and the configured host are checked", function()
    assert.is_true(encrypted(mysql.open { host = "localhost", ssl = { ca = certificate "ca.crt" } }))
    fails("tls_error", mysql.adapter { host = "localhost", ssl = { ca = certificate "wrong_ca.crt" } },
      "connect")
    -- the certificate is for localhost, not for its address
    fails("tls_error", mysql.adapter { ssl = { ca = certificate "ca.crt" } }, "connect")
    assert.is_true(encrypted(mysql.open { ssl = { ca = certificate "ca.crt", mode = "verify-ca" } }))
    fails("tls_error", mysql.adapter { ssl = { ca = certificate "wrong_ca.crt", mode = "verify-ca" } },
      "connect")
    assert.is_true(encrypted(mysql.open { ssl = { ca = certificate "ca.crt", verify = false } }))
  end)

  it("TLS: on by a URL, an authority is asked", function()
    local function open(options)
      return mysql.close_later(covet.mysql((mysql.url:gsub("@[^:/]+", "@localhost")) .. "?" .. options,
        { min_pool_size = 1 }))
    end
    assert.is_true(encrypted(open "ssl=true"))
    assert.is_true(encrypted(open("ssl=true&ssl_ca=" .. certificate "ca.crt")))
    fails("tls_error", open("ssl=true&ssl_ca=" .. certificate "wrong_ca.crt"), "connect")
    assert.is_true(encrypted(open("ssl_verify=false")))
    fails("tls_error", open("ssl_verify=true"), "connect") -- nobody has signed it that is known
  end)

  -- A list of what the authority has revoked.
  local function revocations(folder, ...)
    local function openssl(...)
      local result = process.run { "openssl", "ca", "-config", folder .. "/config", "-keyfile",
        certificate "ca.key", "-cert", certificate "ca.crt", ... }
      assert.equal(0, result.status, result.stderr)
    end
    assert(uv.fs_mkdir(folder, tonumber("755", 8)))
    for name, text in pairs { config = "[ca]\ndefault_ca = it\n[it]\ndatabase = " .. folder
      .. "/index\ndefault_md = sha256\ndefault_crl_days = 30\n", index = "" } do
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
      file:close()
    end
    for _, name in ipairs { ... } do
      openssl("-revoke", certificate(name))
    end
    openssl("-gencrl", "-out", folder .. "/crl")
    return folder .. "/crl"
  end

  it("TLS: a certificate that was revoked", function()
    local ca = certificate "ca.crt"
    local fine, revoked = revocations(tmp.path(), "client.crt"), revocations(tmp.path(), "server.crt")
    for _, mode in ipairs { "verify-full", "verify-ca" } do
      local function adapter(crl)
        return mysql.adapter { host = "localhost", ssl = { mode = mode, ca = ca, crl = crl } }
      end
      assert.is_true(encrypted(adapter(fine)))
      fails("tls_error", adapter(revoked), "connect")
    end
    fails("tls_error", mysql.adapter { host = "localhost", ssl = { ca = ca, crl = revoked } }, "connect")
  end)

  it("TLS: a client's certificate", function()
    local files = { ca = certificate "ca.crt", cert = certificate "client.crt",
      key = certificate "client.key" }
    local db = mysql.open { user = "covet_certificate", password = "", host = "localhost", ssl = files }
    assert.matches("^covet_certificate@", (db:fetch_value "select current_user()"))
    files.cert, files.key = certificate "wrong_client.crt", certificate "wrong_client.key"
    local _, err = mysql.adapter({ user = "covet_certificate", password = "", host = "localhost",
      ssl = files }).try:connect()
    assert.is_true(covet.is(err, "tls_error", "authentication_failed", "connection_failed"), tostring(err))
  end)

  it("TLS: files that are not there, or broken, are told", function()
    local err = fails("tls_error", mysql.adapter { ssl = { ca = "/nowhere/ca.crt" } }, "connect")
    assert.matches("ssl_ca", err.message)
    assert.matches("/nowhere/ca.crt", err.message, 1, true)
    local path = tmp.path()
    local file = io.open(path, "w")
    file:write "this is no certificate"
    file:close()
    fails("tls_error", mysql.adapter { ssl = { ca = path } }, "connect")
  end)

  it("large answers and many at once through TLS", function()
    local db = mysql.open { ssl = "require", max_pool_size = 4 }
    local list = {}
    for i = 1, 40 do list[i] = i end
    covet.each_parallel(list, 40, function(i)
      local rows = db:fetch_all("select seq, repeat(char(? + 64), 1000) as s from seq_1_to_500", i % 26 + 1)
      assert.equal(500, #rows)
      assert.equal(string.char(i % 26 + 65):rep(1000), rows[500].s)
    end)
    local big = ("x"):rep(20 * 2 ^ 20)
    assert.is_true(big == db:fetch_value("select ?", big))
  end)

  it("the loop goes on while names do not resolve, hands are shaken and queries run", function()
    local db = mysql.open { ssl = "require", min_pool_size = 1, max_pool_size = 20 }
    local lost = mysql.adapter { host = "nowhere.invalid" }
    local worst, stop, last = 0, false, wait.now()
    local timer = covet.spawn(function()
      while not stop do
        covet.sleep(0.001)
        local now = wait.now()
        worst, last = math.max(worst, now - last), now
      end
    end)
    local failing = covet.spawn(function()
      return (pcall(lost.connect, lost))
    end)
    local list = {}
    for i = 1, 100 do list[i] = i end
    covet.each_parallel(list, 100, function(i)
      assert.equal(i, db:fetch_value("select ? from (select sleep(0.005)) s", i))
    end)
    failing:join()
    stop = true
    timer:join()
    local limit = os.getenv "COVET_SPEC_BUILD" == "asan" and 0.2 or 0.05 -- machines are shared
    assert.is_true(worst < limit, "the loop stood still for " .. worst .. " s")
  end)

  it("a server that asks for a file while a session is set up gets none", function()
    local path = tmp.path()
    local file = assert(io.open(path, "w"))
    file:write "a secret\n"
    file:close()
    local asked, sent = false, ""
    local front = proxy.start(mysql.options(mysql.url).port, function(data)
      if asked then
        sent = sent .. data
      elseif data:find("SET time_zone", 1, true) then
        asked = true
        return string.char(#path + 1, 0, 0, 1, 0xFB) .. path
      end
    end)
    local db = mysql.adapter { host = "127.0.0.1", port = front.port, local_infile = true,
      connect_timeout = 1 }
    pcall(db.connect, db)
    assert.is_true(asked)
    assert.equal("\0\0\0\2", sent:sub(1, 4)) -- an empty file
    assert.is_nil(sent:find("secret", 1, true))
    db:disconnect(1)
    front:stop()
  end)

  it("succeeds with a part of the minimum, and tells of each connection that failed", function()
    mysql.administer("create or replace user covet_few identified by 'pw' with max_user_connections 3; "
      .. "grant all on covet.* to covet_few")
    local db, told = mysql.adapter({ user = "covet_few", min_pool_size = 6, max_pool_size = 6 }), {}
    db:on("connect_failed", function(event) told[#told + 1] = event end)
    db:connect()
    assert.is_true(wait.until_true(function() return #told > 0 end))
    assert.equal(1, db:fetch_value "select 1")
    assert.is_true(wait.until_true(function() return db:get_pool_stats().size == 3 end))
    assert.is_true(wait.until_true(function()
      return #told == db:get_pool_stats().connection_errors
    end))
    assert.matches("max_user_connections", told[1].error.message)
    assert.equal("mysql", told[1].error.database)
    assert.equal(db.name, told[1].pool)
    assert.is_true(told[1].size >= 1 and told[1].size <= 3)
    db:disconnect()
    mysql.administer "drop user covet_few"
  end)
end)
