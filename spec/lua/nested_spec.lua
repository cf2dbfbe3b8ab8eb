-- Arrays, composites, ranges, multiranges and maps, as cells.
local batches = require "spec.support.batch"

local columns = require "covet.columns"
local decode = require "covet.decode"
local json = require "covet.json"
local literal = require "covet.decode.literal"
local nested_module = require "covet.decode.nested"
local null = require "covet.null"

local cell, NULL, nested = batches.cell, batches.NULL, batches.nested

-- The one value of a column of this kind, read in every way there is.
local function value(kind, given, types, column_type)
  local shape = batches.shape {
    { "v", kind, column_type or kind, 77 }, { "n", "integer" },
  }
  local plan = decode.plan(types)
  local rows = {}
  for i = 1, 70 do -- enough for a reader to fit itself to them
    rows[i] = { given, i }
  end
  local batch = batches.batch(shape, rows)
  local out = {}
  decode.reader(shape, "named", plan)(batch, out, 0)
  local single = {}
  local one = batches.batch(shape, { rows[1] })
  decode.reader(shape, "record", plan)(one, single, 0)
  assert.same(out[1].v, single[1].v)
  assert.same(out[1].v, out[70].v)
  local lazy = {}
  decode.reader(shape, "lazy", plan)(batch, lazy, 0)
  assert.same(out[1].v, lazy[3].v)
  return out[1].v
end

-- As the server's text.
local function text(kind, given)
  return value(kind, given, { array = "string", composite = "string",
    range = "string", hstore = "string" })
end

local function array(...)
  return nested("array", { cells = { ... } })
end

-- covet_range_flags
local EMPTY, LOWER, UPPER, LOWER_INFINITE, UPPER_INFINITE = 1, 2, 4, 8, 16

