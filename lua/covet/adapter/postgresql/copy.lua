--- COPY: out of tables and queries, into tables, and records into tables.
-- @module covet.adapter.postgresql.copy

local bulk = require "covet.bulk"
local caller = require "covet.caller"
local core = require "covet.core"
local decode = require "covet.decode"
local events = require "covet.events"
local files = require "covet.adapter.postgresql.files"
local invoke = require "covet.adapter.postgresql.invoke"
local options = require "covet.options"
local parameters = require "covet.adapter.postgresql.parameters"
local sql = require "covet.sql"
local statement = require "covet.statement"
local task = require "covet.task"
local texts = require "covet.adapter.postgresql.copy_text"
local waits = require "covet.wait"

local STREAM = core.flags.ROWS + core.flags.STREAM
local MANY = core.flags.MANY

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local value_mode = decode.mode "value"

local function deadline(session, given)
  return given.timeout or session.defaults.timeout
    or session.adapter.command_timeout
end

-- --- Out ----------------------------------------------------------------------------

-- What comes out of a COPY, piece by piece.
local Pieces = {}
local class = { __name = "covet.copy", __index = Pieces }

function class:__call()
  return self:read()
end

local function finish_pieces(self)
  self.token, self.closed = nil, true
  if self.owner then
    self.owner:disown(self)
  end
  local started = self.started
  self.started = false
  if started then
    self.session.adapter:note_query(self.called, started)
  end
end

-- Take what is there of one piece of news.
local function keep(self, ok, more, batch, affected)
  if not ok then
    local started = self.started
    self.started = false
    finish_pieces(self)
    self.session:fail(batch, self.called, started)
  end
  local list, n = {}, 0
  if batch then
    list, n = decode.rows(batch, value_mode.form, value_mode.types)
  end
  self.list, self.count, self.index = list, n, 0
  if not more then
    self.rows = tonumber(affected)
    finish_pieces(self)
  end
end

local function take_news(self, token, ok, more, ...)
  self.token = ok and more and token or nil
  keep(self, ok, more, ...)
end

--- The next piece, a string; nil at the end.
function Pieces:read()
  while self.index == self.count do
    local token = self.token
    if not token then
      return nil
    end
    self.token = nil -- if the wait is broken off, the operation has ended
    take_news(self, token, waits.finish(self.session, self.called, self.started,
      core.next(token)))
  end
  self.index = self.index + 1
  return self.list[self.index]
end

--- End it: the connection is free again. May be called twice.
function Pieces:close()
  local token = self.token
  if token then
    core.abandon(token)
  end
  self.index, self.count = 0, 0
  if not self.closed then
    finish_pieces(self)
  end
end

local function take_first(self, token, ...)
  take_news(self, token, waits.finish(self.session, self.called, self.started,
    token, ...))
end

-- Begin a COPY out. The task or the transaction owns it.
local function open(session, text, given)
  local self = setmetatable({ session = session, called = { text = text },
    started = events.begin(session), list = {}, count = 0, index = 0,
    closed = false }, class)
  self.owner = session.scope and session:scope() or task.current()
  if self.owner then
    self.owner:own(self)
  end
  take_first(self, core.call(session.adapter.handle, session.lease, STREAM,
    deadline(session, given), 0, "copy_out", text))
  return self
end

-- Hand all pieces to a function, and close what belongs to them.
local function drain(pieces, write)
  local fine, err = pcall(function()
    for piece in pieces do
      write(piece)
    end
  end)
  pieces:close()
  if not fine then
    error(err, 0)
  end
  return pieces.rows or 0
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function"
    or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

local function copy_into_file(session, text, given)
  local write, close = files.writer(given.to)
  local fine, rows = pcall(function()
    return drain(open(session, text, given), write)
  end)
  local closed, err = pcall(close)
  if not fine or not closed then
    error(fine and err or rows, 0)
  end
  return rows
end

local function copy_out(session, text, given)
  if given.to == nil then
    return open(session, text, given)
  elseif type(given.to) == "string" then
    return copy_into_file(session, text, given)
  elseif is_callable(given.to) then
    return drain(open(session, text, given), given.to)
  end
  caller.usage("to: expected a path or a function, got %s", type(given.to))
end

--- Copy a table out.
-- @tparam string name
-- @tparam[opt] table given `to` (a path or a function of each piece), `columns`,
-- `schema`, `format` ("text", "csv", "binary") and the format's own
-- @treturn number|function rows; without `to` an iterator of pieces
function methods:copy_from_table(name, given)
  given = options.check(texts.FROM_TABLE, given or {}, "copy_from_table",
    caller.LEVEL)
  return copy_out(self:enter(), texts.out_of(name, given), given)
end

