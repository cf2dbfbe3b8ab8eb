--- Whether a pool is well: a judgement of its figures.
-- @module covet.pool.health

local errors = require "covet.error"

-- A wait longer than this is too long whatever the pool allows.
local LONGEST_WAIT = 5

-- What is taken over from the figures.
local FIELDS = { "size", "free", "used", "opening", "waiting", "max_size",
  "breaker", "oldest_wait" }

local M = {}

local function describe(err)
  if errors.is_error(err) then
    return tostring(err.message)
  end
  return tostring(err)
end

local function breaker_open(pool, stats)
  local cause = pool.last_error
  return ("breaker open, tried again in %.3g s%s"):format(stats.retry_after or 0,
    cause ~= nil and ": " .. describe(cause) or "")
end

-- How long a wait is a bad sign.
local function patience(pool)
  local longest = (pool.config or pool).acquire_timeout
  return math.min((longest or math.huge) / 2, LONGEST_WAIT)
end

-- What is wrong, or nil.
local function find_fault(pool, stats)
  if pool.ended then
    return pool.ended -- "closed", "drained"
  elseif stats.breaker == "open" then
    return breaker_open(pool, stats)
  elseif stats.size == 0 and pool.last_error ~= nil then
    return "no connection: " .. describe(pool.last_error)
  elseif stats.free == 0 and stats.waiting > 0
    and (stats.oldest_wait or 0) >= patience(pool) then
    return ("exhausted: %d waiting, the first one for %.3g s"):format(
      stats.waiting, stats.oldest_wait)
  end
  return nil
end

--- How a pool is.
-- @tparam table pool an adapter, or a pool over a factory
-- @treturn table { healthy =, reason =, and the figures of covet.pool.manager }
function M.of(pool)
  local stats = pool:get_pool_stats()
  local reason = find_fault(pool, stats)
  local result = { healthy = reason == nil, reason = reason }
  for _, name in ipairs(FIELDS) do
    result[name] = stats[name]
  end
  return result
end

return M
