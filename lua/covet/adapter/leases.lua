--- What an adapter tells of its connections and leases: those that come and go,
-- those that are out for too long, and who holds what when none comes free.
-- @module covet.adapter.leases

local core = require "covet.core"
local errors = require "covet.error"
local events = require "covet.task.events"
local report = require "covet.pool.report"

local HOLDERS = 3

local M = {}

--- The fields that an adapter has for this module, all by lease: `leased`, its
-- sessions; `statements_of`, the last statement of each; `leaked`, what was
-- reported.
function M.new()
  return { leased = setmetatable({}, { __mode = "v" }), statements_of = {},
    leaked = {} }
end

--- A connection was lent.
-- @tparam table held the session
function M.add(held)
  held.since = core.now()
  held.adapter.leased[held.lease] = held
end

--- It was given back.
function M.remove(held)
  held.adapter.leased[held.lease] = nil
  held.adapter.statements_of[held.lease] = nil
end

-- The longest holders at this moment.
local function holders(adapter)
  local list = {}
  for _, held in pairs(adapter.leased) do
    list[#list + 1] = { taken_at = held.opened_at or "?", since = held.since,
      task = report.task_name(held.task) }
  end
  table.sort(list, function(a, b) return a.since < b.since end)
  local now = core.now()
  for i = 1, math.min(#list, HOLDERS) do
    list[i].seconds = now - list[i].since
  end
  for i = #list, HOLDERS + 1, -1 do
    list[i] = nil
  end
  return list
end

--- Complete the error of a call that got no connection.
-- @tparam table adapter
-- @tparam table fields of the error
function M.explain(adapter, fields)
  if fields.phase ~= "queue" or fields.pool then
    return
  end
  fields.pool = adapter.name
  fields.message = ("pool %q: %s"):format(adapter.name, fields.message)
  fields.holders = holders(adapter)
  fields.detail = fields.detail or report.describe_holders(fields.holders)
  fields.stats = adapter:get_pool_stats()
  fields.cause = adapter.last_error
  if fields.kind == "breaker_open" then
    fields.retry_after = fields.stats.retry_after
  end
end

-- --- Events ---------------------------------------------------------------------

local TELL = {}

function TELL.connect(adapter)
  adapter.last_error = nil
  adapter:emit("connect", { pool = adapter.name,
    size = core.stats(adapter.handle).size })
end

function TELL.close(adapter, _, _, reason)
  adapter:emit("close", { pool = adapter.name, reason = reason,
    size = core.stats(adapter.handle).size })
end

function TELL.breaker(adapter, _, seconds, state)
  adapter:emit("breaker", { pool = adapter.name, state = state,
    retry_after = seconds })
end

function TELL.notice(adapter, _, _, severity, fields)
  adapter:emit("notice", { message = fields.message, severity = severity,
    sqlstate = fields.sqlstate, detail = fields.detail, hint = fields.hint })
end

-- Who asked for the connection is told of it by the error; so is who waits in
-- vain meanwhile.
function TELL.connect_failed(adapter, _, _, _, fields)
  adapter.last_error = errors.new(fields)
end

function TELL.leak(adapter, lease, seconds)
  local held = adapter.leased[lease]
  local owner = held and held.task
  local event = { pool = adapter.name, seconds = seconds, connection = held,
    taken_at = held and held.opened_at, task = report.task_name(owner),
    last_statement = adapter.statements_of[lease],
    standing = report.standing(owner) }
  adapter.leaked[lease] = { taken_at = event.taken_at, task = event.task }
  report.tell_leak(adapter, event)
end

function TELL.leak_over(adapter, lease, seconds)
  local known = adapter.leaked[lease] or {}
  adapter.leaked[lease] = nil
  report.tell_leak_over(adapter, { pool = adapter.name, seconds = seconds,
    taken_at = known.taken_at, task = known.task })
end

-- What is told of: an adapter that nobody holds any more is not kept by it.
local Watch = {}
Watch.__index = Watch

function Watch:on_event(what, lease, seconds, text, fields)
  local adapter = self[1]
  if adapter then
    TELL[what](adapter, lease, seconds, text, fields)
  end
end

--- Tell what happens to the connections of an adapter, as long as it lives.
function M.watch(adapter)
  adapter.watch = setmetatable({ adapter }, { __mode = "v", __index = Watch })
  events.watch(adapter.handle, adapter.watch)
end

return M
