-- Waits in coroutines of the script's own, and where none is possible.
local support = require "spec.lua.task_support"
local task = require "covet.task"
local uv = require "luv"

local cancel_everywhere = support.cancel_everywhere
local error_of = support.error_of
local kind_of = support.kind_of
local pack = support.pack
local run = support.run

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
      assert.matches("generator_spec.lua", tostring(err), 1, true)
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
