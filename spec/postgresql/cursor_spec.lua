-- Streams by a cursor: `cursor = true`.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("streams by a cursor", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
    postgresql.psql(database.url, "create table t as select generate_series(1, 5000) as a")
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    db = postgresql.open({ max_pool_size = 2 }, database.url)
  end)

  local function cursors()
    return postgresql.rows(database.admin_url, [[select state, left(query, 12) from pg_stat_activity
      where datname = current_database() and state like 'idle in%']])
  end

  it("have a transaction of their own, which ends with them", function()
    local n = 0
    for row in db:each { "select a from t where a > $1", 0, cursor = true, chunk_size = 100 } do
      n = n + 1
      assert.equal(n, row.a)
      if n == 1 then
        assert.equal("idle in transaction", cursors()[1][1])
        assert.equal(1, db:execute("update t set a = a where a = $1", 1).affected_rows)
      end
    end
    assert.equal(5000, n)
    assert.same({}, cursors())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("may be left early, and forgotten", function()
    local stream = db:stream_query { "select a from t", cursor = true, chunk_size = 10 }
    assert.equal(10, #stream:read())
    stream:close()
    assert.same({}, cursors())
    local function begin()
      assert.equal(1, db:each { "select a from t order by a", cursor = true }().a)
    end
    for _ = 1, 5 do
      begin()
      collectgarbage()
    end
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("read only", function()
    fails("read_only", db, "each", { "update t set a = a returning a", cursor = true })
    fails("undefined_table", db, "each", { "select * from nothing", cursor = true })
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("share the connection of the transaction that is open", function()
    db:transaction(function(tx)
      local one = tx:each { "select a from t order by a", cursor = true, chunk_size = 10 }
      local two = db:each { "select a from t order by a desc", cursor = true, chunk_size = 10 }
      for i = 1, 50 do
        assert.equal(i, one().a)
        assert.equal(5001 - i, two().a)
      end
      assert.equal(1, db:get_pool_stats().used)
    end)
  end)

  it("are streams like others in SQLite", function()
    local lite = covet.sqlite ":memory:"
    for row in lite:each { "select 1 as a", cursor = true } do
      assert.equal(1, row.a)
    end
    lite:disconnect()
  end)
end)
