--- Lua values as texts of PostgreSQL's types.
--
-- Everything here answers the text, or nil and what is wrong: what was
-- expected, what was given and where in it, never a value.
-- @module covet.adapter.postgresql.encode

local ffi = require "ffi"
local datetime = require "covet.types.datetime"
local encode_json = require("covet.json.encode")
local exact = require("covet.json.number").exact
local literal = require "covet.decode.literal"
local nested = require "covet.decode.nested"
local null = require "covet.null"
local rows = require "covet.decode.row"
local tagged = require "covet.tagged"

local concat, find, floor, format = table.concat, string.find, math.floor,
  string.format
local huge, match = math.huge, string.match

-- The server's limit, and one for tables that contain themselves.
local MAX_DIMENSIONS, MAX_DEPTH = 6, 100

local is_tagged = tagged.is
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

local M = {}

local write

-- --- What was given -------------------------------------------------------------------

local function is_integer(value)
  return ffi.istype(int64, value) or ffi.istype(uint64, value)
end

-- What a value is, for messages.
local function describe(value)
  local kind = type(value)
  if kind == "table" then
    if is_tagged(value) then
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
    return is_integer(value) and "a 64-bit integer"
      or "cdata of type " .. match(tostring(ffi.typeof(value)), "^ctype<(.*)>$")
  elseif kind == "string" then
    return "a string"
  end
  return "a " .. kind
end

local function expected(kind, value, more)
  return nil, format("expected %s, got %s%s", kind.name, describe(value),
    more or "")
end

-- --- Scalars ---------------------------------------------------------------------------

local SPECIAL = { inf = "Infinity", ["-inf"] = "-Infinity", nan = "NaN",
  ["-nan"] = "NaN" }

-- A number of any kind as text.
local function number_text(value)
  local text = exact(value)
  return text and (SPECIAL[text] or text)
end

-- Each writes a value that is neither NULL nor tagged as a type of its form.
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

local DATE = 1082
local TIMES = { [1083] = true, [1266] = true }
local ZONED = { [1184] = true, [1266] = true }

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
  if ZONED[kind.oid] then -- as everywhere: UTC, and a date is its midnight
    fields.offset = fields.offset or 0
    fields.hour = fields.hour or fields.year and 0
  end
  if kind.oid == DATE then
    fields.hour = nil
  elseif TIMES[kind.oid] then
    fields.year = nil
  end
  if not (TIMES[kind.oid] and fields.hour or fields.year) then
    return nil, format("expected %s: %s is missing", kind.name,
      TIMES[kind.oid] and "hour" or "year")
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
    return kind.oid == DATE and match(text, "^%S+") .. (match(text, " BC$") or "")
      or TIMES[kind.oid] and match(text, " (%S+)")
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

-- A text takes an array where it is marked as one.
function FORMS.text(kind, value)
  if type(value) == "table" and (getmetatable(value) == encode_json.Array
    or nested.bounds(value)) then
    return FORMS.array({ name = "text[]", form = "array", delimiter = ",",
      element = kind }, value, 0)
  elseif type(value) == "table" then
    return expected(kind, value, "; covet.json(v) or covet.array(v) say what it "
      .. "is")
  end
  return FORMS.other(kind, value)
end

function FORMS.domain(kind, value, depth)
  return write(kind.element, value, depth)
end

-- --- Lists -------------------------------------------------------------------------------

-- The length of a list without holes; nil and what is wrong.
local function list_length(kind, value)
  local count, highest = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      return expected(kind, type(key) == "string" and { [key] = true } or value)
    end
    count, highest = count + 1, key > highest and key or highest
  end
  if count ~= highest then
    return nil, format("expected %s, got a list with holes: %d values up to "
      .. "index %s (covet.null is NULL)", kind.name, count, exact(highest))
  end
  return count
end

local function has_names(value)
  return type(next(value)) == "string"
end

-- Forms whose values are tables: tell whether a table is such a value and not
-- one more dimension of an array of them.
local IS_ELEMENT = {
  json = function() return true end,
  moment = has_names, range = has_names, hstore = function(value)
    return next(value) == nil or has_names(value)
  end,
}

--- What a type is but for the domains over it.
-- @tparam table kind
-- @treturn table
function M.base_of(kind)
  while kind.form == "domain" do
    kind = kind.element
  end
  return kind
end

local base_of = M.base_of

