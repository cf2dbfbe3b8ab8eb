-- Programs with pools: when they end.
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HEAD = [[
  local started = covet.now()
  local function connect() return { close = function() end } end
]]

local function run(text)
  local result = process.run { false, tmp.file(HEAD .. text, "program.lua"),
    limit = 20 }
  assert.equal("", result.stderr)
  assert.equal(0, result.status)
  assert.is_false(result.timed_out)
  return tonumber(result.stdout) or result.stdout
end

local function seconds_of(text)
  local before = require("luv").hrtime()
  run(text)
  return (require("luv").hrtime() - before) / 1e9
end

describe("a program with a pool", function()
  it("ends at once when nothing is left but the pool's own clock", function()
    assert.is_true(seconds_of [[
      covet.pool.new(connect):with(function() end)]] < 3)
    assert.is_true(seconds_of [[
      covet.pool.new(connect):initialize()]] < 3)
    assert.is_true(seconds_of [[
      local pool = covet.pool.new(function() return nil, "no" end, {
        retry = { attempts = 2, backoff = 0.001 }, breaker = { failures = 2 } })
      pool.try:acquire()]] < 3)
  end)

  it("waits for the deadline of a close", function()
    local seconds = run [[
      local pool = covet.pool.new(connect)
      pool:acquire()
      pool:close { timeout = 0.2 }
      io.write(covet.now() - started)]]
    assert.is_true(seconds >= 0.19 and seconds < 3, seconds)
  end)

  it("hears the clock while something else keeps it alive", function()
    assert.equal("leak\n", run [[
      local pool = covet.pool.new(connect, { leak_timeout = 0.05 })
      pool:on("leak", function(event)
        if not event.returned then print "leak" end
      end)
      local connection = pool:acquire()
      local timer = require("luv").new_timer()
      timer:start(200, 0, function() timer:close() end)
      local done = covet.channel()
      covet.spawn(function() covet.sleep(0.15) done:close() end)
      done:receive()
      pool:release(connection)]])
  end)

  it("is not held by the functions that took its connections", function()
    assert.equal("well\n", run [[
      do
        local pool = covet.pool.new(connect, { min_size = 0, idle_timeout = 0.1 })
        covet.spawn(function() pool:release(pool:acquire()) end):join()
      end
      covet.sleep(0.005)
      collectgarbage()
      collectgarbage "stop" -- what came back to life would stay so
      covet.sleep(0.2) -- its timer's time
      print "well"]])
  end)
end)
