-- The hosts without the command: plain luajit, and a program with luv's loop.
local run = require "spec.support.luajit"

describe("plain luajit", function()
  it("waits anywhere, and runs tasks meanwhile", function()
    local result = run [[
      local task = require "covet.task"
      local order = {}
      task.spawn(function() task.sleep(0.005) order[#order + 1] = "task" end)
      task.sleep(0.02)
      table.sort({ 2, 1 }, function(a, b) task.sleep(0.001) return a < b end)
      for i in coroutine.wrap(function()
        task.sleep(0.001)
        coroutine.yield("generator")
      end) do order[#order + 1] = i end
      print(task.host(), table.concat(order, " "))
    ]]
    assert.equal("blocking\ttask generator\n", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("leaves nothing of a wait that nothing can end", function()
    local result = run [[
      local task = require "covet.task"
      local channel, semaphore = task.channel(0), task.semaphore(0)
      print(pcall(channel.receive, channel))
      print(pcall(semaphore.acquire, semaphore))
      -- no one waits there any more
      task.spawn(function()
        print(channel:try_send(7))
        semaphore:release()
        print(semaphore:try_acquire())
      end)
      task.sleep(0.01)
      task.run()
      print "ended"
    ]]
    assert.matches("^false\t[^\n]*deadlock.*false\t[^\n]*deadlock.*\nfalse\ntrue\nended\n$",
      result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
  end)

  it("joins, times out and runs what is left", function()
    local result = run [[
      local task = require "covet.task"
      print(task.spawn(function() task.sleep(0.001) return 1, nil end):join())
      local _, err = pcall(task.timeout, 0.005, task.sleep, 5)
      print(err.kind)
      task.spawn(function()
        coroutine.wrap(function() task.sleep(0.001) end)()
        print "run"
      end)
      task.run()
    ]]
    assert.equal("1\tnil\ntimeout\nrun\n", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("reports tasks that failed and that nobody joined", function()
    local result = run [[
      local task = require "covet.task"
      local joined = task.spawn(function() error "mine" end)
      held = task.spawn(function() error "held" end)
      task.spawn(function() error "lost" end)
      task.run()
      print(pcall(joined.join, joined))
      task.sleep(0.5)
      io.stderr:write "later\n"
    ]]
    assert.matches("^false\t[^\n]*mine\n$", result.stdout)
    assert.matches("lost.*later\n.*held", result.stderr)
    assert.is_nil(result.stderr:find("mine", 1, true))
  end)

  it("finds deadlocks", function()
    local result = run [[
      local task = require "covet.task"
      print(select(2, pcall(task.channel().receive, task.channel())))
    ]]
    assert.matches("deadlock", result.stdout)
  end)
end)

describe("a program with luv's loop", function()
  it("runs tasks from its callbacks and ends by itself", function()
    local result = run [[
      local uv, task = require "luv", require "covet.task"
      task.use_host "luv"
      print(select(2, pcall(task.sleep, 1)).kind)
      task.spawn(function()
        task.wait(require "covet.core".sleep(0.005))
        print(task.await(uv.fs_stat, "/").type)
        print(select(2, pcall(task.timeout, 0.005, task.sleep, 5)).kind)
      end)
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        task.spawn(function() task.sleep(0.001) print "callback" end)
      end)
      uv.run()
      print "end"
    ]]
    assert.equal("", result.stderr)
    assert.equal("usage\ncallback\ndirectory\ntimeout\nend\n", result.stdout)
  end)
end)
