--- Making tasks.
-- @module covet.task.spawn

local object = require "covet.task.object"
local park = require "covet.task.park"
local trace = require "covet.task.trace"

local select, type = select, type

local M = {}

-- A function of what can be called.
local function to_function(fn)
  local meta = getmetatable(fn)
  if type(meta) == "table" and type(meta.__call) == "function" then
    return function(...)
      return fn(...)
    end
  end
  trace.usage("a task is made of a function, not of a %s", type(fn))
end

--- Make a task that will run `fn(...)` when the host starts it.
-- @tparam number|nil level whose call it is, as for Lua's `error`
-- @tparam function fn
-- @treturn Task
function M.prepare(level, fn, ...)
  if type(fn) ~= "function" then
    fn = to_function(fn)
  end
  local task = object.new(fn, level and level + 1)
  local count = select("#", ...)
  if count > 0 then
    task.arguments = { n = count, ... }
  end
  return task
end

--- Run `fn(...)` as a task of its own, beginning in the next round.
-- An error of a task that no one joins is reported on stderr and makes the
-- program's exit status 1.
-- @tparam function fn
-- @treturn Task
function M.spawn(fn, ...)
  local task = M.prepare(2, fn, ...)
  park.host.start(task)
  return task
end

--- Run `fn(...)` as a task that outlives whatever runs at this moment: in nginx,
-- the request.
-- @tparam function fn must not raise
function M.spawn_apart(fn, ...)
  if park.host.spawn_apart then
    park.host.spawn_apart(fn, ...)
  else
    park.host.start(M.prepare(nil, fn, ...))
  end
end

return M
