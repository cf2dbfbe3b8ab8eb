--- What was given in place of what was expected, in words.
-- @module covet.adapter.postgresql.encode.say

local ffi = require "ffi"
local null = require "covet.null"
local number = require "covet.json.number"
local tagged = require "covet.tagged"

local floor, format, match = math.floor, string.format, string.match

local M = {}

--- What a value is, for messages: never the value itself.
-- @param value anything
-- @treturn string
function M.describe(value)
  local kind = type(value)
  if kind == "table" then
    if tagged.is(value) then
      return value[1] == tagged.BYTES and "covet.bytes" or "covet.json"
    end
    local key = next(value)
    return key == nil and "an empty table"
      or type(key) == "string" and format("a table with the key %q", key)
      or "a table that is a list"
  elseif kind == "number" then
    return value ~= value and "NaN" or value - value ~= 0 and "an infinity"
      or floor(value) ~= value and "a number with a fraction" or "a number"
  elseif value == nil or value == null then
    return "NULL"
  elseif kind == "cdata" then
    return number.is_wide(value) and "a 64-bit integer"
      or "cdata of type " .. match(tostring(ffi.typeof(value)), "^ctype<(.*)>$")
  elseif kind == "string" then
    return "a string"
  end
  return "a " .. kind
end

--- A fault.
-- @tparam table kind of covet.adapter.postgresql.types
-- @param value
-- @tparam[opt] string more of it
-- @treturn nil
-- @treturn string "expected integer, got a boolean"
function M.expected(kind, value, more)
  return nil, format("expected %s, got %s%s", kind.name, M.describe(value),
    more or "")
end

return M
