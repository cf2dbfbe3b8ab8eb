--- Streams: rows fetched while they are read, memory bounded by a few chunks.
--
-- A stream is called by a `for` loop. It belongs to the task (or transaction)
-- in which it was opened, and is closed at its end at the latest; `close()`
-- frees its connection at once.
-- @module covet.stream

local core = require "covet.core"
local decode = require "covet.decode"
local ffi = require "ffi"
local task = require "covet.task"

local BATCH = ffi.typeof "covet_batch *"
local STREAM = core.flags.ROWS + core.flags.STREAM
local NEEDS_ENCODING = -100
local CHUNK_SIZE = 1000

local Stream = {}
local class = { __name = "covet.stream", __index = Stream }

local M = {}

local function disown(self)
  if self.task then
    self.task:disown(self)
    self.task = nil
  end
end

--- End the stream: its statement ends and its connection is free again. May be
-- called twice. A task that waits for the next chunk gets nil.
function Stream:close()
  local batch, token = self.batch, self.token
  self.batch, self.token, self.rows, self.chunk = nil, nil, nil, nil
  self.closed = true
  disown(self)
  if batch ~= nil then
    decode.free(batch)
  end
  if token and self.waiting then
    core.cancel(token) -- its completion ends that wait
  elseif token then
    core.abandon(token)
  end
  if self.session.is_share then
    self.session:close()
  end
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
local function keep(self, more, batch)
  if not more then
    self.token = nil
  end
  self.batch = batch and ffi.cast(BATCH, batch) or nil
  if self.batch ~= nil and not self.names then
    self.names = decode.names(self.batch)
  end
end

-- Make `self.batch` the next batch. False at the end.
local function next_batch(self)
  while self.batch == nil do
    local token = self.token
    if not token then
      return false
    end
    self.waiting = true
    local ok, more, batch = task.finish(core.next(token))
    self.waiting = false
    if self.closed then
      drop_news(token, ok, more, batch)
      return false
    end
    if not ok then
      self.token = nil
      self:close()
      self.session:fail(more == false and batch or {}, self.parsed)
    end
    keep(self, more, batch)
  end
  return true
end

-- Decode one batch into `out` behind `n`.
local function decode_one(self, out, n)
  local batch = self.batch
  self.batch = batch.next ~= nil and batch.next or nil
  batch.next = nil
  local _, last = decode.rows(batch, self.mode.form, self.mode.types, out, n)
  return last
end

-- Rows of a batch that went over the chunk's size wait here for the next one.
local function take_rest(self)
  local rest, count = self.rows, self.count or 0
  self.rows, self.count = nil, 0
  return rest or {}, rest and count or 0
end

local function keep_rest(self, out, n)
  local rest = {}
  for i = self.size + 1, n do
    rest[i - self.size] = out[i]
    out[i] = nil
  end
  self.rows, self.count = rest, n - self.size
end

--- The next chunk, an array of at most `chunk_size` rows; nil at the end.
function Stream:read()
  if self.closed then
    return nil
  end
  local out, n = take_rest(self)
  while n < self.size and next_batch(self) do
    n = decode_one(self, out, n)
  end
  if n > self.size then
    keep_rest(self, out, n)
  elseif n == 0 then
    self:close()
    return nil
  end
  return out
end

-- One row after the other out of chunks.
function Stream:read_row()
  local chunk, index = self.chunk, self.index
  if not chunk or chunk[index + 1] == nil then
    chunk, index = self:read(), 0
    self.chunk = chunk
    if not chunk then
      return nil
    end
  end
  self.index = index + 1
  return chunk[index + 1]
end

--- The names of the columns: a list, nil as long as no row has come.
function Stream:columns()
  return self.names
end

local function open(session, submit, read, text, ...)
  local self = setmetatable({ session = session }, class)
  local function wait(parsed, given, token, ...)
    return parsed, given, token, task.finish(token, ...)
  end
  local adapter = session.adapter
  local parsed, given, token, ok, more, batch =
    wait(submit(session, STREAM, adapter.query_timeout, text, ...))
  if not ok and batch.code == NEEDS_ENCODING then
    parsed, given, token, ok, more, batch = wait(submit(session, STREAM,
      adapter.query_timeout, require("covet.call").encode(text, ...)))
  end
  if not ok then
    session:fail(batch, parsed)
  end
  self.parsed, self.mode, self.token = parsed, given.mode, token
  self.size = given.chunk_size or CHUNK_SIZE
  self.step = read
  keep(self, more, batch)
  self.task = session.scope and session:scope() or task.current()
  if self.task then
    self.task:own(self)
  end
  return self
end

class.__call = function(self)
  return self.step(self)
end

--- A stream of chunks.
-- @tparam table session
-- @tparam function submit of covet.session
-- @param ... the call
function M.chunks(session, submit, ...)
  return open(session, submit, Stream.read, ...)
end

--- A stream of rows.
-- @tparam table session
-- @tparam function submit of covet.session
-- @param ... the call
function M.rows(session, submit, ...)
  return open(session, submit, Stream.read_row, ...)
end

return M
