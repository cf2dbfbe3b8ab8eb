-- execute, execute_insert, execute_many, copy_records_to_table.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

database.contract("writing", function(d, open)
  local db
  before_each(function()
    db = open()
    db:execute(("create table items (id %s, name %s, price %s)"):format(d.serial,
      d.dialect == "mysql" and "varchar(100)" or d.types.text, d.types.float))
    db:execute "create unique index items_name on items (name)"
  end)

  local function count()
    return db:fetch_value "select count(*) from items"
  end

  local insert = "insert into items (id, name, price) values (?, ?, ?)"

  it("execute tells affected rows, the last id and the command", function()
    local result = db:execute "insert into items (name) values ('a'), ('b')"
    assert.equal(2, result.affected_rows)
    assert.equal("INSERT 0 2", result.command)
    if d.dialect ~= "postgresql" then
      assert.is_true(result.last_insert_id >= 1)
    end
    result = db:execute { d:sql "update items set price = ? where name <> ?", 1.5, "zz" }
    assert.equal(2, result.affected_rows)
    assert.equal("UPDATE 2", result.command)
    assert.equal(0, db:execute("delete from items where name = 'none'").affected_rows)
    assert.equal("DELETE 2", db:execute("delete from items").command)
    assert.equal("CREATE TABLE", db:execute("create table other (a integer)").command)
    assert.equal("DROP TABLE", db:execute("drop table other").command)
  end)

  it("execute of a query is no error", function()
    assert.equal("table", type(db:execute "select 1"))
  end)

  it("execute runs several statements", function()
    db:execute [[
      insert into items (id, name) values (1, 'a;b'); -- a comment; with one
      update items set price = 2 where id = 1;
      insert into items (id, name) values (2, 'c');
    ]]
    assert.equal(2, count())
    assert.equal("a;b", db:fetch_value "select name from items where id = 1")
  end)

  it("a script that fails does nothing", function()
    local err = fails("unique_violation", db, "execute",
      "insert into items (id, name) values (1, 'a'); insert into items (id, name) values (2, 'b');\n"
      .. "insert into items (id, name) values (1, 'c'); insert into items (id, name) values (4, 'd')")
    assert.is_string(err.sql)
    assert.equal(0, count())
    err = fails("syntax_error", db, "execute",
      "insert into items (id, name) values (1, 'a');\ninsrt into items values (2)")
    assert.equal(0, count())
    assert.matches("line 2: insrt", tostring(err))
  end)

  it("execute_insert answers the new id", function()
    local text = d:sql("insert into items (name) values (?)" .. d.returning)
    local first = db:execute_insert(text, "a")
    local second = db:execute_insert { text, "b" }
    assert.is_true(second > first)
    assert.equal("b", db:fetch_value(d:sql "select name from items where id = ?", second))
    fails("unique_violation", db, "execute_insert", text, "a")
    if d.dialect ~= "postgresql" then
      assert.equal(1000, db:execute_insert(d:sql(insert), 1000, "c", 1))
    end
  end)

  it("execute_insert refuses what is no INSERT, before it runs", function()
    db:execute "insert into items (name) values ('a')"
    fails("usage", db, "execute_insert", "delete from items")
    fails("usage", db, "execute_insert", "select 1")
    assert.equal(1, count())
  end)

  it("ids of many tasks at once are their own", function()
    local text = d:sql("insert into items (name) values (?)" .. d.returning)
    local list = {}
    for i = 1, 100 do
      list[i] = "name " .. i
    end
    local ids = covet.each_parallel(list, 100, function(name)
      return db:execute_insert(text, name)
    end)
    for i, id in ipairs(ids) do
      assert.equal(list[i], db:fetch_value(d:sql "select name from items where id = ?", id))
    end
  end)

  it("execute_many runs a statement for each list", function()
    local list = {}
    for i = 1, 5000 do
      list[i] = { i, "n" .. i, i / 2 }
    end
    assert.equal(5000, db:execute_many(d:sql(insert), list))
    assert.equal(5000, count())
    assert.equal(2500, db:fetch_value "select price from items where id = 5000")
    assert.equal(0, db:execute_many(d:sql(insert), {}))
    assert.equal(2, db:execute_many(d:sql "update items set price = ? where id = ?",
      { { 1, 1 }, { 2, 2 }, { 3, -3 } }))
  end)

  it("execute_many takes NULLs, named parameters and int64", function()
    assert.equal(2, db:execute_many(d:sql(insert), { { 1 }, { 2, "b" } }))
    assert.same({ id = 1 }, db:fetch_one "select * from items where id = 1")
    assert.equal(2, db:execute_many("insert into items (id, name) values (:id, :name)",
      { { id = 3, name = "c" }, { id = 9007199254740993LL, name = "d" } }))
    assert.equal("d", db:fetch_value(d:sql "select name from items where id = ?", 9007199254740993LL))
  end)

  it("execute_many is all or nothing and names the row", function()
    for _, size in ipairs { 10, 2000, 4500 } do
      local list = {}
      for i = 1, size do
        list[i] = { i, "n" .. i }
      end
      list[size - 1][1] = 1
      local err = fails("unique_violation", db, "execute_many", d:sql(insert), list)
      assert.matches(tostring(size - 1), tostring(err))
      assert.equal(0, count())
    end
  end)

  describe("execute_many of an iterator", function()
    -- Rows from 1 to `n`; `each(i)` is called before one is made.
    local function rows(n, each)
      local i = 0
      return function()
        i = i + 1
        assert(i <= n + 1, "called again behind its end")
        if each then
          each(i)
        end
        return i <= n and { i, "n" .. i } or nil
      end
    end

    it("takes as many as it gives", function()
      local total = 0
      for _, n in ipairs { 0, 1, 1999, 2000, 2001, 4500 } do
        assert.equal(n, db:execute_many(d:sql(insert), rows(n)))
        total = total + n
        assert.equal(n, count())
        db:execute "delete from items"
      end
      assert.equal(10501, total)
    end)

    it("takes what can be called, streams, names, and the form with one table", function()
      local callable = setmetatable({ { 7, "no row" } }, { __call = rows(3) })
      assert.equal(3, db:execute_many(d:sql(insert), callable))
      local given = false
      assert.equal(1, db:execute_many("insert into items (id, name) values (:id, :name)", function()
        given = not given
        return given and { id = 10, name = "by name" } or nil
      end))
      assert.equal(3000, db:execute_many { d:sql "insert into items (id) values (? + 100)",
        db:each { d:sql(d.series), 3000, rows = "array" }, timeout = 10 })
      assert.equal(3004, count())
    end)

    it("waits where it waits", function()
      assert.equal(2100, db:execute_many(d:sql(insert), rows(2100, function(i)
        if i % 1000 == 0 then
          covet.sleep(0.002)
        end
      end)))
    end)

    it("holds a few batches at a time", function()
      local alive, most = setmetatable({}, { __mode = "k" }), 0
      local next_row = rows(30000)
      assert.equal(30000, db:execute_many(d:sql(insert), function()
        local row = next_row()
        if row then
          alive[row] = true
          if row[1] % 2500 == 0 then
            collectgarbage()
            local n = 0
            for _ in pairs(alive) do
              n = n + 1
            end
            most = math.max(most, n)
          end
        end
        return row
      end))
      assert.is_true(most > 0 and most <= 3 * 2000, most)
      assert.equal(30000, count())
    end)

    it("is all or nothing, whatever fails", function()
      local text = d:sql(insert)
      for _, at in ipairs { 5, 4400 } do
        local next_row = rows(4500)
        local err = fails("unique_violation", db, "execute_many", text, function()
          local row = next_row()
          if row and row[1] == at then
            row[1] = 1
          end
          return row
        end)
        assert.matches(tostring(at), tostring(err))
        assert.equal(0, count())
        err = select(2, pcall(db.execute_many, db, text, rows(4500, function(i)
          if i == at then
            error "the source is broken"
          end
        end)))
        assert.matches("the source is broken", tostring(err))
        assert.equal(0, count())
        local good = rows(4500)
        err = fails("usage", db, "execute_many", text, function()
          local row = good()
          return row and row[1] == at and 7 or row
        end)
        assert.matches("element " .. at, err.message)
        assert.equal(0, count())
      end
    end)

    it("needs a statement that has parameters", function()
      fails("usage", db, "execute_many", "delete from items", rows(1))
    end)
  end)

  it("execute_many refuses wrong lists before it runs", function()
    fails("usage", db, "execute_many", d:sql(insert), { { 1, "a" }, { 2, "b", 3, 4 } })
    fails("usage", db, "execute_many", d:sql(insert), { { 1, "a" }, 7 })
    fails("usage", db, "execute_many", d:sql(insert), 7)
    fails("usage", db, "execute_many", "delete from items", { {} })
    fails("usage", db, "execute_many", "insert into items (id) values (:id)", { { id = 1 }, { di = 2 } })
    local err = fails("usage", db, "execute_many", d:sql(insert), { { 1, "a" }, { 2, print } })
    assert.matches("2", err.message)
    assert.equal(0, count())
  end)

  it("copy_records_to_table takes arrays", function()
    assert.equal(2, db:copy_records_to_table("items", { { 1, "a", 1.5 }, { 2, "b", 2.5 } }))
    assert.same({ { id = 1, name = "a", price = 1.5 }, { id = 2, name = "b", price = 2.5 } },
      db:fetch_all "select * from items order by id")
    assert.equal(1, db:copy_records_to_table("items", { { "c", 3 } }, { columns = { "name", "id" } }))
    assert.equal("c", db:fetch_value "select name from items where id = 3")
    assert.equal(0, db:copy_records_to_table("items", {}))
  end)

  it("copy_records_to_table takes rows", function()
    assert.equal(2, db:copy_records_to_table("items",
      { { id = 1, name = "a" }, { name = "b", id = 2 } }))
    assert.equal("b", db:fetch_value "select name from items where id = 2")
    -- the columns of later rows count as well
    assert.equal(2, db:copy_records_to_table("items",
      { { id = 3, name = "c", price = 1 }, { id = 4 } }, { columns = { "id", "name", "price" } }))
    assert.is_nil(db:fetch_value "select name from items where id = 4")
  end)

  it("copy_records_to_table takes iterators, its own streams too", function()
    local i = 0
    assert.equal(4500, db:copy_records_to_table("items", function()
      i = i + 1
      return i <= 4500 and { i, "n" .. i } or nil
    end, { columns = { "id", "name" } }))
    assert.equal(4500, count())
    db:execute(("create table copy (id %s, name %s, price %s)"):format(d.types.integer,
      d.types.text, d.types.float))
    local rows = db:fetch_all { "select * from items", rows = "array" }
    assert.equal(4500, db:copy_records_to_table("copy", rows, { columns = { "id", "name", "price" } }))
    assert.equal(4500, db:fetch_value "select count(*) from copy")
  end)

  it("copy_records_to_table takes a stream that has ended with its first rows", function()
    db:execute "create table copy (a integer)"
    assert.equal(1, db:copy_records_to_table("copy", db:each { "select 1 as a", rows = "array" }))
    assert.equal(0, db:copy_records_to_table("copy", db:each { "select a from copy where a > 1" }))
    db:transaction(function(tx)
      assert.equal(1, tx:copy_records_to_table("copy", tx:each { "select 2 as a", rows = "array" }))
    end)
    assert.same({ 1, 2 }, db:fetch_column "select a from copy order by a")
  end)

  it("copy_records_to_table takes records and lazy rows by their names", function()
    db:execute "insert into items (id, name, price) values (1, 'a', 2), (3, null, 4)"
    db:execute "create table prices (id integer, price integer)"
    for _, form in ipairs { "record", "lazy" } do
      db:execute "delete from prices"
      local rows = db:fetch_all { "select price, id from items order by id", rows = form }
      assert.equal(2, db:copy_records_to_table("prices", rows))
      assert.same({ { id = 1, price = 2 }, { id = 3, price = 4 } },
        db:fetch_all "select id, price from prices order by id")
    end
  end)

  it("bulk calls have a form with one table", function()
    assert.equal(2, db:execute_many { d:sql "insert into items (id, name) values (?, ?)",
      { { 1, "a" }, { 2, "b" } }, timeout = 5 })
    assert.equal(1, db:copy_records_to_table { "items", { { 3 } }, columns = { "id" } })
    assert.equal(3, count())
    local text = d:sql "insert into items (id) values (?)"
    fails("usage", db, "execute_many", { text, { { 4 } } }, { { 5 } })
    assert.matches("timeout", fails("usage", db, "execute_many",
      { text, { { 4 } }, timeot = 1 }).message)
    assert.equal(3, count())
  end)

  it("copy_records_to_table: an iterator that waits or fails", function()
    local i = 0
    assert.equal(30, db:copy_records_to_table("items", function()
      i = i + 1
      covet.sleep(0)
      return i <= 30 and { i, "n" .. i, 1 } or nil
    end))
    local _, err = pcall(db.copy_records_to_table, db, "items", function()
      i = i + 1
      if i > 2500 then
        error "the source is broken"
      end
      return { i, "n" .. i, 1 }
    end)
    assert.matches("the source is broken", tostring(err))
    assert.equal(30, count())
  end)

  it("copy_records_to_table: a bad value names row and column", function()
    local function bad(records, options)
      local _, err = pcall(db.copy_records_to_table, db, "items", records, options)
      assert.is_true(covet.is(err, "invalid_value", "usage", "not_null_violation"), tostring(err))
      assert.equal(0, count())
      return tostring(err)
    end
    local text = bad { { 1, "a", 1 }, { 2, print, 1 } }
    assert.matches("2", text)
    assert.matches("name", text)
    local wrong = d.dialect == "postgresql" and "x" or 0 / 0 -- which has a NaN
    text = bad { { 1, "a", 1 }, { 2, "b", 1 }, { 3, "c", wrong } }
    assert.matches("3", text)
    assert.matches("price", text)
    text = bad { { id = 1, name = "a" }, { id = 2, name = {} } }
    assert.matches("2", text)
    assert.matches("name", text)
  end)

  it("copy_records_to_table: wrong widths name the row", function()
    local err = fails("invalid_value", db, "copy_records_to_table", "items",
      { { 1, "a", 1 }, { 2, "b", 1, 99 } })
    assert.matches("record 2", err.message)
    err = fails("invalid_value", db, "copy_records_to_table", "items",
      { { id = 1, name = "a" }, { id = 2, nmae = "b" } })
    assert.matches("record 2", err.message)
    assert.matches("nmae", err.message)
    err = fails("invalid_value", db, "copy_records_to_table", "items", { { 1, "a", 1 }, 7 })
    assert.matches("record 2", err.message)
    assert.equal(0, count())
  end)

  it("copy_records_to_table is all or nothing, the row being named", function()
    local list = {}
    for i = 1, 4500 do
      list[i] = { i, "n" .. i, 1 }
    end
    list[4400][2] = "n1"
    local err = fails("unique_violation", db, "copy_records_to_table", "items", list)
    assert.matches("4400", tostring(err))
    assert.equal(0, count())
  end)

  it("copy_records_to_table: what is no table, no column, no option", function()
    fails("undefined_table", db, "copy_records_to_table", "nonsense", { { 1 } })
    fails("undefined_table", db, "copy_records_to_table", "nonsense", { { 1 } }, { columns = { "a" } })
    fails("undefined_column", db, "copy_records_to_table", "items", { { 1 } }, { columns = { "nonsense" } })
    fails("usage", db, "copy_records_to_table", "items", { { 1 } }, { colums = { "id" } })
    fails("usage", db, "copy_records_to_table", "items", 7)
    fails("usage", db, "copy_records_to_table", 7, {})
  end)

  it("copy_records_to_table quotes names", function()
    local name = 'odd "name" `x`'
    db:execute(("create table %s (%s integer, %s integer)"):format(db:quote_identifier(name),
      db:quote_identifier "select", db:quote_identifier "a b"))
    assert.equal(1, db:copy_records_to_table(name, { { select = 1, ["a b"] = 2 } }))
    assert.equal(1, db:copy_records_to_table(name, { { 3, 4 } }))
    assert.equal(2, db:fetch_value("select count(*) from " .. db:quote_identifier(name)))
  end)

  it("in a transaction, bulk calls are undone with it", function()
    local _, err = pcall(db.transaction, db, function(tx)
      tx:execute_many(d:sql(insert), { { 1, "a" }, { 2, "b" } })
      tx:copy_records_to_table("items", { { 3, "c", 1 } })
      assert(tx:fetch_value "select count(*) from items" == 3)
      error "no"
    end)
    assert.matches("no", err)
    assert.equal(0, count())
  end)

  it("what fails leaves nothing running", function()
    local slow = "insert into items (id, price) values (?, (" .. d.series:gsub("select i from",
      "select count(*) from") .. "))"
    local list = {}
    for i = 1, 4000 do
      list[i] = { i, 1 }
    end
    list[2000][1] = 1 -- the first batch fails
    list[2001][2] = 1e9 -- the second would take minutes
    local core = require "covet.core"
    local before, start = core.pending(), covet.now()
    fails("unique_violation", db, "execute_many", d:sql(slow), list)
    assert.is_true(covet.now() - start < 5)
    assert.equal(before, core.pending())
    assert.equal(0, count())
    -- a source that fails while a batch is under way
    local i = 0
    database.run(db, d.slow_sink)
    start = covet.now()
    local _, err = pcall(db.transaction, db, function(tx)
      tx:copy_records_to_table("sink", function()
        i = i + 1
        if i == 2100 then
          covet.sleep(0.01)
          error "the source is broken"
        end
        return { i }
      end, { columns = { "a" } })
    end)
    assert.matches("the source is broken", tostring(err))
    assert.is_true(covet.now() - start < 5)
    assert.equal(before, core.pending())
  end)
end)
