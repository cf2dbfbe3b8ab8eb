--- The scheduler of the hosts whose tasks are coroutines of ours: native,
-- blocking and luv.
--
-- A turn: run what is ready (for about a millisecond at most), let the core's
-- loop turn once, hand out completions, see what is due. The current task is
-- set at each resume and never looked up by `coroutine.running`, so it is the
-- same inside a task's own generators.
--
-- A task whose `nested` is set cannot be left: it runs the scheduler inside
-- itself until `answer` is there.
-- @module covet.task.scheduler

local core = require "covet.core"
local early = require "covet.task.early"
local errors = require "covet.error"
local events = require "covet.task.events"
local object = require "covet.task.object"
local park = require "covet.task.park"
local ready = require "covet.task.ready"
local timers = require "covet.task.timers"
local trace = require "covet.task.trace"

local resume, yield = coroutine.resume, coroutine.yield
local create, status = coroutine.create, coroutine.status
local reap, now, step = core.reap, core.now, core.step
local select, unpack = select, unpack
local NEW = park.NEW

-- What a task yields when it waits, and what it is resumed with when a
-- generator it runs in turned out to stand below a C function.
local PARK, REFUSED = {}, {}

-- A turn runs tasks no longer than this, seconds, looking at the clock after
-- every few of them, and no more rounds than make so many resumes.
local SLICE, CLOCK_EVERY, RESUMES = 0.001, 4, 256

local M = {
  PARK = PARK,
  REFUSED = REFUSED,
  --- Tasks that have not ended (a set), and how many.
  live = {},
  live_count = 0,
  --- Whether the core's loop runs at this moment: in a callback of luv.
  stepping = false,
  --- Called with the number of tasks before the loop may sleep; answers
  -- whether it must not.
  before_sleep = function() return false end,
}

local live = M.live
-- An operation's slot stands in the lower bits of its token: small numbers that
-- are used again. Whole tokens never come again, and a table of 256 of them
-- would be rebuilt at almost every insertion.
local SLOTS = 2 ^ 24
local waiting = {} -- slot -> task
local current
local turn_started = 0
local turn_over = false -- a task has seen that, and passed
local unreaped = false
local answered = false -- a nested wait has come to its end in this turn

-- How the host finds out whether a yield reaches us, and what it does if not.
local can_yield, fallback

local run -- resumes a task; below

--- Set the host's way of waiting.
-- @tparam function yieldable(task) whether a yield reaches the scheduler
-- @tparam function otherwise(task) raises, or answers the task that waits by
-- running the scheduler inside itself
function M.configure(yieldable, otherwise)
  can_yield, fallback = yieldable, otherwise
end

local function pack(...)
  return { n = select("#", ...), ... }
end

function M.current()
  return current
end

-- Close what the task owns, in a coroutine of its own; then it ends.
local function end_by_closing(task, ok, ...)
  local reason = ok and "return" or task.cancelled and "cancel" or "error"
  if not ok then
    trace.note(task, (...), task.co, debug.traceback(task.co))
  end
  task.ending = pack(ok, ...)
  task.pending, task.shielded = false, true
  task.co = create(object.close_owned)
  return run(task, task, reason)
end

local function finish(task, ok, ...)
  local ending = task.ending
  if ending then
    task.ending, task.co = nil, false
    return finish(task, unpack(ending, 1, ending.n))
  elseif object.owns(task) then
    return end_by_closing(task, ok, ...)
  end
  live[task] = nil
  M.live_count = M.live_count - 1
  object.settle(task, ok, ...)
end

local function refuse_yield(task)
  finish(task, false, errors.new {
    kind = "usage", retry = "no",
    message = "coroutine.yield outside of a coroutine of your own: to let "
      .. "other tasks run, call covet.sleep(0)",
  })
end

local function start_timer(task, timeout)
  if timeout <= 0 then
    park.time_out(task)
  else
    timers.add(task, now() + timeout)
  end
end

-- A task that parks may say for how long: the timer is set here, for a
-- sleeping task keeps a small stack.
local function parked(task, mark, timeout)
  if mark ~= PARK then
    return refuse_yield(task)
  elseif timeout then
    return start_timer(task, timeout)
  end
end

-- What came back from a task's coroutine.
local function came_back(task, outer, ok, ...)
  current = outer
  if not ok or status(task.co) == "dead" then
    return finish(task, ok, ...)
  end
  return parked(task, ...)
end

function run(task, ...)
  local outer = current
  current = task
  return came_back(task, outer, resume(task.co, ...))
end

-- Its coroutine is made now and not before: its stack is about to grow, and what
-- it leaves behind is the next one's.
local function run_new(task)
  local err, arguments = task.pending, task.arguments
  task.waits = false
  if err then
    task.co = false
    return finish(task, false, err)
  end
  task.co = create(task.co)
  if arguments then
    task.arguments = nil
    return run(task, unpack(arguments, 1, arguments.n))
  end
  return run(task)
end

local function run_ready_task(task)
  if task.nested then
    task.answer, answered = task.answer or { n = 0 }, true
  elseif task.waits == NEW then
    run_new(task)
  else
    run(task)
  end
end

-- Whether this turn has had its share of time.
local function is_over(count)
  return turn_over or count >= RESUMES and ready.at_end()
    or count % CLOCK_EVERY == 0 and now() - turn_started > SLICE
end

--- Run what is ready.
function M.run_ready()
  turn_started, turn_over = now(), false
  local count = 0
  local task = ready.pop()
  while task do
    run_ready_task(task)
    count = count + 1
    if is_over(count) then
      return
    end
    task = ready.pop()
  end
end

