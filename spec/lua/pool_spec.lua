-- Pools over a factory: lending, waiting, checking, reports, ends.
local covet = require "covet"
local errors = require "covet.error"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local wait = require "spec.support.wait"

-- A factory of plain objects that count what is done to them.
local function new_factory(options)
  options = options or {}
  local self = { made = 0, closed = 0, open = {}, pings = 0, resets = 0 }
  function self.make()
    if options.delay then
      covet.sleep(options.delay)
    end
    if self.down then
      error(self.down, 0)
    end
    self.made = self.made + 1
    local connection = { number = self.made, alive = true }
    function connection.close()
      self.closed = self.closed + 1
      self.open[connection] = nil
    end
    if options.ping then
      function connection.ping()
        self.pings = self.pings + 1
        return connection.alive
      end
    end
    if options.reset then
      function connection.reset()
        self.resets = self.resets + 1
      end
    end
    self.open[connection] = true
    return connection
  end
  return self
end

local function count(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

local pool, factory

local function open(config, options)
  factory = new_factory(options)
  config = config or {}
  config.min_size = config.min_size or 0
  pool = covet.pool.new(factory.make, config, "tested")
  return pool
end

local function stats()
  return pool:get_stats()
end

local function eventually(done)
  assert.is_true(wait.until_true(done, 5))
end

describe("a pool", function()
  after_each(function()
    if pool then
      pool:close { timeout = 0.2 }
      assert.equal(0, stats().total_connections)
      eventually(function() return factory.made == factory.closed end)
      pool = nil
    end
  end)

  describe("lends", function()
    it("what the factory makes, and the one used last first", function()
      open { max_size = 3 }
      local a, b = pool:acquire(), pool:acquire()
      assert.not_equal(a, b)
      pool:release(a)
      pool:release(b)
      assert.equal(b, pool:acquire())
      assert.equal(a, pool:acquire())
      pool:release(a)
      pool:release(b)
    end)

    it("in the order fifo the one used first", function()
      open { max_size = 2, order = "fifo" }
      local a, b = pool:acquire(), pool:acquire()
      pool:release(a)
      pool:release(b)
      assert.equal(a, pool:acquire())
      pool:release(a)
    end)

    it("with(fn) gives back whatever happens, and passes results on", function()
      open { max_size = 1 }
      assert.same({ 1, nil, 3 }, { pool:with(function() return 1, nil, 3 end) })
      local fine, err = pcall(pool.with, pool, function() error("mine", 0) end)
      assert.is_false(fine)
      assert.equal("mine", err)
      assert.equal(0, stats().active_connections)
      pool:with(function(connection) pool:release(connection) end)
      assert.equal(0, stats().active_connections)
    end)

    it("with(fn) leaves alone what fn has given back and another has taken", function()
      open { max_size = 1 }
      local other = covet.spawn(function()
        local connection = pool:acquire()
        covet.sleep(0.02)
        pool:release(connection)
      end)
      assert.equal("fine", pool:with(function(connection)
        pool:release(connection)
        covet.sleep(0.005)
        assert.equal(1, stats().active_connections)
        return "fine"
      end))
      assert.equal(1, stats().active_connections)
      other:join()
      assert.equal(2, stats().total_checkouts)
    end)

    it("with(fn) raises fn's error, with that of the release beside it", function()
      open { max_size = 1, after_release = function() return "nonsense" end }
      local mine = errors.new { kind = "deadlock", message = "mine" }
      local fine, err = pcall(pool.with, pool, function() error(mine, 0) end)
      assert.is_false(fine)
      assert.equal(mine, err)
      assert.equal(1, #err.others)
      assert.equal("usage", err.others[1].kind)
      assert.matches("also: .*clean, dirty or broken", tostring(err))
      fails("usage", pool, "with", function() end)
      eventually(function() return stats().total_connections == 0 end)
    end)

    it("with(fn) raises what fn raised, be it no error object", function()
      local result = process.run { false, "-e", [[
        local pool = covet.pool.new(function() return { close = function() end } end,
          { min_size = 0, after_release = function() return "nonsense" end })
        print(pcall(pool.with, pool, function() error("mine", 0) end))
        print(pcall(pool.with, pool, function() error() end))
        pool:close()
      ]], limit = 20 }
      assert.equal("false\tmine\nfalse\tnil\n", result.stdout)
      local _, count = result.stderr:gsub("covet: giving back after an error: [^\n]*usage:", "")
      assert.equal(2, count)
    end)

    it("initialize opens min_size, no more than connect_parallel at a time", function()
      open({ min_size = 7, max_size = 10, connect_parallel = 2 }, { delay = 0.01 })
      local most = 0
      pool:on("connect", function()
        most = math.max(most, stats().opening)
      end)
      pool:initialize()
      assert.equal(7, stats().total_connections)
      assert.is_true(most <= 2)
    end)

    it("first come, first served", function()
      open { max_size = 1 }
      local held, order, tasks = pool:acquire(), {}, {}
      for i = 1, 20 do
        tasks[i] = covet.spawn(function()
          pool:with(function() order[#order + 1] = i end)
        end)
      end
      covet.sleep(0.01)
      assert.equal(20, stats().waiting)
      tasks[3]:cancel()
      tasks[20]:cancel()
      covet.sleep(0)
      pool:release(held)
      for _, task in ipairs(tasks) do
        pcall(task.join, task)
      end
      assert.same({ 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 }, order)
      assert.equal(0, stats().waiting)
    end)

    it("a connection that is opened serves whoever waits by then", function()
      open({ max_size = 1 }, { delay = 0.05 })
      local first = covet.spawn(function() return pool:acquire() end)
      covet.sleep(0.01)
      first:cancel()
      assert.equal(1, pool:with(function(c) return c.number end))
      assert.equal(1, factory.made)
    end)
  end)

  describe("refuses", function()
    it("acquire_timeout: with counters and the longest holders", function()
      open { max_size = 2, acquire_timeout = 0.05 }
      local held = { pool:acquire(), pool:acquire() }
      local err = covet.spawn(function()
        return fails("pool_timeout", pool, "acquire")
      end):join()
      assert.matches('pool "tested": no connection came free within', tostring(err))
      assert.matches("2 of 2 in use, 0 idle, 0 opening", tostring(err))
      assert.matches("pool_spec.lua:%d+ for", tostring(err))
      assert.equal(2, #err.holders)
      assert.equal("queue", err.phase)
      assert.equal("safe", err.retry)
      err = covet.spawn(function()
        return fails("pool_timeout", pool, "acquire", { timeout = 0.01 })
      end):join()
      assert.matches("within %d+", tostring(err))
      assert.equal(2, stats().timeouts)
      pool:release(held[1])
      pool:release(held[2])
    end)

    it("max_waiting: more at once", function()
      open { max_size = 1, max_waiting = 3 }
      local held, tasks = pool:acquire(), {}
      for i = 1, 3 do
        tasks[i] = covet.spawn(function() pool:with(function() end) end)
      end
      covet.sleep(0)
      covet.spawn(function()
        assert.matches("max_waiting", tostring(fails("pool_exhausted", pool, "acquire")))
      end):join()
      assert.equal(3, stats().waiting)
      pool:release(held)
      for i = 1, 3 do
        tasks[i]:join()
      end
    end)

    it("who holds one and waits for itself, at once", function()
      open { max_size = 2 }
      local a, b = pool:acquire(), pool:acquire()
      local started = covet.now()
      local _, err = pcall(function() local c = pool:acquire { timeout = 30 } return c end)
      assert.is_true(covet.is(err, "pool_exhausted"))
      assert.is_true(covet.now() - started < 5)
      assert.matches("every holder", tostring(err))
      assert.matches("pool_spec.lua:%d+: pool_exhausted", tostring(err))
      assert.matches("taken at [^\n]*pool_spec.lua:%d+", tostring(err))
      pool:release(a)
      pool:release(b)
    end)

    it("two that hold one each and wait for each other's, the later one only", function()
      open { max_size = 2 }
      local outcomes = {}
      local function greedy(name)
        return covet.spawn(function()
          pool:with(function()
            covet.sleep(0.01)
            outcomes[name] = pcall(pool.with, pool, { timeout = 30 }, function() end)
          end)
        end)
      end
      local a, b = greedy "a", greedy "b"
      a:join()
      b:join()
      assert.same({ a = true, b = false }, outcomes)
      assert.equal(1, stats().deadlocks)
    end)

    it("not who waits while somebody else can give back", function()
      open { max_size = 2 }
      local other = covet.spawn(function()
        pool:with(function() covet.sleep(0.03) end)
      end)
      covet.sleep(0)
      pool:with(function()
        pool:with(function() end)
      end)
      other:join()
      assert.equal(0, stats().deadlocks)
    end)
  end)

  describe("release", function()
    it("of what is not lent is a mistake", function()
      open { max_size = 1 }
      local held = pool:acquire()
      pool:release(held)
      assert.matches("released before", tostring(fails("usage", pool, "release", held)))
      fails("usage", pool, "release", {})
      fails("usage", pool, "release", nil)
      fails("usage", pool, "release", "a")
      held = pool:acquire()
      covet.spawn(function()
        assert.matches("another task", tostring(fails("usage", pool, "release", held)))
      end):join()
      fails("usage", pool, "release", held, "broke")
      assert.equal(1, stats().active_connections)
      pool:release(held)
    end)

    it("of one that was closed is a mistake", function()
      open { max_size = 1 }
      local held = pool:acquire()
      pool:close { timeout = 0 }
      fails("usage", pool, "release", held)
      assert.equal(1, factory.closed)
      fails("pool_closed", pool, "acquire")
    end)

    it("with a verdict: clean, dirty, broken", function()
      open({ max_size = 1 }, { reset = true })
      pool:release(pool:acquire(), "clean")
      assert.equal(0, factory.resets)
      pool:release(pool:acquire(), "dirty")
      pool:with(function() end)
      pool:with(function() end)
      assert.is_true(factory.resets >= 2) -- not said: it is reset to be sure
      pool:release(pool:acquire(), "broken")
      eventually(function() return factory.closed == 1 end)
      assert.equal(1, stats().closed_by.broken)
    end)

    it("reset: always, never", function()
      open({ max_size = 1, reset = "never" }, { reset = true })
      pool:release(pool:acquire(), "dirty")
      assert.equal(0, factory.resets)
      pool:configure { reset = "always" }
      pool:release(pool:acquire(), "clean")
      pool:with(function() end)
      assert.equal(1, factory.resets)
    end)
  end)

  describe("checks", function()
    it("pre_ping, test_on_borrow: what was idle for half a second", function()
      open({ max_size = 1 }, { ping = true })
      pool:with(function() end)
      pool:with(function() end)
      assert.equal(0, factory.pings)
      covet.sleep(0.6)
      pool:with(function() end)
      assert.equal(1, factory.pings)
      covet.sleep(0.6)
      for connection in pairs(factory.open) do
        connection.alive = false
      end
      assert.equal(2, pool:with(function(c) return c.number end))
      assert.equal(1, stats().validation_errors)
      assert.equal(1, stats().closed_by.ping)
      pool:configure { pre_ping = false, test_on_borrow = false }
      covet.sleep(0.6)
      pool:with(function() end)
      assert.equal(2, factory.pings)
    end)

    it("health_check_interval: idle ones, in the background", function()
      open({ min_size = 2, max_size = 2, health_check_interval = 0.05 }, { ping = true })
      pool:initialize()
      eventually(function() return factory.pings >= 2 end)
      for connection in pairs(factory.open) do
        connection.alive = false
      end
      eventually(function() return factory.made == 4 end) -- the minimum is kept
    end)

    it("lost: whoever hears that a connection has died says so", function()
      open { max_size = 2 }
      local a, b = pool:acquire(), pool:acquire()
      pool:release(a)
      pool:lost(a)
      eventually(function() return factory.closed == 1 end)
      pool:lost(b)
      assert.equal(1, factory.closed) -- its borrower has it
      pool:release(b)
      eventually(function() return factory.closed == 2 end)
      assert.equal(2, stats().closed_by.lost)
      pool:lost(b)
      pool:lost {}
    end)

    it("idle_timeout: what is above min_size and not used", function()
      open { min_size = 1, max_size = 5, idle_timeout = 0.1, auto_scale = false }
      pool:initialize()
      local held = {}
      for i = 1, 5 do
        held[i] = pool:acquire()
      end
      for i = 1, 5 do
        pool:release(held[i])
      end
      eventually(function() return stats().total_connections == 1 end)
      assert.equal(4, stats().closed_by.idle)
      assert.equal(0, stats().recycled_connections)
    end)

    it("max_lifetime: never under its borrower", function()
      open { max_size = 1, max_lifetime = 0.1, lifetime_jitter = 0 }
      local held = pool:acquire()
      covet.sleep(0.15)
      assert.equal(0, factory.closed)
      pool:release(held)
      eventually(function() return factory.closed == 1 end)
      assert.equal(1, stats().closed_by.lifetime)
      assert.equal(1, stats().recycled_connections)
    end)

    it("scale_up_threshold: one more is opened ahead", function()
      open { min_size = 4, max_size = 10, scale_up_threshold = 0.5 }
      pool:initialize()
      local a, b = pool:acquire(), pool:acquire()
      eventually(function() return stats().total_connections == 5 end)
      pool:release(a)
      pool:release(b)
    end)

    it("scale_down_threshold: with more in use nothing shrinks", function()
      open { min_size = 1, max_size = 4, idle_timeout = 0.05, scale_up_threshold = 0.9,
        scale_down_threshold = 0.3 }
      local held = {}
      for i = 1, 4 do
        held[i] = pool:acquire()
      end
      pool:release(held[4])
      pool:release(held[3])
      covet.sleep(0.2)
      assert.equal(4, stats().total_connections) -- half of them are in use
      pool:release(held[2])
      eventually(function() return stats().total_connections < 4 end)
      pool:release(held[1])
    end)
  end)

  describe("hooks", function()
    it("after_connect, before_acquire, after_release, before_close", function()
      local seen = {}
      local function note(name)
        return function(connection, reason)
          seen[#seen + 1] = name .. connection.number .. (reason and " " .. reason or "")
        end
      end
      open { max_size = 1, after_connect = note "connect", before_acquire = note "acquire",
        after_release = note "release", before_close = note "close" }
      pool:with(function() end)
      pool:close()
      assert.same({ "connect1", "acquire1", "release1", "close1 closed" }, seen)
      pool:initialize()
    end)

    it("before_acquire has a connection refused, and who asked gets another", function()
      open { max_size = 1, before_acquire = function(connection)
        return connection.number > 2
      end }
      assert.equal(3, pool:with(function(c) return c.number end))
      assert.equal(2, stats().closed_by.rejected)
      assert.equal(1, stats().total_checkouts)
    end)

    it("after_connect that fails is a failure to connect", function()
      open { max_size = 1, retry = { attempts = 1 }, after_connect = function()
        error("no good", 0)
      end }
      assert.matches("no good", tostring(fails("connection_failed", pool, "acquire")))
      eventually(function() return factory.closed == 1 end)
    end)

    it("after_release judges", function()
      local verdict = "broken"
      open { max_size = 1, after_release = function() return verdict end }
      pool:with(function() end)
      eventually(function() return factory.closed == 1 end)
      verdict = "clean"
      pool:with(function() end)
      assert.equal(1, factory.closed)
    end)

    it("an answer of after_release that is none loses no connection", function()
      open { max_size = 1, after_release = function() return "fine" end }
      local err = fails("usage", pool, "with", function() end)
      assert.matches("clean, dirty or broken", tostring(err))
      eventually(function() return factory.closed == 1 end)
      assert.equal(0, stats().active_connections)
    end)

    it("what a listener does with its own pool is not told", function()
      local told = 0
      open { max_size = 2, after_release = function() error("no good", 0) end }
      pool:on("error", function()
        told = told + 1
        pool:with(function() end) -- the hook fails here too
      end)
      pool:with(function() end)
      assert.equal(1, told)
      pool:with(function() end)
      assert.equal(2, told)
    end)

    it("a task that is cancelled in after_release ends there", function()
      local went_on = false
      open { max_size = 1, after_release = function() covet.sleep(10) end }
      local holder = covet.spawn(function()
        pool:with(function() end)
        went_on = true
      end)
      eventually(function() return stats().active_connections == 1 end)
      covet.sleep(0.01)
      holder:cancel()
      fails("cancelled", holder, "join")
      assert.is_false(went_on)
      eventually(function() return factory.closed == 1 end)
    end)

    it("before_acquire that refuses for ever keeps the deadline", function()
      open { max_size = 2, before_acquire = function()
        covet.sleep(0.01)
        return false
      end }
      fails("pool_timeout", pool, "acquire", { timeout = 0.1 })
      assert.equal(0, stats().waiting)
    end)

    for _, verdict in ipairs { true, false } do
      it("a pool that closes while before_acquire waits lends nothing: it answers "
        .. tostring(verdict), function()
        open { max_size = 1, before_acquire = function()
          covet.sleep(0.05)
          return verdict
        end }
        local asking = covet.spawn(function() return pool:acquire() end)
        eventually(function() return stats().active_connections == 1 end)
        pool:close { timeout = 0 }
        fails("pool_closed", asking, "join")
        pool:initialize()
        verdict = true
        pool:with(function(connection)
          assert.equal(2, connection.number)
          assert.equal(1, stats().active_connections)
        end)
      end)
    end
  end)

  describe("places where nobody can wait:", function()
    it("a request there leaves nothing behind", function()
      open { max_size = 1 }
      pool:with(function() -- so that asking again means to wait
        local other = covet.pool.new(factory.make, { min_size = 0,
          max_size = 1, leak_timeout = 0.02 }, "watched")
        local refused
        other:on("leak", function()
          refused = refused or { pcall(pool.acquire, pool) }
        end)
        other:with(function() eventually(function() return refused ~= nil end) end)
        assert.is_false(refused[1])
        assert.equal(0, stats().waiting)
        other:close()
      end)
      assert.is_table(pool:with(function(connection) return connection end))
    end)
  end)

  describe("many at once:", function()
    it("a close without time closes every connection", function()
      open { min_size = 300, max_size = 300, connect_parallel = 300 }
      pool:initialize()
      eventually(function() return factory.made == 300 end)
      pool:close { timeout = 0 }
      eventually(function() return factory.closed == 300 end)
    end)
  end)

  describe("factories that go wrong:", function()
    local function refuse(make, kind, pattern, config)
      config = config or {}
      config.min_size, config.max_size = 0, 2
      config.retry = { attempts = 2, backoff = 0.001 }
      config.breaker = false
      pool = covet.pool.new(make, config, "bad")
      factory = { made = 0, closed = 0 }
      local err = fails(kind, pool, "acquire", { timeout = 5 })
      assert.matches(pattern, tostring(err))
      assert.matches('pool "bad"', tostring(err))
      assert.equal(0, stats().total_connections)
      assert.is_true(stats().connection_errors >= 1)
    end

    it("raises", function()
      refuse(function() error("down for repair", 0) end, "connection_failed", "down for repair")
    end)

    it("raises an error of covet: its kind is kept", function()
      refuse(function()
        require("covet.error").raise { kind = "authentication_failed", message = "who?", retry = "no" }
      end, "authentication_failed", "who%?")
      assert.equal(1, stats().connection_errors) -- trying again cannot help
    end)

    it("returns nil, false, or something without close", function()
      refuse(function() return nil, "the reason" end, "connection_failed", "the reason")
      pool:close()
      refuse(function() end, "connection_failed", "returned nil")
      pool:close()
      refuse(function() return false end, "connection_failed", "returned false")
      pool:close()
      refuse(function() return 42 end, "connection_failed", "number without close")
    end)

    it("returns the same object twice", function()
      local one = { close = function() end }
      pool = covet.pool.new(function() return one end,
        { min_size = 0, max_size = 2, retry = { attempts = 1 }, breaker = false }, "bad")
      factory = { made = 0, closed = 0 }
      local held = pool:acquire()
      local other = covet.spawn(function()
        return fails("pool_timeout", pool, "acquire", { timeout = 0.1 })
      end):join()
      assert.matches("has already", tostring(other.cause))
      pool:release(held)
    end)

    it("hangs: connect_timeout", function()
      refuse(function() covet.sleep(60) end, "timeout", "longer than 0.02",
        { connect_timeout = 0.02 })
    end)

    it("comes too late: what it made is closed", function()
      local closed = 0
      refuse(function()
        pcall(covet.sleep, 60)
        covet.sleep(0.02)
        return { close = function() closed = closed + 1 end }
      end, "timeout", "longer than 0.02", { connect_timeout = 0.02 })
      eventually(function() return closed == 2 end)
    end)

    it("a close that raises or hangs keeps nothing back", function()
      local made = 0
      pool = covet.pool.new(function()
        made = made + 1
        return { close = function()
          if made == 1 then error "no" else covet.sleep(60) end
        end }
      end, { min_size = 0, max_size = 1, close_timeout = 0.05 }, "bad")
      factory = { made = 0, closed = 0 }
      pool:release(pool:acquire(), "broken")
      pool:release(pool:acquire(), "broken")
      assert.equal("table", type(pool:with(function(c) return c end)))
      assert.equal(3, made)
    end)
  end)

  describe("the breaker", function()
    it("opens after failures in a row, fails at once, and closes by itself", function()
      open { max_size = 2, retry = { attempts = 10, backoff = 0.001, max_backoff = 0.001 },
        breaker = { failures = 3, window = 60, cooldown = 0.2 } }
      factory.down = "the server is gone"
      local states = {}
      pool:on("breaker", function(event) states[#states + 1] = event.state end)
      local err = fails("breaker_open", pool, "acquire")
      assert.matches("the server is gone", tostring(err.cause))
      assert.is_true(err.retry_after > 0 and err.retry_after <= 0.2)
      local tries = stats().connection_errors
      fails("breaker_open", pool, "acquire")
      assert.equal(tries, stats().connection_errors) -- nothing was tried
      factory.down = nil
      covet.sleep(0.25)
      pool:with(function() end)
      assert.equal("closed", stats().breaker)
      assert.same({ "open", "half_open", "closed" }, states)
    end)

    it("half open: one is tried, and a failure opens it again", function()
      open { max_size = 5, retry = { attempts = 1, backoff = 0.001 },
        breaker = { failures = 1, cooldown = 0.05 } }
      factory.down = "gone"
      pcall(pool.acquire, pool)
      covet.sleep(0.1)
      local tries = stats().connection_errors
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = covet.spawn(function() return pcall(pool.acquire, pool) end)
      end
      for i = 1, 5 do
        assert.is_false((tasks[i]:join()))
      end
      assert.equal(tries + 1, stats().connection_errors)
      assert.equal("open", stats().breaker)
    end)

    it("what is there already is lent on", function()
      open { max_size = 2, retry = { attempts = 1 }, breaker = { failures = 1, cooldown = 60 } }
      local held = pool:acquire()
      factory.down = "gone"
      local waiter = covet.spawn(function() return pool:with(function(c) return c.number end) end)
      covet.sleep(0.01)
      assert.equal("open", stats().breaker)
      pool:release(held)
      assert.equal(1, waiter:join())
    end)
  end)

  describe("leaks", function()
    it("are reported with where it was taken and where its holder stands", function()
      open { max_size = 1, leak_timeout = 0.05 }
      local told = {}
      pool:on("leak", function(event) told[#told + 1] = event end)
      local held = pool:acquire()
      covet.sleep(0.1)
      assert.equal(1, #told)
      assert.matches("pool_spec.lua:%d+$", told[1].taken_at)
      assert.matches("sleep", told[1].standing)
      assert.equal(held, told[1].connection)
      covet.sleep(0.05)
      pool:release(held)
      covet.sleep(0)
      assert.equal(2, #told)
      assert.is_true(told[2].returned and told[2].seconds >= 0.14)
      assert.equal(told[1].taken_at, told[2].taken_at)
      assert.equal(1, stats().leaks)
    end)

    it("leak_detection = false: none is", function()
      open { max_size = 1, leak_timeout = 0.01, leak_detection = false }
      pool:with(function() covet.sleep(0.05) end)
      assert.equal(0, stats().leaks)
    end)

    it("of a task that has ended is taken back, however it ended", function()
      open { max_size = 1 }
      local told = 0
      pool:on("leak", function(event) told = told + (event.reclaimed and 1 or 0) end)
      covet.spawn(function() pool:acquire() end):join()
      pcall(function() covet.spawn(function() pool:acquire() error("x", 0) end):join() end)
      local sleeper = covet.spawn(function() pool:acquire() covet.sleep(60) end)
      covet.sleep(0.01)
      sleeper:cancel()
      pcall(sleeper.join, sleeper)
      assert.equal(3, told)
      assert.equal(3, stats().reclaimed)
      assert.equal(0, stats().active_connections)
    end)
  end)

  describe("the whole", function()
    it("resize and configure, while it runs", function()
      open { max_size = 1 }
      local held = pool:acquire()
      local waiter = covet.spawn(function() return pool:with(function(c) return c.number end) end)
      covet.sleep(0.01)
      pool:resize(0, 2)
      assert.equal(2, waiter:join())
      pool:resize(0, 1)
      eventually(function() return stats().total_connections == 1 end)
      assert.equal(1, stats().closed_by.resized)
      pool:release(held)
      fails("usage", pool, "resize", 5, 3)
      assert.matches("acquire_timeout", tostring(fails("usage", pool, "configure", { aquire_timeout = 1 })))
      assert.equal(1, stats().max_size)
    end)

    it("evict: idle ones now, lent ones when they come back", function()
      open { max_size = 2 }
      local a, b = pool:acquire(), pool:acquire()
      pool:release(a)
      pool:evict()
      eventually(function() return factory.closed == 1 end)
      pool:release(b)
      eventually(function() return factory.closed == 2 end)
      assert.equal(2, stats().closed_by.evicted)
    end)

    it("drain serves who waits, and refuses who comes", function()
      open { max_size = 1 }
      local held = pool:acquire()
      local waiter = covet.spawn(function() return pool:with(function() return "served" end) end)
      covet.sleep(0.01)
      local draining = covet.spawn(function() pool:drain() end)
      covet.sleep(0.01)
      fails("pool_closed", pool, "acquire")
      pool:release(held)
      draining:join()
      assert.equal("served", waiter:join())
      assert.equal(0, stats().total_connections)
      pool:initialize()
      pool:with(function() end)
    end)

    it("drain says what is still in use at its deadline", function()
      open { max_size = 1 }
      local held = pool:acquire()
      assert.matches("pool_spec.lua", tostring(fails("pool_timeout", pool, "drain", { timeout = 0.05 })))
      pool:release(held)
    end)

    it("close refuses who waits, and takes back at its deadline", function()
      open { max_size = 1 }
      pool:acquire()
      local waiter = covet.spawn(function() return fails("pool_closed", pool, "acquire") end)
      covet.sleep(0.01)
      pool:close { timeout = 0.05 }
      waiter:join()
      assert.equal(1, factory.closed)
      pool:close()
    end)

    it("has every figure by its name", function()
      open { max_size = 2 }
      pool:with(function() end)
      local figures = stats()
      for _, name in ipairs { "total_connections", "idle_connections", "active_connections",
        "total_checkouts", "total_checkins", "failed_checkouts", "connection_errors",
        "validation_errors", "avg_checkout_time", "max_checkout_time", "created_connections",
        "destroyed_connections", "recycled_connections", "waiting", "opening", "oldest_wait",
        "p50_checkout_time", "p95_checkout_time", "p99_checkout_time", "timeouts", "leaks",
        "size", "free", "used" } do
        assert.equal("number", type(figures[name]), name)
      end
      assert.equal("table", type(figures.closed_by))
      assert.equal("closed", figures.breaker)
      assert.equal(1, figures.total_checkouts)
      assert.equal(1, figures.created_connections)
    end)

    it("grows to the maximum while many wait, long before a second", function()
      open({ max_size = 40 }, { delay = 0.005 })
      local tasks = {}
      for i = 1, 200 do
        tasks[i] = covet.spawn(function() pool:with(function() covet.sleep(0.1) end) end)
      end
      eventually(function() return stats().total_connections == 40 end)
      for i = 1, 200 do
        tasks[i]:join()
      end
      assert.equal(200, stats().total_checkouts)
    end)

    it("survives tasks that are cancelled, time out and die at random", function()
      open({ max_size = 8, leak_timeout = 60, acquire_timeout = 5 }, { ping = true, reset = true })
      pool:on("leak", function() end) -- those taken back are meant to be
      local random, lent, order = math.random, {}, {}
      local function use()
        local connection = pool:acquire { timeout = random() < 0.2 and 0.002 or nil }
        assert(not lent[connection], "lent twice")
        lent[connection] = true
        order[#order + 1] = connection.number
        local fine, err = pcall(covet.sleep, random() * 0.002)
        lent[connection] = nil
        if random() < 0.1 then
          return -- the task ends with it
        elseif not fine then
          error(err, 0)
        end
        pool:release(connection, ({ "clean", "dirty", "broken" })[random(3)])
      end
      local tasks = {}
      for i = 1, 2000 do
        tasks[i] = covet.spawn(function() pcall(use) end)
        if random() < 0.1 then
          tasks[random(i)]:cancel()
        end
        if i % 20 == 0 then
          covet.sleep(0.001)
        end
      end
      for i = 1, 2000 do
        pcall(tasks[i].join, tasks[i])
      end
      eventually(function() return stats().active_connections == 0 and stats().waiting == 0 end)
      local figures = stats()
      assert.equal(figures.total_checkouts, figures.total_checkins)
      assert.equal(figures.total_connections + figures.closing, count(factory.open))
      assert.equal(factory.made, figures.created_connections)
    end)
  end)
end)
