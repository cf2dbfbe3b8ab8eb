-- Tasks: waiting, cancelling, deadlines, groups, and how errors get out.
local covet = require "covet"
local errors = require "covet.error"
local park = require "covet.task.park"
local process = require "spec.support.process"
local scheduler = require "covet.task.scheduler"
local task = require "covet.task"
local tmp = require "spec.support.tmp"
local uv = require "luv"

local function pack(...)
  return { n = select("#", ...), ... }
end

-- What a function raises; fails when it does not.
local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function kind_of(fn, ...)
  local err = error_of(fn, ...)
  assert(errors.is_error(err), tostring(err))
  return err.kind
end

-- Run a program of its own.
local function run(code, ...)
  return process.run { false, "-e", code, ... }
end

-- Run `body` as a task that is cancelled at its k-th suspension. Answers how
-- often it was suspended.
local function cancel_at(k, body)
  local real, count, victim = park.host, 0, nil
  local function suspended()
    if real.current() == victim then
      count = count + 1
      if count == k then
        victim:cancel()
      end
    end
  end
  task.use_host(setmetatable({
    enter = function()
      suspended()
      return real.enter()
    end,
    sleep = function(seconds)
      suspended()
      return real.sleep(seconds)
    end,
    wait = function(token)
      suspended()
      return real.wait(token)
    end,
  }, { __index = real }))
  victim = task.spawn(body)
  pcall(victim.join, victim)
  task.use_host(real)
  return count
end

-- Cancel `body` at each of its suspensions in turn.
local function cancel_everywhere(body, check)
  local suspensions = cancel_at(0, body)
  assert(suspensions > 0)
  for k = 1, suspensions + 1 do
    cancel_at(k, body)
    check(k)
  end
end

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

describe("a wait in a coroutine of the script's own", function()
  it("reaches the scheduler through three levels and pcall", function()
    local function level(n)
      return coroutine.wrap(function()
        if n == 0 then
          for i = 1, 3 do
            pcall(task.sleep, 0.001)
            coroutine.yield(i, nil)
          end
          return "end"
        end
        local inner = level(n - 1)
        while true do
          local values = pack(inner())
          coroutine.yield(unpack(values, 1, values.n))
          if values[1] == "end" then
            return
          end
        end
      end)
    end
    local generate = level(3)
    assert.same({ n = 2, 1, nil }, pack(generate()))
    assert.equal(2, (generate()))
    assert.equal(3, (generate()))
    assert.equal("end", generate())
  end)

  it("leaves resume, status and running as they were", function()
    local co = coroutine.create(function(...)
      assert.equal("running", coroutine.status(coroutine.running()))
      task.sleep(0.001)
      local got = pack(coroutine.yield(select("#", ...)))
      error({ got.n }, 0)
    end)
    assert.same({ n = 2, true, 3 }, pack(coroutine.resume(co, nil, nil, nil)))
    assert.equal("suspended", coroutine.status(co))
    local ok, err = coroutine.resume(co, nil, nil)
    assert.is_false(ok)
    assert.same({ 2 }, err)
    assert.equal("dead", coroutine.status(co))
    assert.same({ n = 2, false, "cannot resume dead coroutine" },
      pack(coroutine.resume(co)))
    assert.same({ n = 1, true },
      pack(coroutine.resume(coroutine.create(function() end))))
  end)

  it("raises a cancel inside the innermost", function()
    local seen
    local one = task.spawn(function()
      local generate = coroutine.wrap(function()
        seen = error_of(task.sleep, 100)
        error(seen, 0)
      end)
      generate()
    end)
    task.sleep(0)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.equal(seen, one.value)
  end)

  it("knows the current task", function()
    local me = task.current()
    local generate = coroutine.wrap(function()
      task.sleep(0.001)
      coroutine.yield(task.current())
    end)
    assert.equal(me, generate())
  end)

  it("cannot be resumed by another task meanwhile", function()
    local co = coroutine.create(function()
      task.sleep(0.005)
      return "mine"
    end)
    local one = task.spawn(function() return coroutine.resume(co) end)
    task.sleep(0)
    assert.equal("normal", coroutine.status(co))
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("in which a task waits", message)
    assert.same({ n = 2, true, "mine" }, pack(one:join()))
  end)

  it("survives a cancel at every suspension", function()
    local open = 0
    cancel_everywhere(function()
      local generate = coroutine.wrap(function()
        open = open + 1
        local ok, err = pcall(function()
          for i = 1, 3 do
            task.sleep(0)
            coroutine.yield(i)
            task.wait(require "covet.core".sleep(0.001))
          end
        end)
        open = open - 1
        if not ok then
          error(err, 0)
        end
      end)
      for _ in generate do
        task.sleep(0)
      end
    end, function(k)
      -- A generator whose consumer died stays where it was: collected.
      assert.is_true(open <= k)
    end)
    collectgarbage()
  end)

  it("keeps the stacks of dead generators for the report", function()
    local result = run [[
      local function innermost() covet.sleep(0.001); local x; x.y = 1 end
      local generate = coroutine.wrap(function()
        local inner = coroutine.wrap(function() innermost() end)
        inner()
      end)
      local function consumer() generate() end
      consumer()
    ]]
    assert.equal(1, result.status)
    assert.matches("innermost", result.stderr)
    assert.matches("in function 'inner'", result.stderr)
    assert.matches("in function 'consumer'", result.stderr)
  end)

  it("makes a yield of the task itself an error that says so", function()
    local one = task.spawn(function() coroutine.yield(1) end)
    assert.matches("covet.sleep%(0%)", tostring(error_of(one.join, one)))
  end)
end)

