--- JSON for data: what goes through comes back the same, or raises.
--
-- The conventions are cjson's, with these promises on top:
--
-- * Integers are exact: numbers within 2^53, beyond it int64 cdata, uint64
--   cdata where only that holds them. Only integers beyond 64 bits, and
--   numbers with a fraction or an exponent, are doubles.
-- * Doubles are written with as many digits, 14 to 17, as read back the same;
--   NaN and the infinities are refused, and so is a number too large for a
--   double.
-- * `null` is `covet.null`. Arrays that were decoded, or marked by
--   `json.array`, stay arrays when they are empty.
-- * Strings must be UTF-8 to be encoded. Decoding passes bytes on as they are.
-- * A table whose keys are all positive integers is an array and must not have
--   holes (use `json.null`); other integer keys become strings. Tables may be
--   nested 1000 deep.
--
-- A mistake in what is encoded raises "usage"; a text that is not JSON raises
-- "invalid_value" with the byte's `position`.
-- @module covet.json

local decode = require "covet.json.decode"
local encode = require "covet.json.encode"
local error = require "covet.error"
local null = require "covet.null"
local number = require "covet.json.number"
local tagged = require "covet.tagged"

local M = {}

--- The null value: `covet.null`, the same as `cjson.null`.
M.null = null

--- A number as text, exactly; see `covet.json.number`.
-- @function exact
M.exact = number.exact

--- Mark a table as an array, so that it is written as `[]` when empty.
-- @tparam table list gets a metatable
-- @treturn table the same table
function M.array(list)
  if type(list) ~= "table" then
    error.usage(2, "array: expected table, got %s", type(list))
  end
  return setmetatable(list, encode.Array)
end

--- Does a table carry the mark of `json.array`?
-- @param value anything
-- @treturn boolean
function M.is_array(value)
  return getmetatable(value) == encode.Array
end

--- Bytes as a parameter: a blob where the database cannot tell by itself.
-- @tparam string bytes
-- @treturn table
function M.bytes(bytes)
  if type(bytes) ~= "string" then
    error.usage(2, "bytes: expected string, got %s", type(bytes))
  end
  return setmetatable({ tagged.BYTES, bytes }, encode.Bytes)
end

--- Write a value as JSON.
-- @param value
-- @treturn string
function M.encode(value)
  local text, fault = encode.encode(value)
  if not text then
    error.usage(2, "cannot encode as JSON: %s", fault)
  end
  return text
end

--- A value as a JSON parameter of a statement. Inside a value that is encoded
-- it stands for its text.
-- @param value
-- @treturn table
function M.wrap(value)
  local text, fault = encode.encode(value)
  if not text then
    error.usage(2, "cannot encode as JSON: %s", fault)
  end
  return setmetatable({ tagged.TEXT, text }, encode.Text)
end

--- Read a JSON text.
-- @tparam string text
-- @return its value
function M.decode(text)
  if type(text) ~= "string" then
    error.usage(2, "decode: expected string, got %s", type(text))
  end
  return decode(text)
end

return M
