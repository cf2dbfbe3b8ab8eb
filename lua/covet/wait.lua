--- How the calls of a session wait: not for themselves, and watched by whoever
-- listens.
-- @module covet.wait

local claims = require "covet.claims"
local core = require "covet.core"
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

-- Take a call back that would wait for its own task, and say so; it may have got
-- a connection just now after all.
local function withdraw(session, places, parsed, started, token)
  core.cancel(token)
  local ok, more, fields, affected, id, command = tell(session, parsed, started,
    pcall(wait, token))
  if not ok and fields.kind == "cancelled" and fields.phase == "queue" then
    claims.refuse(session, places, parsed, started)
  end
  return ok, more, fields, affected, id, command
end

--- Wait for an operation.
-- @tparam table session whose call it is
-- @tparam table|nil parsed its statement
-- @tparam number|boolean|nil started of `covet.events.begin`
-- @tparam number token
-- @return its completion
function M.wait(session, parsed, started, token)
  if session.lease == 0 and session.adapter.claims ~= 0 then
    local places = claims.find_own_wait(session, token)
    if places then
      return withdraw(session, places, parsed, started, token)
    end
    claims.watch(session.adapter)
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

local function finish_begun(session, parsed, started, token, ...)
  return token, M.finish(session, parsed, started, token, ...)
end

--- Make a call of the core and wait for its first news.
-- @tparam table session
-- @tparam table|nil parsed
-- @tparam number|boolean|nil started
-- @tparam function submit a function of the core
-- @param ... for it
-- @treturn number|nil its token
-- @return the completion
function M.call(session, parsed, started, submit, ...)
  return finish_begun(session, parsed, started, submit(...))
end

return M
