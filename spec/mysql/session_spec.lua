-- What borrowers leave behind.
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"
local wait = require "spec.support.wait"

mysql.describe("sessions of MariaDB", function()
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
end)
