--- The reading half of `covet.json`: one pass, a bounded depth.
-- @module covet.json.decode

local ffi = require "ffi"
local error = require "covet.error"
local null = require "covet.null"
local number = require "covet.json.number"
local Array = require("covet.json.encode").Array

local byte, char, find, format = string.byte, string.char, string.find,
  string.format
local match, sub = string.match, string.sub
local concat, floor, huge = table.concat, math.floor, math.huge
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
local MAX_EXACT = number.MAX_EXACT

local MAX_DEPTH = 1000

local UNESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n",
  r = "\r", t = "\t",
}
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local ARRAY_START, ARRAY_END, OBJECT_START, OBJECT_END = 91, 93, 123, 125
local MINUS, ZERO, NINE = 45, 48, 57

-- The functions below take the text and a position and give a value and the
-- position behind it; mistakes raise through `fail`.
local decode_value

local function fail(position, what)
  error.raise {
    kind = "invalid_value", position = position, retry = "no",
    message = format("not JSON: %s at byte %d", what, position),
  }
end

-- What stands at a position, for messages.
local function show(text, position)
  if position > #text then
    return "end of text"
  end
  local near = sub(text, position, position + 19)
  return format("unexpected %q", match(near, "^[%w_.+-]+") or sub(near, 1, 1))
end

-- The position of the first byte at or after `position` that is no blank.
local function skip_blanks(text, position)
  local code = byte(text, position)
  while code == 32 or code == 10 or code == 13 or code == 9 do
    position = position + 1
    code = byte(text, position)
  end
  return position, code
end

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64,
      0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- A \u escape, or a surrogate pair of them, with the backslash at `position`.
local function decode_code(text, position)
  local code = tonumber(match(text, "^u(%x%x%x%x)", position + 1) or "", 16)
  if not code then
    fail(position, "a bad \\u escape")
  elseif code >= 0xD800 and code <= 0xDFFF then
    local low = tonumber(
      match(text, "^\\u(%x%x%x%x)", position + 6) or "", 16)
    if code >= 0xDC00 or not low or low < 0xDC00 or low > 0xDFFF then
      fail(position, "half of a surrogate pair")
    end
    code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00)
    return utf8(code), position + 12
  end
  return utf8(code), position + 6
end

-- The rest of a string that has escapes; `stop` is the first of them.
local function decode_escaped(text, from, stop)
  local out, n, open = {}, 0, from - 1
  while true do
    out[n + 1] = sub(text, from, stop - 1)
    n = n + 1
    local code = byte(text, stop)
    if code == QUOTE then
      return concat(out), stop + 1
    elseif code ~= BACKSLASH then
      fail(stop, "a control character in a string")
    end
    local plain = UNESCAPES[sub(text, stop + 1, stop + 1)]
    if plain then
      out[n + 1], from = plain, stop + 2
    else
      if byte(text, stop + 1) ~= 117 then
        fail(stop, "a bad escape")
      end
      out[n + 1], from = decode_code(text, stop)
    end
    n = n + 1
    stop = find(text, '["\\%z\1-\31]', from)
    if not stop then
      fail(open, "a string without end")
    end
  end
end

-- The first byte of a string that does not stand for itself, from `position`;
-- nil at the end of the text. A loop over bytes, since `string.find` of a class
-- is never compiled.
local function string_stop(text, position)
  local code = byte(text, position)
  while code and code ~= QUOTE and code ~= BACKSLASH and code >= 32 do
    position = position + 1
    code = byte(text, position)
  end
  return code and position
end

local function decode_string(text, position)
  local stop = string_stop(text, position + 1)
  if not stop then
    fail(position, "a string without end")
  elseif byte(text, stop) == QUOTE then
    return sub(text, position + 1, stop - 1), stop + 1
  end
  return decode_escaped(text, position + 1, stop)
end

local MAX_INT64, MIN_INT64 = "9223372036854775807", "9223372036854775808"
local MAX_UINT64 = "18446744073709551615"

-- Is this integer, both without sign and leading zeros, at most `limit`?
local function at_most(digits, limit)
  return #digits < #limit or (#digits == #limit and digits <= limit)
end

