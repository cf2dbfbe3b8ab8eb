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

--- The fields that an adapter has for this module: by the lease's slot `leased`, the
-- sessions that somebody has, and `lent`, their holds; `leaked`, what was reported, by
-- lease; `reclaimed`, how many came back, but not from their holders; and `spare_holds`
-- and `is_watched` of covet.connection.
function M.new()
  return { leased = setmetatable({}, { __mode = "v" }), lent = {}, leaked = {},
    reclaimed = 0, spare_holds = {}, is_watched = false }
end

--- A connection was lent.
-- @tparam table connection the session
function M.add(connection)
  local adapter, slot = connection.adapter, connection.lease % SLOTS
  adapter.leased[slot], adapter.lent[slot] = connection, connection.hold
end

--- It was given back. By then its slot may be another lease's: a connection can be
-- closed under its holder.
-- @tparam table hold of covet.connection
function M.remove(hold)
  local adapter, slot = hold.adapter, hold.lease % SLOTS
  if adapter.lent[slot] == hold then
    adapter.leased[slot], adapter.lent[slot] = nil, nil
  end
end

-- The hold of a lease, if it is lent.
local function hold_of(adapter, lease)
  local hold = adapter.lent[lease % SLOTS]
  return hold and hold.lease == lease and hold or nil
end

--- A statement begins on it.
-- @tparam table adapter
-- @tparam number lease
-- @tparam string text
function M.note_statement(adapter, lease, text)
  local hold = hold_of(adapter, lease)
  if hold then
    hold.statement = text
  end
end

--- Whether something is lent.
function M.any(adapter)
  return next(adapter.lent) ~= nil
end

--- The holds of connections that nobody has any more, one after the other.
-- @tparam table adapter
-- @treturn function iterator
function M.forgotten(adapter)
  local lent, slot, hold = adapter.lent, nil, nil
  return function()
    repeat
      slot, hold = next(lent, slot)
    until slot == nil or adapter.leased[slot] == nil
    return hold
  end
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
  for _, hold in pairs(adapter.lent) do
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

-- Of one that came back meanwhile only that is told.
function TELL.leak(adapter, lease, seconds)
  local hold = hold_of(adapter, lease)
  local known = hold or {}
  local event = { pool = adapter.name, seconds = seconds,
    connection = hold and adapter.leased[lease % SLOTS],
    taken_at = known.opened_at, task = report.task_name(known.task),
    last_statement = known.statement, standing = report.standing(known.task) }
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
