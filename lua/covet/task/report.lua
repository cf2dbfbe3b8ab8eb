--- Errors that no one waits for, told on stderr.
-- @module covet.task.report

local trace = require "covet.task.trace"

local M = {
  --- Tasks that were reported and not joined since.
  count = 0,
}

--- Write a line for the user.
-- @tparam string text
function M.say(text)
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

--- Report the tasks of a list that no one has joined yet, and empty it.
-- @tparam table failures
function M.flush(failures)
  for i = 1, #failures do
    local task = failures[i]
    failures[i] = nil
    if not task.joined then
      task.reported = true
      M.count = M.count + 1
      M.say(trace.report(task))
    end
    task.co, task.fault = false, nil
  end
end

--- An error in a callback of luv.
-- @param err
function M.callback_failed(err)
  M.count = M.count + 1
  M.say("covet: error in a callback: " .. trace.describe(err))
end

--- A task that was reported has been joined after all.
function M.claimed()
  M.count = M.count - 1
end

return M
