-- Lua values as texts of PostgreSQL's types.
local ffi = require "ffi"
local covet = require "covet"
local encode = require "covet.adapter.postgresql.encode"
local nested = require "covet.decode.nested"

local null = covet.null

local function scalar(name, form, oid, moment)
  return { name = name, form = form, oid = oid, moment = moment }
end

local function array_of(element, delimiter)
  return { name = element.name .. "[]", form = "array", element = element,
    delimiter = delimiter or "," }
end

local INTEGER, TEXT = scalar("integer", "int4"), scalar("text", "text")
local BIGINT, JSON = scalar("bigint", "int8"), scalar("jsonb", "json")
local BOOLEAN, BYTEA = scalar("boolean", "boolean"), scalar("bytea", "bytea")
local FLOAT, NUMERIC = scalar("double precision", "float"), scalar("numeric", "numeric")
local DATE = scalar("date", "moment", 1082, "date")
local TIME = scalar("time without time zone", "moment", 1083, "time")
local TIMESTAMP = scalar("timestamp without time zone", "moment", 1114, "timestamp")
local TIMESTAMPTZ = scalar("timestamp with time zone", "moment", 1184, "timestamptz")
local UUID, HSTORE = scalar("uuid", "other"), scalar("hstore", "hstore")
local BOX = scalar("box", "other")
local POINT = { name = "pair", form = "composite", attributes = {
  { name = "x", type = INTEGER }, { name = "label", type = TEXT },
} }
local NODE = { name = "node", form = "composite", attributes = {
  { name = "tags", type = array_of(TEXT) }, { name = "data", type = JSON },
  { name = "at", type = POINT }, { name = "on", type = DATE },
} }
local RANGE = { name = "int4range", form = "range", element = INTEGER }
local PERIOD = { name = "tsrange", form = "range", element = TIMESTAMP }
local MULTIRANGE = { name = "int4multirange", form = "multirange", element = RANGE }
local POSITIVE = { name = "positive", form = "domain", element = INTEGER }
local LIST = { name = "list", form = "domain", element = array_of(INTEGER) }

local function is(expected, kind, value)
  local text, fault = encode.text(kind, value)
  assert.is_nil(fault)
  assert.equal(expected, text)
end

local function refuses(fault, kind, value)
  local text, said = encode.text(kind, value)
  assert.is_nil(text)
  assert.equal(fault, said)
end

