--- Passwords that a function gives.
--
-- The core keeps each connection that is to be opened until it is told the
-- password (src/core/opening.h), and tells the event `ask` once for all that wait.
-- The function runs in a task of its own, in one at a time.
-- @module covet.adapter.password

local core = require "covet.core"
local errors = require "covet.error"
local invoke = require "covet.adapter.invoke"
local semaphore = require "covet.task.semaphore"
local task = require "covet.task"

local CONNECT_TIMEOUT = 10

local M = {}

-- Openings fail with that: what the function raises need not be an error of
-- covet's.
local function refusal_of(err)
  if errors.is_error(err) then
    return { kind = err.kind, retry = err.retry, phase = "connect", cause = err,
      message = "the function of the password: " .. err.message }
  end
  return { kind = "connection_failed", retry = "safe", phase = "connect",
    cause = err, message = "the function of the password raised an error" }
end

local function ask(passwords)
  local password = task.timeout(passwords.timeout, passwords.ask)
  if type(password) ~= "string" then
    errors.raise { kind = "usage", retry = "no",
      message = ("it must give a string, not %s"):format(type(password)) }
  end
  return password
end

local function set_password(adapter)
  local fine, password = xpcall(ask, errors.with_traceback, adapter.passwords)
  if not fine then
    error(password, 0)
  end
  invoke.call(adapter, "set_password", nil, adapter.command_timeout, password)
end

-- The core is told the kind, which says whether to try again; the rest of the error
-- is kept here for covet.adapter.leases.
local function refuse(adapter, err)
  local refusal = refusal_of(err)
  adapter.refusal = refusal
  pcall(invoke.call, adapter, "refuse_openings", nil, adapter.command_timeout,
    refusal.kind, refusal.message)
end

-- Whatever happens, what waits is answered.
local function answer(adapter)
  local turn = adapter.passwords.turn
  local fine, err = pcall(turn.with, turn, set_password, adapter)
  if not fine then
    task.shelter(refuse, adapter, err)
  end
end

--- Openings wait for the password: see covet.adapter.leases.
-- @tparam table adapter
function M.answer_later(adapter)
  task.spawn_apart(answer, adapter)
end

--- Let a function give an adapter's passwords.
-- @tparam table adapter
-- @tparam function fn
-- @tparam number|nil timeout seconds, those of one attempt to connect; 0: no end
function M.set_function(adapter, fn, timeout)
  if timeout == 0 then
    timeout = math.huge
  end
  adapter.passwords = { ask = fn, turn = semaphore.new(1),
    timeout = timeout or CONNECT_TIMEOUT }
  core.hold_openings(adapter.handle)
end

return M
