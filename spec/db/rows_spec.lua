-- The forms of rows and the columnar result.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

local ROWS = "select 1 as id, 'one' as name, 0.5 as x union all select 2, null, null order by 1"

database.contract("rows", function(d, open)
  it("array: values by position", function()
    local rows = open():fetch_all { ROWS, rows = "array" }
    assert.equal(1, rows[1][1])
    assert.equal("one", rows[1][2])
    assert.same({ 2 }, rows[2])
    assert.same({ "id", "name", "x" }, open():columns(rows))
  end)

  it("record: by position and by name", function()
    local row = open():fetch_one { ROWS, rows = "record" }
    assert.equal(1, row[1])
    assert.equal(1, row.id)
    assert.equal("one", row.name)
    assert.is_nil(row.nothing)
    assert.same({ "id", "name", "x" }, row:columns())
    local plain = row:table()
    assert.equal("one", plain.name)
    assert.is_nil(getmetatable(plain))
    row.name = "two"
    assert.equal("two", row[2])
    local _, err = pcall(function()
      row.nmae = 1
    end)
    assert.is_true(covet.is(err, "usage"))
    assert.matches("name", err.message)
  end)

  it("lazy: by position and by name, read-only, outliving the call", function()
    local db = open()
    local rows = db:fetch_all { ROWS, rows = "lazy" }
    db:fetch_all "select 'something else'"
    collectgarbage()
    assert.equal(2, #rows)
    assert.equal(1, rows[1].id)
    assert.equal("one", rows[1][2])
    assert.is_nil(rows[2].name)
    assert.same({ id = 2 }, rows[2]:table())
    fails("usage", function()
      rows[1].id = 7
    end)
  end)

  it("every fetch method knows the forms", function()
    local db = open()
    for _, form in ipairs { "named", "record", "array", "lazy" } do
      local key = form == "array" and 2 or "name"
      assert.equal("one", db:fetch_one({ ROWS, rows = form })[key])
      assert.equal("one", db:fetch_all({ ROWS, rows = form })[1][key])
      local each = db:each { ROWS, rows = form }
      assert.equal("one", each()[key])
      each:close()
      local stream = db:stream_query { ROWS, rows = form }
      assert.equal("one", stream()[1][key])
      stream:close()
    end
  end)

  it("of equal names the last one wins, all are there by position", function()
    local db = open()
    local text = "select 1 as a, 2 as b, 3 as a"
    assert.same({ a = 3, b = 2 }, db:fetch_one(text))
    assert.same({ 1, 2, 3 }, db:fetch_one { text, rows = "array" })
    local record = db:fetch_one { text, rows = "record" }
    assert.equal(3, record.a)
    assert.equal(1, record[1])
    local lazy = db:fetch_one { text, rows = "lazy" }
    assert.equal(3, lazy.a)
    assert.equal(1, lazy[1])
    assert.same({ "a", "b", "a" }, db:columns(db:fetch_all(text)))
  end)

  it("odd names of columns", function()
    local db = open()
    local q = d.dialect == "mysql" and "`" or '"'
    local names = { "a b", "end", "select", "é", "x'y", "1", "n", "table" }
    local parts = {}
    for i, name in ipairs(names) do
      parts[i] = i .. " as " .. q .. name .. q
    end
    local text = "select " .. table.concat(parts, ", ")
    local row = db:fetch_one(text)
    for i, name in ipairs(names) do
      assert.equal(i, row[name])
    end
    local columns = db:fetch_columns(text)
    assert.equal(1, columns.n)
    assert.equal(7, columns:column("n"):get(1))
  end)

  it("many columns", function()
    local parts = {}
    for i = 1, 300 do
      parts[i] = i .. " as c" .. i
    end
    local db = open()
    local text = "select " .. table.concat(parts, ", ")
    assert.equal(300, db:fetch_one(text).c300)
    assert.equal(300, db:fetch_one({ text, rows = "array" })[300])
    assert.equal(299, db:fetch_one({ text, rows = "lazy" }).c299)
  end)

  it("more rows than one delivery holds", function()
    local db = open()
    local rows = db:fetch_all(d:sql(d.series), 20000)
    assert.equal(20000, #rows)
    for i = 1, 20000 do
      assert(rows[i].i == i)
    end
    assert.equal(20000, #db:fetch_all { d:sql(d.series), 20000, rows = "lazy" })
    local list = db:fetch_column(d:sql(d.series), 20000)
    assert.equal(20000, #list)
    assert.equal(20000, list[20000])
  end)

  it("fetch_columns gives typed arrays", function()
    local db = open()
    db:execute(("create table c (id %s, name %s, x %s)"):format(d.types.integer,
      d.types.text, d.types.float))
    db:execute_many(d:sql "insert into c values (?, ?, ?)",
      { { 1, "one", 0.5 }, { 2 }, { 3, "", -1.5 } })
    local columns = db:fetch_columns "select id, name, x from c order by id"
    assert.equal(3, columns.n)
    assert.same({ "id", "name", "x" }, columns.names)
    assert.equal("int64", columns.id.kind)
    assert.equal(3, tonumber(columns.id.data[2]))
    assert.equal("double", columns.x.kind)
    assert.equal(0.5, columns.x.data[0])
    assert.equal(1, columns.x.null_count)
    assert.equal("string", columns.name.kind)
    assert.equal("one", columns.name:get(1))
    assert.is_nil(columns.name:get(2))
    assert.equal("", columns.name:get(3))
    assert.equal(columns[1], columns.id)
  end)

  it("fetch_columns of no rows, of many rows, with parameters", function()
    local db = open()
    local empty = db:fetch_columns "select 1 as a, 'x' as b where 1 = 0"
    assert.equal(0, empty.n)
    local columns = db:fetch_columns { d:sql(d.series), 50000 }
    assert.equal(50000, columns.n)
    assert.equal(50000, tonumber(columns.i.data[49999]))
    assert.equal(49999 * 50000 / 2 + 50000, (function()
      local sum = 0
      for i = 0, columns.n - 1 do
        sum = sum + tonumber(columns.i.data[i])
      end
      return sum
    end)())
  end)

  it("fetch_columns exports to Arrow", function()
    local columns = open():fetch_columns { d:sql(d.series), 10 }
    local schema, array = columns:to_arrow()
    assert.equal(1, tonumber(schema.n_children))
    assert.equal(10, tonumber(array.length))
  end)

  it("a value that a types option changes stays so in all forms", function()
    local db = open()
    local text, types = "select cast(5 as " .. d:cast "integer" .. ") as v", { int8 = "string" }
    for _, form in ipairs { "named", "record", "lazy" } do
      assert.equal("5", db:fetch_one { text, rows = form, types = types }.v)
    end
    assert.equal("5", db:fetch_one({ text, rows = "array", types = types })[1])
  end)
end)
