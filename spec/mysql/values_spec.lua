-- Values of every type: what the mariadb client prints, what covet reads in binary
-- and as text, and what comes of a value that goes in again.
local covet = require "covet"
local ffi = require "ffi"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

local BINARY = "binary" -- compared in hexadecimal; goes in as covet.bytes

-- The type, literals of it, and what is compared.
local TYPES = {
  { "tinyint", { "-128", "0", "127" } },
  { "tinyint unsigned", { "0", "255" } },
  { "tinyint(1)", { "0", "1", "-5" } },
  { "smallint", { "-32768", "32767" } },
  { "smallint unsigned", { "65535" } },
  { "mediumint", { "-8388608", "8388607" } },
  { "mediumint unsigned", { "16777215" } },
  { "int", { "-2147483648", "2147483647" } },
  { "int unsigned", { "4294967295" } },
  { "int(10) zerofill", { "42" }, zerofill = true },
  { "bigint", { "-9223372036854775808", "9223372036854775807", "9007199254740992",
    "9007199254740993", "-9007199254740993" } },
  { "bigint unsigned", { "0", "9223372036854775807", "9223372036854775808", "18446744073709551615" } },
  { "float", { "0", "1.5", "-3.4e38", "1.1754944e-38", "0.1", "16777217" }, float = true },
  { "double", { "0", "0.1", "-1.7976931348623157e308", "2.2250738585072014e-308", "1e15", "123456789.123" } },
  { "decimal(65,30)", { "0", "-0.000000000000000000000000000001",
    "99999999999999999999999999999999999.999999999999999999999999999999" } },
  { "decimal(5,0) unsigned", { "0", "99999" } },
  { "bit(1)", { "b'0'", "b'1'" }, BINARY },
  { "bit(64)", { "0", "18446744073709551615", "b'101'" }, BINARY },
  { "bit(12)", { "b'101010101010'" }, BINARY },
  { "year", { "1901", "2155", "0" } },
  { "date", { "'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "'0000-00-00'", "'2024-00-00'" } },
  { "datetime", { "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00'" } },
  { "datetime(6)", { "'2024-02-29 12:34:56.000001'", "'2024-02-29 12:34:56.999999'", "'2024-02-29'" } },
  { "datetime(3)", { "'2024-02-29 12:34:56.120'" } },
  { "timestamp", { "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2024-07-01 12:00:00'" } },
  { "timestamp(6)", { "'2024-07-01 12:00:00.123456'" } },
  { "time", { "'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'", "'23:59:59'" } },
  { "time(6)", { "'-838:59:59.999999'", "'838:59:59.000001'", "'00:00:00.5'", "'-00:00:00.000001'" } },
  { "char(10)", { "''", "'abc'", "'ä€😀'" } },
  { "varchar(100)", { "''", "'it''s'", "'😀 👩‍👩‍👧‍👧'", "' blanks '", "'123'" } },
  { "varchar(50) character set latin1", { "'äöü'" } },
  { "varchar(50) character set ucs2", { "'äöü€'" } },
  { "tinytext", { "'tiny'", "''" } },
  { "text", { "'ein Text'" } },
  { "mediumtext", { "repeat('m', 70000)" } },
  { "longtext", { "repeat('€', 100000)" } },
  { "enum('a','b','ß')", { "'a'", "'ß'" } },
  { "set('x','y','z')", { "''", "'x'", "'x,z'" } },
  { "binary(4)", { "x'00ff'", "x'01020304'" }, BINARY },
  { "varbinary(20)", { "''", "x'00'", "x'ff00fe'" }, BINARY },
  { "tinyblob", { "x'00'" }, BINARY },
  { "blob", { "''", "x'0001020a0d1a22275cff'" }, BINARY },
  { "mediumblob", { "repeat(x'00ff', 40000)" }, BINARY },
  { "longblob", { "repeat(x'fe', 300000)" }, BINARY },
  { "uuid", { "'123e4567-e89b-12d3-a456-426655440000'" } },
  { "inet6", { "'2001:db8::ff00:42:8329'", "'::1'" } },
  { "point", { "ST_GeomFromText('POINT(1 2)')" }, BINARY },
  { "geometry", { "ST_GeomFromText('LINESTRING(0 0, 1 1)', 4326)",
    "ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')" }, BINARY },
}

-- What the real client prints stands without its escapes.
local function client_lines(database, sql)
  local text = mysql.client(database.url, "set time_zone = '+00:00'; " .. sql, "--raw",
    "--max-allowed-packet=64M")
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

local function hexadecimal(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02X"):format(byte:byte())
  end))
end

local function is_integer(value)
  return ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)
