-- Completions that come before anyone waits for them.
local core = require "covet.core"
local covet = require "covet"
local decode = require "covet.decode"
local early = require "covet.task.early"
local task = require "covet.task"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

local ROWS = core.flags.ROWS
local SLOW = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) "
  .. "select count(*) as n from n"

describe("a completion that comes early", function()
  local db
  before_each(function()
    db = covet.sqlite(tmp.path()):connect()
  end)
  after_each(function()
    db:disconnect(2)
  end)

  local function submit(text)
    return (core.query(db.handle, 0, ROWS, 10, 0, text))
  end

  -- The value of a completion.
  local function value(ok, more, batch)
    assert.is_true(ok)
    assert.is_false(more)
    return (decode.first(batch, decode.mode "value"))
  end

  it("is kept for the task that waits elsewhere", function()
    local first, second = core.sleep(0.001), core.sleep(0.002)
    covet.sleep(0.02)
    assert.is_true((task.wait(second)))
    assert.is_true((task.wait(first)))
    local token = core.query(db.handle, 0, ROWS, 10, 0, SLOW)
    local own = covet.spawn(function()
      covet.sleep(0.2)
      return value(task.wait(token))
    end)
    assert.equal(100000, own:join())
  end)

  it("is freed with its batch when its place is needed", function()
    local free, freed = decode.free, {}
    finally(function()
      decode.free = free -- luacheck: ignore
    end)
    decode.free = function(batch) -- luacheck: ignore
      freed[#freed + 1] = batch
      free(batch)
    end
    local count = 0
    for _ = 1, 3 do
      local before = core.pending()
      local token = assert(submit(SLOW))
      assert.is_true(wait.until_true(function() -- it is there, and nobody has asked
        return core.pending() == before
      end, 10))
      assert.equal(count, #freed)
      -- the last slot that came free is the first that is used again
      assert.equal(100000, db:fetch_value(SLOW))
      count = count + 1
      assert.equal(count, #freed)
      assert.is_nil(early.take(token))
    end
  end)

  it("gives way to a later one in its place", function()
    local SLOTS, freed = 2 ^ 24, {}
    local free, abandon = decode.free, core.abandon
    finally(function()
      decode.free, core.abandon = free, abandon -- luacheck: ignore
    end)
    decode.free = function(batch) -- luacheck: ignore
      freed[#freed + 1] = batch
    end
    core.abandon = function(token) -- luacheck: ignore
      freed[#freed + 1] = "operation " .. token
    end
    local slot = SLOTS - 1
    early.keep(SLOTS + slot, true, false, 4711, 0, nil) -- a batch
    early.keep(2 * SLOTS + slot, true, false, 4712) -- a lease: no batch
    early.keep(3 * SLOTS + slot, false, false, {}) -- an error
    early.keep(4 * SLOTS + slot, true, true, 4713, 0, nil) -- rows, more to come
    assert.same({ 4711 }, freed)
    assert.is_nil(early.take(5 * SLOTS + slot))
    assert.same({ 4711, 4713, "operation " .. 4 * SLOTS + slot }, freed)
    assert.is_nil(early.take(4 * SLOTS + slot))
  end)
end)
