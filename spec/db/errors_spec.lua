-- Errors: the same kinds in all databases, with the fields that are known.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

local function tables(d, db)
  local t = d.types
  db:execute(("create table orgs (id %s primary key, name %s not null)"):format(t.integer, t.text))
  db:execute(([[create table people (
    id %s primary key, email %s not null, age %s, org %s references orgs (id),
    constraint people_email unique (email), constraint people_age check (age >= 0))]]):format(
    t.integer, d.dialect == "mysql" and "varchar(100)" or t.text, t.integer, t.integer))
  db:execute "insert into orgs values (1, 'acme')"
  db:execute "insert into people values (1, 'a@b', 3, 1)"
end

database.contract("errors", function(d, open)
  local db
  before_each(function()
    db = open()
    tables(d, db)
  end)

  local insert = "insert into people values (?, ?, ?, ?)"

  it("unique_violation", function()
    local err = fails("unique_violation", db, "execute", d:sql(insert), 2, "a@b", 1, 1)
    assert.equal("people", err.table)
    if d.dialect == "sqlite" then
      assert.equal("email", err.column)
      assert.equal("people.email", err.constraint)
    else
      assert.equal("people_email", err.constraint)
    end
    assert.equal(d.dialect, err.database)
    if d.dialect == "postgresql" then
      assert.equal("23505", err.sqlstate)
    else
      assert.equal("number", type(err.code))
    end
    assert.matches("insert into people", err.sql)
    assert.equal("no", err.retry)
    assert.equal("query", err.phase)
    assert.is_string(err.traceback)
    err = fails("unique_violation", db, "execute", d:sql(insert), 1, "c@d", 1, 1)
    assert.equal("people", err.table)
  end)

  it("not_null_violation", function()
    local err = fails("not_null_violation", db, "execute", d:sql(insert), 2, nil, 1, 1)
    assert.equal("people", err.table)
    assert.equal("email", err.column)
  end)

  it("check_violation", function()
    local err = fails("check_violation", db, "execute", d:sql(insert), 2, "x", -1, 1)
    assert.equal("people_age", err.constraint)
  end)

  it("foreign_key_violation", function()
    fails("foreign_key_violation", db, "execute", d:sql(insert), 2, "x", 1, 99)
    fails("foreign_key_violation", db, "execute", "delete from orgs")
    assert.equal(1, db:fetch_value "select count(*) from orgs")
  end)

  it("undefined table, column and function", function()
    local err = fails("undefined_table", db, "fetch_all", "select * from nonsense")
    assert.matches("nonsense", err.message)
    err = fails("undefined_column", db, "fetch_all", "select nonsense from people")
    assert.matches("nonsense", err.message)
    err = fails("undefined_column", db, "execute", "insert into people (nonsense) values (1)")
    assert.matches("nonsense", err.message)
    fails("undefined_function", db, "fetch_all", "select nonsense(id) from people")
    fails("undefined_table", db, "execute", "drop table nonsense")
    fails("undefined_column", db, "execute", "update people set nonsense = 1")
  end)

  it("ambiguous_column", function()
    fails("ambiguous_column", db, "fetch_all", "select id from people, orgs")
  end)

  it("syntax_error points at the place with a caret", function()
    local err = fails("syntax_error", db, "fetch_all", "select id\nfrom people whre id = 1\nlimit 1")
    assert.equal("number", type(err.position))
    local shown = tostring(err)
    assert.matches("line 2: from people whre id = 1", shown, 1, true)
    local line, caret = shown:match "\n([^\n]*whre[^\n]*)\n([ ]*)%^"
    local at = line:sub(#caret + 1)
    assert.is_true(at:find "^whre" ~= nil or at:find "^id = 1" ~= nil, at)
    fails("syntax_error", db, "execute", "insert into people values (1, 2")
    fails("syntax_error", db, "execute", "selec 1")
  end)

  it("the position counts in the text that was written", function()
    local err = fails("undefined_column", db, "fetch_all", {
      "select 'é', :a, nonsense from people where id = :a", params = { a = 1 } })
    assert.equal(("n"):byte(), err.sql:byte(err.position))
    assert.equal("nonsense", err.sql:sub(err.position, err.position + 7))
  end)

  it("wrong numbers of values and columns", function()
    local err = fails("syntax_error", db, "execute", "insert into orgs values (1, 'a', 2)")
    assert.is_string(err.message)
  end)

  it("covet.is tests kinds", function()
    local err = fails("undefined_table", db, "fetch_all", "select * from nonsense")
    assert.is_true(covet.is(err, "undefined_table"))
    assert.is_true(covet.is(err, "usage", "undefined_table"))
    assert.is_false(covet.is(err, "usage"))
    assert.is_false(covet.is("text", "usage"))
    assert.is_false(covet.is(nil, "usage"))
  end)

  it("a failed statement leaves the connection as it was", function()
    db:with(function(held)
      for _ = 1, 20 do
        fails("undefined_table", held, "fetch_all", "select * from nonsense")
        fails("unique_violation", held, "execute", "insert into people values (1, 'z', 1, 1)")
        assert.equal(1, held:fetch_value "select count(*) from people")
      end
    end)
  end)

  it("a failed statement of several rows changes nothing", function()
    fails("unique_violation", db, "execute",
      "insert into people select 10, 'new', 1, 1 union all select 1, 'other', 1, 1")
    assert.equal(1, db:fetch_value "select count(*) from people")
  end)

  it("an error after some rows is raised, whatever the method", function()
    for _, method in ipairs { "fetch_all", "fetch_column", "fetch_columns" } do
      local err = fails(d.late_kind, db, method, d.late_error)
      assert.matches(d.late_message, err.message)
    end
    local count = 0
    fails(d.late_kind, function()
      for _ in db:each(d.late_error) do
        count = count + 1
      end
    end)
    assert.is_true(count <= 2499)
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("each task gets its own error", function()
    local list = {}
    for i = 1, 50 do
      list[i] = i
    end
    covet.each_parallel(list, 50, function(i)
      if i % 2 == 0 then
        local err = fails("undefined_table", db, "fetch_all", "select * from nonsense_" .. i)
        assert.matches("nonsense_" .. i, err.message)
      else
        assert.equal(i, db:fetch_value(d:echo "integer", i))
      end
    end)
  end)
end)
