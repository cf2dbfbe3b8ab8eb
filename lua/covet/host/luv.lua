--- Any program with a loop of luv as a host, Neovim among them: chosen by
-- `covet.use_host "luv"`.
--
-- The core's loop is polled by the program's: a poll handle on its descriptor,
-- and a timer for what is due. Both keep the program's loop alive only while
-- tasks or operations are. Waits are possible in tasks only.
-- @module covet.host.luv

local core = require "covet.core"
local ready = require "covet.task.ready"
local scheduler = require "covet.task.scheduler"
local timers = require "covet.task.timers"
local trace = require "covet.task.trace"
local uv = require "luv"

local isyieldable, running = coroutine.isyieldable, coroutine.running

local M = setmetatable({ name = "luv" }, { __index = scheduler })

local poll, timer, idle
local pumping = false
local pump -- runs tasks; below

local function is_own_coroutine(task)
  return running() == task.co and isyieldable()
end

local function cannot_wait(task)
  if task == nil then
    trace.usage("cannot wait outside of a task: use covet.spawn")
  elseif isyieldable() then
    trace.usage("cannot wait in a coroutine of your own in this host: only the "
      .. "covet command passes waits through")
  end
  trace.cannot_wait(trace.barrier())
end


-- When to come back. An idle handle stands for "at once": a timer of 0 that is
-- set in its own callback would keep libuv from polling.
local function arm()
  local busy = core.pending() > 0
  -- what is due later keeps no program alive; the end of a turn is due now
  local limit = core.timeout()
  local left = scheduler.time_to_sleep((busy or limit == 0) and limit or nil)
  idle:stop()
  timer:stop()
  if left and left > 0 then
    timer:start(math.ceil(left * 1000), 0, pump)
    if timers.keep_alive() or busy then
      timer:ref()
    else
      timer:unref()
    end
  elseif left then
    idle:start(pump)
  end
  if busy or scheduler.live_count > 0 then
    poll:ref()
  else
    poll:unref()
  end
end

function pump()
  if pumping then
    return
  end
  pumping = true
  scheduler.turn(0)
  pumping = false
  arm()
end

-- Come back soon, for a task was made ready outside of `pump`.
local function kick()
  if not pumping and not ready.is_empty() then
    idle:start(pump)
  end
end

function M.start(task)
  scheduler.start(task)
  kick()
end

function M.unsuspend(task)
  scheduler.unsuspend(task)
  kick()
end

function M.add_timer(item, seconds)
  scheduler.add_timer(item, seconds)
  if not pumping and timers.next_due() == item.due then
    arm()
  end
end

function M.alarm(item, seconds, holds)
  scheduler.alarm(item, seconds, holds)
  if not pumping and item.slot and timers.next_due() == item.due then
    arm()
  end
end

--- Become the host: attach to luv's loop.
function M.install()
  core.start("caller")
  scheduler.configure(is_own_coroutine, cannot_wait)
  if not poll then
    poll, timer, idle = uv.new_poll(core.fd()), uv.new_timer(), uv.new_idle()
    poll:start("r", pump)
    poll:unref()
  end
end

return M
