--- Nested values as text, as PostgreSQL writes them.
-- @module covet.decode.literal

local ffi = require "ffi"
local bit = require "bit"
local hex = require "covet.hex"
local kinds = require "covet.decode.kinds"

local band, concat, find, format = bit.band, table.concat, string.find,
  string.format
local gsub, str, tonumber = string.gsub, ffi.string, tonumber

local NULL, INTEGER, FLOAT = kinds.NULL, kinds.INTEGER, kinds.FLOAT
local BLOB, BOOLEAN = kinds.BLOB, kinds.BOOLEAN
local EMPTY = kinds.RANGE_EMPTY
local LOWER_INCLUSIVE = kinds.RANGE_LOWER_INCLUSIVE
local UPPER_INCLUSIVE = kinds.RANGE_UPPER_INCLUSIVE
-- The length of a cell whose FLOAT has four bytes in the database, and so fewer
-- digits.
local SINGLE = 4
-- Id of a type: the elements of an array of boxes are separated by semicolons.
local BOX_ARRAY = 1020

local M = {}

-- --- Numbers and bytes ---------------------------------------------------------------

--- Bytes as `\x` and digits.
-- @tparam string bytes
-- @treturn string
function M.bytes(bytes)
  return "\\x" .. hex(bytes)
end

local function same_double(number, text)
  return tonumber(text) == number
end

local function same_single(number, text)
  return tonumber(ffi.cast("float", tonumber(text))) == number
end

local SPECIAL = { inf = "Infinity", ["-inf"] = "-Infinity" }

--- A float with as few digits as read back the same, in the server's form.
-- @tparam number number
-- @tparam[opt] boolean single a float of four bytes
-- @treturn string
function M.float(number, single)
  if number ~= number then
    return "NaN"
  elseif number - number ~= 0 then
    return SPECIAL[tostring(number)]
  end
  local is_same, text = single and same_single or same_double, nil
  for digits = 0, 16 do
    text = format("%." .. digits .. "e", number)
    if is_same(number, text) then
      break
    end
  end
  local sign, digits, exponent = text:match "^(-?)([%d.]+)e([+-]%d+)$"
  exponent = tonumber(exponent)
  if exponent < -4 or exponent >= (single and 6 or 15) then
    return format("%s%se%s%02d", sign, digits, exponent < 0 and "-" or "+",
      exponent < 0 and -exponent or exponent)
  end
  local places = #digits - 2 - exponent
  return format("%." .. (#digits > 1 and places > 0 and places
    or exponent < 0 and -exponent or 0) .. "f", number)
end

-- --- Quoting -------------------------------------------------------------------------------

local function quote(text)
  return '"' .. gsub(text, '["\\]', "\\%0") .. '"'
end

local function quote_doubled(text)
  return '"' .. gsub(text, '["\\]', "%0%0") .. '"'
end

--- An element of an array.
-- @tparam string text
-- @tparam[opt=","] string delimiter
-- @treturn string
function M.element(text, delimiter)
  if text == "" or find(text, '[{}"\\%s]') or find(text, delimiter or ",", 1, true)
    or #text == 4 and text:upper() == "NULL" then
    return quote(text)
  end
  return text
end

--- An attribute of a composite.
-- @tparam string text
-- @treturn string
function M.attribute(text)
  if text == "" or find(text, '[(),"\\%s]') then
    return quote_doubled(text)
  end
  return text
end

--- A bound of a range.
-- @tparam string text
-- @treturn string
function M.bound(text)
  if text == "" or find(text, '[][(),"\\%s]') then
    return quote_doubled(text)
  end
  return text
end

--- A key or a value of an hstore.
-- @function map_text
-- @tparam string text
-- @treturn string
M.map_text = quote

-- --- Cells -----------------------------------------------------------------------------------

local write

local function write_dimension(nested, out, dimension, at)
  local delimiter = nested.type_id == BOX_ARRAY and ";" or ","
  out[#out + 1] = "{"
  for i = 1, nested.sizes[2 * dimension] do
    if i > 1 then
      out[#out + 1] = delimiter
    end
    if dimension < nested.dimensions - 1 then
      at = write_dimension(nested, out, dimension + 1, at)
    else
      local cell = nested.cells[at]
      out[#out + 1] = cell.kind == NULL and "NULL"
        or M.element(write(cell), delimiter)
      at = at + 1
    end
  end
  out[#out + 1] = "}"
  return at
end

local function write_array(nested)
  local dimensions = nested.dimensions
  if dimensions == 0 then
    return "{}"
  end
  local out, plain = {}, true
  for i = 0, dimensions - 1 do
    local length, lower = nested.sizes[2 * i], nested.sizes[2 * i + 1]
    plain = plain and lower == 1
    out[i + 1] = format("[%d:%d]", lower, lower + length - 1)
  end
  out = plain and {} or { concat(out) .. "=" }
  write_dimension(nested, out, 0, 0)
  return concat(out)
end

local function write_composite(nested)
  local out = {}
  for i = 1, nested.count do
    local cell = nested.cells[i - 1]
    out[i] = cell.kind == NULL and "" or M.attribute(write(cell))
  end
  return "(" .. concat(out, ",") .. ")"
end

local function write_bound(cell)
  return cell.kind == NULL and "" or M.bound(write(cell))
end

local function write_range(nested)
  local flags = nested.flags
  if band(flags, EMPTY) ~= 0 then
    return "empty"
  end
  return (band(flags, LOWER_INCLUSIVE) ~= 0 and "[" or "(")
    .. write_bound(nested.cells[0]) .. "," .. write_bound(nested.cells[1])
    .. (band(flags, UPPER_INCLUSIVE) ~= 0 and "]" or ")")
end

local function write_multirange(nested)
  local out = {}
  for i = 1, nested.count do
    out[i] = write(nested.cells[i - 1])
  end
  return "{" .. concat(out, ",") .. "}"
end

local function write_map(nested)
  local out = {}
  for i = 0, nested.count - 2, 2 do
    local value = nested.cells[i + 1]
    out[#out + 1] = quote(write(nested.cells[i])) .. "=>"
      .. (value.kind == NULL and "NULL" or quote(write(value)))
  end
  return concat(out, ", ")
end

local WRITERS = {
  [kinds.ARRAY] = write_array, [kinds.COMPOSITE] = write_composite,
  [kinds.RANGE] = write_range, [kinds.MULTIRANGE] = write_multirange,
  [kinds.MAP] = write_map,
}

function write(cell)
  local kind = cell.kind
  local writer = WRITERS[kind]
  if writer then
    return writer(cell.nested)
  elseif kind == INTEGER then
    return (gsub(tostring(cell.integer), "LL$", ""))
  elseif kind == FLOAT then
    return M.float(cell.number, cell.length == SINGLE)
  elseif kind == BOOLEAN then
    return tonumber(cell.integer) ~= 0 and "t" or "f"
  end
  local text = str(cell.bytes, cell.length)
  return kind == BLOB and M.bytes(text) or text
end

--- A cell as text.
-- @function write
-- @tparam cdata cell not NULL
-- @treturn string
M.write = write

return M
