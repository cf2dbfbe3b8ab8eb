--- Signals, for the native host.
--
-- The watchers do not keep the program alive by themselves, but while a task
-- waits those that the user asked for do: it may be waiting for the signal.
-- @module covet.task.signal

local park = require "covet.task.park"
local spawn = require "covet.task.spawn"
local trace = require "covet.task.trace"

local M = {}

local watchers = {} -- "sigint" -> { handle, fn, default }
local held = false

local function canonical(name)
  local text = tostring(name):lower()
  return text:sub(1, 3) == "sig" and text or "sig" .. text
end

local function on_signal(watcher)
  if watcher.fn then
    park.host.start(spawn.prepare(1, watcher.fn, watcher.name:upper()))
  elseif watcher.default then
    watcher.default()
  end
end

local function watch(name)
  local watcher = watchers[name]
  if watcher then
    return watcher
  end
  local uv = require "luv"
  watcher = { name = name, handle = uv.new_signal() }
  -- luv raises for names that it does not know
  local called, ok, message = pcall(watcher.handle.start, watcher.handle, name,
    function()
      on_signal(watcher)
    end)
  if not called or not ok then
    watcher.handle:close()
    trace.usage("cannot watch for signal %s: %s", name:upper(),
      called and message or "there is no such signal")
  end
  watcher.handle:unref()
  watchers[name] = watcher
  return watcher
end

local function close(name)
  local watcher = watchers[name]
  watchers[name] = nil
  watcher.handle:stop()
  watcher.handle:close()
end

-- Let a watcher keep the loop alive, or not.
local function set_hold(watcher)
  if held and watcher.fn then
    watcher.handle:ref()
  else
    watcher.handle:unref()
  end
end

--- Run `fn(name)` as a task at each such signal, in place of what the command
-- does by itself. nil restores that.
-- @tparam string name "SIGTERM", "term"...
-- @tparam function|nil fn
function M.on_signal(name, fn)
  if type(name) ~= "string" then
    trace.usage("on_signal(name, fn): name must be a string, not a %s",
      type(name))
  elseif fn ~= nil and type(fn) ~= "function" then
    trace.usage("on_signal(name, fn): fn must be a function, not a %s", type(fn))
  end
  name = canonical(name)
  if fn == nil and not watchers[name] then
    return
  elseif fn == nil and not watchers[name].default then
    return close(name)
  end
  local watcher = watch(name)
  watcher.fn = fn
  set_hold(watcher)
end

--- What happens at a signal that the user did not ask for.
-- @tparam string name
-- @tparam function default called in the loop's callback
function M.set_default(name, default)
  watch(canonical(name)).default = default
end

--- Say how many tasks there are.
-- @tparam number tasks
function M.hold(tasks)
  if held ~= (tasks > 0) then
    held = tasks > 0
    for _, watcher in pairs(watchers) do
      set_hold(watcher)
    end
  end
end

--- Close all watchers.
function M.close()
  for name in pairs(watchers) do
    close(name)
  end
end

return M
