--- Values made of others: arrays, composites, ranges, multiranges, maps.
--
-- * An array is a list that counts from 1 and carries the mark of
--   `covet.array`; NULL is `covet.null`; several dimensions are lists of lists.
--   What a list cannot say, other lower bounds than 1 and the number of
--   dimensions, stands in its metatable: see `dimensions`.
-- * A composite is a table by the names of its attributes, where NULL is absent
--   (or what the plan makes of it); without names it is a list.
-- * A range is `{ lower =, upper =, bounds = "[)" }`, an infinite side absent,
--   or `{ empty = true }`; a multirange is a list of these.
-- * A map is a table of its keys; NULL is `covet.null`.
-- @module covet.decode.nested

local ffi = require "ffi"
local bit = require "bit"
local kinds = require "covet.decode.kinds"
local null = require "covet.null"
local literal = require "covet.decode.literal"
local Array = require("covet.json.encode").Array
local new_table = require "table.new"

local band, concat, str, tonumber = bit.band, table.concat, ffi.string, tonumber

local NULL, CUSTOM = kinds.NULL, kinds.CUSTOM
local EMPTY = kinds.RANGE_EMPTY
local LOWER_INCLUSIVE = kinds.RANGE_LOWER_INCLUSIVE
local UPPER_INCLUSIVE = kinds.RANGE_UPPER_INCLUSIVE

local NAN = 0 / 0
-- Of a plan: which of its entries decides about a kind.
local ENTRIES = {
  [kinds.ARRAY] = "array", [kinds.COMPOSITE] = "composite",
  [kinds.RANGE] = "range", [kinds.MULTIRANGE] = "range", [kinds.MAP] = "hstore",
}

local M = {}

-- --- Arrays ----------------------------------------------------------------------

-- Metatables of lists that are more than a plain list says: one for each list
-- of lower bounds.
local shapes = setmetatable({}, { __mode = "v" })

--- Mark a list as an array of these dimensions, given by their lower bounds.
-- @tparam table list
-- @tparam table bounds a number for each dimension
-- @treturn table the list
function M.mark(list, bounds)
  local key = concat(bounds, ",")
  local class = shapes[key]
  if not class then
    class = { __name = "covet.array", covet_bounds = bounds }
    shapes[key] = class
  end
  return setmetatable(list, class)
end

--- The lower bounds of a marked array, one for each dimension.
-- @param value anything
-- @treturn table|nil
function M.bounds(value)
  local class = getmetatable(value)
  return type(class) == "table" and rawget(class, "covet_bounds") or nil
end

-- The elements from `at` on of one dimension and those below it.
local function read_dimension(nested, read, dimension, at)
  local length = nested.sizes[2 * dimension]
  local list, last = new_table(length, 0), nested.dimensions - 1
  for i = 1, length do
    if dimension < last then
      list[i], at = read_dimension(nested, read, dimension + 1, at)
      setmetatable(list[i], Array)
    else
      local cell = nested.cells[at]
      if cell.kind == NULL then
        list[i] = null
      else
        list[i] = read(cell, nested, 0)
      end
      at = at + 1
    end
  end
  return list, at
end

local function read_array(nested, read)
  local dimensions = nested.dimensions
  if dimensions == 0 then
    return setmetatable({}, Array)
  end
  local list = read_dimension(nested, read, 0, 0)
  local bounds, plain = {}, dimensions == 1
  for i = 1, dimensions do
    bounds[i] = nested.sizes[2 * i - 1]
    plain = plain and bounds[i] == 1
  end
  return plain and setmetatable(list, Array) or M.mark(list, bounds)
end

-- --- The others --------------------------------------------------------------------

local function read_composite(nested, read, absent)
  local count = nested.count
  local row, named = {}, nested.names ~= nil
  for i = 0, count - 1 do
    local cell, key = nested.cells[i], i + 1
    if named then
      key = str(nested.names[i])
    end
    if cell.kind ~= NULL then
      row[key] = read(cell, nested, i)
    elseif named then
      row[key] = absent
    else
      row[key] = null
    end
  end
  return row
end

local function read_range(nested, read)
  local flags = nested.flags
  if band(flags, EMPTY) ~= 0 then
    return { empty = true }
  end
  local lower, upper = nested.cells[0], nested.cells[1]
  local range = {
    bounds = (band(flags, LOWER_INCLUSIVE) ~= 0 and "[" or "(")
      .. (band(flags, UPPER_INCLUSIVE) ~= 0 and "]" or ")"),
  }
  if lower.kind ~= NULL then
    range.lower = read(lower, nested, 0)
  end
  if upper.kind ~= NULL then
    range.upper = read(upper, nested, 1)
  end
  return range
end

local function read_list(nested, read)
  local list = new_table(nested.count, 0)
  for i = 1, nested.count do
    list[i] = read(nested.cells[i - 1], nested, i - 1)
  end
  return setmetatable(list, Array)
end

local function read_map(nested, read)
  local map = {}
  for i = 0, nested.count - 2, 2 do
    local value = nested.cells[i + 1]
    local key = str(nested.cells[i].bytes, nested.cells[i].length)
    if value.kind == NULL then
      map[key] = null
    else
      map[key] = read(value, nested, i + 1)
    end
  end
  return map
end

local READERS = {
  [kinds.ARRAY] = read_array, [kinds.COMPOSITE] = read_composite,
  [kinds.RANGE] = read_range, [kinds.MULTIRANGE] = read_list,
  [kinds.MAP] = read_map,
}

-- --- Cells ---------------------------------------------------------------------------

--- An integer: a number, or beyond 2^53, as a double sees it, the cdata.
-- @tparam cdata integer int64
-- @treturn number|cdata
function M.exact(integer)
  if integer <= 9007199254740992LL and integer >= -9007199254740992LL then
    return tonumber(integer)
  end
  return integer
end

--- An integer as digits.
-- @tparam cdata integer int64
-- @treturn string
function M.decimal(integer)
  return tostring(integer):sub(1, -3)
end

local INTEGERS = {
  exact = M.exact, number = tonumber, string = M.decimal,
  cdata = function(integer) return integer end,
}

local function text_of(cell)
  return str(cell.bytes, cell.length)
end

-- Functions of a cell by its kind, but for nested ones.
local function plain_readers(plan)
  local integer = INTEGERS[plan.int8]
  local readers = {
    [kinds.INTEGER] = function(cell) return integer(cell.integer) end,
    [kinds.FLOAT] = function(cell)
      local number = cell.number
      return number == number and number or NAN
    end,
    [kinds.TEXT] = text_of, [kinds.BLOB] = text_of,
    [kinds.BOOLEAN] = function(cell) return tonumber(cell.integer) ~= 0 end,
    [CUSTOM] = function(cell, nested, index)
      return plan.custom(nested.type_id, index, text_of(cell))
    end,
  }
  for kind, class in pairs(kinds.TEXT_CLASSES) do
    local convert = plan.convert[class]
    readers[kind] = convert and function(cell) return convert(text_of(cell)) end
      or text_of
  end
  return readers
end

--- Make the function that reads nested cells as a plan wants them.
-- @tparam table plan
-- @treturn function `read(cell)`
function M.reader(plan)
  local readers, absent = plain_readers(plan), plan.null
  local function read(cell, nested, index)
    return readers[cell.kind](cell, nested, index)
  end
  for kind, reader in pairs(READERS) do
    if plan[ENTRIES[kind]] == "string" then
      readers[kind] = literal.write
    else
      readers[kind] = function(cell) return reader(cell.nested, read, absent) end
    end
  end
  return read
end

return M
