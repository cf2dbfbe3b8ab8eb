--- Events of an adapter: `db:on(event, fn)`.
--
-- Each call is told once: as `query` (and `slow_query`) when it has ended, or
-- as `error`. Who runs a call asks `begin` for the time, which is false where
-- no one listens, and hands it on to `note_query` or to the session's `fail`.
-- @module covet.events

local caller = require "covet.caller"
local core = require "covet.core"
local options = require "covet.options"

local EVENT_NAMES = {
  "query", "slow_query", "error", "retry", "connect", "close", "leak",
  "breaker", "notice", "listen_gap",
}
local EVENTS = {}
for _, name in ipairs(EVENT_NAMES) do
  EVENTS[name] = true
end

local M = {}

--- Methods of adapters.
M.methods = {}
local methods = M.methods

--- When a call begins.
-- @tparam table session
-- @treturn number|boolean seconds; false when no one listens
function M.begin(session)
  return session.adapter.watched and not session.is_inner and core.now()
end

--- Call `fn(event)` at each event of that name.
-- @tparam string name query, slow_query, error, retry, ...
-- @tparam function fn gets a table; must not wait
-- @treturn function takes it back
function methods:on(name, fn)
  local adapter = self.adapter
  if not EVENTS[name] then
    local nearest = options.nearest(name, EVENT_NAMES)
    caller.usage("there is no event %q%s", tostring(name),
      nearest and (", did you mean %q?"):format(nearest) or "")
  elseif type(fn) ~= "function" then
    caller.usage("on(event, fn): fn must be a function, not %s", type(fn))
  end
  local listeners = adapter.listeners[name] or {}
  adapter.listeners[name] = listeners
  listeners[#listeners + 1] = fn
  adapter.watched = true
  return function()
    for i = #listeners, 1, -1 do
      if listeners[i] == fn then
        table.remove(listeners, i)
        return
      end
    end
  end
end

--- Call the listeners of an event. An error in one is printed.
-- @tparam string name
-- @tparam table event
-- @treturn boolean whether anybody listens
function methods:emit(name, event)
  local listeners = { unpack(self.adapter.listeners[name] or {}) }
  for i = 1, #listeners do
    local fine, err = pcall(listeners[i], event)
    if not fine then
      io.stderr:write(("covet: in a listener of %s: %s\n"):format(name,
        tostring(err)))
    end
  end
  return #listeners > 0
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
  self:emit("error", { error = err, sql = text_of(parsed),
    seconds = started and core.now() - started or nil })
end

return M
