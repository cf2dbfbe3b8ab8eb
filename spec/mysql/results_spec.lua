-- Results that are other than what was prepared for, and those that nobody reads.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

mysql.describe("results of MariaDB", function()
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

  local function usable(session)
    for i = 1, 3 do
      assert.equal(i, session:fetch_value("select ?", i))
    end
  end

  it("a query whose columns have become more is prepared anew", function()
    db:execute "create table t (a int)"
    db:execute "insert into t values (1)"
    for _, text in ipairs { "select * from t", "with w as (select * from t) select * from w" } do
      assert.same({ a = 1 }, db:fetch_one(text))
      mysql.client(database.url, "alter table t add column b int default 2")
      assert.same({ a = 1, b = 2 }, db:fetch_one(text))
      usable(db)
      db:execute "alter table t drop column b"
      assert.same({ a = 1 }, db:fetch_one(text))
      usable(db)
    end
  end)

  it("an INSERT whose columns have become more is done once, and its rows are not told", function()
    db:execute "create table t (a int)"
    local text = "insert into t (a) values (?) returning *"
    assert.same({ { a = 1 } }, db:fetch_all(text, 1))
    mysql.client(database.url, "alter table t add column b int default 2")
    local err = fails("database_error", db, "fetch_all", text, 2)
    assert.matches("was done", err.message)
    assert.same({ 1, 2 }, (db:fetch_column "select a from t"))
    assert.same({ { a = 3, b = 2 } }, db:fetch_all(text, 3))
    mysql.client(database.url, "alter table t add column c int default 3")
    db:transaction(function(tx)
      fails("database_error", tx, "fetch_all", text, 4)
      usable(tx)
      assert.same({ { a = 5, b = 2, c = 3 } }, tx:fetch_all(text, 5))
    end)
    assert.same({ 1, 2, 3, 4, 5 }, (db:fetch_column "select a from t"))
  end)

  it("a list whose columns have become more is rolled back", function()
    db:execute "create table t (a int)"
    local text = "insert into t (a) values (?) returning *"
    db:execute_many(text, { { 1 }, { 2 } })
    mysql.client(database.url, "alter table t add column b int default 2")
    local _, err = db.try:execute_many(text, { { 3 }, { 4 } })
    assert.matches("rolled back", err.message)
    usable(db)
    assert.same({ 1, 2 }, (db:fetch_column "select a from t"))
    db:execute_many(text, { { 3 }, { 4 } })
    assert.same({ 1, 2, 3, 4 }, (db:fetch_column "select a from t"))
  end)

  for _, threads in ipairs { false, true } do
    it("an init_command with rows, after a reset; threads = " .. tostring(threads), function()
      local other = open { init_command = "set @x = 1; select 5; select 6 union select 7",
        thread_per_connection = threads }
      local id = other:fetch_value "select connection_id()"
      for i = 1, 3 do
        other:with(function(held)
          held:execute("set @x = " .. i + 1)
        end)
        assert.equal(1, other:fetch_value "select @x")
        usable(other)
      end
      assert.equal(id, other:fetch_value "select connection_id()")
    end)
  end

  it("results of procedures: the first one, or all of them", function()
    db:execute [[create procedure several(in n int)
      begin
        select seq as a from seq_1_to_3;
        insert into t values (n);
        select 'x' as b where 1 = 0;
        select n as c, 'text' as d;
      end]]
    db:execute "create table t (a int)"
    assert.same({ { a = 1 }, { a = 2 }, { a = 3 } }, db:fetch_all("call several(?)", 7))
    assert.equal(1, db:fetch_value("call several(?)", 7))
    assert.same({ { { a = 1 }, { a = 2 }, { a = 3 } }, {}, { { c = 7, d = "text" } } },
      db:fetch_sets("call several(?)", 7))
    assert.equal(3, #db:fetch_sets { "call several(8)", rows = "array" })
    local n = 0
    for row in db:each("call several(?)", 7) do
      n = n + row.a
    end
    assert.equal(6, n)
    db:execute("call several(?)", 7)
    assert.equal(6, db:fetch_value "select count(*) from t")
    db:with(function(held)
      assert.equal(3, #held:fetch_sets("call several(?)", 7))
    end)
    fails("undefined_function", db, "fetch_sets", "call nonsense()")
    assert.equal(3, #db:prepare("call several(?)"):fetch_sets(7))
    db:execute "create procedure failing() begin select 1 as a; select * from nonsense; end"
    fails("undefined_table", db, "fetch_all", "call failing()")
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("a stream whose consumer rests for too long is ended by the server, with a hint", function()
    local other = open { init_command = "set net_write_timeout = 1" }
    local err = fails("connection_lost", function()
      local resting = true
      for _ in other:stream_query { "select repeat('x', 1000) from seq_1_to_100000", chunk_size = 1000 } do
        if resting then
          covet.sleep(2)
          resting = false
        end
      end
    end)
    assert.match("net_write_timeout", err.hint)
  end)

  it("rows of a stream and calls beside it on one connection", function()
    db:with(function(held)
      local seen = 0
      for row in held:each { "select seq from seq_1_to_5000", chunk_size = 10 } do
        if row.seq % 500 == 0 then
          assert.equal(row.seq, held:fetch_value("select ?", row.seq))
        end
        seen = seen + 1
      end
      assert.equal(5000, seen)
      local first = held:stream_query { "select seq from seq_1_to_100000", chunk_size = 10 }
      local second = held:stream_query { "select -seq as seq from seq_1_to_100000", chunk_size = 10 }
      for i = 1, 100 do
        assert.equal(i * 10, first()[10].seq)
        assert.equal(-i * 10, second()[10].seq)
      end
      first:close()
      second:close()
      assert.equal(1, held:fetch_value "select 1")
    end)
    db:transaction(function(tx)
      for row in tx:each "select seq from seq_1_to_1000000" do
        if row.seq == 5 then
          break
        end
      end
      assert.equal(2, tx:fetch_value "select 2")
    end)
  end)
end)
