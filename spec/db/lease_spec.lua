-- Leased connections, prepared statements, the life of an adapter.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local wait = require "spec.support.wait"

database.contract("leases", function(d, open)
  local function used()
    return open():get_pool_stats().used
  end

  it("leases and transactions have the adapter's own methods too", function()
    local db = open()
    local function check(session)
      assert.equal(1, session:with(function(inner) return inner:fetch_value "select 1" end))
      assert.equal("number", type(session:get_pool_stats().size))
      local heard = 0
      local forget = session:on("query", function() heard = heard + 1 end)
      session:fetch_value "select 1"
      forget()
      assert.equal(1, heard)
      fails("usage", session, "with", 5)
      fails("usage", session, "acquire", { timout = 1 })
    end
    db:with(check)
    db:transaction(check)
  end)

  it("acquire and release, in both forms", function()
    local db = open()
    local held = db:acquire()
    assert.equal(1, used())
    assert.equal(1, held:fetch_value "select 1")
    db:release(held)
    assert.equal(0, used())
    held = db:acquire { timeout = 1 }
    held:release()
    assert.equal(0, used())
  end)

  it("double release and use after release are told", function()
    local db = open()
    local held = db:acquire()
    held:release()
    fails("usage", held, "release")
    fails("usage", db, "release", held)
    fails("usage", held, "fetch_all", "select 1")
    fails("usage", held, "execute", "select 1")
    fails("usage", held, "transaction", function() end)
    fails("usage", held, "begin")
    fails("usage", held, "stream_query", "select 1")
    fails("usage", held, "prepare", "select 1")
    held:close()
    fails("usage", db, "release", 7)
    fails("usage", db, "release", {})
    fails("usage", db, "release", db)
    fails("usage", db, "acquire", { timout = 1 })
    assert.equal(0, used())
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("a view of a lease is that lease", function()
    local db = open()
    local held = db:acquire()
    local view = held:with_options { rows = "array" }
    assert.same({ 1 }, view:fetch_one "select 1")
    held:release()
    fails("usage", view, "fetch_one", "select 1")
    held = db:acquire()
    view = held:with_options { rows = "array" }
    db:release(view)
    fails("usage", held, "fetch_one", "select 1")
    assert.equal(0, used())
  end)

  it("with passes results through and gives back at errors", function()
    local db = open()
    local function count(...)
      return select("#", ...), ...
    end
    local n, a, b = count(db:with(function(held)
      return held:fetch_value "select 7", nil
    end))
    assert.equal(2, n)
    assert.equal(7, a)
    assert.is_nil(b)
    local _, err = pcall(db.with, db, function()
      error "mine"
    end)
    assert.matches("mine", tostring(err))
    assert.equal(0, used())
    fails("usage", db, "with")
    fails("usage", db, "with", { timeout = 1 })
    fails("usage", db, "with", 7)
    db:with({ read_only = true }, function(held)
      assert.equal(1, held:fetch_value "select 1")
    end)
  end)

  it("a lease has all methods of the adapter", function()
    local db = open()
    db:execute(("create table t (id %s primary key, v %s)"):format(d.types.integer, d.types.text))
    local function check(session)
      for _, name in ipairs { "execute", "fetch_all", "fetch_one", "fetch_value", "fetch_column",
        "fetch_columns", "execute_insert", "execute_many", "copy_records_to_table", "each",
        "stream_query", "prepare", "transaction", "begin", "with_options", "quote_identifier",
        "quote_literal", "columns", "table_exists", "get_table_info", "get_table_list",
        "get_database_list", "get_version", "get_indexes", "get_foreign_keys", "analyze_table",
        "optimize_table" } do
        assert.equal("function", type(session[name]), name)
      end
      assert.is_true(session:table_exists "t")
      assert.equal("id", session:get_table_info("t")[1].name)
      assert.equal("string", type(session:get_version()))
      assert.same({ "t" }, session:get_table_list())
      assert.equal(1, session:copy_records_to_table("t", { { 1, "a" } }))
      session:execute "delete from t"
    end
    check(db)
    db:with(check)
    db:transaction(check)
  end)

  -- The reports of leaks from now on: a list.
  local function reports()
    local list = {}
    open():on("leak", function(event) list[#list + 1] = event end)
    return list
  end

  it("a lease goes back at the end of its task, and that is counted and told", function()
    local db, told = open(), reports()
    covet.spawn(function()
      db:acquire()
    end):join()
    assert.equal(0, used())
    pcall(function()
      covet.spawn(function()
        db:acquire()
        error "the task dies"
      end):join()
    end)
    assert.equal(0, used())
    local task = covet.spawn(function()
      db:acquire()
      covet.sleep(10)
    end)
    covet.sleep(0.005)
    task:cancel()
    pcall(task.join, task)
    assert.equal(0, used())
    assert.equal(3, db:get_pool_stats().reclaimed)
    assert.equal(3, #told)
    for _, event in ipairs(told) do
      assert.is_true(event.reclaimed)
      assert.matches("lease_spec.lua:%d+$", event.taken_at)
      assert.matches("spawned at", event.task)
      assert.is_true(event.seconds >= 0)
    end
  end)

  it("a lease that nobody holds any more is taken back while its task lives", function()
    local db, told = open(), reports()
    local function forget()
      local held = db:acquire()
      held:fetch_value "select 1"
    end
    for _ = 1, 3 do
      forget()
      assert.is_true(wait.until_true(function()
        collectgarbage()
        return used() == 0
      end, 5))
    end
    assert.equal(3, db:get_pool_stats().reclaimed)
    assert.equal(3, #told)
    assert.equal(1, db:fetch_value "select 1")
    local view = db:acquire():with_options { timeout = 5 }
    collectgarbage()
    assert.equal(1, view:fetch_value "select 1")
    view:release()
    assert.equal(3, db:get_pool_stats().reclaimed)
  end)

  it("a lease is not known by what an earlier one has left behind", function()
    local db, told = open(), reports()
    local first = db:acquire()
    local view = first:with_options { timeout = 5 }
    first:release()
    local second = db:acquire()
    for _, stale in ipairs { first, view } do
      fails("usage", stale, "fetch_value", "select 1")
      fails("usage", stale, "release")
      stale:close()
    end
    assert.equal(1, second:fetch_value "select 1")
    second = nil -- luacheck: ignore
    assert.is_true(wait.until_true(function()
      collectgarbage()
      return used() == 0
    end, 5))
    assert.equal(1, #told)
    assert.equal(1, db:get_pool_stats().reclaimed)
  end)

  it("what has a finalizer may give its connection back there", function()
    local db, told = open(), reports()
    local closed = 0
    local function new_repository()
      local self = { held = db:acquire(), proxy = newproxy(true) }
      getmetatable(self.proxy).__gc = function()
        self.held:close()
        closed = closed + 1
      end
    end
    for round = 1, 10 do
      collectgarbage "stop"
      new_repository()
      while closed < round do
        collectgarbage("step", 0)
      end
      local held = db:acquire()
      collectgarbage "restart"
      collectgarbage()
      assert.equal(1, held:fetch_value "select 1")
      held:release()
    end
    assert.same({}, told)
    db:acquire() -- and forgotten
    assert.is_true(wait.until_true(function()
      collectgarbage()
      return used() == 0
    end, 5))
    assert.equal(1, #told)
  end)

  it("a lease that a disconnect has ended says nothing of the one that is there now", function()
    local db, is_over = open(), false
    local first = covet.spawn(function()
      local held = db:acquire()
      while not is_over do covet.sleep(0.01) end
      held:close()
    end)
    covet.sleep(0.02)
    db:disconnect(0.1)
    db:connect()
    local second = db:acquire()
    is_over = true
    first:join()
    db:configure { acquire_timeout = 0.1 }
    covet.spawn(function()
      local all = { second }
      local held, err = db.try:acquire()
      while held do
        all[#all + 1] = held
        held, err = db.try:acquire()
      end
      assert.equal("pool_timeout", err.kind)
      assert.equal(math.min(3, #all), #err.holders)
      for i = 2, #all do all[i]:release() end
    end):join()
    second:release()
  end)

  it("what gives its connection back is no leak", function()
    local db, told = open(), reports()
    covet.spawn(function()
      db:with(function() end)
      pcall(db.with, db, error)
      db:acquire():release()
      db:acquire():close()
      db:transaction(function() end)
      db:each(d:sql(d.series), 3):read() -- and no more
    end):join()
    assert.equal(0, used())
    assert.equal(0, db:get_pool_stats().reclaimed)
    assert.same({}, told)
  end)

  it("what a lease left open is rolled back", function()
    local db = open()
    db:execute(("create table t (id %s)"):format(d.types.integer))
    local held = db:acquire()
    held:execute "begin"
    held:execute "insert into t values (1)"
    held:release()
    assert.equal(0, db:fetch_value "select count(*) from t")
  end)

  it("a task that would wait for itself is told", function()
    local db = open()
    if d.name ~= "SQLite in memory" then
      return
    end
    local held = db:acquire()
    fails("pool_exhausted", db, "acquire")
    held:release()
  end)

  it("acquire has a deadline and waiters are served in turn", function()
    local db = open()
    if d.dialect ~= "sqlite" then
      return
    end
    local held = db:acquire()
    local err
    covet.spawn(function()
      err = fails("pool_timeout", db, "acquire", { timeout = 0.02 })
    end):join()
    assert.equal("queue", err.phase)
    local order, tasks = {}, {}
    for i = 1, 20 do
      tasks[i] = covet.spawn(function()
        db:with(function()
          order[#order + 1] = i
        end)
      end)
    end
    covet.sleep(0.005)
    held:release()
    for i = 1, 20 do
      tasks[i]:join()
    end
    for i = 1, 20 do
      assert.equal(i, order[i])
    end
  end)
end)

database.contract("prepared statements", function(d, open)
  it("tell parameters and columns", function()
    local db = open()
    db:execute(("create table t (id %s, name %s)"):format(d.types.integer, d.types.text))
    local statement = db:prepare(d:sql "select id, name as n from t where id = ? or name = ?")
    assert.equal(2, #statement.parameters)
    assert.equal(2, #statement.columns)
    assert.equal("id", statement.columns[1].name)
    assert.equal("n", statement.columns[2].name)
    assert.equal("string", type(statement.columns[1].type))
    statement = db:prepare "select :a, :b"
    assert.equal("a", statement.parameters[1].name)
    assert.equal("b", statement.parameters[2].name)
    statement = db:prepare "select :a, :b, :a"
    assert.equal("a,b", statement.parameters[1].name .. "," .. statement.parameters[2].name)
    assert.equal(2, #statement.parameters)
    fails("syntax_error", db, "prepare", "selec 1")
    fails("undefined_table", db, "prepare", "select * from nonsense")
  end)

  it("have the fetch methods", function()
    local db = open()
    db:execute(("create table t (id %s primary key, name %s)"):format(d.types.integer, d.types.text))
    local insert = db:prepare(d:sql "insert into t values (?, ?)")
    assert.equal(1, insert:execute(1, "a").affected_rows)
    assert.equal(1, insert:execute(2, nil).affected_rows)
    assert.equal(2, insert:execute_many { { 3, "c" }, { 4, "d" } })
    if d.dialect == "sqlite" then
      assert.equal(5, insert:execute_insert(5, "e"))
    else -- where an id is one that the database has made
      insert:execute(5, "e")
    end
    local select_one = db:prepare(d:sql "select id, name from t where id = ?")
    assert.same({ id = 1, name = "a" }, select_one:fetch_one(1))
    assert.same({ { id = 2 } }, select_one:fetch_all(2))
    assert.equal(3, select_one:fetch_value(3))
    assert.same({ 4 }, (select_one:fetch_column(4)))
    assert.equal(1, select_one:fetch_columns(4).n)
    assert.is_nil(select_one:fetch_one(nil))
    for row in select_one:each(1) do
      assert.equal("a", row.name)
    end
    for chunk in select_one:stream_query(1) do
      assert.equal(1, #chunk)
    end
    local named = db:prepare "select name from t where id = :id"
    assert.equal("c", named:fetch_value { params = { id = 3 } })
    local plain = db:prepare "select count(*) from t where id < 3"
    assert.equal(2, plain:fetch_value())
    fails("usage", select_one, "fetch_one")
    fails("usage", select_one, "fetch_one", 1, 2)
    select_one:close()
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("live through a change of the table", function()
    local db = open()
    db:execute(("create table t (id %s)"):format(d.types.integer))
    db:execute "insert into t values (1)"
    local all = db:prepare "select * from t"
    assert.same({ id = 1 }, all:fetch_one())
    db:execute(("alter table t add column name %s"):format(d.types.text))
    db:execute "update t set name = 'a'"
    assert.same({ id = 1, name = "a" }, all:fetch_one())
    assert.same({ { id = 1, name = "a" } }, db:fetch_all "select * from t")
    db:execute "drop table t"
    fails("undefined_table", all, "fetch_one")
  end)
end)

database.contract("an adapter's life", function(d, open)
  it("disconnect may be called twice; connect opens it again", function()
    local db = open()
    db:disconnect()
    db:disconnect()
    assert.equal(0, db:get_pool_stats().size)
    db:connect()
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("is refused after disconnect, whatever is called", function()
    local db = open()
    db:disconnect()
    for _, name in ipairs { "execute", "fetch_all", "fetch_one", "fetch_value",
      "each", "stream_query", "prepare" } do
      fails("pool_closed", db, name, "select 1")
    end
    fails("pool_closed", db, "acquire")
    fails("pool_closed", db, "begin")
    fails("pool_closed", db, "transaction", function() end)
    fails("pool_closed", db, "execute_many", d:sql "insert into t values (?)", { { 1 } })
    assert.equal(0, db:get_pool_stats().size)
    db:connect()
  end)

  it("connect answers the adapter and may be called twice", function()
    local db = open()
    assert.equal(db, db:connect())
    assert.equal(db, db:connect())
  end)

  it("connections that are opened and closed are told", function()
    local other = d:open()
    local opened, closed = 0, 0
    other:on("connect", function()
      opened = opened + 1
    end)
    other:on("close", function()
      closed = closed + 1
    end)
    other:disconnect()
    other:connect()
    other:disconnect()
    assert.is_true(opened >= 1, "no connect was told")
    assert.is_true(closed >= 1, "no close was told")
  end)

  it("a lease does not survive disconnect", function()
    local db = open()
    local held = db:acquire()
    local task = covet.spawn(function()
      db:disconnect(0.05)
    end)
    covet.sleep(0.1)
    local _, err = held.try:fetch_value "select 1"
    assert.is_true(covet.is(err, "usage", "pool_closed", "connection_lost", "cancelled"), tostring(err))
    pcall(held.release, held)
    task:join()
    assert.equal(0, db:get_pool_stats().used)
    db:connect()
  end)

  it("disconnect waits for what is under way, with a deadline", function()
    local db = open()
    local task = covet.spawn(function()
      return (d:sql(d.series)), db:fetch_value(
        d:sql("select count(*) from (" .. d.series .. ") s"), 200000)
    end)
    covet.sleep(0)
    db:disconnect(10)
    local _, count = task:join()
    assert.equal(200000, count)
    db:connect()
    local cut = covet.spawn(function()
      return db.try:fetch_value(d.slow)
    end)
    covet.sleep(0.02)
    db:disconnect(0.05)
    local _, err = cut:join()
    assert.is_true(covet.is(err, "cancelled", "pool_closed", "connection_lost", "interrupted"), tostring(err))
  end)
end)
