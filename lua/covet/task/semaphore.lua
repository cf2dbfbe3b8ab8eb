--- Counting semaphores, first come first served.
-- @module covet.task.semaphore

local errors = require "covet.error"
local list = require "covet.task.list"
local park = require "covet.task.park"
local scope = require "covet.task.scope"
local trace = require "covet.task.trace"

local Semaphore = { __name = "covet.semaphore" }
Semaphore.__index = Semaphore

local M = {}

--- Make a semaphore.
-- @tparam number n how many may hold it at once
-- @treturn Semaphore
function M.new(n)
  if type(n) ~= "number" or n < 0 or n % 1 ~= 0 then
    trace.usage("a semaphore takes a whole number from 0, not %s", tostring(n))
  end
  return setmetatable({ free = n, waiters = list.new() }, Semaphore)
end

--- Take a place if there is one.
-- @treturn boolean
function Semaphore:try_acquire()
  if self.free > 0 then
    self.free = self.free - 1
    return true
  end
  return false
end

--- Take a place, waiting for it.
-- @tparam[opt] number timeout seconds; then raises kind "timeout"
function Semaphore:acquire(timeout)
  if self:try_acquire() then
    return
  end
  if not park.park(self.waiters, timeout) then
    errors.raise {
      kind = "timeout", retry = "safe",
      message = ("no place in the semaphore after %g s"):format(timeout),
    }
  end
end

--- Give a place back: to who has waited longest, if anyone waits.
function Semaphore:release()
  local waiter = self.waiters:pop()
  if waiter then
    park.wake(waiter)
  else
    self.free = self.free + 1
  end
end

local function give_back(semaphore, ok, ...)
  semaphore:release()
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Run `fn(...)` with a place.
-- @tparam function fn
-- @return what `fn` returned
function Semaphore:with(fn, ...)
  self:acquire()
  return give_back(self, xpcall(fn, scope.keep_stack, ...))
end

return M
