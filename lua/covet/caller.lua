--- Mistakes of the caller, told with the caller's place.
-- However deep inside covet a mistake is found, the place that counts is the
-- first one outside of covet's own files.
-- @module covet.caller

local error = require "covet.error"

local M = {}

local OWN = debug.getinfo(1, "S").source:match "^(@.*)caller%.lua$"

--- The level of the first function that is not covet's, counted from the
-- function that calls this.
-- @treturn number
function M.level()
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and (info.what == "C"
    or info.source:sub(1, #OWN) == OWN) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  return info and level - 1 or 2
end

--- Raise an error of kind "usage" at the caller's place.
-- @tparam string fmt as for string.format
function M.usage(fmt, ...)
  error.usage(M.level(), fmt, ...)
end

return M
