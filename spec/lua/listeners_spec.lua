-- Who is told of events.
local covet = require "covet"
local fails = require "spec.support.fails"
local listeners = require "covet.listeners"
local process = require "spec.support.process"

local EVENTS = listeners.declare { "connect", "close", "leak" }

describe("listeners", function()
  local one

  before_each(function()
    one = listeners.new(EVENTS)
  end)

  -- A listener that notes what it gets.
  local function note(into)
    return function(event)
      into[#into + 1] = event
    end
  end

  it("are told in the order in which they came, those of the event only", function()
    local told, other, event = {}, {}, {}
    one:on("leak", function() told[#told + 1] = "first" end)
    one:on("leak", function() told[#told + 1] = "second" end)
    one:on("close", note(other))
    assert.is_true(one:emit("leak", event))
    assert.same({ "first", "second" }, told)
    assert.is_true(one:emit("close", event))
    assert.is_true(rawequal(event, other[1]))
  end)

  it("emit says whether anybody was told", function()
    assert.is_false(one:emit("leak", {}))
    one:on("leak", function() end)()
    assert.is_false(one:emit("leak", {}))
    assert.equal(0, one.count)
  end)

  it("are refused for an event that there is not, with the nearest name", function()
    local err = fails("usage", one, "on", "leek", function() end)
    assert.matches('no event "leek", did you mean "leak"', tostring(err))
    assert.is_nil(tostring(fails("usage", one, "on", "x", function() end)):find("mean", 1, true))
    for _, name in ipairs { "names", 1, {}, true } do
      fails("usage", one, "on", name, function() end)
    end
    fails("usage", one, "on", nil, function() end)
    assert.matches("must be a function, not table", tostring(fails("usage", one, "on", "leak", {})))
    assert.equal(0, one.count)
  end)

  it("can be taken back, once for each time they were given", function()
    local told = {}
    local listener = note(told)
    local forget = one:on("leak", listener)
    one:on("leak", listener)
    assert.equal(2, one.count)
    forget()
    forget()
    assert.equal(1, one.count)
    one:emit("leak", {})
    assert.equal(1, #told)
  end)

  it("that come or go while one is told do so for the next event", function()
    local told, forget = {}, nil
    one:on("leak", function()
      forget()
      one:on("leak", function() told[#told + 1] = "new" end)
    end)
    forget = one:on("leak", function() told[#told + 1] = "old" end)
    one:emit("leak", {})
    assert.same({ "old" }, told)
    one:emit("leak", {})
    assert.same({ "old", "new" }, told)
  end)

  it("that raise are printed, and the others are told", function()
    local result = process.run { false, "-e", [[
      local listeners = require "covet.listeners"
      local one = listeners.new(listeners.declare { "leak" })
      one:on("leak", function() error "mine" end)
      one:on("leak", function() error(setmetatable({}, { __tostring = function() error "x" end })) end)
      one:on("leak", function() print "told" end)
      print(one:emit("leak", {}), one:emit("leak", {}))
    ]], limit = 20 }
    assert.equal("told\ntold\ntrue\ttrue\n", result.stdout)
    local _, count = result.stderr:gsub("covet: in a listener of leak: ", "")
    assert.equal(4, count)
    assert.matches("mine", result.stderr, 1, true)
    assert.equal(0, result.status)
  end)

  it("are not told what a listener's own calls bring about", function()
    local told = {}
    one:on("leak", function()
      told[#told + 1] = "leak"
      assert.is_false(one:emit("leak", {}))
      assert.is_false(one:emit("close", {}))
    end)
    one:on("close", function() told[#told + 1] = "close" end)
    one:emit("leak", {})
    assert.same({ "leak" }, told)
    one:emit("close", {})
    assert.same({ "leak", "close" }, told)
  end)

  it("are told of other tasks' events while one waits", function()
    local told = {}
    one:on("leak", function(event)
      told[#told + 1] = event.name
      if event.name == "slow" then
        covet.sleep(0.02)
      end
    end)
    local slow = covet.spawn(function() one:emit("leak", { name = "slow" }) end)
    covet.sleep(0.001)
    assert.is_true(one:emit("leak", { name = "beside" }))
    assert.same({ "slow", "beside" }, told)
    slow:join()
  end)

  it("of one thing are told while a listener of another runs", function()
    local two, told = listeners.new(EVENTS), {}
    one:on("leak", function() two:emit("leak", {}) end)
    two:on("leak", note(told))
    one:emit("leak", {})
    assert.equal(1, #told)
  end)
end)
