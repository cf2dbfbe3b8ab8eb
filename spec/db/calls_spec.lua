-- The fetch methods in both forms of call, parameters, options.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

local function people(d, db)
  db:execute(("create table people (id %s primary key, name %s, age %s)"):format(
    d.types.integer, d.types.text, d.types.integer))
  db:execute_many(d:sql "insert into people values (?, ?, ?)",
    { { 1, "ann", 30 }, { 2, "bob" }, { 3, "cid", 50 } })
end

database.contract("calls", function(d, open)
  local db
  before_each(function()
    db = open()
    people(d, db)
  end)

  it("without the SQL are mistakes of usage", function()
    for _, name in ipairs { "prepare", "execute_many", "execute", "fetch_all", "stream_query" } do
      for _, given in ipairs { true, {}, 7, { timeout = 5 } } do
        assert.matches("expected SQL", fails("usage", db, name, given).message)
      end
      assert.matches("expected SQL", fails("usage", db, name).message)
    end
  end)

  it("fetch_all gives rows by name, NULL being absent", function()
    local rows = db:fetch_all "select id, name, age from people order by id"
    assert.same({ { id = 1, name = "ann", age = 30 }, { id = 2, name = "bob" },
      { id = 3, name = "cid", age = 50 } }, rows)
    assert.same({ "id", "name", "age" }, db:columns(rows))
    assert.same(rows, db:fetch_all { "select id, name, age from people order by id" })
    fails("usage", db, "columns", {})
  end)

  it("fetch_all gives an empty array when there are no rows", function()
    assert.same({}, db:fetch_all "select * from people where id > 99")
    assert.same({}, db:fetch_all { d:sql "select * from people where id > ?", 99 })
    assert.same({}, (db:fetch_column "select id from people where id > 99"))
  end)

  it("fetch_one gives the first row or nil", function()
    local text = d:sql "select name from people where id >= ? order by id"
    assert.same({ name = "bob" }, db:fetch_one(text, 2))
    assert.same({ name = "bob" }, db:fetch_one { text, 2 })
    assert.is_nil(db:fetch_one(text, 9))
    assert.is_nil(db:fetch_one { text, 9 })
  end)

  it("fetch_value gives the first column of the first row", function()
    local text = d:sql "select name, id from people where id >= ? order by id"
    assert.equal("cid", db:fetch_value(text, 3))
    assert.equal("cid", db:fetch_value { text, 3 })
    assert.is_nil(db:fetch_value(text, 9))
    assert.is_nil(db:fetch_value "select age from people where id = 2")
    assert.equal(covet.null, db:fetch_value {
      "select age from people where id = 2", types = { null = covet.null } })
  end)

  it("fetch_column gives the first column, NULL being covet.null", function()
    assert.same({ 30, covet.null, 50 }, db:fetch_column "select age, id from people order by id")
    assert.equal(1, select("#", db:fetch_column "select 1"))
    local text = d:sql "select name from people where id < ? order by id"
    assert.same({ "ann", "bob" }, (db:fetch_column { text, 3 }))
    assert.same({ "ann", "bob" }, (db:fetch_column(text, 3)))
  end)

  it("a trailing nil of varargs binds NULL", function()
    local text = d:sql "select id from people where (age = ? or name is not null) and ? is null"
    if d.dialect == "postgresql" then
      text = "select id from people where (age = $1 or name is not null) and $2::text is null"
    end
    assert.equal(3, #db:fetch_all(text, 30, nil))
    assert.equal(3, #db:fetch_all { text, 30, nil })
    db:execute(d:sql "insert into people values (?, ?, ?)", 4, nil, nil)
    assert.same({ id = 4 }, db:fetch_one "select * from people where id = 4")
    db:execute { d:sql "insert into people values (?, ?, ?)", 5, nil, 7 }
    assert.same({ id = 5, age = 7 }, db:fetch_one "select * from people where id = 5")
  end)

  it("covet.null binds NULL", function()
    db:execute(d:sql "update people set age = ? where id = ?", covet.null, 1)
    assert.is_nil(db:fetch_value "select age from people where id = 1")
  end)

  it("named parameters, one of them twice", function()
    local row = db:fetch_one {
      "select name from people where id = :id and (:id > 0) and name <> ':id' -- :none",
      params = { id = 2 },
    }
    assert.same({ name = "bob" }, row)
    assert.same({ 1, 3 }, (db:fetch_column {
      "select id from people where age >= :least /* :x */ and age <= :most order by id",
      params = { least = 30, most = 50 } }))
  end)

  it("named parameters: missing, unknown and misplaced ones", function()
    local text = "select name from people where id = :id"
    assert.matches("id", tostring(fails("usage", db, "fetch_all", { text })))
    assert.matches("id", tostring(fails("usage", db, "fetch_all", text, 1)))
    assert.matches("id", tostring(fails("usage", db, "fetch_all",
      { text, params = { ids = 1 } })))
    fails("usage", db, "fetch_all", { "select 1", params = { id = 1 } })
    fails("usage", db, "fetch_all", { text, params = 7 })
  end)

  it("params is a list where parameters have no names", function()
    local text = d:sql "select count(*) from people where id > ? and id < ?"
    assert.equal(1, db:fetch_value { text, params = { 1, 3 } })
    fails("usage", db, "fetch_value", { text, params = { 1, 3, 5 } })
    fails("usage", db, "fetch_value", { text, params = { 1, max = 3 } })
    fails("usage", db, "fetch_value", { text, 1, params = { 3 } })
  end)

  it("a table in the wrong place is told with the right one", function()
    local text = d:sql "select ?, ?"
    assert.matches("one by one", fails("usage", db, "fetch_value", text, { 1, 2 }).message)
    assert.matches("{ sql, values..., option = }",
      fails("usage", db, "fetch_value", text, 1, 2, { timeout = 5 }).message, 1, true)
  end)

  it("a named parameter that may be NULL is given as covet.null", function()
    assert.equal(3, db:fetch_value { "select count(*) from people where "
      .. "coalesce(:age, age, 0) = coalesce(age, 0)", params = { age = covet.null } })
  end)

  it("wrong numbers of parameters are told before anything is sent", function()
    local text = d:sql "select id from people where id = ? and age = ?"
    local err = fails("usage", db, "fetch_all", text, 1)
    assert.matches("2 parameters", err.message)
    assert.matches("1 was given", err.message)
    fails("usage", db, "fetch_one", text)
    fails("usage", db, "fetch_value", text, 1, 2, 3)
    fails("usage", db, "fetch_column", text, 1, 2, nil)
    fails("usage", db, "execute", text, 1)
    fails("usage", db, "fetch_all", { text, 1, 2, 3 })
    fails("usage", db, "fetch_columns", text, 1)
    fails("usage", db, "execute_insert", text, 1)
    fails("usage", db, "each", text, 1)
    fails("usage", db, "stream_query", { text, 1, 2, 3 })
    fails("usage", db, "fetch_all", "select 1", nil)
    assert.equal(3, db:fetch_value "select count(*) from people")
  end)

  it("a usage error names the line of the caller", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local _, err = pcall(function()
      db:fetch_all("select 1", 1, 2)
    end)
    assert.matches("calls_spec.lua:" .. line, err.where, 1, true)
    _, err = pcall(function()
      db:fetch_all { "select 1", time_out = 3 }
    end)
    assert.matches("calls_spec.lua:" .. line + 4, err.where, 1, true)
  end)

  it("nothing may follow a call's table", function()
    fails("usage", db, "fetch_value", { d:sql "select ?", 1 }, 2)
  end)

  it("a prepared statement takes options in both ways", function()
    local integer = d:cast "integer"
    local statement = db:prepare(d:sql("select cast(? as " .. integer .. ") as a"))
    assert.equal(5, statement:fetch_one({ 5, rows = "array" })[1])
    assert.equal(5, statement:fetch_one(5).a)
    statement = db:prepare { "select cast(:n as " .. integer .. ") as a", rows = "array" }
    assert.equal(6, statement:fetch_one({ params = { n = 6 } })[1])
  end)

  it("every error knows where it was raised", function()
    for _, err in ipairs {
      fails("syntax_error", db, "fetch_value", "selec 1"),
      fails("syntax_error", db, "fetch_value", "select 'x"),
      fails("usage", db, "fetch_value", { "select 1", timeot = 1 }),
    } do
      assert.matches("calls_spec.lua", err.traceback)
    end
    local err = fails("usage", db, "quote_identifier", nil)
    assert.matches("fails.lua", err.where)
  end)

  it("what is no SQL text is refused", function()
    for _, bad in ipairs { 7, true, {}, { 7 }, { timeout = 1 }, print } do
      fails("usage", db, "fetch_all", bad)
      fails("usage", db, "execute", bad)
    end
    fails("usage", db, "fetch_all")
  end)

  it("unknown options and wrong types name the nearest option", function()
    assert.matches("timeout", fails("usage", db, "fetch_all",
      { "select 1", time_out = 3 }).message)
    assert.matches("rows", fails("usage", db, "fetch_all",
      { "select 1", row = "array" }).message)
    fails("usage", db, "fetch_all", { "select 1", timeout = "soon" })
    fails("usage", db, "fetch_all", { "select 1", timeout = -1 })
    fails("usage", db, "fetch_all", { "select 1", rows = "tables" })
    fails("usage", db, "fetch_all", { "select 1", rows = "value" })
    fails("usage", db, "fetch_all", { "select 1", types = { int8 = "float" } })
    fails("usage", db, "fetch_all", { "select 1", read_only = "yes" })
    fails("usage", db, "with_options", { tiemout = 3 })
  end)

  it("timeout ends a call, and the connection is good afterwards", function()
    local started = covet.now()
    local err = fails("timeout", db, "fetch_value", { d.slow, timeout = 0.05 })
    assert.is_true(covet.now() - started < 5)
    assert.equal("query", err.phase)
    assert.equal(3, db:fetch_value "select count(*) from people")
  end)

  it("read_only refuses what writes", function()
    local err = fails("read_only", db, "execute",
      { "delete from people", read_only = true })
    assert.matches("delete", err.sql)
    assert.equal(3, db:fetch_value { "select count(*) from people", read_only = true })
  end)

  it("with_options is a view with defaults", function()
    local view = db:with_options { rows = "array", timeout = 5 }
    assert.same({ { 1, "ann" } }, view:fetch_all "select id, name from people where id = 1")
    assert.same({ id = 1 }, view:fetch_one { "select id from people where id = 1", rows = "named" })
    assert.same({ id = 1 }, db:fetch_one "select id from people where id = 1")
    local both = view:with_options { types = { null = covet.null } }
    assert.same({ 2, covet.null }, both:fetch_one "select id, age from people where id = 2")
    local reader = db:with_options { read_only = true }
    fails("read_only", reader, "execute", "delete from people")
    fails("timeout", db:with_options { timeout = 0.03 }, "fetch_all", d.slow)
    assert.same({ 1 }, (view:transaction(function(tx)
      return tx:fetch_one "select id from people where id = 1"
    end)))
  end)

  it("db.try gives nil and the error", function()
    local value, err = db.try:fetch_value "select nonsense from people"
    assert.is_nil(value)
    assert.is_true(covet.is(err, "undefined_column"))
    assert.equal(3, db.try:fetch_value "select count(*) from people")
    local row, none = db.try:fetch_one "select 1 as a from people where id = 99"
    assert.is_nil(row)
    assert.is_nil(none)
    local _, again = db:with_options({ rows = "array" }).try:execute "nonsense"
    assert.is_true(covet.is(again, "syntax_error"))
    local _, usage = db.try:fetch_all("select 1", 2)
    assert.is_true(covet.is(usage, "usage"))
    assert.has_error(function()
      db.try:transaction(function()
        error "mine"
      end)
    end)
  end)

  it("comments, blanks and a final semicolon are no statements", function()
    assert.equal(1, db:fetch_value " /* a */ select 1 -- end\n")
    assert.equal(1, db:fetch_value "select 1;")
    assert.equal(1, db:fetch_value "select 1; -- done")
    assert.equal("a;b", db:fetch_value "select 'a;b'")
  end)

  it("an empty text is a clear error or no statement", function()
    for _, text in ipairs { "", "  ", "-- nothing", ";" } do
      local value, err = db.try:fetch_value(text)
      assert.is_nil(value)
      assert.is_true(err == nil or covet.is(err, "usage", "syntax_error"))
    end
  end)

  it("several statements with parameters are refused", function()
    fails("usage", db, "execute", d:sql "delete from people where id = ?; delete from people", 1)
    assert.equal(3, db:fetch_value "select count(*) from people")
    fails("usage", db, "fetch_all", "select 1; select 2")
  end)

  it("a NUL byte in the SQL is refused", function()
    local _, err = db.try:fetch_all "select 1\0; drop table people"
    assert.is_true(covet.is(err, "usage", "syntax_error"))
  end)

  it("an unterminated string or comment is an error with its place", function()
    local err = fails("syntax_error", db, "fetch_all", "select 'abc")
    assert.equal(8, err.position)
    assert.matches("select 'abc\n%s+%^", tostring(err))
    err = fails("syntax_error", db, "fetch_all", "select 1 /* abc")
    assert.equal(10, err.position)
    fails("syntax_error", db, "fetch_all", "select \"abc")
    fails("syntax_error", db, "execute", "delete from people where name = 'x")
    assert.equal(3, db:fetch_value "select count(*) from people")
  end)

  it("answers many tasks at once, each its own", function()
    local list = {}
    for i = 1, 200 do
      list[i] = i
    end
    local answers = covet.each_parallel(list, 200, function(i)
      return db:fetch_value(d:echo "integer", i)
    end)
    assert.same(list, answers)
  end)

  it("get_pool_stats counts", function()
    local stats = db:get_pool_stats()
    assert.equal("number", type(stats.size))
    assert.equal(stats.size, stats.free + stats.used)
    assert.equal(0, stats.used)
    assert.equal(stats.size, stats.total_connections)
    db:with(function()
      assert.equal(1, db:get_pool_stats().used)
    end)
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("tells of queries and errors by on(event)", function()
    local seen, slow, failed = {}, 0, {}
    local forget = db:on("query", function(event)
      seen[#seen + 1] = event.sql
      assert(event.seconds >= 0)
    end)
    db:on("slow_query", function()
      slow = slow + 1
    end)
    db:on("error", function(event)
      failed[#failed + 1] = event.error.kind
    end)
    db:fetch_all "select 1 as one"
    db.try:fetch_all "select nonsense from people"
    assert.same({ "select 1 as one" }, seen)
    assert.same({ "undefined_column" }, failed)
    assert.equal(0, slow)
    forget()
    db:fetch_all "select 2 as two"
    assert.equal(1, #seen)
    assert.matches("query", fails("usage", db, "on", "querry", print).message)
    fails("usage", db, "on", "query")
  end)

  it("a slow query is told", function()
    local told
    local other = d:open { slow_query = 0.001 }
    other:on("slow_query", function(event)
      told = event
    end)
    other:fetch_value(d:sql("select count(*) from (" .. d.series .. ") s"), 100000)
    other:disconnect()
    assert.is_true(told.seconds >= 0.001)
  end)

  it("what another database has is unsupported here", function()
    if d.dialect ~= "postgresql" then
      fails("unsupported", db, "listen", "channel", print)
      fails("unsupported", db, "notify", "channel", "x")
      fails("unsupported", db, "copy_from_query", {})
      fails("unsupported", db, "copy_to_table", "people")
      fails("unsupported", db, "copy_from_table", "people")
    end
  end)
end)
