--- What a pool tells people: errors that explain, reports of leaks.
-- @module covet.pool.report

local core = require "covet.core"
local errors = require "covet.error"
local trace = require "covet.task.trace"

-- How many holders an error names.
local HOLDERS = 3

local M = {}

-- "2.5 s", "13 ms"
local function duration(seconds)
  if seconds >= 1 then
    return ("%.3g s"):format(seconds)
  end
  return ("%.3g ms"):format(seconds * 1000)
end

M.duration = duration

--- Who holds a connection, for messages.
-- @tparam table|nil task
-- @treturn string
function M.task_name(task)
  return task and trace.name(task) or "outside of a task"
end

local function holder_name(pool, slot)
  return M.task_name(pool.holders[slot])
end

--- The longest holders of connections.
-- @tparam table pool
-- @tparam[opt] number most
-- @treturn table a list of { taken_at =, seconds =, task = }, the longest first
function M.holders(pool, most)
  local list = {}
  for i, loan in ipairs(core.pool_loans(pool.machine, most or HOLDERS)) do
    list[i] = {
      taken_at = core.pool_place(pool.machine, loan.slot) or "?",
      seconds = loan.seconds, task = holder_name(pool, loan.slot),
    }
  end
  return list
end

--- A sentence about holders.
-- @tparam table list of `holders`
-- @treturn string|nil
function M.describe_holders(list)
  if #list == 0 then
    return nil
  end
  local lines = {}
  for i, holder in ipairs(list) do
    lines[i] = ("%s for %s (%s)"):format(holder.taken_at,
      duration(holder.seconds), holder.task)
  end
  return "held longest: taken at " .. table.concat(lines, "; ")
end

local function describe_counters(stats)
  return ("%d of %d in use, %d idle, %d opening, %d waiting"):format(
    stats.active_connections, stats.max_size, stats.idle_connections,
    stats.opening, stats.waiting)
end

-- --- Failures ----------------------------------------------------------------------

local TEXTS = {}

function TEXTS.timeout(pool, stats, waited)
  return { kind = "pool_timeout", retry = "safe",
    message = ("pool %q: no connection came free within %s: %s"):format(
      pool.name, duration(waited), describe_counters(stats)) }
end

function TEXTS.not_drained(pool, stats, waited)
  return { kind = "pool_timeout", retry = "safe",
    message = ("pool %q: not drained within %s: %s"):format(pool.name,
      duration(waited), describe_counters(stats)) }
end

function TEXTS.exhausted(pool, stats)
  return { kind = "pool_exhausted", retry = "safe",
    message = ("pool %q: %d wait already, more are refused (max_waiting): %s")
      :format(pool.name, stats.waiting, describe_counters(stats)) }
end

function TEXTS.deadlock(pool, stats)
  return { kind = "pool_exhausted", retry = "no",
    message = ("pool %q: every holder of a connection waits for one more, this "
      .. "task too: %s"):format(pool.name, describe_counters(stats)),
    hint = "use the connection that the task holds, or take both before the "
      .. "work begins" }
end

function TEXTS.shut(pool)
  return { kind = "pool_closed", retry = "no",
    message = ("pool %q is closed"):format(pool.name) }
end

function TEXTS.breaker_open(pool, stats)
  return { kind = "breaker_open", retry = "safe", retry_after = stats.retry_after,
    message = ("pool %q: connecting failed too often; tried again in %s")
      :format(pool.name, duration(stats.retry_after)) }
end

--- The failure of a connection that was not there in time.
function M.too_slow(pool)
  return errors.new { kind = "timeout", retry = "safe", phase = "connect",
    message = ("connecting took longer than %g s"):format(
      pool.config.connect_timeout) }
end

function TEXTS.connect_failed(pool)
  local cause = pool.last_error or M.too_slow(pool)
  local known = errors.is_error(cause)
  return { kind = known and cause.kind ~= "usage" and cause.kind
      or "connection_failed",
    retry = known and cause.retry or "safe", phase = "connect",
    message = ("pool %q: %s"):format(pool.name,
      known and tostring(cause.message) or trace.describe(cause)) }
