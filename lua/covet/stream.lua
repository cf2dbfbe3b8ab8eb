--- Streams: rows fetched while they are read, memory bounded by a few chunks.
--
-- A stream is called by a `for` loop. The task (or transaction) in which it was
-- opened owns its *cursor* and closes it at its end at the latest; `close()`
-- frees the connection at once. What the user holds is a userdata without
-- anything in it: when a loop was left early, the collector finds that, and
-- frees the connection too.
-- @module covet.stream

local call = require "covet.call"
local caller = require "covet.caller"
local claims = require "covet.claims"
local core = require "covet.core"
local decode = require "covet.decode"
local errors = require "covet.error"
local events = require "covet.events"
local ffi = require "ffi"
local task = require "covet.task"
local waits = require "covet.wait"

local error, pcall = error, pcall

local BATCH = ffi.typeof "covet_batch *"
local STREAM = core.flags.ROWS + core.flags.STREAM
local CHUNK_SIZE = 1000
local NOTHING = {}
local AT_END, FAILED = "at its end", "has failed before"

local Cursor = { what = "a stream opened" }
Cursor.__index = Cursor

local M = {}

-- --- The cursor -------------------------------------------------------------------

--- The lane of its connection, while it has one: see covet.claims.
function Cursor:lane()
  local token = self.token
  return token and core.place(token) or nil
end

-- Let go of the statement and the rows: what needs no wait, and happens once.
-- `closed` is why: "at its end", or what its reader is told.
local function let_go(self, why)
  local batch, token = self.batch, self.token
  self.batch, self.token, self.rest = nil, nil, nil
  self.chunk, self.index, self.closed = NOTHING, 0, why
  if batch ~= nil then
    decode.free(batch)
  end
  if token and self.waiting then
    core.cancel(token) -- its completion ends that wait
  elseif token then
    core.abandon(token)
  end
  if self.claimed then
    self.claimed = false
    claims.remove(self.session.adapter, self.task, self)
  end
end

-- Tell of the end, and give a shared connection back.
local function settle(self)
  local session, started = self.session, self.started
  self.settled, self.started = true, false
  if self.owner then
    self.owner:disown(self)
  end
  if started and not self.is_part then
    session.adapter:note_query(self.parsed, started)
  end
  if session.is_share or session.is_of_stream then
    session:close()
  end
end

-- End the stream.
local function finish(self, why)
  if not self.closed then
    let_go(self, why)
  end
  if not self.settled then
    settle(self)
  end
end

--- Its owner ends, or the collector has found that nobody reads it.
function Cursor:close()
  finish(self, self.owner == self.task and "was closed when its task ended"
    or "was closed when its transaction ended")
end

-- Raise why there is no more to read, unless all was read.
local function refuse_closed(self)
  if self.closed ~= AT_END then
    errors.raise({ kind = "usage", retry = "no", cause = self.fault,
      message = "the stream " .. self.closed }, caller.LEVEL)
  end
end

-- The call has failed: told as that, not as its end.
local function fail(self, fields)
  local session, started = self.session, self.started
  self.token, self.started = nil, false
  finish(self, FAILED)
  local _, err = pcall(session.fail, session, fields, self.parsed, started)
  self.fault = err
  error(err, 0)
end

-- The stream was closed while a task waited for this news of it.
local function drop_news(token, ok, more, batch)
  if ok and batch then
    decode.free(batch)
  end
  if ok and more then
    core.abandon(token)
  end
end

-- Keep what came; a token that has ended is forgotten.
local function keep(self, more, batch, affected)
  self.read_since = true
  if not more then
    self.token, self.affected = nil, affected
  end
  self.batch = batch and ffi.cast(BATCH, batch) or nil
  if self.batch ~= nil and not self.names then
    self.names = decode.names(self.batch)
  end
end

