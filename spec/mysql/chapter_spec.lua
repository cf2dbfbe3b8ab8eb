-- A walk through the adapter as a reader of the documentation would take it.
local covet = require "covet"
local mysql = require "spec.support.mysql"

mysql.describe("MySQL, the first steps", function()
  local database, db

  before_each(function()
    database = mysql.fresh_database()
    local at = mysql.options(database.url)
    db = covet.mysql {
      host = at.host, port = at.port, database = at.database, user = at.user, password = at.password,
      charset = "utf8mb4", min_pool_size = 5, max_pool_size = 20, connect_timeout = 10.0,
    }
    db:connect()
    db:execute [[create table users (id int auto_increment primary key, name varchar(100) not null,
      email varchar(100) not null unique, status varchar(20), last_login datetime)]]
  end)
  after_each(function()
    db:disconnect()
    database:drop()
  end)

  it("executes with %s and ?, and gives the ids of inserts", function()
    local result = db:execute("INSERT INTO users (name, email) VALUES (%s, %s)", "Alice", "alice@example.com")
    assert.equal(1, result.affected_rows)
    assert.equal(1, result.last_insert_id)
    result = db:execute("UPDATE users SET status = %s WHERE id = %s", "active", 1)
    assert.equal(1, result.affected_rows)
    local id = db:execute_insert("INSERT INTO users (name, email) VALUES (?, ?)", "Bob 😀", "bob@example.com")
    assert.equal(2, id)
    assert.equal("Bob 😀", db:fetch_value("SELECT name FROM users WHERE id = %s", id))
    assert.same({ id = 1, name = "Alice", email = "alice@example.com", status = "active" },
      db:fetch_one("SELECT id, name, email, status FROM users WHERE status = ?", "active"))
  end)

  it("streams in chunks", function()
    local rows, chunks = 0, 0
    for chunk in db:stream_query { "SELECT seq FROM seq_1_to_2500", chunk_size = 1000 } do
      chunks = chunks + 1
      for _, row in ipairs(chunk) do
        rows = rows + 1
        assert.equal(rows, row.seq)
      end
    end
    assert.equal(2500, rows)
    assert.equal(3, chunks)
  end)

  it("has TLS by a table of files, autocommit off, and a Unix socket", function()
    local at = mysql.options(database.url)
    local other = mysql.close_later(covet.mysql {
      host = "localhost", port = at.port, database = at.database, user = at.user, password = at.password,
      autocommit = false,
      ssl = { ca = mysql.certificate "ca.crt", cert = mysql.certificate "client.crt",
        key = mysql.certificate "client.key" },
      min_pool_size = 1,
    })
    other:connect()
    assert.matches("^TLS", (other:fetch_one { "show status like 'Ssl_cipher'", rows = "array" })[2])
    other = mysql.close_later(covet.mysql { unix_socket = mysql.socket, database = at.database,
      user = at.user, password = at.password })
    assert.equal(database.name, other:fetch_value "select database()")
  end)

  it("has the levels of isolation, in any case", function()
    for given, shown in pairs {
      ["REPEATABLE READ"] = "REPEATABLE-READ", read_committed = "READ-COMMITTED",
      Serializable = "SERIALIZABLE", ["read uncommitted"] = "READ-UNCOMMITTED",
    } do
      db:transaction({ isolation = given }, function(tx)
        tx:execute "insert into users (name, email) values ('x', uuid())"
        covet.sleep(0.15) -- so long InnoDB keeps what it told last
        local seen = mysql.administer("select trx_isolation_level from information_schema.innodb_trx"
          .. " where trx_mysql_thread_id = " .. tx:fetch_value "select connection_id()")
        assert.equal(shown, (seen:gsub(" ", "-")), given)
      end)
    end
  end)

  it("upserts", function()
    local text = [[
      INSERT INTO users (email, name, last_login)
      VALUES (%s, %s, NOW())
      ON DUPLICATE KEY UPDATE
        name = VALUES(name),
        last_login = NOW()]]
    assert.equal(1, db:execute(text, "alice@example.com", "Alice").affected_rows)
    db:execute(text, "alice@example.com", "Alice the second")
    assert.same({ { name = "Alice the second" } }, db:fetch_all "SELECT name FROM users")
  end)

  it("executes many", function()
    assert.equal(3, db:execute_many("INSERT INTO users (name, email) VALUES (%s, %s)", {
      { "Alice", "alice@example.com" },
      { "Bob", "bob@example.com" },
      { "Charlie", "charlie@example.com" },
    }))
    assert.equal(2, db:copy_records_to_table("users", {
      { name = "Dora", email = "dora@example.com" },
      { name = "Emil", email = "emil@example.com" },
    }))
    assert.equal(5, db:fetch_value "SELECT count(*) FROM users")
  end)

  it("optimizes and analyzes tables", function()
    local result = db:optimize_table "users"
    assert.same({ Table = database.name .. ".users", Op = "optimize", Msg_type = "status", Msg_text = "OK" },
      { Table = result.Table, Op = result.Op, Msg_type = result.Msg_type, Msg_text = result.Msg_text })
    result = db:analyze_table "users"
    assert.equal("analyze", result.Op)
  end)

  it("tells of databases, tables and columns", function()
    local found = {}
    for _, name in ipairs(db:get_database_list()) do
      found[name] = true
    end
    assert.is_true(found[database.name] and found.information_schema)
    db:execute "create view active as select * from users"
    assert.same({ "users" }, db:get_table_list(database.name))
    assert.same({ "users" }, db:get_table_list())
    local columns = db:get_table_info "users"
    assert.equal("id", columns[1].Field)
    assert.equal("int(11)", columns[1].Type)
    assert.equal("NO", columns[1].Null)
    assert.equal("PRI", columns[1].Key)
    assert.equal("auto_increment", columns[1].Extra)
    assert.equal("UNI", columns[3].Key)
    assert.is_true(db:table_exists "users")
    assert.is_false(db:table_exists "nobody")
    assert.matches("MariaDB", db:get_version())
  end)

  it("tells of the pool", function()
    local stats = db:get_pool_stats()
    assert.is_true(stats.size >= 1 and stats.free >= 0 and stats.used == 0)
  end)

  it("connects by a URL", function()
    local other = mysql.close_later(covet.mysql(database.url .. "?charset=utf8mb4&connect_timeout=5",
      { min_pool_size = 1, max_pool_size = 2 }))
    assert.equal(1, other:fetch_value "select 1")
    other = mysql.close_later(covet.connect((database.url:gsub("^mysql", "mariadb"))))
    assert.equal(1, other:fetch_value "select 1")
  end)
end)
