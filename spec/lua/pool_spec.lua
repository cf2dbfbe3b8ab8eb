-- Pools over a factory: the pool as a whole, its figures, its ends.
local covet = require "covet"
local fails = require "spec.support.fails"
local support = require "spec.lua.pool_support"

local eventually, open, stats = support.eventually, support.open, support.stats

describe("a pool", function()
  after_each(support.close)

  describe("the whole", function()
    it("resize and configure, while it runs", function()
      local pool = open { max_size = 1 }
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
      local pool, factory = open { max_size = 2 }
      local a, b = pool:acquire(), pool:acquire()
      pool:release(a)
      pool:evict()
      eventually(function() return factory.closed == 1 end)
      pool:release(b)
      eventually(function() return factory.closed == 2 end)
      assert.equal(2, stats().closed_by.evicted)
    end)

    it("drain serves who waits, and refuses who comes", function()
      local pool = open { max_size = 1 }
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
      local pool = open { max_size = 1 }
      local held = pool:acquire()
      assert.matches("pool_spec.lua", tostring(fails("pool_timeout", pool, "drain", { timeout = 0.05 })))
      pool:release(held)
    end)

    it("close refuses who waits, and takes back at its deadline", function()
      local pool, factory = open { max_size = 1 }
      pool:acquire()
      local waiter = covet.spawn(function() return fails("pool_closed", pool, "acquire") end)
      covet.sleep(0.01)
      pool:close { timeout = 0.05 }
      waiter:join()
      assert.equal(1, factory.closed)
      pool:close()
    end)

    it("has every figure by its name", function()
      local pool = open { max_size = 2 }
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
      local pool = open({ max_size = 40 }, { delay = 0.005 })
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
      local pool, factory = open({ max_size = 8, leak_timeout = 60, acquire_timeout = 5 },
        { ping = true, reset = true })
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
      assert.equal(figures.total_connections + figures.closing, support.count(factory.open))
      assert.equal(factory.made, figures.created_connections)
    end)
  end)

  describe("many at once:", function()
    it("a close without time closes every connection", function()
      local pool, factory = open { min_size = 300, max_size = 300, connect_parallel = 300 }
      pool:initialize()
      eventually(function() return factory.made == 300 end)
      pool:close { timeout = 0 }
      eventually(function() return factory.closed == 300 end)
    end)
  end)
end)