describe("parameters of PostgreSQL", function()
  it("writes arrays", function()
    is("{1,2,3}", array_of(INTEGER), { 1, 2, 3 })
    is("{}", array_of(INTEGER), {})
    is("{}", array_of(INTEGER), covet.array {})
    is("{}", array_of(INTEGER), { {}, {} })
    is("{1,NULL,3}", array_of(INTEGER), { 1, null, 3 })
    is("{t,f}", array_of(BOOLEAN), { true, false })
    is("{9007199254740993,18446744073709551615}", array_of(NUMERIC),
      { 9007199254740993LL, 18446744073709551615ULL })
    is("{-9223372036854775808}", array_of(BIGINT), { -9223372036854775807LL - 1 })
    is("{0.1,0.30000000000000004,1e+300,NaN,Infinity,-Infinity}", array_of(FLOAT),
      { 0.1, 0.1 + 0.2, 1e300, 0 / 0, 1 / 0, -1 / 0 })
    is('{"\\\\x00ff61"}', array_of(BYTEA), { "\0\255a" })
    is('{"\\\\x00"}', array_of(BYTEA), { covet.bytes "\0" })
    is("{(1,1),(0,0);(2,2),(1,1)}", array_of(BOX, ";"), { "(1,1),(0,0)", "(2,2),(1,1)" })
    is("{1,2}", array_of(POSITIVE), { 1, 2 })
    is("{1,2}", LIST, { 1, 2 })
    is("{a}", array_of(TEXT), "{a}") -- a text is the server's to read
  end)

  it("quotes elements exactly", function()
    is('{a,"","NULL","null",nullx,"a b","a,b","{","}","\\"","\\\\",\',ü,"tab\t"}', array_of(TEXT),
      { "a", "", "NULL", "null", "nullx", "a b", "a,b", "{", "}", '"', "\\", "'", "ü",
        "tab\t" })
    is('{"a\nb"}', array_of(TEXT), { "a\nb" })
  end)

  it("writes arrays of several dimensions", function()
    is("{{1,2},{3,4}}", array_of(INTEGER), { { 1, 2 }, { 3, 4 } })
    is("{{{1}},{{NULL}}}", array_of(INTEGER), { { { 1 } }, { { null } } })
    refuses("element 2: expected a list of 2 as the others, got one of 1",
      array_of(INTEGER), { { 1, 2 }, { 3 } })
    refuses("element 2: expected a list of 1, got a number", array_of(INTEGER), { { 1 }, 2 })
    refuses("element 2: expected integer, got a table that is a list", array_of(INTEGER),
      { 1, { 2 } })
    refuses("expected integer[], got more than 6 dimensions", array_of(INTEGER),
      { { { { { { { 1 } } } } } } })
  end)

  it("gives lower bounds back", function()
    is("[0:1]={1,2}", array_of(INTEGER), nested.mark({ 1, 2 }, { 0 }))
    is("[0:2]={1,2,3}", array_of(INTEGER), nested.mark({ 1, 2, 3 }, { 0 }))
    is("[1:1][-1:0]={{1,2}}", array_of(INTEGER), nested.mark({ { 1, 2 } }, { 1, -1 }))
    is("{{1,2}}", array_of(INTEGER), nested.mark({ { 1, 2 } }, { 1, 1 }))
    is("{}", array_of(INTEGER), nested.mark({}, { 0 }))
  end)

  it("takes tables in arrays of json for values", function()
    is('{"[1,2]","{\\"a\\":1}",NULL,"\\"text\\"",1,true}', array_of(JSON),
      { { 1, 2 }, { a = 1 }, null, "text", 1, true })
    is('{"{\\"a\\":1}"}', array_of(JSON), { covet.json { a = 1 } })
    is('{{[1]},{[2]}}', array_of(JSON), nested.mark({ { { 1 } }, { { 2 } } }, { 1, 1 }))
    is("[1,2]", JSON, { 1, 2 })
    is("[]", JSON, covet.array {})
    refuses("element 1: cannot encode as JSON: JSON has no function", array_of(JSON), { print })
  end)

  it("writes composites", function()
    is('(1,"a b")', POINT, { x = 1, label = "a b" })
    is("(,)", POINT, {})
    is("(1,)", POINT, { x = 1, label = null })
    is('(1,"")', POINT, { x = 1, label = "" })
    is([[(1,"""\\")]], POINT, { x = 1, label = [["\]] })
    is("(1,a)", POINT, { 1, "a" })
    is("(1,)", POINT, { 1 })
    is("(,a)", POINT, { null, "a" })
    is('{"(1,a)",NULL,"(2,)"}', array_of(POINT), { { x = 1, label = "a" }, null, { 2 } })
    is('{{"(1,a)"},{"(2,b)"}}', array_of(POINT), { { { x = 1, label = "a" } }, { { x = 2, label = "b" } } })
    is('("{a,""b c""}","{""k"":[1]}","(1,""x """"y"")",2024-02-29)', NODE, {
      tags = { "a", "b c" }, data = { k = { 1 } }, at = { x = 1, label = 'x "y' },
      on = { year = 2024, month = 2, day = 29 },
    })
    refuses('pair has no attribute "y"', POINT, { x = 1, y = 2 })
    refuses("pair has 2 attributes, got a value at 3", POINT, { 1, "a", 2 })
    refuses("attribute x: expected integer, got a number with a fraction", POINT, { x = 1.5 })
    refuses("element 2: attribute x: expected integer, got a string that is no integer",
      array_of(POINT), { { x = 1 }, { x = "a" } })
  end)

  it("writes ranges and multiranges", function()
    is("[1,5)", RANGE, { lower = 1, upper = 5 })
    is("(1,5]", RANGE, { lower = 1, upper = 5, bounds = "(]" })
    is("[1,)", RANGE, { lower = 1 })
    is("(,)", RANGE, { bounds = "()" })
    is("empty", RANGE, { empty = true })
    is('["2024-01-01 00:00:00",)', PERIOD, { lower = { year = 2024, month = 1, day = 1, hour = 0 } })
    is("{[1,3),[5,)}", MULTIRANGE, { { lower = 1, upper = 3 }, { lower = 5 } })
    is("{}", MULTIRANGE, {})
    is('{"[1,3)",NULL}', array_of(RANGE), { { lower = 1, upper = 3 }, null })
    is('{"{[1,3)}","{}"}', array_of(MULTIRANGE), { { { lower = 1, upper = 3 } }, {} })
    refuses("lower: expected integer, got a boolean", RANGE, { lower = true })
    refuses('bounds of a int4range must be "[)", "(]", "[]" or "()"', RANGE, { lower = 1, bounds = "[" })
    refuses('expected int4range { lower =, upper =, bounds = } or { empty = true }, '
      .. 'got a table with the key "from"', RANGE, { from = 1 })
    refuses("expected int4range, got an empty table", RANGE, {})
  end)

  it("writes maps", function()
    is('"a"=>"1", "b"=>NULL, "c\\"\\\\"=>"x"', HSTORE, { a = 1, b = null, ['c"\\'] = "x" })
    is("", HSTORE, {})
    is('{"\\"a\\"=>\\"1\\""}', array_of(HSTORE), { { a = "1" } })
    refuses("expected hstore, got a table that is a list", HSTORE, { "a" })
    refuses('key "a": expected text, got a table that is a list', HSTORE, { a = { 1 } })
  end)

  it("writes dates and times", function()
    local moment = { year = 2024, month = 2, day = 29, hour = 1, min = 2, sec = 3, usec = 500000 }
    is("2024-02-29 01:02:03.5", TIMESTAMP, moment)
    is("2024-02-29 01:02:03.5+00", TIMESTAMPTZ, moment)
    is("2024-02-29", DATE, moment)
    is("01:02:03.5", TIME, { hour = 1, min = 2, sec = 3, usec = 500000 })
    is("2024-02-29 01:00:00-05:30", TIMESTAMPTZ,
      { year = 2024, month = 2, day = 29, hour = 1, offset = -19800 })
    is("0044-03-15 BC", DATE, { year = -43, month = 3, day = 15 })
    is("1970-01-01 00:00:01.5+00", TIMESTAMPTZ, 1.5)
    is("1970-01-02", DATE, 86400)
    is("infinity", TIMESTAMP, 1 / 0)
    is("2024-02-29", DATE, "2024-02-29")
    is("2024-02-29 00:00:00", TIMESTAMP, os.date("!*t", 1709164800))
    refuses("expected date: there is no field yaer in a date or time", DATE, { yaer = 1 })
    refuses("expected date: year without month and day", DATE, { year = 1 })
    refuses("expected date: field month: expected integer, got a string", DATE,
      { year = 1, month = "x", day = 1 })
    refuses("expected timestamp without time zone: year is missing", TIMESTAMP, { hour = 1 })
  end)

  it("refuses what has no place in a type, and never says the value", function()
    refuses('expected integer[], got a table with the key "x"', array_of(INTEGER), { x = 1 })
    refuses("expected integer[], got a number", array_of(INTEGER), 7)
    refuses("element 2: expected integer, got a number with a fraction", array_of(INTEGER), { 1, 1.5 })
    refuses("element 1: expected integer, got a number out of its range", array_of(INTEGER), { 2 ^ 31 })
    refuses("element 1: expected bigint, got a 64-bit integer out of its range", array_of(BIGINT),
      { 18446744073709551615ULL })
    refuses("element 1: expected bigint, got a number out of its range", array_of(BIGINT), { 2 ^ 63 })
    refuses("element 1: expected boolean, got a number", array_of(BOOLEAN), { 1 })
    refuses("element 1: expected text, got a string with a NUL byte", array_of(TEXT), { "a\0" })
    refuses("element 1: expected uuid, got a function", array_of(UUID), { print })
    refuses("element 1: expected integer, got cdata of type int [2]", array_of(INTEGER), { ffi.new "int[2]" })
    refuses("expected integer[], got a list with holes: 2 values up to index 3 (covet.null is NULL)",
      array_of(INTEGER), { 1, nil, 3 })
    refuses("expected integer, got a table that is a list", POSITIVE, { 1 })
    refuses('expected text, got a table with the key "a"; covet.json(v) or covet.array(v) say what it is',
      TEXT, { a = 1 })
    is("{a,b}", TEXT, covet.array { "a", "b" })
  end)

  it("ends with tables that hold themselves", function()
    local tree = { name = "tree", form = "composite" }
    tree.attributes = { { name = "children", type = array_of(tree) } }
    is('("{""({})""}")', tree, { children = { { children = {} } } })
    local loop = {}
    loop.children = { loop }
    local text, fault = encode.text(tree, loop)
    assert.is_nil(text)
    assert.matches("nested more than 100 deep", fault)
  end)
end)
