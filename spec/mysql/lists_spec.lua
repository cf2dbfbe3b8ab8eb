-- Lists of rows, by each of the ways to send them; those that fail: what is undone, and
-- what is told.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"

mysql.describe("lists of rows on MariaDB", function()
  local database, db

  local function open(changes)
    return mysql.open_one(changes, database.url)
  end

  before_each(function()
    database = mysql.fresh_database()
    db = open()
  end)

  after_each(function()
    database:drop()
  end)

  it("records without names of columns leave out those that are generated", function()
    db:execute [[create table t (a int, b int as (a + 1), c int as (a + 2) stored,
      d varchar(40) default (uuid()))]]
    assert.equal(2, db:copy_records_to_table("t", { { 1, "x" }, { 2, "y" } }))
    assert.same({ { 1, 2, 3, "x" }, { 2, 3, 4, "y" } },
      db:fetch_all { "select * from t order by a", rows = "array" })
  end)

  for _, bulk in ipairs { "auto", "rewrite", false } do
    it("lists of rows, bulk = " .. tostring(bulk), function()
      local other = open { bulk = bulk }
      other:execute "create table t (a int primary key, b varchar(20), c double, d longblob)"
      local list = {}
      for i = 1, 2500 do
        list[i] = { i, i % 3 > 0 and "text " .. i or nil, i % 2 == 0 and i / 2 or i,
          i % 5 > 0 and covet.bytes("\0\255" .. i) or "plain" }
      end
      assert.equal(2500, other:execute_many("insert into t values (?, ?, ?, ?)", list))
      local row = other:fetch_one "select * from t where a = 2498"
      assert.same({ a = 2498, b = "text 2498", c = 1249, d = "\0\2552498" }, row)
      assert.equal(2500 - 833, other:fetch_value "select count(b) from t")
      assert.equal(3, other:execute_many("update t set c = ? where a = ?", { { 1, 1 }, { 2, 2 }, { 3, 3 } }))
      assert.equal(4, other:execute_many(
        "insert into t (a, b) values (?, concat(?, ', (?)')) on duplicate key update b = values(b)",
        { { 1, "new" }, { 3000, "also new" } }) + 1)
      assert.equal("new, (?)", (other:fetch_value "select b from t where a = 1"))
      for i, text in ipairs {
        "insert into t (a, b) values /* it's ? ) */ (?, ?)", "insert into t (a, b) values (? /* ? ) */, ?)",
        "insert into t (a, b) values (?, -- ? )\n ?)",
        "insert into t (a, b) values (?, concat('?)\\'', ?, \"?(\"))",
        "insert into t (a, b) select ?, ?", "insert into t (`a`, `b`) values (?, ?) # ?",
      } do
        assert.equal(2, other:execute_many(text, { { 4000 + 2 * i, "x" }, { 4001 + 2 * i, "y" } }), text)
      end
      assert.equal("?)'x?(", (other:fetch_value "select b from t where a = 4008"))
      list = { { 5001, "x" }, { 5002, "y" }, { 1, "z" }, { 5003, "x" } }
      local err = fails("unique_violation", other, "execute_many", "insert into t (a, b) values (?, ?)", list)
      assert.matches("row 3", err.detail)
      assert.equal(0, other:fetch_value "select count(*) from t where a > 5000")
      err = fails("string_too_long", other, "execute_many", "insert into t (a, b) values (?, ?)",
        { { 5001, "x" }, { 5002, ("y"):rep(100) } })
      assert.matches("row 2", err.detail)
      assert.equal("b", err.column)
      other:transaction(function(tx)
        tx:execute "insert into t (a) values (6000)"
        fails("unique_violation", tx, "execute_many", "insert into t (a) values (?)", { { 6001 }, { 6000 } })
        tx:execute_many("insert into t (a) values (?)", { { 6002 }, { 6003 } })
      end)
      assert.same({ 6000, 6002, 6003 }, (other:fetch_column "select a from t where a >= 6000 order by a"))
    end)
  end

  for _, bulk in ipairs { "auto", "rewrite" } do
    it("a deadline that passes while a list is undone, bulk = " .. bulk, function()
      local front = proxy.start(mysql.options(mysql.url).port, function(data)
        return nil, data:find("ROLLBACK", 1, true) and 1.5 or nil
      end)
      local other = open { bulk = bulk, host = "127.0.0.1", port = front.port }
      db:execute "create table t (a int primary key)"
      fails("timeout", other, "execute_many", { "insert into t values (?)", { { 1 }, { 2 }, { 1 } },
        timeout = 0.5 })
      assert.equal(1, other:fetch_value "select 1")
      covet.sleep(0.1)
      assert.equal(0, db:fetch_value "select count(*) from t")
      other:disconnect()
      front:stop()
    end)

    it("rows that no rollback undoes are not sent again, bulk = " .. bulk, function()
      local other = open { bulk = bulk }
      other:execute "create table t (a int not null unique) engine = myisam"
      local function refused(session)
        local err = fails("unique_violation", session, "execute_many", "insert into t values (?)",
          { { 1 }, { 2 }, { 3 }, { 2 }, { 5 } })
        assert.is_nil(err.detail and err.detail:match "row")
        assert.matches("kept", err.hint)
        assert.same({ 1, 2, 3 }, (session:fetch_column "select a from t order by a"))
        session:execute "delete from t"
      end
      refused(other)
      other:transaction(refused)
      if bulk == "auto" then -- INSERTs of several rows take a NULL there as 0
        other:execute "create table u (a int not null) engine = myisam"
        fails("not_null_violation", other, "execute_many", "insert into u values (?)",
          { { 1 }, { 2 }, { 3 }, {}, { 5 } })
        assert.same({ 1, 2, 3 }, (other:fetch_column "select a from u order by a"))
      end
    end)
  end

  for _, bulk in ipairs { "auto", "rewrite" } do
    it("the row at fault in a list behind others is named, and all is undone, bulk = " .. bulk, function()
      local other = open { bulk = bulk }
      other:execute "create table t (a int primary key)"
      local function rows(bad)
        local list = {}
        for i = 1, 6500 do list[i] = { i == bad and 0 or i } end
        return list
      end
      other:transaction(function(tx)
        tx:execute "insert into t values (0)"
        for _, bad in ipairs { 2000, 2001, 4001, 4321, 6500 } do
          for _, call in ipairs { "execute_many", "copy_records_to_table" } do
            local err = fails("unique_violation", tx, call,
              call == "execute_many" and "insert into t values (?)" or "t", rows(bad))
            assert.matches("row " .. bad .. "%f[%D]", err.detail)
            assert.equal(1, tx:fetch_value "select count(*) from t")
          end
        end
        assert.equal(6500, tx:execute_many("insert into t values (?)", rows()))
        tx:execute "insert into t values (-1)"
        fails("unique_violation", tx, "execute_many", "insert into t values (?)", { { -2 }, { -1 } })
      end)
      assert.equal(6502, other:fetch_value "select count(*) from t")
    end)
  end

  it("a procedure that ends the transaction around its list is told, whichever list it is", function()
    db:execute "create table t (a int primary key)"
    db:execute("create procedure p(x int) begin insert into t values (x);"
      .. " if x = 1 then commit; start transaction; end if; end")
    for _, count in ipairs { 1500, 4500 } do
      db:execute "delete from t"
      local rows = {}
      for i = 1, count do rows[i] = { i } end
      local held = db:acquire()
      held:execute "begin"
      local err = fails("usage", held, "execute_many", "call p(?)", rows)
      assert.matches("covet_statement does not exist", err.message)
      held:release()
    end
  end)

  it("whole numbers among others keep their digits", function()
    db:execute "create table texts (v varchar(40))"
    db:execute_many("insert into texts values (?)", { { 999999999999999 }, { 1.5 }, { 1 },
      { -999999999999999 }, { 1e15 }, { 0.25 }, { 1234567890123456 }, { 2.5 } })
    assert.same({ "999999999999999", "1.5", "1", "-999999999999999", "1000000000000000", "0.25",
      "1234567890123456", "2.5" }, (db:fetch_column "select v from texts"))
  end)

  it("only a row that stands alone is written several times", function()
    local other = open { bulk = "rewrite" }
    local function stored(text, rows, expected)
      other:execute "create or replace table a (v varchar(20), `values` int, values_of int default 0)"
      other:execute_many(text, rows)
      assert.same(expected, (other:fetch_column "select v from a"), text)
    end
    local three = { { "a" }, { "b" }, { "c" } }
    stored("insert into a (v) values (?), ('x')", three, { "a", "x", "b", "x", "c", "x" })
    stored("insert into a (v) values ('x') , (?)", three, { "x", "a", "x", "b", "x", "c" })
    stored("insert into a (v) values (?) , ('x') ; ", three, { "a", "x", "b", "x", "c", "x" })
    for _, text in ipairs {
      "insert into a (v) values (?)", "insert into a (v) VALUES(?) ; ",
      "insert into a (v, values_of) values (?, 1)", "insert into a (v, `values`) values (?, 1)",
      "insert into a (v) values (?) on duplicate key update v = values(v)",
      "insert into a (v) values (?) returning v", "insert into a (values_of, v) values ((1), ?)",
    } do
      stored(text, three, { "a", "b", "c" })
    end
  end)
end)
