-- Several pools under one manager: real SQLite files, real TCP connections.
local covet = require "covet"
local errors = require "covet.error"
local fails = require "spec.support.fails"
local line_server = require "spec.support.line_server"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

describe("a manager of pools", function()
  local server, manager

  before_each(function()
    server = line_server.start()
    manager = covet.pool.manager()
  end)

  after_each(function()
    manager:close_all { timeout = 0.2 }
    server:stop()
  end)

  local function tcp(name, given, port)
    return manager:create_pool(name, line_server.factory(port or server.port),
      given)
  end

  local function reason(name)
    local one = manager:get_health_summary().pools[name]
    assert.equal(one.healthy, one.reason == nil)
    return one.reason
  end

  it("makes pools over factories", function()
    local pool = tcp("lines", { preset = "worker", max_size = 4 })
    assert.equal("lines", pool.name)
    assert.equal(4, pool.config.max_size)
    assert.equal(2, pool.config.min_size)
    assert.equal(0, server.accepted)
    assert.equal("hello", pool:with(function(connection)
      return connection:ask "hello"
    end))
    assert.equal(pool, manager:get_pool "lines")
    assert.equal(1, manager:get_stats().lines.total_checkouts)
  end)

  it("has pools with one interface, whatever they are over", function()
    tcp("lines")
    manager:create_pool("file", "sqlite:" .. tmp.path())
    for _, name in ipairs { "lines", "file" } do
      local pool = manager:get_pool(name)
      assert.same(pool:get_pool_stats().closed_by, pool:get_stats().closed_by)
    end
  end)

  it("makes adapters of URLs and options, which connect when used", function()
    local path = tmp.path()
    local uv = require "luv"
    local db = manager:create_pool("users", "sqlite:" .. path,
      { acquire_timeout = 3, max_size = 8 })
    assert.is_nil(uv.fs_stat(path))
    assert.same({ "users", 3 }, { db.name, db.acquire_timeout })
    assert.equal(2, db:fetch_value "select 1 + 1")
    local other = manager:create_pool("orders", { url = "sqlite:" .. path,
      readers = 2, preset = "worker" })
    assert.same({ 60, 2 }, { other.acquire_timeout, other.options.readers })
    local third = manager:create_pool("third", { adapter = "sqlite", path = path },
      covet.pool.presets.web)
    assert.equal(5, third.acquire_timeout)
    assert.equal(3, third:fetch_value "select 3")
    assert.same({ "orders", "third", "users" }, manager:names())
  end)

  it("takes over what exists", function()
    local db = covet.sqlite(tmp.path())
    assert.equal(db, manager:create_pool("db", db))
    assert.equal(db, manager:get_pool "db")
    local pool = covet.pool.new(line_server.factory(server.port), {}, "own")
    assert.equal(pool, manager:create_pool("pool", pool))
    assert.matches("has its configuration",
      fails("usage", manager, "create_pool", "again", db, {}).message)
  end)

  it("refuses what cannot be a pool", function()
    tcp "lines"
    for _, case in ipairs {
      { 'there is a pool "lines" already', "lines", "sqlite:x.db" },
      { "not an empty one", "", "sqlite:x.db" },
      { "not nil" },
      { "expected a factory, a URL, options of an adapter or a pool, got nil", "a" },
      { "got number", "a", 5 },
      { 'a: option "url": expected a URL', "a", "hunter2" },
      { 'a: option "url" is required', "a", {} },
      { "a: url and adapter say the same", "a",
        { url = "sqlite:x", adapter = "sqlite" } },
      { 'a: there is no database "oracle"', "a", { adapter = "oracle" } },
      { 'a: unknown option "max_sise", did you mean "max_size"?', "a",
        { url = "sqlite:x", max_sise = 3 } },
      { 'unknown option "max_sise", did you mean "max_size"?', "a",
        "sqlite:x", { max_sise = 3 } },
      { "a preset and a configuration", "a", { url = "sqlite:x", preset = "web" },
        { max_size = 3 } },
      { 'there is no preset "wbe"', "a", "sqlite:x", "wbe" },
      { "min_size (9) is larger than max_size (3)", "a", print,
        { min_size = 9, max_size = 3 } },
    } do
      local err = fails("usage", manager, "create_pool", unpack(case, 2, 4))
      assert.matches(case[1], err.message, 1, true)
      assert.is_nil(err.message:find("hunter2", 1, true))
    end
    assert.same({ "lines" }, manager:names())
  end)

  it("knows its pools by name", function()
    assert.equal('there is no pool "users"; there are none yet',
      fails("usage", manager, "get_pool", "users").message)
    tcp "users_db"
    assert.equal('there is no pool "user_db", did you mean "users_db"?',
      fails("usage", manager, "get_pool", "user_db").message)
    assert.equal('there is no pool "mail" (there are: users_db)',
      fails("usage", manager, "get_pool", "mail").message)
    local fine, err = pcall(function()
      local pool = manager:get_pool "mail"
      return pool
    end)
    assert.is_false(fine)
    assert.matches("pool_manager_spec.lua:%d+$", err.where)
  end)

  it("gives pools away, and closes them one by one", function()
    local pool = tcp "lines"
    pool:with(function() end)
    assert.equal(pool, manager:remove_pool "lines")
    fails("usage", manager, "get_pool", "lines")
    pool:with(function(connection) connection:ask "still open" end)
    manager:create_pool("lines", pool)
    manager:close_pool("lines", { timeout = 1 })
    fails("pool_closed", pool, "acquire")
    fails("usage", manager, "close_pool", "lines")
    assert.is_true(wait.until_true(function() return server:open() == 0 end))
    assert.matches('did you mean "timeout"',
      fails("usage", manager, "close_all", { timout = 1 }).message)
  end)

  describe("tells how they are:", function()
    it("well", function()
      local pool = tcp("lines", { max_size = 3, min_size = 0,
        auto_scale = false })
      manager:create_pool("db", "sqlite::memory:")
      pool:with(function()
        local summary = manager:get_health_summary()
        assert.equal(2, summary.total_pools)
        assert.equal(2, summary.healthy_pools)
        assert.same({ healthy = true, size = 1, free = 0, used = 1, opening = 0,
          waiting = 0, max_size = 3, breaker = "closed", oldest_wait = 0 },
          summary.pools.lines)
        assert.is_true(summary.pools.db.healthy)
      end)
    end)

    it("closed", function()
      local pool = tcp "lines"
      pool:close()
      assert.equal("closed", reason "lines")
      pool:initialize()
      assert.is_nil(reason "lines")
      pool:drain()
      assert.equal("drained", reason "lines")
      local db = manager:create_pool("db", "sqlite:" .. tmp.path())
      db:connect()
      assert.is_nil(reason "db")
      db:disconnect()
      assert.equal("closed", reason "db")
      assert.equal(0, manager:get_health_summary().healthy_pools)
      db:connect()
      assert.is_nil(reason "db")
    end)

    it("without a connection", function()
      server:stop()
      local pool = tcp("lines", { breaker = false, retry = { attempts = 1 } })
      assert.is_nil(reason "lines")
      local fine = pcall(pool.acquire, pool)
      assert.is_false(fine)
      assert.matches("^no connection: .*ECONNREFUSED", reason "lines")
      local again = line_server.start(server.port)
      pool:with(function() end)
      assert.is_nil(reason "lines")
      again:stop()
    end)

    it("with an open breaker", function()
      server:stop()
      local pool = tcp("lines", { retry = { attempts = 2, backoff = 0.001 },
        breaker = { failures = 2, cooldown = 0.05 } })
      pcall(pool.acquire, pool)
      local stats = pool:get_stats()
      assert.equal("open", stats.breaker)
      assert.matches("^breaker open, tried again in [%d.]+ s: .*ECONNREFUSED",
        reason "lines")
      local again = line_server.start(server.port)
      covet.sleep(0.06)
      pool:with(function() end)
      assert.is_nil(reason "lines")
      again:stop()
    end)

    it("exhausted for too long", function()
      local pool = tcp("lines", { max_size = 1, acquire_timeout = 1 })
      local held = pool:acquire()
      local waiter = covet.spawn(function()
        pool:with({ timeout = 5 }, function() end)
      end)
      covet.sleep(0.02)
      assert.is_nil(reason "lines")
      covet.sleep(0.6)
      assert.matches("^exhausted: 1 waiting, the first one for [%d.]+ s$",
        reason "lines")
      pool:release(held)
      waiter:join()
      assert.is_nil(reason "lines")
    end)
  end)

  it("closes all at once, with one deadline", function()
    local pools = {}
    for i = 1, 5 do
      local pool = tcp("lines" .. i, { min_size = 0 })
      pools[i] = pool
      pool:acquire() -- never given back
    end
    local db = manager:create_pool("db", "sqlite:" .. tmp.path())
    db:execute "create table t (n integer)"
    local started = covet.now()
    manager:close_all { timeout = 0.3 }
    local seconds = covet.now() - started
    assert.is_true(seconds >= 0.29 and seconds < 1.4, seconds)
    assert.equal(0, manager:get_health_summary().total_pools)
    for i = 1, 5 do
      fails("pool_closed", pools[i], "acquire")
    end
    assert.is_true(wait.until_true(function() return server:open() == 0 end))
  end)

  it("waits for what comes back in time", function()
    local pool = tcp "lines"
    local answer
    local worker = covet.spawn(function()
      pool:with(function(connection)
        answer = connection:ask "sleep 50"
      end)
    end)
    covet.sleep(0.02)
    manager:close_all(2)
    assert.equal("sleep 50", answer)
    worker:join()
  end)

  it("closes all even where one fails, and raises that then", function()
    local closed = 0
    local function breaking(text)
      return setmetatable({
        get_pool_stats = function() return { waiting = 0 } end,
        close = function()
          closed = closed + 1
          covet.sleep(0.01)
          errors.raise { kind = "system", message = text }
        end }, { __name = "a pool" })
    end
    manager:create_pool("b", breaking "second")
    manager:create_pool("a", breaking "first")
    manager:create_pool("c", breaking "third")
    local pool = tcp "lines"
    pool:with(function() end)
    local err = fails("system", manager, "close_all", { timeout = 1 })
    assert.equal("first", err.message)
    assert.same({ "second", "third" },
      { err.others[1].message, err.others[2].message })
    assert.equal(3, closed)
    assert.equal("closed", pool.ended)
  end)
end)
