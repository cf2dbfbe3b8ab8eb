--- COPY: out of tables and queries, and into tables.
-- @module covet.adapter.postgresql.copy

local about = require "covet.adapter.about"
local bulk = require "covet.bulk"
local caller = require "covet.caller"
local claims = require "covet.claims"
local core = require "covet.core"
local deadlines = require "covet.bulk.deadline"
local decode = require "covet.decode"
local events = require "covet.events"
local files = require "covet.adapter.postgresql.files"
local invoke = require "covet.adapter.invoke"
local options = require "covet.options"
local stream = require "covet.stream"
local task = require "covet.task"
local texts = require "covet.adapter.postgresql.copy_text"
local waits = require "covet.wait"

local STREAM = core.flags.ROWS + core.flags.STREAM

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local value_mode = decode.mode "value"

-- How long each stretch of work of a COPY out may take.
local function time_of_stretch(session, given)
  return given.timeout or session.defaults.timeout
    or session.adapter.command_timeout
end

-- --- Out ----------------------------------------------------------------------------

-- What comes out of a COPY is a stream of pieces: `read()` answers the next one.
local PIECES = stream.kind("covet.copy", {
  read = stream.next_row, close = stream.close,
}, stream.next_row)

-- Begin a COPY out; the server has agreed. `of` is its `text`, and `sent` where that
-- is another one.
local function open(session, of, started, given)
  claims.sweep(session.adapter)
  local token, ok, more, batch, affected = waits.call(session, of, started,
    core.call, session.adapter.handle, session.lease, STREAM,
    time_of_stretch(session, given), 0, "copy_out", of.sent or of.text)
  if not ok then
    session:fail(batch, of, started)
  end
  return stream.new(PIECES, { session = session, parsed = of, mode = value_mode,
    size = 1, token = token, started = started, what = "a COPY begun",
    is_part = given.to ~= nil }, more, batch, affected)
end

-- Hand all pieces to a function.
local function drain(pieces, write)
  local fine, err = pcall(function()
    for piece in pieces do
      write(piece)
    end
  end)
  if not fine then
    stream.give_up(pieces, err)
  end
  return tonumber(stream.affected(pieces)) or 0
end

-- The file is made anew when the server has agreed.
local function drain_into_file(pieces, path)
  local opened, file = pcall(files.open, path, "w")
  if not opened then
    stream.give_up(pieces, file)
  end
  local fine, rows = pcall(drain, pieces, function(piece)
    file:write(piece)
  end)
  local closed, err = pcall(file.close, file)
  if not fine or not closed then
    error(fine and err or rows, 0)
  end
  return rows
end

local function check_target(to)
  if to ~= nil and type(to) ~= "string" and not bulk.as_iterator(to) then
    caller.usage("to: expected a path or a function, got %s", type(to))
  end
end

local function copy_to(session, of, started, given)
  local pieces = open(session, of, started, given)
  if type(given.to) == "string" then
    return drain_into_file(pieces, given.to)
  end
  return drain(pieces, given.to)
end

local function copy_out(session, of, given)
  check_target(given.to)
  local started = events.begin(session)
  if given.to == nil then
    return open(session, of, started, given)
  end
  return events.run(session, of, started, copy_to, session, of, started, given)
end

--- Copy a table out.
-- @tparam string|table name or `{ name, option = }`
-- @tparam[opt] table given `to` (a path or a function of each piece), `columns`,
-- `schema`, `format` ("text", "csv", "binary") and the format's own
-- @treturn number|userdata rows; without `to` an iterator of pieces, strings, with
-- `read` and `close`: it keeps a connection until it has ended or is closed
function methods:copy_from_table(name, given)
  name, given = about.forms(name, given)
  given = options.check(texts.FROM_TABLE, given or {}, "copy_from_table",
    caller.LEVEL)
  return copy_out(self:enter(), { text = texts.out_of(name, given) }, given)
end

