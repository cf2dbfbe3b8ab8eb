--- The task object: what `covet.spawn` answers and `task.current()` gives.
--
-- Fields: `id`, `origin` ("file:line" where it was spawned), `co` (its function
-- until it runs, then its coroutine; false when it has none), `waits` (see
-- covet.task.park), `pending` and `rank` (an interruption it has not seen yet),
-- `outcome` (nil while it lives, then "returned", "failed" or "cancelled"),
-- `value` (its result or error), `joiner` (the first that waits for it),
-- `group`, `owned`, `locals` (ambient state of this task, not inherited). A task
-- that lives has at most eight of them as a rule: the ninth doubles its size.
-- @module covet.task.object

local core = require "covet.core"
local errors = require "covet.error"
local park = require "covet.task.park"
local report = require "covet.task.report"
local trace = require "covet.task.trace"

local NEW = park.NEW
local caller, getinfo = core.caller, debug.getinfo
local running = coroutine.running
local select, setmetatable, unpack = select, setmetatable, unpack

local Task = { __name = "covet.task", slot = false }
Task.__index = Task

local M = {}

local last_id = 0

-- What stands in `value` of a task that returned no, or several values.
local NOTHING = {}
local Results = {}

-- "file:line" texts by function and line: tasks are spawned in few places, and
-- asking for a function is twice as fast as asking for its file.
local origins = setmetatable({}, { __mode = "k" })

local function origin_of(level)
  local fn, line = caller(level + 1)
  local lines = origins[fn]
  if not lines then
    lines = {}
    origins[fn] = lines
  end
  local origin = lines[line]
  if not origin then
    origin = getinfo(fn, "S").short_src .. ":" .. line
    lines[line] = origin
  end
  return origin
end

--- Make a task that has not run.
-- @tparam function|false co
-- @tparam number|nil level whose call it is, as for Lua's `error`
-- @treturn Task
function M.new(co, level)
  last_id = last_id + 1
  local origin = level and origin_of(level + 1)
  return setmetatable({
    id = last_id,
    co = co,
    waits = NEW,
    pending = false,
    origin = origin,
  }, Task)
end

--- Whether a value is a task.
function M.is_task(value)
  return getmetatable(value) == Task
end

--- The time of its wait is over (called by the timers).
function Task:on_due()
  park.time_out(self)
end

-- A task is the place that its joiners wait in: it has the methods of a list.
function Task:push(joiner)
  local last = self.joiner
  if not last then
    self.joiner = joiner
    return
  end
  while last.next do
    last = last.next
  end
  last.next = joiner
end

function Task:remove(joiner)
  local after = joiner.next
  joiner.next = nil
  if self.joiner == joiner then
    self.joiner = after
    return
  end
  local one = self.joiner
  while one.next ~= joiner do
    one = one.next
  end
  one.next = after
end

local function wake_joiners(task)
  local joiner = task.joiner
  while joiner do
    task:remove(joiner)
    park.wake(joiner)
    joiner = task.joiner
  end
end

local function keep_result(task, ok, count, ...)
  if not ok then
    local err = ...
    local cancelled = task.cancelled and errors.is_error(err)
      and err.kind == "cancelled"
    task.outcome, task.value = cancelled and "cancelled" or "failed", err
    return
  end
  task.outcome, task.co = "returned", false
  if count == 1 then
    task.value = ...
  elseif count == 0 then
    task.value = NOTHING
  else
    task.value = setmetatable({ n = count, ... }, Results)
  end
end

--- The task has ended: keep its result and tell who waits for it.
-- @tparam Task task
-- @tparam boolean ok
-- @param ... its results or its error
function M.settle(task, ok, ...)
  local group = task.group
  keep_result(task, ok, select("#", ...), ...)
  task.pending, task.waits = false, false
  if task.locals then
    task.locals = nil
  end
  if task.joiner then
    wake_joiners(task)
  end
  if group then
    group:child_ended(task)
  elseif task.outcome == "failed" then
    report.watch(task) -- who waits for it may be interrupted before he sees it
  end
