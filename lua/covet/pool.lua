--- Pools: of connections to anything that a factory makes, configured by code or
-- by a file, alone or several under one manager.
--
--     local pool = covet.pool.new(factory, { max_size = 10 }, "mail")
--     pool:with(function(connection) ... end)
--
-- An adapter has a pool of its own and takes the same options.
-- @module covet.pool

local config = require "covet.pool.config"
local presets = require "covet.pool.presets"

local M = {
  --- Check options and fill in the defaults: see covet.pool.config.
  config = config.config,
  --- Sizings for common programs: see covet.pool.presets.
  presets = presets,
}

--- Make a pool over a factory. Nothing is opened before `initialize` or the
-- first `acquire`.
-- @tparam function factory makes a connection: an object with `close()`, and,
-- if it can, `ping()` and `reset()`; all may wait
-- @tparam[opt] table given options, or a configuration
-- @tparam[opt] string name for messages
-- @treturn covet.pool.pool.Pool
function M.new(factory, given, name)
  local pool = require("covet.pool.pool").new(factory, given, name)
  return pool
end

--- Make a manager of several pools: see covet.pool.manager.
function M.manager()
  return require("covet.pool.manager").new()
end

return M
