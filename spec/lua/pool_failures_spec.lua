-- Pools over a factory: what goes wrong with factories, and loans that leak.
local covet = require "covet"
local fails = require "spec.support.fails"
local support = require "spec.lua.pool_support"

local eventually, open, stats = support.eventually, support.open, support.stats
local over = support.over

describe("a pool", function()
  after_each(support.close)

  describe("places where nobody can wait:", function()
    it("a request there leaves nothing behind", function()
      local pool, factory = open { max_size = 1 }
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

  describe("factories that go wrong:", function()
    local function refuse(make, kind, pattern, config)
      config = config or {}
      config.min_size, config.max_size = 0, 2
      config.retry = { attempts = 2, backoff = 0.001 }
      config.breaker = false
      local pool = over(make, config)
      local err = fails(kind, pool, "acquire", { timeout = 5 })
      assert.matches(pattern, tostring(err))
      assert.matches('pool "tested"', tostring(err))
      assert.equal(0, stats().total_connections)
      assert.is_true(stats().connection_errors >= 1)
      return pool
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
      refuse(function() return nil, "the reason" end, "connection_failed", "the reason"):close()
      refuse(function() end, "connection_failed", "returned nil"):close()
      refuse(function() return false end, "connection_failed", "returned false"):close()
      refuse(function() return 42 end, "connection_failed", "number without close")
    end)

    it("returns the same object twice", function()
      local one = { close = function() end }
      local pool = over(function() return one end,
        { min_size = 0, max_size = 2, retry = { attempts = 1 }, breaker = false })
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
      local pool = over(function()
        made = made + 1
        return { close = function()
          if made == 1 then error "no" else covet.sleep(60) end
        end }
      end, { min_size = 0, max_size = 1, close_timeout = 0.05 })
      pool:release(pool:acquire(), "broken")
      pool:release(pool:acquire(), "broken")
      assert.equal("table", type(pool:with(function(c) return c end)))
      assert.equal(3, made)
    end)
  end)

  describe("the breaker", function()
    it("opens after failures in a row, fails at once, and closes by itself", function()
      local pool, factory = open { max_size = 2,
        retry = { attempts = 10, backoff = 0.001, max_backoff = 0.001 },
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
      local pool, factory = open { max_size = 5, retry = { attempts = 1, backoff = 0.001 },
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
      local pool, factory = open { max_size = 2, retry = { attempts = 1 },
        breaker = { failures = 1, cooldown = 60 } }
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
      local pool = open { max_size = 1, leak_timeout = 0.05 }
      local told = {}
      pool:on("leak", function(event) told[#told + 1] = event end)
      local held = pool:acquire()
      covet.sleep(0.1)
      assert.equal(1, #told)
      assert.matches("pool_failures_spec.lua:%d+$", told[1].taken_at)
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

    it("leave no report behind, however the loan ends", function()
      local pool = open { max_size = 2, leak_timeout = 0.01 }
      pool:on("leak", function() end)
      local sleeper = covet.spawn(function() pool:acquire() covet.sleep(60) end)
      pool:acquire()
      eventually(function() return stats().leaks == 2 end)
      assert.is_table(pool.leaked[1])
      sleeper:cancel()
      eventually(function() return stats().reclaimed == 1 end)
      pool:close { timeout = 0 } -- the other one never comes back
      assert.same({}, pool.leaked)
    end)

    it("leak_detection = false: none is", function()
      local pool = open { max_size = 1, leak_timeout = 0.01, leak_detection = false }
      pool:with(function() covet.sleep(0.05) end)
      assert.equal(0, stats().leaks)
    end)

    it("of a task that has ended is taken back, however it ended", function()
      local pool = open { max_size = 1 }
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
end)
