-- Tasks that end at every suspension point of every call.
local covet = require "covet"
local core = require "covet.core"
local fails = require "spec.support.fails"
local suspension = require "spec.support.suspension"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

local NUMBERS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) "
local COUNT = NUMBERS:format(20000) .. "select count(*) from n"
local SERIES = NUMBERS:format(6000) .. "select i from n"

local opened -- the adapter of the running test

local function open()
  -- full: commits wait for the disk, on the writer's own thread
  local db = covet.sqlite { path = tmp.path(), synchronous = "full", readers = 2 }:connect()
  db:execute "create table t (a, b); create table log (a)"
  opened = db
  return db
end

-- What each call leaves in table log tells whether it may be partly done.
local SCRIPTS = {
  ["fetch methods"] = function(db)
    db:fetch_all(COUNT)
    db:fetch_one(COUNT)
    db:fetch_value(COUNT .. " where 1 = ?", 1)
    db:fetch_column(SERIES)
    db:fetch_columns(SERIES)
    db:fetch_all { SERIES, rows = "lazy" }
    db:prepare(COUNT):fetch_value()
  end,
  ["writing methods"] = function(db)
    db:execute("insert into t values (?, ?)", 1, 2)
    db:execute_insert("insert into t values (?, ?)", 1, 2)
    db:execute "insert into t values (1, 2); insert into t values (3, 4)"
    db:execute_many("insert into t values (?, ?)", { { 1, 2 }, { 3, 4 } })
    local list = {}
    for i = 1, 4500 do
      list[i] = { i, i }
    end
    db:execute_many("insert into t values (?, ?)", list)
    db:copy_records_to_table("t", list)
  end,
  ["streams"] = function(db)
    for _ in db:each(SERIES) do end -- luacheck: ignore
    for chunk in db:stream_query { SERIES, chunk_size = 700 } do
      if chunk[1].i > 3000 then
        break
      end
    end
    local stream = db:stream_query { SERIES, chunk_size = 7 }
    stream()
    stream:close()
    db:fetch_value(COUNT)
  end,
  ["leases"] = function(db)
    db:with(function(held)
      held:execute "begin"
      held:execute "insert into t values (1, 2)"
      held:execute "commit"
      held:fetch_value(COUNT)
    end)
    local held = db:acquire()
    held:execute "insert into t values (1, 2)"
    held:each(SERIES)()
    held:release()
    held = db:acquire { read_only = true }
    held:fetch_value(COUNT)
    held:release()
  end,
  ["transactions"] = function(db)
    db:transaction(function(tx)
      tx:execute "insert into log values ('one')"
      tx:fetch_value(COUNT)
      tx:transaction(function(inner)
        inner:execute "insert into log values ('two')"
        inner:fetch_value(COUNT)
      end)
      pcall(tx.transaction, tx, function(inner)
        inner:execute "insert into log values ('never')"
        inner:fetch_value(COUNT)
        error "undo"
      end)
      tx:each(SERIES)()
      tx:execute "insert into log values ('three')"
    end)
    local tx = db:begin()
    tx:execute "insert into t values (1, 2)"
    local nested = tx:begin()
    nested:execute "insert into log values ('never')"
    nested:rollback()
    tx:commit()
    tx = db:begin { read_only = true }
    tx:fetch_value(COUNT)
    tx:rollback()
  end,
  ["special calls"] = function(db)
    db:get_table_info "t"
    db:get_indexes "t"
    db:execute "insert into t values (zeroblob(100), 1)"
    local id = db:fetch_value "select max(rowid) from t"
    local blob = db:open_blob("t", "a", id, { write = true })
    blob:write(0, "abc")
    blob:read()
    blob:close()
    db:backup(tmp.path())
    db:backup(tmp.path(), { progress = function() end })
    db:analyze_table "t"
  end,
  ["connecting"] = function(db)
    db:disconnect()
    db:connect()
    db:fetch_value(COUNT)
    db:disconnect()
    db:connect()
    db:fetch_value "select 1"
  end,
}

local function settled(db)
  return db:get_pool_stats().used == 0
end

