local complete = require "covet.cli.complete"
local history = require "covet.cli.history"
local show = require "covet.cli.show"
local tmp = require "spec.support.tmp"
local typed = require "covet.cli.typed"
local uv = require "luv"

describe("what was typed", function()
  it("is SQL when it starts as SQL does", function()
    for _, text in ipairs {
      "select 1;", "SELECT *\nfrom t", "insert into t values (1);", "begin;", "commit ;", "select (1);",
      "values (1);", "with x as (select 1) select * from x;", "  pragma user_version;",
      "create table t (a);", "select 'a';", "-- a comment\nselect 1;", "select",
    } do
      assert.is_true(typed.is_sql(text), text)
    end
  end)

  it("is Lua when the word is a name of Lua", function()
    for _, text in ipairs {
      "select('#', 1, 2)", "table.insert(t, 1)", "set = {}", "x = 1", "update.x = 3", "drop, b = 1, 2",
      "print(1)", "replace:it()", "return 1", "end_of_month()", "table = table", "",
    } do
      assert.is_false(typed.is_sql(text), text)
    end
  end)

  it("is complete SQL at a semicolon outside of quotes and comments", function()
    local function complete_sql(text)
      return typed.is_complete_sql(text, "sqlite")
    end
    assert.is_true(complete_sql "select 1;")
    assert.is_true(complete_sql "select 1; -- one")
    assert.is_true(complete_sql "select ';';  \n")
    assert.is_false(complete_sql "select 1")
    assert.is_false(complete_sql "select ';")
    assert.is_false(complete_sql "select 1 /* ;")
    assert.is_false(complete_sql "select 1 -- ;")
  end)

  it("is a whole trigger at its end", function()
    local body = "create trigger r after insert on t begin\n  delete from u;"
    assert.is_false(typed.is_complete_sql(body, "sqlite"))
    assert.is_true(typed.is_complete_sql(body .. "\nend;", "sqlite"))
  end)

  it("compiles as an expression first", function()
    assert.equal(2, typed.compile "1 + 1"())
    assert.equal(2, typed.compile "= 1 + 1"())
    assert.is_nil(typed.compile "local x = 1"())
  end)

  it("waits for the rest of what is not complete", function()
    for _, text in ipairs { "for i = 1, 2 do", "f(", "x = {", "[[a", "= (1", "if x then\nelse" } do
      local chunk, problem = typed.compile(text)
      assert.is_nil(chunk, text)
      assert.is_nil(problem, text)
    end
    local chunk, problem = typed.compile "x = = 1"
    assert.is_nil(chunk)
    assert.truthy(problem:find "unexpected symbol")
  end)
end)

describe("completion", function()
  local globals = setmetatable({
    covet = { spawn = print, sleep = print, sqlite = print }, count = 1, text = "a",
    db = setmetatable({ own = 1 }, { __index = { fetch_all = print, fetch_one = print } }),
  }, { __index = function() error "called" end })

  it("finds globals, fields and methods", function()
    assert.same({ "count", "covet" }, (complete.lua(globals, "print(co")))
    assert.same({ "sleep", "spawn", "sqlite" }, (complete.lua(globals, "x = covet.s")))
    assert.same({ "fetch_all", "fetch_one" }, (complete.lua(globals, "db:fetch_")))
    assert.same({ "own" }, (complete.lua(globals, "db.o")))
    assert.same({ "rep", "reverse" }, (complete.lua(globals, "text:re")))
  end)

  it("finds what a module loads when it is first used", function()
    local covet = setmetatable({ pools = 1 }, { __names = { pool = 1, pools = 1 },
      __index = function() error "called" end })
    assert.same({ "pool", "pools" }, (complete.lua({ covet = covet }, "covet.poo")))
    assert.same({ "connect" },
      (complete.lua({ covet = require "covet" }, "covet.conn")))
  end)

  it("calls nothing and finds nothing in what is not there", function()
    assert.same({}, (complete.lua(globals, "nothing.at.all")))
    assert.same({}, (complete.lua(globals, "covet.spawn.x")))
  end)

  it("finds tables and keywords of SQL in the case that was typed", function()
    assert.same({ "select", "sessions", "set" }, (complete.sql({ "users", "sessions" }, "insert into se")))
    assert.same({ "SELECT", "SET" }, (complete.sql({ "users" }, "SE")))
    assert.same({ "users" }, (complete.sql({ "users" }, "select * from ")))
  end)

  it("inserts what all words share", function()
    assert.equal("fetch_", complete.common { "fetch_all", "fetch_one" })
    assert.equal("", complete.common { "a", "b" })
  end)

  it("lists words in columns", function()
    assert.equal("aa   b\nccc\n", complete.columns({ "aa", "b", "ccc" }, 10))
  end)
end)

