--- Passwords that a function gives.
--
-- The function is asked at the adapter's first call, at each `connect`, and when
-- the server has refused the last password. Passwords are numbered: the driver puts
-- the number of the one that was refused into the error's `code`, so that of many
-- calls that fail together the first one asks, and the others know that there is
-- another one by then.
-- @module covet.adapter.password

local adapters = require "covet.adapter"
local caller = require "covet.caller"
local errors = require "covet.error"
local invoke = require "covet.adapter.invoke"
local semaphore = require "covet.task.semaphore"
local waits = require "covet.wait"

local base = adapters.methods

local M = {}

-- What the function answers; what it raises need not be an error of covet's.
local function call_function(adapter)
  local fine, answer = xpcall(adapter.passwords.ask, errors.with_traceback)
  if fine then
    return answer
  elseif errors.is_error(answer) then
    error(answer, 0)
  end
  errors.raise { kind = "connection_failed", retry = "safe", phase = "connect",
    database = adapter.database, cause = answer,
    message = "the function of the password raised an error" }
end

-- Ask; whether it is another one than before.
local function ask(adapter)
  local passwords = adapter.passwords
  local password = call_function(adapter)
  if type(password) ~= "string" then
    caller.usage("the function of the password must give a string, not %s",
      type(password))
  elseif password == passwords.known then
    return false
  end
  local number = adapter.password_number + 1
  invoke.call(adapter, "set_password", nil, adapter.command_timeout, password,
    number)
  passwords.known, adapter.password_number = password, number
  return true
end

--- Ask for the password, whatever is known.
-- @tparam table adapter
-- @raise usage when the function gives no string; connection_failed, with the
-- `cause`, when it raises what is no error of covet's
function M.refresh(adapter)
  adapter.passwords.turn:with(ask, adapter)
end

local function ask_first(adapter)
  if adapter.password_number == 0 then
    ask(adapter)
  end
end

--- Ask for the password if that has not been done yet.
-- @tparam table adapter
function M.prepare(adapter)
  if adapter.passwords and adapter.password_number == 0 then
    adapter.passwords.turn:with(ask_first, adapter)
  end
end

local function ask_again(adapter, refused)
  return adapter.password_number ~= refused or ask(adapter)
end

--- The server refused a password: see covet.wait.
-- @tparam table adapter
-- @tparam number refused which it was
-- @treturn boolean whether another one is known now
function M.renew(adapter, refused)
  return adapter.passwords.turn:with(ask_again, adapter, refused)
end

-- The first call connects too, and needs a password then.
local function ask_at_first_call(adapter)
  for _, name in ipairs { "enter", "acquire" } do
    adapter[name] = function(session, ...)
      M.prepare(adapter)
      return base[name](session, ...)
    end
  end
end

--- Let a function give an adapter's passwords.
-- @tparam table adapter
-- @tparam function fn
function M.set_function(adapter, fn)
  adapter.passwords = { ask = fn, turn = semaphore.new(1) }
  adapter.renew = M.renew
  ask_at_first_call(adapter)
end

--- Methods of adapters.
M.methods = {}

function M.methods:connect()
  local own = self.adapter
  if not own.passwords then
    return base.connect(self)
  end
  M.refresh(own)
  local number = own.password_number
  local fine, err = pcall(base.connect, self)
  if not fine and not (errors.is_error(err)
    and waits.may_repeat(own, err, number)) then
    error(err, 0)
  end
  return fine and self or base.connect(self)
end

return M