end

-- A value as the client would print it.
local function printed(value, kind)
  if kind[3] == BINARY then
    return hexadecimal(value)
  elseif type(value) == "cdata" and is_integer(value) then
    return (tostring(value):gsub("U?LL$", ""))
  elseif type(value) == "number" then
    return ("%.17g"):format(value)
  end
  return value
end

-- Numbers are compared as such; of a FLOAT the client tells six digits, and so does the
-- text protocol.
local function same(expected, got, kind, literal, about)
  local number = tonumber(expected)
  if kind.float then
    assert.equal(number, tonumber(("%.6g"):format(got)), about)
    assert.equal(tonumber(ffi.new("float", literal or got)), got, about)
  elseif type(got) == "number" then
    assert.equal(number, got, about)
  else
    assert.equal(expected, got, about)
  end
end

-- By each way that rows can come: prepared; of an EXECUTE, which is put in a block; and as
-- text, where it cannot be.
local function ways(sql)
  return {
    binary = sql,
    block = ("execute immediate '%s'"):format(sql),
    text = ("execute immediate '%s' /*!*/;"):format(sql),
  }
end

local function shown(kind)
  if kind[3] == BINARY then
    return "hex(" .. (kind[1]:find "^bit" and "v + 0" or "v") .. ")"
  end
  return "v"
end

