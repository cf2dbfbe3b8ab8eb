--- Events of an adapter: `db:on(event, fn)`.
--
-- Each call is told once: as `query` (and `slow_query`) when it has ended, or
-- as `error`. Who runs a call asks `begin` for the time, which is false where
-- no one listens, and hands it on to `note_query` or to the session's `fail`.
-- @module covet.events

local core = require "covet.core"
local listeners = require "covet.listeners"

local EVENTS = listeners.declare {
  "query", "slow_query", "error", "retry", "connect", "connect_failed",
  "close", "leak", "breaker", "notice", "listen_gap",
}

local M = {}

--- Methods of adapters.
M.methods = {}
local methods = M.methods

--- Nobody listens to an adapter yet.
-- @treturn table its field `listeners`
function M.new()
  return listeners.new(EVENTS)
end

-- When the call began of which an error was told, by error.
local told = setmetatable({}, { __mode = "k" })

--- When a call begins.
-- @tparam table session
-- @treturn number|boolean seconds; false when no one listens
function M.begin(session)
  return session.adapter.listeners.count > 0 and not session.is_inner
    and core.now()
end

--- Call `fn(event)` at each event of that name.
-- @tparam string name query, slow_query, error, retry, ...
-- @tparam function fn gets a table; must not wait
-- @treturn function takes it back
function methods:on(name, fn)
  return self.adapter.listeners:on(name, fn)
end

--- Tell of an event.
-- @tparam string name
-- @tparam table event
-- @treturn boolean whether anybody was told
function methods:emit(name, event)
  return self.adapter.listeners:emit(name, event)
end

-- What is told as the SQL of a call; of one that has none, its name.
local function text_of(parsed)
  return parsed and (parsed.text or parsed.name)
end

--- A call has ended.
-- @tparam table parsed its statement, or `{ name = }`
-- @tparam number started of `begin`
function methods:note_query(parsed, started)
  local seconds = core.now() - started
  local event = { sql = text_of(parsed), seconds = seconds }
  self:emit("query", event)
  if seconds >= self.adapter.slow_query then
    self:emit("slow_query", event)
  end
end

--- A call has failed.
-- @tparam table err
-- @tparam table|nil parsed
-- @tparam number|boolean|nil started
function methods:note_error(err, parsed, started)
  if type(err) == "table" then
    told[err] = started
  end
  self:emit("error", { error = err, sql = text_of(parsed),
    seconds = started and core.now() - started or nil })
end

local function settle(session, parsed, started, fine, ...)
  if fine and started then
    session.adapter:note_query(parsed, started)
  elseif started and told[(...)] ~= started then
    session.adapter:note_error((...), parsed, started)
  end
  if not fine then
    error((...), 0)
  end
  return ...
end

--- Run a call that consists of others, and runs what the caller gave; it is told once
-- whatever of it fails.
-- @tparam table session
-- @tparam table parsed
-- @tparam number|boolean started of `begin`
-- @tparam function fn
-- @param ... for fn
-- @return what fn returned
function M.run(session, parsed, started, fn, ...)
  return settle(session, parsed, started, pcall(fn, ...))
end

return M
