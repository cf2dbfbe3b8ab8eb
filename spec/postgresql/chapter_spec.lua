-- A walk through the adapter as a reader of the documentation would take it.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"

postgresql.describe("PostgreSQL, the first steps", function()
  local database, db

  before_each(function()
    database = postgresql.fresh_database()
    local at = postgresql.options(database.url)
    db = covet.postgresql {
      host = at.host, port = at.port, database = at.database, user = at.user, password = at.password,
      min_pool_size = 5, max_pool_size = 20,
      command_timeout = 60.0, query_timeout = 30.0,
      statement_cache_size = 100, max_cached_statement_lifetime = 300, max_cacheable_statement_size = 15360,
      ssl = "prefer",
    }
    db:connect()
    db:execute [[
      create table users (id serial primary key, name text not null, email text not null unique,
        active boolean not null default true);
      create table accounts (id int primary key, balance int not null)]]
  end)
  after_each(function()
    db:disconnect()
    database:drop()
  end)

  it("executes, fetches and commits", function()
    local result = db:execute("INSERT INTO users (name, email) VALUES ($1, $2)", "Alice", "alice@example.com")
    assert.equal("INSERT 0 1", result.command)
    assert.equal(1, result.affected_rows)
    local users = db:fetch_all("SELECT * FROM users WHERE active = $1", true)
    assert.same({ { id = 1, name = "Alice", email = "alice@example.com", active = true } }, users)
    db:transaction(function(tx)
      tx:execute "INSERT INTO accounts VALUES (1, 100), (2, 0)"
      tx:execute("UPDATE accounts SET balance = balance - $1 WHERE id = $2", 100, 1)
      tx:execute("UPDATE accounts SET balance = balance + $1 WHERE id = $2", 100, 2)
    end)
    assert.same({ 0, 100 }, db:fetch_column "SELECT balance FROM accounts ORDER BY id")
  end)

  it("rolls back when the block fails", function()
    local fine = pcall(db.transaction, db, function(tx)
      tx:execute "INSERT INTO accounts VALUES (1, 100)"
      error "no"
    end)
    assert.is_false(fine)
    assert.equal(0, db:fetch_value "SELECT count(*) FROM accounts")
  end)

  it("has the levels of isolation, in any case", function()
    for given, shown in pairs {
      read_committed = "read committed", ["REPEATABLE READ"] = "repeatable read",
      Serializable = "serializable", read_uncommitted = "read uncommitted",
    } do
      db:transaction({ isolation = given }, function(tx)
        assert.equal(shown, tx:fetch_value "show transaction_isolation")
      end)
    end
    db:transaction({ isolation = "serializable", read_only = true, deferrable = true }, function(tx)
      assert.equal("on", tx:fetch_value "show transaction_read_only")
      assert.equal("on", tx:fetch_value "show transaction_deferrable")
    end)
  end)

  it("copies records", function()
    local records = { { 1, "Alice", "alice@example.com" }, { 2, "Bob", "bob@example.com" } }
    assert.equal(2, db:copy_records_to_table("users", records, { columns = { "id", "name", "email" } }))
    assert.equal("Bob", db:fetch_value("SELECT name FROM users WHERE id = $1", 2))
  end)

  it("streams in chunks", function()
    db:execute "INSERT INTO accounts SELECT n, n FROM generate_series(1, 2500) n"
    local sizes = {}
    for chunk in db:stream_query { "SELECT * FROM accounts WHERE id > $1", 100, chunk_size = 1000 } do
      sizes[#sizes + 1] = #chunk
    end
    assert.same({ 1000, 1000, 400 }, sizes)
  end)

  it("tells about its schema", function()
    local columns = db:get_table_info("users", { schema = "public" })
    assert.equal("id", columns[1].column_name)
    assert.equal("integer", columns[1].data_type)
    assert.equal("NO", columns[1].is_nullable)
    assert.is_true(db:table_exists "users")
    assert.is_false(db:table_exists "nothing")
    assert.matches("^PostgreSQL ", db:get_version())
  end)

  it("tells about its pool", function()
    local stats = db:get_pool_stats()
    assert.is_true(stats.size >= 1 and stats.free <= stats.size)
    assert.equal(0, stats.used)
  end)

  it("tells a violated constraint from others", function()
    local insert = "INSERT INTO users (name, email) VALUES ($1, $2)"
    db:execute(insert, "Alice", "alice@example.com")
    local _, err = db.try:execute(insert, "Alice", "alice@example.com")
    assert.is_true(covet.is(err, "unique_violation"))
    assert.equal("23505", err.sqlstate)
    assert.equal("users_email_key", err.constraint)
    assert.is_nil(tostring(err):find("alice@example.com", 1, true))
  end)
end)
