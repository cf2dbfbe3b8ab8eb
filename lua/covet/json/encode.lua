--- The writing half of `covet.json`.
-- @module covet.json.encode

local null = require "covet.null"
local number = require "covet.json.number"
local tagged = require "covet.tagged"

local byte, char, find, format = string.byte, string.char, string.find,
  string.format
local gsub, concat, floor, huge = string.gsub, table.concat, math.floor,
  math.huge
local exact, MAX_EXACT = number.exact, number.MAX_EXACT

local MAX_DEPTH = 1000

local M = {}

--- The metatable of tables that are arrays even when empty.
M.Array = { __name = "covet.array" }
--- The metatable of `{ 3, text }`, a text that is JSON already.
M.Text = tagged.class "covet.json"
--- The metatable of `{ 2, bytes }`, which JSON cannot hold.
M.Bytes = tagged.class "covet.bytes"

local Array, Text, Bytes = M.Array, M.Text, M.Bytes

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}
for code = 0, 31 do
  local control = char(code)
  ESCAPES[control] = ESCAPES[control] or format("\\u%04x", code)
end

-- How many bytes follow a leading byte, and the bounds of the first of them
-- where they are narrower than 0x80..0xBF (overlong forms, surrogates, the end
-- of Unicode).
local FOLLOWING, LOWEST, HIGHEST = {}, {}, {}
for lead = 0xC2, 0xF4 do
  FOLLOWING[lead] = lead >= 0xF0 and 3 or lead >= 0xE0 and 2 or 1
  LOWEST[lead] = lead == 0xE0 and 0xA0 or lead == 0xF0 and 0x90 or 0x80
  HIGHEST[lead] = lead == 0xED and 0x9F or lead == 0xF4 and 0x8F or 0xBF
end

-- The position of the first byte that is not UTF-8, or nil. Plain arithmetic
-- on bytes, so that it compiles.
local function find_invalid_utf8(text, position)
  local length = #text
  while position <= length do
    local lead = byte(text, position)
    if lead < 0x80 then
      position = position + 1
    else
      local following = FOLLOWING[lead]
      if not following or position + following > length then
        return position
      end
      local second = byte(text, position + 1)
      if second < LOWEST[lead] or second > HIGHEST[lead] then
        return position
      end
      for i = position + 2, position + following do
        local next_byte = byte(text, i)
        if next_byte < 0x80 or next_byte > 0xBF then
          return position
        end
      end
      position = position + following + 1
    end
  end
  return nil
end

-- The functions below write to a list of pieces, `out`, whose length is
-- `out.n`. What cannot be encoded is noted in `out.fault`, which ends all.
local encode_value

-- Bytes that stand for themselves and are UTF-8 alone.
local PLAIN = {}
for code = 0, 255 do
  PLAIN[code] = code < 128 and not ESCAPES[char(code)]
end

-- A loop over bytes, since `string.find` of a class is never compiled.
local function is_plain(text)
  for i = 1, #text do
    if not PLAIN[byte(text, i)] then
      return false
    end
  end
  return true
end

local function encode_string(out, text)
  if not is_plain(text) then
    local high = find(text, "[\128-\255]")
    local invalid = high and find_invalid_utf8(text, high)
    if invalid then
      out.fault = format("a string is not UTF-8 at byte %d", invalid)
    end
    text = gsub(text, '[%z\1-\31"\\]', ESCAPES)
  end
  local n = out.n
  out[n + 1], out[n + 2], out[n + 3] = '"', text, '"'
  out.n = n + 3
end

local function encode_number(out, value)
  if value ~= value or value == huge or value == -huge then
    out.fault = "JSON has no number " .. tostring(value)
  end
  out.n = out.n + 1
  out[out.n] = exact(value)
end

-- The length of a table whose keys are all positive integers; false for other
-- tables; nil and a fault when there are holes. An empty table has length 0
-- only when it is marked.
local function array_length(out, value)
  local count, highest = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      return false
    end
    count = count + 1
    highest = key > highest and key or highest
  end
  if highest ~= count then
    out.fault = format("an array has holes: %d values up to index %s "
      .. "(use json.null, or string keys)", count, exact(highest))
    return nil
  end
  return (count > 0 or getmetatable(value) == Array) and count
end

local function encode_array(out, value, length, depth)
  out.n = out.n + 1
  out[out.n] = "["
  for i = 1, length do
    if i > 1 then
      out.n = out.n + 1
      out[out.n] = ","
    end
    encode_value(out, value[i], depth)
    if out.fault then
      return
    end
  end
  out.n = out.n + 1
  out[out.n] = "]"
end

-- A key as a string; nil and a fault when it cannot be one.
local function key_text(out, object, key)
  if type(key) == "string" then
    return key
  elseif type(key) ~= "number" or floor(key) ~= key
    or key > MAX_EXACT or key < -MAX_EXACT then
    out.fault = format("a key must be a string or an integer, not a %s",
      type(key) == "number" and "fraction" or type(key))
    return nil
  end
  local text = exact(key)
  if object[text] ~= nil then
    out.fault = format("key %s is there as a number and as a string", text)
  end
  return text
end

local function encode_object(out, value, depth)
  local opening = "{"
  for key, item in next, value do
    local text = key_text(out, value, key)
    if not text then
      return
    end
    out.n = out.n + 1
    out[out.n] = opening
    opening = ","
    encode_string(out, text)
    out.n = out.n + 1
    out[out.n] = ":"
    encode_value(out, item, depth)
    if out.fault then
      return
    end
  end
  out.n = out.n + 1
  out[out.n] = opening == "{" and "{}" or "}"
end

local function encode_table(out, value, depth)
  local class = getmetatable(value)
  if class == Text then
    out.n = out.n + 1
    out[out.n] = value[2]
    return
  elseif class == Bytes then
    out.fault = "JSON has no bytes: write them as hex or base64 first"
    return
  elseif type(class) == "table" and rawget(class, "covet_shape") then
    return encode_value(out, require("covet.decode.row").table(value), depth)
  elseif depth >= MAX_DEPTH then
    out.fault = format("tables are nested more than %d deep", MAX_DEPTH)
    return
  end
  local length = array_length(out, value)
  if length then
    encode_array(out, value, length, depth + 1)
  elseif class == Array and not out.fault then
    out.fault = "a table marked as an array has keys that are no indexes"
  elseif not out.fault then
    encode_object(out, value, depth + 1)
  end
end

function encode_value(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    encode_string(out, value)
  elseif kind == "number" then
    encode_number(out, value)
  elseif kind == "table" then
    encode_table(out, value, depth)
  else
    local text = kind == "boolean" and tostring(value)
      or (value == nil or value == null) and "null"
      or kind == "cdata" and exact(value)
    if not text then
      out.fault = format("JSON has no %s", kind)
    end
    out.n = out.n + 1
    out[out.n] = text or ""
  end
end

--- Write a value as JSON.
-- @param value
-- @treturn string|nil the text
-- @treturn string|nil else what cannot be written
function M.encode(value)
  local out = { n = 0 }
  encode_value(out, value, 0)
  if out.fault then
    return nil, out.fault
  end
  return concat(out, "", 1, out.n)
end

return M
