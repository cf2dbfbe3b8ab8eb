--- nginx's Lua module as a host.
--
-- Each worker has a runtime in a thread of its own, started at its first use
-- after the fork. One light thread, the *reaper*, waits on a socket for the
-- runtime's wake-up bytes and hands out completions; a request parks on a
-- semaphore. Tasks that are spawned are light threads of their request, and
-- the request's handler itself is a task as soon as it uses one. Unlike on the
-- other hosts, a spawned task runs at once, up to its first wait.
--
-- A request may be aborted: its light threads then vanish where they wait. What
-- a task waited for stands with its operation until the task takes it, so that
-- giving the operation up leaves nothing behind: that is done when the task is
-- collected, and what it owned is closed then.
-- @module covet.host.nginx

local core = require "covet.core"
local early = require "covet.task.early"
local events = require "covet.task.events"
local object = require "covet.task.object"
local park = require "covet.task.park"
local report = require "covet.task.report"
local scope = require "covet.task.scope"
local trace = require "covet.task.trace"
local base = require "resty.core.base"
local ffi = require "ffi"
local semaphore = require "ngx.semaphore"

local running = coroutine.running
local get_request = base.get_request
local getpid = ngx.worker.pid
local min, select, unpack = math.min, select, unpack

-- The phases in which a light thread may sleep.
local CAN_WAIT = {
  rewrite = true, server_rewrite = true, access = true, content = true,
  timer = true, preread = true, ssl_cert = true, ssl_session_fetch = true,
  ssl_client_hello = true,
}

-- Seconds: a wait without end, in pieces; how often it is seen whether the
-- worker is exiting; how often completions are looked for without the socket;
-- and how long a request may go on before others get their turn.
local LONG, EXIT_CHECK, POLL, SLICE = 1e6, 0.5, 0.002, 0.001
local READ_TIMEOUT_MS = 86400000

local M = { name = "nginx" }

local worker -- the process whose runtime was started
-- An operation's slot stands in the lower bits of its token: small numbers that
-- are used again. Whole tokens never come again, and a table of 256 of them
-- would be rebuilt at almost every insertion.
local SLOTS = 2 ^ 24
local waiting = {} -- slot -> task
local orphans = {} -- what aborted requests owned
local forsaken = {} -- tokens that they waited for
local reaping = false -- the reaper is there, or about to be
local last_turn = 0

-- The task that stands for code outside of requests (init_worker).
local outside = object.new(false)
outside.waits = false

local KEY = {} -- in ngx.ctx: the tasks of the request by light thread
local WEAK = { __mode = "k" }

-- nginx's `coroutine` has no `isyieldable`; LuaJIT's C function is asked. A
-- thread's address is in its text.
ffi.cdef "int lua_isyieldable(void *L);"

local addresses = setmetatable({}, WEAK)

local function isyieldable()
  local co = running()
  local address = addresses[co]
  if not address then
    local number = tonumber(tostring(co):match("0x%x+"))
    address = ffi.cast("void *", ffi.cast("uintptr_t", number))
    addresses[co] = address
  end
  return ffi.C.lua_isyieldable(address) ~= 0
end

local function pack(...)
  return { n = select("#", ...), ... }
end

-- Completions --------------------------------------------------------------

local function deliver(token)
  if token == nil then
    return false
  end
  local task = waiting[token % SLOTS]
  waiting[token % SLOTS] = nil
  if task then
    task.waits = false
    task.semaphore:post(1)
  else
    early.keep(token, core.take(token))
  end
  return true
end

local function hand_out()
  if events.active then
    events.hand_out()
  end
  while deliver(core.reap_token()) do end
end

local function close_all(premature, owned)
  if premature then
    return
  end
  object.close_owned({ id = 0, owned = owned }, "cancel")
end

local function adopt_orphans()
  for i = #forsaken, 1, -1 do
    core.abandon(forsaken[i])
    forsaken[i] = nil
  end
  for i = #orphans, 1, -1 do
    ngx.timer.at(0, close_all, orphans[i])
    orphans[i] = nil
  end
end

local function is_done()
  return ngx.worker.exiting() and core.pending() == 0
end

