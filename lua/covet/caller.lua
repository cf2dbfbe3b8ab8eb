--- Mistakes of the caller, told with the caller's place.
-- However deep inside covet a mistake is found, the place that counts is the
-- first one outside of covet's own files.
-- @module covet.caller

local error = require "covet.error"

local M = {}

local OWN = debug.getinfo(1, "S").source:match "^(@.*)caller%.lua$"

--- The level of the first function that is not covet's, counted from the
-- function that calls this; beyond the stack when a tail call has replaced it.
-- @treturn number
function M.level()
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and (info.what == "C"
    or info.source:sub(1, #OWN) == OWN) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  return level - 1
end

--- The caller's place.
-- @treturn string|nil "file:line"
function M.where()
  local info = debug.getinfo(M.level(), "Sl")
  return info and info.short_src .. ":" .. info.currentline or nil
end

--- Raise an error of kind "usage" at the caller's place.
-- @tparam string fmt as for string.format
function M.usage(fmt, ...)
  error.usage(M.level(), fmt, ...)
end

return M
