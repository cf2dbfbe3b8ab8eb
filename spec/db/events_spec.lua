-- db:on: each call is told once, as a query or as an error.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local process = require "spec.support.process"

database.contract("events", function(d, open)
  local db, told
  local insert = d:sql "insert into t values (?, ?)"
  local series = d:sql(d.series)

  before_each(function()
    db, told = open(), {}
    db:execute(("create table t (id %s primary key, v %s)"):format(d.types.integer, d.types.integer))
    for _, name in ipairs { "query", "slow_query", "error" } do
      db:on(name, function(event)
        told[#told + 1] = { name = name, event = event }
      end)
    end
  end)

  -- What was told since the last time: one event, with these; any text is
  -- good where `sql` is nil.
  local function check_one(name, sql)
    local list = told
    told = {}
    assert.equal(1, #list)
    assert.equal(name, list[1].name)
    assert.equal(sql or list[1].event.sql, list[1].event.sql)
    assert.is_true(list[1].event.seconds >= 0)
    return list[1].event
  end

  local function records(n, last)
    local list = {}
    for i = 1, n do
      list[i] = { i, i }
    end
    list[n][1] = last or n
    return list
  end

  it("execute_many, of one batch and of several", function()
    for _, n in ipairs { 3, 4500 } do
      db:execute_many(insert, records(n))
      check_one("query", insert)
      db:execute "delete from t"
      check_one("query", "delete from t")
      fails("unique_violation", db, "execute_many", insert, records(n, 1))
      assert.equal("unique_violation", check_one("error", insert).error.kind)
    end
    db:transaction(function(tx)
      tx:execute_many(insert, records(2))
      check_one("query", insert)
    end)
    assert.same({}, told)
  end)

  it("copy_records_to_table", function()
    local text = 'INSERT INTO "t" ("id", "v") VALUES (?, ?)'
    if d.dialect ~= "sqlite" then
      text = nil
    end
    for _, n in ipairs { 3, 4500 } do
      db:copy_records_to_table("t", records(n))
      check_one("query", text)
      db:execute "delete from t"
      told = {}
      fails("unique_violation", db, "copy_records_to_table", "t", records(n, 1))
      check_one("error", text)
      fails("invalid_value", db, "copy_records_to_table", "t", { { 1, 2 }, { 1, 2, 3 } })
      check_one("error", text)
    end
    fails("undefined_table", db, "copy_records_to_table", "nonsense", { { 1 } })
    assert.equal(1, #told)
    assert.equal("error", told[1].name)
  end)

  it("prepare", function()
    local statement = db:prepare(insert)
    check_one("query", insert)
    statement:execute(1, 1)
    check_one("query", insert)
    fails("undefined_table", db, "prepare", "select * from nonsense")
    check_one("error", "select * from nonsense")
  end)

  it("streams, when they end", function()
    local n = 0
    for chunk in db:stream_query { series, 3000, chunk_size = 1000 } do
      n = n + #chunk
      assert.same({}, told)
      covet.sleep(0.002)
    end
    assert.equal(3000, n)
    assert.is_true(check_one("query", series).seconds >= 0.006)
    local stream = db:stream_query { series, 1e6, chunk_size = 10 }
    stream()
    assert.same({}, told)
    stream:close()
    check_one("query", series)
    stream:close()
    assert.same({}, told)
    covet.spawn(function()
      for row in db:each(series, 1e6) do
        if row.i == 2 then
          return
        end
      end
    end):join()
    check_one("query", series)
  end)

  it("streams that fail", function()
    fails("undefined_table", db, "stream_query", "select * from nonsense")
    check_one("error", "select * from nonsense")
    fails(d.late_kind, function()
      for _ in db:each(d.late_error) do end
    end)
    check_one("error", d.late_error)
    local text = "select 1 as i union all select n from (" .. d.slow .. ") s"
    fails("timeout", covet.timeout, 0.05, function()
      for _ in db:each { text, chunk_size = 1 } do end
    end)
    check_one("error", text)
  end)

  it("streams that are collected, when that is noticed", function()
    local function leave()
      local stream = db:stream_query { series, 1e6, chunk_size = 10 }
      stream()
    end
    leave()
    collectgarbage()
    local stream = db:stream_query { series, 1 }
    check_one("query", series)
    stream:close()
    check_one("query", series)
  end)

  it("calls that their task's deadline ends", function()
    fails("timeout", covet.timeout, 0.05, db.fetch_value, db, d.slow)
    assert.equal("timeout", check_one("error", d.slow).error.kind)
  end)

  it("what a listener asks its own adapter is not told", function()
    local runs, answers = 0, {}
    db:on("query", function()
      runs = runs + 1
      answers[#answers + 1] = db:fetch_value "select 1"
      db:transaction(function(tx) tx:execute "delete from t" end)
      fails("undefined_table", db, "execute", "delete from nonsense")
    end)
    told = {}
    db:fetch_value "select 2"
    check_one("query", "select 2")
    db:fetch_value "select 3" -- the next call is told as ever
    check_one("query", "select 3")
    assert.equal(2, runs)
    assert.same({ 1, 1 }, answers)
  end)

  it("what a listener of errors does wrong is not told", function()
    local runs = 0
    db:on("error", function()
      runs = runs + 1
      fails("undefined_table", db, "execute", "delete from nowhere")
    end)
    fails("undefined_table", db, "execute", "delete from nonsense")
    check_one("error", "delete from nonsense")
    assert.equal(1, runs)
  end)

  it("a listener can be taken back, once for each time it was given", function()
    local n = 0
    local function listener()
      n = n + 1
    end
    local forget = db:on("query", listener)
    db:on("query", listener)
    db:fetch_value "select 1"
    assert.equal(2, n)
    forget()
    db:fetch_value "select 1"
    assert.equal(3, n)
  end)

  it("retry tells what happened", function()
    local events, runs = {}, 0
    db:on("retry", function(event)
      events[#events + 1] = event
    end)
    local failure = require("covet.error").new { kind = "deadlock", message = "made up" }
    db:transaction({ retries = 2 }, function()
      runs = runs + 1
      if runs < 3 then
        error(failure)
      end
    end)
    assert.equal(2, #events)
    for i, event in ipairs(events) do
      assert.equal(failure, event.error)
      assert.equal(i, event.attempt)
      assert.equal(2, event.retries)
      assert.is_true(event.delay > 0 and event.delay <= 1)
    end
  end)
end)

describe("events", function()
  it("an error in a listener is printed and breaks nothing", function()
    local result = process.run { false, "-e", [[
      local db = covet.sqlite ":memory:"
      for _, name in ipairs { "query", "error" } do
        db:on(name, function() error "mine" end)
      end
      print(db:fetch_value "select 1")
      db:execute "create table t (a)"
      print(db:execute_many("insert into t values (?)", { { 1 }, { 2 } }))
      for row in db:each "select 1 as a" do print(row.a) end
      print(db:prepare("select 2 as b").columns[1].name)
      print((select(2, db.try:execute "delete from nonsense")).kind)
    ]], limit = 20 }
    assert.equal("1\n2\n1\nb\nundefined_table\n", result.stdout)
    assert.equal(0, result.status)
    local _, queries = result.stderr:gsub("in a listener of query: [^\n]*mine", "")
    local _, errors = result.stderr:gsub("in a listener of error: [^\n]*mine", "")
    assert.equal(5, queries)
    assert.equal(1, errors)
  end)
end)
