--- Tasks: what waits, and what waiting code stands on.
--
-- A *task* is a coroutine that the scheduler of the host resumes. Waiting calls
-- look as if they blocked; meanwhile the other tasks run. See covet.task.park
-- for what a host is, covet.task.object for the methods of a task.
-- @module covet.task

local core = require "covet.core"
local await = require "covet.task.await"
local channel = require "covet.task.channel"
local exit = require "covet.task.exit"
local group = require "covet.task.group"
local park = require "covet.task.park"
local scope = require "covet.task.scope"
local semaphore = require "covet.task.semaphore"
local spawn = require "covet.task.spawn"
local trace = require "covet.task.trace"

-- Operations that were done at once are counted; after so many of them it is
-- seen whether other tasks have waited long enough.
local DONE_AT_ONCE = 8

local HOSTS = { native = true, blocking = true, luv = true, nginx = true }

local M = {
  all = group.all,
  await = await.await,
  channel = channel.new,
  each_parallel = group.each_parallel,
  group = group.group,
  now = core.now,
  on_exit = exit.on_exit,
  semaphore = semaphore.new,
  shelter = park.shelter,
  spawn = spawn.spawn,
  spawn_apart = spawn.spawn_apart,
  timeout = scope.timeout,
}

local host -- the one in use
local left = DONE_AT_ONCE

--- The task that runs at this moment, nil outside of one. Its field `locals`
-- is a table for ambient state; children do not inherit it.
-- @treturn Task|nil
function M.current()
  local task = host.current()
  if task and not task.locals then
    task.locals = {}
  end
  return task
end

--- The same, but as it stands: `locals` may be nil. For covet's own modules:
-- thousands of tasks have nothing in it.
-- @treturn Task|nil
function M.running()
  return host.current()
end

--- Wait for an operation of the core.
-- Raises the interruption of the task (kind "cancelled", "timeout") when the
-- operation was ended by that.
-- @tparam number token
-- @return its completion: ok, more, ...
function M.wait(token)
  return host.wait(token)
end

local function let_others_run(...)
  left = DONE_AT_ONCE
  host.pass()
  return ...
end

--- Finish what a submitting function of the core began: `task.finish(
-- core.query(...))`.
-- @tparam number|nil token nil: it was done at once, the completion follows
-- @return the completion
function M.finish(token, ...)
  if token == nil then
    left = left - 1
    if left > 0 then
      return ...
    end
    return let_others_run(...)
  end
  return host.wait(token)
end

--- Let the other tasks run if this one has been at it for a millisecond: for
-- long work between two waits. Never raises.
function M.pass()
  host.pass()
end

--- Wait some time.
-- @tparam number seconds 0: let the other tasks run once
function M.sleep(seconds)
  if type(seconds) ~= "number" or seconds ~= seconds then
    trace.usage("covet.sleep takes seconds, not %s", tostring(seconds))
  end
  return host.sleep(seconds < math.huge and seconds or nil)
end

--- Run `fn(name)` as a task at each signal of that name, in place of what the
-- command does by itself; nil restores that. In the command only.
-- @tparam string name "SIGTERM"
-- @tparam function|nil fn
function M.on_signal(name, fn)
  if not host.on_signal then
    trace.usage("covet.on_signal: signals belong to the host %s", host.name)
  end
  host.on_signal(name, fn)
end

--- Run all tasks to their end: for plain `luajit`, where tasks run only while
-- the main program waits.
function M.run()
  if not host.run then
    trace.usage("covet.run() is for plain luajit; the host %s runs tasks "
      .. "by itself", host.name)
  end
  host.run()
end

--- The name of the host in use: "native", "blocking", "luv" or "nginx".
-- @treturn string
function M.host()
  return host.name
end

--- Make sure that the core runs: adapters call it before they are made. In
-- nginx this starts the worker's runtime; elsewhere it runs already.
function M.prepare()
  if host.prepare then
    host.prepare()
  end
end

--- Choose the host. Without it: "native" in the covet command, "nginx" in
-- nginx, else "blocking".
-- @tparam string|table chosen a name
function M.use_host(chosen)
  if type(chosen) == "string" then
    if not HOSTS[chosen] then
      trace.usage("there is no host %q; there are native, blocking, luv and "
        .. "nginx", chosen)
    end
    chosen = require("covet.host." .. chosen)
  end
  host, park.host = chosen, chosen
  if host.install then
    host.install()
  end
end

local nginx = rawget(_G, "ngx")
M.use_host(nginx and nginx.get_phase and "nginx" or "blocking")

return M
