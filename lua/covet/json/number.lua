--- Numbers as text, exactly.
-- @module covet.json.number

local ffi = require "ffi"

local find, format, match = string.find, string.format, string.match
local floor, istype = math.floor, ffi.istype
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

-- Integral numbers below this are written plainly by `tostring`.
local MAX_PLAIN = 1e14

local M = {}

--- Up to here (and down to its negative) every integer is a number.
M.MAX_EXACT = 2 ^ 53

local MAX_EXACT = M.MAX_EXACT
local MAX_INT64 = 0x7fffffffffffffffULL

-- As many digits as read back the same; always seen to be a float.
local function shortest(number)
  local text
  for digits = 14, 17 do
    text = format("%." .. digits .. "g", number)
    if tonumber(text) == number then
      break
    end
  end
  return find(text, "[.en]") and text or text .. ".0"
end

--- Whether a value is a 64-bit integer.
-- @param value anything
-- @treturn boolean
function M.is_wide(value)
  return istype(int64, value) or istype(uint64, value)
end

--- Whether a value is a 64-bit integer that 64 bits with a sign can hold.
-- @param value anything
-- @treturn boolean
function M.is_int64(value)
  return istype(int64, value) or istype(uint64, value) and value <= MAX_INT64
end

--- A number as text: integers within 2^53 and 64-bit cdata as plain digits,
-- other numbers with as many digits, 14 to 17, as read back the same and always
-- with a point or an exponent; "inf", "-inf" and "nan" as they are.
-- @tparam number|cdata value a number, an int64 or a uint64
-- @treturn string|nil nil for everything that is none of those
function M.exact(value)
  if type(value) == "number" then
    if floor(value) == value and value <= MAX_EXACT and value >= -MAX_EXACT
      and (value ~= 0 or 1 / value > 0) then
      if value < MAX_PLAIN and value > -MAX_PLAIN then
        return tostring(value)
      end
      return format("%.0f", value)
    end
    return shortest(value)
  elseif M.is_wide(value) then
    return match(tostring(value), "^-?%d+")
  end
  return nil
end

return M
