--- Interrupting a task at its k-th suspension.
--
-- Each wait of a task goes through its host, by `wait(token)` or by `enter`.
-- Here these are counted for one task; at the chosen one the task is
-- interrupted before it is parked, or one turn later.
-- @module spec.support.suspension
local covet = require "covet"
local errors = require "covet.error"
local park = require "covet.task.park"
local scope = require "covet.task.scope"

local M = {}

--- Ways to end a task: `how(task, scope)` interrupts it.
M.ways = {
  -- before it is parked
  ["cancelled before it waits"] = function(task)
    task:cancel()
  end,
  -- when the operation is under way
  ["cancelled while it waits"] = function(task)
    covet.spawn(function()
      task:cancel()
    end)
  end,
  -- a deadline of its own, after which the task goes on living
  ["timed out"] = function(_, inner)
    covet.spawn(function()
      inner:interrupt(errors.new { kind = "timeout", message = "the spec's deadline", retry = "no" })
    end)
  end,
}

--- Run `fn` in a task that is interrupted at its k-th suspension.
-- @tparam function fn
-- @tparam number k 0: at none
-- @tparam[opt] function how one of `ways`
-- @tparam[opt] function after run in the same task after `fn`, whatever
-- happened to it, with what `pcall` answered
-- @treturn number how often the task was suspended in `fn`
-- @treturn boolean whether it was interrupted
-- @return the error of the task, nil if it had none
function M.run(fn, k, how, after)
  local host = park.host
  local wait, enter = host.wait, host.enter
  local count, fired = 0, false
  local victim, inner

  local function note()
    if victim and park.host.current() == victim then
      count = count + 1
      if count == k then
        fired = true
        how(victim, inner)
      end
    end
  end

  host.wait = function(token)
    note()
    return wait(token)
  end
  host.enter = function(...)
    note()
    return enter(...)
  end
  local task = covet.spawn(function()
    inner = scope.enter()
    victim = park.host.current()
    local outcome = { pcall(fn) }
    victim = nil
    inner:leave()
    if after then
      after(unpack(outcome, 1, 2))
    end
    if not outcome[1] then
      error(outcome[2], 0)
    end
  end)
  local ok, err = pcall(task.join, task)
  host.wait, host.enter = wait, enter
  return count, fired, not ok and err or nil
end

return M
