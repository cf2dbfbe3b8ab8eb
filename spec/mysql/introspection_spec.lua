-- What MariaDB says about its tables.
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

mysql.describe("introspection of MariaDB", function()
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

  it("get_table_info has what SHOW FULL COLUMNS has, and the neutral keys", function()
    db:execute [[create table `odd ``name` (a int primary key, b varchar(10) default 'abc' comment 'it''s',
      c varchar(10) default 'NULL', d varchar(10), e datetime not null default current_timestamp on update
      current_timestamp, f varchar(30) default 'current_timestamp()', g varchar(3) default '',
      h text default 'x', i bit(3) default b'101', j int as (a + 1), k decimal(5,2) default 1.5,
      l enum('a', 'b') default 'b', m int invisible, unique (b), key (c, d))]]
    local info = db:get_table_info "odd `name"
    local lines = {}
    for i, row in ipairs(info) do
      local line = {}
      for j, key in ipairs { "Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges",
        "Comment" } do
        line[j] = row[key] or "NULL"
      end
      lines[i] = table.concat(line, "\t")
      assert.same({ row.Field, row.Type, i, row.Null == "YES", row.Key == "PRI" },
        { row.name, row.type, row.position, row.nullable, row.primary_key })
    end
    assert.equal(mysql.client(database.url, "show full columns from `odd ``name`"), table.concat(lines, "\n"))
    local defaults = {}
    for _, row in ipairs(info) do
      defaults[row.name] = row.default
    end
    assert.same({ b = "'abc'", c = "'NULL'", e = "current_timestamp()", f = "'current_timestamp()'",
      g = "''", h = "'x'", i = "b'101'", k = "1.50", l = "'b'" }, defaults)
    assert.equal("abc", info[2].Default)
    assert.is_nil(info[4].Default)
    assert.equal(13, #open({ database = "covet" }):get_table_info("odd `name", database.name))
    assert.same({}, open({ database = false }):get_table_info "odd `name")
  end)

  it("get_table_info tells the columns that a user may see, and their places", function()
    local user = ("reader_%d"):format(require "luv".os_getpid())
    db:execute "create table t (a int, b int default 5, c int, d int)"
    mysql.administer(("create user %s identified by 'pw'; grant select (b), insert (d) on %s.t to %s")
      :format(user, database.name, user))
    local info = open({ user = user, password = "pw" }):get_table_info "t"
    mysql.administer("drop user " .. user)
    assert.same({ "b", 2, "d", 4 }, { info[1].Field, info[1].position, info[2].Field, info[2].position })
    assert.equal("5", info[1].Default)
  end)

  it("get_table_list has what is in information_schema", function()
    local shown = db:fetch_column "show tables from information_schema"
    local listed = db:get_table_list "information_schema"
    table.sort(shown)
    table.sort(listed)
    assert.same(shown, listed)
    db:execute "create table t (a int)"
    db:execute "create view v as select a from t"
    assert.same({ "t" }, db:get_table_list())
  end)

  it("temporary tables, where they are", function()
    local errors = 0
    db:on("error", function() errors = errors + 1 end)
    db:execute "create table hidden (x int)"
    db:transaction(function(tx)
      tx:execute [[create temporary table t (a int primary key default 5, b varchar(9) default 'it''s',
        c text default concat('a', 'b'), d int not null)]]
      tx:execute "create temporary table hidden (y int)"
      assert.is_true(tx:table_exists "t")
      assert.is_true(db:table_exists("t", database.name))
      assert.is_false(tx:table_exists "nowhere")
      assert.is_false(tx:table_exists("t", "nowhere"))
      assert.is_false(tx:table_exists "")
      assert.same({}, tx:get_table_info "nowhere")
      local info = tx:get_table_info "t"
      local function of(key)
        return { info[1][key], info[2][key], info[3][key], info[4][key] }
      end
      assert.same({ "a", "b", "c", "d" }, of "name")
      assert.same({ "5", "'it''s'", "concat('a','b')" }, of "default")
      assert.same({ "5", "it's", "concat('a','b')" }, of "Default")
      assert.same({ 1, 2, 3, 4 }, of "position")
      assert.same({ true, false, false, false }, of "primary_key")
      assert.same({ false, true, true, false }, of "nullable")
      assert.equal("y", tx:get_table_info("hidden")[1].name)
      assert.equal(2, tx:copy_records_to_table("hidden", { { 1 }, { 2 } }))
      assert.equal(1, db:copy_records_to_table("t", { { 1, "b", "c", 4 } }))
      assert.same({ 1, 2 }, tx:fetch_column "select y from hidden order by y")
    end)
    assert.equal("x", db:get_table_info("hidden")[1].name)
    assert.is_false(db:table_exists "t")
    assert.equal(0, errors)
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
