--- Channels: bounded queues between tasks.
--
-- Values come out in the order they went in; senders and receivers are served
-- first come first served. A send that raised has not delivered its value, a
-- receive that raised has not taken one. nil cannot be sent: it is what
-- `receive` answers at the end.
-- @module covet.task.channel

local errors = require "covet.error"
local list = require "covet.task.list"
local park = require "covet.task.park"
local trace = require "covet.task.trace"

local Channel = { __name = "covet.channel" }
Channel.__index = Channel

local M = {}

--- Make a channel.
-- @tparam[opt=0] number capacity values it holds; 0: a send waits until the
-- value is taken
-- @treturn Channel
function M.new(capacity)
  capacity = capacity or 0
  if type(capacity) ~= "number" or capacity ~= capacity
    or capacity < 0 then
    trace.usage("a channel's capacity is a number from 0, not %s",
      tostring(capacity))
  end
  return setmetatable({
    capacity = capacity,
    count = 0,
    first = 1, -- index of the oldest value in `values`
    values = {},
    senders = list.new(),
    receivers = list.new(),
    closed = false,
  }, Channel)
end

local function put(channel, value)
  channel.values[channel.first + channel.count] = value
  channel.count = channel.count + 1
end

local function take(channel)
  local first = channel.first
  local value = channel.values[first]
  channel.values[first] = nil
  channel.count = channel.count - 1
  channel.first = channel.count == 0 and 1 or first + 1
  return value
end

local function raise_timeout(what, timeout)
  errors.raise {
    kind = "timeout", retry = "safe",
    message = ("nothing %s after %g s"):format(what, timeout),
  }
end

local function check_value(value)
  if value == nil then
    trace.usage("nil cannot be sent through a channel: send covet.null")
  end
end

-- Hand a value on without waiting. Answers whether that was possible.
local function offer(channel, value)
  local receiver = channel.receivers:pop()
  if receiver then
    receiver.item = value
    park.wake(receiver)
    return true
  elseif channel.count < channel.capacity then
    put(channel, value)
    return true
  end
  return false
end

--- Send a value if that is possible at once.
-- @param value not nil
-- @treturn boolean whether it was sent
function Channel:try_send(value)
  check_value(value)
  return not self.closed and offer(self, value)
end

--- Send a value, waiting for room, or for a receiver when the capacity is 0.
-- Raises kind "usage" when the channel is closed, before or meanwhile.
-- @param value not nil
-- @tparam[opt] number timeout seconds; then raises kind "timeout"
function Channel:send(value, timeout)
  check_value(value)
  if self.closed then
    trace.usage("send on a closed channel")
  elseif offer(self, value) then
    return park.host.pass()
  end
  local task = park.current()
  task.item = value
  local woken = park.park(self.senders, timeout)
  local left = task.item
  task.item = nil
  if not woken then
    raise_timeout("was received", timeout)
  elseif left ~= nil then
    trace.usage("the channel was closed while a send waited")
  end
end

-- A value that is there: of the buffer, or of the sender that waits longest.
local function collect(channel)
  if channel.count == 0 then
    local sender = channel.senders:pop()
    if not sender then
      return nil
    end
    local value = sender.item
    sender.item = nil
    park.wake(sender)
    return value
  end
  local value = take(channel)
  local sender = channel.senders:pop()
  if sender then
    put(channel, sender.item)
    sender.item = nil
    park.wake(sender)
  end
  return value
end

--- Receive a value if one is there.
-- @return the value, or nil
function Channel:try_receive()
  return collect(self)
end

--- Receive a value, waiting for one.
-- @tparam[opt] number timeout seconds; then raises kind "timeout"
-- @return the value; nil when the channel is closed and empty
function Channel:receive(timeout)
  local value = collect(self)
  if value ~= nil then
    park.host.pass()
    return value
  elseif self.closed then
    return nil
  end
  local task = park.current()
  task.item = nil -- a send that was interrupted may have left its value
  if not park.park(self.receivers, timeout) then
    raise_timeout("came", timeout)
  end
  value = task.item
  task.item = nil
  return value
end

--- Iterate over what comes, until the channel is closed and empty.
-- @treturn function
function Channel:each()
  return function()
    return self:receive()
  end
end

local function wake_all(waiters)
  local task = waiters:pop()
  while task do
    park.wake(task)
    task = waiters:pop()
  end
end

--- Say that nothing more will be sent. What is in the channel can still be
-- received; senders that wait raise an error. May be called twice.
function Channel:close()
  self.closed = true
  wake_all(self.receivers)
  wake_all(self.senders)
end

return M
