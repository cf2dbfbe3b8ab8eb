--- Several statements in one go: `db:pipeline(function(p) ... end)`.
--
-- The function notes statements. When it returns all of them are sent together,
-- with one answer of the server for all, which makes them one outside of a
-- transaction. The driver sends them so when it knows what each is like; else it
-- sends none, and they run one by one in a transaction.
-- @module covet.adapter.postgresql.pipeline

local call = require "covet.call"
local caller = require "covet.caller"
local core = require "covet.core"
local decode = require "covet.decode"
local events = require "covet.events"
local json = require "covet.json"
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
    return { affected_rows = exact(handle.affected), command = handle.command }
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

--- What the call gives, as the method of the same name does.
-- @return that
-- @raise usage before the pipeline has run, and when it failed
function Handle:result()
  if self.state ~= "done" then
    caller.usage(self.state == "failed" and "the pipeline failed"
      or "the pipeline runs when its function has returned")
  end
  return self.value
end

local Pipeline = {}
local class = { __name = "covet.pipeline", __index = Pipeline }

-- The parsed call: its statement, options, parameters and how many they are.
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
  return parsed, given, list, n
end

-- `p:execute`, `p:fetch_all`... take what the methods of sessions take, and answer a
-- handle: an object whose `result()` is what the method would have answered.
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

local function submit(session, handle, flags, list)
  flags = bit.bor(handle.kind.flags, session.inside, flags)
  if handle.given.read_only then
    flags = bit.bor(flags, READ_ONLY)
  end
  local function submitted(token, ...)
    handle.token = token
    handle.completion = token == nil and { ... } or nil
  end
  submitted(core.query_list(session.adapter.handle, session.lease, flags,
    handle.given.timeout or session.adapter.command_timeout, 0,
    handle.parsed.text, list, handle.n))
end

-- Keep the error that tells why: of the others it says that they were not run.
local function keep_error(pipeline, handle, fields)
  local known = pipeline.fault
  if not known or known.kind == "transaction_aborted"
    and fields.kind ~= "transaction_aborted" then
    pipeline.fault, pipeline.fault_of = fields, handle
  end
end

-- Take one piece of news; whether more follow.
local function take(pipeline, handle, token, ok, more, batch, affected, _,
    command)
  if not ok then
    keep_error(pipeline, handle, batch)
    return false
  end
  if batch then
    table.insert(handle.batches, batch)
  end
  handle.affected, handle.command = affected, command
  handle.token = more and token or nil
  return more
end

-- While one waits the operation is not the handle's: it ends with the wait.
local function wait_for(pipeline, session, handle)
  local token = handle.token
  handle.token = nil
  if not token then
    take(pipeline, handle, nil, unpack(handle.completion, 1, 6))
    return
  end
  local more = take(pipeline, handle, token, waits.wait(session, handle.parsed,
    false, token))
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

local function read_all(pipeline)
  for i = 1, #pipeline do
    local handle = pipeline[i]
    handle.value = handle.kind.read(handle, handle.given)
    handle.state = "done"
  end
end

-- --- Together, or one by one ---------------------------------------------------------------

-- The driver's words for statements that cannot go together, since the server has
-- to be asked about one of them first; nothing was sent. NOT_ONE: there is no
-- transaction that would make them one in turns.
local NOT_ONE, NOT_KNOWN = -101, -102

local function check(pipeline, session)
  if pipeline.fault then
    session:fail(pipeline.fault, pipeline.fault_of.parsed)
  end
end

local function encode(session, handle)
  return call.encode_list(session, handle.parsed, handle.list, handle.n)
end

local function run_alone(pipeline, session, handle)
  local encodes = call.wants_types(session, handle.parsed, handle.list,
    handle.n)
  submit(session, handle, 0, encodes and encode(session, handle) or handle.list)
  wait_for(pipeline, session, handle)
  if not encodes and pipeline.fault
    and call.needs_encoding(pipeline.fault) then
    pipeline.fault = nil
    submit(session, handle, 0, encode(session, handle))
    wait_for(pipeline, session, handle)
  end
  check(pipeline, session)
end

local function run_in_turns(pipeline, session)
  pipeline.fault = nil
  for i = 1, #pipeline do
    run_alone(pipeline, session, pipeline[i])
  end
end

-- The parameters of all statements as the binding can read them; nil when the
-- server would have to be asked for their types.
local function encode_known(pipeline, session)
  local lists = {}
  for i = 1, #pipeline do
    local handle = pipeline[i]
    lists[i] = handle.list
    if handle.parsed.parameter_types then
      lists[i] = encode(session, handle)
    elseif call.wants_types(session, handle.parsed, handle.list,
    handle.n) then
      return nil
    end
  end
  return lists
end

-- Send all in one turn of the loop, and wait for their answer. The code of what
-- stands against that, before anything was sent.
local function run_together(pipeline, session)
  local lists = encode_known(pipeline, session)
  if not lists then
    return NOT_ONE
  end
  for i = 1, #pipeline do
    submit(session, pipeline[i], PIPELINE, lists[i])
  end
  for i = 1, #pipeline do
    wait_for(pipeline, session, pipeline[i])
  end
  local fault = pipeline.fault
  if fault and call.needs_encoding(fault) then
    return NOT_ONE
  end
  return fault and fault.code
end

local function run_all(pipeline, session)
  local code = run_together(pipeline, session)
  if code == NOT_ONE and #pipeline > 1 and session.inside == 0 then
    session:transaction(function(tx)
      run_in_turns(pipeline, tx)
    end)
  elseif code == NOT_ONE or code == NOT_KNOWN then
    run_in_turns(pipeline, session)
  else
    check(pipeline, session)
  end
  read_all(pipeline)
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
  local fine, err = pcall(run_all, pipeline, session)
  if not fine then
    drop(pipeline)
    error(err, 0)
  elseif started then
    session.adapter:note_query({ name = "pipeline" }, started)
  end
  return unpack(results, 1, results.n)
end

--- Run the statements that `fn(p)` notes, in one round trip; one by one in a
-- transaction where the server has to be asked about some of them first.
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
