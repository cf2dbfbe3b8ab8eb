--- Waits inside a user's own coroutines, for the native host.
--
-- A wait yields a private mark. The `coroutine.resume` and `coroutine.wrap`
-- installed here see it, yield it themselves until it reaches the scheduler,
-- and resume the inner coroutine with the answer. What a generator yields to
-- its consumer passes untouched.
-- @module covet.task.generator

local scheduler = require "covet.task.scheduler"
local trace = require "covet.task.trace"

local create, status = coroutine.create, coroutine.status
local isyieldable, running = coroutine.isyieldable, coroutine.running
local resume, yield = coroutine.resume, coroutine.yield
local wrap = coroutine.wrap
local error = error
local library = coroutine
local current = scheduler.current
local PARK, REFUSED = scheduler.PARK, scheduler.REFUSED

-- Generators in which a task waits at this moment: no one else may resume
-- them.
local held = setmetatable({}, { __mode = "k" })

local M = {}

local passed -- what came back from a coroutine; below

local function answered(co, ...)
  held[co] = nil
  return passed(co, resume(co, ...))
end

function passed(co, ok, ...)
  if not ok then
    trace.note(current(), (...), co, debug.traceback(co), running())
  elseif (...) == PARK then
    if not isyieldable() then
      return passed(co, resume(co, REFUSED, trace.barrier()))
    end
    held[co] = true
    return answered(co, yield(...))
  end
  return ok, ...
end

local function resume_through(co, ...)
  if held[co] then
    return false, "cannot resume a coroutine in which a task waits"
  end
  return passed(co, resume(co, ...))
end

local function unwrap(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if err == "cannot resume dead coroutine" then
    error(err, 3)
  end
  error(err, 0)
end

local function wrap_through(fn)
  local co = create(fn)
  return function(...)
    return unwrap(resume_through(co, ...))
  end
end

local function status_through(co)
  if held[co] then
    return "normal"
  end
  return status(co)
end

--- Replace `coroutine.resume`, `wrap` and `status`.
function M.install()
  library.resume = resume_through
  library.wrap = wrap_through
  library.status = status_through
end

--- Put Lua's own functions back.
function M.uninstall()
  library.resume, library.status = resume, status
  library.wrap = wrap
end

return M
