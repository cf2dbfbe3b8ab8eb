--- LISTEN and NOTIFY.
--
-- An adapter listens on one connection of its own. One task reads what comes and
-- hands it out; each listener has a task while something is there for it, which
-- calls its function for one notification after the other.
-- @module covet.adapter.postgresql.listen

local caller = require "covet.caller"
local core = require "covet.core"
local decode = require "covet.decode"
local errors = require "covet.error"
local invoke = require "covet.adapter.invoke"
local task = require "covet.task"

local STREAM = core.flags.ROWS + core.flags.STREAM

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local array_mode = decode.mode "array"

-- An adapter's `listening`: its listeners by `channels` (lists), their `count`; the
-- `token` of the notifications and the task that reads them (`reader`), as long as
-- they are read; `stopping`, when that has been told to end.

local function report(channel, err)
  io.stderr:write(("covet: in a listener of channel %s: %s\n"):format(channel,
    tostring(err)))
end

-- Call the function for what has come, in order.
local function work_off(listener)
  while listener.first <= listener.last and not listener.closed do
    local item = listener.queue[listener.first]
    listener.queue[listener.first] = nil
    listener.first = listener.first + 1
    local fine, err = xpcall(listener.fn, errors.with_traceback, item.payload,
      listener.channel, item.pid)
    if not fine then
      report(listener.channel, err)
    end
  end
  listener.busy = false
end

local function hand_out(listener, payload, pid)
  listener.last = listener.last + 1
  listener.queue[listener.last] = { payload = payload, pid = pid }
  if not listener.busy then
    listener.busy = true
    task.spawn(work_off, listener)
  end
end

local function tell_gap(adapter)
  local channels = {}
  for channel in pairs(adapter.listening.channels) do
    channels[#channels + 1] = channel
  end
  table.sort(channels)
  adapter:emit("listen_gap", { pool = adapter.name, channels = channels })
end

local function take(adapter, batch)
  local rows, n = decode.rows(batch, array_mode.form, array_mode.types)
  for i = 1, n do
    local channel, payload, pid, gap = unpack(rows[i], 1, 4)
    if gap then
      tell_gap(adapter)
    else
      local list = { unpack(adapter.listening.channels[channel] or {}) }
      for at = 1, #list do
        hand_out(list[at], payload, pid)
      end
    end
  end
end

-- Notifications come until nobody listens or the adapter is disconnected.
local function read(adapter, listening, token)
  local ok, more, batch = task.wait(token)
  while ok do
    if batch then
      take(adapter, batch)
    end
    if not more then
      break
    end
    ok, more, batch = task.finish(core.next(token))
  end
  local is_told = listening.stopping or adapter.ended
  listening.token, listening.reader, listening.stopping = nil, nil, nil
  if not ok and not is_told then
    report("*", errors.new(batch))
  end
end

-- Without a reader the driver drops what comes: one that is told to end has to
-- have ended before the next begins.
local function start(adapter)
  local listening = adapter.listening
  while listening.stopping do
    listening.reader:join()
  end
  if listening.token then
    return
  end
  local token = core.call(adapter.handle, 0, STREAM, nil, 0, "notifications")
  if token then
    listening.token = token
    listening.reader = task.spawn(read, adapter, listening, token)
  end
end

local function stop_reading(listening)
  if listening.token and not listening.stopping then
    listening.stopping = true
    core.cancel(listening.token)
  end
end

local function check_channel(channel)
  if type(channel) ~= "string" or channel == "" then
    caller.usage("the channel's name must be a string that is not empty, not %s",
      channel == "" and "an empty one" or type(channel))
  end
end

local function refuse_pgbouncer(self)
  if self.adapter.options.pgbouncer then
    self:fail { kind = "unsupported", retry = "no", message =
      "LISTEN needs a session of its own: not behind PgBouncer in transaction mode" }
  end
end

local function remove(adapter, listener)
  local listening = adapter.listening
  local list = listening.channels[listener.channel] or {}
  for i = #list, 1, -1 do
    if list[i] == listener then
      table.remove(list, i)
      listening.count = listening.count - 1
    end
  end
  listener.closed = true
  if #list == 0 then
    listening.channels[listener.channel] = nil
  end
  return #list == 0
end

-- Tell the server; read no more when nothing is left.
local function forget_channel(adapter, channel)
  invoke.call(adapter, "unlisten", nil, adapter.command_timeout, channel)
  local listening = adapter.listening
  if listening.count == 0 then
    stop_reading(listening)
  end
end

local Listener = {}
local class = { __name = "covet.listener", __index = Listener }

--- Listen no more. May be called twice.
function Listener:close()
  if not self.closed and remove(self.adapter, self) and not self.adapter.ended then
    forget_channel(self.adapter, self.channel)
  end
end

--- Call `fn(payload, channel, pid)` in a task for each notification.
-- @tparam string channel
-- @tparam function fn
-- @treturn table its method `close` ends it
function methods:listen(channel, fn)
  check_channel(channel)
  if type(fn) ~= "function" then
    caller.usage("listen(channel, fn): fn must be a function, not %s", type(fn))
  end
  refuse_pgbouncer(self)
  local adapter = self.adapter
  local listening = adapter.listening or { channels = {}, count = 0 }
  adapter.listening = listening
  local listener = setmetatable({ adapter = adapter, channel = channel, fn = fn,
    queue = {}, first = 1, last = 0 }, class)
  local list = listening.channels[channel] or {}
  listening.channels[channel] = list
  list[#list + 1], listening.count = listener, listening.count + 1
  local fine, err = pcall(function()
    start(adapter)
    invoke.call(adapter, "listen", nil, adapter.acquire_timeout, channel)
  end)
  if not fine then
    if remove(adapter, listener) then
      pcall(forget_channel, adapter, channel)
    end
    error(err, 0)
  end
  return listener
end

--- End the listeners of a channel, or of all.
-- @tparam[opt] string channel
function methods:unlisten(channel)
  local listening = self.adapter.listening
  if not listening then
    return
  end
  local names = {}
  for name in pairs(listening.channels) do
    if channel == nil or name == channel then
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names) do
    for _, listener in ipairs { unpack(listening.channels[name] or {}) } do
      remove(self.adapter, listener)
    end
    forget_channel(self.adapter, name)
  end
end

--- Send a notification; in a transaction it goes out when that commits.
-- @tparam string channel
-- @tparam[opt=""] string payload
function methods:notify(channel, payload)
  check_channel(channel)
  self:execute("select pg_notify($1, $2)", channel, payload or "")
end

--- The adapter is disconnected: what listens is told no more.
function M.stop(adapter)
  local listening = adapter.listening
  if listening then
    for _, list in pairs(listening.channels) do
      for _, listener in ipairs(list) do
        listener.closed = true
      end
    end
    listening.channels, listening.count = {}, 0
    stop_reading(listening)
  end
end

return M
