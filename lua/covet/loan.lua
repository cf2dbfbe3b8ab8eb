--- `with([options,] fn)`: run a function with something that is borrowed, and
-- give it back whatever happens.
-- @module covet.loan

local caller = require "covet.caller"
local errors = require "covet.error"
local trace = require "covet.task.trace"

local M = {}

--- The arguments of `with`, checked.
-- @tparam table|function|nil given options, or `fn`
-- @tparam function|nil fn
-- @treturn table|nil options
-- @treturn function
function M.arguments(given, fn)
  if fn == nil then
    given, fn = nil, given
  end
  if type(fn) ~= "function" then
    caller.usage("with([options,] fn): fn must be a function, not %s", type(fn))
  end
  return given, fn
end

-- What `fn` raised is what the caller wants to know; that it could not be given
-- back is not lost beside it.
local function keep_beside(err, other)
  if not errors.add(err, other) then
    io.stderr:write("covet: giving back after an error: ",
      trace.describe(other), "\n")
  end
end

local function settle(borrowed, give_back, owner, lease, fine, ...)
  local returned, other = pcall(give_back, borrowed, not fine and (...) or nil,
    owner, lease)
  if not fine then
    if not returned then
      keep_beside((...), other)
    end
    error((...), 0)
  elseif not returned then
    error(other, 0)
  end
  return ...
end

--- Run `fn(borrowed)`, then `give_back(borrowed, err, owner, lease)`, where `err`
-- is what `fn` has raised. Of two errors that of `fn` is raised, with the other
-- one in its `others`.
-- @tparam function fn
-- @param borrowed
-- @tparam function give_back
-- @param owner for `give_back`
-- @param lease for `give_back`
-- @return what `fn` returned
function M.run(fn, borrowed, give_back, owner, lease)
  return settle(borrowed, give_back, owner, lease,
    xpcall(fn, errors.with_traceback, borrowed))
end

return M
