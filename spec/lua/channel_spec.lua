-- Channels and semaphores.
local task = require "covet.task"

local function kind_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err.kind
end

-- All that a channel holds and gets, until it is closed.
local function drain(channel)
  local values = {}
  for value in channel:each() do
    values[#values + 1] = value
  end
  return values
end

describe("channel", function()
  it("hands on in order, with any capacity", function()
    for _, capacity in ipairs { 0, 1, 3, 100 } do
      local channel = task.channel(capacity)
      local sender = task.spawn(function()
        for i = 1, 10 do
          channel:send(i)
        end
        channel:close()
      end)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, drain(channel))
      sender:join()
    end
  end)

  it("holds no more than its capacity", function()
    local channel = task.channel(2)
    assert.is_true(channel:try_send("a"))
    assert.is_true(channel:try_send(false))
    assert.is_false(channel:try_send("c"))
    assert.equal("a", channel:try_receive())
    assert.equal(false, channel:try_receive())
    assert.is_nil(channel:try_receive())
    assert.is_false(task.channel(0):try_send(1))
  end)

  it("waits for the receiver when its capacity is 0", function()
    local channel = task.channel()
    local sent = false
    local sender = task.spawn(function()
      channel:send("x")
      sent = true
    end)
    task.sleep(0.002)
    assert.is_false(sent)
    assert.equal("x", channel:receive())
    sender:join()
    assert.is_true(sent)
  end)

  it("serves receivers and senders first come first served", function()
    local channel, order, tasks = task.channel(0), {}, {}
    for i = 1, 4 do
      tasks[i] = task.spawn(function()
        local value = channel:receive()
        order[#order + 1] = i .. value
      end)
    end
    task.sleep(0)
    for _, value in ipairs { "a", "b", "c", "d" } do
      channel:send(value)
    end
    for i = 1, 4 do
      tasks[i]:join()
    end
    assert.same({ "1a", "2b", "3c", "4d" }, order)

    for i = 1, 4 do
      tasks[i] = task.spawn(channel.send, channel, i)
    end
    task.sleep(0)
    for i = 1, 4 do
      assert.equal(i, channel:receive())
    end
  end)

  it("gives what it holds after it was closed, then nil", function()
    local channel = task.channel(3)
    channel:send(1)
    channel:send(2)
    channel:close()
    channel:close()
    assert.same({ 1, 2 }, drain(channel))
    assert.is_nil(channel:receive())
    assert.equal("usage", kind_of(channel.send, channel, 3))
    assert.is_false(channel:try_send(3))
  end)

  it("wakes all who wait when it is closed", function()
    local channel = task.channel(0)
    local receiver = task.spawn(channel.receive, channel)
    task.sleep(0)
    channel:close()
    assert.is_nil(receiver:join())

    local other = task.channel(0)
    local sender = task.spawn(other.send, other, 1)
    task.sleep(0)
    other:close()
    assert.equal("usage", kind_of(sender.join, sender))
  end)

  it("refuses nil and bad capacities", function()
    local channel = task.channel(1)
    assert.equal("usage", kind_of(channel.send, channel, nil))
    assert.equal("usage", kind_of(channel.try_send, channel, nil))
    assert.equal("usage", kind_of(task.channel, -1))
    assert.equal("usage", kind_of(task.channel, "many"))
  end)

  it("times out, on either side, and loses nothing", function()
    local channel = task.channel(0)
    assert.equal("timeout", kind_of(channel.receive, channel, 0.002))
    assert.equal("timeout", kind_of(channel.send, channel, "x", 0.002))
    assert.equal("timeout", kind_of(channel.receive, channel, 0))
    local sender = task.spawn(channel.send, channel, "y", 1)
    assert.equal("y", channel:receive(1))
    sender:join()
  end)

  it("does not deliver the value of a sender that was cancelled", function()
    for _, capacity in ipairs { 0, 1 } do
      local channel = task.channel(capacity)
      if capacity == 1 then
        channel:send("first")
      end
      local one = task.spawn(channel.send, channel, "cancelled")
      local two = task.spawn(channel.send, channel, "well")
      task.sleep(0)
      one:cancel()
      assert.equal("cancelled", kind_of(one.join, one))
      if capacity == 1 then
        assert.equal("first", channel:receive())
      end
      assert.equal("well", channel:receive())
      two:join()
    end
  end)

  it("does not lose the value of a receiver that was cancelled", function()
    local channel = task.channel(0)
    local got
    local one = task.spawn(function()
      got = channel:receive()
      task.sleep(100)
    end)
    local two = task.spawn(channel.receive, channel)
    task.sleep(0)
    channel:send("one")
    one:cancel() -- it has the value by now
    channel:send("two")
    assert.equal("cancelled", kind_of(one.join, one))
    assert.equal("one", got)
    assert.equal("two", two:join())
  end)

  it("forgets the value of an interrupted send when the task goes on",
    function()
      local channel = task.channel(0)
      local one = task.spawn(function()
        pcall(channel.send, channel, "old")
        return channel:receive()
      end)
      task.sleep(0)
      one:cancel()
      task.sleep(0)
      channel:close()
      assert.is_nil(one:join())
    end)

  it("delivers each value exactly once under cancels at any time", function()
    local sent, received = {}, {}
    local channel = task.channel(2)
    local producer = task.spawn(function()
      for i = 1, 200 do
        channel:send(i)
        sent[i] = true
      end
      channel:close()
    end)
    local function consume()
      for value in channel:each() do
        assert.is_nil(received[value])
        received[value] = true
        if value % 3 == 0 then
          task.sleep(0)
        end
      end
    end
    local consumer = task.spawn(consume)
    while not producer.outcome do
      task.sleep(0)
      consumer:cancel()
      pcall(consumer.join, consumer)
      consumer = task.spawn(consume)
    end
    consumer:join()
    for i = 1, 200 do
      assert.is_true(sent[i] and received[i], tostring(i))
    end
  end)

  it("lets others run although no one ever waits", function()
    local channel = task.channel(10)
    local other = false
    local one = task.spawn(function()
      task.sleep(0)
      other = true
    end)
    local until_time = task.now() + 1
    while not other and task.now() < until_time do
      channel:send(1)
      channel:receive()
    end
    assert.is_true(other)
    one:join()
  end)
end)

describe("semaphore", function()
  it("bounds who holds it and serves in order", function()
    local semaphore = task.semaphore(2)
    local order, held, most, tasks = {}, 0, 0, {}
    for i = 1, 6 do
      tasks[i] = task.spawn(function()
        semaphore:with(function()
          order[#order + 1] = i
          held = held + 1
          most = math.max(most, held)
          task.sleep(0.001)
          held = held - 1
        end)
      end)
    end
    for i = 1, 6 do
      tasks[i]:join()
    end
    assert.same({ 1, 2, 3, 4, 5, 6 }, order)
    assert.equal(2, most)
    assert.is_true(semaphore:try_acquire())
  end)

  it("times out and gives back at an error", function()
    local semaphore = task.semaphore(1)
    assert.equal("x", select(2, pcall(semaphore.with, semaphore, function()
      assert.is_false(semaphore:try_acquire())
      assert.equal("timeout", kind_of(semaphore.acquire, semaphore, 0.001))
      error("x", 0)
    end)))
    assert.equal(1, semaphore.free)
    assert.equal("usage", kind_of(task.semaphore, 1.5))
  end)

  it("passes over who has given up", function()
    local semaphore = task.semaphore(0)
    local one = task.spawn(semaphore.acquire, semaphore)
    local two = task.spawn(semaphore.acquire, semaphore)
    task.sleep(0)
    one:cancel()
    semaphore:release()
    two:join()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.equal(0, semaphore.free)
  end)
end)