-- Wake the reaper when the worker is to end, until it has gone: it may go by
-- itself before, and then nobody would take the sleep that wakes it.
local function watch_for_exit()
  while not ngx.worker.exiting() do
    ngx.sleep(EXIT_CHECK)
    adopt_orphans()
  end
  while reaping do
    core.sleep(0)
    ngx.sleep(EXIT_CHECK)
  end
end

-- Without the socket: slower, but nothing is lost.
local function poll()
  while not is_done() do
    hand_out()
    ngx.sleep(POLL)
  end
end

local function read_bytes(socket)
  while true do
    hand_out()
    if is_done() then -- only now: nothing would wake it once more
      return
    end
    local _, problem = socket:receiveany(4096)
    if problem then
      return problem
    end
  end
end

local function reap(premature, path)
  if premature then
    return
  end
  ngx.thread.spawn(watch_for_exit)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, READ_TIMEOUT_MS)
  local ok, problem = socket:connect("unix:" .. path)
  if ok then
    problem = read_bytes(socket)
    socket:close()
  end
  if problem then
    ngx.log(ngx.ERR, "covet: no wake-up socket, polling: ", problem)
    poll()
  end
  reaping = false
end

-- A worker that is to end still finishes its requests, and one of them can wait
-- again after nothing was under way and the reaper went.
local function reap_late()
  poll()
  reaping = false
end

local function keep_reaping()
  if not reaping then
    local made, problem = ngx.timer.at(0, reap_late)
    reaping = made and true or false
    if not made then
      ngx.log(ngx.ERR, "covet: cannot start the reaper: ", problem)
    end
  end
end

-- A path that no one else has; the runtime makes the socket, mode 0600.
local function socket_path()
  return ("%s/covet-%d-%x.sock"):format(os.getenv "TMPDIR" or "/tmp", getpid(),
    math.floor(core.now() * 1e6) % 2 ^ 40)
end

local function start_runtime()
  if ngx.get_phase() == "init" then
    trace.usage("covet starts after nginx has forked: use it in "
      .. "init_worker_by_lua or later")
  end
  waiting, orphans, forsaken = {}, {}, {}
  core.start("thread")
  local path = socket_path()
  core.listen(path)
  local ok, problem = ngx.timer.at(0, reap, path)
  if not ok then
    error("covet: cannot start the reaper: " .. tostring(problem))
  end
  reaping = true
  worker = getpid()
end

--- Start the worker's runtime, unless that was done (in a process before the
-- fork, it is the worker's turn).
function M.prepare()
  if worker ~= getpid() then
    start_runtime()
  end
end

function report.say(text)
  ngx.log(ngx.ERR, text)
end

--- Become the host.
function M.install()
  if ngx.get_phase() ~= "init" then
    M.prepare()
  end
end

-- Tasks --------------------------------------------------------------------

-- The tasks of this request.
local function tasks_of_request()
  local context = ngx.ctx
  local tasks = context[KEY]
  if not tasks then
    tasks = setmetatable({}, WEAK)
    rawset(context, KEY, tasks)
  end
  return tasks
end

function M.current()
  if not get_request() then
    return outside
  end
  local tasks, co = tasks_of_request(), running()
  local task = tasks[co]
  if not task then
    task = object.new(false)
    task.waits = false
    tasks[co] = task
  end
  return task
end

function M.enter()
  local phase = ngx.get_phase()
  if not CAN_WAIT[phase] then
    trace.usage("cannot wait in nginx's phase %s: do it in ngx.timer.at(0, ...)"
      .. " or in an earlier phase", phase)
  elseif not isyieldable() then
    trace.cannot_wait(trace.barrier())
  end
  M.prepare()
  local task = M.current()
  if not task.semaphore then
    task.semaphore = semaphore.new(0)
  end
  return task
end

-- The scope of the task whose deadline comes first.
local function first_scope(task)
  local found, one = nil, task.scope
  while one do
    if one.due and (not found or one.due < found.due) then
      found = one
    end
    one = one.outer
  end
  return found
end

-- Sleep until the semaphore was posted. Deadlines that pass meanwhile act by
-- `on_due`, which makes someone post it.
local function sleep_on(task, due)
  while true do
    local first = first_scope(task)
    local now = core.now()
    local left = min(due and due - now or LONG,
      first and first.due - now or LONG)
    if task.semaphore:wait(left > 0 and left or 0) then
      last_turn = core.now()
      return
    end
    now = core.now()
    if first and first.due <= now then
      first.due = nil
      first:on_due()
    elseif due and due <= now then
      due = nil
      task:on_due()
    end
  end
