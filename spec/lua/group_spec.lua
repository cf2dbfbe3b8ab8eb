-- Structured concurrency.
local support = require "spec.lua.task_support"
local task = require "covet.task"

local cancel_everywhere = support.cancel_everywhere
local error_of = support.error_of
local kind_of = support.kind_of
local pack = support.pack

describe("all, group, each_parallel", function()
  it("answers the first result of each, nils included", function()
    assert.same({ n = 3, 1, nil, 3 }, pack(task.all {
      function() task.sleep(0.002) return 1, "more" end,
      function() end,
      function() return 3 end,
    }))
    assert.equal(0, select("#", task.all {}))
  end)

  it("cancels the rest at the first error and raises it", function()
    local object, states = {}, {}
    local err = error_of(task.all, {
      function()
        states.kind = kind_of(task.sleep, 100)
        task.sleep(0.002)
        states.cleaned = true
      end,
      function()
        task.sleep(0.002)
        error(object)
      end,
    })
    assert.equal(object, err)
    assert.same({ kind = "cancelled", cleaned = true }, states)
  end)

  it("interrupts the body of a group whose task fails", function()
    local seen
    local err = error_of(task.group, function(group)
      group:spawn(function() error("first", 0) end)
      seen = error_of(task.sleep, 100)
      error(seen, 0)
    end)
    assert.equal("first", err)
    assert.equal("cancelled", seen.kind)
    task.sleep(0.001)
  end)

  it("lets nothing outlive it when the body fails or is cancelled", function()
    local child
    local err = error_of(task.group, function(group)
      child = group:spawn(task.sleep, 100)
      task.sleep(0)
      error("body", 0)
    end)
    assert.equal("body", err)
    assert.equal("cancelled", child:status())

    local owner = task.spawn(task.group, function(group)
      child = group:spawn(task.sleep, 100)
    end)
    task.sleep(0.001)
    owner:cancel()
    assert.equal("cancelled", kind_of(owner.join, owner))
    assert.equal("cancelled", child:status())
  end)

  it("passes the body's results and refuses late tasks", function()
    local kept
    assert.same({ n = 2, nil, 2 }, pack(task.group(function(group)
      kept = group
      return nil, 2
    end)))
    assert.equal("usage", kind_of(kept.spawn, kept, function() end))
  end)

  it("does not take a task that was cancelled for a failure", function()
    local other
    task.group(function(group)
      local one = group:spawn(task.sleep, 100)
      other = group:spawn(function() task.sleep(0.002) return "well" end)
      task.sleep(0)
      one:cancel()
    end)
    assert.equal("returned", other:status())
  end)

  it("bounds the tasks and keeps the order", function()
    local running, most, items = 0, 0, {}
    for i = 1, 20 do
      items[i] = i
    end
    local function work(item, index)
      running = running + 1
      most = math.max(most, running)
      task.sleep((item % 3) / 1000)
      running = running - 1
      return item * 10 + index
    end
    local results = task.each_parallel(items, 4, work)
    assert.equal(4, most)
    for i = 1, 20 do
      assert.equal(i * 11, results[i])
    end
  end)

  it("takes an iterator that waits", function()
    local i, inside = 0, 0
    local function iterator()
      inside = inside + 1
      assert.equal(1, inside)
      task.sleep(0.001)
      inside = inside - 1
      i = i + 1
      return i <= 5 and i or nil
    end
    local results = task.each_parallel(iterator, 3, function(v) return v * v end)
    assert.same({ 1, 4, 9, 16, 25 }, results)
  end)

  it("cancels the calls under way at the first error", function()
    local ended = 0
    assert.equal("x", error_of(task.each_parallel, { 1, 2, 3 }, 3, function(i)
      if i == 2 then
        error("x", 0)
      end
      if not pcall(task.sleep, 100) then
        ended = ended + 1
      end
    end))
    assert.is_true(ended <= 2)
    assert.equal("usage", kind_of(task.each_parallel, {}, 0, print))
    assert.equal("usage", kind_of(task.each_parallel, {}, 1, nil))
    assert.equal("usage", kind_of(task.all, nil))
    assert.equal("usage", kind_of(task.all, { print, 5 }))
    assert.equal("usage", kind_of(task.group, 5))
    assert.equal("usage", kind_of(task.await, 5))
    assert.equal("usage", kind_of(task.on_signal, "SIGNONE", print))
    assert.equal("usage", kind_of(task.on_signal, "SIGTERM", 5))
  end)

  it("each_parallel takes what can be called like a function", function()
    local i = 0
    local source = setmetatable({}, { __call = function()
      i = i + 1
      return i <= 3 and i or nil
    end })
    assert.same({ 2, 4, 6 }, task.each_parallel(source, 2, function(v) return v * 2 end))
  end)

  it("survives a cancel at every suspension", function()
    local child_count = 0
    local function child(seconds)
      child_count = child_count + 1
      local ok, err = pcall(task.sleep, seconds)
      child_count = child_count - 1
      if not ok then
        error(err, 0)
      end
    end
    cancel_everywhere(function()
      task.sleep(0)
      task.all { function() child(0.001) end, function() child(0.002) end }
      task.timeout(1, function()
        task.each_parallel({ 0, 0.001, 0 }, 2, child)
      end)
      task.group(function(group)
        group:spawn(child, 0.001)
        task.sleep(0)
      end)
    end, function()
      assert.equal(0, child_count)
    end)
  end)
end)