--- Copy the rows of a query out.
-- @tparam table given `{ sql, values..., to =, format =, ... }`; values stand as
-- literals in the text
-- @treturn number|function rows; without `to` an iterator of pieces
function methods:copy_from_query(given)
  if type(given) == "string" then
    given = { given }
  end
  local session = self:enter()
  local text, checked = texts.out_of_query(self.adapter, given)
  return copy_out(session, text, checked)
end

-- --- In --------------------------------------------------------------------------------

-- The next piece of what is given, and what closes it.
local function source_of(from)
  if type(from) == "string" then
    return files.reader(from)
  elseif is_callable(from) then
    return from, function() end
  elseif type(from) ~= "table" then
    caller.usage("from: expected a path, an iterator or a list, got %s",
      type(from))
  end
  local i = 0
  return function()
    i = i + 1
    return from[i]
  end, function() end
end

local function send_all(session, of, next_piece, timeout)
  local piece = next_piece()
  while piece ~= nil do
    if type(piece) ~= "string" then
      caller.usage("COPY takes strings, got %s", type(piece))
    end
    invoke.call(session, "copy_data", of, timeout, piece)
    piece = next_piece()
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

-- Begin a COPY (`of` has its `text`), run `fn` to send its data, and end it.
local function copy_in(session, of, format, oids, timeout, fn)
  invoke.call(session, "copy_begin", of, timeout, of.text, format, oids)
  local fine, err = pcall(fn)
  if not fine then
    task.shelter(abort, session)
    error(err, 0)
  end
  return invoke.call(session, "copy_end", of, timeout)
end

-- Run `fn(session)` on a lease, one of its own if need be.
local function on_lease(session, fn)
  if session.lease ~= 0 then
    return fn(session)
  end
  return session:with(fn)
end

--- Copy data into a table: all of it or, after an error, nothing.
-- @tparam string name
-- @tparam table given `from` (a path, an iterator, a list of strings), `columns`,
-- `schema`, `format` and the format's own
-- @treturn number rows
function methods:copy_to_table(name, given)
  given = options.check(texts.TO_TABLE, given or {}, "copy_to_table",
    caller.LEVEL)
  local next_piece, close = source_of(given.from)
  local session = self:enter "INSERT"
  local of = { text = texts.into(name, given), started = events.begin(session) }
  local timeout = deadline(session, given)
  local fine, rows = pcall(on_lease, session, function(held)
    return copy_in(held, of, given.format, nil, timeout, function()
      send_all(held, of, next_piece, timeout)
    end)
  end)
  close()
  if not fine then
    error(rows, 0)
  elseif of.started then
    session.adapter:note_query(of, of.started)
  end
  return rows
end

-- --- Records ------------------------------------------------------------------------------

-- Types that the driver writes in binary, whatever comes.
local BINARY = {}
for _, oid in ipairs { 16, 17, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043,
  1082, 1083, 1114, 1184, 1700, 2950, 3802 } do
  BINARY[oid] = true
end

-- The columns of the records, and the ids of their types.
local function describe(load)
  local tx = load.session
  local names = {}
  for i, name in ipairs(load.names) do
    names[i] = sql.quote_identifier(name, "postgresql")
  end
  local place = sql.quote_identifier(load.schema and { load.schema, load.name }
    or load.name, "postgresql")
  local inner = tx:with_options {}
  inner.is_inner = true
  return statement.describe(inner, { text = ("SELECT %s FROM %s LIMIT 0"):format(
    table.concat(names, ", "), place) }, load.started).columns
end

-- The ids of the columns' types as text, and the format.
local function plan_of(columns)
  local oids, format = {}, "binary"
  for i, column in ipairs(columns) do
    oids[i] = ("%d"):format(column.type_id)
    format = BINARY[column.type_id] and format or "text"
  end
  return table.concat(oids, ","), format
end

local function submit(load, rows, n)
  return core.call_list(load.session.adapter.handle, load.session.lease, MANY,
    load.timeout, 0, "copy_rows", rows, n, load.parsed.count)
end

--- Copy records into a table: see covet.bulk.
-- @tparam table load its `session` is a transaction
-- @treturn number rows
function M.copy_records(load)
  local tx = load.session
  load.timeout = deadline(tx, load)
  local columns = describe(load)
  local kinds = parameters.kinds(tx, columns) -- once COPY runs nothing can be asked
  local oids, format = plan_of(columns)
  load.parsed = { count = #load.names, columns = load.names,
    has_codec = parameters.have_codec(kinds),
    text = texts.into(load.name, { schema = load.schema, columns = load.names,
      format = format }) }
  load.numbers, load.submit = parameters.places_of_numbers(kinds), submit
  local function types_of()
    return kinds
  end
  function load.encode(index, value)
    return parameters.encode(types_of, index, value, tx.adapter.encodes_all)
  end
  return copy_in(tx, { text = load.parsed.text, started = load.started }, format,
    oids, load.timeout, function()
      bulk.pump(load)
    end)
end

return M