describe("values", function()
  it("are shown with what is in them", function()
    assert.equal('{ 1, "a\\n", x = { true } }', show.value { 1, "a\n", x = { true } })
    assert.equal('{ ["a b"] = 1, [2.5] = 2 }', (show.value { ["a b"] = 1, [2.5] = 2 }
      :gsub('{ %[2.5%] = 2, %["a b"%] = 1 }', '{ ["a b"] = 1, [2.5] = 2 }')))
    assert.equal("{}", show.value {})
    assert.equal("9007199254740993", show.value(9007199254740993LL))
    assert.equal("nil", show.value(nil))
    assert.equal("null", show.value(require "covet.null"))
  end)

  it("that are objects show nothing of what is in them", function()
    assert.equal("<covet.thing>", show.value(setmetatable({ password = "x" }, { __name = "covet.thing" })))
    assert.equal("{ <covet.thing> }", show.value { setmetatable({}, { __name = "covet.thing" }) })
  end)

  it("may hold themselves", function()
    local value = { name = "a" }
    value.self = value
    assert.equal('{ name = "a", self = <cycle> }', show.value(value))
  end)

  it("may be deep, long, and raise", function()
    local deep = {}
    for _ = 1, 1000 do
      deep = { deep, 1 }
    end
    assert.truthy(show.value(deep):find "{...}")
    local long = {}
    for i = 1, 1000 do
      long[i] = i
    end
    assert.truthy(show.value(long):find "900 more")
    assert.truthy(show.value(setmetatable({}, { __tostring = error })):find "cannot be shown")
  end)

  it("that are rows are shown as a table, in the order of the result", function()
    local rows = { { id = 1, name = "a" }, { id = 2 } }
    assert.equal("id | name\n---+-----\n 1 | a\n 2 | NULL\n(2 rows)", show.value(rows))
    local text = show.value(rows, function()
      return { "name", "id" }
    end)
    assert.truthy(text:find "^name | id\n")
  end)
end)

describe("the history", function()
  it("is private, and comes back", function()
    local path = tmp.path "history"
    local first = history.open(path)
    assert.is_true(first:add "select 1;")
    assert.is_false(first:add "select 1;")
    assert.is_false(first:add "   ")
    assert.equal(tonumber("600", 8), uv.fs_stat(path).mode % 512)
    assert.same({ "select 1;" }, history.open(path).lines)
  end)

  it("keeps no secrets", function()
    local path = tmp.path "history"
    local one = history.open(path)
    for _, line in ipairs {
      'db = covet.connect "postgresql://me:secret@host/db"', "db = covet.mysql { password = 'x' }",
      "alter user me identified by 'x';", "create role r PASSWORD 'x';", "mysql://u:p@ss@host",
    } do
      assert.is_false(one:add(line), line)
    end
    assert.is_true(one:add 'db = covet.connect "postgresql://me@host:5432/db"')
    assert.equal(1, #history.open(path).lines)
  end)

  it("is cut when it has grown long", function()
    local lines = {}
    for i = 1, 2500 do
      lines[i] = "x = " .. i
    end
    local path = tmp.file(table.concat(lines, "\n") .. "\n", "history")
    assert.equal(1000, #history.open(path).lines)
    local kept = history.open(path).lines
    assert.equal("x = 2500", kept[1000])
    assert.equal(1000, #kept)
  end)

  it("does without a file that cannot be written", function()
    local one = history.open(tmp.dir() .. "/missing/history")
    assert.is_true(one:add "x = 1")
    assert.same({ "x = 1" }, one.lines)
  end)
end)
