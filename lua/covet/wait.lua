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

--- Whether a call that failed may be made again: nothing was run, for the server
-- refused the password, and there is another one now. Each call has one new password
-- to try.
-- @tparam table session
-- @tparam table fields of the error
-- @tparam number number the adapter's `password_number` when the call began
-- @treturn boolean
function M.may_repeat(session, fields, number)
  local adapter = session.adapter
  if not adapter.renew or session.lease ~= 0
    or fields.kind ~= "authentication_failed" then
    return false
  end
  local refused = fields.code or 0
  return refused <= number and adapter.renew(adapter, refused)
end

local function finish_begun(session, parsed, started, token, ...)
  return token, M.finish(session, parsed, started, token, ...)
end

local call
function call(session, parsed, started, number, submit, ...)
  local token, ok, more, fields, affected, id, command =
    finish_begun(session, parsed, started, submit(...))
  if not ok and M.may_repeat(session, fields, number) then
    return call(session, parsed, started, number, submit, ...)
  end
  return token, ok, more, fields, affected, id, command
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
  return call(session, parsed, started, session.adapter.password_number, submit,
    ...)
end

return M
