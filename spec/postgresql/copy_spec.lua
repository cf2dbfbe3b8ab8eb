-- COPY out and in, and records.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local tmp = require "spec.support.tmp"

local null = covet.null

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

postgresql.describe("COPY", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    database:clear()
    local given = postgresql.options(database.url)
    given.min_pool_size, given.max_pool_size = 1, 2
    db = covet.postgresql(given):connect()
    db:execute [[create table items (id int primary key, name text, price numeric, tags text[],
      at timestamptz)]]
  end)
  after_each(function()
    db:disconnect(2)
  end)

  local function count()
    return db:fetch_value "select count(*) from items"
  end

  -- The connections are as good as before.
  local function check_usable()
    assert.equal(7, db:fetch_value "select 7")
    assert.same({ 1, 2 }, db:fetch_column "select generate_series(1, 2)")
  end

  it("records of every column that binary takes", function()
    db:execute [[create table all_kinds (a bool, b smallint, c int, d bigint, e real, f float8, g numeric,
      h text, i varchar, j bytea, k uuid, l date, m time, n timestamp, o timestamptz, p json, q jsonb)]]
    local row = { true, 1, -2, 9007199254740993LL, 0.5, 0.1, "123.450", "a\tb\\\n", "é", covet.bytes "\0\255",
      "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "2024-02-29", "23:59:59.5", "2024-01-01 00:00:00",
      "2024-01-01 12:00:00+00", { a = 1 }, { 1, 2 } }
    assert.equal(2, db:copy_records_to_table("all_kinds", { row, {} }))
    local got = db:fetch_all { "select * from all_kinds", rows = "array" }
    row[10] = "\0\255"
    assert.same(row, got[1])
    assert.is_nil(next(got[2]))
  end)

  it("records of types that were not seen before", function()
    db:execute [[create type mood as enum ('sad', 'ok'); create domain words as text[];
      create table new_types (a inet[], b int4range, c mood[], d words)]]
    db:disconnect(2)
    db:connect()
    assert.equal(2, db:copy_records_to_table("new_types", {
      { { "10.0.0.1" }, { lower = 1, upper = 5 }, { "ok", "sad" }, { "a", "b" } },
      { {}, { empty = true }, { "ok" }, {} },
    }))
    assert.same({ { a = { "10.0.0.1" }, b = { lower = 1, upper = 5, bounds = "[)" }, c = { "ok", "sad" },
      d = { "a", "b" } } }, db:fetch_all "select * from new_types limit 1")
  end)

  it("records with tables and texts that need escapes", function()
    local rows = {
      { 1, 'a "b"\t\\N', "1.5", { "x", 'q"', "\\", null, "NULL", "" }, "2024-01-01 00:00:00+00" },
      { 2, "\\N", "NaN", {}, 86400.5 },
      { 3, "\n\r", nil, { { "a" }, { "b" } }, { year = 2024, month = 2, day = 29, hour = 1 } },
    }
    assert.equal(3, db:copy_records_to_table("items", rows))
    local got = db:fetch_all "select * from items order by id"
    assert.equal('a "b"\t\\N', got[1].name)
    assert.same(rows[1][4], got[1].tags)
    assert.equal("\\N", got[2].name)
    assert.equal("1970-01-02 00:00:00.5+00", got[2].at)
    assert.equal("\n\r", got[3].name)
    assert.same({ { "a" }, { "b" } }, got[3].tags)
    assert.equal("2024-02-29 01:00:00+00", got[3].at)
  end)

  it("records from an iterator that queries the same database", function()
    local numbers = db:each { "select generate_series(1, 10000) as id", chunk_size = 500 }
    assert.equal(10000, db:copy_records_to_table("items", function()
      local row = numbers()
      return row and { row.id, "n" .. row.id }
    end, { columns = { "id", "name" } }))
    assert.equal(10000, count())
  end)

  it("a bad value names row and column, and nothing is stored", function()
    for _, case in ipairs {
      { { 3, "c", "x", {} }, "row 2400" }, { { 2.5, "c" }, "id" }, { { 3, "c", "1", { x = 1 } }, "tags" },
      { { 3, print }, "name" }, { { 3, "a\0b" }, "name" }, { { 2 ^ 40, "c" }, "id" },
    } do
      local list = {}
      for i = 1, 2500 do
        list[i] = { i + 100, "n" }
      end
      list[2400] = case[1]
      local columns = { "id", "name", "price", "tags" }
      local fine, err = pcall(db.copy_records_to_table, db, "items", list, { columns = columns })
      assert.is_false(fine)
      assert.matches("2400", tostring(err))
      assert.matches(case[2], tostring(err))
      assert.is_true(covet.is(err, "usage", "invalid_value"), tostring(err))
      assert.equal(0, count())
    end
    check_usable()
  end)

  it("a value that only the server refuses has its row and column, too", function()
    db:execute 'create table odd (a int, "b: c" inet, d money, e int4range)'
    for i, column in ipairs { "b: c", "d", "e" } do
      local record = { [i + 1] = "zz" }
      local err = fails("invalid_value", db, "copy_records_to_table", "odd", { { 1 }, record })
      assert.equal(column, err.column)
      assert.matches("row 2", err.detail)
    end
  end)

  it("records join the transaction that is open, which stays usable after an error", function()
    db:transaction(function(tx)
      tx:copy_records_to_table("items", { { 1, "a" } }, { columns = { "id", "name" } })
      local err = fails("unique_violation", tx, "copy_records_to_table", "items", { { 2 }, { 1 } },
        { columns = { "id" } })
      assert.equal("items_pkey", err.constraint)
      tx:execute("insert into items (id) values (9)")
    end)
    assert.same({ 1, 9 }, db:fetch_column "select id from items order by id")
  end)

  it("out to files, functions and iterators, in each format", function()
    db:copy_records_to_table("items", { { 1, "a,b" }, { 2, nil } }, { columns = { "id", "name" } })
    local path = tmp.path()
    assert.equal(2, db:copy_from_table("items", { to = path, columns = { "id", "name" } }))
    assert.equal("1\ta,b\n2\t\\N\n", read(path))
    assert.equal(2, db:copy_from_table("items",
      { to = path, format = "csv", header = true, columns = { "id", "name" }, null = "-",
        force_quote = { "name" } }))
    assert.equal('id,name\n1,"a,b"\n2,-\n', read(path))
    local pieces = {}
    assert.equal(2, db:copy_from_table("items", { columns = { "id" }, schema = "public",
      to = function(piece) pieces[#pieces + 1] = piece end }))
    assert.equal("1\n2\n", table.concat(pieces))
    pieces = {}
    for piece in db:copy_from_query { "select id from items where id > $1 and name is distinct from $2",
      0, "it's",
      format = "csv" } do
      pieces[#pieces + 1] = piece
    end
    assert.equal("1\n2\n", table.concat(pieces))
    local binary = {}
    db:copy_from_query { "select id, name from items -- a comment", format = "binary",
      to = function(piece) binary[#binary + 1] = piece end }
    assert.equal("PGCOPY\n\255\r\n\0", table.concat(binary):sub(1, 11))
    db:execute "truncate items"
    assert.equal(2, db:copy_to_table("items", { from = binary, format = "binary",
      columns = { "id", "name" } }))
    assert.equal("a,b", db:fetch_value "select name from items where id = 1")
  end)

  it("values of a query to be copied stand in its text, quoted", function()
    local function first(given)
      return db:copy_from_query(given)():gsub("\n$", "")
    end
    assert.equal("it's \\\\ $1", (first { "select $1::text || ' $1'", "it's \\" }))
    assert.equal("-5", (first { "select 1-$1-$1", 3 }))
    assert.equal("a ab", (first { "select :a || ' ' || :ab::text", params = { a = "a", ab = "ab" } }))
    assert.equal("t", (first { "select $1::int is null" }))
    fails("usage", db, "copy_from_query", { "select $1", 1, 2 })
    fails("usage", db, "copy_from_query", "select 1; select 2")
    fails("undefined_table", db, "copy_from_query", { "select * from nonsense", to = print })
  end)

  it("in from files, iterators and lists, in each format", function()
    local path = tmp.path()
    local file = assert(io.open(path, "wb"))
    file:write('id,name\n1,"a\nb"\n2,\n')
    file:close()
    local columns = { "id", "name" }
    assert.equal(2, db:copy_to_table("items", { from = path, format = "csv", header = true,
      columns = columns }))
    assert.equal("a\nb", db:fetch_value "select name from items where id = 1")
    assert.equal(2, db:copy_to_table("items", { from = { "3\tx", "\n4\t", "\\N\n" }, columns = columns }))
    local n = 4
    assert.equal(5000, db:copy_to_table("items", { columns = { "id" }, from = function()
      n = n + 1
      return n <= 5004 and n .. "\n" or nil
    end }))
    assert.equal(5004, count())
    check_usable()
  end)

  it("the caller's error in the middle leaves the connection usable and nothing stored", function()
    local i = 0
    local fine, err = pcall(db.copy_to_table, db, "items", { columns = { "id" }, from = function()
      i = i + 1
      if i > 100 then
        error "the source is broken"
      end
      return i .. "\n"
    end })
    assert.is_false(fine)
    assert.matches("the source is broken", tostring(err))
    assert.equal(0, count())
    fails("usage", db, "copy_to_table", "items", { from = function() return 7 end })
    fails("invalid_value", db, "copy_to_table", "items", { from = { "x\n" }, columns = { "id" } })
    fine, err = pcall(db.copy_from_query, db, { "select generate_series(1, 1000000)", to = function()
      error "the sink is broken"
    end })
    assert.is_false(fine)
    assert.matches("the sink is broken", tostring(err))
    fails("system", db, "copy_to_table", "items", { from = "/nonexistent/file" })
    fails("system", db, "copy_from_table", "items", { to = "/nonexistent/file" })
    check_usable()
  end)

  it("stops asking for data that the server has refused", function()
    local pieces = 0
    local function endless()
      pieces = pieces + 1
      assert(pieces < 1e6, "the server has refused them long ago")
      return pieces == 1 and "no number\n" or "1\n"
    end
    local err = fails("invalid_value", db.copy_to_table, db, "items", { columns = { "id" }, from = endless })
    assert.equal("22P02", err.sqlstate)
    pieces = 0
    local function rows()
      pieces = pieces + 1
      assert(pieces < 1e7, "the server has refused them long ago")
      return { pieces % 5000, "again" }
    end
    err = fails("unique_violation", db.copy_records_to_table, db, "items", rows,
      { columns = { "id", "name" } })
    assert.equal("items_pkey", err.constraint)
    assert.equal(0, count())
    check_usable()
  end)

  it("takes both forms of call", function()
    assert.equal(2, db:copy_to_table { "items", from = { "71\tform\n72\tform\n" },
                                       columns = { "id", "name" } })
    local out = {}
    assert.equal(2, db:copy_from_query { "select id from items where name = 'form' order by id",
                                         to = function(piece) out[#out + 1] = piece end })
    assert.equal("71\n72\n", table.concat(out))
    assert.matches("71\tform", db:copy_from_table { "items", columns = { "id", "name" } }(), 1, true)
    fails("usage", db, "copy_to_table", { from = { "" } })
    fails("usage", db, "copy_from_table", 7)
  end)

  it("an iterator that is left early frees its connection", function()
    for _ = 1, 5 do
      local pieces = db:copy_from_query "select repeat('x', 1000) from generate_series(1, 100000)"
      assert.is_true(#pieces() > 0)
      pieces:close()
      pieces:close()
      fails("usage", pieces)
    end
    covet.spawn(function()
      db:copy_from_query("select generate_series(1, 1000000)")()
    end):join()
    check_usable()
  end)

  it("a slow reader holds the server back", function()
    local before = collectgarbage "count"
    local size, n = 0, 0
    for piece in db:copy_from_query "select repeat('x', 1000) from generate_series(1, 50000)" do
      size, n = size + #piece, n + 1
      if n % 50 == 0 then
        covet.sleep(0.001)
        collectgarbage()
        assert.is_true(collectgarbage "count" - before < 20000)
      end
    end
    assert.equal(50000 * 1001, size)
  end)

  it("options are checked", function()
    fails("usage", db, "copy_to_table", "items", {})
    fails("usage", db, "copy_to_table", "items", { from = {}, fromat = "csv" })
    fails("usage", db, "copy_to_table", "items", { from = {}, format = "cvs" })
    fails("usage", db, "copy_to_table", 7, { from = {} })
    fails("usage", db, "copy_from_table", "items", { to = 7 })
    fails("usage", db, "copy_from_table", "items", { columns = {} })
    fails("undefined_table", db, "copy_to_table", "nonsense", { from = { "1\n" } })
    fails("undefined_column", db, "copy_from_table", "items", { columns = { "nonsense" } })
    check_usable()
  end)
end)
