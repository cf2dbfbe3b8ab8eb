--- Carrying out what the state machine of a pool asks for.
--
-- Opening, checking and closing a connection are jobs: tasks of their own, that
-- run the factory's and the connection's functions. The machine bounds their
-- time; a job that was given up and comes to an end after all closes what it
-- has made.
-- @module covet.pool.carrier

local core = require "covet.core"
local errors = require "covet.error"
local park = require "covet.task.park"
local report = require "covet.pool.report"
local spawn = require "covet.task.spawn"
local trace = require "covet.task.trace"

local M = {}

-- What the machine is told of a connection that nobody has used.
local CLEAN = 0

local carry_out

-- --- Jobs ---------------------------------------------------------------------------

-- Run `fn(job)` as the slot's job; some hosts run it at once.
local function start(pool, slot, fn)
  local job
  job = spawn.prepare(nil, function() return fn(job) end)
  pool.jobs[slot] = job
  park.host.start(job)
end

-- What a job has found out, unless the machine has given it up.
local function tell(pool, job, slot, what, flag)
  if pool.jobs[slot] ~= job then
    return false
  end
  pool.jobs[slot] = nil
  core.pool_report(pool.machine, what, slot, flag)
  carry_out(pool)
  return true
end

local function method_of(connection, name)
  local kind = type(connection)
  if kind ~= "table" and kind ~= "userdata" and kind ~= "cdata" then
    return nil
  end
  local fine, method = pcall(function() return connection[name] end)
  return fine and method or nil
end

-- What a failed call or a refusing answer means.
local function refused(fine, answer, why)
  if not fine then
    return answer
  elseif answer == false or (answer == nil and why ~= nil) then
    return why or "it answered false"
  end
  return nil
end

local function close_quietly(pool, connection)
  local method = method_of(connection, "close")
  local fine, err = pcall(method, connection)
  if not fine then
    pool:emit("error", { pool = pool.name, error = err, phase = "close" })
  end
end

-- --- Opening ------------------------------------------------------------------------

-- What is wrong with what the factory made, or nil.
local function find_fault(pool, connection, why)
  if connection == nil then
    return why or "the factory returned nil"
  elseif connection == false then
    return why or "the factory returned false"
  elseif not method_of(connection, "close") then
    return ("the factory returned a %s without close()"):format(
      type(connection))
  elseif pool.slots[connection] then
    return "the factory returned a connection that the pool has already"
  end
  return nil
end

local function make(pool)
  local fine, connection, why = pcall(pool.factory)
  if not fine then
    return nil, connection
  end
  local fault = find_fault(pool, connection, why)
  if fault then
    return nil, errors.is_error(fault) and fault or errors.new {
      kind = "connection_failed", retry = "safe", phase = "connect",
      message = tostring(fault) }
  end
  local hook = pool.config.after_connect
  if hook then
    local rejected = refused(pcall(hook, connection))
    if rejected then
      close_quietly(pool, connection)
      return nil, rejected
    end
  end
  return connection
end

local function keep(pool, slot, connection)
  pool.connections[slot], pool.slots[connection] = connection, slot
  pool.resets[slot] = method_of(connection, "reset") ~= nil
  pool:emit("connect", { pool = pool.name, connection = connection })
end

-- A factory that fails for good says so by the error's field `retry`. The
-- system's own errors (ECONNREFUSED) are no such word: the server may come back.
local function is_permanent(err)
  return errors.is_error(err) and err.retry == "no" and err.kind ~= "system"
end

local JOBS = {}

function JOBS.open(pool, slot)
  start(pool, slot, function(job)
    if pool.jobs[slot] ~= job then
      return -- given up before it began
    end
    local connection, err = make(pool)
    if pool.jobs[slot] ~= job then
      if connection ~= nil then
        close_quietly(pool, connection)
      end
    elseif connection == nil then
      pool.last_error = err
      pool:emit("error", { pool = pool.name, error = err, phase = "connect" })
      tell(pool, job, slot, "failed", is_permanent(err))
    else
      keep(pool, slot, connection)
      pool.last_error = nil
      tell(pool, job, slot, "connected", method_of(connection, "ping") ~= nil)
    end
  end)
end

-- --- Checking -----------------------------------------------------------------------

function JOBS.ping(pool, slot)
  local connection = pool.connections[slot]
  start(pool, slot, function(job)
    if pool.jobs[slot] == job then
      local method = method_of(connection, "ping")
      tell(pool, job, slot, "pinged",
        not refused(pcall(method, connection)))
    end
  end)
