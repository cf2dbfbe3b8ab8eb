--- What an adapter tells of its connections and leases: those that come and go,
-- those that are out for too long, and who holds what when none comes free.
-- @module covet.adapter.leases

local core = require "covet.core"
local errors = require "covet.error"
local events = require "covet.task.events"
local password = require "covet.adapter.password"
local report = require "covet.pool.report"

local HOLDERS = 3

-- The core's code of openings that failed since the password's function did.
local REFUSED = -101

local M = {}

-- Which connection a lease is of stands in its lower bits: small numbers that are
-- used again. Leases never come again, and a table of them would be rebuilt again and
-- again.
local SLOTS = 2 ^ 16

--- The fields that an adapter has for this module: `leased`, its sessions, and
-- `statements_of`, the last statement of each, by the lease's slot; `leaked`, what was
-- reported, by lease; `reclaimed`, how many came back, but not from their holders; and
-- `spare_holds` of covet.connection.
function M.new()
  return { leased = setmetatable({}, { __mode = "v" }), statements_of = {},
    leaked = {}, reclaimed = 0, spare_holds = {} }
end

--- A connection was lent.
-- @tparam table connection the session
function M.add(connection)
  connection.adapter.leased[connection.lease % SLOTS] = connection
end

--- A statement begins on it.
-- @tparam table adapter
-- @tparam number lease
-- @tparam string text
function M.note_statement(adapter, lease, text)
  adapter.statements_of[lease % SLOTS] = text
end

--- It was given back.
-- @tparam table hold of covet.connection
function M.remove(hold)
  local slot = hold.lease % SLOTS
  hold.adapter.leased[slot] = nil
  hold.adapter.statements_of[slot] = nil
end

--- It came back, and not from its holder: that is counted and told.
-- @tparam table hold of covet.connection
function M.reclaimed(hold)
  local adapter = hold.adapter
  adapter.reclaimed = adapter.reclaimed + 1
  adapter.leaked[hold.lease] = nil
  report.tell_reclaimed(adapter, { pool = adapter.name,
    taken_at = hold.opened_at, task = report.task_name(hold.task),
    seconds = core.now() - hold.since })
end

-- The longest holders at this moment.
local function holders(adapter)
  local list = {}
  for _, connection in pairs(adapter.leased) do
    local hold = connection.hold
    list[#list + 1] = { taken_at = hold.opened_at or "?", since = hold.since,
      task = report.task_name(hold.task) }
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

--- Complete the error of what waited for a password that the function did not give.
-- @tparam table adapter
-- @tparam table fields of the error
function M.explain_refusal(adapter, fields)
  if fields.code == REFUSED then
    fields.code = nil
    for name, value in pairs(adapter.refusal) do
      fields[name] = value
    end
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
    retry_after = seconds, cause = adapter.last_error })
end

function TELL.notice(adapter, _, _, severity, fields)
  adapter:emit("notice", { message = fields.message, severity = severity,
    sqlstate = fields.sqlstate, detail = fields.detail, hint = fields.hint })
end

-- Where somebody waits for the connection in vain, that call's error tells of it
-- too; one that was to be kept nobody waits for.
function TELL.connect_failed(adapter, _, _, _, fields)
  M.explain_refusal(adapter, fields)
  fields.database = adapter.database
  adapter.last_error = errors.new(fields)
  adapter:emit("connect_failed", { pool = adapter.name,
    error = adapter.last_error, size = core.stats(adapter.handle).size })
end

TELL.ask = password.answer_later

function TELL.leak(adapter, lease, seconds)
  local connection = adapter.leased[lease % SLOTS]
  if connection and connection.lease ~= lease then
    return -- it came back meanwhile
  end
  local hold = connection and connection.hold or {}
  local event = { pool = adapter.name, seconds = seconds,
    connection = connection, taken_at = hold.opened_at,
    task = report.task_name(hold.task),
    last_statement = adapter.statements_of[lease % SLOTS],
    standing = report.standing(hold.task) }
  adapter.leaked[lease] = { taken_at = event.taken_at, task = event.task }
  report.tell_leak(adapter, event)
end

function TELL.leak_over(adapter, lease, seconds)
  local known = adapter.leaked[lease]
  if not known then
    return -- it was reclaimed, and that was told
  end
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
