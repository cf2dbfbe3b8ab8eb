-- each and stream_query.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local wait = require "spec.support.wait"

database.contract("streams", function(d, open)
  local series = d:sql(d.series)

  -- A statement that is given up ends on its own thread a moment later.
  local function check_free(db)
    assert.is_true(wait.until_true(function()
      return db:get_pool_stats().used == 0
    end, 10), "a connection is still in use")
  end

  for _, size in ipairs { 1, 7, 1000 } do
    it("chunks of " .. size, function()
      local n, chunks = 0, 0
      for chunk in open():stream_query { series, 2500, chunk_size = size } do
        chunks = chunks + 1
        assert(#chunk == size or #chunk == 2500 - n, #chunk)
        for _, row in ipairs(chunk) do
          n = n + 1
          assert(row.i == n)
        end
      end
      assert.equal(2500, n)
      assert.equal(math.ceil(2500 / size), chunks)
      check_free(open())
    end)
  end

  it("each gives rows, in both forms of call", function()
    local n = 0
    for row in open():each(series, 3000) do
      n = n + 1
      assert(row.i == n)
    end
    assert.equal(3000, n)
    for row in open():each { series, 5, rows = "array", chunk_size = 2 } do
      n = n + row[1]
    end
    assert.equal(3015, n)
  end)

  it("a stream of no rows", function()
    local empty = "select 1 as a where 1 = 0"
    for _ in open():stream_query(empty) do
      error "a chunk"
    end
    for _ in open():each(empty) do
      error "a row"
    end
    check_free(open())
  end)

  it("columns() tells the names", function()
    local stream = open():stream_query(series, 10)
    stream()
    assert.same({ "i" }, stream:columns())
    stream:close()
  end)

  it("close() frees the connection at once and may be called twice", function()
    local db = open()
    local stream = db:stream_query { series, 1000000, chunk_size = 10 }
    assert.equal(10, #stream())
    assert.is_true(db:get_pool_stats().used >= 1)
    stream:close()
    stream:close()
    assert.matches("close%(%)", fails("usage", stream).message)
    assert.equal(1, db:fetch_value "select 1")
    check_free(db)
  end)

  -- What a stream says that was opened by `run` and outlives it.
  local function message_after(run)
    local stream
    run(function(session)
      stream = session:stream_query { series, 5000, chunk_size = 10 }
      stream:read()
    end)
    return fails("usage", function()
      for _ in stream do
        error "a chunk"
      end
    end).message
  end

  it("a stream that ended before its rows says so", function()
    local db = open()
    assert.matches("transaction", message_after(function(read)
      db:transaction(read)
    end))
    assert.matches("transaction", message_after(function(read)
      local tx = db:begin()
      read(tx)
      tx:rollback()
    end))
    assert.matches("task", message_after(function(read)
      covet.spawn(read, db):join()
    end))
    check_free(db)
  end)

  it("a stream that has come to its end goes on saying that", function()
    local stream = open():stream_query { series, 10 }
    assert.equal(10, #stream:read())
    assert.is_nil(stream:read())
    stream:close()
    assert.is_nil(stream:read())
  end)

  it("leaving the loop early frees the connection with the task", function()
    local db = open()
    covet.spawn(function()
      for row in db:each(series, 1000000) do
        if row.i == 3 then
          return
        end
      end
    end):join()
    check_free(db)
    local _, err = pcall(function()
      covet.spawn(function()
        for _ in db:stream_query(series, 1000000) do
          error "in the loop"
        end
      end):join()
    end)
    assert.matches("in the loop", tostring(err))
    assert.equal(1, db:fetch_value "select 1")
    check_free(db)
  end)

  it("leaving the loop early frees the connection with the transaction", function()
    local db = open()
    db:transaction(function(tx)
      for row in tx:each(series, 1000000) do
        if row.i == 3 then
          break
        end
      end
    end)
    check_free(db)
  end)

  it("calls are possible inside the loop", function()
    local db = open()
    db:with(function(held)
      local n = 0
      for row in held:each(series, 20) do
        n = n + held:fetch_value(d:echo "integer", row.i)
      end
      assert.equal(210, n)
    end)
  end)

  it("an error in the middle is raised in the loop", function()
    local db = open()
    local n = 0
    local err = fails(d.late_kind, function()
      for chunk in db:stream_query { d.late_error, chunk_size = 100 } do
        n = n + #chunk
      end
    end)
    assert.is_true(n >= 1000 and n <= 2499, n)
    assert.is_string(err.sql)
    check_free(db)
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("an error at the start is raised by the call", function()
    local db = open()
    fails("undefined_table", db, "stream_query", "select * from nonsense")
    fails("undefined_table", db, "each", "select * from nonsense")
    fails("usage", db, "stream_query", { series, 5, chunk_size = 0 })
    fails("usage", db, "stream_query", { series, 5, chunk_size = -1 })
    fails("usage", db, "stream_query", { series, 5, chunk_size = 1.5 })
    fails("usage", db, "stream_query", { series, 5, chunk_size = "big" })
    check_free(db)
  end)

  it("a deadline ends a stream that gives no rows", function()
    local db = open()
    local text = "select 1 as i union all select n from (" .. d.slow .. ") s"
    for _, chunk_size in ipairs { 1, 1000 } do
      local n = 0
      fails("timeout", function()
        for chunk in db:stream_query { text, timeout = 0.05, chunk_size = chunk_size } do
          n = n + #chunk
        end
      end)
      assert.is_true(n <= 1)
      check_free(db)
    end
  end)

  it("a slow reader does not use up the deadline", function()
    local n = 0
    for chunk in open():stream_query { series, 8000, timeout = 0.5, chunk_size = 1000 } do
      n = n + #chunk
      covet.sleep(0.08)
    end
    assert.equal(8000, n)
  end)

  it("a cancelled task leaves its stream", function()
    local db = open()
    local n = 0
    local task = covet.spawn(function()
      for row in db:each(series, 1e9) do
        n = row.i
        covet.sleep(0)
      end
    end)
    wait.until_true(function()
      return n > 0
    end, 5)
    task:cancel()
    fails("cancelled", task.join, task)
    assert.is_true(n > 0)
    check_free(db)
  end)

  it("a slow reader holds the database back, not the others", function()
    local db = open()
    local stream = db:stream_query { series, 5000, chunk_size = 100 }
    local n = #stream()
    for _ = 1, 20 do
      if d.name ~= "SQLite in memory" then
        assert.equal(1, db:fetch_value "select 1")
      end
      covet.sleep(0.001)
    end
    for chunk in stream do
      n = n + #chunk
    end
    assert.equal(5000, n)
  end)

  it("several streams at once", function()
    local db = open()
    local count = d.name == "SQLite in memory" and 1 or 3
    local list = {}
    for i = 1, count do
      list[i] = i
    end
    local sums = covet.each_parallel(list, count, function()
      local n = 0
      for chunk in db:stream_query { series, 3000, chunk_size = 50 } do
        n = n + #chunk
        covet.sleep(0)
      end
      return n
    end)
    for _, n in ipairs(sums) do
      assert.equal(3000, n)
    end
  end)

  it("a stream that nobody holds any more frees its connection", function()
    local db = open()
    for _ = 1, 3 do
      for row in db:each(series, 1000000) do
        if row.i == 3 then
          break
        end
      end
    end
    assert.is_true(wait.until_true(function()
      collectgarbage()
      db:fetch_value "select 1" -- where one connection is shared, a call gives it back
      return db:get_pool_stats().used == 0
    end, 10))
  end)

  it("streams left early by tasks that live on do not keep others waiting", function()
    local db = open()
    local seen, list = 0, {}
    for i = 1, 24 do
      list[i] = i
    end
    covet.timeout(25, function() -- acquire_timeout is 30
      covet.each_parallel(list, 12, function()
        for row in db:each(series, 1000000) do
          seen = seen + 1
          if row.i == 1 then
            break
          end
        end
      end)
    end)
    assert.equal(24, seen)
  end)

  it("a stream lives as long as someone reads from it", function()
    local db = open()
    local collector = covet.spawn(function()
      while true do
        collectgarbage()
        covet.sleep(0)
      end
    end)
    local n = 0
    for chunk in db:stream_query { series, 5000, chunk_size = 500 } do
      n = n + #chunk
    end
    assert.equal(5000, n)
    -- on the way through a method nothing but the call holds it
    local text = "select 1 as i where (select n from (" .. d.sql(d, d.series):gsub("select i from",
      "select count(*) as n from") .. ") s) > 0"
    for _ = 1, 5 do
      assert.equal(1, #db:stream_query(text, 100000):read())
    end
    collector:cancel()
  end)

  it("close() by another task ends a wait in read()", function()
    local db = open()
    local stream = db:stream_query { d.first_then_slow, chunk_size = 1 }
    local reader = covet.spawn(function()
      local first = stream:read()
      return first, fails("usage", stream), fails("usage", stream)
    end)
    covet.sleep(0.02)
    local start = wait.now()
    fails("usage", function()
      stream:read()
    end)
    stream:close()
    local first, second, third = reader:join()
    assert.is_true(wait.now() - start < 1)
    assert.equal(1, first[1].i)
    assert.matches("close%(%)", second.message)
    assert.matches("close%(%)", third.message)
    check_free(db)
  end)

  it("is over when the wait for its rows was interrupted", function()
    local db = open()
    local stream = db:stream_query { d.first_then_slow, chunk_size = 1 }
    stream:read()
    local err = fails("timeout", covet.timeout, 0.02, stream.read, stream)
    assert.equal(err, fails("usage", stream).cause)
    stream:close()
    check_free(db)
    assert.equal(1, db:fetch_value "select 1")
  end)
end)
