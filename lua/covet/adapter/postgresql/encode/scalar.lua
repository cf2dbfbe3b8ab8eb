--- Lua values as texts of PostgreSQL's types that are made of no others.
-- @module covet.adapter.postgresql.encode.scalar

local ffi = require "ffi"
local datetime = require "covet.types.datetime"
local encode_json = require "covet.json.encode"
local literal = require "covet.decode.literal"
local number = require "covet.json.number"
local say = require "covet.adapter.postgresql.encode.say"

local find, floor, format = string.find, math.floor, string.format
local huge, match = math.huge, string.match

local describe, expected, is_integer = say.describe, say.expected, number.is_wide
local uint64, exact = ffi.typeof "uint64_t", number.exact

local SPECIAL = { inf = "Infinity", ["-inf"] = "-Infinity", nan = "NaN",
  ["-nan"] = "NaN" }

-- A number of any kind as text.
local function number_text(value)
  local text = exact(value)
  return text and (SPECIAL[text] or text)
end

-- Each writes a value that is neither NULL nor tagged as a type of its form:
-- `form(kind, value)` answers the text, or nil and what is wrong.
local FORMS = {}

function FORMS.boolean(kind, value)
  if type(value) == "boolean" then
    return value and "t" or "f"
  elseif type(value) == "string" then
    return value
  end
  return expected(kind, value)
end

local LIMITS = {
  int2 = { -0x8000, 0x7fff }, int4 = { -0x80000000, 0x7fffffff },
  oid = { 0, 0xffffffff },
  int8 = { -0x8000000000000000LL, 0x7fffffffffffffffLL },
}

-- Comparisons between numbers, int64 and uint64 are not exact in all pairs.
local function fits(value, limits)
  if ffi.istype(uint64, value) then
    return value <= ffi.cast(uint64, limits[2])
  elseif type(value) == "number" and type(limits[1]) == "cdata" then
    return value >= -2 ^ 63 and value < 2 ^ 63
  end
  return value >= limits[1] and value <= limits[2]
end

local function write_integer(kind, value)
  if type(value) == "string" then
    if find(value, "^%s*[+-]?%d+%s*$") then
      return value
    end
    return expected(kind, value, " that is no integer")
  elseif type(value) ~= "number" and not is_integer(value)
    or type(value) == "number" and (floor(value) ~= value
      or value - value ~= 0) then
    return expected(kind, value)
  elseif not fits(value, LIMITS[kind.form]) then
    return expected(kind, value, " out of its range")
  elseif type(value) == "number" then
    return format("%.0f", value)
  end
  return exact(value)
end

FORMS.int2, FORMS.int4, FORMS.int8, FORMS.oid = write_integer, write_integer,
  write_integer, write_integer

function FORMS.numeric(kind, value)
  if type(value) == "string" then
    return value
  end
  local text = number_text(value)
  if not text then
    return expected(kind, value)
  end
  return text
end

FORMS.float = FORMS.numeric

function FORMS.bytea(kind, value)
  if type(value) ~= "string" then
    return expected(kind, value)
  end
  return literal.bytes(value)
end

function FORMS.json(_, value)
  local text, fault = encode_json.encode(value)
  if not text then
    return nil, "cannot encode as JSON: " .. fault
  end
  return text
end

local MOMENT_KEYS = {
  year = true, month = true, day = true, hour = true, min = true, sec = true,
  usec = true, offset = true, isdst = true, wday = true, yday = true,
}

-- What is wrong with a table of date and time, or nil.
local function moment_fault(value)
  for key, field in pairs(value) do
    if not MOMENT_KEYS[key] then
      return format("there is no field %s in a date or time", tostring(key))
    elseif key ~= "isdst" and (type(field) ~= "number"
      or floor(field) ~= field) then
      return format("field %s: expected integer, got %s", key, describe(field))
    end
  end
  if value.usec and (value.usec < 0 or value.usec > 999999) then
    return "usec: expected 0 to 999999, got a number out of that range"
  elseif value.year and not (value.month and value.day) then
    return "year without month and day"
  elseif not value.year and not value.hour then
    return "neither year nor hour"
  end
  return nil
end

local IS_TIME = { time = true, timetz = true }
local IS_ZONED = { timestamptz = true, timetz = true }

-- A date in the fields of a timestamp, and the like, are cut to their type.
local function write_moment(kind, value)
  local fault = moment_fault(value)
  if fault then
    return nil, format("expected %s: %s", kind.name, fault)
  end
  local fields = {}
  for key, field in pairs(value) do
    fields[key] = field
  end
  if IS_ZONED[kind.moment] then -- as everywhere: UTC, and a date is its midnight
    fields.offset = fields.offset or 0
    fields.hour = fields.hour or fields.year and 0
  end
  if kind.moment == "date" then
    fields.hour = nil
  elseif IS_TIME[kind.moment] then
    fields.year = nil
  end
  if not (IS_TIME[kind.moment] and fields.hour or fields.year) then
    return nil, format("expected %s: %s is missing", kind.name,
      IS_TIME[kind.moment] and "hour" or "year")
  end
  return datetime.from_table(fields)
end

function FORMS.moment(kind, value)
  if type(value) == "string" then
    return value
  elseif type(value) == "table" then
    return write_moment(kind, value)
  elseif type(value) == "number" then
    local text = datetime.from_epoch(value)
    if not text then
      return value == huge and "infinity" or value == -huge and "-infinity"
        or expected(kind, value)
    end
    return kind.moment == "date" and match(text, "^%S+") .. (match(text, " BC$") or "")
      or IS_TIME[kind.moment] and match(text, " (%S+)")
      or text
  end
  return expected(kind, value)
end

-- The server cannot read a row whose type it does not know.
local RECORD = 2249

-- Whatever has a text.
function FORMS.other(kind, value)
  if type(value) == "string" then
    return value
  elseif type(value) == "boolean" then
    return value and "true" or "false"
  end
  local text = number_text(value)
  if not text then
    return expected(kind, value, kind.oid == RECORD
      and "; cast the parameter to its composite type" or "")
  end
  return text
end

return FORMS
