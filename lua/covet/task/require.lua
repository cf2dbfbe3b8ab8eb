--- A `require` and a `dofile` in Lua, so that modules may wait while they
-- load. For the native host.
--
-- Two tasks that require a module at once load it once: the second waits for
-- the first. A module that failed to load is tried again the next time.
-- @module covet.task.require

local list = require "covet.task.list"
local park = require "covet.task.park"
local scope = require "covet.task.scope"

local loaded = package.loaded

-- Modules being loaded: name -> { task, waiters }. A task that waits for one
-- has its name in `awaits`.
local loading = {}

local M = {}

local function find_loader(name)
  local tried = {}
  for _, searcher in ipairs(package.loaders) do
    local loader = searcher(name)
    if type(loader) == "function" then
      return loader
    elseif type(loader) == "string" then
      tried[#tried + 1] = loader
    end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(tried)), 3)
end

-- Whether the module's loader waits, over whatever chain, for `task`.
local function is_loop(entry, task)
  while entry do
    if entry.task == task then
      return true
    end
    entry = entry.task and entry.task.awaits and loading[entry.task.awaits]
  end
  return false
end

local function finish(name, entry, ok, ...)
  loading[name] = nil
  local waiter = entry.waiters:pop()
  while waiter do
    park.wake(waiter)
    waiter = entry.waiters:pop()
  end
  if not ok then
    entry.failed, entry.err = true, (...)
    error(entry.err, 0)
  end
  local value = ...
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name]
end

local function load_module(name)
  local loader = find_loader(name)
  local entry = { task = park.host.current(), waiters = list.new() }
  loading[name] = entry
  return finish(name, entry, xpcall(loader, scope.keep_stack, name))
end

local function wait_for(name, entry)
  local task = park.current()
  if is_loop(entry, task) then
    error(("loop or previous error loading module '%s'"):format(name), 3)
  end
  task.awaits = name
  local ok, err = pcall(park.park, entry.waiters)
  task.awaits = nil
  if not ok then
    error(err, 0)
  elseif entry.failed then
    error(entry.err, 0)
  end
  return loaded[name]
end

-- As Lua's own.
local function require_waiting(name)
  if type(name) == "number" then
    name = tostring(name)
  elseif type(name) ~= "string" then
    error(("bad argument #1 to 'require' (string expected, got %s)")
      :format(type(name)), 2)
  end
  local value = loaded[name]
  local entry = loading[name]
  if entry then
    value = wait_for(name, entry)
  elseif not value then
    value = load_module(name)
  end
  return value
end

-- As Lua's own.
local function dofile_waiting(path)
  local chunk, message = loadfile(path)
  if not chunk then
    error(message, 2)
  end
  return chunk()
end

--- Replace the globals `require` and `dofile`.
function M.install()
  _G.require, _G.dofile = require_waiting, dofile_waiting
end

return M
