-- Pools over a factory: lending, waiting, giving back.
local covet = require "covet"
local errors = require "covet.error"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local support = require "spec.lua.pool_support"

local eventually, open, stats = support.eventually, support.open, support.stats

describe("a pool", function()
  after_each(support.close)

  describe("lends", function()
    it("what the factory makes, and the one used last first", function()
      local pool = open { max_size = 3 }
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
      local pool = open { max_size = 2, order = "fifo" }
      local a, b = pool:acquire(), pool:acquire()
      pool:release(a)
      pool:release(b)
      assert.equal(a, pool:acquire())
      pool:release(a)
    end)

    it("with(fn) gives back whatever happens, and passes results on", function()
      local pool = open { max_size = 1 }
      assert.same({ 1, nil, 3 }, { pool:with(function() return 1, nil, 3 end) })
      local fine, err = pcall(pool.with, pool, function() error("mine", 0) end)
      assert.is_false(fine)
      assert.equal("mine", err)
      assert.equal(0, stats().active_connections)
      pool:with(function(connection) pool:release(connection) end)
      assert.equal(0, stats().active_connections)
    end)

    it("with(fn) leaves alone what fn has given back and another has taken", function()
      local pool = open { max_size = 1 }
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
      local pool = open { max_size = 1, after_release = function() return "nonsense" end }
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
      local _, told = result.stderr:gsub("covet: giving back after an error: [^\n]*usage:", "")
      assert.equal(2, told)
    end)

    it("initialize opens min_size, no more than connect_parallel at a time", function()
      local pool = open({ min_size = 7, max_size = 10, connect_parallel = 2 }, { delay = 0.01 })
      local most = 0
      pool:on("connect", function()
        most = math.max(most, stats().opening)
      end)
      pool:initialize()
      assert.equal(7, stats().total_connections)
      assert.is_true(most <= 2)
    end)

    it("first come, first served", function()
      local pool = open { max_size = 1 }
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
      local pool, factory = open({ max_size = 1 }, { delay = 0.05 })
      local first = covet.spawn(function() return pool:acquire() end)
      covet.sleep(0.01)
      first:cancel()
      assert.equal(1, pool:with(function(c) return c.number end))
      assert.equal(1, factory.made)
    end)
  end)

  describe("refuses", function()
    it("acquire_timeout: with counters and the longest holders", function()
      local pool = open { max_size = 2, acquire_timeout = 0.05 }
      local held = { pool:acquire(), pool:acquire() }
      local err = covet.spawn(function()
        return fails("pool_timeout", pool, "acquire")
      end):join()
      assert.matches('pool "tested": no connection came free within', tostring(err))
      assert.matches("2 of 2 in use, 0 idle, 0 opening", tostring(err))
      assert.matches("pool_loans_spec.lua:%d+ for", tostring(err))
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
      local pool = open { max_size = 1, max_waiting = 3 }
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
      local pool = open { max_size = 2 }
      local a, b = pool:acquire(), pool:acquire()
      local started = covet.now()
      local _, err = pcall(function() local c = pool:acquire { timeout = 30 } return c end)
      assert.is_true(covet.is(err, "pool_exhausted"))
      assert.is_true(covet.now() - started < 5)
      assert.matches("every holder", tostring(err))
      assert.matches("pool_loans_spec.lua:%d+: pool_exhausted", tostring(err))
      assert.matches("taken at [^\n]*pool_loans_spec.lua:%d+", tostring(err))
      pool:release(a)
      pool:release(b)
    end)

    it("two that hold one each and wait for each other's, the later one only", function()
      local pool = open { max_size = 2 }
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
      local pool = open { max_size = 2 }
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
      local pool = open { max_size = 1 }
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
      local pool, factory = open { max_size = 1 }
      local held = pool:acquire()
      pool:close { timeout = 0 }
      fails("usage", pool, "release", held)
      assert.equal(1, factory.closed)
      fails("pool_closed", pool, "acquire")
    end)

    it("with a verdict: clean, dirty, broken", function()
      local pool, factory = open({ max_size = 1 }, { reset = true })
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
      local pool, factory = open({ max_size = 1, reset = "never" }, { reset = true })
      pool:release(pool:acquire(), "dirty")
      assert.equal(0, factory.resets)
      pool:configure { reset = "always" }
      pool:release(pool:acquire(), "clean")
      pool:with(function() end)
      assert.equal(1, factory.resets)
    end)
  end)
end)
