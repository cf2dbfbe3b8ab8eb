-- Tasks: joining, cancelling, owning, deadlines, callbacks.
local covet = require "covet"
local scheduler = require "covet.task.scheduler"
local support = require "spec.lua.task_support"
local task = require "covet.task"
local uv = require "luv"

local error_of = support.error_of
local kind_of = support.kind_of
local pack = support.pack
local run = support.run

describe("spawn and join", function()
  it("keeps nils among arguments and results", function()
    local one = task.spawn(function(...)
      task.sleep(0)
      return select("#", ...), ...
    end, nil, 2, nil)
    assert.same({ n = 4, 3, nil, 2, nil }, pack(one:join()))
    assert.equal(0, select("#", task.spawn(function() end):join()))
    assert.same({ n = 1 }, pack(task.spawn(function() return nil end):join()))
  end)

  it("raises the same error object to every joiner", function()
    local object = {}
    local one = task.spawn(function()
      task.sleep(0.005)
      error(object)
    end)
    local seen = {}
    local joiners = {}
    for i = 1, 3 do
      joiners[i] = task.spawn(function()
        seen[i] = error_of(one.join, one)
      end)
    end
    for i = 1, 3 do
      joiners[i]:join()
      assert.equal(object, seen[i])
    end
    assert.equal(object, error_of(one.join, one))
    assert.equal("failed", one:status())
  end)

  it("passes error(nil) on", function()
    local one = task.spawn(function() error() end)
    assert.same({ n = 2, false }, pack(pcall(one.join, one)))
  end)

  it("refuses to join itself", function()
    assert.equal("usage", kind_of(function()
      task.current():join()
    end))
  end)

  it("joins with a timeout and leaves the task alone", function()
    local one = task.spawn(function()
      task.sleep(0.03)
      return "late"
    end)
    assert.equal("timeout", kind_of(one.join, one, 0.005))
    assert.equal("waiting", one:status())
    assert.equal("late", one:join())
  end)

  it("keeps the order of those that wait when one in the middle gives up",
    function()
      local one = task.spawn(function() task.sleep(0.02) end)
      local order = {}
      local function wait(i)
        return task.spawn(function()
          one:join()
          order[#order + 1] = i
        end)
      end
      local a, b, c = wait(1), wait(2), wait(3)
      task.sleep(0)
      b:cancel()
      a:join()
      c:join()
      assert.same({ 1, 3 }, order)
      assert.equal("cancelled", b:status())
    end)

  it("runs ready tasks in order", function()
    local order, tasks = {}, {}
    for i = 1, 5 do
      tasks[i] = task.spawn(function()
        for _ = 1, 3 do
          order[#order + 1] = i
          task.sleep(0)
        end
      end)
    end
    for i = 1, 5 do
      tasks[i]:join()
    end
    assert.equal("123451234512345", table.concat(order))
  end)

  it("takes callable tables and refuses the rest", function()
    local callable = setmetatable({}, { __call = function(_, a) return a end })
    assert.equal(7, task.spawn(callable, 7):join())
    assert.matches("not of a number", tostring(error_of(task.spawn, 7)))
  end)

  it("gives each task locals of its own", function()
    task.current().locals.name = "mine"
    local other = task.spawn(function()
      return task.current().locals.name
    end)
    assert.is_nil(other:join())
    assert.equal("mine", task.current().locals.name)
    task.current().locals.name = nil
  end)
end)

describe("cancel", function()
  it("ends a wait for time, a join, a semaphore and an operation", function()
    local never = task.spawn(function() task.sleep(100) end)
    local semaphore = task.semaphore(0)
    local core = require "covet.core"
    for _, wait in ipairs {
      function() task.sleep(100) end,
      function() never:join() end,
      function() semaphore:acquire() end,
      function() task.wait(core.sleep(100)) end,
    } do
      local kind
      local one = task.spawn(function()
        local err = error_of(wait)
        kind = err.kind
        error(err, 0)
      end)
      task.sleep(0)
      assert.equal("waiting", one:status())
      one:cancel()
      assert.equal("cancelled", kind_of(one.join, one))
      assert.equal("cancelled", kind)
      assert.equal("cancelled", one:status())
    end
    never:cancel()
    assert.equal("cancelled", kind_of(never.join, never))
    assert.equal(0, semaphore.waiters.size)
  end)

  it("never runs a task that has not begun", function()
    local ran = false
    local one = task.spawn(function() ran = true end)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.is_false(ran)
  end)

  it("is raised once, so that cleaning up may wait", function()
    local cleaned
    local one = task.spawn(function()
      local ok, err = pcall(task.sleep, 100)
      task.sleep(0.002)
      cleaned = not ok
      error(err, 0)
    end)
    task.sleep(0)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.is_true(cleaned)
  end)

  it("delivers what succeeded all the same, and is raised at the next wait",
    function()
      local semaphore = task.semaphore(0)
      local got
      local one = task.spawn(function()
        semaphore:acquire()
        got = true
        task.sleep(100)
      end)
      task.sleep(0)
      semaphore:release()
      one:cancel()
      assert.equal("cancelled", kind_of(one.join, one))
      assert.is_true(got)
      assert.equal(0, semaphore.free)
    end)

  it("does nothing to a task that has ended", function()
    local one = task.spawn(function() return 1 end)
    assert.equal(1, one:join())
    one:cancel()
    assert.equal(1, one:join())
    assert.equal("returned", one:status())
  end)
end)

describe("own", function()
  local function resource(log, name)
    return {
      close = function(_, reason)
        task.sleep(0.001)
        log[#log + 1] = name .. ":" .. reason
      end,
    }
  end

  it("closes what is left, the newest first, with the reason", function()
    for reason, body in pairs {
      ["return"] = function() return 5 end,
      error = function() error("x", 0) end,
      cancel = function() task.current():cancel() task.sleep(1) end,
    } do
      local log = {}
      local one = task.spawn(function()
        local me = task.current()
        local middle = resource(log, "b")
        me:own(resource(log, "a"))
        me:own(middle)
        me:own(resource(log, "c"))
        me:disown(middle)
        return body()
      end)
      pcall(one.join, one)
      assert.same({ "c:" .. reason, "a:" .. reason }, log)
    end
  end)

  it("keeps the results, and the error with its stack", function()
    local log = {}
    local one = task.spawn(function()
      task.current():own(resource(log, "a"))
      return 1, nil, 3
    end)
    assert.same({ n = 3, 1, nil, 3 }, pack(one:join()))
    local result = run [[
      local task = require "covet.task"
      local function inner() error "deep down" end
      task.current():own { close = function() task.sleep(0.001) end }
      inner()
    ]]
    assert.equal(1, result.status)
    assert.matches("deep down", result.stderr)
    assert.matches("in function 'inner'", result.stderr)
  end)

  it("cannot be cancelled while it closes", function()
    local closed
    local one = task.spawn(function()
      task.current():own { close = function()
        task.sleep(0.01)
        closed = true
      end }
    end)
    task.sleep(0.001)
    one:cancel()
    one:join()
    assert.is_true(closed)
  end)
end)

describe("timeout", function()
  it("returns all results", function()
    assert.same({ n = 3, 1, nil, nil },
      pack(task.timeout(1, function(...) return ... end, 1, nil, nil)))
  end)

  it("raises kind timeout, and cleaning up may wait", function()
    local cleaned = false
    assert.equal("timeout", kind_of(task.timeout, 0.005, function()
      local ok, err = pcall(task.sleep, 100)
      assert.is_false(ok)
      task.sleep(0.002)
      cleaned = true
      error(err, 0)
    end))
    assert.is_true(cleaned)
  end)

  it("tells its own deadline from an outer one", function()
    local where
    local err = error_of(task.timeout, 0.005, function()
      where = "inner"
      task.timeout(100, function() task.sleep(100) end)
    end)
    assert.equal("inner", where)
    assert.matches("within 0.005 s", err.message)
    local inner = error_of(task.timeout, 100, function()
      local raised = error_of(task.timeout, 0.005, task.sleep, 100)
      task.sleep(0.01)
      error(raised, 0)
    end)
    assert.matches("within 0.005 s", inner.message)
  end)

  it("drops a deadline that passed unseen", function()
    local result = task.timeout(0.001, function()
      local until_time = task.now() + 0.004
      while task.now() < until_time do end
      return "done"
    end)
    assert.equal("done", result)
    task.sleep(0.002)
  end)

  it("passes at the first wait when it is 0", function()
    local began = false
    assert.equal("timeout", kind_of(task.timeout, 0, function()
      began = true
      task.sleep(1)
    end))
    assert.is_true(began)
  end)

  it("refuses what is no number", function()
    assert.equal("usage", kind_of(task.timeout, "1", function() end))
  end)
end)

describe("await", function()
  it("answers what comes after a nil error", function()
    assert.equal("directory", task.await(uv.fs_stat, "/").type)
  end)

  it("raises luv's error with its code", function()
    local err = error_of(task.await, uv.fs_stat, "/nowhere/at/all")
    assert.equal("system", err.kind)
    assert.equal("ENOENT", err.code)
  end)

  it("takes a callback that comes at once, and one without arguments",
    function()
      assert.equal(5, task.await(function(a, done) done(nil, a) end, 5))
      assert.equal(0, select("#", task.await(function(done) done() end)))
    end)

  it("ignores a callback that comes after a cancel", function()
    local done
    local one = task.spawn(task.await, function(callback) done = callback end)
    task.sleep(0)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    done(nil, 1)
    task.sleep(0.001)
    assert.equal("cancelled", one:status())
  end)
end)

describe("the scheduler", function()
  it("keeps nothing of tasks that have ended", function()
    for _ = 1, 100 do
      task.spawn(task.sleep, 0.001)
    end
    task.sleep(0.05)
    local live = 0
    for _ in pairs(scheduler.live) do
      live = live + 1
    end
    assert.equal(scheduler.live_count, live)
    assert.is_true(live < 10)
  end)

  it("wakes in the order of time", function()
    local order = {}
    covet.all {
      function() task.sleep(0.03) order[#order + 1] = 3 end,
      function() task.sleep(0.01) order[#order + 1] = 1 end,
      function() task.sleep(0.02) order[#order + 1] = 2 end,
    }
    assert.same({ 1, 2, 3 }, order)
  end)
end)
