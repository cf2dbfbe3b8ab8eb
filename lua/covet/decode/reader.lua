--- Generated readers: Lua source for exactly one shape's columns.
--
-- LuaJIT's traces have no joins, so k columns whose kind changes from row to
-- row make 2^k paths through one loop, and very long loops do not compile at
-- all. So a reader consists of short loops over a block of rows: the first
-- makes the rows by one table constructor, the others fill in what remains.
-- Steady columns share loops, and so do the first two that were seen to change
-- (NULLs, booleans); each other one has a loop of its own, where it makes two
-- paths and no more. So have columns whose text is converted: what they call
-- may not compile.
-- @module covet.decode.reader

local ffi = require "ffi"
local kinds = require "covet.decode.kinds"
local nested = require "covet.decode.nested"

local concat, format, insert = table.concat, string.format, table.insert
local min = math.min

local NULL, INTEGER, FLOAT = kinds.NULL, kinds.INTEGER, kinds.FLOAT
local TEXT, BLOB, BOOLEAN = kinds.TEXT, kinds.BLOB, kinds.BOOLEAN

-- Shapes beyond these are read by a loop over their columns instead.
local MAX_COLUMNS = 150
local MAX_NAME_BYTES = 16384
-- Columns that share a loop, and how many changing ones the first loop takes.
local LOOP_COLUMNS, LOOP_CHANGING = 8, 2
-- Rows that the loops of one reader share while they are in the cache.
local BLOCK_ROWS = 64
-- A batch of so many rows tells which columns change; so many are looked at.
local MIN_SAMPLE, MAX_SAMPLE = 64, 256

local M = {}

local PRELUDE = [[
local lib, null, convert, nested, custom, Record = ...
local str, big, nan = lib.str, lib.big, lib.nan
local decimal, natural = lib.decimal, lib.natural
local tonumber, setmetatable = tonumber, setmetatable
]]

local library = { str = ffi.string, nan = 0 / 0, big = nested.exact,
  decimal = nested.decimal }

function library.natural(integer)
  return tostring(integer):sub(1, -4)
end

local INTEGERS = {
  exact = "v=tonumber(C.integer) if v>=9007199254740992 or "
    .. "v<=-9007199254740992 then v=big(C.integer) end",
  number = "v=tonumber(C.integer)",
  cdata = "v=C.integer",
  string = "v=decimal(C.integer)",
}
local NATURALS = {
  exact = "v=C.natural", number = "v=tonumber(C.natural)",
  cdata = "v=C.natural", string = "v=natural(C.natural)",
}

-- A NaN whose upper 13 bits are set would be taken for another Lua type.
local FLOATS = "v=tonumber(C.integer) if v<0 and v>=-2251799813685248 then "
  .. "v=nan else v=C.number end"

local ORDER = { NULL, INTEGER, TEXT, FLOAT, BLOB, BOOLEAN }

-- Kinds that only cells of a declared column have, tried last.
local LAST = { unsigned = kinds.UNSIGNED }
for kind, class in pairs(kinds.NESTED_CLASSES) do
  LAST[class] = kind
end

-- The function that reads nested cells.
local function nested_reader(plan)
  plan.nested = plan.nested or nested.reader(plan)
  return plan.nested
end

-- What follows the text `v` of a column that asks for it.
local function conversion(column, plan)
  if column.class == "custom" then
    return format(" v=custom(%d,nil,v)", column.type_id)
  end
  return plan.convert[column.class]
    and format(" v=convert.%s(v)", column.class) or ""
end

-- Statements by the kind of the cell `C` that set `v`.
local function value_statements(column, plan)
  local class = column.class
  local integer = INTEGERS[plan.int8]
  if class == "boolean" or class == "tinyint1" and plan.tinyint1 == "boolean"
  then
    integer = "v=tonumber(C.integer) if v==0 then v=false elseif v==1 then "
      .. "v=true else " .. integer .. " end"
  end
  local text = "v=str(C.bytes,C.length)"
  local statements = {
    [NULL] = plan.null == nil and "v=nil" or "v=null",
    [INTEGER] = integer,
    [FLOAT] = FLOATS,
    [TEXT] = text .. conversion(column, plan),
    [BLOB] = class == "custom" and text .. conversion(column, plan) or text,
    [BOOLEAN] = "v=tonumber(C.integer)~=0",
  }
  if LAST[class] then
    statements[LAST[class]] = class == "unsigned" and NATURALS[plan.int8]
      or "v=nested(C)"
  end
  return statements
end

