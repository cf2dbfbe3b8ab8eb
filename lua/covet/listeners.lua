--- Who is told of events: behind `on` and `emit` of adapters and of pools.
--
-- While a listener runs, what its own calls bring about is told to no one: a
-- listener of `query` may query. Events of other tasks are told meanwhile, and
-- so are those of other adapters and pools.
-- @module covet.listeners

local caller = require "covet.caller"
local options = require "covet.options"
local park = require "covet.task.park"
local trace = require "covet.task.trace"

-- Stands for the task where there is none, in a callback of the loop.
local NO_TASK = {}

local Listeners = { __name = "covet.listeners" }
Listeners.__index = Listeners

local M = {}

--- The names of events that there are, for `new`.
-- @tparam {string,...} names
-- @treturn table
function M.declare(names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  return { names = names, known = known }
end

--- Nobody listens yet.
-- @tparam table declared of `declare`
-- @treturn Listeners its field `count` says how many listen
function M.new(declared)
  return setmetatable({
    declared = declared, lists = {}, count = 0,
    telling = setmetatable({}, { __mode = "k" }), -- the tasks in a listener
  }, Listeners)
end

local function check(self, name, fn)
  if name == nil or not self.declared.known[name] then
    local nearest = options.nearest(name, self.declared.names)
    caller.usage("there is no event %q%s", tostring(name),
      nearest and (", did you mean %q?"):format(nearest) or "")
  elseif type(fn) ~= "function" then
    caller.usage("on(event, fn): fn must be a function, not %s", type(fn))
  end
end

-- Lists are replaced, never changed: they may be walked at this moment.
local function add(self, name, fn)
  local list = { unpack(self.lists[name] or {}) }
  list[#list + 1] = fn
  self.lists[name], self.count = list, self.count + 1
end

local function remove(self, name, fn)
  local list = { unpack(self.lists[name]) }
  for i = #list, 1, -1 do
    if list[i] == fn then
      table.remove(list, i)
      break
    end
  end
  self.lists[name], self.count = list, self.count - 1
end

--- Call `fn(event)` at each event of that name.
-- @tparam string name
-- @tparam function fn gets a table
-- @treturn function takes it back, once
function Listeners:on(name, fn)
  check(self, name, fn)
  add(self, name, fn)
  local listens = true
  return function()
    if listens then
      listens = false
      remove(self, name, fn)
    end
  end
end

local function call_all(list, name, event)
  for i = 1, #list do
    local fine, err = pcall(list[i], event)
    if not fine then
      io.stderr:write(("covet: in a listener of %s: %s\n"):format(name,
        trace.describe(err)))
    end
  end
end

--- Tell of an event. An error in a listener is printed and breaks nothing.
-- @tparam string name
-- @tparam table event
-- @treturn boolean whether anybody was told
function Listeners:emit(name, event)
  local list = self.lists[name]
  local task = park.host.current() or NO_TASK
  if not list or #list == 0 or self.telling[task] then
    return false
  end
  self.telling[task] = true
  call_all(list, name, event)
  self.telling[task] = nil
  return true
end

return M
