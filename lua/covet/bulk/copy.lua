--- `copy_records_to_table`: records of any form into a table.
-- @module covet.bulk.copy

local bulk = require "covet.bulk"
local call = require "covet.call"
local caller = require "covet.caller"
local deadlines = require "covet.bulk.deadline"
local events = require "covet.events"
local options = require "covet.options"
local rows_of = require "covet.decode.row"
local sql = require "covet.sql"

local BATCH = bulk.BATCH

local M = {}

local COPY_OPTIONS = {
  { "columns", "table", nil, "Names of the columns, in the records' order." },
  { "schema", "string", nil, "The table's schema." },
  { "timeout", "seconds", nil, "Deadline of the call." },
}

-- An iterator over records.
local function iterate(records)
  local given = bulk.as_iterator(records)
  if given then
    return given
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

local function all_columns(session, name, schema, started, deadline)
  local names = {}
  local inner = session:with_options { timeout = deadline:given() }
  inner.is_inner = true -- a part of this call, not told as one of its own
  for _, column in ipairs(inner:get_table_info(name, { schema = schema })) do
    if column.is_generated ~= "ALWAYS"
      and not (column.Extra or ""):find(" GENERATED", 1, true) then
      names[#names + 1] = column.name
    end
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
  return bulk.pump(load)
end

--- See covet.session.commands.
function M.copy_records(from, name, records, given)
  from:enter "INSERT"
  if type(name) ~= "string" then
    caller.usage("the table's name must be a string, not %s", type(name))
  end
  given = options.check(COPY_OPTIONS, given or {}, "copy_records_to_table",
    caller.LEVEL)
  local next_record, started = iterate(records), events.begin(from)
  local told = {} -- its text is known when the load is
  local deadline = deadlines.new(from, given.timeout, told, started)
  local first = deadline:read(next_record)
  if first == nil then
    return 0
  end
  local session = from:enter "INSERT" -- reading may have changed which one
  local plain, of_result = as_named(first)
  local names = given.columns or of_result
    or is_named(plain) and names_of_row(plain)
    or all_columns(session, name, given.schema, started, deadline)
  local known = {}
  for _, column in ipairs(names) do
    known[column] = true
  end
  local load = { name = name, schema = given.schema, names = names,
    started = started, deadline = deadline,
    gather = gatherer(next_record, first, names, known) }
  local copy = session.adapter.copy_records or insert_records
  return bulk.run(from, told, started, true, deadline, function(tx)
    load.session = tx
    local total = copy(load)
    told.text = load.parsed.text
    return total
  end)
end

return M
