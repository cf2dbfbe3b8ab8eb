--- Several statements in one go: `db:pipeline(function(p) ... end)`.
--
-- The function notes statements. When it returns all of them are sent together,
-- with one answer of the server for all: outside of a transaction they are one.
-- @module covet.adapter.postgresql.pipeline

local call = require "covet.call"
local caller = require "covet.caller"
local core = require "covet.core"
local decode = require "covet.decode"
local events = require "covet.events"
local json = require "covet.json"
local statement = require "covet.statement"
local task = require "covet.task"
local waits = require "covet.wait"

local PIPELINE, ROWS = core.flags.PIPELINE, core.flags.ROWS
local ONE, READ_ONLY = core.flags.ONE, core.flags.READ_ONLY

local M = {}

--- Methods of sessions.
M.methods = {}

-- --- What a statement gives -------------------------------------------------------------

-- The first of the deliveries that a statement is left with.
local function next_batch(handle)
  return table.remove(handle.batches, 1)
end

local function first_of(handle, mode)
  local batch, row = next_batch(handle), nil
  if batch then
    row = decode.first(batch, mode)
  end
  return row
end

local function rows_of(handle, mode)
  local rows, n = {}, 0
  local batch = next_batch(handle)
  while batch do
    rows, n = decode.rows(batch, mode.form, mode.types, rows, n)
    batch = next_batch(handle)
  end
  return rows
end

-- The binding gives integers beyond 2^53 as digits.
local function exact(value)
  return type(value) == "string" and json.decode(value) or value
end

-- By method: the flags of the statement, and what becomes of what it gave.
local KINDS = {
  execute = { flags = 0, read = function(handle)
    return { affected_rows = exact(handle.affected) }
  end },
  fetch_all = { flags = ROWS, read = function(handle, given)
    return rows_of(handle, given.mode)
  end },
  fetch_one = { flags = ROWS + ONE, read = function(handle, given)
    return first_of(handle, given.mode)
  end },
  fetch_value = { flags = ROWS + ONE, read = function(handle, given)
    return first_of(handle, given.value_mode)
  end },
  fetch_column = { flags = ROWS, read = function(handle, given)
    return rows_of(handle, call.column_mode(given))
  end },
}

-- --- Statements that were noted ------------------------------------------------------------

local Handle = {}
local handle_class = { __name = "covet.pipelined", __index = Handle }

--- What the call gives, as the method of the same name does. Only when the
-- pipeline has run.
function Handle:result()
  if self.state ~= "done" then
    caller.usage(self.state == "failed" and "the pipeline failed"
      or "the pipeline runs when its function has returned")
  end
  return self.value
end

local Pipeline = {}
local class = { __name = "covet.pipeline", __index = Pipeline }

-- The parsed call, with parameters that the binding can read.
local function read_call(session, text, ...)
  local parsed, given, list, n
  if type(text) == "table" then
    parsed, given, list, n = call.read(session.adapter, session.defaults, text)
    if select("#", ...) > 0 then
      call.refuse_rest()
    end
  else
    parsed = call.parse(session.adapter, call.text_of(text))
    given, list, n = session.defaults, { ... }, select("#", ...)
    if parsed.names or parsed.count ~= n then
      call.refuse_count(parsed, n, list[n])
    end
  end
  if parsed.control then
    caller.usage("%s cannot be part of a pipeline", parsed.control)
  end
  return parsed, given, call.encode_list(session, parsed, list, n), n
end

