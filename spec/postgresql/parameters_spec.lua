-- Tables as parameters of every nested type, and back.
local covet = require "covet"
local decode_nested = require "covet.decode.nested"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

local null = covet.null

postgresql.describe("tables as parameters", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)

  before_each(function()
    database:clear()
    local given = postgresql.options(database.url)
    given.min_pool_size, given.max_pool_size = 1, 3
    db = covet.postgresql(given):connect()
    db:execute [[
      create extension hstore;
      create type mood as enum ('sad', 'ok', 'very happy');
      create type address as (street text, number integer);
      create type person as (name text, born date, homes address[], data jsonb, feels mood);
      create domain positive as integer check (value > 0);
      create type span as range (subtype = positive)]]
  end)
  after_each(function()
    db:disconnect(2)
  end)

  -- The value as it comes back, and as psql would print it.
  local function round(kind, value, types)
    local text = "select $1::" .. kind
    local got = db:fetch_value { text, value, types = types }
    return got, db:fetch_value(text .. "::text", value)
  end

  local function same(kind, value, expected)
    local got, text = round(kind, value)
    assert.same(value, got)
    if expected then
      assert.equal(expected, text)
    end
    return got
  end

  it("arrays of every kind of element", function()
    same("integer[]", { 1, null, -3 }, "{1,NULL,-3}")
    same("bigint[]", { 1, 2 ^ 53 }, "{1,9007199254740992}")
    same("bigint[]", { 9007199254740993LL })
    same("text[]", { "", "a b", 'quote"', "back\\slash", "NULL", "{}", ",", "é", "tab\t", "\n" })
    same("boolean[]", { true, false, null })
    same("float8[]", { 0.1, 1e300, -0.5, 1 / 3 })
    same("numeric[]", { "1.50", "-0.001", "NaN", "12345678901234567890.123" })
    same("bytea[]", { "\0\1\255", "" })
    same("uuid[]", { "6ba7b810-9dad-11d1-80b4-00c04fd430c8" })
    same("date[]", { "2024-02-29", "0044-03-15 BC", "infinity" })
    same("mood[]", { "sad", "very happy" }, '{sad,"very happy"}')
    same("positive[]", { 1, 2 })
    same("jsonb[]", { { a = 1 }, { 1, 2 }, "text", 7, true, null })
    same("address[]", { { street = "a b", number = 1 }, null, { street = "" } })
    same("int4range[]", { { lower = 1, upper = 5, bounds = "[)" }, { empty = true } })
    same("box[]", { "(1,1),(0,0)", "(2,2),(1,1)" })
    same("hstore[]", { { a = "1", b = null }, {} })
    same("integer[]", covet.array {}, "{}")
  end)

  it("arrays of several dimensions and of other lower bounds", function()
    same("integer[]", { { 1, 2 }, { 3, null } }, "{{1,2},{3,NULL}}")
    same("text[]", { { { "a" } }, { { "b" } } })
    local got = db:fetch_value "select '[0:1][5:6]={{1,2},{3,4}}'::int[]"
    assert.same({ { 1, 2 }, { 3, 4 } }, got)
    assert.same({ 0, 5 }, decode_nested.bounds(got))
    assert.equal("[0:1][5:6]={{1,2},{3,4}}", db:fetch_value("select $1::int[]::text", got))
    got = db:fetch_value "select array[array['[1]'::jsonb], array['{}'::jsonb]]"
    assert.equal("{{[1]},{{}}}", db:fetch_value("select replace($1::jsonb[]::text, '\"', '')", got))
    assert.equal(2, db:fetch_value("select array_ndims($1::jsonb[])", got))
  end)

  it("composites, and what is in them", function()
    same("address", { street = 'a "b", (c)', number = 7 })
    same("address", { number = 1 }, "(,1)")
    local ann = { name = "Ann", born = "1990-02-28", data = { tags = { "x", "y z" } }, feels = "very happy",
      homes = { { street = "a\\b", number = 1 }, { street = "c,d" } } }
    same("person", ann)
    same("person[]", { ann, { name = "Bob" } })
    assert.equal("(x,1)", db:fetch_value("select $1::address::text", { "x", 1 }))
    local row = db:fetch_one { "select 'q' as street, 2 as number", rows = "record" }
    assert.equal("(q,2)", db:fetch_value("select $1::address::text", row))
    row = db:fetch_all { "select 'q' as street, 2 as number", rows = "lazy" }[1]
    assert.equal("(q,2)", db:fetch_value("select $1::address::text", row))
    assert.same({ 1, "a", null }, db:fetch_value("select row($1::int, 'a'::text, null::int)", 1))
  end)

  it("ranges and multiranges", function()
    same("int4range", { lower = 1, upper = 5, bounds = "[)" }, "[1,5)")
    same("int4range", { empty = true }, "empty")
    same("int4range", { bounds = "()" }, "(,)")
    same("tstzrange", { lower = "2024-01-01 00:00:00+00", bounds = "(" .. ")" })
    same("numrange", { lower = "1.5", upper = "2.5", bounds = "[]" })
    same("span", { lower = 1, upper = 3, bounds = "[)" })
    same("int4multirange", { { lower = 1, upper = 3, bounds = "[)" }, { lower = 7, bounds = "[)" } })
    same("int4multirange", covet.array {}, "{}")
  end)

  it("hstore", function()
    same("hstore", { a = "1", ['q"'] = "\\", n = null, [""] = "" })
    same("hstore", {}, "")
  end)

  it("json, where the server says that it is", function()
    same("jsonb", { a = { 1, { b = null } }, list = covet.array {} })
    assert.equal("[1, 2]", db:fetch_value("select $1::jsonb::text", { 1, 2 }))
    assert.equal('{"a":1}', db:fetch_value("select $1::json::text", { a = 1 }))
    assert.equal("[]", db:fetch_value("select $1::jsonb::text", covet.array {}))
  end)

  it("dates and times as tables and as seconds", function()
    local types = { date = "table", time = "table", timestamp = "table" }
    for kind, text in pairs {
      date = "2024-02-29", timestamp = "2024-02-29 23:59:59.999999", timestamptz = "2024-02-29 12:00:00.5+00",
      time = "23:00:01", timetz = "23:00:01+05:30",
    } do
      local value = db:fetch_value { "select '" .. text .. "'::" .. kind, types = types }
      assert.equal("table", type(value), kind)
      assert.equal(text, db:fetch_value("select $1::" .. kind, value))
    end
    types = { date = "epoch", timestamp = "epoch" }
    for kind, text in pairs { date = "2024-02-29", timestamptz = "2024-02-29 12:00:00.5+00" } do
      local value = db:fetch_value { "select '" .. text .. "'::" .. kind, types = types }
      assert.equal("number", type(value))
      assert.equal(text, db:fetch_value("select $1::" .. kind, value))
      assert.same({ text }, db:fetch_value("select $1::" .. kind .. "[]", { value }))
    end
    assert.equal("2024-02-29 12:00:00.5+00", db:fetch_value("select $1::timestamptz", os.time and
      { year = 2024, month = 2, day = 29, hour = 12, usec = 500000 }))
  end)

  it("as text, where that is asked for", function()
    local as_text = { array = "string", composite = "string", range = "string", hstore = "string" }
    for kind, literals in pairs {
      ["integer[]"] = { "{1,NULL}", "{}", "[0:1]={1,2}", "{{1},{2}}" },
      ["text[]"] = { [[{a,"b c","q\"","\\",NULL,"NULL",""}]] },
      ["float8[]"] = { "{0.1,1e+300,1e-05,-0,Infinity,NaN,100000}" },
      ["float4[]"] = { "{0.1,1e+06,123456}" },
      ["boolean[]"] = { "{t,f,NULL}" }, ["bytea[]"] = { [[{"\\x00ff"}]] },
      ["box[]"] = { "{(1,1),(0,0);(2,2),(1,1)}" },
      ["jsonb[]"] = { [[{"{\"a\": 1}",[1]}]] },
      ["date[]"] = { '{2024-02-29,"0044-03-15 BC"}' },
      address = { '("a b",1)', "(,)", [[("q""\\",)]] },
      ["address[]"] = { [[{"(\"a b\",1)",NULL}]] },
      int4range = { "[1,5)", "empty", "(,)" }, tsrange = { '["2024-01-01 00:00:00",)' },
      int4multirange = { "{[1,3),[5,7)}", "{}" }, hstore = { '"a"=>"1", "b"=>NULL', "" },
    } do
      for _, literal in ipairs(literals) do
        assert.equal(literal, db:fetch_value { "select '" .. literal:gsub("'", "''") .. "'::" .. kind,
          types = as_text })
      end
    end
  end)

  it("are refused with place and type, and nothing is sent", function()
    local sent = 0
    local stop = db:on("query", function() sent = sent + 1 end)
    local function message(...)
      return fails("usage", db, "fetch_value", ...).message
    end
    assert.equal('parameter 2: expected integer[], got a table with the key "x"',
      message("select $1::int, $2::int[]", 1, { x = 1 }))
    assert.equal("parameter 1: element 2: expected integer, got a number with a fraction",
      message("select $1::int[]", { 1, 1.5 }))
    assert.equal('parameter 1: address has no attribute "city"',
      message("select $1::address", { city = "x" }))
    assert.equal("parameter :who: element 1: attribute born: expected date, got a boolean",
      message { "select :who::person[]", params = { who = { { born = true } } } })
    assert.equal(0, sent)
    stop()
  end)

  it("in every call", function()
    db:execute "create table t (id int, tags text[], home address)"
    assert.equal(1, db:execute("insert into t values ($1, $2, $3)", 1, { "a" },
      { street = "x" }).affected_rows)
    assert.equal(2, db:execute_many("insert into t values ($1, $2, $3)",
      { { 2, { "b" }, { number = 1 } }, { 3, {}, { "y", 2 } } }))
    local err = fails("usage", db, "execute_many", "insert into t values ($1, $2, $3)",
      { { 4, { "b" } }, { 5, { b = 1 } } })
    assert.matches("parameter 2: expected text%[%]", err.message)
    assert.matches("row 2", err.detail)
    assert.equal(3, db:fetch_value "select count(*) from t")
    local ids = {}
    for row in db:each("select id from t where tags && $1 or id = any($2) order by id", { "b" }, { 1, 3 }) do
      ids[#ids + 1] = row.id
    end
    assert.same({ 1, 2, 3 }, ids)
    local statement = db:prepare "select id from t where id = any($1) and home = $2::address"
    assert.same({ "integer[]", "address" },
      { statement.parameters[1].type, statement.parameters[2].type })
    assert.equal(1, statement:fetch_value({ 1, 2 }, { street = "x" }))
    db:transaction(function(tx)
      assert.equal(1, tx:fetch_value("select id from t where home = $1::address", { street = "x" }))
    end)
    assert.equal(2, db:pipeline(function(p)
      return p:fetch_value("select count(*) from t where id = any($1)", { 1, 2 })
    end):result())
  end)

  it("follow a type that is changed", function()
    assert.equal("(x,1)", db:fetch_value("select $1::address::text", { street = "x", number = 1 }))
    db:execute "alter type address add attribute city text"
    db:reload_types()
    assert.equal("(x,1,c)", db:fetch_value("select $1::address::text",
      { street = "x", number = 1, city = "c" }))
    assert.same({ street = "x", city = "c" },
      db:fetch_value("select $1::address", { street = "x", city = "c" }))
  end)

  it("beyond 64 bits with a sign where there is room", function()
    assert.equal("18446744073709551615", db:fetch_value("select $1::numeric", 18446744073709551615ULL))
    fails("usage", db, "fetch_value", "select $1::bigint", 18446744073709551615ULL)
  end)

  it("arrays whose parts are not of one length are refused", function()
    local err = fails("usage", db, "fetch_value", "select $1::int[]", { {}, { 1, 2 } })
    assert.matches("element 2: expected a list of 0 as the others, got one of 2", err.message)
    fails("usage", db, "fetch_value", "select $1::int[]", { { {} }, { { 1 } } })
    fails("usage", db, "fetch_value", "select $1::int[]", { {}, null })
    assert.same({}, db:fetch_value("select $1::int[]", { {}, {} }))
  end)

  it("arrays of composites whose first attribute is NULL", function()
    db:execute "create type pair as (a int, b text)"
    local got = db:fetch_value("select $1::pair[]", { { nil, "x" }, { 1, "y" }, { null, "z" } })
    assert.same({ { b = "x" }, { a = 1, b = "y" }, { b = "z" } }, got)
  end)

  it("ranges of what may be false", function()
    db:execute "create type boolrange as range (subtype = boolean)"
    assert.same({ lower = false, upper = true, bounds = "[]" },
      db:fetch_value "select '[false,true]'::boolrange")
    local range = { lower = false, upper = false, bounds = "[]" }
    assert.same(range, db:fetch_value("select $1::boolrange", range))
  end)

  it("nested values as the server's text, single precision too", function()
    db:execute "create type measures as (a real, b float8, c real[])"
    local text = "select '(0.1,0.1,\"{0.1,1e-07}\")'::measures"
    local types = { composite = "string" }
    assert.equal(db:fetch_value(text .. "::text"), db:fetch_value { text, types = types })
    assert.equal("{0.1,1e-07}", db:fetch_value { "select '{0.1,1e-07}'::real[]",
      types = { array = "string" } })
  end)

  it("tables of a prepared statement are values where it takes some", function()
    db:execute "create table documents (body jsonb)"
    local insert = db:prepare "insert into documents values ($1)"
    insert:execute { timeout = 30 }
    insert:execute { rows = 30 }
    insert:execute { { timeout = 5 }, timeout = 30 }
    assert.same({ { timeout = 30 }, { rows = 30 }, { timeout = 5 } },
      db:fetch_column "select body from documents")
    assert.same({ { 7 } }, db:prepare "select 7 as a":fetch_all { rows = "array" })
  end)
end)
