--- Where things went wrong: tracebacks across coroutines and tasks, and the C
-- function that keeps a task from waiting.
-- @module covet.task.trace

local errors = require "covet.error"

local getinfo, getlocal = debug.getinfo, debug.getlocal
local traceback = debug.traceback
local running = coroutine.running

-- C functions that call Lua and cannot be left by a yield.
local BARRIERS = {
  [table.sort] = "table.sort's comparison",
  [string.gsub] = "string.gsub's callback",
  [string.format] = "a __tostring called by string.format",
  [print] = "a __tostring called by print",
  [require] = "require",
  [dofile] = "dofile",
  [load] = "load's reader",
  [table.foreach or false] = "table.foreach's callback",
  [table.foreachi or false] = "table.foreachi's callback",
}
local TRANSPARENT = { [pcall] = true, [xpcall] = true, [error] = true }

local M = {}

--- An error value as text.
-- @param err anything
-- @treturn string
function M.describe(err)
  if type(err) == "string" then
    return err
  elseif err == nil then
    return "error(nil)"
  elseif errors.is_error(err) then
    return tostring(err)
  end
  local meta = debug.getmetatable(err)
  if type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, err)
    if ok and type(text) == "string" then
      return text
    end
  end
  local kind = type(err)
  if kind == "number" or kind == "boolean" or kind == "cdata" then
    return ("(error object is a %s value: %s)"):format(kind, tostring(err))
  end
  return ("(error object is a %s value)"):format(kind)
end

-- What the C function at `level` is to a reader.
local function name_barrier(info, level)
  local text = BARRIERS[info.func]
  if text == "require" then
    local _, name = getlocal(level + 1, 1)
    return ("require of '%s'"):format(tostring(name))
  elseif text then
    return text
  elseif info.name then
    return ("the C function '%s'"):format(info.name)
  end
  return "a C function that calls Lua"
end

--- Which C function stands between the running code and its scheduler.
-- @treturn string "table.sort's comparison", for instance
function M.barrier()
  local level = 2
  local info = getinfo(level, "Snf")
  while info do
    if info.what == "C" and not TRANSPARENT[info.func] then
      return name_barrier(info, level)
    end
    level = level + 1
    info = getinfo(level, "Snf")
  end
  return "a C function that calls Lua"
end

--- Raise a usage error that points at the first function outside covet.
-- @tparam string fmt as for `string.format`
function M.usage(fmt, ...)
  errors.usage(errors.CALLER, fmt, ...)
end

--- Raise the error of a wait where Lua cannot be left.
-- @tparam string barrier from `barrier()`
function M.cannot_wait(barrier)
  local hint = "do the waiting before or after that call"
  if barrier:find("^require") then
    hint = "move it into a function and call that when the module is loaded"
  end
  M.usage("cannot wait here, inside %s: Lua cannot be left from there; %s",
    barrier, hint)
end

-- A *fault* remembers, for a task, where an error that is on its way up came
-- from: the stacks of dead generators and of tasks that were joined. `last` is
-- the coroutine noted last, `below` the one that gets the error next.

--- Note where an error comes from, before its stack is gone.
-- @tparam table|nil task whose error it will be
-- @param err the error
-- @tparam thread|table origin the coroutine that died, or handles the error
-- @tparam string stack its traceback
-- @tparam thread|nil below the coroutine that gets the error
function M.note(task, err, origin, stack, below)
  if not task then
    return
  end
  local fault = task.fault
  if not fault or not rawequal(fault.err, err)
    or (fault.below ~= origin and fault.last ~= origin) then
    fault = { err = err }
    task.fault = fault
  end
  if fault.last ~= origin then
    fault[#fault + 1] = stack
  end
  fault.last, fault.below = origin, below
end

--- A handler for `xpcall`: keeps the stack for the report, changes nothing.
-- @tparam table|nil task the current one
-- @param err
function M.keep(task, err)
  local co = running()
  M.note(task, err, co, traceback("", 3), co)
end

--- The stack of a task that is parked or has died, with all that is known of
-- the way of its error.
-- @tparam table task
-- @treturn string
function M.stack(task)
  local parts = {}
  local fault = task.fault
  local known = fault and rawequal(fault.err, task.value)
  if known then
    for i = 1, #fault do
      parts[i] = fault[i]
    end
  end
  if type(task.co) == "thread" and not (known and fault.last == task.co) then
    parts[#parts + 1] = traceback(task.co)
  end
  return (table.concat(parts, "\n"):gsub("^\n", ""):gsub("\n\n", "\n"))
end

--- The name of a task: number and where it was spawned.
-- @tparam table task
-- @treturn string
function M.name(task)
  if task.origin then
    return ("task %d, spawned at %s"):format(task.id, task.origin)
  end
  return ("task %d"):format(task.id)
end

--- What to tell people of a task that failed.
-- @tparam table task
-- @treturn string several lines, without the last newline
function M.report(task)
  local lines = { "covet: " .. M.describe(task.value), M.stack(task) }
  if task.origin then
    lines[3] = ("\tin %s"):format(M.name(task))
  end
  return table.concat(lines, "\n")
end

return M
