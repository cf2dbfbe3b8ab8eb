--- Plain `luajit script.lua` as a host: a wait runs the scheduler until what it
-- waits for is there.
--
-- The main chunk is a pseudo task: it has `locals` and can own, but it does not
-- end. Tasks run whenever something waits, and in `covet.run()`, which waits
-- for all of them; those that have not run when the program ends never do. A
-- wait in a coroutine of the script's own, or below a C function such as
-- `table.sort`, works too: it runs the scheduler where it stands, and may come
-- back later than it could, for the waits that began inside it end first.
-- @module covet.host.blocking

local core = require "covet.core"
local object = require "covet.task.object"
local scheduler = require "covet.task.scheduler"
local trace = require "covet.task.trace"

local isyieldable, running = coroutine.isyieldable, coroutine.running

local M = setmetatable({ name = "blocking" }, { __index = scheduler })

local main = object.new(false)
main.waits = false

local function is_own_coroutine(task)
  return running() == task.co and isyieldable()
end

local function wait_in_place(task)
  if scheduler.stepping then
    trace.usage("cannot wait in a callback of the loop: use covet.spawn")
  end
  return task or main
end

function M.current()
  return scheduler.current() or main
end

--- Run all tasks to their end.
function M.run()
  if scheduler.current() then
    trace.usage("covet.run() is called by the main program, not in a task")
  end
  while scheduler.live_count > 0 do
    if not scheduler.turn() and scheduler.live_count > 0 then
      trace.usage("deadlock: no task can go on, and nothing is under way\n%s",
        scheduler.describe_waiting())
    end
  end
end

--- Become the host.
function M.install()
  core.start("caller")
  scheduler.configure(is_own_coroutine, wait_in_place)
end

return M