-- The adapter works, nothing is held, and what was to be undone is.
local function check(db, context)
  db:connect() -- what was interrupted may have been that
  assert.is_true(wait.until_true(function()
    return (pcall(db.connect, db))
  end, 2), context .. ": it does not connect again")
  assert.is_true(wait.until_true(function()
    return settled(db)
  end, 2), context .. ": a connection is still in use")
  assert.equal(0, db:fetch_value "select count(*) from log where a = 'never'", context)
  local kept = db:fetch_value "select count(*) from log"
  assert.is_true(kept == 0 or kept == 3, context .. ": a part of the transaction is there")
  db:execute "delete from log"
  db:transaction(function(tx)
    tx:execute "insert into t values (7, 7)"
  end)
  assert.is_true(db:fetch_value "select count(*) from t where a = 7" >= 1, context)
  db:execute "delete from t"
end

describe("SQLite and tasks that end", function()
  after_each(function()
    if opened then
      opened:disconnect(1)
      opened = nil
    end
  end)

  for name, script in pairs(SCRIPTS) do
    for way, how in pairs(suspension.ways) do
      it(("%s: %s at every suspension"):format(name, way), function()
        local db = open()
        local pending = core.pending()
        local suspensions, _, err = suspension.run(function()
          script(db)
        end, 0)
        assert.is_nil(err, tostring(err))
        assert.is_true(suspensions > 3, "hardly ever suspended: " .. suspensions)
        check(db, "not interrupted")
        local k, interrupted = 0, 0
        local fired
        repeat
          k = k + 1
          local context = ("%s, %s at suspension %d"):format(name, way, k)
          local _ -- how often
          _, fired, err = suspension.run(function()
            script(db)
          end, k, how)
          if fired and err ~= nil then
            interrupted = interrupted + 1
            -- where the script caught it: SQLite has rolled all of it back
            assert.is_true(covet.is(err, "cancelled", "timeout", "pool_closed",
              "transaction_aborted"),
              context .. ": " .. tostring(err))
          end
          check(db, context)
        until not fired or k > 200
        assert.is_true(k <= 200)
        assert.is_true(interrupted > 2, interrupted .. " runs were interrupted")
        db:disconnect()
        assert.equal(pending, core.pending())
      end)
    end
  end

  it("a deadline frees connections though the task lives on", function()
    local db = open()
    for name, script in pairs(SCRIPTS) do
      if name ~= "leases" then -- a lease of acquire() is the task's own to give back
        local k = 0
        local fired
        repeat
          k = k + 1
          local context = ("%s at suspension %d"):format(name, k)
          local _
          _, fired = suspension.run(function()
            script(db)
          end, k, suspension.ways["timed out"], function(ok)
            if not ok and name == "transactions" and not settled(db) then
              -- begun by begin(): it is the task's until its end
              return
            end
            if not ok and name ~= "streams" then
              assert.is_true(wait.until_true(function()
                return settled(db)
              end, 2), context .. ": a connection is still in use")
            end
          end)
          check(db, context)
        until not fired
      end
    end
    db:disconnect()
  end)

  it("a task may die between any two calls, whatever it holds", function()
    local db = open()
    local blob_id
    local function script(mark)
      local held = db:acquire { read_only = true }
      mark()
      local stream = db:stream_query { SERIES, chunk_size = 10 }
      mark()
      stream()
      mark()
      local inner = held:each(SERIES)
      mark()
      inner()
      mark()
      local tx = db:begin()
      mark()
      tx:execute "insert into log values ('never')"
      mark()
      tx:each(SERIES)()
      mark()
      local nested = tx:begin()
      mark()
      nested:execute "insert into log values ('never')"
      nested:after_commit(function()
        error "not to be run"
      end)
      mark()
      db:transaction(function()
        mark()
        db:execute "insert into log values ('never')"
        mark()
      end)
      mark()
      tx:rollback()
      mark()
      db:transaction(function(outer)
        outer:open_blob("t", "a", blob_id):read(0, 1)
        mark()
      end)
    end
    local k = 0
    local died
    repeat
      blob_id = db:execute_insert "insert into t values (zeroblob(10), 1)"
      k = k + 1
      local count = 0
      local task = covet.spawn(function()
        script(function()
          count = count + 1
          if count == k then
            error "the task dies"
          end
        end)
      end)
      local ok, err = pcall(task.join, task)
      died = not ok
      assert.is_true(ok or tostring(err):find "the task dies" ~= nil, tostring(err))
      check(db, "death " .. k)
    until not died
    assert.equal(16, k)
  end)

  it("a thousand tasks are cancelled at random places", function()
    local db = open()
    local tasks = {}
    for i = 1, 1000 do
      tasks[i] = covet.spawn(function()
        if i % 3 == 0 then
          db:transaction(function(tx)
            tx:execute("insert into t values (?, ?)", i, i)
            tx:execute("insert into t values (?, ?)", i, i)
          end)
        elseif i % 3 == 1 then
          db:fetch_all(SERIES)
        else
          for row in db:each(SERIES) do
            if row.i > 1500 then
              return
            end
          end
        end
      end)
    end
    for i = 1, 1000 do
      if i % 20 == 0 then
        covet.sleep(0)
      end
      tasks[(i * 7) % 1000 + 1]:cancel()
    end
    for i = 1, 1000 do
      pcall(tasks[i].join, tasks[i])
    end
    assert.is_true(wait.until_true(function()
      return settled(db)
    end, 5))
    assert.equal(0, db:fetch_value "select count(*) from (select 1 from t group by a having count(*) <> 2)")
    db:disconnect()
  end)

  -- What ends a stream on its own thread must not reach what comes after it.
  for name, path in pairs { ["in memory"] = function() return ":memory:" end, ["a file"] = tmp.path } do
    it("a stream that was closed and the statement after it: " .. name, function()
      local db = covet.sqlite(path())
      opened = db
      db:execute "create table log (a)"
      for i = 1, 300 do
        db:transaction(function(tx)
          local stream = tx:each(NUMBERS:format(100000) .. "select i from n")
          assert.equal(1, stream().i)
          stream:close()
          tx:execute("insert into log values (?)", i)
        end)
      end
      assert.equal(300, db:fetch_value "select count(*) from log")
    end)

    it("a stream that was closed leaves its table to the statement after it: " .. name, function()
      local db = covet.sqlite(path())
      opened = db
      db:execute("create table t as " .. NUMBERS:format(6000) .. "select i from n")
      for _ = 1, 300 do
        local _, err = pcall(db.transaction, db, function(tx)
          local stream = tx:each "select i from t"
          assert.equal(1, stream().i)
          stream:close()
          tx:execute "drop table t"
          error("undo", 0)
        end)
        assert.equal("undo", err)
      end
      assert.equal(6000, db:fetch_value "select count(*) from t")
    end)
  end

  it("a wait inside table.sort's comparison names it", function()
    local db = open()
    local list = { 3, 1, 2 }
    local err = fails("usage", table.sort, list, function(a, b)
      return db:fetch_value(COUNT .. " where ? < ?", a, b) and a < b
    end)
    assert.matches("sort", tostring(err))
    assert.equal(1, db:fetch_value "select 1")
    assert.is_true(wait.until_true(function()
      return settled(db)
    end, 2))
    err = fails("usage", string.gsub, "abc", ".", function()
      covet.sleep(0.001)
    end)
    assert.matches("gsub", tostring(err))
    db:disconnect()
  end)

  it("a query of seconds lets the others run", function()
    local db = open()
    local turns, reads = 0, 0
    local slow = covet.spawn(function()
      return db.try:fetch_value { "with recursive n(i) as (select 1 union all select i + 1 from n) "
        .. "select count(*) from n", timeout = 1 }
    end)
    local sleeper = covet.spawn(function()
      while true do
        covet.sleep(0.01)
        turns = turns + 1
        reads = reads + db:fetch_value "select 1"
      end
    end)
    local _, err = slow:join()
    assert.is_true(covet.is(err, "timeout"), tostring(err))
    sleeper:cancel()
    pcall(sleeper.join, sleeper)
    assert.is_true(turns > 20, turns)
    assert.is_true(reads >= turns - 1)
    db:disconnect()
  end)

  it("a slow query at the adapter's first use and a slow write", function()
    local db = covet.sqlite(tmp.path())
    local turns = 0
    local sleeper = covet.spawn(function()
      while true do
        covet.sleep(0.005)
        turns = turns + 1
      end
    end)
    db:execute("create table t as " .. NUMBERS:format(300000) .. "select i, i * 2 as j from n")
    db:execute "create index t_j on t (j)"
    db:execute "update t set j = j + 1"
    sleeper:cancel()
    pcall(sleeper.join, sleeper)
    assert.is_true(turns > 10, turns)
    db:disconnect()
  end)
end)
