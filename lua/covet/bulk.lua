--- Many records in one go: what `execute_many` (covet.bulk.many) and
-- `copy_records_to_table` (covet.bulk.copy) have in common.
--
-- Records are encoded here while the ones before them are being inserted: at
-- most two batches are under way. All of it is one transaction.
-- @module covet.bulk

local call = require "covet.call"
local core = require "covet.core"
local events = require "covet.events"
local task = require "covet.task"
local waits = require "covet.wait"

local MANY, READ_ONLY = core.flags.MANY, core.flags.READ_ONLY
-- Batches under way.
local UNDER_WAY = 2

local M = {
  --- Rows in a batch.
  BATCH = 2000,
}

-- --- Batches of one transaction -----------------------------------------------------

-- A *load* is one call: its session, its statement (`parsed`), its `deadline` (see
-- covet.bulk.deadline), `started` of covet.events.begin, how many rows were sent
-- (`before`) and inserted (`total`), `gather(load)`, which gives the next rows, and
-- by number what is under way. `submit(load, rows, n)` sends rows; `encode` makes
-- values such that the binding can read them, by default as parameters of the
-- statement; `numbers` are the columns whose numbers it has to write, and
-- `encodes` tells that every value has to go through it.

local function submit(load, rows, n)
  local session, parsed = load.session, load.parsed
  local flags = bit.bor(MANY, session.inside,
    session.defaults.read_only and READ_ONLY or 0)
  return core.query_list(session.adapter.handle, session.lease, flags,
    load.deadline:left(), 0, parsed.text, rows, n, parsed.count)
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

-- --- Values ------------------------------------------------------------------------

-- One value; raises what is wrong with it.
local function encode_value(load, batch, number, column, value)
  local encoded, fault = load.encode(column, value)
  if fault then
    local fields = call.value_fault(column, fault)
    fields.detail = ("in row %d of the list"):format(number)
    settle(load, batch.before, false, false, fields)
  end
  return encoded
end

local function encode_row(load, batch, number)
  local row, encoded = batch.rows[number], {}
  for column = 1, load.parsed.count do
    encoded[column] = encode_value(load, batch, number, column, row[column])
  end
  return encoded
end

local function copy_row(row, width)
  local copy = {}
  for i = 1, width do
    copy[i] = row[i]
  end
  return copy
end

-- The row with numbers written where the driver takes none: itself if it has none
-- there.
local function write_numbers(load, batch, number)
  local row, copy = batch.rows[number], nil
  for _, column in ipairs(load.numbers) do
    local value = row[column]
    if type(value) == "number" then
      copy = copy or copy_row(row, load.parsed.count)
      copy[column] = encode_value(load, batch, number, column, value)
    end
  end
  return copy or row
end

local function map_rows(load, batch, fn)
  local rows = {}
  for i = 1, batch.n do
    rows[i] = fn(load, batch, i)
  end
  return rows
end

-- --- Batches under way ---------------------------------------------------------------

-- A batch that is under way stands in the load until its end.
local function begun(load, batch, token, ...)
  if token then
    batch.token = token
    load[#load + 1] = batch
  else
    settle(load, batch.before, ...)
  end
end

-- What the binding refuses was not sent: once it has, this load's values are all
-- written before.
local function send(load, batch)
  if not load.encodes then
    if load.numbers[1] then
      batch.rows = map_rows(load, batch, write_numbers)
    end
    local token, ok, more, fields, affected = load.submit(load, batch.rows,
      batch.n)
    if token or ok or not call.needs_encoding(fields) then
      return begun(load, batch, token, ok, more, fields, affected)
    end
    load.encodes = true
  end
  begun(load, batch, load.submit(load, map_rows(load, batch, encode_row),
    batch.n))
end

local function wait_for_oldest(load)
  local batch = table.remove(load, 1)
  local ok, more, fields, affected = waits.wait(load.session, load.parsed,
    load.started, batch.token)
  settle(load, batch.before, ok, more, fields, affected)
end

-- Insert what `gather(load)` gives, batch after batch.
local function insert_all(load)
  local n, rows = load.deadline:read(load.gather, load)
  while n > 0 do
    local batch = { rows = rows, n = n, before = load.before }
    load.before = load.before + n
    send(load, batch)
    while #load >= UNDER_WAY do
      wait_for_oldest(load)
    end
    n, rows = load.deadline:read(load.gather, load)
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
  load.encode = load.encode or call.encoder(load.session, load.parsed)
  load.numbers = load.numbers or call.numbers(load.session, load.parsed)
  load.encodes = call.encodes(load.session, load.parsed)
  local fine, err = pcall(insert_all, load)
  if not fine then
    task.shelter(stop, load)
    error(err, 0)
  end
  return load.total
end

--- Run `fn(session)`, which inserts, and tell of it. What was read of a source
-- before may have ended a stream whose connection was shared: which one is used
-- is seen here.
-- @tparam table from the session that was called
-- @tparam table parsed
-- @tparam number|boolean started
-- @tparam boolean apart in a transaction
-- @tparam table deadline of covet.bulk.deadline: its BEGIN and COMMIT have it too
-- @tparam function fn
-- @treturn number what `fn` answered
function M.run(from, parsed, started, apart, deadline, fn)
  return events.run(from, parsed, started, deadline.run, deadline, function()
    if not apart then
      return fn(from:enter(parsed.text))
    end
    return (from:transaction({ timeout = deadline:given() }, function(tx)
      local total = fn(tx)
      if deadline.at then
        tx.defaults.timeout = deadline:left() -- these defaults are its own
      end
      return total
    end))
  end)
end

--- What is given as an iterator, to be called; nil for a list.
-- @param records
-- @treturn function|table|nil
function M.as_iterator(records)
  local meta = getmetatable(records)
  if type(records) == "function"
    or type(meta) == "table" and rawget(meta, "__call") then
    return records
  end
  return nil
end

return M
