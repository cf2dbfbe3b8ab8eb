--- What a session opens: streams, and prepared statements.
-- @module covet.session.streams

local call = require "covet.call"
local runner = require "covet.session.run"
local statement = require "covet.statement"
local stream = require "covet.stream"

local submit = runner.submit

local methods = {}

-- A connection for a stream by a cursor, which needs a transaction. Only the stream
-- has it, and closes it.
local function acquire_for_cursor(session)
  local held = session:acquire { read_only = true }
  held.is_of_stream = true
  local inner = held:with_options {}
  inner.is_inner = true
  local fine, err = pcall(inner.execute, inner, session.adapter.cursor_text)
  if not fine then
    held:close()
    error(err, 0)
  end
  return held
end

-- A stream keeps its connection busy. Where that is the only one, it is shared
-- with the other calls of the task.
local function session_for(session, text)
  if session.lease == 0 and session.adapter.cursor_text
    and type(text) == "table" and text.cursor then
    return acquire_for_cursor(session)
  end
  return session.share and session:share() or session
end

local function open_stream(self, open, text, ...)
  local session = session_for(self:enter(text), text)
  if not session.is_share and not session.is_of_stream then
    return open(session, submit, text, ...)
  end
  local fine, made = pcall(open, session, submit, text, ...)
  if not fine then
    session:close()
    error(made, 0)
  end
  return made
end

--- Rows by chunks: `for chunk in db:stream_query{...} do`.
-- @tparam string|table text SQL, or `{ sql, values..., chunk_size =, cursor =, option
-- = }`
-- @param ... values
-- @treturn userdata answers the next chunk, a list of rows, when it is called;
-- `read`, `close`, `columns`
function methods:stream_query(text, ...)
  return open_stream(self, stream.chunks, text, ...)
end

--- Rows one by one: `for row in db:each(...) do`.
-- @tparam string|table text as of `stream_query`
-- @param ... values
-- @treturn userdata the same, of rows
function methods:each(text, ...)
  return open_stream(self, stream.rows, text, ...)
end

--- A described statement, with the fetch methods.
-- @tparam string|table text or `{ text, option = }`: options of its calls
-- @treturn table
function methods:prepare(text)
  self, text = call.take_apart(self, text)
  return statement.prepare(self, self:enter(text), text)
end

return methods