mysql.describe("values of MariaDB", function()
  local database, db

  setup(function()
    database = mysql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    db = mysql.open({ max_pool_size = 2 }, database.url)
  end)

  local function fill(kind)
    local lines = { "set sql_mode = ''; drop table if exists t; create table t (id int primary key, v "
      .. kind[1] .. "); drop table if exists u; create table u like t" }
    for i, literal in ipairs(kind[2]) do
      lines[#lines + 1] = ("insert into t values (%d, %s)"):format(i, literal)
    end
    lines[#lines + 1] = ("insert into t values (%d, null)"):format(#kind[2] + 1)
    return client_lines(database, table.concat(lines, "; ")
      .. "; select " .. shown(kind) .. " from t order by id")
  end

  -- The numbers of a BIT are compared, not its bytes: HEX() of a number.
  local function trim(kind, text)
    return kind[1]:find "^bit" and (text:gsub("^0+(.)", "%1")) or text
  end

  for _, kind in ipairs(TYPES) do
    it(kind[1], function()
      local expected = fill(kind)
      for protocol, sql in pairs(ways "select v from t order by id") do
        local values = db:fetch_column { sql, types = { null = covet.null } }
        for i = 1, #kind[2] do
          local about = protocol .. ": " .. kind[2][i]
          local got = values[i]
          if type(got) ~= "number" then
            got = trim(kind, printed(got, kind))
          end
          same(expected[i], got, kind, protocol ~= "text" and tonumber(kind[2][i]), about)
        end
        assert.equal(covet.null, values[#kind[2] + 1])
      end
      assert.equal("NULL", expected[#kind[2] + 1])
    end)

    it(kind[1] .. " goes in as it came", function()
      fill(kind)
      local values = db:fetch_all { "select id, v from t", rows = "array" }
      local changed = mysql.open({ max_pool_size = 1, init_command = "set sql_mode = ''" }, database.url)
      for _, row in ipairs(values) do
        local value = row[2]
        if kind[3] == BINARY and value then
          value = covet.bytes(value)
        end
        changed:execute("insert into u values (?, ?)", row[1], value)
      end
      assert.same({}, db:fetch_all "select id, t.v, u.v from t left join u using (id) where not t.v <=> u.v")
    end)
  end

  it("a FLOAT that comes as text has six digits, all others and sums have every one", function()
    db:execute "create or replace table f (v float)"
    db:execute "insert into f values (16777217)"
    for protocol, sql in pairs(ways "select v from f") do
      assert.equal(protocol == "text" and 16777200 or 16777216, db:fetch_value(sql), protocol)
    end
    for _, sql in pairs(ways "select v + 0e0 from f") do
      assert.equal(16777216, db:fetch_value(sql))
    end
  end)

  it("json comes as values, integers exact", function()
    db:execute "create or replace table j (v json)"
    db:execute("insert into j values (?), (?)",
      covet.json { list = { 1, 2 }, big = 2LL ^ 62, none = covet.null, text = "ä😀" }, '"text"')
    for _, sql in pairs(ways "select v from j") do
      local value = db:fetch_column(sql)
      assert.same({ 1, 2 }, value[1].list)
      assert.equal(2LL ^ 62, value[1].big)
      assert.equal(covet.null, value[1].none)
      assert.equal("ä😀", value[1].text)
      assert.equal("text", value[2])
    end
    assert.equal("string", type(db:fetch_value { "select v from j", types = { json = "string" } }))
  end)

  it("tinyint(1) is a boolean where that is asked for", function()
    db:execute "create or replace table b (a tinyint(1), b tinyint, c tinyint(1) unsigned, d bool)"
    db:execute("insert into b values (?, ?, ?, ?)", true, true, 1, false)
    assert.same({ { a = 1, b = 1, c = 1, d = 0 } }, db:fetch_all "select * from b")
    assert.same({ { a = true, b = 1, c = 1, d = false } },
      db:fetch_all { "select * from b", types = { tinyint1 = "boolean" } })
  end)

  it("dates of zeros: as they are, NULL or an error", function()
    mysql.client(database.url, "set sql_mode = '';"
      .. " create or replace table z (a date, b datetime, c timestamp null);"
      .. " insert into z values ('0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00')")
    local zero = "0000-00-00"
    for _, sql in pairs(ways "select * from z") do
      assert.same({ a = zero, b = zero .. " 00:00:00", c = zero .. " 00:00:00" }, db:fetch_one(sql))
      local other = mysql.open({ zero_dates = "null" }, database.url)
      assert.same({}, other:fetch_one(sql))
      other = mysql.open({ zero_dates = "error" }, database.url)
      local err = fails("invalid_value", other, "fetch_one", sql)
      assert.matches("column %a: a zero date", err.message)
      assert.equal(1, other:fetch_value "select 1")
    end
    fails("usage", covet, "mysql", { zero_dates = "nil" })
  end)

  it("parameters have the types that they are given", function()
    for _, value in ipairs { 1, -1, 0.1, 2 ^ 53, 1e300, "text", "", "a\0b", "123",
      9223372036854775807LL, -9223372036854775807LL - 1LL } do
      assert.equal(value, db:fetch_value("select ?", value))
    end
    assert.equal("18446744073709551615ULL", tostring(db:fetch_value("select ?", 18446744073709551615ULL)))
    assert.equal(1, db:fetch_value("select ?", true))
    assert.is_nil(db:fetch_value("select ?", covet.null))
    assert.equal("\0\255", db:fetch_value("select ?", covet.bytes "\0\255"))
    assert.equal("5 years", db:fetch_value("select concat(%s, ' years')", 5))
    assert.equal("100%", db:fetch_value "select '100%'")
    assert.equal(3, db:fetch_value { "select :a + :a + :b", params = { a = 1, b = 1 } })
    for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
      fails("invalid_value", db, "fetch_value", "select ?", value)
    end
  end)

  it("columns are described as CREATE TABLE has them", function()
    db:execute [[create or replace table d (a bigint unsigned, b decimal(10,2), c varchar(20), d varbinary(7),
      e enum('x'), f set('y'), g timestamp(3) null, h json, i tinyint(1), j mediumtext, k uuid)]]
    db:execute "insert into d (a) values (1)"
    local found = {}
    for _, column in ipairs(db:prepare("select * from d").columns) do
      found[#found + 1] = column.type
    end
    assert.same({ "bigint unsigned", "decimal(10,2)", "varchar(20)", "varbinary(7)", "enum", "set",
      "timestamp(3)", "json", "tinyint(1)", "mediumtext", "uuid" }, found)
  end)

  it("columns of integers that no int64 holds", function()
    local columns = db:fetch_columns
      "select cast(seq + 18446744073709551600 as unsigned) as v from seq_1_to_5"
    assert.equal("uint64", columns.v.kind)
    assert.equal(18446744073709551601ULL, columns.v.data[0])
  end)
end)
