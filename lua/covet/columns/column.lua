--- One column of a columnar result, in malloc'ed buffers.
--
-- A column has a kind from what the database declares, or from its first
-- value. Values of another kind are taken in only where nothing is lost:
--
-- * integers and floats together are "double", if a double holds each integer;
-- * integers besides 0 and 1 make a "bool" column "int64";
-- * blobs among texts make the column "blob";
-- * numbers in a column that is declared as text are written as text, exactly;
-- * arrays, composites and other nested values are written as the database's
--   text;
-- * text in a numeric column is read as a number when the plan asks for that.
--
-- All else raises "datatype_mismatch" with the column and the row.
-- @module covet.columns.column

local ffi = require "ffi"
local bit = require "bit"
local error = require "covet.error"
local json = require "covet.json"
local kinds = require "covet.decode.kinds"
local literal = require "covet.decode.literal"
require "covet.cdef"

local C = ffi.C
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local ceil, format, max = math.ceil, string.format, math.max

-- LuaJIT allows a declaration to be repeated when it is the same.
ffi.cdef [[
void *realloc(void *pointer, size_t size);
void free(void *pointer);
]]

local NULL, INTEGER, FLOAT = kinds.NULL, kinds.INTEGER, kinds.FLOAT
local TEXT, BLOB, BOOLEAN = kinds.TEXT, kinds.BLOB, kinds.BOOLEAN
-- And what lies between them: nested values.
local ARRAY, CUSTOM = kinds.ARRAY, kinds.CUSTOM
local UNSIGNED = kinds.UNSIGNED
local KIND_NAMES = { "an integer", "a float", "text", "a blob", "a boolean" }

-- Columns by covet_kind: of declared kinds, and of the first value.
local KINDS = {
  [INTEGER] = "int64", [FLOAT] = "double", [TEXT] = "string", [BLOB] = "blob",
  [BOOLEAN] = "bool", [UNSIGNED] = "uint64",
}

local POINTERS = {
  int64 = ffi.typeof "int64_t *", uint64 = ffi.typeof "uint64_t *",
  double = ffi.typeof "double *", bool = ffi.typeof "uint8_t *",
}
local WIDTHS = { int64 = 8, uint64 = 8, double = 8, bool = 1 }
local OFFSETS, BYTES = ffi.typeof "int32_t *", ffi.typeof "uint8_t *"

local MIN_ROWS, MIN_BYTES, MAX_BYTES = 64, 1024, 2 ^ 31 - 1
local EXACT = 2 ^ 53

local Column = { __name = "covet.column" }
Column.__index = Column

-- Buffers ---------------------------------------------------------------------

local function resize(type, buffer, size)
  local moved = C.realloc(buffer, size)
  if moved == nil then
    error.raise { kind = "out_of_memory",
      message = format("no memory for a column of %d bytes", size) }
  end
  if buffer then
    ffi.gc(buffer, nil)
  end
  return ffi.gc(ffi.cast(type, moved), C.free)
end

local function make_room_for_rows(column, rows)
  if rows <= column.capacity then
    return
  end
  local old = column.capacity
  local capacity = ceil(max(rows, 2 * old, MIN_ROWS) / 8) * 8
  column.nulls = resize(BYTES, column.nulls, capacity / 8)
  ffi.fill(column.nulls + old / 8, (capacity - old) / 8)
  if POINTERS[column.kind] then
    column.data = resize(POINTERS[column.kind], column.data,
      capacity * WIDTHS[column.kind])
  elseif column.kind ~= "null" then
    column.offsets = resize(OFFSETS, column.offsets, (capacity + 1) * 4)
  end
  column.capacity = capacity
end

local function make_room_for_bytes(column, size)
  if size > MAX_BYTES then
    error.raise { kind = "unsupported", column = column.name, message =
      format("column %q holds more than 2 GB of text", column.name),
      hint = "fetch fewer rows at a time" }
  end
  local capacity = max(size, 2 * column.byte_capacity, MIN_BYTES)
  column.bytes = resize(BYTES, column.bytes, capacity)
  column.byte_capacity = capacity
end

-- Empty buffers of a kind, for rows that are NULL so far.
local function set_kind(column, kind, rows)
  column.kind = kind
  local room = max(column.capacity, MIN_ROWS)
  column.data, column.offsets = nil, nil
  if POINTERS[kind] then
    column.data = resize(POINTERS[kind], nil, room * WIDTHS[kind])
    ffi.fill(column.data, rows * WIDTHS[kind])
  elseif kind ~= "null" then
    column.offsets = resize(OFFSETS, nil, (room + 1) * 4)
    ffi.fill(column.offsets, (rows + 1) * 4)
    if not column.bytes then
      make_room_for_bytes(column, MIN_BYTES)
    end
  end
