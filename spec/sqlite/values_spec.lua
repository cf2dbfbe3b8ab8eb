-- Values against the sqlite3 command: it prints the same literals.
local covet = require "covet"
local fails = require "spec.support.fails"
local ffi = require "ffi"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

-- Literals by the type that `typeof` answers.
local INTEGERS = { "0", "1", "-1", "127", "128", "-32769", "2147483648", "9007199254740991",
  "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807",
  "-9223372036854775808", "0x7fffffffffffffff", "0xff", "1 = 1", "length('abc')" }
local REALS = { "0.5", "-0.5", "0.1", "1e300", "-1e300", "1e-300", "1.7976931348623157e308", "5e-324",
  "2.2250738585072014e-308", "123456789.123456789", "9223372036854775808", "1e15", "1e16", "1e17", "1.0 / 3",
  "-9223372036854775809", "3.0", "9e999", "-9e999" }
local TEXTS = { "''", "'a'", "'it''s'", "'é'", "'漢字'", "char(10)", "char(0)", "'a' || char(0) || 'b'",
  "cast(x'ff' as text)", "cast(x'c328' as text)", "'\\'", "hex('x')", "char(0x10ffff)", "printf('%s', 'x')",
  "date('2024-02-29')", "json('{\"a\":[1,null]}')" }
local BLOBS = {
  "x''", "x'00'", "x'00ff'", "x'616263'", "zeroblob(3)", "cast('a' as blob)" }

local function ask(expressions)
  local parts = {}
  for i, expression in ipairs(expressions) do
    parts[i] = ("select typeof(v), quote(v), hex(v), hex(ieee754_to_blob(v)) from (select %s as v);")
      :format(expression)
  end
  local result = process.run { "sqlite3", "-batch", "-separator", "\t", ":memory:",
    stdin = table.concat(parts, "\n"), limit = 10 }
  assert(result.status == 0, result.stderr)
  local answers = {}
  for kind, quoted, hex, bits in result.stdout:gmatch "([^\t\n]*)\t([^\t]*)\t([^\t\n]*)\t([^\n]*)\n" do
    answers[#answers + 1] = { kind = kind, quoted = quoted, hex = hex, bits = bits }
  end
  assert(#answers == #expressions, result.stdout)
  return answers
end

local function to_hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02X"):format(byte:byte())
  end))
end

-- The eight bytes of a double, the highest first.
local function bits_of(value)
  return to_hex(ffi.string(ffi.new("double[1]", value), 8):reverse())
end

