--- Several pools under one roof: by name, with one look at their health and one
-- call that closes them all.
--
--     local manager = covet.pool.manager()
--     manager:create_pool("users_db", "postgresql:///users", { max_size = 40 })
--     manager:create_pool("mail", connect_to_mail_server)
--     manager:get_pool "mail":with(send)
-- @module covet.pool.manager

local caller = require "covet.caller"
local database = require "covet.pool.database"
local errors = require "covet.error"
local group = require "covet.task.group"
local health = require "covet.pool.health"
local options = require "covet.options"

local CLOSE_OPTIONS = {
  { "timeout", "seconds", 10, "How long to wait for what is in use." },
}

local Manager = {}
local class = { __name = "covet.pool.manager", __index = Manager }

local M = {}

-- `close_all(5)`, `close_all{ timeout = 5 }`
local function close_timeout(given, what)
  if type(given) == "number" then
    given = { timeout = given }
  end
  return options.check(CLOSE_OPTIONS, given, what, caller.LEVEL).timeout
end

-- --- Making pools -------------------------------------------------------------------

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function"
    or type(meta) == "table" and type(meta.__call) == "function"
end

-- Whether it is a pool already: an adapter, or what covet.pool.new answers.
local function is_pool(value)
  return type(value) == "table" and getmetatable(value) ~= nil
    and type(value.get_pool_stats) == "function"
end

local function make(name, source, given)
  if is_callable(source) then
    return require("covet.pool.pool").new(source, given, name)
  elseif type(source) == "string" then
    return database.new(name, { url = source }, given)
  elseif is_pool(source) then
    if given ~= nil then
      caller.usage("create_pool(%q): this pool exists already, and has its "
        .. "configuration", name)
    end
    return source
  elseif type(source) == "table" then
    return database.new(name, source, given)
  end
  caller.usage("create_pool(%q): expected a factory, a URL, options of an "
    .. "adapter or a pool, got %s", name, type(source))
end

--- Make a pool, or take one over. Nothing is opened before its first use.
-- @tparam string name
-- @tparam function|string|table source a factory; a URL or a table of options
-- (`url` or `adapter` among them), which make an adapter; an adapter; a pool
-- @tparam[opt] table given options or a configuration of covet.pool.config
-- @treturn table the pool or adapter
function Manager:create_pool(name, source, given)
  if type(name) ~= "string" or name == "" then
    caller.usage("create_pool(name, ...): the name must be a string that is not "
      .. "empty, not %s", name == "" and "an empty one" or type(name))
  elseif self.pools[name] then
    caller.usage("there is a pool %q already", name)
  end
  local pool = make(name, source, given)
  self.pools[name] = pool
  return pool
end

-- --- Finding them -----------------------------------------------------------------------

--- The names of the pools, sorted.
-- @treturn {string,...}
function Manager:names()
  local names = {}
  for name in pairs(self.pools) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- The pool of that name.
-- @tparam string name
-- @treturn table
-- @raise usage: there is none; the message has the nearest name
function Manager:get_pool(name)
  local pool = self.pools[name]
  if not pool then
    local names = self:names()
    local nearest = options.nearest(name, names)
    caller.usage("there is no pool %q%s", tostring(name), nearest
      and (", did you mean %q?"):format(nearest)
      or names[1] and (" (there are: %s)"):format(table.concat(names, ", "))
      or "; there are none yet")
  end
  return pool
end

--- Take a pool out of the manager. It is not closed.
-- @tparam string name
-- @treturn table the pool
function Manager:remove_pool(name)
  local pool = self:get_pool(name)
  self.pools[name] = nil
  return pool
end

-- --- Closing -----------------------------------------------------------------------------

--- Take a pool out of the manager and close it.
-- @tparam string name
-- @tparam[opt] table given `timeout`, 10 seconds, for what is in use
function Manager:close_pool(name, given)
  local timeout = close_timeout(given, "close_pool")
  self:remove_pool(name):close(timeout)
end

-- Raise the first of the errors with the others in it, if there are any.
local function raise_first(faults, count)
  local first
  for i = 1, count do
    local fault = faults[i]
    if fault and first then
      errors.add(first.err, fault.err)
    else
      first = first or fault
    end
  end
  if first then
    error(first.err, 0)
  end
end

--- Close all pools at once and forget them. What is in use has until the
-- deadline, one for all, to come back.
-- @tparam[opt] table given `timeout`, 10 seconds
-- @raise when all are closed: the error of the first one, by name, that could
-- not be closed well; its field `others` lists the further errors
function Manager:close_all(given)
  local timeout = close_timeout(given, "close_all")
  local names, pools = self:names(), self.pools
  local faults = {}
  self.pools = {}
  group.group(function(tasks)
    for i, name in ipairs(names) do
      tasks:spawn(function()
        local pool = pools[name]
        local fine, err = pcall(pool.close, pool, timeout)
        faults[i] = not fine and { err = err } or nil
      end)
    end
  end)
  raise_first(faults, #names)
end

-- --- What can be seen ---------------------------------------------------------------------

--- The figures of all pools.
-- @treturn table name -> what `get_pool_stats` answers
function Manager:get_stats()
  local all = {}
  for name, pool in pairs(self.pools) do
    all[name] = pool:get_pool_stats()
  end
  return all
end

--- How the pools are, at this moment. Asks no server and does not wait.
--
-- A pool is not healthy when it is closed, when its breaker is open, when nothing
-- is open because connecting failed last time, or when all is in use and
-- somebody has waited for half of `acquire_timeout` (5 seconds at most).
-- @treturn table `total_pools`, `healthy_pools`, and `pools`: name -> { healthy,
-- reason, size, free, used, opening, waiting, max_size, breaker, oldest_wait }
function Manager:get_health_summary()
  local summary = { total_pools = 0, healthy_pools = 0, pools = {} }
  for name, pool in pairs(self.pools) do
    local one = health.of(pool)
    summary.pools[name] = one
    summary.total_pools = summary.total_pools + 1
    summary.healthy_pools = summary.healthy_pools + (one.healthy and 1 or 0)
  end
  return summary
end

--- Make a manager.
-- @treturn Manager
function M.new()
  return setmetatable({ pools = {} }, class)
end

return M