-- Something raised within covet, or the wait was interrupted.
local function give_up(self, err)
  local started = self.started
  self.started = false
  self.fault = err
  finish(self, FAILED)
  if started and not self.is_part then
    self.session.adapter:note_error(err, self.parsed, started)
  end
  error(err, 0)
end

-- Make `self.batch` the next batch. False at the end. The guard must not be
-- collected while someone waits.
local function next_batch(self, guard)
  while self.batch == nil do
    local token = self.token
    if not token then
      return false
    elseif self.waiting then
      caller.usage "another task waits for the next chunk of this stream"
    end
    self.waiting = guard
    local fine, ok, more, batch, affected = pcall(task.finish, core.next(token))
    self.waiting = false
    if not fine then
      self.token = nil -- the operation has ended with the wait
      give_up(self, ok)
    elseif self.closed then
      drop_news(token, ok, more, batch)
      return false
    elseif not ok then
      fail(self, batch)
    end
    keep(self, more, batch, affected)
  end
  return true
end

-- Decode one batch into `out` behind `n`; `out` is made when there is none.
local function decode_one(self, out, n)
  local batch = self.batch
  self.batch = batch.next ~= nil and batch.next or nil
  batch.next = nil
  local fine, list, last = pcall(decode.rows, batch, self.mode.form,
    self.mode.types, out, n)
  if not fine then
    give_up(self, list)
  end
  return list, last
end

-- Rows of a batch that went over the chunk's size wait here for the next one.
local function take_rest(self)
  local rest, count = self.rest, self.rest_count
  self.rest, self.rest_count = nil, 0
  return rest, count
end

local function keep_rest(self, out, n)
  local rest = {}
  for i = self.size + 1, n do
    rest[i - self.size] = out[i]
    out[i] = nil
  end
  self.rest, self.rest_count = rest, n - self.size
end

-- The next chunk; nil at the end.
local function read(self, guard)
  if self.closed then
    return refuse_closed(self)
  end
  local out, n = take_rest(self)
  while n < self.size and next_batch(self, guard) do
    out, n = decode_one(self, out, n)
  end
  if self.closed then
    return refuse_closed(self)
  elseif n > self.size then
    keep_rest(self, out, n)
  elseif n == 0 then
    finish(self, AT_END)
    return nil
  end
  return out
end

-- --- What the user holds ------------------------------------------------------------

local Stream = {}

-- The cursors by guard. No cursor knows its guard, but while someone waits.
local cursors = setmetatable({}, { __mode = "k" })

--- End the stream: its statement ends and its connection is free again. May be
-- called twice. Who reads on gets an error, as does a task that waits for the
-- next chunk: a stream that was closed has not come to its end.
function Stream:close()
  finish(cursors[self], "was closed before, by its close()")
end

--- The next chunk, an array of at most `chunk_size` rows; nil at the end.
-- @raise usage: it was closed before its end, by `close()`, or with its task or
-- transaction
function Stream:read()
  return (read(cursors[self], self))
end

local function next_of_next_chunk(self, guard)
  self.chunk, self.index = read(self, guard) or NOTHING, 1
  return self.chunk[1]
end

-- One row after the other out of chunks.
local function next_row(guard)
  local self = cursors[guard]
  local index = self.index + 1
  local row = self.chunk[index]
  if row ~= nil then
    self.index = index
    return row
  end
  return (next_of_next_chunk(self, guard))
end

--- The names of the columns: a list, nil as long as no row has come.
function Stream:columns()
  return cursors[self].names
end

local function collected(guard)
  local self = cursors[guard]
  if self and not self.closed then
    let_go(self, "was collected")
    claims.drop(self.session.adapter, self)
  end
end

--- Make a kind of streams: what the user holds of them.
-- Guards of a kind share one metatable: `newproxy` copies that of its argument.
-- @tparam string name
-- @tparam table methods
-- @tparam function step `step(guard)`: the next item of a loop
-- @treturn userdata for `M.new`
function M.kind(name, methods, step)
  local kind = newproxy(true)
  local meta = getmetatable(kind)
  meta.__name, meta.__index, meta.__call = name, methods, step
  meta.__gc = collected
  return kind
