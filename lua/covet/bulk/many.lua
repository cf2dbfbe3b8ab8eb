--- `execute_many`: a statement for each list of parameters.
-- @module covet.bulk.many

local bulk = require "covet.bulk"
local call = require "covet.call"
local caller = require "covet.caller"
local deadlines = require "covet.bulk.deadline"
local events = require "covet.events"
local sql = require "covet.sql"

local BATCH = bulk.BATCH

local M = {}

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

-- The elements of a list one by one, checked: each has to be there.
local function rows_of_list(parsed, list)
  local number, length = 0, #list
  return function()
    number = number + 1
    return number <= length and check_row(parsed, list[number], number) or nil
  end
end

local function rows_of_iterator(parsed, next_row)
  local number = 0
  return function()
    local row = next_row()
    number = number + 1
    return row ~= nil and check_row(parsed, row, number) or nil
  end
end

-- Takes rows by the batch. An iterator that has ended is not called again.
local function batches_of(next_row)
  local ended = false
  return function()
    local rows, n = {}, 0
    while n < BATCH and not ended do
      local row = next_row()
      ended = row == nil
      if not ended then
        n = n + 1
        rows[n] = row
      end
    end
    return n, rows
  end
end

-- The same, after the first batch was taken.
local function with_first(n, rows, gather)
  return function()
    local count, batch = n, rows
    if not batch then
      return gather()
    end
    rows = nil
    return count, batch
  end
end

local function checked_rows(parsed, list)
  local iterator = bulk.as_iterator(list)
  if not iterator and type(list) ~= "table" then
    caller.usage("execute_many(sql, list): list must be a table or an iterator, "
      .. "not %s", type(list))
  elseif parsed.count == 0 and (iterator or #list > 0) then
    caller.usage "execute_many runs a statement that has parameters"
  elseif iterator then
    return rows_of_iterator(parsed, iterator)
  end
  return rows_of_list(parsed, list)
end

--- See covet.session.commands. What fits into one batch needs no transaction.
function M.execute_many(from, text, list)
  from:enter(text)
  local parsed = call.parse(from.adapter, text)
  local gather = batches_of(checked_rows(parsed, list))
  local started = events.begin(from)
  local deadline = deadlines.new(from, nil, parsed, started)
  local n, rows = deadline:read(gather)
  gather = with_first(n, rows, gather)
  return bulk.run(from, parsed, started, n == BATCH, deadline, function(session)
    return bulk.pump { session = session, parsed = parsed, started = started,
      deadline = deadline, gather = gather }
  end)
end

return M
