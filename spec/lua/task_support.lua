-- What the specs of tasks share.
local errors = require "covet.error"
local park = require "covet.task.park"
local process = require "spec.support.process"
local task = require "covet.task"

local M = {}

function M.pack(...)
  return { n = select("#", ...), ... }
end

--- What a function raises; fails when it does not.
function M.error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "no error was raised")
  return err
end

--- The kind of the error object that a function raises.
function M.kind_of(fn, ...)
  local err = M.error_of(fn, ...)
  assert(errors.is_error(err), tostring(err))
  return err.kind
end

--- Run a program of its own.
function M.run(code, ...)
  return process.run { false, "-e", code, ... }
end

-- Run `body` as a task that is cancelled at its k-th suspension. Answers how
-- often it was suspended.
local function cancel_at(k, body)
  local real, count, victim = park.host, 0, nil
  local function suspended()
    if real.current() == victim then
      count = count + 1
      if count == k then
        victim:cancel()
      end
    end
  end
  task.use_host(setmetatable({
    enter = function()
      suspended()
      return real.enter()
    end,
    sleep = function(seconds)
      suspended()
      return real.sleep(seconds)
    end,
    wait = function(token)
      suspended()
      return real.wait(token)
    end,
  }, { __index = real }))
  victim = task.spawn(body)
  pcall(victim.join, victim)
  task.use_host(real)
  return count
end

--- Cancel `body` at each of its suspensions in turn.
function M.cancel_everywhere(body, check)
  local suspensions = cancel_at(0, body)
  assert(suspensions > 0)
  for k = 1, suspensions + 1 do
    cancel_at(k, body)
    check(k)
  end
end

return M