end

local function mark_null(column, nulls, row)
  local byte = rshift(row, 3)
  nulls[byte] = bor(nulls[byte], lshift(1, band(row, 7)))
  column.null_count = column.null_count + 1
end

local function is_null(column, row)
  return band(column.nulls[rshift(row, 3)], lshift(1, band(row, 7))) ~= 0
end

-- Appending -------------------------------------------------------------------

-- Each appends cells from row `row` of a batch on and answers the row of the
-- first cell that it cannot take, or `rows`.
local append = {}

append["null"] = function(column, cells, step, row, rows)
  while row < rows and cells[row * step].kind == NULL do
    mark_null(column, column.nulls, column.count + row)
    row = row + 1
  end
  return row
end

function append.int64(column, cells, step, row, rows)
  local data, nulls, base = column.data, column.nulls, column.count
  while row < rows do
    local cell = cells[row * step]
    if cell.kind == INTEGER or cell.kind == BOOLEAN then
      data[base + row] = cell.integer
    elseif cell.kind == NULL then
      data[base + row] = 0
      mark_null(column, nulls, base + row)
    else
      return row
    end
    row = row + 1
  end
  return row
end

function append.uint64(column, cells, step, row, rows)
  local data, nulls, base = column.data, column.nulls, column.count
  while row < rows do
    local cell = cells[row * step]
    if cell.kind == INTEGER or cell.kind == UNSIGNED then
      data[base + row] = cell.natural
    elseif cell.kind == NULL then
      data[base + row] = 0
      mark_null(column, nulls, base + row)
    else
      return row
    end
    row = row + 1
  end
  return row
end

function append.bool(column, cells, step, row, rows)
  local data, nulls, base = column.data, column.nulls, column.count
  while row < rows do
    local cell = cells[row * step]
    local value = tonumber(cell.integer)
    if cell.kind == BOOLEAN
        or cell.kind == INTEGER and (value == 0 or value == 1) then
      data[base + row] = value
    elseif cell.kind == NULL then
      data[base + row] = 0
      mark_null(column, nulls, base + row)
    else
      return row
    end
    row = row + 1
  end
  return row
end

-- Does a double hold this int64?
local function fits_double(integer)
  local number = tonumber(integer)
  return number <= EXACT and number >= -EXACT
      and integer <= 9007199254740992LL and integer >= -9007199254740992LL
    or number < 2 ^ 63 and ffi.cast("int64_t", number) == integer
end

local function double_of(column, cell)
  if cell.kind == INTEGER and fits_double(cell.integer) then
    return tonumber(cell.integer)
  elseif cell.kind == TEXT and column.reads_numbers then
    return tonumber(ffi.string(cell.bytes, cell.length))
  end
  return nil
end

function append.double(column, cells, step, row, rows)
  local data, nulls, base = column.data, column.nulls, column.count
  while row < rows do
    local cell = cells[row * step]
    if cell.kind == FLOAT then
      data[base + row] = cell.number
    elseif cell.kind == NULL then
      data[base + row] = 0
      mark_null(column, nulls, base + row)
    else
      local value = double_of(column, cell)
      if not value then
        return row
      end
      data[base + row] = value
    end
    row = row + 1
  end
  return row
end

local function append_bytes(column, row, bytes, length)
  local used = column.offsets[row]
  if used + length > column.byte_capacity then
    make_room_for_bytes(column, used + length)
  end
  ffi.copy(column.bytes + used, bytes, length)
  column.offsets[row + 1] = used + length
end

-- A number or a nested value as the text that stands for exactly it; nil for
-- other cells.
local function text_of(cell)
  if cell.kind >= ARRAY and cell.kind < CUSTOM then
    return literal.write(cell)
  elseif cell.kind == INTEGER then
    return (tostring(cell.integer):gsub("LL$", ""))
  elseif cell.kind == FLOAT then
    local number = cell.number
    return number - number == 0 and json.exact(number) or tostring(number)
  end
  return nil
end