end

local CHUNKS = M.kind("covet.stream", Stream, Stream.read)
local ROWS = M.kind("covet.stream", Stream, next_row)

--- `close(stream)`, for other kinds.
M.close = Stream.close

--- `next_row(stream)`: what the loop of a stream of rows calls.
M.next_row = next_row

-- --- Opening --------------------------------------------------------------------------

local function own(self)
  local session = self.session
  self.owner = session.scope and session:scope() or self.task
  if self.owner then
    self.owner:own(self)
  end
  if self.token and session.lease == 0 then
    self.claimed, self.opened_at = true, caller.where()
    claims.add(session.adapter, self.task, self)
  end
end

--- Make a stream of a call of which there is news.
-- @tparam userdata kind of `M.kind`
-- @tparam table cursor taken: `session`, `parsed`, `mode` (of covet.decode), `token`,
-- `started`, `size` (rows in a chunk), `what` it is for messages, `is_part` (of a
-- call that is told when it has ended)
-- @tparam boolean more whether there is more to come
-- @param batch what came
-- @param affected rows that the call counts, when it has ended
-- @treturn userdata
function M.new(kind, cursor, more, batch, affected)
  cursor.task, cursor.chunk, cursor.index = task.running(), NOTHING, 0
  cursor.rest_count, cursor.closed, cursor.waiting = 0, false, false
  setmetatable(cursor, Cursor)
  keep(cursor, more, batch, affected)
  own(cursor)
  local guard = newproxy(kind)
  cursors[guard] = cursor
  return guard
end

--- Rows that the call of a stream counts; nil as long as it has not ended.
-- @tparam userdata guard
-- @treturn number|string|nil
function M.affected(guard)
  return cursors[guard].affected
end

--- What is done with a stream has failed: end it, tell of it, and raise that.
-- @tparam userdata guard
-- @param err
function M.give_up(guard, err)
  give_up(cursors[guard], err)
end

local function first_news(session, parsed, started, given, token, ...)
  return parsed, given, token,
    waits.finish(session, parsed, started, token, ...)
end

-- Submit the call, with values that the binding can read: its statement, options,
-- token and first news.
local begin
function begin(session, submit, started, encodes, text, ...)
  local adapter = session.adapter
  local function submitted(parsed, given, ...)
    return first_news(session, parsed, started, given, ...)
  end
  local parsed, given, token, ok, more, batch
  if encodes then
    parsed, given, token, ok, more, batch = submitted(submit(session, STREAM,
      adapter.query_timeout, call.encode(session, text, ...)))
  else
    parsed, given, token, ok, more, batch = submitted(submit(session, STREAM,
      adapter.query_timeout, text, ...))
  end
  if not ok and not encodes and call.needs_encoding(batch) then
    return begin(session, submit, started, true, text, ...)
  end
  return parsed, given, token, ok, more, batch
end

local function open(kind, session, submit, text, ...)
  local started = events.begin(session)
  claims.sweep(session.adapter)
  local parsed, given, token, ok, more, batch = begin(session, submit, started,
    call.encodes_call(session, text), text, ...)
  if not ok then
    call.forget_types(parsed)
    session:fail(batch, parsed, started)
  end
  return M.new(kind, { session = session, parsed = parsed, mode = given.mode,
    size = given.chunk_size or CHUNK_SIZE, token = token, started = started },
    more, batch)
end

--- A stream of chunks.
-- @tparam table session
-- @tparam function submit of covet.session
-- @param ... the call
function M.chunks(session, submit, ...)
  return open(CHUNKS, session, submit, ...)
end

--- A stream of rows.
-- @tparam table session
-- @tparam function submit of covet.session
-- @param ... the call
function M.rows(session, submit, ...)
  return open(ROWS, session, submit, ...)
end

return M
