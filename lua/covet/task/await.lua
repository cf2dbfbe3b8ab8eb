--- `covet.await`: functions with a callback, as tasks see them.
-- @module covet.task.await

local errors = require "covet.error"
local park = require "covet.task.park"
local trace = require "covet.task.trace"

local select, type, unpack = select, type, unpack

local M = {}

local function raise(text)
  errors.raise {
    kind = "system", message = text, code = text:match("^(E[A-Z0-9]+)"),
    retry = "no",
  }
end

-- The arguments of a callback. The first one is an error or nil by luv's
-- convention; where it is neither text nor nil, it is a value like the others.
local function results_of(first, ...)
  if type(first) == "string" then
    raise(first)
  elseif first == nil then
    return ...
  end
  return first, ...
end

-- Where luv can take a request back, do so; its callback comes, too late.
local function cancel_request(request)
  local known, uv = pcall(require, "luv")
  if known and type(request) == "userdata" then
    pcall(uv.cancel, request)
  end
end

-- `fn` answered nil and a message: the callback will never come.
local function check_start(request, message)
  if request == nil and type(message) == "string" then
    raise(message)
  end
  return request
end

--- Call `fn(..., callback)` and wait until the callback is called.
-- Answers the callback's arguments; if the first one is nil, those after it,
-- and if it is a text, it is raised as an error of kind "system" whose `code`
-- is libuv's name ("ENOENT"). When the task is cancelled meanwhile, the request
-- is cancelled too, as far as luv can, and a callback that comes late is
-- ignored.
-- @tparam function fn takes a callback as its last argument
-- @return what the callback was given
function M.await(fn, ...)
  if type(fn) ~= "function" then
    trace.usage("covet.await takes a function that takes a callback, not a %s",
      type(fn))
  end
  local task = park.current()
  local answer, parked
  local function callback(...)
    if answer then
      return
    end
    answer = { n = select("#", ...), ... }
    if parked and task.waits == park.ASLEEP then
      park.wake(task)
    end
  end
  local arguments = { n = select("#", ...), ... }
  arguments[arguments.n + 1] = callback
  local request = check_start(fn(unpack(arguments, 1, arguments.n + 1)))
  if not answer then
    parked = true
    local ok, err = pcall(park.park)
    parked = false
    if not ok then
      answer = {}
      cancel_request(request)
      error(err, 0)
    end
  end
  return results_of(unpack(answer, 1, answer.n))
end

return M
