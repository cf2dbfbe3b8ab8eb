--- Waiting on things of Lua, whatever the host: queues, time, other tasks.
--
-- A host is a table of functions:
--
-- - `name`: "native", "blocking", "luv" or "nginx"
-- - `current()`: the current task, or nil
-- - `enter()`: the current task if it may wait here (and whether it has to
--   wait without being left), else raises
-- - `wait(token)`: wait for an operation of the core
-- - `suspend(task, timeout, nested)`: come back when `unsuspend` was called or
--   the time is over (which calls `task:on_due()`); the answer is a message when
--   waiting turned out to be impossible
-- - `unsuspend(task)`
-- - `sleep(seconds)`
-- - `start(task)`: run it; its function stands in `task.co` until then
-- - `pass()`: let others run
-- - `watch_owner(task, owned)`, if tasks can vanish: close what they owned
-- - `add_timer(item, seconds)`, `remove_timer(item)`: see covet.task.timers
-- - `alarm(item, seconds, holds)`: have `item:on_due()` called outside of tasks
--
-- What a task waits for stands in `task.waits`: false (it does not wait), the
-- token of an operation (a number), a list, or one of the marks below.
-- @module covet.task.park

local core = require "covet.core"
local trace = require "covet.task.trace"

local type, error = type, error

local M = {
  --- Marks in `task.waits`.
  NEW = { name = "new" },
  ASLEEP = { name = "asleep" },
  INTERRUPTED = { name = "interrupted" },
  TIMED_OUT = { name = "timed out" },
  --- The host in use; set by `covet.task`.
  host = nil,
}

local NEW, ASLEEP = M.NEW, M.ASLEEP
local INTERRUPTED, TIMED_OUT = M.INTERRUPTED, M.TIMED_OUT

--- The current task; usage error outside of one.
-- @treturn table
function M.current()
  local task = M.host.current()
  if task == nil then
    trace.usage("no task is running here: use covet.spawn")
  end
  return task
end

-- Whether `waits` is a list, which the task must leave.
local function is_list(waits)
  return type(waits) == "table" and waits.remove ~= nil
end

local function raise_pending(task)
  local err = task.pending
  task.pending = false
  error(err, 0)
end

--- The end of a wait: raises what interrupted it.
-- @tparam table task
-- @tparam string|nil barrier what made the wait impossible
-- @treturn boolean whether the task was woken; false: the time is over
function M.resumed(task, barrier)
  local waits = task.waits
  task.waits = false
  if barrier then
    if is_list(waits) then
      waits:remove(task)
    end
    trace.cannot_wait(barrier)
  elseif waits == INTERRUPTED then
    raise_pending(task)
  end
  return waits ~= TIMED_OUT
end

-- A timeout without end is none.
local function check_timeout(timeout)
  if type(timeout) ~= "number" or timeout ~= timeout then
    trace.usage("a timeout is a number of seconds, not %s", tostring(timeout))
  end
  return timeout < math.huge and timeout or nil
end

--- Wait until another task calls `wake`, or the time is over.
-- Raises the pending cancellation of the task, if there is one or one comes.
-- @tparam List|nil list to wait in
-- @tparam number|nil timeout seconds
-- @treturn boolean whether it was woken; false: the time is over
function M.park(list, timeout)
  if timeout ~= nil then
    timeout = check_timeout(timeout)
  end
  local host = M.host
  local task, nested = host.enter()
  if task.pending then
    raise_pending(task)
  end
  task.waits = list or ASLEEP
  if list then
    list:push(task)
  end
  return M.resumed(task, host.suspend(task, timeout, nested))
end

--- As `park` without a list or a time, but answers what interrupted it instead of
-- raising, and stands on a shallow stack: thousands of tasks may wait so.
-- @treturn boolean whether it was woken
-- @return what interrupted it
function M.park_quietly()
  local host = M.host
  local task, nested = host.enter()
  local barrier
  if not task.pending then
    task.waits = ASLEEP
    barrier = host.suspend(task, nil, nested)
    if barrier then
      task.waits = false
      return pcall(trace.cannot_wait, barrier)
    elseif task.waits ~= INTERRUPTED then
      task.waits = false
      return true
    end
    task.waits = false
  end
  local err = task.pending
  task.pending = false
  return false, err
end

--- Let a parked task go on. The caller has taken it out of its list.
-- @tparam table task
function M.wake(task)
  task.waits = false
  M.host.unsuspend(task)
end

-- Out of its list and on its way to `park`, which sees `mark`.
local function leave(task, mark)
  if is_list(task.waits) then
    task.waits:remove(task)
  end
  task.waits = mark
  M.host.unsuspend(task)
end

--- A parked task goes on by itself: nothing can wake it any more.
-- @tparam table task
function M.give_up(task)
  if is_list(task.waits) then
    task.waits:remove(task)
  end
  task.waits = false
end

--- The time of a parked task is over.
-- @tparam table task
function M.time_out(task)
  leave(task, TIMED_OUT)
end

--- Ask a task to end what it waits for and raise `err` there; when that
-- succeeds instead, or it does not wait, `err` is raised at its next wait.
-- Of two such errors that of the outer scope wins.
-- @tparam table task
-- @param err
-- @tparam number rank 0 for the task as a whole, else how deep the scope is
function M.interrupt(task, err, rank)
  if task.outcome or task.shielded then
    return
  elseif task.sheltered then
    if not task.held or rank < task.held_rank then
      task.held, task.held_rank = err, rank
    end
    return
  end
  if task.pending and task.rank <= rank then
    return
  end
  task.pending, task.rank = err, rank
  local waits = task.waits
  if type(waits) == "number" then
    core.cancel(waits)
  elseif waits == ASLEEP or is_list(waits) then
    leave(task, INTERRUPTED)
  end
end

local function leave_shelter(task, fine, ...)
  task.sheltered = nil
  if task.held then
    task.pending, task.rank = task.held, task.held_rank
    task.held = nil
  end
  if not fine then
    error((...), 0)
  end
  return ...
end

--- Run `fn(...)`, what must not be left half done: an interruption of the task
-- waits until it has ended. What it waits for needs a deadline of its own.
-- @tparam function fn
-- @return what `fn` returned
function M.shelter(fn, ...)
  local task = M.host.current()
  if not task or task.sheltered then
    return fn(...)
  end
  task.sheltered = true
  if task.pending then
    task.held, task.held_rank = task.pending, task.rank
    task.pending = false
  end
  return leave_shelter(task, pcall(fn, ...))
end

--- Take back what `interrupt` left and the task has not seen.
-- @tparam table task
-- @param err
function M.forgive(task, err)
  if err ~= nil and rawequal(task.held, err) then
    task.held = nil
  end
  if err ~= nil and rawequal(task.pending, err) then
    task.pending = false
  end
end

--- Whether a task has not run yet.
function M.is_new(task)
  return task.waits == NEW
end

return M
