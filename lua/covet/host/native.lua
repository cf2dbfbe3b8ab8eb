--- The `covet` command as a host: the main chunk is a task, modules may wait
-- while they load, and so may a script's own generators.
-- @module covet.host.native

local exit = require "covet.task.exit"
local generator = require "covet.task.generator"
local modules = require "covet.task.require"
local park = require "covet.task.park"
local report = require "covet.task.report"
local scheduler = require "covet.task.scheduler"
local signal = require "covet.task.signal"
local spawn = require "covet.task.spawn"
local task = require "covet.task"
local trace = require "covet.task.trace"

-- How long, in seconds, the end waits for exit hooks, and for tasks that were
-- cancelled.
local HOOK_SECONDS, CANCEL_SECONDS = 5, 2

local INTERRUPTED, TERMINATED = 130, 143

local M = setmetatable({ name = "native" }, { __index = scheduler })

local isyieldable = coroutine.isyieldable
local real_exit = os.exit

local function cannot_wait(current)
  if current == nil then
    trace.usage("cannot wait outside of a task: in a callback, use covet.spawn")
  end
  trace.cannot_wait(trace.barrier())
end

-- Whether what the scheduler is run for at this moment is there.
local is_done

-- The loop may not sleep when it is; and signals that the script asked for keep
-- it alive while there are tasks.
local function before_sleep(tasks)
  signal.hold(tasks)
  return is_done()
end

-- Run the scheduler until `done()`. Answers false when it has come to a stand
-- before.
local function turn_until(done)
  is_done = done
  while not done() do
    if not scheduler.turn() then
      return done()
    end
  end
  return true
end

-- As above, but no longer than `seconds`.
local function drive(seconds, done)
  local deadline = { on_due = function(self) self.passed = true end }
  scheduler.add_timer(deadline, seconds)
  turn_until(function()
    return deadline.passed or done()
  end)
  scheduler.remove_timer(deadline)
end

local function all_ended()
  return scheduler.live_count == 0
end

-- All but `spared`, the task that has called `os.exit`: that does not return.
local function cancel_all(why, spared)
  for one in pairs(scheduler.live) do
    if one ~= spared then
      one:cancel(why)
    end
  end
  local function ended()
    return scheduler.live_count == (spared and 1 or 0)
  end
  drive(CANCEL_SECONDS, ended)
  if not ended() then
    report.say("covet: gave up waiting for tasks that were cancelled:\n"
      .. scheduler.describe_waiting())
  end
end

-- Run the exit hooks, and say which have not come to an end.
local function run_hooks()
  local running = exit.take()
  for i, hook in ipairs(running) do
    hook.task = spawn.prepare(nil, hook.fn)
    scheduler.start(running[i].task)
  end
  local function ended()
    for _, hook in ipairs(running) do
      if not hook.task.outcome then
        return false
      end
    end
    return true
  end
  drive(HOOK_SECONDS, ended)
  for _, hook in ipairs(running) do
    if not hook.task.outcome then
      report.say(("covet: gave up waiting for %s after %g s")
        :format(hook.name, HOOK_SECONDS))
    end
  end
end

local function to_status(code)
  if code == nil or code == true then
    return 0
  end
  return code == false and 1 or tonumber(code) or 1
end

-- `os.exit` leaves by way of `main`, so that the exit hooks run. In a callback,
-- and below a C function, there is no way to wait for them.
local function install_exit(program)
  -- luacheck: globals os.exit
  os.exit = function(code, close)
    if scheduler.current() and isyieldable() then
      program.exit_status = to_status(code)
      program.exiting = scheduler.current()
      coroutine.yield(scheduler.PARK)
    end
    report.flush()
    return real_exit(code, close)
  end
end

local function on_interrupt(program)
  if program.interrupted then
    report.flush()
    real_exit(INTERRUPTED)
  end
  program.interrupted = true
  if program.main.outcome then
    program.stop = true
  else
    program.main:cancel("interrupted by SIGINT")
  end
end

local function on_terminate(program)
  program.terminated, program.stop = true, true
end

local function install_signals(program)
  if pcall(require, "luv") then
    signal.set_default("sigint", function() on_interrupt(program) end)
    signal.set_default("sigterm", function() on_terminate(program) end)
  end
end

local function install(program)
  scheduler.configure(isyieldable, cannot_wait)
  scheduler.before_sleep = before_sleep
  task.use_host(M)
  generator.install()
  modules.install()
  install_exit(program)
  install_signals(program)
  debug.getregistry()["covet.callback_error"] = report.callback_failed
end

local function report_deadlock()
  report.count = report.count + 1
  report.say("covet: deadlock: no task can go on, and nothing is under way\n"
    .. scheduler.describe_waiting())
end

-- Run until the main task has failed, someone wants to end, or nothing is left
-- that could happen.
local function run(program)
  local main = program.main
  local ended = turn_until(function()
    return program.stop or program.exit_status
      or main.outcome and main.outcome ~= "returned"
  end)
  if not ended and not all_ended() then
    report_deadlock()
  end
end

-- Bring everything to an end. Answers the exit status.
local function finish(program)
  if program.terminated then
    run_hooks()
  end
  if not all_ended() then
    cancel_all("the program ends", program.exiting)
  end
  run_hooks()
  signal.close()
  report.flush()
  if program.exit_status then
    return program.exit_status
  elseif program.terminated then
    return TERMINATED
  elseif program.interrupted then
    return INTERRUPTED
  end
  return (report.count > 0 or program.main.outcome ~= "returned") and 1 or 0
end

--- Run a program: `fn(...)` as the main task, until it has ended and no task,
-- no operation and no referenced handle of luv is left.
-- An error of the main task, or of a task that no one joined, is reported on
-- stderr; the former also cancels the others.
-- @tparam function fn
-- @treturn number the exit status
function M.main(fn, ...)
  local program = { main = spawn.prepare(nil, fn, ...) }
  install(program)
  park.host.start(program.main)
  run(program)
  report.tell(program.main) -- at once: nobody joins it
  if program.interrupted and program.main.outcome == "cancelled" then
    report.say("covet: interrupted")
  elseif program.main.outcome == "cancelled" then
    report.say("covet: " .. trace.describe(program.main.value))
  end
  return finish(program)
end

--- Run `fn(name)` as a task at each signal of that name; see
-- covet.task.signal.
M.on_signal = signal.on_signal

return M