end

--- Whether the task has to close something before it ends.
function M.owns(task)
  return task.owned ~= nil and next(task.owned) ~= nil
end

-- The resource owned last.
local function newest(owned)
  local found, latest = nil, -1
  for resource, number in pairs(owned) do
    if number > latest then
      found, latest = resource, number
    end
  end
  return found
end

--- Close what a task still owns, the newest first. May wait.
-- @tparam Task task the current task
-- @tparam string reason "return", "error" or "cancel"
function M.close_owned(task, reason)
  task.shielded = true
  local resource = newest(task.owned)
  while resource do
    task.owned[resource] = nil
    local ok, err = pcall(resource.close, resource, reason)
    if not ok then
      io.stderr:write(("covet: closing a resource at the end of %s: %s\n")
        :format(trace.name(task), trace.describe(err)))
    end
    resource = newest(task.owned)
  end
end

--- Close `resource` when this task ends, unless it is disowned before.
-- @tparam table resource has a method `close(reason)`, which may wait; reason
-- is "return", "error" or "cancel". The last one owned is closed first.
function Task:own(resource)
  local owned = self.owned
  if not owned then
    owned = {}
    self.owned, self.own_count = owned, 0
    if park.host.watch_owner then
      park.host.watch_owner(self, owned)
    end
  end
  self.own_count = self.own_count + 1
  owned[resource] = self.own_count
end

--- Do not close `resource` at the end of this task.
-- @tparam table resource
function Task:disown(resource)
  local owned = self.owned
  if owned then
    owned[resource] = nil
  end
end

--- What the task does: "ready", "running", "waiting", "returned", "failed" or
-- "cancelled".
-- @treturn string
function Task:status()
  if self.outcome then
    return self.outcome
  elseif self == park.host.current() then
    return "running"
  end
  return self.waits and self.waits ~= park.NEW and "waiting" or "ready"
end

--- Ask the task to end. What it waits for is cancelled and raises an error of
-- kind "cancelled" there; if that succeeds all the same, its result is
-- delivered and the error raised at the next wait. Cleaning up may wait again.
-- A task that has not run yet never does; one that has ended is left alone.
-- @tparam[opt] string why for the message
function Task:cancel(why)
  if self.outcome then
    return
  end
  self.cancelled = true
  park.interrupt(self, errors.new {
    kind = "cancelled", message = why or "the task was cancelled", retry = "no",
  }, 0)
end

-- The error of `task` goes on in `current`; keep where it came from.
local function raise_of(task, current)
  report.joined(task)
  local head = "in " .. trace.name(task) .. ":\n" .. trace.stack(task)
  trace.note(current, task.value, task, head, running() or current.co)
  error(task.value, 0)
end

local function wait_for(task, timeout)
  if not park.park(task, timeout) then
    errors.raise {
      kind = "timeout", retry = "no",
      message = ("%s has not ended after %g s"):format(trace.name(task),
        timeout),
    }
  end
end

--- Wait until the task has ended.
-- @tparam[opt] number timeout seconds; then raises kind "timeout"
-- @return what the task's function returned; raises its error
function Task:join(timeout)
  if not self.outcome then
    if self == park.current() then
      trace.usage("a task cannot join itself")
    end
    wait_for(self, timeout)
  end
  local value = self.value
  if self.outcome ~= "returned" then
    raise_of(self, park.current())
  elseif value == NOTHING then
    return
  elseif getmetatable(value) == Results then
    return unpack(value, 1, value.n)
  end
  return value
end

--- The end of a wait for an operation that did not succeed. When it was ended
-- by an interruption of the task, that is raised; else it is handed on.
-- @tparam Task task
-- @tparam table|nil fields of the operation's error
function M.raise_if_interrupted(task, fields)
  local err = task.pending
  if not err or type(fields) ~= "table" or fields.kind ~= "cancelled" then
    return
  end
  task.pending = false
  if errors.is_error(err) then
    err.phase = err.phase or fields.phase
  end
  error(err, 0)
end

return M