--- Copy the rows of a query out.
-- @tparam string|table given SQL, or `{ sql, values..., params =, to =, format =,
-- ... }`; values are sent as literals in the text, which errors do not show
-- @treturn number|userdata as of `copy_from_table`
function methods:copy_from_query(given)
  if type(given) == "string" then
    given = { given }
  end
  local session = self:enter()
  return copy_out(session, texts.out_of_query(session, given))
end

-- --- In --------------------------------------------------------------------------------

local function nothing_to_close() end

-- What gives the pieces: a function that answers the next one, and one that closes
-- what was opened.
local function open_source(from)
  if type(from) == "string" then
    local file = files.open(from, "r")
    return function()
      return file:read()
    end, function()
      file:close()
    end
  end
  local iterator = bulk.as_iterator(from)
  if iterator then
    return iterator, nothing_to_close
  end
  local i = 0
  return function()
    i = i + 1
    return from[i]
  end, nothing_to_close
end

local function check_source(from)
  if type(from) ~= "string" and type(from) ~= "table"
    and not bulk.as_iterator(from) then
    caller.usage("from: expected a path, an iterator or a list, got %s",
      type(from))
  end
end

local function send_all(session, of, next_piece, deadline)
  local piece = deadline:read(next_piece)
  while piece ~= nil do
    if type(piece) ~= "string" then
      caller.usage("COPY takes strings, got %s", type(piece))
    end
    invoke.call(session, "copy_data", of, deadline:left(), piece)
    piece = deadline:read(next_piece)
  end
end

-- How long the server may take over data that it has, when the rest does not
-- come.
local ABORT_TIMEOUT = 1

-- End an open COPY without its data. That may fail: what it failed of may have
-- ended it.
local function abort(session)
  task.finish(core.call(session.adapter.handle, session.lease, 0, ABORT_TIMEOUT,
    0, "copy_end", "its source failed"))
end

--- Begin a COPY into a table, send its data, and end it.
-- @tparam table session on a lease
-- @tparam table of `text`, and `started` of covet.events.begin
-- @tparam string format
-- @tparam string|nil oids of the columns, for rows
-- @tparam table deadline of covet.bulk.deadline
-- @tparam function fn sends the data
-- @treturn number rows
function M.send(session, of, format, oids, deadline, fn)
  invoke.call(session, "copy_begin", of, deadline:left(), of.text, format, oids)
  local fine, left = pcall(function()
    fn()
    return deadline:left()
  end)
  if not fine then
    task.shelter(abort, session)
    error(left, 0)
  end
  return invoke.call(session, "copy_end", of, left)
end

-- Run `fn(session)` on a lease, one of its own if need be.
local function on_lease(session, deadline, fn)
  if session.lease ~= 0 then
    return fn(session)
  end
  return session:with({ timeout = deadline:given() }, fn)
end

local function copy_in(session, of, given, deadline)
  local next_piece, close = open_source(given.from)
  local fine, rows = pcall(on_lease, session, deadline, function(held)
    return M.send(held, of, given.format, nil, deadline, function()
      send_all(held, of, next_piece, deadline)
    end)
  end)
  close()
  if not fine then
    error(rows, 0)
  end
  return rows
end

--- Copy data into a table: all of it or, after an error, nothing.
-- @tparam string|table name or `{ name, option = }`
-- @tparam table given `from` (a path, an iterator, a list of strings), `columns`,
-- `schema`, `format` and the format's own
-- @treturn number rows
function methods:copy_to_table(name, given)
  name, given = about.forms(name, given)
  given = options.check(texts.TO_TABLE, given or {}, "copy_to_table",
    caller.LEVEL)
  check_source(given.from)
  local session = self:enter "INSERT"
  local of = { text = texts.into(name, given), started = events.begin(session) }
  local deadline = deadlines.new(session, given.timeout, of, of.started)
  return events.run(session, of, of.started, deadline.run, deadline, function()
    return copy_in(session, of, given, deadline)
  end)
end

return M