-- Hand one completion to its task; false when there was none.
local function deliver(token, ...)
  if token == nil then
    return false
  end
  local task = waiting[token % SLOTS]
  waiting[token % SLOTS] = nil
  if task then
    task.waits = false
    if task.nested then
      task.answer = pack(...)
    else
      run(task, ...)
    end
  else
    early.keep(token, ...)
  end
  return true
end

--- Hand out completions and fire what is due.
function M.hand_out()
  turn_started, turn_over = now(), false
  local count = 0
  repeat
    unreaped = deliver(reap())
    count = count + 1
  until not unreaped or is_over(count)
  timers.fire(now())
end

-- How long the loop may sleep: 0 when there is work, nil for ever.
local function time_to_sleep(limit)
  if unreaped or answered or not ready.is_empty() then
    return 0
  end
  local due = timers.next_due()
  if due then
    local left = due - now()
    if not limit or left < limit then
      limit = left > 0 and left or 0
    end
  end
  return limit
end

M.time_to_sleep = time_to_sleep

-- Sleep until something happens. What is due in the background is no reason to,
-- when nothing else is left.
local function sleep(limit)
  local seconds = time_to_sleep(limit)
  if seconds ~= 0 and timers.only_background() then
    local pending, alive = step(0)
    if pending == 0 and not alive then
      return pending, alive
    end
    seconds = time_to_sleep(limit)
  end
  return step(seconds)
end

--- One turn.
-- @tparam[opt] number limit seconds to sleep at most
-- @treturn boolean whether anything can still happen
function M.turn(limit)
  answered = false
  M.run_ready()
  if M.before_sleep(M.live_count) then
    limit = 0
  end
  local outer = current
  current, M.stepping = nil, true
  local pending, alive = sleep(limit)
  M.stepping, current = false, outer
  if events.active then
    events.hand_out() -- first: who is resumed knows of them
  end
  M.hand_out()
  return alive or pending > 0 or unreaped or not ready.is_empty()
    or timers.keep_alive()
end

-- Wait without leaving the coroutine.
local function run_nested(task)
  local outer = current
  task.nested = true
  while not task.answer do
    current = nil
    local can_go_on = M.turn()
    if not task.answer and not can_go_on then
      current, task.nested = outer, false
      park.give_up(task)
      trace.usage("deadlock: nothing can end this wait\n%s",
        M.describe_waiting())
    end
  end
  current = outer
  local answer = task.answer
  task.answer, task.nested = nil, false
  return unpack(answer, 1, answer.n)
end

function M.enter()
  local task = current
  if task == nil or not can_yield(task) then
    return fallback(task), true
  end
  return task, false
end

function M.suspend(task, timeout, nested)
  if nested then
    if timeout then
      start_timer(task, timeout)
    end
    run_nested(task)
    return nil
  end
  local answer, barrier = yield(PARK, timeout)
  return answer == REFUSED and barrier or nil
end

--- Sleep, from a shallow stack: 100,000 tasks may do so at once.
function M.sleep(seconds)
  local task = current
  if not task or task.pending or not can_yield(task) then
    park.park(nil, seconds)
    return
  end
  task.waits = park.ASLEEP
  local answer, barrier = yield(PARK, seconds)
  park.resumed(task, answer == REFUSED and barrier)
end

function M.unsuspend(task)
  if task.slot then
    timers.remove(task)
  end
  ready.push(task)
end

--- Let the others run, if this turn has had its time. Never raises.
function M.pass()
  local task = current
  if now() - turn_started > SLICE and task and task.co and can_yield(task) then
    turn_over = true
    yield(PARK, 0)
    task.waits = false
  end
end

-- An operation did not succeed, or could not be waited for.
local function failed(task, token, ok, more, fields, ...)
  if ok == REFUSED then
    waiting[token % SLOTS] = nil
    task.waits = false
    core.abandon(token)
    trace.cannot_wait(more)
  end
  object.raise_if_interrupted(task, fields)
  return ok, more, fields, ...
end

local function completed(task, token, ok, ...)
  if ok == true then
    return ok, ...
  end
  return failed(task, token, ok, ...)
end

-- As `enter`; the operation is given up when the task may not wait.
local function enter_for(token)
  local ok, task = pcall(fallback, current)
  if not ok then
    core.abandon(token)
    error(task, 0)
  end
  return task
end

function M.wait(token)
  local task, nested = current, false
  local came = early.take(token)
  if came then
    return completed(task, token, unpack(came, 1, came.n))
  end
  if task == nil or not can_yield(task) then
    task, nested = enter_for(token), true
  end
  waiting[token % SLOTS] = task
  task.waits = token
  if task.pending then
    core.cancel(token)
  end
  if nested then
    return completed(task, token, run_nested(task))
  end
  return completed(task, token, yield(PARK))
end

--- Run a new task in the next round.
function M.start(task)
  live[task] = true
  M.live_count = M.live_count + 1
  ready.push(task)
end

function M.add_timer(item, seconds)
  timers.add(item, now() + seconds)
end

M.remove_timer = timers.remove

--- Have `item:on_due()` called in some time, outside of any task; another call
-- for the same item moves it. It keeps the program alive if `holds` is true.
-- @tparam table item
-- @tparam number|nil seconds nil: not any more
-- @tparam boolean holds
function M.alarm(item, seconds, holds)
  timers.remove(item)
  timers.set_background(item, not holds)
  if seconds then
    M.add_timer(item, seconds)
  end
end

--- The waiting tasks and where each stands.
-- @treturn string
function M.describe_waiting()
  local lines = {}
  for task in pairs(live) do
    lines[#lines + 1] = task
  end
  table.sort(lines, function(a, b) return a.id < b.id end)
  for i, task in ipairs(lines) do
    lines[i] = trace.name(task) .. " waits:\n" .. trace.stack(task)
  end
  return table.concat(lines, "\n")
end

return M
