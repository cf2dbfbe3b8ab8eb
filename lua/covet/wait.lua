--- How the calls of a session wait: not for themselves, and watched by whoever
-- listens.
-- @module covet.wait

local claims = require "covet.claims"
local task = require "covet.task"

local finish, wait = task.finish, task.wait
local error, pcall = error, pcall

local M = {}

-- An interruption of the task is an error of the call too.
local function tell(session, parsed, started, fine, ...)
  if not fine then
    session.adapter:note_error((...), parsed, started)
    error((...), 0)
  end
  return ...
end

--- Wait for an operation.
-- @tparam table session whose call it is
-- @tparam table|nil parsed its statement
-- @tparam number|boolean|nil started of `covet.events.begin`
-- @tparam number token
-- @return its completion
function M.wait(session, parsed, started, token)
  if session.lease == 0 and session.adapter.claims ~= 0 then
    claims.check_wait(session, token, parsed, started)
  end
  if not started then
    return wait(token)
  end
  return tell(session, parsed, started, pcall(wait, token))
end

--- Finish what a submitting function of the core began.
-- @tparam table session whose call it is
-- @tparam table|nil parsed its statement
-- @tparam number|boolean|nil started of `covet.events.begin`
-- @tparam number|nil token nil: it was done at once, the completion follows
-- @return the completion
function M.finish(session, parsed, started, token, ...)
  if token == nil then
    return finish(nil, ...)
  end
  return M.wait(session, parsed, started, token)
end

return M
