-- What the specs of pools share: one pool at a time, over a factory that counts.
local covet = require "covet"
local wait = require "spec.support.wait"

local M = {}

local pool, factory -- the ones of the running test

-- A factory of plain objects that count what is done to them. `options`:
-- `delay`, seconds that one takes; `ping`, `reset`, whether they have these.
local function new_factory(options)
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

--- A pool over a factory of the test's own.
-- @tparam function make
-- @tparam table config
-- @treturn table the pool, closed after the test
function M.over(make, config)
  pool = covet.pool.new(make, config, "tested")
  factory = { made = 0, closed = 0 }
  return pool
end

--- A pool over a factory that counts.
-- @tparam[opt] table config of the pool; its min_size is 0 if it says nothing
-- @tparam[opt] table options of the factory: `delay`, `ping`, `reset`
-- @treturn table the pool
-- @treturn table the factory: `made`, `closed`, `pings`, `resets`, `open` (a
-- set), `down` (an error that it raises)
function M.open(config, options)
  local counts = new_factory(options or {})
  config = config or {}
  config.min_size = config.min_size or 0
  M.over(counts.make, config)
  factory = counts
  return pool, counts
end

--- How many are in a set.
function M.count(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

--- The figures of the test's pool.
function M.stats()
  return pool:get_stats()
end

--- Wait until something has come true.
function M.eventually(done)
  if not wait.until_true(done, 5) then
    error("it did not come true", 2)
  end
end

--- After each test: the pool closes, and all that was made is closed.
function M.close()
  if not pool then
    return
  end
  local last = pool
  pool = nil
  last:close { timeout = 0.2 }
  assert(last:get_stats().total_connections == 0)
  M.eventually(function() return factory.made == factory.closed end)
end

return M
