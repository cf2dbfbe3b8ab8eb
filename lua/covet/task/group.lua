--- Structured concurrency: groups, `covet.all`, `covet.each_parallel`.
-- @module covet.task.group

local errors = require "covet.error"
local list = require "covet.task.list"
local object = require "covet.task.object"
local park = require "covet.task.park"
local scope = require "covet.task.scope"
local semaphore = require "covet.task.semaphore"
local spawn = require "covet.task.spawn"
local trace = require "covet.task.trace"

local unpack = unpack

local Group = { __name = "covet.task.group" }
Group.__index = Group

local M = {}

--- Run `fn(...)` as a task of the group.
-- @tparam function fn
-- @treturn Task
function Group:spawn(fn, ...)
  if self.closed then
    trace.usage("this group has ended: nothing can be spawned in it")
  end
  local task = spawn.prepare(2, fn, ...)
  task.group = self
  self.children[task] = true
  self.count = self.count + 1
  park.host.start(task)
  if self.failed then
    task:cancel("a task of the group failed")
  end
  return task
end

--- Cancel all tasks of the group.
-- @tparam[opt] string why
function Group:cancel(why)
  for task in pairs(self.children) do
    task:cancel(why or "the group was cancelled")
  end
end

-- The first error ends everything: the other tasks, and the body.
local function fail(group, err, source)
  if group.failed then
    return
  end
  group.failed, group.err, group.source = true, err, source
  group:cancel("a task of the group failed")
end

local function interrupt_body(group)
  group.scope:interrupt(errors.new {
    kind = "cancelled", retry = "no", cause = group.err,
    message = "a task of the group failed",
  })
end

--- A task of the group has ended (called when it is settled).
-- @tparam Task task
function Group:child_ended(task)
  self.children[task] = nil
  self.count = self.count - 1
  if task.outcome == "failed" and not self.failed then
    fail(self, task.value, task)
    if not self.draining then
      interrupt_body(self)
    end
  end
  if self.count == 0 then
    local waiter = self.waiters:pop()
    if waiter then
      park.wake(waiter)
    end
  end
end

-- Wait for the children whatever happens: an interruption cancels them and is
-- raised when they have ended. Raises itself where no wait is possible.
local function drain(group)
  group.draining = true
  while group.count > 0 do
    local ok, err = pcall(park.park, group.waiters)
    if not ok then
      if group.failed then
        group:cancel()
      end
      fail(group, err)
      if errors.is_error(err) and err.kind == "usage" then
        error(err, 0)
      end
    end
  end
end

local function raise_first(group, owner)
  local source = group.source
  if source then
    local head = "in " .. trace.name(source) .. ":\n" .. trace.stack(source)
    trace.note(owner, group.err, source, head,
      coroutine.running() or owner.co)
  end
  error(group.err, 0)
end

local function finish(group, ok, ...)
  local inner = group.scope
  if not ok then
    fail(group, (...))
  end
  local drained, err = pcall(drain, group)
  group.closed = true
  inner:leave()
  if group.failed then
    raise_first(group, inner.task)
  elseif not drained then
    error(err, 0)
  end
  return ...
end

--- Run `fn(group)` and wait for all tasks it spawned in the group.
-- The first error, of a task or of `fn`, cancels the others and is raised when
-- they have ended. Nothing outlives the group.
-- @tparam function fn
-- @return what `fn` returned
function M.group(fn)
  if type(fn) ~= "function" then
    trace.usage("covet.group takes a function, not a %s", type(fn))
  end
  local group = setmetatable({
    children = {}, count = 0, waiters = list.new(), scope = scope.enter(),
  }, Group)
  return finish(group, xpcall(fn, scope.keep_stack, group))
end

-- A function, or what can be called like one: a stream.
local function is_callable(value)
  local class = getmetatable(value)
  return type(value) == "function"
    or type(class) == "table" and rawget(class, "__call") ~= nil
end

local function check_functions(fns)
  if type(fns) ~= "table" then
    trace.usage("covet.all takes a list of functions, not a %s", type(fns))
  end
  for i = 1, #fns do
    if not is_callable(fns[i]) and not object.is_task(fns[i]) then
      trace.usage("covet.all takes a list of functions: element %d is a %s", i,
        type(fns[i]))
    end
  end
end

--- Run functions at once and wait for all; the first error cancels the rest.
-- @tparam table fns a list of functions (a task of `spawn` is joined)
-- @return the first result of each, in order
function M.all(fns)
  check_functions(fns)
  local count, results = #fns, {}
  M.group(function(group)
    for i = 1, count do
      local fn = fns[i]
      group:spawn(function()
        if object.is_task(fn) then
          results[i] = fn:join()
        else
          results[i] = fn()
        end
      end)
    end
  end)
  return unpack(results, 1, count)
end

-- A function that hands out the items, one caller at a time: item, index.
local function make_source(items)
  local index = 0
  if not is_callable(items) then
    return function()
      index = index + 1
      return items[index], index
    end
  end
  local turns = semaphore.new(1)
  local function take()
    local item = items()
    if item ~= nil then
      index = index + 1
    end
    return item, index
  end
  return function()
    return turns:with(take)
  end
end

--- Call `fn(item, index)` for each item, at most `n` at a time.
-- The first error cancels the calls under way and is raised.
-- @tparam table|function items a list, or an iterator: it is called for one
-- item after the other until it answers nil, and may wait
-- @tparam number n
-- @tparam function fn
-- @treturn table the first result of each call, in the items' order
function M.each_parallel(items, n, fn)
  local is_list = type(items) == "table" and not is_callable(items)
  if not is_list and not is_callable(items) then
    trace.usage("each_parallel takes a list or an iterator, not a %s",
      type(items))
  elseif not is_callable(fn) then
    trace.usage("each_parallel(items, n, fn): fn must be a function, not a %s",
      type(fn))
  elseif type(n) ~= "number" or n ~= n or n < 1
    or n == math.huge and not is_list then
    trace.usage("each_parallel needs a number of tasks from 1, not %s",
      tostring(n))
  end
  local results, ended = {}, false
  local take = make_source(items)
  local function work(group)
    while not ended and not group.failed do
      local item, index = take()
      if item == nil then
        ended = true
        return
      end
      results[index] = fn(item, index)
    end
  end
  local workers = is_list and math.min(n, #items) or n
  M.group(function(group)
    for _ = 1, workers do
      group:spawn(work, group)
    end
  end)
  return results
end

return M