describe("nested values", function()
  batches.without_binding(before_each, after_each)

  it("reads arrays", function()
    assert.same({ 1, 2, 3 }, value("array", array(1, 2, 3)))
    assert.same({ 1, null, 3 }, value("array", array(1, NULL, 3)))
    assert.same({ true, false }, value("array",
      array(cell("boolean", 1), cell("boolean", 0))))
    assert.same({ "a", "" }, value("array", array("a", "")))
    assert.same({ "a\0b" }, value("array", array(cell("blob", "a\0b"))))
    assert.is_nil(value("array", NULL))
    assert.equal("{1", value("array", "{1")) -- what no reader understood
  end)

  it("marks arrays, empty ones too", function()
    assert.is_true(json.is_array(value("array", array())))
    assert.is_true(json.is_array(value("array", array(1))))
    assert.equal("[]", json.encode(value("array", array())))
  end)

  it("reads arrays of several dimensions", function()
    local given = nested("array", { cells = { 1, 2, 3, 4, 5, 6 },
      sizes = { 2, 1, 3, 1 } })
    local list = value("array", given)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, list)
    assert.same({ 1, 1 }, nested_module.bounds(list))
    assert.equal("[[1,2,3],[4,5,6]]", json.encode(list))
    assert.equal("{{1,2,3},{4,5,6}}", text("array", given))
    local deep = value("array", nested("array", { cells = { 7 },
      sizes = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } }))
    assert.same({ { { { { { 7 } } } } } }, deep)
  end)

  it("keeps lower bounds", function()
    local given = nested("array", { cells = { 1, 2 }, sizes = { 2, -1 } })
    local list = value("array", given)
    assert.same({ 1, 2 }, list)
    assert.same({ -1 }, nested_module.bounds(list))
    assert.equal("[1,2]", json.encode(list))
    assert.equal("[-1:0]={1,2}", text("array", given))
    assert.equal("[1:1][0:1]={{1,2}}", text("array", nested("array",
      { cells = { 1, 2 }, sizes = { 1, 1, 2, 0 } })))
    assert.is_nil(nested_module.bounds(value("array", array(1))))
  end)

  it("converts what is inside as a column of its type", function()
    assert.same({ 1.5 }, value("array", array(cell("numeric", "1.5")),
      { numeric = "number" }))
    assert.same({ "1.50" }, value("array", array(cell("numeric", "1.50"))))
    assert.same({ { a = 1 }, null, "text", 2 }, value("array",
      array(cell("json", '{"a":1}'), cell("json", "null"), cell("json", '"text"'),
        cell("json", "2"))))
    assert.same({ '{"a": 1}' }, value("array", array(cell("json", '{"a": 1}')),
      { json = "string" }))
    assert.same({ 86400 }, value("array", array(cell("date", "1970-01-02")),
      { date = "epoch" }))
    assert.same({ 1.5 }, value("array",
      array(cell("timestamptz", "1970-01-01 00:00:01.5+00")),
      { timestamptz = "epoch" }))
    assert.same({ 1.5 }, value("array",
      array(cell("timestamptz", "1970-01-01 00:00:01.5+00")),
      { timestamp = "epoch" }))
    assert.equal(30, value("array", array(cell("time", "00:00:30")),
      { time = "table" })[1].sec)
    assert.same({ "9007199254740993", "1" }, value("array",
      array(9007199254740993LL, 1), { int8 = "string" }))
    assert.equal("cdata", type(value("array", array(1), { int8 = "cdata" })[1]))
    assert.equal(9007199254740993LL, value("array", array(9007199254740993LL))[1])
    assert.equal(2 ^ 53, value("array", array(9007199254740992LL))[1])
    local shape = batches.shape { { "v", "array" } }
    local out = {}
    decode.reader(shape)(batches.batch(shape, { { array(cell("float", 0 / 0)) } }), out, 0)
    assert.is_true(out[1].v[1] ~= out[1].v[1])
  end)

  it("reads composites by name", function()
    local given = nested("composite", { names = { "id", "name", "note" },
      cells = { 1, "a b", NULL } })
    assert.same({ id = 1, name = "a b" }, value("composite", given))
    assert.same({ id = 1, name = "a b", note = null },
      value("composite", given, { null = null }))
    assert.equal('(1,"a b",)', text("composite", given))
  end)

  it("reads composites without names by position", function()
    local given = nested("composite", { cells = { 1, NULL, "x" } })
    assert.same({ 1, null, "x" }, value("composite", given))
    assert.same({}, value("composite", nested("composite", { cells = {} })))
    assert.equal("()", text("composite", nested("composite", { cells = {} })))
  end)

  it("reads ranges", function()
    local function range(flags, lower, upper)
      return nested("range", { flags = flags, cells = { lower, upper } })
    end
    assert.same({ lower = 1, upper = 10, bounds = "[)" },
      value("range", range(LOWER, 1, 10)))
    assert.same({ lower = 1, bounds = "[)" },
      value("range", range(LOWER + UPPER_INFINITE, 1, NULL)))
    assert.same({ bounds = "()" },
      value("range", range(LOWER_INFINITE + UPPER_INFINITE, NULL, NULL)))
    assert.same({ lower = 1, upper = 2, bounds = "[]" },
      value("range", range(LOWER + UPPER, 1, 2)))
    local empty = nested("range", { flags = EMPTY, cells = {} })
    assert.same({ empty = true }, value("range", empty))
    assert.equal("empty", text("range", empty))
    assert.equal("[1,10)", text("range", range(LOWER, 1, 10)))
    assert.equal("(,)", text("range",
      range(LOWER_INFINITE + UPPER_INFINITE, NULL, NULL)))
    assert.equal('["2024-01-01 00:00:00","""a"",\\\\")', text("range",
      range(LOWER, cell("timestamp", "2024-01-01 00:00:00"), '"a",\\')))
    local multi = nested("multirange", { cells = { range(LOWER, 1, 3),
      range(LOWER, 5, 7) } })
    assert.same({ { lower = 1, upper = 3, bounds = "[)" },
      { lower = 5, upper = 7, bounds = "[)" } }, value("multirange", multi))
    assert.equal("{[1,3),[5,7)}", text("multirange", multi))
    assert.is_true(json.is_array(value("multirange",
      nested("multirange", { cells = {} }))))
  end)

  it("reads maps", function()
    local map = nested("map", { cells = { "a", "1", 'b"\\', NULL } })
    assert.same({ a = "1", ['b"\\'] = null }, value("map", map))
    assert.equal('"a"=>"1", "b\\"\\\\"=>NULL', text("map", map))
    assert.equal("", text("map", nested("map", { cells = {} })))
  end)

  it("reads what is nested in nested values", function()
    local point = nested("composite", { names = { "tags", "at" }, cells = {
      array("x", 'y"'),
      nested("range", { flags = LOWER, cells = { cell("date", "2024-01-01"), NULL } }),
    } })
    local given = array(point, NULL)
    assert.same({
      { tags = { "x", 'y"' }, at = { lower = "2024-01-01", bounds = "[)" } }, null,
    }, value("array", given))
    assert.equal('{"(\\"{x,\\"\\"y\\\\\\\\\\"\\"\\"\\"}\\",\\"[2024-01-01,)\\")",NULL}',
      text("array", given))
    assert.same({ '("{x,""y\\\\""""}","[2024-01-01,)")', null },
      value("array", given, { composite = "string" }))
    assert.same({ tags = '{x,"y\\""}', at = { lower = "2024-01-01", bounds = "[)" } },
      value("composite", point, { array = "string" }))
  end)

  it("writes elements as the server does", function()
    for given, expected in pairs {
      [""] = '""', null = '"null"', NULL = '"NULL"', nullx = "nullx",
      ["a b"] = '"a b"', ["a,b"] = '"a,b"', ["a{"] = '"a{"', ['"'] = '"\\""',
      ["\\"] = '"\\\\"', ["(a)"] = "(a)", ["\t"] = '"\t"', ["ü"] = "ü",
      ["'"] = "'",
    } do
      assert.equal("{" .. expected .. "}", text("array", array(given)))
    end
    assert.equal('{"\\\\x00ff",NULL,t,f}', text("array",
      array(cell("blob", "\0\255"), NULL, cell("boolean", 1), cell("boolean", 0))))
    assert.equal("{(1,1),(0,0);(2,2),(1,1)}", text("array", nested("array",
      { type_id = 1020, cells = { "(1,1),(0,0)", "(2,2),(1,1)" } })))
    for given, expected in pairs {
      [""] = '""', ["a b"] = '"a b"', ["("] = '"("', ['"'] = '""""',
      ["\\"] = '"\\\\"', ["NULL"] = "NULL", ["{}"] = "{}",
    } do
      assert.equal("(" .. expected .. ")", text("composite",
        nested("composite", { cells = { given } })))
    end
  end)

  it("writes floats as the server does", function()
    for _, pair in ipairs {
      { 0.1, "0.1" }, { 1 / 3, "0.3333333333333333" }, { 100, "100" },
      { 1e15, "1e+15" }, { 123456789012345, "123456789012345" },
      { 1e14, "100000000000000" }, { 1e-4, "0.0001" }, { 1e-5, "1e-05" },
      { 1.5e300, "1.5e+300" }, { -0.0, "-0" }, { 5e-324, "5e-324" },
      { 1 / 0, "Infinity" }, { -1 / 0, "-Infinity" }, { 0 / 0, "NaN" },
      { 0.00012, "0.00012" }, { 1.25, "1.25" }, { -12.5, "-12.5" },
      { 1.7976931348623157e308, "1.7976931348623157e+308" },
    } do
      assert.equal(pair[2], literal.float(pair[1]))
    end
    assert.equal("0.1", literal.float(0.10000000149011612, true))
    assert.equal("1e+06", literal.float(1000000, true))
    assert.equal("123456", literal.float(123456, true))
    assert.equal("{0.1}", text("array", nested("array", {
      cells = { cell("float", 0.10000000149011612, 4) } })))
  end)

  it("leaves what has no codec as it is", function()
    assert.equal("raw", value("custom", "raw"))
    assert.same({ "raw" }, value("array", array(cell("custom", "raw"))))
  end)

  it("hands what has a codec to it", function()
    local seen = {}
    local codecs = { plans = {}, decode = function(type_id, index, given)
      seen[#seen + 1] = { type_id, index, given }
      return "<" .. given .. ">"
    end }
    local plan = decode.plan({}, nil, codecs)
    assert.equal(plan, decode.plan({}, nil, codecs))
    assert.not_equal(plan, decode.plan {})
    assert.equal(codecs, decode.plan_with_null(plan, null).codecs)
    local shape = batches.shape { { "a", "custom", "mine", 77 },
      { "b", "array", "mine[]", 78 } }
    local batch = batches.batch(shape, { { cell("blob", "x"),
      nested("array", { type_id = 78, cells = { cell("custom", "y") } }) } })
    local out = {}
    decode.reader(shape, "named", plan)(batch, out, 0)
    assert.same({ { a = "<x>", b = { "<y>" } } }, out)
    assert.same({ { 77, nil, "x" }, { 78, 0, "y" } }, seen)
  end)

  it("knows numeric and timestamptz by kind", function()
    assert.equal(1.5, value("numeric", "1.5", { numeric = "number" }, "amount"))
    assert.equal(1, value("timestamptz", "1970-01-01 00:00:01+00",
      { timestamptz = "epoch" }, "timestamp with time zone"))
    assert.equal(1, value("timestamptz", "1970-01-01 00:00:01+00",
      { timestamp = "epoch" }, "timestamp with time zone"))
    assert.equal("1970-01-01 00:00:01+00", value("timestamptz",
      "1970-01-01 00:00:01+00", { timestamptz = "string", timestamp = "epoch" },
      "timestamp with time zone"))
  end)

  it("puts them into columns as text", function()
    local shape = batches.shape { { "v", "array", "integer[]" } }
    local batch = batches.batch(shape, { { array(1, NULL) }, { NULL }, { array() } })
    local builder = columns.append_all(batch, nil, decode.plan())
    local result = builder:finish()
    assert.equal("string", result.v.kind)
    assert.equal("{1,NULL}", result.v:get(1))
    assert.is_nil(result.v:get(2))
    assert.equal("{}", result.v:get(3))
  end)

  it("reads rows with many nested columns", function()
    local described, row, expected = {}, {}, {}
    for i = 1, 160 do
      described[i] = { "c" .. i, "array" }
      row[i], expected["c" .. i] = array(i), { i }
    end
    local shape = batches.shape(described)
    local out = {}
    decode.reader(shape)(batches.batch(shape, { row }), out, 0)
    assert.same({ expected }, out)
  end)
end)
