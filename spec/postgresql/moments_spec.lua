-- Numbers and tables for dates and times, one by one and many at a time.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"

postgresql.describe("dates and times in PostgreSQL", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    database:clear()
    db = postgresql.open({ max_pool_size = 2 }, database.url)
    db:execute "create domain day as date; create table t (key int primary key, d date, n int)"
  end)

  it("are in order in execute_many, however they are given", function()
    local list = {}
    for i = 1, 4000 do
      list[i] = { 1, i == 5 and 86400 or "2020-01-01", i }
    end
    assert.equal(4000, db:execute_many("insert into t values ($1, $2, $3) "
      .. "on conflict (key) do update set d = excluded.d, n = excluded.n", list))
    assert.equal(4000, db:fetch_value "select n from t")
  end)

  it("are in order beside values of other forms", function()
    db:execute "create table lists (n serial, a int[], d date)"
    local list = {}
    for i = 1, 6000 do
      list[i] = { i < 3000 and "{1}" or { i }, i == 5 and 0 or "2020-01-01" }
    end
    assert.equal(6000, db:execute_many("insert into lists (a, d) values ($1, $2)", list))
    assert.equal(0, db:fetch_value [[select count(*) from lists
      where a <> case when n < 3000 then array[1] else array[n] end]])
  end)

  it("are numbers for a domain too", function()
    assert.equal("1970-01-02", db:fetch_value("select $1::day", 86400))
    db:execute "create table days (d day, list day[])"
    db:execute("insert into days values ($1, $2)", 86400, { 0 })
    db:execute_many("insert into days (d) values ($1)", { { 0 }, { 86400 } })
    db:copy_records_to_table("days", { { 86400, { 0, 86400 } } })
    assert.same({ "1970-01-02", "1970-01-01", "1970-01-02", "1970-01-02" },
      db:fetch_column "select d::text from days")
  end)

  it("that are a date alone begin at midnight, UTC", function()
    assert.equal("2026-11-23 00:00:00+00",
      db:fetch_value("select $1::timestamptz", { year = 2026, month = 11, day = 23 }))
    assert.equal("2026-11-22 22:00:00+00", db:fetch_value("select $1::timestamptz",
      { year = 2026, month = 11, day = 23, offset = 7200 }))
    assert.equal("2026-11-23 00:00:00",
      db:fetch_value("select $1::timestamp", { year = 2026, month = 11, day = 23 }))
    local fine, err = pcall(db.fetch_value, db, "select $1::timestamptz",
      { year = 2026, month = 11, day = 23, hour = 1, usec = 1500000 })
    assert.is_false(fine)
    assert.matches("usec: expected 0 to 999999", err.message)
    assert.is_true(covet.is(err, "usage"))
  end)
end)
