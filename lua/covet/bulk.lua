--- Many records in one go: `execute_many`, `copy_records_to_table`.
--
-- Records are encoded here while the ones before them are being inserted: at
-- most two batches are under way. All of it is one transaction.
-- @module covet.bulk

local call = require "covet.call"
local caller = require "covet.caller"
local core = require "covet.core"
local events = require "covet.events"
local options = require "covet.options"
local rows_of = require "covet.decode.row"
local sql = require "covet.sql"
local task = require "covet.task"
local waits = require "covet.wait"

local MANY, READ_ONLY = core.flags.MANY, core.flags.READ_ONLY
local NEEDS_ENCODING = -100
-- Rows in a batch, and batches under way.
local BATCH, UNDER_WAY = 2000, 2

local M = {}

-- --- Batches of one transaction -----------------------------------------------------

-- Replace what the binding cannot read in the rows of a batch; nil, and the
-- fields of an error, when that is not possible.
local function encode_rows(load, rows, n)
  local encoded, width = {}, load.parsed.count
  load.encode = load.encode or call.encoder(load.session, load.parsed)
  for i = 1, n do
    local row = {}
    for column = 1, width do
      local value, fault = load.encode(column, rows[i][column])
      if fault then
        local fields = call.value_fault(column, fault)
        fields.detail = ("in row %d of the list"):format(i)
        return nil, fields
      end
      row[column] = value
    end
    encoded[i] = row
  end
  return encoded
end

-- A *load* is one call: its session, its statement, how many rows were sent
-- (`before`) and inserted (`total`), `gather(load)`, which gives the next rows, and
-- by number what is under way. `submit(load, rows, n)` sends rows, and `encode`
-- makes values such that the binding can read them, by default as parameters of
-- the statement.

local function submit(load, rows, n)
  local session, parsed = load.session, load.parsed
  local flags = bit.bor(MANY, session.inside,
    session.defaults.read_only and READ_ONLY or 0)
  return core.query_list(session.adapter.handle, session.lease, flags,
    load.timeout, 0, parsed.text, rows, n, parsed.count)
end

-- "in row 12 of the list" counts within its batch: make it count in all.
local function place_in_all(fields, before)
  if fields.detail and before > 0 then
    fields.detail = fields.detail:gsub("in row (%d+)", function(row)
      return "in row " .. (tonumber(row) + before)
    end)
  end
  return fields
end

-- "parameter 2: ..." of a record is its column, and "row 3, column 2: ..." is
-- what a driver says of it.
local function name_column(fields, columns)
  local message = columns and tostring(fields.message) or ""
  local number, rest = message:match "^parameter (%d+)(:.*)$"
  if not number then
    local row
    row, number, rest = message:match "^row (%d+), column (%d+)(:.*)$"
    fields.detail = row and ("in row %s of the list"):format(row)
      or fields.detail
  end
  if number then
    fields.column = columns[tonumber(number)]
    fields.message = ("column %s%s"):format(fields.column, rest)
  end
end

local function settle(load, before, ok, _, fields, affected)
  if not ok then
    name_column(fields, load.parsed.columns)
    call.forget_types(load.parsed)
    load.session:fail(place_in_all(fields, before), load.parsed, load.started)
  end
  load.total = load.total + affected
end

-- The values of rows as the binding can read them.
local function encode(load, rows, n)
  local encoded, fault = encode_rows(load, rows, n)
  if fault then
    settle(load, load.before, false, false, fault)
  end
  return encoded
end