end

function M.suspend(task, timeout)
  sleep_on(task, timeout and core.now() + timeout)
end

function M.sleep(seconds)
  park.park(nil, seconds)
end

function M.unsuspend(task)
  task.semaphore:post(1)
end

function M.add_timer(item, seconds)
  item.due = core.now() + seconds
end

function M.remove_timer(item)
  item.due = nil
end

-- An alarm of nginx cannot be taken back: one that is out of date finds another
-- number in the item. One that comes too early is set anew: most alarms are moved
-- back before they are due, and each would be a timer of nginx.
local arm

local function on_alarm(premature, item, number)
  if premature or item.alarm ~= number then
    return
  end
  item.armed_at = nil
  local left = item.alarm_at and item.alarm_at - core.now()
  if left and left <= 0 then
    item.alarm_at = nil
    item:on_due()
  elseif left then
    arm(item, left)
  end
end

function arm(item, seconds)
  item.alarm = (item.alarm or 0) + 1
  local made, err = ngx.timer.at(math.max(seconds, 0.001), on_alarm, item,
    item.alarm)
  item.armed_at = made and core.now() + seconds or nil
  if not made then
    ngx.log(ngx.ERR, "covet: cannot set a timer: ", err)
  end
end

function M.alarm(item, seconds)
  item.alarm_at = seconds and core.now() + seconds or nil
  if seconds and (not item.armed_at or item.alarm_at < item.armed_at) then
    arm(item, seconds)
  end
end

-- What the task waits for: when it vanishes there, that is given up.
local function new_box()
  local box = { token = false, guard = newproxy(true) }
  getmetatable(box.guard).__gc = function()
    if box.token then
      forsaken[#forsaken + 1] = box.token
    end
  end
  return box
end

function M.wait(token)
  local ok, task = pcall(M.enter)
  if not ok then
    core.abandon(token)
    error(task, 0)
  end
  local answer = early.take(token)
  if not answer then
    local box = task.box or new_box()
    task.box, box.token = box, token
    waiting[token % SLOTS], task.waits = task, token
    if task.pending then
      core.cancel(token)
    end
    hand_out()
    keep_reaping()
    sleep_on(task)
    box.token = false
    answer = pack(core.take(token))
  end
  if answer[1] ~= true then
    object.raise_if_interrupted(task, answer[3])
  end
  return unpack(answer, 1, answer.n)
end

--- Let other requests run when this one has gone on for long.
function M.pass()
  local now = core.now()
  if now - last_turn > SLICE and CAN_WAIT[ngx.get_phase()]
    and isyieldable() then
    ngx.sleep(SLICE)
    last_turn = core.now()
  end
end

local function finish(task, ok, ...)
  if object.owns(task) then
    object.close_owned(task,
      ok and "return" or task.cancelled and "cancel" or "error")
  end
  task.co = false
  object.settle(task, ok, ...)
end

local function run_task(task, fn)
  tasks_of_request()[running()] = task
  task.waits = false
  local arguments = task.arguments or { n = 0 }
  if task.pending then
    finish(task, false, task.pending)
  else
    finish(task,
      xpcall(fn, scope.keep_stack, unpack(arguments, 1, arguments.n)))
  end
end

function M.start(task)
  local fn = task.co
  task.co = false
  ngx.thread.spawn(run_task, task, fn)
end

local function run_apart(_, fn, ...)
  fn(...)
end

--- Run `fn(...)` in a timer, which belongs to no request; when the worker exits,
-- too.
function M.spawn_apart(fn, ...)
  local made, err = ngx.timer.at(0, run_apart, fn, ...)
  if not made then
    ngx.log(ngx.ERR, "covet: cannot set a timer: ", err)
    ngx.thread.spawn(fn, ...)
  end
end

--- Close what is in `owned` when `task` is collected: its request was aborted.
-- @tparam table task
-- @tparam table owned
function M.watch_owner(task, owned)
  local sentinel = newproxy(true)
  getmetatable(sentinel).__gc = function()
    if next(owned) ~= nil then
      orphans[#orphans + 1] = owned
    end
  end
  task.sentinel = sentinel
end

return M
