--- How long a bulk call may take: the `timeout` that its caller gives is the deadline of
-- all of it, what its source waits for included; without one each piece of it has the
-- adapter's `command_timeout`.
-- @module covet.bulk.deadline

local core = require "covet.core"
local errors = require "covet.error"
local task = require "covet.task"

local Deadline = { __name = "covet.bulk.deadline" }
Deadline.__index = Deadline

local M = {}

--- Begin to count.
-- @tparam table session that was called
-- @tparam number|nil timeout of the call; the session's counts alike
-- @tparam table of `text`, the SQL that errors are about
-- @tparam number|boolean started of covet.events.begin
-- @treturn table
function M.new(session, timeout, of, started)
  local seconds = timeout or session.defaults.timeout
  return setmetatable({
    session = session, of = of, started = started, seconds = seconds,
    at = seconds and core.now() + seconds, each = session.adapter.command_timeout,
  }, Deadline)
end

local function message(self)
  return ("not done within %g s"):format(self.seconds)
end

local function fail(self)
  self.session:fail({ kind = "timeout", retry = "idempotent_only", phase = "query",
    message = message(self) }, self.of, self.started)
end

--- What is left for the next piece.
-- @treturn number seconds
-- @raise timeout: nothing
function Deadline:left()
  if not self.at then
    return self.each
  end
  local left = self.at - core.now()
  if left <= 0 then
    fail(self)
  end
  return left
end

--- The same where a call that is given no time has its own: nil then.
function Deadline:given()
  return self.at and self:left()
end

-- Whether an error came of the deadline.
local function is_over(self, err)
  return self.at and errors.is_error(err) and err.kind == "timeout"
    and core.now() >= self.at
end

-- It tells the time of the call, not what was left of it.
local function tell(self, fine, ...)
  local err = ...
  if fine then
    return ...
  elseif is_over(self, err) then
    err.message = message(self)
  end
  error(err, 0)
end

--- Run `fn`, which does the whole call.
-- @tparam function fn
-- @return what fn returned
function Deadline:run(fn)
  return tell(self, pcall(fn))
end

local function settle(self, fine, ...)
  if fine then
    return ...
  elseif is_over(self, (...)) then
    fail(self)
  end
  error((...), 0)
end

--- Read the source: what it waits for ends with the deadline.
-- @tparam function fn
-- @param ... for fn
-- @return what fn returned
function Deadline:read(fn, ...)
  if not self.at then
    return fn(...)
  end
  return settle(self, pcall(task.timeout, self:left(), fn, ...))
end

return M
