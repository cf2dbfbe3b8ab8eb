-- Connections that come to nothing: what the error says, how soon, and that
-- nothing else waits for it.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local process = require "spec.support.process"
local uv = require "luv"
local wait = require "spec.support.wait"

local adapter = postgresql.adapter

-- How long may take what happens at once.
local SOON = 8

-- A TCP server that is none of PostgreSQL's. It says `words` to who connects, or
-- nothing, and closes if it is to.
local function start_stranger(words, closes)
  local server = { handle = uv.new_tcp(), clients = {}, accepted = 0 }
  assert(server.handle:bind("127.0.0.1", 0))
  server.port = server.handle:getsockname().port
  assert(server.handle:listen(128, function()
    local client = uv.new_tcp()
    server.handle:accept(client)
    server.accepted = server.accepted + 1
    server.clients[#server.clients + 1] = client
    client:read_start(function() end)
    if words then
      client:write(words)
    end
    if closes then
      client:close()
    end
  end))
  function server.stop()
    server.handle:close()
    for _, client in ipairs(server.clients) do
      if not client:is_closing() then
        client:close()
      end
    end
  end
  return server
end

postgresql.describe("PostgreSQL that lets nobody in", function()
  -- Connecting fails with an error of this kind, and a first call likewise, soon.
  local function refused(kind, changes)
    local started = covet.now()
    local err = fails(kind, adapter(changes), "connect")
    assert.equal("connect", err.phase)
    assert.equal("postgresql", err.database)
    fails(kind, adapter(changes), "fetch_value", { "select 1", timeout = 60 })
    assert.is_true(covet.now() - started < SOON)
    return err
  end

  it("names the host that does not exist, and the port that is closed", function()
    local err = refused("connection_failed", { host = "nowhere.invalid" })
    assert.matches("nowhere.invalid", err.message, 1, true)
    err = refused("connection_failed", { port = 1 })
    assert.matches("port 1 failed: Connection refused", err.message)
    assert.equal("safe", err.retry)
    refused("connection_failed", { host = "/nowhere" })
  end)

  it("names the database, the user", function()
    assert.matches("no_such_db", refused("unknown_database", { database = "no_such_db" }).message)
    assert.matches("no_such_user", refused("authentication_failed", { user = "no_such_user" }).message)
    refused("authentication_failed", { password = "very secret" })
    assert.matches("SSL certificate", refused("unknown_database", { database = "SSL certificate" }).message)
    refused("connection_failed", { host = "certificate.invalid" })
  end)

  it("does not try a wrong password for ever", function()
    local db = adapter { password = "very secret", min_pool_size = 4 }
    fails("authentication_failed", db, "connect")
    for _ = 1, 3 do
      fails("authentication_failed", db, "fetch_value", { "select 1", timeout = 60 })
    end
    local before = db:get_pool_stats().connection_errors
    covet.sleep(0.5)
    assert.equal(before, db:get_pool_stats().connection_errors)
    assert.is_true(before <= 4 * 4)
    local errs = {}
    covet.each_parallel({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function(i)
      errs[i] = select(2, db.try:fetch_value { "select 1", timeout = 60 })
    end)
    for i = 1, 8 do
      assert.equal("authentication_failed", errs[i].kind)
    end
  end)

  it("never shows a password", function()
    for _, changes in ipairs { { password = "very secret" }, { password = "very secret", port = 1 },
      { password = "very secret", database = "none" }, { password = "very secret", ssl = "sometimes" },
      { password = "very secret", nonsense = 1 }, { password = "very secret\0", port = 1 } } do
      local fine, err = pcall(function()
        adapter(changes):connect()
      end)
      assert.is_false(fine)
      for _, text in ipairs { tostring(err), err.message, err.traceback, err.detail or "", err.hint or "" } do
        assert.is_nil(text:find("very secret", 1, true))
      end
    end
    for _, url in ipairs { "postgresql://covet:secret@127.0.0.1:1/covet", "postgresql://covet:secret@[::1/x",
      "postgresql://covet@127.0.0.1:1/covet?password=secret", "postgresql://covet:secret@h:x/covet",
      "postgresql://covet:secret@127.0.0.1/covet?nonsense=1", "postgresql://a:secret%zz@h/x" } do
      local fine, err = pcall(covet.connect, url)
      assert.is_false(fine)
      assert.is_nil(tostring(err):find("secret", 1, true), tostring(err))
    end
    local db = adapter({ password = "very secret" })
    assert.is_nil(db.name:find("secret", 1, true))
    assert.is_nil(db.options.password)
  end)

  it("leaves no password in the process title", function()
    local child = process.start { false, "-e", "io.read()", "--", "postgresql://u:secret@h/d",
      "postgresql://u@h/d?password=secret", stdin = true }
    local title
    wait.until_true(function()
      local file = assert(io.open("/proc/" .. child.pid .. "/cmdline"))
      title = file:read "*a"
      file:close()
      return title:find("postgresql://u:", 1, true) and not title:find("secret", 1, true)
    end)
    child:close_stdin()
    child:wait(5)
    assert.matches("postgresql://u:", title, 1, true)
    assert.is_nil(title:find("secret", 1, true))
  end)

  it("names the nearest of unknown options", function()
    assert.matches('unknown option "databse", did you mean "database"',
      fails("usage", covet.postgresql, { databse = "x" }).message, 1, true)
    assert.matches("did you mean 'application_name'",
      fails("usage", covet.connect, postgresql.url .. "?aplication_name=x").message, 1, true)
    assert.matches("did you mean 'sslmode'",
      fails("usage", covet.connect, postgresql.url .. "?sslmod=require").message, 1, true)
    assert.matches("did you mean 'keepalives_idle'",
      fails("usage", covet.postgresql, { conninfo = { keepalives_idel = 3 } }).message, 1, true)
    fails("usage", covet.postgresql, { port = "5432" })
    fails("usage", covet.postgresql, { host = "a", hosts = { "b" } })
    fails("usage", covet.postgresql, { target_session_attrs = "readwrite" })
    fails("usage", covet.postgresql, { connect_timeout = -1 })
    fails("usage", covet.postgresql, { pipeline_depth = 0 })
    fails("usage", covet.postgresql, { conninfo = { client_encoding = "LATIN1" } })
  end)
end)

postgresql.describe("PostgreSQL with too many connections", function()
  it("says so when none is left, and lets in when one is", function()
    local first = postgresql.open { user = "covet_limited", max_pool_size = 2 }
    local a, b = first:acquire(), first:acquire()
    local second = adapter { user = "covet_limited" }
    assert.equal("safe", fails("too_many_connections", second, "connect").retry)
    a:release()
    b:release()
    first:disconnect()
    assert.equal(1, second:connect():fetch_value "select 1")
  end)

  it("tells who waits in vain why there are no more", function()
    local db = postgresql.open { user = "covet_limited", max_pool_size = 4 }
    local held = { db:acquire(), db:acquire() }
    local err = fails("pool_timeout", db, "acquire", { timeout = 1 })
    assert.equal("too_many_connections", err.cause.kind)
    assert.equal(2, #held)
  end)

  it("serves all by those that there are", function()
    local db = postgresql.open { user = "covet_limited", max_pool_size = 8, pipeline = false }
    local seen = 0
    covet.each_parallel({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function(i)
      assert.equal(i, db:fetch_value { "select $1::int from pg_sleep(0.02)", i, timeout = 30 })
      seen = seen + 1
    end)
    assert.equal(8, seen)
  end)
end)

postgresql.describe("PostgreSQL in another language", function()
  it("is understood by its SQLSTATE", function()
    local server = postgresql.start { settings = { lc_messages = "C.UTF-8" }, env = { LANGUAGE = "de" } }
    finally(function()
      server:remove()
    end)
    local function refused(kind, changes)
      return fails(kind, adapter(changes, server.url), "connect")
    end
    local err = refused("authentication_failed", { password = "very secret" })
    if not err.message:find("fehlgeschlagen", 1, true) then
      pending "the server's messages in German are not installed"
    end
    assert.equal("28P01", err.sqlstate)
    assert.is_nil(err.message:find("28P01", 1, true))
    assert.equal("3D000", refused("unknown_database", { database = "none" }).sqlstate)
    assert.equal("28000", refused("authentication_failed", { user = "covet_tls", ssl = "disable" }).sqlstate)
    local db = postgresql.open({ user = "covet_limited", max_pool_size = 2 }, server.url)
    local a, b = db:acquire(), db:acquire()
    refused("too_many_connections", { user = "covet_limited" })
    a:release()
    b:release()
    fails("division_by_zero", db, "fetch_value", "select 1 / 0")
  end)
end)

postgresql.describe("a server that is not PostgreSQL", function()
  local stranger

  after_each(function()
    stranger.stop()
  end)

  it("talks nonsense: protocol_error", function()
    stranger = start_stranger "HTTP/1.1 400 Bad Request\r\n\r\n"
    for _, ssl in ipairs { "disable", "prefer", "require" } do
      local db = adapter { port = stranger.port, ssl = ssl, connect_timeout = 20 }
      local started = covet.now()
      fails("protocol_error", db, "connect")
      fails("protocol_error", db, "fetch_value", "select 1")
      assert.is_true(covet.now() - started < SOON)
    end
  end)

  it("hangs up: connection_failed", function()
    stranger = start_stranger(nil, true)
    local db = adapter { port = stranger.port, ssl = "disable" }
    assert.matches("closed the connection", fails("connection_failed", db, "connect").message)
  end)

  it("says nothing: the attempt ends by its timeout, and the loop goes on meanwhile", function()
    stranger = start_stranger()
    local db = adapter { port = stranger.port, connect_timeout = 2 }
    local ticks, done = 0, false
    local ticker = covet.spawn(function()
      while not done do
        covet.sleep(0.05)
        ticks = ticks + 1
      end
    end)
    local started = covet.now()
    local err = fails("connection_failed", db, "connect")
    local seconds = covet.now() - started
    done = true
    ticker:join()
    assert.matches("timeout expired", err.message)
    assert.is_true(seconds > 1 and seconds < 2 + SOON, seconds)
    assert.is_true(ticks > 20, ticks)
    assert.is_true(stranger.accepted >= 1)
  end)

  it("says nothing: a call ends at its own deadline, and so does its task's cancel", function()
    stranger = start_stranger()
    local db = adapter { port = stranger.port, connect_timeout = 30 }
    local started = covet.now()
    local _, err = db.try:fetch_value { "select 1", timeout = 0.3 }
    assert.is_true(err.kind == "timeout" or err.kind == "pool_timeout", tostring(err))
    local task = covet.spawn(function()
      return db:fetch_value "select 1"
    end)
    covet.sleep(0.1)
    task:cancel()
    assert.is_false((pcall(task.join, task)))
    assert.is_true(covet.now() - started < SOON)
    started = covet.now()
    db:disconnect(0.5) -- it does not wait for what will never come
    assert.is_true(covet.now() - started < SOON)
  end)
end)