local function is_element(kind, value)
  if kind.codec then
    return true
  end
  kind = base_of(kind)
  local test = IS_ELEMENT[kind.form]
  return test ~= nil and test(value)
end

-- Of its attributes, or a list of their values, of which the first may be NULL.
function IS_ELEMENT.composite(value)
  local first = value[1]
  if first == nil then
    return rows.is_row(value) or next(value) ~= nil
  end
  return rows.is_row(value) or type(first) ~= "table" or is_tagged(first)
end

function IS_ELEMENT.multirange(value)
  local first = value[1]
  return first == nil or type(first) ~= "table" or has_names(first)
    or is_tagged(first)
end

-- The lengths of an array's dimensions.
local function measure(kind, value)
  local marked, lengths = nested.bounds(value), {}
  local wanted = marked and #marked
  while true do
    local length, fault = list_length(kind, value)
    if not length then
      return nil, fault
    end
    lengths[#lengths + 1] = length
    local first = value[1]
    if length == 0 or type(first) ~= "table" or is_tagged(first)
      or wanted and #lengths == wanted
      or not wanted and is_element(kind.element, first) then
      break
    elseif #lengths == MAX_DIMENSIONS then
      return nil, format("expected %s, got more than %d dimensions", kind.name,
        MAX_DIMENSIONS)
    end
    value = first
  end
  return lengths, marked and #marked == #lengths and marked or nil
end

local function at_element(i, fault)
  return format("element %d: %s", i, fault)
end

local function write_element(kind, value, depth)
  if value == nil or value == null then
    return "NULL"
  end
  local text, fault = write(kind.element, value, depth + 1)
  return text and literal.element(text, kind.delimiter), fault
end

-- What is wrong with a list within an array, or nil: all are of one length.
local function check_length(kind, value, wanted)
  if type(value) ~= "table" or is_tagged(value) then
    return format("expected a list of %d, got %s", wanted, describe(value))
  end
  local length, fault = list_length(kind, value)
  if length and length ~= wanted then
    return format("expected a list of %d as the others, got one of %d", wanted,
      length)
  end
  return fault
end

local function write_dimension(kind, value, lengths, level, out, depth)
  local fault = level > 1 and check_length(kind, value, lengths[level])
  if fault then
    return fault
  end
  out[#out + 1] = "{"
  for i = 1, lengths[level] do
    if i > 1 then
      out[#out + 1] = kind.delimiter
    end
    if level < #lengths then
      fault = write_dimension(kind, value[i], lengths, level + 1, out, depth)
    else
      out[#out + 1], fault = write_element(kind, value[i], depth)
    end
    if fault then
      return at_element(i, fault)
    end
  end
  out[#out + 1] = "}"
  return nil
end

-- "[2:4]=", or "" where all count from 1.
local function bounds_text(bounds, lengths)
  local out, plain = {}, true
  for i, lower in ipairs(bounds or {}) do
    out[i] = format("[%d:%d]", lower, lower + lengths[i] - 1)
    plain = plain and lower == 1
  end
  return plain and "" or concat(out) .. "="
end

function FORMS.array(kind, value, depth)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return expected(kind, value)
  end
  local lengths, bounds = measure(kind, value)
  if not lengths then
    return nil, bounds
  end
  local out = { bounds_text(bounds, lengths) }
  local fault = write_dimension(kind, value, lengths, 1, out, depth)
  if fault then
    return nil, fault
  end
  return lengths[#lengths] == 0 and "{}" or concat(out)
end

-- --- Composites, ranges, maps ----------------------------------------------------------------

local function refuse_attributes(kind, value)
  local known = {}
  for _, attribute in ipairs(kind.attributes) do
    known[attribute.name] = true
  end
  for key in pairs(value) do
    if not known[key] then
      return format("%s has no attribute %s", kind.name,
        type(key) == "string" and format("%q", key) or tostring(key))
    end
  end
  return nil
end

local function refuse_positions(kind, value)
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #kind.attributes
      or floor(key) ~= key then
      return format("%s has %d attributes, got a value at %s", kind.name,
        #kind.attributes, type(key) == "string" and format("%q", key)
          or tostring(key))
    end
  end
  return nil
end

function FORMS.composite(kind, value, depth)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return expected(kind, value)
  end
  if rows.is_row(value) then
    value = rows.table(value)
  end
  local named = next(value) == nil or has_names(value)
  local fault = (named and refuse_attributes or refuse_positions)(kind, value)
  if fault then
    return nil, fault
  end
  local out = {}
  for i, attribute in ipairs(kind.attributes) do
    local field = value[i]
    if named then
      field = value[attribute.name]
    end
    local text = ""
    if field ~= nil and field ~= null then
      text, fault = write(attribute.type, field, depth + 1)
      if not text then
        return nil, format("attribute %s: %s", attribute.name, fault)
      end
      text = literal.attribute(text)
    end
    out[i] = text
  end
  return "(" .. concat(out, ",") .. ")"
end

local RANGE_KEYS = { lower = true, upper = true, bounds = true, empty = true }
local BOUNDS = { ["[)"] = true, ["(]"] = true, ["[]"] = true, ["()"] = true }

local function range_fault(kind, value)
  for key in pairs(value) do
    if not RANGE_KEYS[key] then
      return format("expected %s { lower =, upper =, bounds = } or { empty = "
        .. "true }, got %s", kind.name, describe { [key] = true })
    end
  end
  if value.bounds ~= nil and not BOUNDS[value.bounds] then
    return format('bounds of a %s must be "[)", "(]", "[]" or "()"', kind.name)
  elseif next(value) == nil then
    return format("expected %s, got an empty table", kind.name)
  end
  return nil
end

local function write_bound(kind, value, side, depth)
  if value == nil or value == null then
    return ""
  end
  local text, fault = write(kind.element, value, depth + 1)
  if not text then
    return nil, side .. ": " .. fault
  end
  return literal.bound(text)
end

function FORMS.range(kind, value, depth)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return expected(kind, value)
  end
  local fault = range_fault(kind, value)
  if fault then
    return nil, fault
  elseif value.empty then
    return "empty"
  end
  local lower, lower_fault = write_bound(kind, value.lower, "lower", depth)
  local upper, upper_fault = write_bound(kind, value.upper, "upper", depth)
  if not (lower and upper) then
    return nil, lower_fault or upper_fault
  end
  local bounds = value.bounds or "[)"
  return bounds:sub(1, 1) .. lower .. "," .. upper .. bounds:sub(2)
end

function FORMS.multirange(kind, value, depth)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return expected(kind, value)
  end
  local length, fault = list_length(kind, value)
  if not length then
    return nil, fault
  end
  local out = {}
  for i = 1, length do
    out[i], fault = write(kind.element, value[i], depth + 1)
    if fault then
      return nil, at_element(i, fault)
    end
  end
  return "{" .. concat(out, ",") .. "}"
end

local TEXT = { name = "text", form = "other" }

local function map_item(item)
  if item == null then
    return "NULL"
  end
  local text, fault = write(TEXT, item, 0)
  return text and literal.map_text(text), fault
end

function FORMS.hstore(kind, value)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return expected(kind, value)
  end
  local out = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then
      return expected(kind, value)
    end
    local text, fault = map_item(item)
    if not text then
      return nil, format("key %q: %s", key, fault)
    end
    out[#out + 1] = literal.map_text(key) .. "=>" .. text
  end
  table.sort(out)
  return concat(out, ", ")
end

-- --- All of them -----------------------------------------------------------------------------

local function write_tagged(kind, value)
  if value[1] == tagged.BYTES and base_of(kind).form == "bytea" then
    return literal.bytes(value[2])
  end
  return value[2]
end

function write(kind, value, depth)
  if depth > MAX_DEPTH then
    return nil, format("nested more than %d deep", MAX_DEPTH)
  elseif kind.codec and kind.codec_tag == tagged.BYTES then
    return nil, format("the codec of %s writes bytes: inside of other values "
      .. "there is only text", kind.name)
  elseif kind.codec then
    return kind.codec(value)
  elseif is_tagged(value) then
    return write_tagged(kind, value)
  elseif type(value) == "string" and find(value, "%z")
    and base_of(kind).form ~= "bytea" then
    return nil, format("expected %s, got a string with a NUL byte", kind.name)
  end
  return FORMS[kind.form](kind, value, depth)
end

--- A value as the text of a type.
-- @tparam table kind of covet.adapter.postgresql.types
-- @param value not NULL
-- @treturn string|nil
-- @treturn string|nil what is wrong
function M.text(kind, value)
  return write(kind, value, 0)
end

return M
