-- A runtime with a thread of its own, as nginx has it, in plain luajit: the loop
-- goes on while Lua looks at it.
local run = require "spec.support.luajit"
local tmp = require "spec.support.tmp"

local BEGIN = [[
  local core = require "covet.core"
  core.start "thread"
  local covet = require "covet"
  assert(core.mode() == "thread")
  local SLOW = "with recursive n(i) as (select 1 union all select i + 1 from n "
    .. "where i < 300000) select count(*) from n"
  local ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) "
    .. "select i from n"
  local db = covet.sqlite { path = %q, readers = 2 }:connect()
  db:execute "create table t (a integer)"
  local function refused(...)
    local start = covet.now()
    local _, err = ...
    assert(err, "nothing was raised")
    assert(covet.now() - start < 1)
    return err.kind, select(2, err.message:gsub("%%(command line%%):%%d+", ""))
  end
]]

-- What the code prints, line by line.
local function printed(code)
  local result = run(BEGIN:format(tmp.path()) .. code .. " db:disconnect(2)")
  assert.equal("", result.stderr)
  local lines = {}
  for line in result.stdout:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

describe("a runtime with a thread of its own", function()
  it("sees that a task waits for its own leases and streams", function()
    assert.same({ "pool_exhausted\t2", "pool_exhausted\t2", "pool_exhausted\t2",
      "300000", "pool_exhausted\t1", "1" }, printed [[
        local held = db:acquire { read_only = true }
        local stream = db:stream_query { ENDLESS, chunk_size = 10 }
        print(refused(db.try:fetch_value { SLOW, timeout = 20 }))
        print(refused(db.try:acquire { read_only = true, timeout = 20 }))
        print(refused(db.try:stream_query { ENDLESS, timeout = 20 }))
        held:release()
        print(db:fetch_value(SLOW))
        stream:close()
        local writer = db:acquire()
        print(refused(db.try:execute { "insert into t values (1)", timeout = 20 }))
        writer:release()
        print(db:execute("insert into t values (1)").affected_rows)
      ]])
  end)

  it("frees streams that were left early", function()
    assert.same({ "300000", "0" }, printed [[
      local last
      for _ = 1, 10 do
        for row in db:each(ENDLESS) do
          if row.i == 2 then break end
        end
        last = db:fetch_value { SLOW, timeout = 20 }
      end
      print(last)
      print(db:get_pool_stats().timeouts)
    ]])
  end)

  it("tells figures that fit each other, whatever is under way", function()
    assert.same({ "400" }, printed [[
      local before = db:get_pool_stats().queries
      covet.group(function(group)
        for i = 1, 4 do
          group:spawn(function()
            for k = 1, 100 do
              if i == 1 then
                db:execute("insert into t values (?)", k)
              else
                db:fetch_value "select count(*) from t"
              end
              local stats = db:get_pool_stats()
              assert(stats.free + stats.used == stats.size)
              assert(stats.size <= stats.max_size)
            end
          end)
        end
      end)
      print(db:get_pool_stats().queries - before)
    ]])
  end)

  it("resizes, evicts and drains", function()
    assert.same({ "5", "true", "pool_closed", "1" }, printed [[
      db:resize(2, 4)
      local deadline = covet.now() + 5
      while db:get_pool_stats().size < 3 and covet.now() < deadline do
        covet.sleep(0.005)
      end
      print(db:get_pool_stats().max_size)
      db:evict()
      while db:get_pool_stats().closed_by.evicted < 2 and covet.now() < deadline do
        covet.sleep(0.005)
      end
      print(db:get_pool_stats().closed_by.evicted == 2)
      db:drain { timeout = 5 }
      print(select(2, db.try:fetch_value "select 1").kind)
      print(db:connect():fetch_value "select 1")
    ]])
  end)
end)
