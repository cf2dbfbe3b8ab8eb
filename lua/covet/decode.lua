--- Rows out of batches.
--
-- A reader is a Lua function generated for one shape, one row form and one
-- plan of types (see `covet.decode.reader`).
--
-- Row forms:
--
-- * `named`: plain tables keyed by column name; of columns with the same name
--   the last one wins.
-- * `array`: plain tables by position.
-- * `record`: positions, with a metatable that knows the names: `row[1]`,
--   `row.id`, `row:table()`, `row:columns()`. Assigning to `row.id` assigns to
--   its position; a name that is no column raises. `pairs` sees positions. A
--   NULL is a hole, so `#row` is no count of columns: use `row:columns()`.
-- * `lazy`: a read-only view of the batch; a value is decoded when it is
--   touched, by name or position, each time anew. The rows keep the batch.
-- * `value`: the first column alone. NULLs leave holes: mind the count.
--
-- Columns called "table" or "columns" win over the methods of these names;
-- `decode.table(row)` and `decode.columns(row)` work for every row.
-- @module covet.decode

local ffi = require "ffi"
local collector = require "covet.decode.collector"
local error = require "covet.error"
local plan = require "covet.decode.plan"
local reader = require "covet.decode.reader"
local result = require "covet.decode.result"
local row = require "covet.decode.row"
local new_table = require "table.new"
require "covet.cdef"

local cast = ffi.cast
local rethrow = _G.error

local MAX_READERS = 500
-- From so many rows on the collector rests while a batch is decoded.
local PAUSE_ROWS = 256

local BATCH = ffi.typeof "covet_batch *"
local FREE = ffi.typeof "void (*)(covet_batch *)"

local FORMS = {
  named = true, record = true, array = true, lazy = true, value = true,
}

local M = {}

--- Make a plan of the user's choice of types.
-- @function plan
-- @see covet.decode.plan.new
M.plan = plan.new

--- The same plan, but for what NULL becomes.
-- @function plan_with_null
-- @see covet.decode.plan.with_null
M.plan_with_null = plan.with_null

--- What `types` can choose: see covet.decode.plan.
M.TYPES = plan.TYPES

--- A plain table of a record or lazy row, keyed by name.
-- @function table
-- @see covet.decode.row.table
M.table = row.table

--- The names of a record's or lazy row's columns.
-- @function columns
-- @see covet.decode.row.columns
M.columns = row.columns

local default_plan = plan.new()

local free_batch

--- Say how batches are freed. Until then nothing frees them.
-- @tparam cdata|userdata pointer `void (*)(covet_batch *)`
function M.set_free(pointer)
  free_batch = pointer ~= nil and ffi.cast(FREE, pointer) or nil
end

local function lazy_reader(info, types)
  local get = reader.getters(info, types)
  return function(batch, out, n)
    if free_batch then
      batch = ffi.gc(batch, free_batch)
    end
    return row.append_lazy(info, get, batch, out, n)
  end
end

-- The modes in use; a plan has its own by form, each with its readers by shape.
-- Shapes by id. All readers are dropped together.
local modes, shapes, reader_count = setmetatable({}, { __mode = "k" }), {}, 0

local function shape_info(shape)
  local info = shapes[shape.id]
  if not info then
    info = row.describe(shape)
    shapes[shape.id] = info
  end
  return info
end

local function forget_readers()
  for mode in pairs(modes) do
    mode.readers, mode.singles = {}, {}
  end
  shapes, reader_count = {}, 0
end

local function add_reader(mode, shape)
  if reader_count >= MAX_READERS then
    forget_readers()
  end
  local info = shape_info(shape)
  local made = mode.form == "lazy" and lazy_reader(info, mode.types)
    or reader.new(info, mode.form, mode.types)
  mode.readers[shape.id] = made
  reader_count = reader_count + 1
  return made
end

--- A row form with a plan: what the options of a call come down to. The same
-- two give the same mode.
-- @tparam[opt="named"] string form
-- @tparam[opt] table types a plan
-- @treturn table
function M.mode(form, types)
  form, types = form or "named", types or default_plan
  if not FORMS[form] then
    error.usage(2, "rows: must be named, record, array or lazy")
  end
  local mode = types.modes[form]
  if not mode then
    mode = { form = form, types = types, readers = {}, singles = {} }
    types.modes[form], modes[mode] = mode, true
  end
  return mode
end

