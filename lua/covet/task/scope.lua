--- Deadlines over a piece of code: `covet.timeout`.
-- @module covet.task.scope

local errors = require "covet.error"
local park = require "covet.task.park"
local trace = require "covet.task.trace"

local setmetatable, xpcall, error = setmetatable, xpcall, error

local Scope = { __name = "covet.task.scope", slot = false }
Scope.__index = Scope

local M = {}

--- Enter a scope of the current task: a stretch of its run that can be
-- interrupted by itself.
-- @treturn Scope
function M.enter()
  local task = park.current()
  local scope = setmetatable({
    task = task,
    outer = task.scope,
    rank = task.scope and task.scope.rank + 1 or 1,
  }, Scope)
  task.scope = scope
  return scope
end

--- Interrupt what runs in the scope.
-- @tparam table err is raised at its wait; the scope's owner knows it again
function Scope:interrupt(err)
  self.err = err
  park.interrupt(self.task, err, self.rank)
end

--- Leave the scope. An interruption that was not seen in time is dropped.
function Scope:leave()
  local task = self.task
  task.scope = self.outer
  park.forgive(task, self.err)
end

--- The deadline has passed (called by the timers).
function Scope:on_due()
  self:interrupt(errors.new {
    kind = "timeout", retry = "no",
    message = ("not done within %g s"):format(self.seconds),
  })
end

-- A handler for `xpcall` that keeps the stack of the error.
local function keep_stack(err)
  trace.keep(park.host.current(), err)
  return err
end

M.keep_stack = keep_stack

local function leave(scope, ok, ...)
  park.host.remove_timer(scope)
  scope:leave()
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Run `fn(...)` with a deadline.
-- When it passes, what the task waits for is cancelled and an error of kind
-- "timeout" is raised there; cleaning up may wait again.
-- @tparam number seconds
-- @tparam function fn
-- @return what `fn` returned
function M.timeout(seconds, fn, ...)
  if type(seconds) ~= "number" or seconds ~= seconds then
    trace.usage("covet.timeout takes seconds and a function, not %s",
      tostring(seconds))
  elseif fn == nil then
    trace.usage "covet.timeout takes seconds and a function"
  end
  local scope = M.enter()
  scope.seconds = seconds
  if seconds <= 0 then
    scope:on_due()
  elseif seconds < math.huge then
    park.host.add_timer(scope, seconds)
  end
  return leave(scope, xpcall(fn, keep_stack, ...))
end

return M
