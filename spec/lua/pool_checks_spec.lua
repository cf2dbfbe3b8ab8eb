-- Pools over a factory: checks, and hooks.
local covet = require "covet"
local fails = require "spec.support.fails"
local support = require "spec.lua.pool_support"

local eventually, open, stats = support.eventually, support.open, support.stats

describe("a pool", function()
  after_each(support.close)

  describe("checks", function()
    it("pre_ping, test_on_borrow: what was idle for half a second", function()
      local pool, factory = open({ max_size = 1 }, { ping = true })
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
      local pool, factory = open({ min_size = 2, max_size = 2, health_check_interval = 0.05 },
        { ping = true })
      pool:initialize()
      eventually(function() return factory.pings >= 2 end)
      for connection in pairs(factory.open) do
        connection.alive = false
      end
      eventually(function() return factory.made == 4 end) -- the minimum is kept
    end)

    it("lost: whoever hears that a connection has died says so", function()
      local pool, factory = open { max_size = 2 }
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
      local pool = open { min_size = 1, max_size = 5, idle_timeout = 0.1, auto_scale = false }
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
      local pool, factory = open { max_size = 1, max_lifetime = 0.1, lifetime_jitter = 0 }
      local held = pool:acquire()
      covet.sleep(0.15)
      assert.equal(0, factory.closed)
      pool:release(held)
      eventually(function() return factory.closed == 1 end)
      assert.equal(1, stats().closed_by.lifetime)
      assert.equal(1, stats().recycled_connections)
    end)

    it("scale_up_threshold: one more is opened ahead", function()
      local pool = open { min_size = 4, max_size = 10, scale_up_threshold = 0.5 }
      pool:initialize()
      local a, b = pool:acquire(), pool:acquire()
      eventually(function() return stats().total_connections == 5 end)
      pool:release(a)
      pool:release(b)
    end)

    it("scale_down_threshold: with more in use nothing shrinks", function()
      local pool = open { min_size = 1, max_size = 4, idle_timeout = 0.05, scale_up_threshold = 0.9,
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
      local pool = open { max_size = 1, after_connect = note "connect", before_acquire = note "acquire",
        after_release = note "release", before_close = note "close" }
      pool:with(function() end)
      pool:close()
      assert.same({ "connect1", "acquire1", "release1", "close1 closed" }, seen)
      pool:initialize()
    end)

    it("before_acquire has a connection refused, and who asked gets another", function()
      local pool = open { max_size = 1, before_acquire = function(connection)
        return connection.number > 2
      end }
      assert.equal(3, pool:with(function(c) return c.number end))
      assert.equal(2, stats().closed_by.rejected)
      assert.equal(1, stats().total_checkouts)
    end)

    it("after_connect that fails is a failure to connect", function()
      local pool, factory = open { max_size = 1, retry = { attempts = 1 }, after_connect = function()
        error("no good", 0)
      end }
      assert.matches("no good", tostring(fails("connection_failed", pool, "acquire")))
      eventually(function() return factory.closed == 1 end)
    end)

    it("after_release judges", function()
      local verdict = "broken"
      local pool, factory = open { max_size = 1, after_release = function() return verdict end }
      pool:with(function() end)
      eventually(function() return factory.closed == 1 end)
      verdict = "clean"
      pool:with(function() end)
      assert.equal(1, factory.closed)
    end)

    it("an answer of after_release that is none loses no connection", function()
      local pool, factory = open { max_size = 1, after_release = function() return "fine" end }
      local err = fails("usage", pool, "with", function() end)
      assert.matches("clean, dirty or broken", tostring(err))
      eventually(function() return factory.closed == 1 end)
      assert.equal(0, stats().active_connections)
    end)

    it("what a listener does with its own pool is not told", function()
      local told = 0
      local pool = open { max_size = 2, after_release = function() error("no good", 0) end }
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
      local pool, factory = open { max_size = 1, after_release = function() covet.sleep(10) end }
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
      local pool = open { max_size = 2, before_acquire = function()
        covet.sleep(0.01)
        return false
      end }
      fails("pool_timeout", pool, "acquire", { timeout = 0.1 })
      local is = stats()
      assert.equal(0, is.waiting)
      assert.equal(1, is.timeouts)
      assert.equal(1, is.failed_checkouts)
      assert.equal(0, is.total_checkouts)
    end)

    it("before_acquire that takes longer than the deadline and refuses", function()
      local pool = open { min_size = 2, max_size = 2, before_acquire = function()
        covet.sleep(0.03)
        return false
      end }
      fails("pool_timeout", pool, "acquire", { timeout = 0.01 })
      assert.equal(1, stats().timeouts)
      assert.equal(1, stats().validation_errors) -- no other one was tried
    end)

    for _, verdict in ipairs { true, false } do
      it("a pool that closes while before_acquire waits lends nothing: it answers "
        .. tostring(verdict), function()
        local pool = open { max_size = 1, before_acquire = function()
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
end)
