-- What borrowers leave behind, and transactions as MySQL has them.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"
local tmp = require "spec.support.tmp"
local uv = require "luv"
local wait = require "spec.support.wait"

mysql.describe("sessions of MariaDB", function()
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

  local function resets(session)
    return tonumber((session:fetch_one { "show session status like 'Com_reset_connection'",
      rows = "array" } or { 0, 0 })[2]) or 0
  end

  local function connection_id()
    return db:fetch_value "select connection_id()"
  end

  it("what a lease sets is gone with it, and the connection stays", function()
    local id = connection_id()
    for _, change in ipairs {
      "set @mine = 5", "set sql_mode = ''", "set names latin1", "set time_zone = '+07:00'",
      "create temporary table mine (a int)", "do get_lock('covet', 0)",
      "set session transaction isolation level serializable", "select @mine := 6", "use mysql",
      "set autocommit = 0", "prepare mine from 'select 1'",
    } do
      db:with(function(held)
        if change == "use mysql" then
          change = "use information_schema"
        end
        held:execute(change)
      end)
      assert.is_nil(db:fetch_value "select @mine", change)
      assert.matches("STRICT_TRANS_TABLES", (db:fetch_value "select @@sql_mode"), change)
      assert.equal("utf8mb4", (db:fetch_value "select @@character_set_results"), change)
      assert.equal("+00:00", (db:fetch_value "select @@time_zone"), change)
      assert.equal("REPEATABLE-READ", (db:fetch_value "select @@tx_isolation"), change)
      assert.equal(1, db:fetch_value "select @@autocommit", change)
      assert.equal(database.name, (db:fetch_value "select database()"), change)
      assert.equal(1, db:fetch_value "select is_free_lock('covet')", change)
      fails("undefined_table", db, "fetch_value", "select * from mine")
      assert.equal(id, connection_id(), change)
    end
  end)

  it("clean loans are not reset, and keep prepared statements", function()
    db:execute "create table t (a int)"
    db:with(function(held)
      held:execute("insert into t values (?)", 1)
      held:transaction(function(tx)
        tx:execute("insert into t values (?)", 2)
      end)
    end)
    local before = db:get_pool_stats().cache_misses
    db:with(function(held)
      held:execute("insert into t values (?)", 3)
    end)
    assert.equal(before, db:get_pool_stats().cache_misses)
  end)

  it("init_command is run again after a reset", function()
    local other = open { init_command = "set @kept = 'yes'" }
    other:with(function(held)
      held:execute "set @kept = 'no'"
    end)
    assert.equal("yes", other:fetch_value "select @kept")
  end)

  it("a call on the adapter that changes the session is followed by a reset", function()
    db:execute "set @mine = 5"
    assert.is_nil(db:fetch_value "select @mine")
    db:execute "set @mine = 5; set @other = 6"
    assert.is_nil(db:fetch_value "select @mine")
  end)

  it("a call does not wait for the reset that follows it", function()
    local reset = "\1\0\0\0\31" -- COM_RESET_CONNECTION
    local front = proxy.start(mysql.options(mysql.url).port, function(data)
      return nil, data:find(reset, 1, true) and 2 or nil
    end)
    local other = open { host = "127.0.0.1", port = front.port }
    local id = other:fetch_value "select connection_id()"
    local started = wait.now()
    other:execute { "set @mine = 5", timeout = 0.5 }
    assert.is_true(wait.now() - started < 1)
    fails("pool_timeout", other, "fetch_value", { "select @mine", timeout = 0.2 })
    assert.is_nil(other:fetch_value "select @mine")
    assert.equal(id, other:fetch_value "select connection_id()")
    other:disconnect()
    front:stop()
  end)

  it("variables that a statement sets are gone with it", function()
    db:execute "create table t (a varchar(50))"
    db:execute "create procedure outp(out n int) set n = 5"
    for _, text in ipairs { "select 1 into @a", "do @a := 2", "call outp(@a)", "call outp( @`a`)",
      "insert into t values (@a:=1)", "select '@', @a := 3", "select 1 /* it's */ into @a" } do
      db:execute(text)
      assert.is_nil(db:fetch_value "select @a", text)
    end
    db:fetch_value "select 1"
    for _, text in ipairs { "select 'x@y', \"@a\", '\\'@a', `a@b` from (select 1 as `a@b`) s",
      "select @@sql_mode -- @a", "select 1 /* @a */", "select 1 # @a\n" } do
      db:execute(text)
      local count = db:get_pool_stats().cache_misses
      db:fetch_value "select 1"
      assert.equal(count, db:get_pool_stats().cache_misses, text)
    end
  end)

  it("reset = never leaves it, reset = always does not ask", function()
    local other = open { reset = "never" }
    other:execute "set @mine = 5"
    assert.equal(5, other:fetch_value "select @mine")
    other = open { reset = "always" }
    other:execute "select 1"
    assert.equal(1, other:fetch_value "select 1")
    assert.equal(0, resets(other) % 1)
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

  it("isolation levels in any spelling reach the server", function()
    db:execute "create table t (a int) engine = innodb"
    for given, expected in pairs { ["REPEATABLE READ"] = "REPEATABLE READ",
      repeatable_read = "REPEATABLE READ", ["READ COMMITTED"] = "READ COMMITTED",
      Read_Uncommitted = "READ UNCOMMITTED", serializable = "SERIALIZABLE" } do
      local found = db:transaction({ isolation = given }, function(tx)
        tx:execute "insert into t values (1)"
        covet.sleep(0.15) -- so long InnoDB keeps what it told last
        return mysql.administer("select trx_isolation_level from information_schema.innodb_trx "
          .. "where trx_mysql_thread_id = " .. tx:fetch_value "select connection_id()")
      end)
      assert.equal(expected, found)
    end
  end)

  it("a transaction's isolation level costs no reset, and goes with it", function()
    local function misses()
      assert.equal("REPEATABLE-READ", (db:fetch_value "select @@tx_isolation"))
      return db:get_pool_stats().cache_misses
    end
    local count = misses()
    for _ = 1, 3 do
      db:transaction({ isolation = "serializable" }, function() end)
    end
    assert.equal(count, misses())
  end)

  it("a statement that commits by itself is noticed and told", function()
    db:execute "create table t (a int)"
    local err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (1)"
      tx:execute "create table other (a int)"
      tx:execute "insert into t values (2)"
    end)
    assert.matches("committed by a statement", err.message)
    assert.matches("create", err.message)
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (3)"
      tx:execute "truncate table other"
    end)
    assert.matches("truncate", err.message)
    assert.equal(2, db:fetch_value "select count(*) from t")
    -- a temporary table does not
    db:transaction(function(tx)
      tx:execute "create temporary table temp (a int)"
      tx:execute "insert into t values (4)"
    end)
    assert.equal(3, db:fetch_value "select count(*) from t")
  end)

  it("a script that ends the transaction around it is noticed and told", function()
    db:execute "create table t (a int)"
    local err = fails("transaction_aborted", db, "transaction", function(tx)
      tx:execute "insert into t values (1)"
      tx:execute "create table s (x int); insert into s values (1)"
      tx:execute "insert into t values (2)"
    end)
    assert.matches("ended by a script", err.message)
    assert.equal(1, db:fetch_value "select count(*) from s")
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    err = fails("transaction_aborted", db, "transaction", function(tx)
      fails("undefined_table", tx, "execute", "create table v (x int); insert into nonsense values (1)")
      tx:execute "insert into t values (2)"
    end)
    assert.matches("ended by a script", err.message)
  end)

  local function two_rows(wide)
    wide:execute "create table locks (id int primary key, n int)"
    wide:execute "insert into locks values (1, 0), (2, 0)"
  end

  it("a deadlock undoes the whole transaction, and retries run it again", function()
    local wide = open { max_pool_size = 4 }
    two_rows(wide)
    local runs, told = 0, 0
    wide:on("retry", function() told = told + 1 end)
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      wide:transaction({ retries = 5 }, function(tx)
        runs = runs + 1
        tx:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        tx:execute("update locks set n = n + 1 where id = ?", order[2])
      end)
    end)
    assert.is_true(runs >= 3)
    assert.equal(runs - 2, told)
    assert.same({ 2, 2 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("after a deadlock nothing of the transaction goes on", function()
    local wide = open { max_pool_size = 4 }
    two_rows(wide)
    local kinds = {}
    covet.each_parallel({ { 1, 2 }, { 2, 1 } }, 2, function(order)
      local _, err = pcall(wide.transaction, wide, function(tx)
        tx:execute("update locks set n = n + 1 where id = ?", order[1])
        covet.sleep(0.1)
        local _, first = tx.try:execute("update locks set n = n + 1 where id = ?", order[2])
        if first then
          assert.equal("deadlock", first.kind)
          assert.equal("safe", first.retry)
          local _, second = tx.try:execute "update locks set n = 100"
          assert.equal("transaction_aborted", second.kind)
          error(first, 0)
        end
      end)
      kinds[#kinds + 1] = type(err) == "table" and err.kind or "fine"
    end)
    table.sort(kinds)
    assert.same({ "deadlock", "fine" }, kinds)
    assert.same({ 1, 1 }, (wide:fetch_column "select n from locks order by id"))
  end)

  it("a lock that takes too long undoes its statement only, and can be retried", function()
    local wide = open { max_pool_size = 4, init_command = "set innodb_lock_wait_timeout = 1" }
    two_rows(wide)
    local holder = open():begin() -- of another adapter: no part of this task's
    holder:execute "update locks set n = 5 where id = 1"
    local err = fails("lock_timeout", wide, "transaction", function(tx)
      tx:execute "update locks set n = 7 where id = 2"
      local _, late = tx.try:execute "update locks set n = 8 where id = 1"
      assert.equal("lock_timeout", late.kind)
      assert.equal(7, tx:fetch_value "select n from locks where id = 2")
      error(late, 0)
    end)
    assert.equal(1205, err.code)
    assert.equal(0, wide:fetch_value "select n from locks where id = 2")
    local runs = 0
    local task = covet.spawn(function()
      wide:transaction({ retries = 3 }, function(tx)
        runs = runs + 1
        tx:execute "update locks set n = n + 1 where id = 1"
      end)
    end)
    covet.sleep(1.2)
    holder:commit()
    task:join()
    assert.is_true(runs >= 1)
    assert.equal(6, wide:fetch_value "select n from locks where id = 1")
  end)

  it("savepoints hold what they promise", function()
    db:execute "create table t (a int primary key)"
    db:transaction(function(tx)
      tx:execute "insert into t values (1)"
      fails("unique_violation", tx, "transaction", function(inner)
        inner:execute "insert into t values (2)"
        inner:execute "insert into t values (1)"
      end)
      tx:savepoint "a"
      tx:execute "insert into t values (3)"
      tx:rollback_to "a"
    end)
    assert.same({ 1 }, (db:fetch_column "select a from t"))
    local err = fails("usage", db, "transaction", function(tx)
      tx:rollback_to "nonsense"
    end)
    assert.matches("nonsense", err.message)
  end)

  it("autocommit = false: a lease begins a transaction by itself", function()
    local other = open { autocommit = false, max_pool_size = 2 }
    other:execute "create table t (a int)"
    other:with(function(held)
      held:execute "insert into t values (1)"
    end)
    assert.equal(0, other:fetch_value "select count(*) from t")
    other:with(function(held)
      held:execute "insert into t values (2)"
      held:execute "commit"
    end)
    assert.equal(1, other:fetch_value "select count(*) from t")
    other:execute "insert into t values (3)" -- a call on the adapter is complete
    assert.equal(2, other:fetch_value "select count(*) from t")
    other:transaction(function(tx)
      tx:execute "insert into t values (4)"
    end)
    assert.equal(3, other:fetch_value "select count(*) from t")
  end)

  it("what a call on the adapter leaves open is told", function()
    db:execute "create table t (a int)"
    db:execute "create procedure opening() begin start transaction; insert into t values (1); end"
    local err = fails("usage", db, "execute", "call opening()")
    assert.matches("statement left a transaction open", err.message)
    assert.equal(0, db:fetch_value "select count(*) from t")
    db:transaction(function(tx)
      tx:execute "insert into t values (2)"
    end)
    db:with(function(held)
      held:execute "set autocommit = 0"
      held:execute "insert into t values (3)"
    end)
    db:execute "insert into t values (4)"
    assert.same({ 2, 4 }, (db:fetch_column "select a from t"))
    err = fails("usage", mysql.adapter { init_command = "set autocommit = 0" }, "connect")
    assert.matches("init_command", err.message)
  end)

  it("mode and deferrable are others'", function()
    fails("usage", db, "transaction", { mode = "immediate" }, function() end)
    fails("usage", db, "transaction", { deferrable = true, read_only = true }, function() end)
  end)

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
    db:execute "create procedure failing() begin select 1 as a; select * from nonsense; end"
    fails("undefined_table", db, "fetch_all", "call failing()")
    assert.equal(1, db:fetch_value "select 1")
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

  it("scripts: all or nothing, unless they define data", function()
    db:execute "create table t (a int primary key)"
    fails("unique_violation", db, "execute", "insert into t values (1); insert into t values (1)")
    assert.equal(0, db:fetch_value "select count(*) from t")
    db:transaction(function(tx)
      tx:execute "insert into t values (5)"
      fails("unique_violation", tx, "execute", "insert into t values (6); insert into t values (6)")
    end)
    assert.same({ 5 }, (db:fetch_column "select a from t"))
    assert.equal(2, db:execute("delete from t; insert into t values (1), (2)").affected_rows)
    db:execute "begin not atomic insert into t values (20); insert into t values (21); end"
    assert.equal(2, db:execute("delete from t where a >= 20").affected_rows)
    fails("usage", db, "execute", "create or replace table u (a int); begin; insert into u values (1)")
    assert.equal(0, db:fetch_value "select count(*) from u")
    db:execute "insert into u values (1); begin; insert into u values (2); commit; insert into u values (3)"
    db:with(function(held)
      held:execute "insert into u values (4); begin; insert into u values (5)"
      held:execute "rollback"
    end)
    assert.same({ 1, 2, 3, 4 }, (db:fetch_column "select a from u order by a"))
    fails("usage", db, "fetch_all", "select 1; select 2")
    local err = fails("syntax_error", db, "execute", "insert into t values (9);\nselct 1")
    assert.matches("line 2: selct", tostring(err))
  end)

  it("a server that asks for a file gets none", function()
    db:execute "create table t (line varchar(1000))"
    local path = tmp.path()
    local file = io.open(path, "w")
    file:write "a secret\n"
    file:close()
    local text = ("load data local infile '%s' into table t"):format(path)
    local _, err = db.try:execute(text)
    assert.is_table(err)
    assert.equal(0, db:fetch_value "select count(*) from t")
    local other = open { local_infile = true }
    assert.equal(1, other:execute(text).affected_rows)
    assert.equal("a secret", other:fetch_value "select line from t")
    _, err = other.try:execute "load data local infile '/nowhere/at/all' into table t"
    assert.is_table(err)
    assert.equal(1, other:fetch_value "select count(*) from t")
  end)

  it("files to be loaded: by their whole name, and regular ones", function()
    local other = open { local_infile = true }
    other:execute "create table t (line varchar(1000))"
    local folder = tmp.path()
    assert(uv.fs_mkdir(folder, tonumber("755", 8)))
    local path = folder .. "/it's \"a\" \\ file"
    local file = assert(io.open(path, "w"))
    file:write "a line\n"
    file:close()
    for _, text in ipairs {
      "load data local infile " .. other:quote_literal(path) .. " into table t",
      "LOAD DATA LOCAL INFILE '" .. path:gsub("\\", "\\\\"):gsub("'", "''") .. "' into table t",
      'load data local infile\n"' .. path:gsub("\\", "\\\\"):gsub('"', '""') .. '" into table t',
    } do
      assert.equal(1, other:execute(text).affected_rows, text)
    end
    local fifo = folder .. "/fifo"
    assert.equal(0, process.run({ "mkfifo", fifo }).status)
    for _, name in ipairs { fifo, folder } do
      local _, err = other.try:execute(("load data local infile '%s' into table t"):format(name))
      assert.matches("no regular file", err.message)
    end
    assert.equal(3, other:fetch_value "select count(*) from t")
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

  for _, bulk in ipairs { "auto", "rewrite", false } do
    it("lists of rows, bulk = " .. tostring(bulk), function()
      local other = open { bulk = bulk }
      other:execute "create table t (a int primary key, b varchar(20), c double, d longblob)"
      local list = {}
      for i = 1, 2500 do
        list[i] = { i, i % 3 > 0 and "text " .. i or nil, i % 2 == 0 and i / 2 or i,
          i % 5 > 0 and covet.bytes("\0\255" .. i) or "plain" }
      end
      assert.equal(2500, other:execute_many("insert into t values (?, ?, ?, ?)", list))
      local row = other:fetch_one "select * from t where a = 2498"
      assert.same({ a = 2498, b = "text 2498", c = 1249, d = "\0\2552498" }, row)
      assert.equal(2500 - 833, other:fetch_value "select count(b) from t")
      assert.equal(3, other:execute_many("update t set c = ? where a = ?", { { 1, 1 }, { 2, 2 }, { 3, 3 } }))
      assert.equal(4, other:execute_many(
        "insert into t (a, b) values (?, concat(?, ', (?)')) on duplicate key update b = values(b)",
        { { 1, "new" }, { 3000, "also new" } }) + 1)
      assert.equal("new, (?)", (other:fetch_value "select b from t where a = 1"))
      for i, text in ipairs {
        "insert into t (a, b) values /* it's ? ) */ (?, ?)", "insert into t (a, b) values (? /* ? ) */, ?)",
        "insert into t (a, b) values (?, -- ? )\n ?)",
        "insert into t (a, b) values (?, concat('?)\\'', ?, \"?(\"))",
        "insert into t (a, b) select ?, ?", "insert into t (`a`, `b`) values (?, ?) # ?",
      } do
        assert.equal(2, other:execute_many(text, { { 4000 + 2 * i, "x" }, { 4001 + 2 * i, "y" } }), text)
      end
      assert.equal("?)'x?(", (other:fetch_value "select b from t where a = 4008"))
      list = { { 5001, "x" }, { 5002, "y" }, { 1, "z" }, { 5003, "x" } }
      local err = fails("unique_violation", other, "execute_many", "insert into t (a, b) values (?, ?)", list)
      assert.matches("row 3", err.detail)
      assert.equal(0, other:fetch_value "select count(*) from t where a > 5000")
      err = fails("string_too_long", other, "execute_many", "insert into t (a, b) values (?, ?)",
        { { 5001, "x" }, { 5002, ("y"):rep(100) } })
      assert.matches("row 2", err.detail)
      assert.equal("b", err.column)
      other:transaction(function(tx)
        tx:execute "insert into t (a) values (6000)"
        fails("unique_violation", tx, "execute_many", "insert into t (a) values (?)", { { 6001 }, { 6000 } })
        tx:execute_many("insert into t (a) values (?)", { { 6002 }, { 6003 } })
      end)
      assert.same({ 6000, 6002, 6003 }, (other:fetch_column "select a from t where a >= 6000 order by a"))
    end)
  end

  it("execute_insert gives ids, of an UPSERT too", function()
    db:execute [[create table users (id bigint unsigned auto_increment primary key,
      email varchar(50) unique, n int)]]
    local text = "insert into users (email, n) values (%s, %s) on duplicate key update "
      .. "n = n + values(n), id = last_insert_id(id)"
    assert.equal(1, db:execute_insert(text, "a@b", 1))
    assert.equal(2, db:execute_insert(text, "c@d", 1))
    assert.equal(1, db:execute_insert(text, "a@b", 5))
    assert.equal(6, db:fetch_value "select n from users where id = 1")
    db:execute "insert into users values (18446744073709551610, 'big', 1)"
    assert.equal("18446744073709551610ULL", tostring(db:fetch_value "select max(id) from users"))
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

  it("optimize_table and analyze_table answer the server's words", function()
    db:execute "create table users (id int primary key)"
    local result = db:optimize_table "users"
    assert.equal(database.name .. ".users", result.Table)
    assert.equal("optimize", result.Op)
    assert.equal("status", result.Msg_type)
    assert.equal("OK", result.Msg_text)
    assert.equal("analyze", db:analyze_table("users").Op)
    fails("undefined_table", db, "optimize_table", "nonsense")
  end)
end)