for name, kind in pairs(KINDS) do
  Pipeline[name] = function(self, text, ...)
    if self.ended then
      caller.usage "the pipeline was sent before"
    end
    local parsed, given, list, n = read_call(self.session, text, ...)
    local handle = setmetatable({ kind = kind, parsed = parsed, given = given,
      list = list, n = n, batches = {}, state = "noted" }, handle_class)
    self[#self + 1] = handle
    return handle
  end
end

-- --- Running -----------------------------------------------------------------------------

local function submit(session, handle)
  local flags = bit.bor(handle.kind.flags, session.inside, PIPELINE)
  if handle.given.read_only then
    flags = bit.bor(flags, READ_ONLY)
  end
  return core.query_list(session.adapter.handle, session.lease, flags,
    handle.given.timeout or session.adapter.command_timeout, 0,
    handle.parsed.text, handle.list, handle.n)
end

-- All of them in one turn of the loop: nothing here waits.
local function submit_all(pipeline)
  for i = 1, #pipeline do
    local handle = pipeline[i]
    local function submitted(token, ...)
      handle.token = token
      handle.completion = token == nil and { ... } or nil
    end
    submitted(submit(pipeline.session, handle))
  end
end

-- Keep its first error: those behind it were not run.
local function keep_error(pipeline, handle, fields)
  local known = pipeline.fault
  if not known or known.kind == "transaction_aborted" then
    pipeline.fault, pipeline.fault_of = fields, handle
  end
end

-- Take one piece of news; whether more follow.
local function take(pipeline, handle, token, ok, more, batch, affected)
  if not ok then
    keep_error(pipeline, handle, batch)
    return false
  end
  if batch then
    table.insert(handle.batches, batch)
  end
  handle.affected, handle.token = affected, more and token or nil
  return more
end

-- While one waits the operation is not the handle's: it ends with the wait.
local function wait_for(pipeline, handle)
  local token = handle.token
  handle.token = nil
  if not token then
    take(pipeline, handle, nil, unpack(handle.completion, 1, 4))
    return
  end
  local more = take(pipeline, handle, token, waits.wait(pipeline.session,
    handle.parsed, false, token))
  while more do
    handle.token = nil
    more = take(pipeline, handle, token, task.finish(core.next(token)))
  end
end

local function drop(pipeline)
  for i = 1, #pipeline do
    local handle = pipeline[i]
    handle.state = "failed"
    if handle.token then
      core.abandon(handle.token)
    end
    for _, batch in ipairs(handle.batches) do
      decode.free(batch)
    end
    handle.token, handle.batches = nil, {}
  end
end

local function take_all(pipeline)
  for i = 1, #pipeline do
    wait_for(pipeline, pipeline[i])
  end
  if pipeline.fault then
    pipeline.session:fail(pipeline.fault, pipeline.fault_of.parsed)
  end
  for i = 1, #pipeline do
    local handle = pipeline[i]
    handle.value = handle.kind.read(handle, handle.given)
    handle.state = "done"
  end
end

local PLAIN = { SELECT = true, VALUES = true, WITH = true, INSERT = true,
  UPDATE = true, DELETE = true, MERGE = true }

-- Statements that the adapter does not know, unless one may change what others
-- mean.
local function new_statements(pipeline, known)
  local list = {}
  for i = 1, #pipeline do
    local parsed = pipeline[i].parsed
    if not PLAIN[parsed.verb or parsed.keyword] then
      return {}
    elseif not known[parsed] and pipeline[i].n > 0 then
      list[#list + 1] = parsed
    end
  end
  return list
end

-- The server is asked what a new statement is like before it runs. In the middle
-- of the others that would take them apart: outside of a transaction they would
-- not be one.
local function describe_new(pipeline)
  local session = pipeline.session
  local adapter = session.adapter
  adapter.pipelined = adapter.pipelined or setmetatable({}, { __mode = "k" })
  if session.inside ~= 0 or #pipeline == 1 then
    return
  end
  for _, parsed in ipairs(new_statements(pipeline, adapter.pipelined)) do
    if not adapter.pipelined[parsed] then
      statement.describe(session, parsed)
      adapter.pipelined[parsed] = true
    end
  end
end

local function send(pipeline)
  describe_new(pipeline)
  submit_all(pipeline)
  take_all(pipeline)
end

local function run(session, fn)
  local pipeline = setmetatable({ session = session }, class)
  local results = { n = 0 }
  local function keep(...)
    results = { n = select("#", ...), ... }
  end
  keep(fn(pipeline))
  pipeline.ended = true
  local started = events.begin(session)
  local fine, err = pcall(send, pipeline)
  if not fine then
    drop(pipeline)
    error(err, 0)
  elseif started then
    session.adapter:note_query({ name = "pipeline" }, started)
  end
  return unpack(results, 1, results.n)
end

--- Run the statements that `fn(p)` notes, in one round trip.
-- `p` has execute, fetch_all, fetch_one, fetch_value and fetch_column; each answers
-- an object whose `result()` is there when the pipeline has run. All or nothing:
-- outside of a transaction the statements are one.
-- @tparam function fn
-- @return what `fn` returned
function M.methods:pipeline(fn)
  if type(fn) ~= "function" then
    caller.usage("pipeline(fn): fn must be a function, not %s", type(fn))
  end
  local session = self:enter()
  if session.lease ~= 0 then
    return run(session, fn)
  end
  return session:with(function(held)
    return run(held, fn)
  end)
end

return M
