-- What MariaDB says about its tables.
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"

mysql.describe("introspection of MariaDB", function()
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