-- An integer of more than 15 digits. Those that 64 bits cannot hold stay digits.
local function decode_integer(token)
  local value = tonumber(token)
  if value < MAX_EXACT and value > -MAX_EXACT then
    return value
  end
  local sign, digits = match(token, "^(-?)(%d+)$")
  if digits == "9007199254740992" then
    return value
  end
  local head, tail = tonumber(sub(digits, 1, -10)), tonumber(sub(digits, -9))
  if at_most(digits, sign == "" and MAX_INT64 or MIN_INT64) then
    local whole = int64(head) * 1000000000LL + tail
    return sign == "" and whole or -whole
  elseif sign == "" and at_most(digits, MAX_UINT64) then
    return uint64(head) * 1000000000ULL + tail
  end
  return token
end

-- A number with a point or an exponent. One that is beyond a double stays text.
local function decode_float(token)
  local value = tonumber(token)
  return (value == huge or value == -huge) and token or value
end

local function decode_number(text, position)
  local _, stop = find(text, "^-?%d+", position)
  if not stop or find(text, "^-?0%d", position) then
    fail(position, stop and "a leading zero" or show(text, position))
  end
  local code = byte(text, stop + 1)
  if code ~= 46 and code ~= 69 and code ~= 101 then
    local token = sub(text, position, stop)
    return stop - position < 15 and tonumber(token) or decode_integer(token),
      stop + 1
  end
  if code == 46 then
    _, stop = find(text, "^%.%d+", stop + 1)
  end
  if stop and find(text, "^[eE]", stop + 1) then
    _, stop = find(text, "^[eE][+-]?%d+", stop + 1)
  end
  if not stop then
    fail(position, "a bad number")
  end
  return decode_float(sub(text, position, stop)), stop + 1
end

local function decode_array(text, position, depth)
  local list, n = setmetatable({}, Array), 0
  local code
  position, code = skip_blanks(text, position + 1)
  if code == ARRAY_END then
    return list, position + 1
  end
  while true do
    n = n + 1
    list[n], position = decode_value(text, position, depth)
    position, code = skip_blanks(text, position)
    if code == ARRAY_END then
      return list, position + 1
    elseif code ~= COMMA then
      fail(position, show(text, position))
    end
    position = position + 1
  end
end

local function decode_object(text, position, depth)
  local object = {}
  local code, key
  position, code = skip_blanks(text, position + 1)
  if code == OBJECT_END then
    return object, position + 1
  end
  while true do
    if code ~= QUOTE then
      fail(position, show(text, position))
    end
    key, position = decode_string(text, position)
    position, code = skip_blanks(text, position)
    if code ~= COLON then
      fail(position, show(text, position))
    end
    object[key], position = decode_value(text, position + 1, depth)
    position, code = skip_blanks(text, position)
    if code == OBJECT_END then
      return object, position + 1
    elseif code ~= COMMA then
      fail(position, show(text, position))
    end
    position, code = skip_blanks(text, position + 1)
  end
end

local function decode_word(text, position)
  if sub(text, position, position + 3) == "true" then
    return true, position + 4
  elseif sub(text, position, position + 4) == "false" then
    return false, position + 5
  elseif sub(text, position, position + 3) == "null" then
    return null, position + 4
  end
  return fail(position, show(text, position))
end

function decode_value(text, position, depth)
  local code
  position, code = skip_blanks(text, position)
  if code == QUOTE then
    return decode_string(text, position)
  elseif code == OBJECT_START or code == ARRAY_START then
    if depth >= MAX_DEPTH then
      fail(position, format("values nested more than %d deep", MAX_DEPTH))
    end
    if code == OBJECT_START then
      return decode_object(text, position, depth + 1)
    end
    return decode_array(text, position, depth + 1)
  elseif code == MINUS or code and code >= ZERO and code <= NINE then
    return decode_number(text, position)
  end
  return decode_word(text, position)
end

--- Read a JSON text.
-- @tparam string text
-- @return its value
local function decode(text)
  local value, position = decode_value(text, 1, 0)
  position = skip_blanks(text, position)
  if position <= #text then
    fail(position, show(text, position))
  end
  return value
end

return decode
