-- Values go in and come out unchanged, or raise.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local ffi = require "ffi"

local int64 = ffi.typeof "int64_t"
local HUGE = 1.7976931348623157e308
local TINY = 5e-324

local function is_same(expected, actual)
  if type(expected) == "cdata" then
    assert.equal("cdata", type(actual))
    assert.is_true(ffi.istype(int64, actual))
    assert.equal(tostring(expected), tostring(actual))
  elseif expected == 0 then
    assert.equal(0, actual)
    assert.equal(1 / expected, 1 / actual)
  else
    assert.equal(expected, actual)
  end
end

database.contract("values", function(d, open)
  local two = d:sql(("select cast(? as %s), cast(? as %s)"):format(d:cast "integer", d:cast "integer"))

  -- Through a parameter and back, and through a column.
  local function round_trip(kind, value)
    local db = open()
    is_same(value, db:fetch_value(d:echo(kind), value))
    is_same(value, db:fetch_one({ d:echo(kind), value }).v)
    db:execute(("create table t_%s (v %s)"):format(kind, d.types[kind]))
    db:execute(d:sql(("insert into t_%s values (?)"):format(kind)), value)
    is_same(value, db:fetch_value(("select v from t_%s"):format(kind)))
    is_same(value, db:fetch_all(("select v from t_%s"):format(kind))[1].v)
    is_same(value, db:fetch_one { ("select v from t_%s"):format(kind), rows = "lazy" }.v)
    is_same(value, db:fetch_columns(("select v from t_%s"):format(kind))[1]:get(1))
    for chunk in db:stream_query(("select v from t_%s"):format(kind)) do
      is_same(value, chunk[1].v)
    end
    db:execute(("drop table t_%s"):format(kind))
  end

  it("integers within 2^53 are numbers", function()
    for _, value in ipairs { 0, 1, -1, 255, 2147483647, -2147483648, 4294967296,
      2 ^ 53 - 1, -(2 ^ 53 - 1), 2 ^ 53, -(2 ^ 53) } do
      round_trip("integer", value)
    end
  end)

  it("integers beyond 2^53 are int64", function()
    for _, value in ipairs { 9007199254740993LL, -9007199254740993LL,
      9223372036854775807LL, -9223372036854775807LL - 1LL } do
      round_trip("integer", value)
    end
  end)

  it("int64 parameters within 2^53 come back as numbers", function()
    local db = open()
    assert.equal(42, db:fetch_value(d:echo "integer", 42LL))
    assert.equal(-7, db:fetch_value { d:echo "integer", -7LL })
    assert.equal(5, db:fetch_value { (d:echo("integer"):gsub("[?$]1?", ":a", 1)), params = { a = 5ULL } })
    assert.same({ 3 }, (db:fetch_column(d:echo "integer", 3LL)))
    for row in db:each(d:echo "integer", 4LL) do
      assert.equal(4, row.v)
    end
  end)

  it("what does not fit 64 bits is refused", function()
    local db = open()
    if d.dialect ~= "mysql" then -- which has unsigned integers
      fails("usage", db, "fetch_value", d:echo "integer", 18446744073709551615ULL)
      fails("usage", db, "fetch_value", { d:echo "integer", 9223372036854775808ULL })
    end
    fails("usage", db, "fetch_value", d:echo "integer", ffi.new "char[3]")
  end)

  it("int8 = number, cdata or string changes integers", function()
    local db = open()
    local big = "select 9007199254740993 as v"
    assert.equal("9007199254740993", db:fetch_value { big, types = { int8 = "string" } })
    assert.equal(9007199254740992, db:fetch_value { big, types = { int8 = "number" } })
    is_same(9007199254740993LL, db:fetch_value { big, types = { int8 = "cdata" } })
    assert.equal("7", db:fetch_value {
      "select cast(7 as " .. d:cast "integer" .. ")", types = { int8 = "string" } })
  end)

  it("floats are exact, -0 and the infinities included", function()
    for _, value in ipairs { 0.1, -0.5, 1 / 3, 1e300, HUGE, -HUGE, TINY, -TINY,
      2.2250738585072014e-308, 123456789.123456789 } do
      round_trip("float", value)
    end
    for _, value in ipairs { math.huge, -math.huge } do
      if d.dialect == "mysql" then -- which has none
        assert.matches("infinity", fails("invalid_value", open(), "fetch_value",
          d:echo "float", value).message)
      else
        round_trip("float", value)
      end
    end
    -- in a column, SQLite itself keeps whole numbers as integers: 0
    -- as MariaDB does with all of them
    is_same(d.dialect == "mysql" and 0 or -0.0, open():fetch_value(d:echo "float", -0.0))
  end)

  it("NaN is stored or refused, never changed", function()
    local db = open()
    local nan = 0 / 0
    if d.dialect == "postgresql" then
      local back = db:fetch_value(d:echo "float", nan)
      assert.is_true(back ~= back)
      return
    end
    local err = fails("invalid_value", db, "fetch_value", d:echo "float", nan)
    assert.matches("1", err.message)
    assert.matches("NaN", tostring(err))
    fails("invalid_value", db, "fetch_value", { d:echo "float", nan })
  end)

  it("booleans", function()
    local db = open()
    db:execute(("create table flags (a %s, b %s)"):format(d.types.boolean, d.types.boolean))
    db:execute(d:sql "insert into flags values (?, ?)", true, false)
    -- MySQL's are numbers unless booleans are asked for
    local types = d.dialect == "mysql" and { tinyint1 = "boolean" } or nil
    assert.same({ a = true, b = false }, db:fetch_one { "select a, b from flags", types = types })
    assert.same({ a = true, b = false },
      db:fetch_one { "select a, b from flags", rows = "lazy", types = types }:table())
    db:execute(d:sql "update flags set a = ?", nil)
    assert.same({ b = false }, db:fetch_one { "select * from flags", types = types })
  end)

  it("NULL is absent; types = { null } makes it covet.null", function()
    local db = open()
    assert.same({ b = 1 }, db:fetch_one "select null as a, 1 as b")
    assert.same({ a = covet.null, b = 1 },
      db:fetch_one { "select null as a, 1 as b", types = { null = covet.null } })
    assert.is_nil(db:fetch_value(d:echo "text", nil))
    assert.is_nil(db:fetch_value(d:echo "text", covet.null))
    assert.same({ covet.null, covet.null }, db:fetch_column "select null union all select null")
  end)

  it("texts: empty, blanks, quotes, Unicode", function()
    for _, value in ipairs { "", " ", "'", "''", "\"", "\\", "\\'", "a;b", "?", ":x",
      "$1", "%s", "--", "/*", "é ü 漢字 🂡", "\n\r\t", ("x"):rep(10000), "0", "1e5", "true" } do
      round_trip("text", value)
    end
  end)

  it("a string that looks like a number stays a string", function()
    local db = open()
    assert.equal("007", db:fetch_value(d:echo "text", "007"))
    assert.equal("string", type(db:fetch_value(d:echo "text", "7")))
  end)

  it("bytes: all of them", function()
    local all = {}
    for i = 0, 255 do
      all[i + 1] = string.char(i)
    end
    local bytes = table.concat(all)
    local db = open()
    assert.equal(bytes, db:fetch_value(d:echo "bytes", covet.bytes(bytes)))
    assert.equal("", db:fetch_value(d:echo "bytes", covet.bytes ""))
    db:execute(("create table b (v %s)"):format(d.types.bytes))
    db:execute(d:sql "insert into b values (?)", covet.bytes(bytes))
    db:execute { d:sql "insert into b values (?)", covet.bytes "\0" }
    assert.same({ bytes, "\0" }, (db:fetch_column "select v from b order by length(v) desc"))
    fails("usage", covet.bytes, 7)
  end)

  it("an embedded NUL and invalid UTF-8 in text come back or are refused", function()
    local db = open()
    for _, value in ipairs { "a\0b", "\0", "\255\254", "\xC3", "\xED\xA0\x80", "\xF5\x80\x80\x80" } do
      if d.dialect == "sqlite" then
        round_trip("text", value)
      else
        local back, err = db.try:fetch_value(d:echo "text", value)
        assert.is_true(back == value or covet.is(err, "invalid_value"))
      end
    end
  end)

  it("100 MB of text and of bytes", function()
    local db = open()
    local big = ("0123456789abcdef"):rep(100 * 2 ^ 20 / 16)
    assert.is_true(big == db:fetch_value(d:echo "text", big))
    assert.is_true(big == db:fetch_value { d:echo "bytes", covet.bytes(big) })
    big = nil -- luacheck: ignore
    collectgarbage()
  end)

  it("JSON: values go in by covet.json and come out exactly", function()
    local db = open()
    db:execute(("create table j (v %s)"):format(d.types.json))
    local value = {
      list = { 1, 2, 3 }, empty = covet.array {}, object = { a = "b" }, none = covet.null,
      yes = true, big = 9007199254740993LL, half = 0.5, text = "é\n\"",
    }
    db:execute(d:sql "insert into j values (?)", covet.json(value))
    local back = db:fetch_value "select v from j"
    assert.equal("table", type(back))
    assert.same({ 1, 2, 3 }, back.list)
    assert.same({ a = "b" }, back.object)
    assert.equal(covet.null, back.none)
    assert.is_true(back.yes)
    is_same(9007199254740993LL, back.big)
    assert.equal(0.5, back.half)
    assert.equal("é\n\"", back.text)
    assert.equal("[]", covet.json.encode(back.empty))
    local text = db:fetch_value { "select v from j", types = { json = "string" } }
    assert.equal("string", type(text))
    assert.same({ 1, 2, 3 }, covet.json.decode(text).list)
    fails("usage", covet.json, print)
  end)

  it("values that cannot be bound name the parameter and what was given", function()
    local db = open()
    for _, value in ipairs { print, coroutine.create(print), io.stdout, {}, { 1, 2 } } do
      local err = fails("usage", db, "fetch_value", two, 1, value)
      assert.matches("2", err.message)
      assert.matches(type(value), err.message)
      fails("usage", db, "fetch_value", { two, 1, value })
    end
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("cdata that cannot be bound is told by its parameter, not by its value", function()
    local db = open()
    local big = 18446744073709551557ULL
    if d.dialect == "mysql" then
      big = ffi.new("struct { int a; }", 7)
    end
    local err = fails("usage", db, "fetch_value", two, 1, big)
    assert.matches("^parameter 2: ", err.message)
    assert.is_nil(tostring(err):find("18446744073709551557", 1, true))
    err = fails("usage", db, "fetch_value", { two, ffi.new "int[2]", 1 })
    assert.matches("^parameter 1: .*cdata of type int %[2%]", err.message)
    err = fails("usage", db, "fetch_value", {
      "select cast(:n as " .. d:cast "integer" .. ")", params = { n = big } })
    assert.matches("^parameter :n: ", err.message)
    db:execute(("create table numbers (a %s, n %s)"):format(d.types.integer, d.types.integer))
    err = fails("usage", db, "copy_records_to_table", "numbers",
      { { 1, 1 }, { 2, 9223372036854775807LL }, { 3, big } })
    assert.equal("n", err.column)
    assert.equal("in row 3 of the list", err.detail)
    assert.equal(0, db:fetch_value "select count(*) from numbers")
  end)

  it("records and lazy rows become JSON by their names", function()
    local db = open()
    for _, form in ipairs { "record", "lazy" } do
      local rows = db:fetch_all { "select 1 as id, null as gone, 'x' as name", rows = form }
      assert.same({ { id = 1, name = "x" } }, covet.json.decode(covet.json.encode(rows)))
    end
  end)

  it("no parameter's value appears in the message of an error", function()
    local db = open()
    db:execute(("create table secrets (v %s not null unique)"):format(d.types.text))
    local text = d:sql "insert into secrets values (?)"
    db:execute(text, "hunter2hunter2")
    local err = fails("unique_violation", db, "execute", text, "hunter2hunter2")
    assert.is_nil(tostring(err):find("hunter2", 1, true))
    err = fails("usage", db, "execute", text, "hunter2hunter2", "hunter2hunter2")
    assert.is_nil(tostring(err):find("hunter2", 1, true))
    err = fails("unique_violation", db, "copy_records_to_table", "secrets",
      { { "a" }, { "hunter2hunter2" } })
    assert.is_nil(tostring(err):find("hunter2", 1, true))
  end)
end)
