-- Lists of rows that fail: what is undone, and what is told.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"

mysql.describe("lists of rows that fail on MariaDB", function()
  local database, db

  local function open(changes)
    local options = { max_pool_size = 1 }
    for name, value in pairs(changes or {}) do
      options[name] = value
    end
    return mysql.open(options, database.url)
  end

  before_each(function()
    database = mysql.fresh_database()
    db = open()
  end)

  after_each(function()
    database:drop()
  end)

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