describe("SQLite values beside the sqlite3 command", function()
  local db
  before_each(function()
    db = covet.sqlite()
  end)
  after_each(function()
    db:disconnect(1)
  end)

  it("integers", function()
    for i, answer in ipairs(ask(INTEGERS)) do
      assert.equal("integer", answer.kind)
      local value = db:fetch_value("select " .. INTEGERS[i])
      assert.equal(answer.quoted, covet.json.encode(value), INTEGERS[i])
      assert.equal(answer.quoted, db:fetch_value("select quote(?)", value), INTEGERS[i])
    end
  end)

  it("reals", function()
    for i, answer in ipairs(ask(REALS)) do
      assert.equal("real", answer.kind)
      local value = db:fetch_value("select " .. REALS[i])
      assert.equal("number", type(value))
      assert.equal(answer.bits, bits_of(value), REALS[i])
    end
  end)

  it("texts", function()
    for i, answer in ipairs(ask(TEXTS)) do
      assert.equal("text", answer.kind)
      local value = db:fetch_value("select " .. TEXTS[i])
      assert.equal(answer.hex, to_hex(value), TEXTS[i])
      assert.equal("text", db:fetch_value("select typeof(?)", value))
      assert.equal(answer.hex, db:fetch_value("select hex(?)", value), TEXTS[i])
    end
  end)

  it("blobs", function()
    for i, answer in ipairs(ask(BLOBS)) do
      assert.equal("blob", answer.kind)
      local value = db:fetch_value("select " .. BLOBS[i])
      assert.equal(answer.hex, to_hex(value), BLOBS[i])
      assert.same({ kind = "blob", hex = answer.hex },
        db:fetch_one("select typeof(?1) as kind, hex(?1) as hex", covet.bytes(value)))
    end
  end)

  it("what covet stores, the command reads", function()
    local path = tmp.path()
    local file = covet.sqlite(path)
    file:execute "create table t (v)"
    local values = { 0, 1, -1, 2 ^ 53, 9007199254740993LL, -9223372036854775807LL - 1LL, 0.5, -0.0, 1e300,
      "", "é", "a\0b", covet.bytes "\0\255", true, false, "\255" }
    for _, value in ipairs(values) do
      file:execute("insert into t values (?)", value)
    end
    file:execute("insert into t values (?)", nil)
    file:disconnect()
    local result = process.run { "sqlite3", "-batch", path,
      "select typeof(v), hex(v) from t order by rowid", limit = 10 }
    assert.equal(table.concat({
      "integer|30", "integer|31", "integer|2D31", "integer|39303037313939323534373430393932",
      "integer|39303037313939323534373430393933", "integer|2D39323233333732303336383534373735383038",
      "real|302E35", "real|" .. to_hex "0.0", "real|" .. to_hex "1.0e+300", "text|", "text|C3A9",
      "text|610062", "blob|00FF", "integer|31", "integer|30", "text|FF", "null|",
    }, "\n") .. "\n", (result.stdout:gsub("real|2D302E30", "real|302E30")))
  end)

  it("-0 stays -0 where SQLite keeps it", function()
    db:execute "create table t (v)"
    db:execute("insert into t values (?)", -0.0)
    assert.equal(-math.huge, 1 / db:fetch_value "select v from t")
    assert.equal(-math.huge, 1 / db:fetch_one({ "select v from t", rows = "lazy" }).v)
  end)

  it("a whole number in Lua is an integer, within 2^53", function()
    assert.equal("integer", db:fetch_value("select typeof(?)", 3))
    assert.equal("real", db:fetch_value("select typeof(?)", 3.5))
    assert.equal("real", db:fetch_value("select typeof(?)", 1e300))
    assert.equal(3, db:fetch_value "select 3.0")
  end)

  it("a value is what it is, whatever its column says", function()
    db:execute "create table t (i integer, r real, t text, b boolean, j json, n numeric)"
    db:execute "insert into t values ('x', 'y', 'z', 'maybe', 'no json {', 'many')"
    assert.same({ i = "x", r = "y", t = "z", b = "maybe", j = "no json {", n = "many" },
      db:fetch_one "select * from t")
    db:execute "delete from t"
    db:execute "insert into t values (x'00', x'01', x'02', x'03', x'04', x'05')"
    assert.same({ i = "\0", r = "\1", t = "\2", b = "\3", j = "\4", n = "\5" },
      db:fetch_one "select * from t")
    local columns = db:fetch_columns "select 1 as v union all select 2"
    assert.equal(2, columns.v:get(2))
  end)

  it("declared types decide what the types option changes", function()
    db:execute "create table t (ts timestamp, dt datetime, d date, tm time, j json, b boolean, x text)"
    db:execute("insert into t values ('2024-02-29 12:00:00', '2024-02-29 12:00:00.25', "
      .. "'2024-02-29', '12:30:00', '[1]', 1, '2024-02-29')")
    assert.same({ ts = "2024-02-29 12:00:00", dt = "2024-02-29 12:00:00.25", d = "2024-02-29",
      tm = "12:30:00", j = { 1 }, b = true, x = "2024-02-29" }, db:fetch_one "select * from t")
    assert.same({ ts = 1709208000, dt = 1709208000.25, d = 1709164800, tm = 45000, j = "[1]", b = true,
      x = "2024-02-29" }, db:fetch_one { "select * from t",
      types = { timestamp = "epoch", date = "epoch", time = "epoch", json = "string" } })
    local fields = db:fetch_one { "select ts from t", types = { timestamp = "table" } }.ts
    assert.same({ 2024, 2, 29, 12 }, { fields.year, fields.month, fields.day, fields.hour })
    fails("usage", db, "fetch_all", { "select 1", types = { timestamp = "epcoh" } })
    db:execute "create table z (a timestamp, b timestamptz)"
    db:execute "insert into z values ('2024-02-29 12:34:56', '2024-02-29 12:34:56+02')"
    local function both(types)
      local row = db:fetch_one { "select * from z", types = types }
      return { row.a, row.b }
    end
    assert.same({ 1709210096, 1709202896 }, both { timestamp = "epoch" })
    assert.same({ "2024-02-29 12:34:56", 1709202896 }, both { timestamptz = "epoch" })
    assert.same({ 1709210096, "2024-02-29 12:34:56+02" },
      both { timestamp = "epoch", timestamptz = "string" })
  end)

  it("a column of several types in fetch_columns", function()
    local ok, err = pcall(function()
      local columns = db:fetch_columns(
        "select 1 as v union all select 'x' union all select 0.5 union all select null")
      assert.equal("1", tostring(columns.v:get(1)))
      assert.equal("x", columns.v:get(2))
      assert.equal("0.5", tostring(columns.v:get(3)))
      assert.is_nil(columns.v:get(4))
    end)
    assert.is_true(ok or covet.is(err, "datatype_mismatch"), tostring(err))
  end)

  it("?1, ?2 and repeated places", function()
    assert.same({ a = 2, b = 1, c = 2 }, db:fetch_one("select ?2 as a, ?1 as b, ?2 as c", 1, 2))
    assert.same({ a = 1, b = 2 }, db:fetch_one { "select ? as a, ? as b", 1, 2 })
  end)

  it("a value beyond SQLite's limit is an error", function()
    local _, err = db.try:fetch_value "select zeroblob(2000000000)"
    assert.is_true(covet.is(err, "string_too_long", "out_of_memory"), tostring(err))
  end)

  it("an integer overflow in SQL is an error", function()
    local _, err = db.try:fetch_value "select abs(-9223372036854775807 - 1)"
    assert.is_true(covet.is(err, "numeric_out_of_range"), tostring(err))
    _, err = db.try:fetch_value "select sum(v) from (select 9223372036854775807 as v union all select 1)"
    assert.is_true(covet.is(err, "numeric_out_of_range"), tostring(err))
  end)
end)