end

function TEXTS.no_memory()
  return { kind = "out_of_memory", message = "out of memory", retry = "no" }
end

--- The error of a request that got nothing.
-- @tparam table pool
-- @tparam string why as the binding says it
-- @tparam number waited seconds
-- @treturn table
function M.failure(pool, why, waited)
  local stats = core.pool_stats(pool.machine)
  local fields = TEXTS[why](pool, stats, waited)
  fields.phase = fields.phase or "queue"
  if why ~= "shut" then
    fields.holders = M.holders(pool)
    fields.detail = M.describe_holders(fields.holders)
    fields.cause = pool.last_error
  end
  fields.pool, fields.stats = pool.name, stats
  return errors.new(fields)
end

-- --- Leaks -------------------------------------------------------------------------

local function say(pool, event, text)
  if not pool:emit("leak", event) then
    io.stderr:write("covet: ", text, "\n")
  end
end

--- Where the holder of a connection stands at this moment.
-- @tparam table|nil holder task
-- @treturn string|nil its stack, nil when it cannot be seen
function M.standing(holder)
  if holder and holder.co and not holder.outcome then
    return trace.stack(holder)
  end
  return nil
end

-- What the connection says of itself: an adapter's tells its last statement.
local function last_statement(connection)
  local known, text = pcall(function() return connection.last_statement end)
  return known and type(text) == "string" and text or nil
end

local function new_event(pool, slot, seconds)
  local place = core.pool_place(pool.machine, slot)
  return { pool = pool.name, taken_at = place, seconds = seconds,
    task = holder_name(pool, slot), connection = pool.connections[slot] }
end

--- Tell of a connection that has been out for too long.
-- @tparam table pool has `name` and `emit`
-- @tparam table event `taken_at`, `seconds`, `task`, `standing`,
-- `last_statement`
function M.tell_leak(pool, event)
  local text = ("pool %q: a connection taken at %s is out for %s (%s)"):format(
    pool.name, event.taken_at or "?", duration(event.seconds), event.task)
  if event.last_statement then
    text = text .. "\n  last statement: " .. event.last_statement
  end
  if event.standing then
    text = text .. "\n  its holder stands at:\n" .. event.standing
  end
  say(pool, event, text)
end

--- Tell that it has come back after all.
function M.tell_leak_over(pool, event)
  event.returned = true
  say(pool, event, ("pool %q: the connection taken at %s came back after %s")
    :format(pool.name, event.taken_at or "?", duration(event.seconds)))
end

--- A connection of a slot has been out for too long.
function M.leak(pool, slot, seconds)
  local event = new_event(pool, slot, seconds)
  event.standing = M.standing(pool.holders[slot])
  event.last_statement = last_statement(event.connection)
  pool.leaked[slot] = event
  M.tell_leak(pool, event)
end

--- It has come back after all: it may be another's already.
function M.leak_over(pool, slot, seconds)
  local event, leak = new_event(pool, slot, seconds), pool.leaked[slot]
  pool.leaked[slot] = nil
  if leak then
    event.taken_at, event.task = leak.taken_at, leak.task
    event.connection = leak.connection
  end
  M.tell_leak_over(pool, event)
end

--- Tell that it was taken back from a task that has ended, or has lost it.
function M.tell_reclaimed(pool, event)
  event.reclaimed = true
  say(pool, event, ("pool %q: %s did not give back the connection taken at %s, "
    .. "%s ago; it was taken back"):format(pool.name, event.task,
    event.taken_at or "?", duration(event.seconds)))
end

--- A connection of a slot was taken back.
function M.reclaimed(pool, slot, seconds)
  pool.leaked[slot] = nil
  M.tell_reclaimed(pool, new_event(pool, slot, seconds))
end

return M