--- The reader of a shape's rows.
-- @tparam cdata shape `const covet_shape *`
-- @tparam[opt="named"] string form
-- @tparam[opt] table types a plan
-- @treturn function `reader(batch, out, n)`: appends the rows of a
-- `covet_batch *` to `out` behind the index `n`, answers the last index. Lazy
-- readers take the batch, all others borrow it for the call.
function M.reader(shape, form, types)
  local mode = M.mode(form, types)
  return mode.readers[shape.id] or add_reader(mode, shape)
end

--- The columns of a batch.
-- @tparam userdata|cdata batch the first `covet_batch *`, borrowed
-- @treturn table a list of names, not to be changed
function M.names(batch)
  return shape_info(ffi.cast(BATCH, batch).shape).names
end

local function add_single(mode, batch)
  if reader_count >= MAX_READERS then
    forget_readers()
  end
  local made = reader.single(shape_info(batch.shape), mode.form, mode.types,
    batch)
  mode.singles[batch.shape.id] = made
  reader_count = reader_count + 1
  return made
end

-- The first of the lazy rows, which own the batch.
local function first_lazy(batch, mode)
  local out = {}
  M.reader(batch.shape, mode.form, mode.types)(batch, out, 0)
  return out[1]
end

--- The first row of a delivery of at most one row; the batch is taken, whatever
-- happens.
-- @tparam number|cdata batch `covet_batch *`
-- @tparam table mode
-- @return the row (the value, in mode "value"), or nil
-- @treturn boolean whether there was a row
function M.first(batch, mode)
  batch = cast(BATCH, batch)
  if batch.row_count == 0 then
    free_batch(batch)
    return nil, false
  elseif mode.form == "lazy" then
    return first_lazy(batch, mode), true
  end
  local read = mode.singles[batch.shape.id] or add_single(mode, batch)
  local fine, first = pcall(read, batch)
  free_batch(batch)
  if not fine then
    rethrow(first, 0)
  end
  return first, true
end

-- Decode one batch with the collector at rest if that is worth it.
local function read_batch(batch, form, types, out, n, kept)
  local read = M.reader(batch.shape, form, types)
  if batch.row_count < PAUSE_ROWS then
    return read(batch, out, n)
  end
  local mark, started = collector.pause(kept)
  local fine, last = pcall(read, batch, out, n)
  collector.resume(mark, started, kept)
  if not fine then
    rethrow(last, 0)
  end
  return last
end

local function free_list(batch)
  while batch ~= nil do
    local following = batch.next
    free_batch(batch)
    batch = following
  end
end

--- Take the first batch of a delivery off the others.
-- @tparam number|cdata batch the first `covet_batch *`
-- @treturn cdata it, alone
-- @treturn cdata|nil the others
function M.split(batch)
  batch = cast(BATCH, batch)
  local others = batch.next
  batch.next = nil
  return batch, others ~= nil and others or nil
end

--- Free the batches of a delivery.
-- @tparam userdata|cdata batch the first `covet_batch *`, taken
function M.free(batch)
  free_list(ffi.cast(BATCH, batch))
end

--- Decode the batches of a delivery and free them, whatever happens.
-- The collector rests for each large batch and is paid back after it.
-- @tparam userdata|cdata batch the first `covet_batch *`, taken, or nil
-- @tparam[opt="named"] string form
-- @tparam[opt] table types a plan
-- @tparam[opt] table out the list to append to
-- @tparam[opt=0] number n the last index in use
-- @tparam[opt] table kept the result that keeps the rows
-- @treturn table the list
-- @treturn number the last index in use
function M.rows(batch, form, types, out, n, kept)
  form, types = form or "named", types or default_plan
  batch = batch and ffi.cast(BATCH, batch)
  out, n = out or new_table(batch and batch.row_count or 0, 0), n or 0
  while batch ~= nil do
    local following = batch.next
    local fine, last = pcall(read_batch, batch, form, types, out, n, kept)
    if form ~= "lazy" and free_batch then
      free_batch(batch)
    end
    if not fine then
      if free_batch then
        free_list(following)
      end
      rethrow(last, 0)
    end
    batch, n = following, last
  end
  return out, n
end

--- Decode one batch into a result and free it, whatever happens.
-- @tparam table into of `covet.decode.result`
-- @tparam cdata batch alone, taken
-- @tparam table mode
function M.gather(into, batch, mode)
  local rows, n = M.rows(batch, mode.form, mode.types, nil, 0, into)
  result.add(into, rows, n)
end

return M