local function append_texts(column, cells, step, row, rows)
  local base, takes_blobs = column.count, column.kind == "blob"
  while row < rows do
    local cell = cells[row * step]
    local kind = cell.kind
    if kind == TEXT or kind == BLOB and takes_blobs then
      append_bytes(column, base + row, cell.bytes, cell.length)
    elseif kind == NULL then
      column.offsets[base + row + 1] = column.offsets[base + row]
      mark_null(column, column.nulls, base + row)
    else
      local text = column.writes_numbers and text_of(cell)
      if not text then
        return row
      end
      append_bytes(column, base + row, text, #text)
    end
    row = row + 1
  end
  return row
end

append.string, append.blob = append_texts, append_texts

-- Changing kinds --------------------------------------------------------------

local function refuse(column, cell, row, why)
  error.raise {
    kind = "datatype_mismatch", column = column.name, retry = "no",
    message = format("column %q, row %d: %s in a column of kind %s%s",
      column.name, row + 1, KIND_NAMES[cell.kind] or "a value", column.kind,
      why or ""),
    hint = "cast the column in the SQL",
  }
end

-- int64 or bool -> double or int64.
local function convert_numbers(column, kind, rows, cell)
  local old, old_kind = column.data, column.kind
  if kind == "double" and old_kind == "int64" then
    for row = 0, rows - 1 do
      if not fits_double(old[row]) then
        refuse(column, cell, rows, format(", whose row %d no float can hold",
          row + 1))
      end
    end
  end
  set_kind(column, kind, 0)
  for row = 0, rows - 1 do
    column.data[row] = old[row]
  end
end

-- Fit the column, which has `rows` rows, to a cell that it could not take.
local function adapt(column, cell, rows)
  local kind, wanted = column.kind, KINDS[cell.kind]
  if rows == column.null_count then
    set_kind(column, wanted, rows)
  elseif kind == "string" and wanted == "blob" then
    column.kind = "blob"
  elseif kind == "bool" and (wanted == "int64" or wanted == "double")
      or kind == "int64" and wanted == "double" then
    convert_numbers(column, wanted, rows, cell)
  else
    refuse(column, cell, rows, kind == "double" and wanted == "int64"
      and ", and no float can hold it" or nil)
  end
end

--- Append a column of a batch.
-- @tparam cdata batch `covet_batch *`, borrowed
-- @tparam number step columns in the batch
function Column:append(batch, step)
  local rows, cells = batch.row_count, batch.cells + (self.position - 1)
  make_room_for_rows(self, self.count + rows)
  local row = 0
  while true do
    row = append[self.kind](self, cells, step, row, rows)
    if row == rows then
      break
    end
    adapt(self, cells[row * step], self.count + row)
  end
  self.count = self.count + rows
end

--- Make an empty column.
-- @tparam string name
-- @tparam number position from 1
-- @tparam table declared `kind` (covet_kind) and `class` of `row.describe`
-- @tparam table plan
-- @treturn table
function Column.new(name, position, declared, plan)
  local kind = declared.kind
  local self = setmetatable({
    name = name, position = position, count = 0, null_count = 0,
    capacity = 0, byte_capacity = 0,
    writes_numbers = kind == TEXT or kind > BOOLEAN and kind ~= UNSIGNED,
    reads_numbers = plan.convert[declared.class] ~= nil
      and declared.class == "numeric",
  }, Column)
  if declared.class == "tinyint1" and plan.tinyint1 == "boolean" then
    kind = BOOLEAN
  end
  set_kind(self, self.reads_numbers and "double" or KINDS[kind]
    or kind > BOOLEAN and "string" or "null", 0)
  make_room_for_rows(self, MIN_ROWS)
  return self
end

-- Reading ---------------------------------------------------------------------

local get = {}

function get.int64(column, row)
  local value = column.data[row]
  if value <= 9007199254740992LL and value >= -9007199254740992LL then
    return tonumber(value)
  end
  return value
end

function get.uint64(column, row)
  local value = column.data[row]
  return value <= 9007199254740992ULL and tonumber(value) or value
end

-- A NaN of unusual bits would be taken for another Lua type.
function get.double(column, row)
  local bits = tonumber(ffi.cast("int64_t *", column.data)[row])
  if bits < 0 and bits >= -2 ^ 51 then
    return 0 / 0
  end
  return column.data[row]
end

function get.bool(column, row)
  return column.data[row] ~= 0
end

function get.string(column, row)
  local from = column.offsets[row]
  return ffi.string(column.bytes + from, column.offsets[row + 1] - from)
end

get.blob = get.string

--- The value of a row.
-- @tparam number i from 1
-- @return nil for NULL; an integer beyond 2^53 is int64 or uint64 cdata
function Column:get(i)
  if type(i) ~= "number" or i < 1 or i > self.count or i % 1 ~= 0 then
    error.usage(2, "column %q has no row %s", self.name, tostring(i))
  end
  if self.kind == "null" or is_null(self, i - 1) then
    return nil
  end
  return get[self.kind](self, i - 1)
end

--- All values; NULLs leave holes, `count` is how many rows there are.
-- @treturn table
function Column:table()
  local values, read = {}, get[self.kind]
  for row = 0, self.kind == "null" and -1 or self.count - 1 do
    if not is_null(self, row) then
      values[row + 1] = read(self, row)
    end
  end
  return values
end

return Column
