--- Batches made by the FFI, for specs of what reads them.
-- @module spec.support.batch

local ffi = require "ffi"

-- The build generates covet.cdef; without a build, read the header.
if not pcall(require, "covet.cdef") then
  package.preload["covet.cdef"] = function()
    if not pcall(ffi.typeof, "covet_batch") then
      local file = assert(io.open "src/covet.h")
      local text = file:read "*a"
      file:close()
      ffi.cdef(text:match "/%* ffi: begin %*/(.-)/%* ffi: end %*/")
    end
    return true
  end
  require "covet.cdef"
end

local M = {}

M.KINDS = {
  null = 0, integer = 1, float = 2, text = 3, blob = 4, boolean = 5,
  json = 6, date = 7, time = 8, timestamp = 9, timestamptz = 10, numeric = 11,
  array = 12, composite = 13, range = 14, multirange = 15, map = 16,
  custom = 17,
}

-- What the structs point to, by the struct that points.
local kept = setmetatable({}, { __mode = "k" })
local last_id = 0

local function keep(owner, value)
  kept[owner] = kept[owner] or {}
  table.insert(kept[owner], value)
  return value
end

--- A shape. Columns are `{ name, kind name [, declared type [, its id]] }`.
-- @tparam table columns
-- @treturn cdata
function M.shape(columns)
  last_id = last_id + 1
  local shape = ffi.new "covet_shape"
  local list = keep(shape, ffi.new("covet_column[?]", #columns))
  for i, column in ipairs(columns) do
    local name, type = keep(shape, column[1]), keep(shape, column[3] or "")
    list[i - 1] = { name, type, #name, #type, M.KINDS[column[2] or "null"],
      column[4] or 0 }
  end
  -- Specs run in one process, but each with modules of its own.
  shape.id = last_id + math.random(2 ^ 30)
  shape.column_count, shape.columns = #columns, list
  return shape
end

--- A cell that is not what its Lua value suggests, for instance
-- `cell("blob", "x")`, `cell("boolean", 1)` or `cell("float", 0.5, 4)`, of single
-- precision.
function M.cell(kind, value, length)
  return { kind = M.KINDS[kind], value = value, length = length }
end

M.NULL = M.cell "null"

--- A nested cell. `fields`: `cells` (values, as for `batch`), and as in
-- covet_nested `names` (a list), `sizes` (of an array: length and lower bound of
-- each dimension, by default one that counts from 1), `flags`, `type_id`.
function M.nested(kind, fields)
  local cell = M.cell(kind)
  cell.nested = fields
  return cell
end

local fill

local function c_array(batch, kind, values)
  return keep(batch, ffi.new(kind .. "[?]", #values + 1, values))
end

local function fill_nested(batch, cell, kind, given)
  local nested = keep(batch, ffi.new "covet_nested")
  local cells = keep(batch, ffi.new("covet_cell[?]", #given.cells + 1))
  for i, value in ipairs(given.cells) do
    fill(batch, cells[i - 1], value)
  end
  nested.cells, nested.count = cells, #given.cells
  nested.flags, nested.type_id = given.flags or 0, given.type_id or 0
  if given.names then
    nested.names = c_array(batch, "const char *", given.names)
    keep(batch, given.names)
  end
  local sizes = given.sizes or kind == M.KINDS.array and { #given.cells, 1 }
  if sizes and #given.cells > 0 then
    nested.sizes, nested.dimensions = c_array(batch, "int32_t", sizes), #sizes / 2
  end
  cell.kind, cell.nested = kind, nested
end

function fill(batch, cell, value)
  if type(value) ~= "table" then
    local kind = type(value)
    if kind == "number" then
      kind = value % 1 == 0 and "integer" or "float"
    end
    value = M.cell(({ string = "text", cdata = "integer" })[kind] or kind,
      value)
  end
  if value.nested then
    return fill_nested(batch, cell, value.kind, value.nested)
  end
  cell.kind, cell.length, value = value.kind, value.length or 0, value.value
  if type(value) == "string" then
    cell.bytes, cell.length = keep(batch, value), #value
  elseif cell.kind == M.KINDS.float then
    cell.number = value
  elseif cell.kind == M.KINDS.null then
    cell.length = -1
  else
    cell.integer = type(value) == "boolean" and (value and 1 or 0) or value
  end
end

--- Without the binding while a file's tests run: what is made here is not the
-- binding's to free.
-- @tparam function before_each busted's
-- @tparam function after_each
function M.without_binding(before_each, after_each)
  local columns, decode = require "covet.columns", require "covet.decode"
  before_each(function()
    decode.set_free(nil)
    columns.set_release(nil)
  end)
  after_each(function()
    collectgarbage() -- what the test's own functions are to free
    if package.loaded["covet.setup"] then
      package.loaded["covet.setup"] = nil
      require "covet.setup"
    end
  end)
end

--- A batch of `rows`: lists of strings, numbers (whole ones are integers),
-- booleans, int64, or cells.
-- @tparam cdata shape
-- @tparam table rows
-- @treturn cdata `covet_batch`; keep it as long as it is read
function M.batch(shape, rows)
  local batch = ffi.new "covet_batch"
  local count = shape.column_count
  keep(batch, shape)
  batch.shape, batch.row_count = shape, #rows
  batch.cells = keep(batch, ffi.new("covet_cell[?]", #rows * count + 1))
  for r, values in ipairs(rows) do
    for c = 1, count do
      fill(batch, batch.cells[(r - 1) * count + c - 1], values[c])
    end
  end
  return batch
end

return M
