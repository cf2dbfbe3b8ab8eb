-- Programs run by the command: modules, ends, errors, signals.
local process = require "spec.support.process"
local support = require "spec.lua.task_support"
local tmp = require "spec.support.tmp"

local run = support.run

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

  it("says nothing of a task that is joined after all, however late", function()
    local result = run [[
      local one = covet.spawn(function() error "lost" end)
      covet.sleep(0.2)
      collectgarbage() collectgarbage()
      print(pcall(one.join, one))
      one = nil
      collectgarbage() collectgarbage()
    ]]
    assert.matches("^false\t[^\n]*lost\n$", result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
  end)

  it("reports a task soon that nobody can join any more, though nothing happens", function()
    local result = run [[
      covet.spawn(function() error "lost" end)
      covet.sleep(1)
      io.stderr:write "later\n"
    ]]
    assert.matches("lost.*later\n$", result.stderr)
    assert.equal(1, result.status)
  end)

  it("reports at its end a task that could have been joined", function()
    local result = run [[
      one = covet.spawn(function() error "first" end)
      two = covet.spawn(function() error "second" end)
      covet.sleep(0.2)
      collectgarbage() collectgarbage()
      io.stderr:write "later\n"
    ]]
    assert.matches("^later\n.*first.*second", result.stderr)
    local _, count = result.stderr:gsub("spawned at", "")
    assert.equal(2, count)
    assert.equal(1, result.status)
    result = run [[
      one = covet.spawn(function() error "lost" end)
      covet.sleep(0.01)
      os.exit(3)
    ]]
    assert.matches("lost", result.stderr)
    assert.equal(3, result.status)
  end)

  it("reports a task whose joiner was interrupted as it failed", function()
    local result = run [[
      one = covet.spawn(function() covet.sleep(0.01) waiter:cancel() error "lost" end)
      waiter = covet.spawn(function() one:join() end)
      pcall(waiter.join, waiter)
      covet.sleep(0.01)
    ]]
    local _, count = result.stderr:gsub("[^\n]*lost\n", "")
    assert.equal(1, count, result.stderr)
    assert.equal(1, result.status)
  end)

  it("reports its own error before it cancels the others", function()
    local result = run [[
      covet.spawn(function() pcall(covet.sleep, 10) io.stderr:write "cleaned up\n" end)
      covet.sleep(0.01)
      error "boom"
    ]]
    assert.matches("boom.*cleaned up\n$", result.stderr)
    local _, count = result.stderr:gsub("boom", "")
    assert.equal(1, count)
    assert.equal(1, result.status)
  end)

  it("brings nothing back to life that was collected with a failed task", function()
    local result = run [[
      local weak = setmetatable({}, { __mode = "v" })
      covet.spawn(function()
        weak[1] = {}
        error(weak[1])
      end)
      covet.sleep(0.005)
      collectgarbage()
      print(weak[1])
    ]]
    assert.equal("nil\n", result.stdout)
    assert.matches("a table value", result.stderr)
  end)

  it("leaves a collector alone that was stopped", function()
    local result = run [[
      collectgarbage "stop"
      covet.spawn(function() error "lost" end)
      covet.sleep(0.1)
      print(collectgarbage "isrunning")
    ]]
    assert.equal("false\n", result.stdout)
    assert.matches("lost", result.stderr)
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

  it("cancels the other tasks at os.exit, which does not return", function()
    local result = run [[
      covet.spawn(function() pcall(covet.sleep, 100) io.stderr:write "cleaned up\n" end)
      covet.sleep(0.01)
      pcall(os.exit, 3)
      io.stderr:write "it returned"
    ]]
    assert.equal(3, result.status)
    assert.equal("cleaned up\n", result.stderr)
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
