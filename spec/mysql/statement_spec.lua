-- Statements: prepared and kept, or not; what they take and answer.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local wait = require "spec.support.wait"

mysql.describe("statements of MariaDB", function()
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

  it("statements beyond the cache are closed on the server", function()
    local other = open { statement_cache_size = 5 }
    local function count()
      return tonumber((mysql.administer "show global status like 'Prepared_stmt_count'"):match "%d+$")
    end
    local before = count()
    for i = 1, 60 do
      assert.equal(i, other:fetch_value("select ? + " .. i .. " - " .. i, i))
    end
    other:fetch_value "select 1"
    assert.is_true(count() - before <= 8, count() - before)
    other:disconnect()
    assert.is_true(wait.until_true(function() return count() <= before end, 2))
  end)

  it("a cache of no size, and texts that are too long for it", function()
    local other = open { statement_cache_size = 0 }
    for i = 1, 20 do
      assert.equal(i, other:fetch_value("select ?", i))
    end
    other = open { max_cacheable_statement_size = 20 }
    for i = 1, 5 do
      assert.equal(i, other:fetch_value("select ? /* a text of some length */", i))
    end
  end)

  it("%% is % wherever %s stands for parameters, and nowhere else", function()
    assert.equal("2024-05", db:fetch_value("select date_format(%s, '%%Y-%%m')", "2024-05-06"))
    assert.equal("2024-05", db:fetch_value("select date_format(%s, '%Y-%m')", "2024-05-06"))
    assert.equal(1, db:fetch_value("select 10 %% 3 + %s", 0))
    assert.equal("%2024", db:fetch_value "select date_format('2024-05-06', '%%%Y')")
    assert.equal("%%", db:fetch_value("select '%%' from dual where 1 = ?", 1))
  end)

  describe("on a server with as many statements as it may have", function()
    local limit

    local function set_limit(count)
      mysql.administer("set global max_prepared_stmt_count = " .. count)
    end

    before_each(function()
      limit = mysql.administer("select @@global.max_prepared_stmt_count"):match "%d+"
    end)

    after_each(function()
      set_limit(limit)
    end)

    it("what needs none is run, what has parameters fails with a hint", function()
      db:execute "create table t (a int)"
      set_limit(0)
      assert.equal(1, db:fetch_value "select 1")
      assert.equal(1, db:execute("insert into t values (1)").affected_rows)
      assert.same({ { 7 } }, db:fetch_all { "execute immediate 'select 7'", rows = "array" })
      for _ = 1, 2 do
        local err = fails("database_error", db, "fetch_value", "select ?", 1)
        assert.equal(1461, err.code)
        assert.match("max_prepared_stmt_count.*statement_cache_size", err.hint)
      end
      fails("database_error", db, "execute_many", "insert into t values (?)", { { 1 }, { 2 } })
      fails("database_error", db, "prepare", "select 1")
      set_limit(limit)
      assert.equal(1, db:fetch_value("select ?", 1))
    end)

    it("a connection gives back those that it keeps", function()
      set_limit(4)
      for round = 1, 2 do
        for i = 1, 12 do
          assert.equal(i + round, db:fetch_value("select " .. i .. " + ?", round))
        end
      end
      db:transaction(function(tx)
        for i = 1, 12 do
          assert.equal(i, tx:fetch_value("select ? /* " .. i .. " */", i))
        end
      end)
    end)

    it("reads that share a connection have theirs while others make room", function()
      set_limit(3)
      covet.group(function(group)
        for i = 1, 60 do
          group:spawn(function()
            local text = i % 3 == 0 and "select ? /* shared */" or "select ? /* " .. i % 7 .. " */"
            for round = 1, 5 do
              assert.equal(i * round, db:fetch_value(text, i * round))
            end
          end)
        end
      end)
    end)

    it("a list of rows that needs a second statement goes row by row", function()
      local other = open { bulk = "rewrite" }
      other:execute "create table t (a int)"
      other:disconnect()
      db:disconnect()
      other = open { bulk = "rewrite" }
      set_limit(1)
      assert.equal(3, other:execute_many("insert into t values (?)", { { 1 }, { 2 }, { 3 } }))
    end)
  end)

  it("a statement that the server has lost is prepared anew", function()
    assert.equal(1, db:fetch_value("select ?", 1))
    db:with(function(held)
      held:execute "set @a = 1" -- a reset drops all of them
    end)
    assert.equal(2, db:fetch_value("select ?", 2))
  end)

  it("a changed table: columns come and go, and change their names", function()
    db:execute "create table t (a int, b int)"
    db:execute "insert into t values (1, 2)"
    assert.same({ a = 1, b = 2 }, db:fetch_one "select * from t")
    db:execute "alter table t change b c varchar(10)"
    assert.same({ a = 1, c = "2" }, db:fetch_one "select * from t")
    db:execute "alter table t drop column c"
    assert.same({ a = 1 }, db:fetch_one "select * from t")
    db:execute "alter table t add column d double default 0.5"
    assert.same({ a = 1, d = 0.5 }, db:fetch_one "select * from t")
  end)

  it("a changed table: what MariaDB tells of types beyond the protocol's", function()
    local function check(before, after, value, is_before, is_after)
      db:execute("create or replace table t (v " .. before .. ")")
      db:execute("insert into t values (" .. value .. ")")
      for _ = 1, 2 do
        for _, step in ipairs { { before, is_before }, { after, is_after } } do
          db:execute("alter table t modify v " .. step[1])
          for _ = 1, 3 do
            assert.same(step[2], db:fetch_value "select v from t")
          end
        end
      end
    end
    local binary = "longtext character set utf8mb4 collate utf8mb4_bin"
    check(binary, "json", [['{"a":1}']], '{"a":1}', { a = 1 })
    check("json", binary, [['[1]']], { 1 }, "[1]")
    local uuid = "123e4567-e89b-12d3-a456-426655440000"
    check("char(36) character set ascii", "uuid", "'" .. uuid .. "'", uuid, uuid)
  end)

  it("what cannot be prepared goes as text", function()
    db:execute "create table t (a int)"
    db:execute "lock tables t write"
    db:with(function(held)
      held:execute "prepare mine from 'select 5 as a'"
      assert.equal(5, held:fetch_value "execute mine")
      assert.equal(5, held:fetch_value "execute mine")
      held:execute "deallocate prepare mine"
    end)
    fails("unsupported", db, "execute", "prepare mine from ?", "select 1")
    fails("unsupported", db, "prepare", "prepare mine from 'select 1'")
  end)

  it("what cannot be prepared is not run to be described", function()
    db:execute "create table t (a int)"
    for _ = 1, 2 do
      db:execute "execute immediate 'insert into t values (1)'"
      fails("unsupported", db, "prepare", "execute immediate 'insert into t values (1)'")
    end
    assert.equal(2, db:fetch_value "select count(*) from t")
  end)

  it("rows of EXECUTE have every digit, and every type", function()
    db:execute "create table t (a int, f float, j json, u uuid)"
    db:execute [[insert into t values (1, 16777215, '[1]', uuid()), (2, 0.1, null, null),
      (3, -1.1754944e-38, null, null)]]
    local query = "select a, f, j, u from t where a > @least order by a"
    db:with(function(held)
      held:execute "set @least = 0"
      local expected = held:fetch_all(query)
      held:execute(("prepare mine from '%s'"):format(query))
      for _, text in ipairs { "execute mine", "EXECUTE mine; -- again", "/* x */ execute /*! mine */ # y",
        ("execute immediate '%s'"):format(query) } do
        for _ = 1, 3 do
          assert.same(expected, held:fetch_all(text))
          assert.equal(1, held:fetch_value(text))
        end
        held:execute(text)
        local rows = {}
        for row in held:each { text, chunk_size = 1 } do
          rows[#rows + 1] = row
        end
        assert.same(expected, rows)
      end
      held:execute "prepare mine from 'select 7 as b, ? as c'"
      assert.same({ { b = 7, c = 0 } }, held:fetch_all "execute mine using @least")
      held:execute "prepare mine from 'select ?'"
      assert.equal(0, held:fetch_value "execute mine using @least")
      fails("syntax_error", held, "fetch_all", "execute mine using @least @least")
      fails("unsupported", held, "fetch_all", "execute mine using ?", 1)
      assert.equal(1, held:execute("execute immediate 'insert into t (a) values (4)'").affected_rows)
      assert.equal(5, held:fetch_value "execute immediate 'insert into t (a) values (5) returning a'")
    end)
    fails("undefined_table", db, "fetch_all", "execute immediate 'select * from nonsense'")
  end)

  it("what cannot be prepared is tried once", function()
    local other = open { reset = "never" }
    local function prepared()
      return tonumber(other:fetch_one { "show session status like 'Com_stmt_prepare'", rows = "array" }[2])
    end
    other:execute "prepare mine from 'select 5 as a'"
    prepared()
    assert.equal(5, other:fetch_value "execute mine")
    local count = prepared()
    for _ = 1, 5 do
      assert.equal(5, other:fetch_value "execute mine")
    end
    assert.equal(count, prepared())
  end)

  it("packets beyond the server's limit are refused, and the limit named", function()
    mysql.administer "set global max_allowed_packet = 1048576"
    local other = open()
    mysql.administer "set global max_allowed_packet = 268435456"
    local err = fails("invalid_value", other, "fetch_value", "select length(?)", ("x"):rep(2 ^ 20))
    assert.matches("1048576", err.message)
    assert.matches("max_allowed_packet", err.hint)
    err = fails("invalid_value", other, "fetch_value", "select '" .. ("x"):rep(2 ^ 20) .. "'")
    assert.matches("1048576", err.message)
    assert.equal(1, other:fetch_value "select 1")
    assert.equal(2 ^ 19, other:fetch_value("select length(?)", ("x"):rep(2 ^ 19)))
    -- lists go in as many packets as they need
    other:execute "create table big (a longtext)"
    local list = {}
    for i = 1, 40 do
      list[i] = { ("y"):rep(200000) }
    end
    assert.equal(40, other:execute_many("insert into big values (?)", list))
    list[20] = { ("z"):rep(2 ^ 21) }
    err = fails("invalid_value", other, "execute_many", "insert into big values (?)", list)
    assert.matches("1048576", err.message)
    assert.equal(40, other:fetch_value "select count(*) from big")
  end)

  it("execute_insert gives what RETURNING does", function()
    db:execute "create table t (id int primary key auto_increment, word varchar(9))"
    assert.equal(1, db:execute_insert("insert into t (word) values (?)", "a"))
    assert.equal(2, db:execute_insert("insert into t (word) values (%s) returning id, word", "b"))
    assert.equal("c", db:execute_insert { "replace into t (word) values (:word) returning word, id",
      params = { word = "c" } })
    assert.is_nil(db:execute_insert("insert into t (word) select word from t where id > ? returning id", 9))
    db:transaction(function(tx)
      assert.equal(4, tx:prepare("insert into t (word) values (?) returning id"):execute_insert "d")
    end)
  end)

  it("execute_insert gives ids, of an UPSERT too", function()
    db:execute [[create table users (id bigint unsigned auto_increment primary key,
      email varchar(50) unique, n int)]]
    local text = "insert into users (email, n) values (%s, %s) on duplicate key update "
      .. "n = n + values(n), id = last_insert_id(id)"
    assert.equal(1, db:execute_insert(text, "a@b", 1))
    assert.equal(2, db:execute_insert(text, "c@d", 1))
    assert.equal(1, db:execute_insert(text, "a@b", 5))
    assert.equal(6, db:fetch_value "select n from users where id = 1")
  end)

  it("ids beyond 2^53 and 2^63 are told as they are", function()
    db:execute "create table counters (id bigint unsigned auto_increment primary key, n int)"
    local function stored()
      return tostring(db:fetch_value "select max(id) from counters")
    end
    for first, shown in pairs { [2 ^ 53] = "9.007199254741e+15", ["9007199254740993"] = "9007199254740993LL",
      ["9223372036854775807"] = "9223372036854775807LL",
      ["9223372036854775808"] = "9223372036854775808ULL",
      ["18446744073709551610"] = "18446744073709551610ULL" } do
      db:execute "truncate counters"
      db:execute("insert into counters values (?, 0)", first)
      assert.equal(shown, stored())
      assert.equal(shown, tostring(db:execute_insert("replace into counters values (?, 1)", first)))
      local result = db:execute "insert into counters (n) values (2)"
      assert.equal(stored(), tostring(result.last_insert_id))
      result = db:execute "insert into counters (n) values (3); insert into counters (n) values (4)"
      assert.equal(stored(), tostring(result.last_insert_id))
    end
  end)
end)