-- A batch that is under way stands in the load until its end.
local function begun(load, rows, n, token, ok, more, fields, affected)
  if token then
    load[#load + 1] = { token = token, before = load.before }
  elseif not ok and fields.code == NEEDS_ENCODING then
    rows = encode(load, rows, n)
    return begun(load, rows, n, load.submit(load, rows, n))
  else
    settle(load, load.before, ok, more, fields, affected)
  end
  load.before = load.before + n
end

local function wait_for_oldest(load)
  local sent = table.remove(load, 1)
  settle(load, sent.before, waits.wait(load.session, load.parsed, load.started,
    sent.token))
end

-- Insert what `gather(load)` gives, batch after batch.
local function insert_all(load)
  local all = load.session.adapter.encodes_all
  local n, rows = load.gather(load)
  while n > 0 do
    rows = all and encode(load, rows, n) or rows
    begun(load, rows, n, load.submit(load, rows, n))
    while #load >= UNDER_WAY do
      wait_for_oldest(load)
    end
    n, rows = load.gather(load)
  end
  while load[1] do
    wait_for_oldest(load)
  end
end

-- Stop what is under way, and wait for its end.
local function stop(load)
  for i = 1, #load do
    core.cancel(load[i].token)
  end
  for i = 1, #load do
    task.wait(load[i].token)
  end
end

--- Insert everything. When it fails, nothing of it runs on.
-- @tparam table load
-- @treturn number how many rows there were
function M.pump(load)
  load.total, load.before = 0, 0
  load.submit = load.submit or submit
  local fine, err = pcall(insert_all, load)
  if not fine then
    task.shelter(stop, load)
    error(err, 0)
  end
  return load.total
end

-- Run `fn(session)`, which inserts, in a transaction if `apart`, and tell of it.
local function run(session, parsed, started, apart, fn)
  local total
  if apart then
    total = session:transaction(fn)
  else
    total = fn(session)
  end
  if started then
    session.adapter:note_query(parsed, started)
  end
  return total
end

-- --- execute_many ----------------------------------------------------------------------

local function check_row(parsed, row, number)
  if type(row) ~= "table" then
    caller.usage("element %d of the list must be a table of parameters, not %s",
      number, type(row))
  end
  if parsed.names then
    return (sql.bind_named(parsed, row, caller.LEVEL))
  end
  for key in pairs(row) do
    if type(key) == "number" and key > parsed.count then
      caller.usage("element %d of the list has %d values; the statement takes "
        .. "%d parameters", number, key, parsed.count)
    end
  end
  return row
end

-- Slices of a list, checked.
local function slicer(parsed, list)
  local at = 0
  return function()
    local rows, n = {}, 0
    while n < BATCH and at < #list do
      at, n = at + 1, n + 1
      rows[n] = check_row(parsed, list[at], at)
    end
    return n, rows
  end
end

--- See covet.session.
function M.execute_many(session, text, list)
  local parsed = call.parse(session.adapter, text)
  if type(list) ~= "table" then
    caller.usage("execute_many(sql, list): list must be a table, not %s",
      type(list))
  elseif #list > 0 and parsed.count == 0 then
    caller.usage "execute_many runs a statement that has parameters"
  end
  local timeout = session.defaults.timeout or session.adapter.command_timeout
  local started = events.begin(session)
  return run(session, parsed, started, #list > BATCH, function(inside)
    return M.pump { session = inside, parsed = parsed, timeout = timeout,
      started = started, gather = slicer(parsed, list) }
  end)
end

-- --- copy_records_to_table ----------------------------------------------------------------

local COPY_OPTIONS = {
  { "columns", "table", nil, "Names of the columns, in the records' order." },
  { "schema", "string", nil, "The table's schema." },
  { "timeout", "seconds", nil, "Deadline of each batch." },
}

-- An iterator over records: of a list, or the function itself.
local function iterate(records)
  if type(records) == "function" then
    return records
  end
  local meta = getmetatable(records)
  if type(meta) == "table" and rawget(meta, "__call") then
    return records
  elseif type(records) ~= "table" then
    caller.usage("records must be a table or an iterator, not %s",
      type(records))
  end
  local i = 0
  return function()
    i = i + 1
    return records[i]
  end
end

local function all_columns(session, name, schema, started)
  local names = {}
  local inner = session:with_options {}
  inner.is_inner = true -- a part of this call, not told as one of its own
  for i, column in ipairs(inner:get_table_info(name, { schema = schema })) do
    names[i] = column.name
  end
  if #names == 0 then
    session:fail({ kind = "undefined_table", table = name, retry = "no",
      message = "no such table: " .. name }, nil, started)
  end
  return names
end

-- Keys of a row that is keyed by name.
local function names_of_row(row)
  local names = {}
  for key in pairs(row) do
    if type(key) ~= "string" then
      caller.usage("record 1 has both names and a value at %s", tostring(key))
    end
    names[#names + 1] = key
  end
  table.sort(names)
  return names
end

local function is_named(row)
  return type(row) == "table" and type((next(row))) == "string"
end

-- A record or lazy row of another result as a plain one: its names count.
local function as_named(row)
  if rows_of.is_row(row) then
    return rows_of.table(row), rows_of.columns(row)
  end
  return row
end

local function refuse_record(load, number, fmt, ...)
  load.session:fail({ kind = "invalid_value", retry = "no",
    where = caller.where(),
    message = ("record %d: " .. fmt):format(number, ...) }, load.parsed,
    load.started)
end

local function check_named(load, row, known, number)
  for key in pairs(row) do
    if not known[key] then
      refuse_record(load, number, "there is no column %s", tostring(key))
    end
  end
end

local function check_width(load, row, width, number)
  for key in pairs(row) do
    if type(key) ~= "number" or key > width or key < 1 then
      refuse_record(load, number, "a value at %s, but the record has %d columns",
        tostring(key), width)
    end
  end
end

local function as_list(row, names)
  local list = {}
  for i = 1, #names do
    list[i] = row[names[i]]
  end
  return list
end

-- Takes records by the batch, checked, as lists. An iterator that has ended is
-- not called again: io.lines raises then.
local function gatherer(next_record, first, names, known)
  local number, width, ended = 0, #names, false
  local function check(load, row)
    row = as_named(row)
    if type(row) ~= "table" then
      refuse_record(load, number, "expected a table, got %s", type(row))
    elseif row[1] == nil and is_named(row) then
      check_named(load, row, known, number)
      return as_list(row, names)
    elseif row[width + 1] ~= nil or #row ~= width then
      check_width(load, row, width, number)
    end
    return row
  end
  return function(load)
    local rows, n = {}, 0
    while n < BATCH and not ended do
      local row = first
      if row == nil then
        row = next_record()
      end
      first, ended = nil, row == nil
      if not ended then
        number, n = number + 1, n + 1
        rows[n] = check(load, row)
      end
    end
    return n, rows
  end
end

local function insert_text(session, name, schema, names)
  if #names == 0 then
    caller.usage "columns: a list of at least one name"
  end
  local dialect = session.adapter.dialect
  local quoted, marks = {}, {}
  for i, column in ipairs(names) do
    quoted[i] = sql.quote_identifier(column, dialect)
    marks[i] = "?"
  end
  return ("INSERT INTO %s (%s) VALUES (%s)"):format(
    sql.quote_identifier(schema and { schema, name } or name, dialect),
    table.concat(quoted, ", "), table.concat(marks, ", "))
end

-- Where the database has nothing of its own for it.
local function insert_records(load)
  load.parsed = setmetatable({ columns = load.names }, { __index = call.parse(
    load.session.adapter, insert_text(load.session, load.name, load.schema,
      load.names)) })
  return M.pump(load)
end

--- See covet.session.
function M.copy_records(session, name, records, given)
  if type(name) ~= "string" then
    caller.usage("the table's name must be a string, not %s", type(name))
  end
  given = options.check(COPY_OPTIONS, given or {}, "copy_records_to_table",
    caller.LEVEL)
  local next_record, started = iterate(records), events.begin(session)
  local first = next_record()
  if first == nil then
    return 0
  end
  local plain, of_result = as_named(first)
  local names = given.columns or of_result
    or is_named(plain) and names_of_row(plain)
    or all_columns(session, name, given.schema, started)
  local known = {}
  for _, column in ipairs(names) do
    known[column] = true
  end
  local load = { name = name, schema = given.schema, names = names,
    started = started, gather = gatherer(next_record, first, names, known),
    timeout = given.timeout or session.defaults.timeout
      or session.adapter.command_timeout }
  local copy = session.adapter.copy_records or insert_records
  local told = {} -- its text is known when the load is
  return run(session, told, started, true, function(tx)
    load.session = tx
    local total = copy(load)
    told.text = load.parsed.text
    return total
  end)
end

return M
