--- Sizings for common programs: `covet.pool.presets.web`, `.worker`,
-- `.pipeline`.
--
-- Each access gives a new configuration, free to be changed. What a preset does
-- not say is as everywhere (see covet.pool.config).
-- @module covet.pool.presets

local caller = require "covet.caller"
local config = require "covet.pool.config"

return setmetatable({}, {
  __name = "covet.pool.presets",
  __index = function(_, name)
    local preset = config.config { preset = tostring(name) }
    return preset
  end,
  __newindex = function()
    caller.usage('the presets cannot be changed; make a configuration of one: '
      .. 'covet.pool.config{ preset = "web", max_size = 80 }')
  end,
})