describe("a wait that is impossible", function()
  local function wait()
    task.sleep(0.001)
  end

  it("names the C function", function()
    for text, call in pairs {
      ["inside table.sort's comparison"] = function()
        table.sort({ 2, 1 }, wait)
      end,
      ["inside string.gsub's callback"] = function()
        string.gsub("a", "a", wait)
      end,
      ["inside load's reader"] = function()
        assert(load(wait))
      end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches(text, tostring(err), 1, true)
      assert.matches("task_spec.lua", tostring(err), 1, true)
    end
  end)

  it("is seen through a generator below table.sort", function()
    local err = error_of(table.sort, { 2, 1 }, function()
      coroutine.wrap(wait)()
    end)
    assert.equal("usage", err.kind)
    assert.matches("table.sort's comparison", err.message)
  end)

  it("gives up the operation it was for", function()
    local core = require "covet.core"
    local err = error_of(table.sort, { 2, 1 }, function()
      task.wait(core.sleep(100))
    end)
    assert.equal("usage", err.kind)
    task.sleep(0.001)
    assert.equal(0, core.pending())
  end)

  it("tells a callback of luv to spawn", function()
    local err
    local timer = uv.new_timer()
    timer:start(0, 0, function()
      timer:close()
      err = error_of(task.sleep, 0.001)
    end)
    task.sleep(0.02)
    assert.equal("usage", err.kind)
    assert.matches("covet.spawn", err.message)
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

describe("require in the command", function()
  local function modules(files)
    local folder = tmp.dir("modules")
    for name, text in pairs(files) do
      local file = assert(io.open(folder .. "/" .. name .. ".lua", "w"))
      file:write(text)
      file:close()
    end
    return ("package.path = %q .. package.path\n"):format(folder .. "/?.lua;")
  end

  it("loads modules that wait, once", function()
    local result = run(modules {
      slow = "covet.sleep(0.01); loads = (loads or 0) + 1; return { ... }",
    } .. [[
      local a, b = covet.all {
        function() return require "slow" end,
        function() return require "slow" end,
      }
      print(a == b, loads, a[1], package.loaded.slow == a)
    ]])
    assert.equal("true\t1\tslow\ttrue\n", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("passes the error to all who wait, and tries again later", function()
    local result = run(modules {
      broken = "covet.sleep(0.001); tries = (tries or 0) + 1; error('no', 0)",
    } .. [[
      covet.all {
        function() print(pcall(require, "broken")) end,
        function() print(pcall(require, "broken")) end,
      }
      print(tries, pcall(require, "broken"))
    ]])
    assert.equal("false\tno\nfalse\tno\n1\tfalse\tno\n", result.stdout)
  end)

  it("finds loops, across tasks too", function()
    local result = run(modules {
      selfish = "return require 'selfish'",
      one = "covet.sleep(0.001); return require 'two'",
      two = "covet.sleep(0.001); return require 'one'",
    } .. [[
      print(select(2, pcall(require, "selfish")):match "loop or previous error")
      local _, a, b = pcall(function()
        return covet.all {
          function() return (pcall(require, "one")) end,
          function() return (pcall(require, "two")) end,
        }
      end)
      print(a, b)
    ]])
    assert.equal("loop or previous error\nfalse\tfalse\n", result.stdout)
  end)

  it("says where it looked for a module", function()
    local ok, message = pcall(require, "no.such.module")
    assert.is_false(ok)
    assert.matches("module 'no.such.module' not found:", message)
    assert.matches("no file '", message)
    assert.matches("no field package.preload", message)
  end)

  it("keeps dofile waiting too", function()
    local path = tmp.file("covet.sleep(0.001); return 6", "chunk.lua")
    assert.equal(6, dofile(path))
  end)
end)

describe("a program", function()
  it("fails with a traceback", function()
    local result = run [[
      local function inner() error "boom" end
      local function outer() inner() end
      outer()
    ]]
    assert.equal(1, result.status)
    assert.matches("boom", result.stderr)
    assert.matches("in function 'inner'", result.stderr)
  end)

  it("reports a task no one joins once, and its status becomes 1", function()
    local result = run [[
      covet.spawn(function() error "lost" end)
      covet.sleep(0.01)
      print "goes on"
    ]]
    assert.equal(1, result.status)
    assert.equal("goes on\n", result.stdout)
    local _, count = result.stderr:gsub("lost", "")
    assert.equal(1, count)
    assert.matches("spawned at", result.stderr)
  end)

  it("is well when the task was joined after all", function()
    local result = run [[
      local one = covet.spawn(function() error "lost" end)
      covet.sleep(0.01)
      print(pcall(one.join, one))
    ]]
    assert.equal(0, result.status)
  end)

  it("reports errors that are not strings", function()
    for code, text in pairs {
      ["error()"] = "error%(nil%)",
      ["error({})"] = "a table value",
      ["error(7)"] = "7",
      ["error(setmetatable({}, { __tostring = function() return 'mine' end }))"]
        = "mine",
    } do
      local result = run(code)
      assert.equal(1, result.status)
      assert.matches(text, result.stderr)
    end
  end)

  it("waits for tasks and for luv's handles, then ends", function()
    local result = run [[
      local uv = require "luv"
      covet.spawn(function() covet.sleep(0.02) print "task" end)
      local timer = uv.new_timer()
      timer:start(40, 0, function() timer:close() print "timer" end)
      print "main"
    ]]
    assert.equal("main\ntask\ntimer\n", result.stdout)
    assert.equal(0, result.status)
  end)

  it("cancels the other tasks when the main chunk fails", function()
    local result = run [[
      covet.spawn(function()
        local ok, err = pcall(covet.sleep, 100)
        print(ok, err.kind)
      end)
      covet.sleep(0.001)
      error "main"
    ]]
    assert.equal("false\tcancelled\n", result.stdout)
    assert.equal(1, result.status)
  end)

  it("lists the waiting tasks of a deadlock", function()
    local result = run [[
      local function stuck() covet.channel():receive() end
      covet.spawn(stuck)
      covet.semaphore(0):acquire()
    ]]
    assert.equal(1, result.status)
    assert.matches("deadlock", result.stderr)
    assert.matches("in function 'receive'", result.stderr)
    assert.matches("in function 'acquire'", result.stderr)
    assert.matches("spawned at", result.stderr)
  end)

  it("runs exit hooks, which may wait, also at os.exit", function()
    local hook = [[
      local task = require "covet.task"
      task.on_exit(function() covet.sleep(0.001) print "hook" end, "a hook")
      task.on_exit(function() print "never" end)()
    ]]
    assert.equal("hook\n", run(hook).stdout)
    local result = run(hook .. "local function f() os.exit(3) end f()")
    assert.equal(3, result.status)
    assert.equal("hook\n", result.stdout)
    assert.equal(0, run("os.exit(true)").status)
    assert.equal(1, run("covet.spawn(os.exit, false) covet.sleep(5)").status)
  end)

  it("is interrupted by SIGINT, with status 130", function()
    local one = process.start { false, "-e", [[
      io.stdout:setvbuf "no"
      print "ready"
      local ok, err = pcall(covet.sleep, 100)
      covet.sleep(0.001)
      print(err.kind)
      error(err, 0)
    ]] }
    assert(one:expect("ready"))
    one:kill("sigint")
    local result = one:wait()
    assert.equal(130, result.status)
    assert.matches("cancelled", result.stdout)
  end)

  it("ends at once at the second SIGINT", function()
    local one = process.start { false, "-e", [[
      io.stdout:setvbuf "no"
      print "ready"
      pcall(covet.sleep, 100)
      print "again"
      covet.sleep(100)
    ]] }
    assert(one:expect("ready"))
    one:kill("sigint")
    assert(one:expect("again"))
    one:kill("sigint")
    assert.equal(130, one:wait(5).status)
  end)

  it("closes everything at SIGTERM", function()
    local one = process.start { false, "-e", [[
      io.stdout:setvbuf "no"
      require "covet.task".on_exit(function() print "closed" end, "a pool")
      print "ready"
      covet.sleep(100)
    ]] }
    assert(one:expect("ready"))
    one:kill("sigterm")
    local result = one:wait(10)
    assert.equal(143, result.status)
    assert.matches("closed", result.stdout)
  end)

  it("hands signals to the script's own function, as a task", function()
    local one = process.start { false, "-e", [[
      io.stdout:setvbuf "no"
      local done = covet.channel()
      covet.on_signal("SIGTERM", function(name) done:send(name) end)
      print "ready"
      print(done:receive())
    ]] }
    assert(one:expect("ready"))
    one:kill("sigterm")
    local result = one:wait(10)
    assert.matches("SIGTERM", result.stdout)
    assert.equal(0, result.status)
  end)

  it("goes on after an error in a callback of luv, with status 1", function()
    local result = run [[
      local timer = require "luv".new_timer()
      timer:start(0, 0, function() timer:close() error "in a callback" end)
      covet.sleep(0.02)
      print "goes on"
    ]]
    assert.equal("goes on\n", result.stdout)
    assert.matches("in a callback", result.stderr)
    assert.equal(1, result.status)
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
    assert.is_nil(next(scheduler.failures))
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
