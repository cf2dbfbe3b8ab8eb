--- Advisory locks that are held as long as a function runs.
-- @module covet.adapter.postgresql.lock

local caller = require "covet.caller"
local number = require "covet.json.number"
local options = require "covet.options"
local task = require "covet.task"

local M = {}

--- Methods of sessions.
M.methods = {}

local OPTIONS = {
  { "try", "boolean", false, "Do not wait: answer false when it is held." },
  { "shared", "boolean", false, "Others may hold it shared too." },
  { "timeout", "seconds", nil, "How long to wait for it." },
}

-- "pg_try_advisory_xact_lock_shared($1)" and the like.
local function lock_text(verb, given, scope)
  return ("select pg_%sadvisory_%s%s%s"):format(verb == "lock" and given.try
    and "try_" or "", scope, verb, given.shared and "_shared" or "")
end

-- The argument of a lock's function, in SQL: strings are hashed there.
local function key_text(key)
  if type(key) == "string" then
    return "(hashtextextended($1, 0))"
  elseif type(key) == "number" and key % 1 == 0 and key >= -2 ^ 53
    and key <= 2 ^ 53 or number.is_wide(key) then
    return "($1::int8)"
  end
  caller.usage("the key of a lock must be a string or an integer, not %s",
    type(key))
end

-- Whether the lock was got: without `try` its function answers nothing.
local function take(session, given, scope, key)
  local got = session:fetch_one { lock_text("lock", given, scope)
    .. key_text(key) .. " as got", key, timeout = given.timeout,
    rows = "array", types = {} }[1]
  return not given.try or got == true
end

local function finish(given, fine, ...)
  if not fine then
    error((...), 0)
  elseif given.try then
    return true, ...
  end
  return ...
end

local function give_back(session, given, key)
  pcall(session.fetch_value, session, lock_text("unlock", given, "")
    .. key_text(key), key)
end

-- Hold it for the session's connection. What is left of it when that cannot be
-- given back, the pool's reset gives back.
local function hold(session, given, key, fn)
  if not take(session, given, "", key) then
    return false
  end
  local function settle(...)
    task.shelter(give_back, session, given, key)
    return finish(given, ...)
  end
  return settle(pcall(fn, session))
end

-- Hold it to the end of the transaction.
local function hold_in_transaction(tx, given, key, fn)
  if not take(tx, given, "xact_", key) then
    return false
  end
  return finish(given, pcall(fn, tx))
end

--- Run `fn(session)` while an advisory lock is held.
-- In a transaction, and always with `pgbouncer = true`, it is held until the
-- transaction ends; `fn` gets that.
-- @tparam number|string key strings are hashed with hashtextextended
-- @tparam[opt] table given `try`, `shared`, `timeout`
-- @tparam function fn
-- @return what `fn` returned; with `try` false when someone else has it, else
-- true and what `fn` returned
function M.methods:with_advisory_lock(key, given, fn)
  if fn == nil then
    given, fn = nil, given
  end
  given = options.check(OPTIONS, given or {}, "with_advisory_lock", caller.LEVEL)
  if type(fn) ~= "function" then
    caller.usage("with_advisory_lock(key, [options,] fn): fn must be a function, "
      .. "not %s", type(fn))
  end
  key_text(key)
  local session = self:enter()
  if session.state == "open" then
    return hold_in_transaction(session, given, key, fn)
  elseif self.adapter.options.pgbouncer then
    return session:transaction(function(tx)
      return hold_in_transaction(tx, given, key, fn)
    end)
  elseif session.lease ~= 0 then
    return hold(session, given, key, fn)
  end
  return session:with(function(held)
    return hold(held, given, key, fn)
  end)
end

return M
