--- Who called covet: whose mistake it is, and who took a connection.
--
-- However deep inside covet something is found, the place that counts is the
-- first one outside of covet's own files.
-- @module covet.caller

local core = require "covet.core"
local errors = require "covet.error"

local caller, getinfo = core.caller, debug.getinfo

local M = {
  --- The level of the caller, for functions that take one. Finding it costs a
  -- walk over the stack: that is done when there is a mistake.
  LEVEL = errors.CALLER,
}

local OWN = getinfo(1, "S").source:match "^(@.*)caller%.lua$"

-- Functions seen on the way: false for covet's own and for those in C, else
-- their file. Asking for a function is much cheaper than asking for its file.
local files = setmetatable({}, { __mode = "k" })

local function file_of(fn)
  local file = files[fn]
  if file == nil then
    local info = getinfo(fn, "S")
    file = info.what ~= "C" and info.source:sub(1, #OWN) ~= OWN
      and info.short_src
    files[fn] = file
  end
  return file
end

-- The places of a function that were asked for, by line.
local places = setmetatable({}, { __mode = "k" })

local function place_of(fn, line)
  local lines = places[fn]
  if not lines then
    lines = {}
    places[fn] = lines
  end
  local place = lines[line]
  if not place then
    place = file_of(fn) .. ":" .. line
    lines[line] = place
  end
  return place
end

--- The caller's place.
-- @tparam[opt=0] number own how many functions of covet's are known to stand below
-- it, which need not be looked at
-- @treturn string|nil "file:line"
function M.where(own)
  local level = 2 + (own or 0)
  local fn, line = caller(level)
  while fn and not file_of(fn) do
    level = level + 1
    fn, line = caller(level)
  end
  return fn and place_of(fn, line) or nil
end

--- Raise an error of kind "usage" at the caller's place.
-- @tparam string fmt as for string.format
function M.usage(fmt, ...)
  errors.usage(errors.CALLER, fmt, ...)
end

return M
