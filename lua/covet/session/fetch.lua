--- The calls of a session that answer rows.
-- @module covet.session.fetch

local call = require "covet.call"
local caller = require "covet.caller"
local columns = require "covet.columns"
local core = require "covet.core"
local decode = require "covet.decode"
local result = require "covet.decode.result"
local runner = require "covet.session.run"
local task = require "covet.task"

local proceed, run = runner.proceed, runner.run
local ROWS = core.flags.ROWS
local ONE_ROW = ROWS + core.flags.ONE

local methods = {}

-- --- One row ---------------------------------------------------------------------

-- The row of a delivery. When that cannot be decoded nothing of the call is left
-- behind.
local function first_of(batch, mode, token, more)
  local fine, row, found = pcall(decode.first, batch, mode)
  if not fine then
    if more then
      core.abandon(token)
    end
    error(row, 0)
  end
  return row, found
end

-- What follows the first news of a call for one row. A worker may deliver the
-- row before the statement has ended.
local function one_row(session, parsed, started, token, more, batch, mode)
  local row, found
  if batch then
    row, found = first_of(batch, mode, token, more)
  end
  while more do
    more, batch = proceed(session, parsed, token, started)
    if batch and not found then
      row, found = first_of(batch, mode, token, more)
    elseif batch then
      decode.free(batch)
    end
  end
  return row, found
end

-- All of these take `(sql, values...)` or `{ sql, values..., option = }`, and raise an
-- error object. Rows are of the form that `rows` says: plain tables by name unless
-- told otherwise.

--- The first row, or nil.
-- @tparam string|table text
-- @param ... values
-- @treturn table|nil
function methods:fetch_one(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ONE_ROW, self.adapter.query_timeout, text, ...)
  if not more then
    return batch and (decode.first(batch, given.mode)) or nil
  end
  return (one_row(session, parsed, started, token, more, batch, given.mode))
end

--- The first column of the first row; nil when there is no row, or NULL in it.
-- @tparam string|table text
-- @param ... values
-- @return the value
function methods:fetch_value(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ONE_ROW, self.adapter.query_timeout, text, ...)
  if not more then
    if batch then
      return (decode.first(batch, given.value_mode))
    end
    return nil
  end
  return (one_row(session, parsed, started, token, more, batch,
    given.value_mode))
end

-- --- All rows ----------------------------------------------------------------------

-- The columns of results, as long as these live.
local names_of = setmetatable({}, { __mode = "k" })

-- Decoding failed: nothing of the call is left behind.
local function give_up(others, token, more)
  if others then
    decode.free(others)
  end
  if more then
    core.abandon(token)
  end
end

-- The other tasks run between two batches.
local function decode_delivery(batch, mode, into, token, more)
  local others
  repeat
    batch, others = decode.split(batch)
    local fine, err = pcall(decode.gather, into, batch, mode)
    if not fine then
      give_up(others, token, more)
      error(err, 0)
    end
    batch = others
    if batch or more then
      task.pass()
    end
  until not batch
end

local function all_rows(session, mode, parsed, started, token, more, batch)
  local into, names = result.new(core.now), nil
  while true do
    if batch then
      names = names or decode.names(batch)
      decode_delivery(batch, mode, into, token, more)
    end
    if not more then
      break
    end
    more, batch = proceed(session, parsed, token, started)
  end
  local rows = result.join(into)
  if names then
    names_of[rows] = names
  end
  return rows
end

--- All rows, as an array.
-- @tparam string|table text
-- @param ... values
-- @treturn {table,...}
function methods:fetch_all(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  return all_rows(session, given.mode, parsed, started, token, more, batch)
end

--- The first column of all rows, as an array; NULL is `covet.null`.
-- @tparam string|table text
-- @param ... values
-- @treturn table
function methods:fetch_column(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  return all_rows(session, call.column_mode(given), parsed, started, token,
    more, batch)
end

-- Append a delivery to a columnar result; the batches are taken.
local function collect(batch, builder, types, token, more)
  local fine, made = pcall(function()
    return columns.append_all(batch, builder, types)
  end)
  decode.free(batch)
  if fine then
    return made
  end
  if more then
    core.abandon(token)
  end
  error(made, 0)
end

--- A columnar result: typed arrays. See covet.columns.
-- @tparam string|table text
-- @param ... values
-- @treturn table
function methods:fetch_columns(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  local builder
  while true do
    if batch then
      builder = collect(batch, builder, given.types, token, more)
    end
    if not more then
      return builder and builder:finish() or columns.empty()
    end
    more, batch = proceed(session, parsed, token, started)
  end
end

--- The names of the columns of a result of `fetch_all`.
-- @tparam table rows
-- @treturn table a list
function methods:columns(rows)
  local names = names_of[rows]
  if not names then
    caller.usage "columns(rows): rows must be a result of fetch_all"
  end
  return { unpack(names) }
end

return methods
