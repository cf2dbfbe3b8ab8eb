--- Columnar results: typed arrays instead of rows.
--
--     local result = db:fetch_columns("select id, price, name from orders")
--     result.n                          -- rows
--     result.price.data[0]              -- double *, rows count from 0
--     result.name:get(1)                -- any value, rows count from 1
--
-- `result[i]` is a column by position and `result[name]` by name (of equal
-- names the last). A column whose name is a field or method of the result
-- (`n`, `names`, `to_arrow`) is there by position and by `result:column(name)`.
--
-- A column has `kind` ("int64", "double", "bool", "string", "blob", "null"),
-- `data` (`int64_t *`, `double *`, `uint8_t *`) or, for strings and blobs,
-- `offsets` (`int32_t *`, one more than rows) and `bytes` (`uint8_t *`);
-- `nulls`, a bitmap whose bit is set for NULL, lowest bit first; `null_count`,
-- `count`, `get(i)`, `table()`. The pointers are valid as long as the column
-- is referred to. See `covet.columns.column` for how kinds are found.
-- @module covet.columns

local ffi = require "ffi"
local arrow = require "covet.columns.arrow"
local column = require "covet.columns.column"
local plan = require "covet.decode.plan"
local row = require "covet.decode.row"

local M = {}

local Result = { __name = "covet.columns" }
Result.__index = Result

--- A column by name (the last of equal names), or nil.
-- @tparam string name
-- @treturn table|nil
function Result:column(name)
  for i = #self.names, 1, -1 do
    if self.names[i] == name then
      return self[i]
    end
  end
  return nil
end

--- The result as structs of the Arrow C data interface, without a copy but
-- for bitmaps. They stay valid when the result is gone. Whoever imports them
-- either moves them (and sets `release` to NULL in these) or leaves them: what
-- was not moved is released when the structs are collected.
-- @treturn cdata struct ArrowSchema
-- @treturn cdata struct ArrowArray, of kind struct with a child for each column
function Result:to_arrow()
  return arrow.export(self)
end

local Builder = { __name = "covet.columns_builder" }
Builder.__index = Builder

--- Append the rows of a batch of the same shape.
-- @tparam cdata batch `covet_batch *`, borrowed for the call
function Builder:append(batch)
  for i = 1, #self.columns do
    self.columns[i]:append(batch, #self.columns)
  end
  self.n = self.n + batch.row_count
end

--- The result. The builder is of no use afterwards.
-- @treturn table
function Builder:finish()
  local result = { n = self.n, names = self.names }
  for i, name in ipairs(self.names) do
    result[i] = self.columns[i]
    if name ~= "n" and name ~= "names" and not Result[name] then
      result[name] = self.columns[i]
    end
  end
  return setmetatable(result, Result)
end

--- Begin a columnar result.
-- @tparam cdata shape `const covet_shape *`, borrowed for the call
-- @tparam[opt] table types a plan of `decode.plan`; of its choices only
-- `numeric = "number"` changes a column
-- @treturn table with `append(batch)` and `finish()`
function M.new(shape, types)
  local info = row.describe(shape)
  types = types or plan.new()
  local columns = {}
  for i = 1, info.count do
    columns[i] = column.new(info.names[i], i, info.columns[i], types)
  end
  return setmetatable({ n = 0, names = info.names, columns = columns },
    Builder)
end

--- Give the functions that release exported structs; until then `to_arrow`
-- raises "unsupported".
-- @function set_release
-- @tparam userdata|cdata pointer `const covet_arrow_functions *`, see
-- src/lua/arrow.h
M.set_release = arrow.set_release

--- Append the batches of a delivery.
-- @tparam userdata|cdata batch the first `covet_batch *`, borrowed
-- @tparam table|nil builder nil: begin one of this shape
-- @tparam[opt] table types a plan
-- @treturn table the builder
function M.append_all(batch, builder, types)
  batch = ffi.cast("covet_batch *", batch)
  while batch ~= nil do
    builder = builder or M.new(batch.shape, types)
    builder:append(batch)
    batch = batch.next
  end
  return builder
end

--- The result of a statement that has no columns.
-- @treturn table
function M.empty()
  return setmetatable({ n = 0, names = {} }, Result)
end

return M
