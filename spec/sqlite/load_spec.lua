-- Many tasks, many rows, and a process that is killed.
local covet = require "covet"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local function numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

describe("SQLite under load", function()
  local db
  after_each(function()
    if db then
      db:disconnect(2)
      db = nil
    end
  end)

  for _, options in ipairs { {}, { group_commit = true }, { synchronous = "full" },
    { synchronous = "full", group_commit = true }, { journal_mode = "delete", synchronous = "off" } } do
    local names = {}
    for name, value in pairs(options) do
      names[#names + 1] = name .. "=" .. tostring(value)
    end
    table.sort(names)
    it("1,000 tasks read and write at once " .. table.concat(names, " "), function()
      options.path = tmp.path()
      db = covet.sqlite(options):connect()
      db:execute "create table t (id integer primary key, task, n)"
      db:execute "create table sums (id integer primary key, n); insert into sums values (1, 0)"
      covet.each_parallel(numbers(1000), 1000, function(i)
        local id = db:execute_insert("insert into t (task, n) values (?, ?)", i, 1)
        assert(db:fetch_value("select task from t where id = ?", id) == i)
        if i % 10 == 0 then
          db:transaction(function(tx)
            local n = tx:fetch_value "select n from sums where id = 1"
            tx:execute("update sums set n = ? where id = 1", n + 1)
          end)
        elseif i % 10 == 1 then
          db:execute_many("insert into t (task, n) values (?, ?)", { { i, 2 }, { i, 3 } })
        else
          db:execute("update t set n = n + 1 where id = ?", id)
        end
        local count = db:fetch_value("select count(*) from t where task = ?", i)
        assert(count == (i % 10 == 1 and 3 or 1))
      end)
      assert.equal(1200, db:fetch_value "select count(*) from t")
      assert.equal(1000, db:fetch_value "select count(distinct task) from t")
      assert.equal(100, db:fetch_value "select n from sums")
      assert.equal(0, db:get_pool_stats().used)
    end)
  end

  it("group_commit: an error is its own task's", function()
    db = covet.sqlite { path = tmp.path(), group_commit = true }:connect()
    db:execute "create table t (a unique check (a <> 13))"
    local failed = 0
    covet.each_parallel(numbers(300), 300, function(i)
      local value = i % 3 == 0 and 13 or i % 3 == 1 and 1000 + i or 7
      local result, err = db.try:execute("insert into t values (?)", value)
      if i % 3 == 1 then
        assert(result, tostring(err))
      elseif i % 3 == 0 then
        assert(covet.is(err, "check_violation"), tostring(err))
      end
      failed = failed + (err and 1 or 0)
    end)
    assert.equal(300 - failed, db:fetch_value "select count(*) from t")
    assert.equal(199, failed)
  end)

  it("group_commit: acknowledged writes are seen by everybody", function()
    db = covet.sqlite { path = tmp.path(), group_commit = true, synchronous = "full" }:connect()
    db:execute "create table t (a)"
    covet.each_parallel(numbers(100), 100, function(i)
      for k = 1, 5 do
        db:execute("insert into t values (?)", i * 10 + k)
        assert(db:fetch_value("select a from t where a = ?", i * 10 + k))
      end
    end)
    assert.equal(500, db:fetch_value "select count(*) from t")
  end)

  it("group_commit: tasks that are cancelled take nobody with them", function()
    db = covet.sqlite { path = tmp.path(), group_commit = true, synchronous = "full" }:connect()
    db:execute "create table t (a integer primary key)"
    local tasks, acknowledged = {}, {}
    for i = 1, 400 do
      tasks[i] = covet.spawn(function()
        db:execute("insert into t values (?)", i)
        acknowledged[i] = true
      end)
    end
    for i = 2, 400, 2 do
      if i % 20 == 0 then
        covet.sleep(0)
      end
      tasks[i]:cancel()
    end
    for i = 1, 400 do
      local ok = pcall(tasks[i].join, tasks[i])
      assert.is_true(ok or i % 2 == 0)
      assert.is_true(i % 2 == 0 or acknowledged[i])
    end
    for i = 1, 400 do
      assert.is_true(not acknowledged[i] or db:fetch_value("select a from t where a = ?", i) == i)
    end
    assert.equal(200, db:fetch_value "select count(*) from t where a % 2 = 1")
  end)

  it("stream_query over 5,000,000 rows stays under 40 MB", function()
    local script = tmp.file([[
      local db = covet.sqlite(arg[1])
      local n, sum = 0, 0
      for chunk in db:stream_query { "with recursive n(i) as (select 1 union all select i + 1 from n "
        .. "where i < 5000000) select i, 'row ' || i as name from n", chunk_size = 1000, rows = arg[2],
        timeout = 300 } do
        n = n + #chunk
        local last = chunk[#chunk]
        sum = sum + (last.i or last[1])
      end
      for line in io.lines "/proc/self/status" do
        local peak = line:match "^VmHWM:%s+(%d+) kB"
        if peak then
          print(n, sum, peak)
        end
      end
    ]], "stream.lua")
    local result = process.run { false, script, tmp.path(), "record", limit = 100 }
    assert.equal("", result.stderr)
    local n, sum, peak = result.stdout:match "(%d+)%s+(%d+)%s+(%d+)"
    assert.equal(5000000, tonumber(n))
    assert.equal(1000 * 5000 * 5001 / 2, tonumber(sum))
    if os.getenv "COVET_SPEC_BUILD" ~= "asan" then -- which keeps what is freed
      assert.is_true(tonumber(peak) < 40 * 1024, "peak memory was " .. peak .. " kB")
    end
  end)

  it("leaving loops early leaks nothing", function()
    db = covet.sqlite(tmp.path()):connect()
    local series = "with recursive n(i) as (select 1 union all select i + 1 from n) "
      .. "select i, hex(randomblob(50)) as b from n"
    covet.each_parallel(numbers(60), 6, function(i)
      covet.spawn(function()
        for row in db:each(series) do
          if row.i >= i * 20 then
            break
          end
        end
      end):join()
    end)
    collectgarbage()
    for _ = 1, 50 do
      local stream = db:stream_query { series, chunk_size = 10 }
      stream()
      stream:close()
    end
    assert.equal(1, db:fetch_value "select 1")
    assert.is_true(db:get_pool_stats().size <= 5)
  end)

  for _, options in ipairs { "synchronous = 'full'", "synchronous = 'full', group_commit = true" } do
    it("kill -9 loses no acknowledged write with " .. options, function()
      local script = tmp.file(([[
        local db = covet.sqlite { path = arg[1], %s }
        db:execute "create table if not exists t (id integer primary key, batch)"
        io.stdout:setvbuf "no"
        print "ready"
        covet.each_parallel({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function(k)
          while true do
            if k == 1 then
              local ids = {}
              db:transaction(function(tx)
                for i = 1, 3 do
                  ids[i] = tx:execute_insert("insert into t (batch) values (?)", -1)
                end
              end)
              io.write(table.concat(ids, "\n") .. "\n")
            else
              io.write(db:execute_insert("insert into t (batch) values (?)", k) .. "\n")
            end
          end
        end)
      ]]):format(options), "writer.lua")
      local path = tmp.path()
      local acknowledged = 0
      for round = 1, 4 do
        local child = process.start { false, script, path }
        assert.is_truthy(child:expect "ready", child:stderr())
        covet.sleep(0.03 * round)
        child:kill "sigkill"
        local result = child:wait(10)
        assert.equal(137, result.status)
        db = covet.sqlite(path):connect()
        for line in result.stdout:gmatch "(%d+)\n" do
          acknowledged = acknowledged + 1
          assert.equal(1, db:fetch_value("select count(*) from t where id = ?", tonumber(line)), line)
        end
        assert.equal("ok", db:fetch_value "pragma integrity_check")
        assert.equal(0, db:fetch_value "select count(*) % 3 from t where batch = -1")
        db:disconnect()
        db = nil
      end
      assert.is_true(acknowledged > 20, "only " .. acknowledged .. " writes were acknowledged")
    end)
  end

  it("the log of a WAL file does not grow without end", function()
    local path = tmp.path()
    db = covet.sqlite(path):connect()
    db:execute "create table t (a)"
    for _ = 1, 500 do -- 200 MB, as fast as it goes
      db:execute_many("insert into t values (zeroblob(?))",
        { { 100000 }, { 100000 }, { 100000 }, { 100000 } })
    end
    local file = io.open(path .. "-wal")
    local size = file:seek "end"
    file:close()
    assert.is_true(size < 48 * 2 ^ 20, "the log has " .. size .. " bytes")
    db:disconnect()
    assert.is_nil(io.open(path .. "-wal"))
    db = nil
  end)
end)