-- Source that sets `variable` from `cell`; `first` is the kind to try first.
local function value_source(column, plan, cell, variable, first)
  local statements, last = value_statements(column, plan), LAST[column.class]
  local parts = { format("k=%s.kind if k==%d then %s", cell, first,
    statements[first]) }
  for _, kind in ipairs(ORDER) do
    if kind ~= first then
      parts[#parts + 1] = format("elseif k==%d then %s", kind,
        statements[kind])
    end
  end
  if last and last ~= first then
    parts[#parts + 1] = format("elseif k==%d then %s", last, statements[last])
  end
  parts[#parts + 1] = "end\n"
  local source = concat(parts, "\n")
  source = source:gsub("%f[%w_]C%f[^%w_]", (cell:gsub("%%", "%%%%")))
  return (source:gsub("%f[%w_]v%f[^%w_]", variable))
end

local function compile(source, plan, Record)
  local chunk = assert(loadstring(PRELUDE .. source, "=(covet reader)"))
  return chunk(library, plan.null, plan.convert, nested_reader(plan),
    plan.custom, Record)
end

-- A function of a cell, for columns of a class.
local function getter(column, plan)
  local getters, key = plan.getters, column.class
  if key == "custom" then
    key = column.type_id
  end
  if not getters[key] then
    getters[key] = compile("return function(cell) local k,v\n"
      .. value_source(column, plan, "cell", "v", TEXT) .. "return v end", plan)
  end
  return getters[key]
end

--- Functions that decode a cell, one for each column.
-- @tparam table info of `row.describe`
-- @tparam table plan
-- @treturn table a list of `function(cell)`
function M.getters(info, plan)
  local list = {}
  for i = 1, info.count do
    list[i] = getter(info.columns[i], plan)
  end
  return list
end

-- What one cell asks of a loop: two cells with different answers take
-- different paths through it.
local function path_of(cell, class)
  if cell.kind == BOOLEAN or class == "boolean" and cell.kind == INTEGER then
    return 100 + tonumber(cell.integer)
  end
  return cell.kind
end

-- The kind that a column's cells have most often, and whether it changes.
local function sample(batch, position, class, fallback)
  local times, best, changes = {}, nil, false
  local count = batch.shape.column_count
  local path = path_of(batch.cells[position - 1], class)
  for row = 0, min(batch.row_count, MAX_SAMPLE) - 1 do
    local cell = batch.cells[row * count + position - 1]
    local kind = cell.kind
    times[kind] = (times[kind] or 0) + 1
    if kind ~= NULL and (not best or times[kind] > times[best]) then
      best = kind
    end
    changes = changes or path_of(cell, class) ~= path
  end
  return best or fallback, changes
end

-- The kind that a column's cells have when nothing but the shape is known.
local function usual_kind(column)
  return column.class == "unsigned" and INTEGER or LAST[column.class]
    or column.kind == NULL and INTEGER or column.kind > BOOLEAN and TEXT or column.kind
end

-- Whether what reads the column calls something that may not compile.
local function calls_out(column, plan)
  return plan.convert[column.class] ~= nil or column.class == "custom"
    or LAST[column.class] ~= nil and column.class ~= "unsigned"
end

-- Cut the columns into loops; `batch` is a sample or nil.
local function cut(info, plan, form, batch)
  local loops, own, changing = { {} }, {}, 0
  for i = 1, form == "value" and 1 or info.count do
    local column = info.columns[i]
    local first, changes = usual_kind(column), false
    if batch then
      first, changes = sample(batch, i, column.class, first)
    end
    changing = changing + (changes and 1 or 0)
    local entry = { position = i, column = column, first = first }
    if calls_out(column, plan) or changes and changing > LOOP_CHANGING then
      own[#own + 1] = { entry }
    else
      if #loops[#loops] == LOOP_COLUMNS then
        loops[#loops + 1] = {}
      end
      insert(loops[#loops], entry)
    end
  end
  for i = 1, #own do
    loops[#loops + 1] = own[i]
  end
  return loops
end

-- The expression of a new row; columns of later loops hold `false` so far.
local function row_source(info, form, loop)
  local values, fields = {}, {}
  for i, entry in ipairs(loop) do
    values[entry.position] = "v" .. i
  end
  if form == "value" then
    return values[1] or "false"
  end
  for i = 1, info.count do
    if form ~= "named" then
      fields[i] = values[i] or "false"
    elseif info.positions[info.names[i]] == i then
      fields[#fields + 1] = format("[%q]=%s", info.names[i],
        values[i] or "false")
    end
  end
  local source = "{" .. concat(fields, ",") .. "}"
  return form == "record" and "setmetatable(" .. source .. ",Record)" or source
end

-- The statement that puts a later loop's value into its row.
local function store_source(info, form, entry, variable)
  if form == "value" then
    return format("out[i]=%s\n", variable)
  elseif form ~= "named" then
    return format("out[i][%d]=%s\n", entry.position, variable)
  elseif info.positions[info.names[entry.position]] ~= entry.position then
    return ""
  end
  return format("out[i][%q]=%s\n", info.names[entry.position], variable)
end

local function loop_source(info, form, plan, loop, is_first)
  local parts, variables = {}, { "k" }
  for i = 1, #loop do
    variables[i + 1] = "v" .. i
  end
  parts[1] = format("cell=cells+first*%d\nfor i=n+first+1,last do\nlocal %s\n",
    info.count, concat(variables, ","))
  for i, entry in ipairs(loop) do
    parts[#parts + 1] = value_source(entry.column, plan,
      format("cell[%d]", entry.position - 1), "v" .. i, entry.first)
    if not is_first then
      parts[#parts + 1] = store_source(info, form, entry, "v" .. i)
    end
  end
  if is_first then
    parts[#parts + 1] = format("out[i]=%s\n", row_source(info, form, loop))
  end
  parts[#parts + 1] = format("cell=cell+%d\nend\n", info.count)
  return concat(parts)
end

local function generate(info, form, plan, batch)
  local loops = cut(info, plan, form, batch)
  local parts = { "return function(batch,out,n)\n"
    .. "local rows,cells,cell,last=batch.row_count,batch.cells\n" }
  parts[2] = #loops > 1
    and format("for first=0,rows-1,%d do\nlast=first+%d\n"
      .. "if last>rows then last=rows end\nlast=n+last\n",
      BLOCK_ROWS, BLOCK_ROWS)
    or "do local first=0 last=n+rows\n"
  for i, loop in ipairs(loops) do
    parts[#parts + 1] = loop_source(info, form, plan, loop, i == 1)
  end
  parts[#parts + 1] = "end\nreturn n+rows\nend"
  return compile(concat(parts), plan, info.Record)
end

local function wide_reader(info, form, plan)
  local get, count = M.getters(info, plan), info.count
  local keys = {}
  for i = 1, count do
    keys[i] = form == "named" and info.names[i] or i
  end
  return function(batch, out, n)
    local cell = batch.cells
    for i = n + 1, n + batch.row_count do
      local row = {}
      for c = 1, count do
        row[keys[c]] = get[c](cell[c - 1])
      end
      out[i] = form == "record" and setmetatable(row, info.Record) or row
      cell = cell + count
    end
    return n + batch.row_count
  end
end

-- A reader that fits itself to the first batch that is large enough.
local function fitting_reader(info, form, plan)
  local plain, fitted
  return function(batch, out, n)
    if fitted then
      return fitted(batch, out, n)
    elseif batch.row_count >= MIN_SAMPLE then
      fitted = generate(info, form, plan, batch)
      return fitted(batch, out, n)
    end
    plain = plain or generate(info, form, plan)
    return plain(batch, out, n)
  end
end

-- As the usual readers, for a batch's first row alone, without a loop: that a
-- loop around calls for one row can be compiled as a whole.
local function generate_single(info, form, plan, batch)
  local variables, entries, parts = { "k" }, {}, { "" }
  for i = 1, form == "value" and 1 or info.count do
    local column = info.columns[i]
    local first = sample(batch, i, column.class, usual_kind(column))
    variables[i + 1], entries[i] = "v" .. i, { position = i }
    parts[i + 1] = value_source(column, plan, format("cell[%d]", i - 1),
      "v" .. i, first)
  end
  parts[1] = "return function(batch)\nlocal cell=batch.cells\nlocal "
    .. concat(variables, ",") .. "\n"
  parts[#parts + 1] = "return " .. row_source(info, form, entries) .. "\nend"
  return compile(concat(parts), plan, info.Record)
end

-- The first column of rows that have none.
local function no_value()
  return nil
end

local SINGLE_COLUMNS = 40

--- Make a reader of single rows.
-- @tparam table info of `row.describe`
-- @tparam string form named, record, array or value
-- @tparam table plan
-- @tparam cdata batch a batch with a row, to see what kinds of cells come
-- @treturn function `read(batch)`: the first row
function M.single(info, form, plan, batch)
  if form == "value" and info.count == 0 then
    return no_value
  end
  if form == "value" or info.count <= SINGLE_COLUMNS
      and info.bytes <= MAX_NAME_BYTES then
    return generate_single(info, form, plan, batch)
  end
  local read = M.new(info, form, plan)
  return function(one)
    local out = {}
    read(one, out, 0)
    return out[1]
  end
end

--- Make a reader.
-- @tparam table info of `row.describe`
-- @tparam string form named, record, array or value
-- @tparam table plan
-- @treturn function `reader(batch, out, n)`
function M.new(info, form, plan)
  if form == "value" and info.count == 0 then
    return function(batch, _, n)
      return n + batch.row_count
    end
  end
  if form ~= "value"
      and (info.count > MAX_COLUMNS or info.bytes > MAX_NAME_BYTES) then
    return wide_reader(info, form, plan)
  end
  return fitting_reader(info, form, plan)
end

return M
