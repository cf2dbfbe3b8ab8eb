-- What MariaDB's errors are about: names and places, out of its messages and the SQL.
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

mysql.describe("errors of MariaDB", function()
  local database, db

  before_each(function()
    database = mysql.fresh_database()
    db = mysql.open({ max_pool_size = 1 }, database.url)
    db:execute "create table parents (id int primary key)"
    db:execute "insert into parents values (7)"
    db:execute [[create table `odd``name` (id int primary key, email varchar(100) unique, n tinyint,
      day date, parent int, level int check (level > 0), word varchar(3) not null,
      constraint `the``one` foreign key (parent) references parents (id),
      constraint `a.b` check (n < 100))]]
  end)

  after_each(function()
    database:drop()
  end)

  local function check(kind, expected, text, ...)
    local err = fails(kind, db, "execute", text, ...)
    for _, field in ipairs { "table", "column", "constraint" } do
      assert.equal(expected[field], err[field], field .. " of " .. text)
    end
  end

  it("names of the table, the column and the constraint", function()
    local insert = "insert into `odd``name` (id, word, %s) values (1, 'w', ?)"
    local table_name = "odd`name"
    db:execute(insert:format "email", "it's for key 'x' into y")
    check("unique_violation", { table = table_name, constraint = "PRIMARY" },
      insert:format "email", "into other (")
    check("unique_violation", { table = table_name, constraint = "email" },
      "insert into " .. database.name .. ".`odd``name` (id, word, email) values (2, 'w', ?) -- into z",
      "it's for key 'x' into y")
    check("foreign_key_violation", { table = table_name, column = "parent", constraint = "the`one" },
      "insert into `odd``name` (id, word, parent) values (2, 'w', 9)")
    check("check_violation", { table = table_name, constraint = "a.b" },
      "insert into `odd``name` (id, word, n) values (2, 'w', 101)")
    check("check_violation", { table = table_name, column = "level", constraint = "level" },
      "insert into `odd``name` (id, word, level) values (2, 'w', -1)")
    check("not_null_violation", { table = table_name, column = "word" },
      "insert /* into x */ into `odd``name` (id, word) values (2, null)")
    check("not_null_violation", { table = table_name, column = "word" },
      "insert into `odd``name` (id) values (2)")
    check("string_too_long", { table = table_name, column = "word" },
      "update `odd``name` as o set word = 'from other'")
    check("string_too_long", { column = "word" },
      "update `odd``name` o join parents set word = 'from other'")
    check("numeric_out_of_range", { table = table_name, column = "n" }, insert:format "n", 1000)
    check("invalid_value", { table = table_name, column = "n" }, insert:format "n",
      "x' for column `a`.`b`.`c` at row 7")
    check("invalid_value", { table = table_name, column = "day" }, insert:format "day",
      "x' for column 'c' at row 7")
  end)

  it("no name where none is told, or it may be another's", function()
    check("invalid_value", { table = "parents" },
      "insert into parents values ('x'' for column `a`.`b`.`c` at row 1' + 1)")
    db:execute "create procedure failing() insert into parents values (7)"
    check("unique_violation", { constraint = "PRIMARY" }, "call failing() /* insert into t */")
    check("unique_violation", { constraint = "PRIMARY" },
      "insert into parents values (1); insert into parents values (7)")
  end)

  it("in another language the message stays, and names are not guessed", function()
    local other = mysql.open({ init_command = "set lc_messages = 'de_DE'" }, database.url)
    local err = fails("unique_violation", other, "execute", "insert into parents values (7)")
    assert.matches("Doppelter Eintrag", err.message)
    assert.equal("parents", err.table)
    assert.is_nil(err.constraint)
  end)

  it("places", function()
    for text, expected in pairs {
      ["select 'p.nope' as x, -- p.nope\n p.nope from parents p"] = "p.nope from",
      ["select `p`.`nope` from parents p"] = "`p`.`nope`",
      ["select 'nowhere' from `nowhere`"] = "`nowhere`",
      ["select 1 from parents whre on on"] = "on on",
      ["select 1 from parents 'and a " .. ("long "):rep(30) .. "text' from x"] = "'and a long",
    } do
      local _, err = db.try:fetch_all(text)
      assert.equal(expected, text:sub(err.position or 0):sub(1, #expected), text)
    end
  end)

  it("a message for people shows no value of a parameter", function()
    local function hides(secret, text, ...)
      local _, err = db.try:execute(text, ...)
      assert.is_table(err, text)
      assert.is_nil(tostring(err):find(secret, 1, true), tostring(err))
      return tostring(err)
    end
    hides("s'ecret", "select 9223372036854775807 + length(?)", "s'ecret")
    hides("987654321", "select cast(? as unsigned) - ?", 1, 987654321)
    hides("10000", "select exp(?)", 10000)
    hides("ecret", "set time_zone = ?", "s'ecret")
    assert.match("Variable 'sql_mode' can't be set to the value of '...'",
      hides("ecret", "set sql_mode = ?", "sql_mode' s'ecret"), 1, true)
    hides("ecret", "set default_storage_engine = ?", "s'ecret")
    hides("ecret", "set collation_connection = ?", "s'ecret")
    hides("ecret", "set character_set_client = ?", "s'ecret")
    hides("ecret", "insert into `odd``name` (id, n, word) values (1, cast(? as int), 'w')", "s'ecret")
    hides("7654321", "kill ?", 7654321)
    hides("ecret", "insert into `odd``name` (id, n, word) values (1, ?, 'w')", "s'ecret")
    db:execute "create procedure run(part text) execute immediate concat('select ', part)"
    hides("ecret", "call run(?)", "1 secret of")
    hides("ecret", "call run(?)", "secret from parents")
    local err = fails("unique_violation", db, "copy_records_to_table", "parents", { { 70007 }, { 70007 } },
      { columns = { "id" } })
    assert.is_nil(tostring(err):find("70007", 1, true))
    assert.match("odd`one' doesn't exist", hides("ecret", "select ? from `odd``one`", "secret"))
  end)
end)
