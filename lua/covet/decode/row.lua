--- Shapes as Lua sees them, and the rows that know theirs.
-- @module covet.decode.row

local ffi = require "ffi"
local error = require "covet.error"
local kinds = require "covet.decode.kinds"
local options = require "covet.options"

local format, lower = string.format, string.lower

local BOOLEAN, TIMESTAMP, CUSTOM = kinds.BOOLEAN, kinds.TIMESTAMP, kinds.CUSTOM
local INTEGER, UNSIGNED = kinds.INTEGER, kinds.UNSIGNED
local NESTED_CLASSES, TEXT_CLASSES = kinds.NESTED_CLASSES, kinds.TEXT_CLASSES

local M = {}

-- What is special about a column's values.
local function column_class(kind, type)
  if kind == BOOLEAN then
    return "boolean"
  elseif kind == CUSTOM then
    return "custom"
  elseif kind == UNSIGNED then
    return "unsigned"
  elseif kind == INTEGER and lower(type) == "tinyint(1)" then
    return "tinyint1"
  elseif NESTED_CLASSES[kind] then
    return NESTED_CLASSES[kind]
  end
  local name = lower(type):match "^%a+"
  if kind == TIMESTAMP and name == "timestamptz" then
    return name
  elseif TEXT_CLASSES[kind] then
    return TEXT_CLASSES[kind]
  end
  return (name == "numeric" or name == "decimal") and "numeric" or "plain"
end

local function describe_columns(info, shape)
  for i = 1, info.count do
    local column = shape.columns[i - 1]
    local name = ffi.string(column.name, column.name_length)
    local type = ffi.string(column.type, column.type_length)
    info.names[i], info.positions[name] = name, i
    info.places[i], info.places[name] = i, i
    info.bytes = info.bytes + #name
    info.columns[i] = {
      kind = column.kind, class = column_class(column.kind, type),
      type = type, type_id = column.type_id,
    }
  end
end

-- What is known of a row's shape, or nil.
local function shape_of(row)
  local class = type(row) == "table" and getmetatable(row)
  return type(class) == "table" and rawget(class, "covet_shape") or nil
end

--- Is it a record or a lazy row?
-- @param value anything
-- @treturn boolean
function M.is_row(value)
  return shape_of(value) ~= nil
end

local function info_of(row)
  local info = shape_of(row)
  if not info then
    error.usage(3, "expected a record or a lazy row, got %s", type(row))
  end
  return info
end

--- A plain table of a record or lazy row, keyed by name; NULLs are absent (or
-- what the plan made of them).
-- @tparam table row
-- @treturn table
function M.table(row)
  local info, result = info_of(row), {}
  for i = 1, info.count do
    result[info.names[i]] = row[i]
  end
  return result
end

--- The names of a record's or lazy row's columns.
-- @tparam table row
-- @treturn table a new list
function M.columns(row)
  local info, names = info_of(row), {}
  for i = 1, info.count do
    names[i] = info.names[i]
  end
  return names
end

local METHODS = { table = M.table, columns = M.columns }

local function unknown_column(info, key)
  local nearest = options.nearest(key, info.names)
  error.usage(3, "the row has no column %s%s", type(key) == "string"
    and format("%q", key) or tostring(key),
    nearest and format(", did you mean %q?", nearest) or "")
end

local function record_class(info)
  local positions = info.positions
  return {
    __name = "covet.record",
    covet_shape = info,
    __index = function(row, key)
      local position = positions[key]
      if position then
        return rawget(row, position)
      end
      return METHODS[key]
    end,
    __newindex = function(row, key, value)
      local position = positions[key]
      if not position then
        if type(key) ~= "number" or key < 1 or key > info.count
            or key % 1 ~= 0 then
          unknown_column(info, key)
        end
        position = key
      end
      rawset(row, position, value)
    end,
  }
end

local function refuse_write()
  error.usage(2, "lazy rows are read-only: change row:table()")
end

-- One metatable for each batch: it holds the batch for as long as a row lives.
local function lazy_class(info, get, batch)
  local cells, count, places = batch.cells, info.count, info.places
  return {
    __name = "covet.lazy_row",
    covet_shape = info,
    batch = batch,
    __newindex = refuse_write,
    __index = function(row, key)
      local place = places[key]
      if place then
        return get[place](cells[row[0] * count + place - 1])
      end
      return METHODS[key]
    end,
  }
end

--- Append lazy rows of a batch to a list. A row is { [0] = its index }.
-- @tparam table info
-- @tparam table get a function for each column that decodes a cell
-- @tparam cdata batch kept by the rows; what frees it is its finalizer
-- @tparam table out
-- @tparam number n the last index in use
-- @treturn number the last index
function M.append_lazy(info, get, batch, out, n)
  local class = lazy_class(info, get, batch)
  local rows = batch.row_count
  for i = 0, rows - 1 do
    out[n + 1 + i] = setmetatable({ [0] = i }, class)
  end
  return n + rows
end

--- All that is needed of a shape, as Lua values: `count`, `names`, `columns`
-- (each with `kind`, `class`, `type` and `type_id`), `positions` (by name; the last of equal
-- names), `places` (by name and by position), `Record` (the metatable).
-- @tparam cdata shape `const covet_shape *`
-- @treturn table
function M.describe(shape)
  local info = {
    count = shape.column_count, names = {}, columns = {}, positions = {},
    places = {}, bytes = 0,
  }
  describe_columns(info, shape)
  info.Record = record_class(info)
  return info
end

return M
