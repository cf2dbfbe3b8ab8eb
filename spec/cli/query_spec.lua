local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local function query(...)
  local options = { false, "query", "sqlite::memory:", ... }
  options.limit = 20
  local result = process.run(options)
  assert.is_false(result.timed_out)
  return result
end

local function output(...)
  local result = query(...)
  assert.equal("", result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

local VALUES = [[select 1 as id, 'a,"b"' as text, null as missing, 9007199254740993 as big, 0.5 as half
  union all select 2, 'é' || char(10), 'x', -1, 2]]

describe("covet query", function()
  it("prints a table", function()
    assert.equal([[
id | text  | missing |              big | half
---+-------+---------+------------------+-----
 1 | a,"b" | NULL    | 9007199254740993 |  0.5
 2 | é\n   | x       |               -1 |    2
(2 rows)
]], output(VALUES))
  end)

  it("prints csv", function()
    assert.equal('id,text,missing,big,half\r\n1,"a,""b""",,9007199254740993,0.5\r\n2,"é\n",x,-1,2\r\n',
      output(VALUES, "--format", "csv"))
    assert.equal("1\r\n", output("select 1 as a", "--format=csv", "--no-header"))
    assert.equal("a,b\r\n\\N,\r\n", (output("select null as a, '' as b", "-f", "csv", "--null", "\\N")
      :gsub('""', "")))
  end)

  it("prints ndjson and json with the columns in order", function()
    assert.equal('{"id":1,"text":"a,\\"b\\"","missing":null,"big":9007199254740993,"half":0.5}\n'
      .. '{"id":2,"text":"é\\n","missing":"x","big":-1,"half":2}\n', output(VALUES, "--format", "ndjson"))
    assert.equal('[\n{"b":1,"a":2}\n]\n', output("select 1 as b, 2 as a", "--format", "json"))
    assert.equal("[\n]\n", output("select 1 as a where 0", "--format", "json"))
  end)

  it("prints the names of a result without rows", function()
    assert.equal("a,b\r\n", output("select 1 as a, 2 as b where 0", "--format", "csv"))
  end)

  it("binds parameters as text", function()
    assert.equal("a,b,c\r\n7,x'; --,-1\r\n",
      output("--format", "csv", "select ? + 0 as a, ? as b, ? + 0 as c", "7", "x'; --", "--", "-1"))
  end)

  it("prints a number of rows that needs several chunks", function()
    local text = output([[with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
      select i from n]], "--format", "csv", "--no-header")
    local _, lines = text:gsub("\r\n", "")
    assert.equal(5000, lines)
    assert.truthy(text:find "5000\r\n$")
  end)

  it("says what a statement without rows did", function()
    local path = "sqlite:" .. tmp.path()
    local function on(sql)
      return process.run { false, "query", path, sql }
    end
    assert.equal(0, on("create table t (a)").status)
    assert.equal("2 rows affected\n", on("insert into t values (1), (2)").stdout)
    assert.equal("(2 rows)", on("select * from t").stdout:match "%(.*%)")
  end)

  it("runs several statements without rows", function()
    assert.equal("done\n", output "create table t (a); insert into t values (1)")
    assert.equal(1, query("create table t (a); insert into t values (?)", "1").status)
  end)

  describe("of several statements", function()
    local TWO = "select 1 as a, 'x' as b; select 2 as c union all select 3"
    local MIXED = "create table t (a); insert into t values (1), (2); select a from t; "
      .. "update t set a = a + 1; select sum(a) as s from t where 0; delete from t;"
      .. "select count(*) as n from t"

    it("prints each result in turn, as a table", function()
      assert.equal("a | b\n--+--\n1 | x\n(1 row)\nc\n-\n2\n3\n(2 rows)\n", output(TWO))
      assert.equal("a\n-\n1\n2\n(2 rows)\ns\n----\nNULL\n(1 row)\nn\n-\n0\n(1 row)\n", output(MIXED))
    end)

    it("as csv, with an empty line between two", function()
      assert.equal("a,b\r\n1,x\r\n\r\nc\r\n2\r\n3\r\n", output(TWO, "-f", "csv"))
      assert.equal("1,x\r\n\r\n2\r\n3\r\n", output(TWO, "-f", "csv", "--no-header"))
      assert.equal("a\r\n1\r\n2\r\n\r\ns\r\n\r\n\r\nn\r\n0\r\n", output(MIXED, "-f", "csv"))
    end)

    it("as ndjson and json, one after the other", function()
      assert.equal('{"a":1,"b":"x"}\n{"c":2}\n{"c":3}\n', output(TWO, "-f", "ndjson"))
      assert.equal('[\n{"a":1,"b":"x"}\n]\n[\n{"c":2},\n{"c":3}\n]\n', output(TWO, "-f", "json"))
      assert.equal('{"a":1}\n{"a":2}\n{"s":null}\n{"n":0}\n', output(MIXED, "-f", "ndjson"))
    end)

    it("prints what comes back of those that write", function()
      assert.equal('{"a":1}\n{"n":1}\n', output("create table t (a); insert into t values (1) returning a;"
        .. "select count(*) as n from t", "-f", "ndjson"))
    end)

    it("keeps to one connection and to the text's own transactions", function()
      assert.equal('{"n":1}\n{"n":0}\n', output("create temp table t (a); begin; insert into t values (1);"
        .. "select count(*) as n from t; rollback; select count(*) as n from t", "-f", "ndjson"))
    end)

    it("is not misled by quotes, comments and bodies", function()
      assert.equal('{"a":"1;2"}\n{"b":1}\n',
        output("select '1;2' as a; -- ;\n ; /* ; */ select 1 as b; --", "-f", "ndjson"))
      local trigger = "create trigger r after insert on t when new.a = 1 begin insert into t values (2); end"
      assert.equal('{"n":2}\n', output("create table t (a); " .. trigger
        .. "; insert into t values (1); select count(*) as n from t", "-f", "ndjson"))
    end)

    it("ends at the first that fails, behind the results of the others", function()
      local result = query("select 1 as a; select nmae from t; select 2", "-f", "ndjson")
      assert.equal(1, result.status)
      assert.equal('{"a":1}\n', result.stdout)
      assert.truthy(result.stderr:find("no such table: t", 1, true), result.stderr)
      result = query("select 1 as a; select ?", "-f", "csv")
      assert.equal(1, result.status)
      assert.truthy(result.stderr:find("takes 1 parameter, 0 given", 1, true), result.stderr)
    end)

    it("commits a dump as a whole, not line by line", function()
      local path = "sqlite:" .. tmp.path()
      local lines = { "create table t (a integer primary key)" }
      for i = 1, 100 do
        lines[#lines + 1] = ("insert into t values (%d)"):format(i)
      end
      lines[#lines + 1] = "insert into t values (1); select count(*) from t"
      assert.equal(1, process.run({ false, "query", path, table.concat(lines, ";\n") }).status)
      assert.truthy(process.run({ false, "query", path, "select count(*) from t" }).stderr
        :find("no such table", 1, true))
    end)
  end)

  it("reads SQL from its input", function()
    local result = process.run { false, "query", "sqlite::memory:", "-", stdin = "select 5 as n", limit = 20 }
    assert.equal("n\n-\n5\n(1 row)\n", result.stdout)
  end)

  it("tells what is wrong, without a traceback", function()
    local result = query "select * from nowhere"
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.truthy(result.stderr:find("nowhere", 1, true), result.stderr)
    assert.is_nil(result.stderr:find "traceback")
    assert.equal(1, query("select '").status)
    assert.equal(1, query("select ?").status)
    assert.equal(1, process.run({ false, "query", "nonsense://x", "select 1" }).status)
  end)

  it("names row and column of what JSON cannot say", function()
    local result = query("select 1 as id, x'ff' as data", "--format", "json")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find('row 1, column "data"', 1, true), result.stderr)
  end)

  it("never shows a password", function()
    local url = "postgresql://me:hunter2@127.0.0.1:1/db"
    local result = process.run { false, "query", url, "select 1", limit = 20 }
    assert.equal(1, result.status)
    assert.is_nil((result.stdout .. result.stderr):find("hunter2", 1, true))
  end)

  it("ends quietly when its reader has gone", function()
    local sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000)"
      .. " select i from n"
    local command = "'%s' query sqlite::memory: '%s' -f csv --no-header | head -1"
    local result = process.run { "sh", "-c", command:format(process.covet, sql), limit = 30 }
    assert.is_false(result.timed_out)
    assert.equal("1\r\n", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("says when its output cannot be written", function()
    local result = process.run { "sh", "-c",
      ("'%s' query sqlite::memory: 'select 1' > /dev/full"):format(process.covet) }
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find "No space left", result.stderr)
  end)
end)
