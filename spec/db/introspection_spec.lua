-- What a database tells about itself, and quoting.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

database.contract("introspection", function(d, open)
  local db
  before_each(function()
    db = open()
    local t = d.types
    db:execute(("create table orgs (id %s primary key)"):format(t.integer))
    db:execute(([[create table users (
      id %s primary key, name %s not null, age %s default 18, org %s references orgs (id) on delete cascade)
    ]]):format(t.integer, t.text, t.integer, t.integer))
    db:execute "create unique index users_name on users (name, age)"
    db:execute "create view adults as select * from users where age > 17"
  end)

  it("table_exists", function()
    assert.is_true(db:table_exists "users")
    assert.is_true(db:table_exists "adults")
    assert.is_false(db:table_exists "nonsense")
    assert.is_false(db:table_exists "users'--")
    fails("usage", db, "table_exists", 7)
    fails("usage", db, "table_exists")
  end)

  it("both forms of call", function()
    local schema = d.dialect == "mysql" and db:fetch_value "select database()"
      or d.dialect == "sqlite" and "main" or "public"
    local named = { "users", schema = schema }
    assert.is_true(db:table_exists(named))
    assert.equal(4, #db:get_table_info(named))
    assert.equal(4, #db:get_table_info("users", { schema = schema }))
    assert.is_true(#db:get_indexes(named) >= 1)
    assert.equal(1, #db:get_foreign_keys(named))
    assert.equal(2, #db:get_table_list { schema = schema })
    assert.matches("users$", db:analyze_table { "users" }.Table)
    fails("usage", db, "get_table_info", { "users", shcema = schema })
    fails("usage", db, "get_table_info", { schema = schema })
    assert.equal("users", named[1])
  end)

  it("get_table_info", function()
    local info = db:get_table_info "users"
    assert.equal(4, #info)
    local expected = {
      { name = "id", primary_key = true, position = 1 },
      { name = "name", nullable = false, primary_key = false, position = 2 },
      { name = "age", nullable = true, primary_key = false, position = 3 },
      { name = "org", nullable = true, primary_key = false, position = 4 },
    }
    for i, column in ipairs(expected) do
      for key, value in pairs(column) do
        assert.equal(value, info[i][key], column.name .. "." .. key)
      end
      assert.equal("string", type(info[i].type))
    end
    assert.matches("18", info[3].default)
    assert.is_nil(info[2].default)
    assert.same({}, db:get_table_info "nonsense")
    assert.equal(4, #db:get_table_info "adults")
  end)

  it("get_table_list, get_database_list, get_version", function()
    assert.same({ "orgs", "users" }, db:get_table_list())
    assert.is_true(#db:get_database_list() >= 1)
    assert.matches("%d+%.%d+", db:get_version())
  end)

  it("get_indexes", function()
    local found
    for _, index in ipairs(db:get_indexes "users") do
      if index.name == "users_name" then
        found = index
      end
    end
    assert.is_true(found.unique)
    assert.is_false(found.primary_key)
    assert.same({ "name", "age" }, found.columns)
    assert.same({}, db:get_indexes "nonsense")
  end)

  it("get_foreign_keys", function()
    local keys = db:get_foreign_keys "users"
    assert.equal(1, #keys)
    assert.equal("orgs", keys[1].table)
    assert.same({ "org" }, keys[1].columns)
    assert.same({ "id" }, keys[1].foreign_columns)
    assert.equal("CASCADE", keys[1].on_delete:upper())
    assert.same({}, db:get_foreign_keys "orgs")
  end)

  it("with_options and rows do not change what they tell", function()
    local view = db:with_options { rows = "array", types = { null = covet.null } }
    assert.equal("id", view:get_table_info("users")[1].name)
    assert.is_nil(view:get_table_info("users")[2].default)
    assert.equal("orgs", view:get_foreign_keys("users")[1].table)
    local names = {}
    for _, index in ipairs(view:get_indexes "users") do
      names[index.name] = true
    end
    assert.is_true(names.users_name)
    assert.is_true(view:table_exists "users")
  end)

  it("analyze_table and optimize_table", function()
    db:execute "insert into orgs values (1)"
    db:analyze_table "orgs"
    db:optimize_table "orgs"
    fails("usage", db, "analyze_table", 7)
    assert.equal(1, db:fetch_value "select count(*) from orgs")
  end)
end)

database.contract("quoting", function(d, open)
  it("identifiers go through the database and back", function()
    local db = open()
    for _, name in ipairs { "plain", "select", "a b", 'a"b', "a`b", "a'b", "é", "a.b", "a;b", "--", "%s",
      "?" } do
      local quoted = db:quote_identifier(name)
      db:execute(("create table %s (%s integer)"):format(quoted, quoted))
      assert.is_true(db:table_exists(name))
      db:execute(("insert into %s values (7)"):format(quoted))
      assert.equal(7, db:fetch_one(("select %s from %s"):format(quoted, quoted))[name])
      db:execute("drop table " .. quoted)
    end
    fails("usage", db, "quote_identifier", "a\0b")
    fails("usage", db, "quote_identifier", "")
    fails("usage", db, "quote_identifier", 7)
  end)

  it("literals go through the database and back", function()
    local db = open()
    for _, value in ipairs { "", "plain", "a'b", "''", "a\\", "\\'", "a\nb", "é", "?", ":x", "$1", "%s",
      0, 1, -1, 2 ^ 53, 0.5, -0.1, 1e300, 5e-324 } do
      local text = "select " .. db:quote_literal(value)
      if d.dialect ~= "sqlite" and type(value) == "number" then
        assert.equal(value, tonumber(db:fetch_value(text)))
      else
        assert.equal(value, db:fetch_value(text))
      end
    end
    assert.equal("9223372036854775807", tostring(db:fetch_value {
      "select " .. db:quote_literal(9223372036854775807LL), types = { int8 = "string" } }))
    assert.is_nil(db:fetch_value("select " .. db:quote_literal(nil)))
    assert.is_nil(db:fetch_value("select " .. db:quote_literal(covet.null)))
    assert.equal("\0\255a", db:fetch_value("select " .. db:quote_literal(covet.bytes "\0\255a")))
    local truth = db:fetch_value("select " .. db:quote_literal(true))
    assert.is_true(truth == 1 or truth == true)
    fails("usage", db, "quote_literal", print)
    fails("usage", db, "quote_literal", {})
  end)
end)