end

function JOBS.reset(pool, slot)
  local connection = pool.connections[slot]
  start(pool, slot, function(job)
    if pool.jobs[slot] == job then
      local method = method_of(connection, "reset")
      tell(pool, job, slot, "reset", method ~= nil
        and not refused(pcall(method, connection)))
    end
  end)
end

-- --- Closing ------------------------------------------------------------------------

-- End what is under way on the slot. It runs on if it does not hear, but nobody
-- waits for it any more. One that has not begun is left to find that out: if it
-- is to close a connection, it does.
local function give_up_job(pool, slot)
  local job = pool.jobs[slot]
  pool.jobs[slot] = nil
  if job and not park.is_new(job) then
    job:cancel "the pool closes this connection"
  end
end

local function forget(pool, slot)
  local connection = pool.connections[slot]
  pool.connections[slot], pool.holders[slot] = nil, nil
  pool.leases[slot], pool.leaked[slot] = nil, nil
  if connection ~= nil then
    pool.slots[connection] = nil
  end
  return connection
end

local function run_close(pool, connection, reason)
  local hook = pool.config.before_close
  if hook then
    local fine, err = pcall(hook, connection, reason)
    if not fine then
      pool:emit("error", { pool = pool.name, error = err, phase = "close" })
    end
  end
  close_quietly(pool, connection)
  pool:emit("close", { pool = pool.name, connection = connection,
    reason = reason })
end

function JOBS.close(pool, slot, reason)
  if reason == "connect" then
    pool.last_error = report.too_slow(pool)
  end
  give_up_job(pool, slot)
  local connection = forget(pool, slot)
  start(pool, slot, function(job)
    if connection ~= nil then
      run_close(pool, connection, reason)
    end
    tell(pool, job, slot, "closed")
  end)
end

-- Its time is over: whatever still runs ends by itself.
function JOBS.abandon(pool, slot, reason)
  local connection = forget(pool, slot)
  give_up_job(pool, slot)
  if connection ~= nil then
    park.host.start(spawn.prepare(nil, run_close, pool, connection, reason))
  end
end

-- --- Answers and reports --------------------------------------------------------------

local function answer(pool, ticket, what, slot, lease)
  local task = pool.requests[ticket]
  pool.requests[ticket] = nil
  if not task then -- it has given up
    if lease then
      pool.give_back(lease, CLEAN)
    end
    return
  end
  pool.answers[task] = { what = what, slot = slot, lease = lease }
  if task.waits == park.ASLEEP then -- else it runs, or was interrupted just now
    park.wake(task)
  end
end

function JOBS.grant(pool, ticket, slot, lease)
  answer(pool, ticket, "granted", slot, lease)
end

function JOBS.fail(pool, ticket, why)
  answer(pool, ticket, "failed", why)
end

JOBS.leak, JOBS.leak_over = report.leak, report.leak_over
JOBS.reclaimed = report.reclaimed

function JOBS.breaker(pool)
  local stats = core.pool_stats(pool.machine)
  pool:emit("breaker", { pool = pool.name, state = stats.breaker,
    retry_after = stats.retry_after, cause = pool.last_error })
end

-- Who waits for the pool as a whole looks again.
local function wake_all(list)
  local waiting = list:pop()
  while waiting do
    park.wake(waiting)
    waiting = list:pop()
  end
end

function JOBS.drained(pool)
  pool.ended = "drained"
end

function JOBS.closed(pool)
  pool.ended = "closed"
end

-- --- The loop ---------------------------------------------------------------------------

local function set_alarm(pool)
  local holds = pool.awaited > 0 or next(pool.requests) ~= nil
    or next(pool.jobs) ~= nil
  park.host.alarm(pool.clock, core.pool_due(pool.machine), holds)
end

-- Do one thing; false when there was none. If it fails, the others are done.
local function run_action(pool, what, ...)
  if not what then
    return false
  end
  local fine, err = xpcall(JOBS[what], errors.with_traceback, pool, ...)
  if not fine then
    io.stderr:write("covet: ", trace.describe(err), "\n")
  end
  return true
end

--- Do what the machine asks for; called after its events.
-- @tparam table pool
function carry_out(pool)
  if pool.carrying then
    return -- a listener has called: the loop below goes on
  end
  pool.carrying = true
  while run_action(pool, core.pool_next(pool.machine)) do end
  pool.carrying = false
  set_alarm(pool)
  if pool.watchers.size > 0 then
    wake_all(pool.watchers)
  end
end

M.carry_out = carry_out

return M
