-- Lists of rows that fail: what is undone, and what is told.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"

mysql.describe("lists of rows that fail on MariaDB", function()
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

  for _, bulk in ipairs { "auto", "rewrite" } do
    it("a deadline that passes while a list is undone, bulk = " .. bulk, function()
      local front = proxy.start(mysql.options(mysql.url).port, function(data)
        return nil, data:find("ROLLBACK", 1, true) and 1.5 or nil
      end)
      local other = open { bulk = bulk, host = "127.0.0.1", port = front.port }
      db:execute "create table t (a int primary key)"
      fails("timeout", other, "execute_many", { "insert into t values (?)", { { 1 }, { 2 }, { 1 } },
        timeout = 0.5 })
      assert.equal(1, other:fetch_value "select 1")
      covet.sleep(0.1)
      assert.equal(0, db:fetch_value "select count(*) from t")
      other:disconnect()
      front:stop()
    end)
  end
end)
