-- The `timeout` of a bulk call is the deadline of all of it.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

database.contract("the deadline of a bulk call", function(d, open)
  local insert = d:sql "insert into t values (?, ?)"

  -- Rows that come one by one, for seconds, unless there are `most`.
  local function slow_rows(most)
    local n = 0
    most = most or 30000
    return function()
      n = n + 1
      if n % 250 == 0 then
        covet.sleep(0.01)
      end
      return n <= most and { n, "x" } or nil
    end
  end

  -- Many rows that wait for nothing.
  local function quick_rows()
    local n = 0
    return function()
      n = n + 1
      return n <= 3000000 and { n, "x" } or nil
    end
  end

  -- The first batch comes at once, and what is behind it does not.
  local function stuck_rows()
    local n = 0
    return function()
      n = n + 1
      if n > 2500 then
        covet.sleep(3)
      end
      return n <= 2501 and { n, "x" } or nil
    end
  end

  local COLUMNS = { "a", "b" }
  local WAYS = {
    execute_many = function(session, rows)
      return session:execute_many { insert, rows, timeout = 0.1 }
    end,
    ["execute_many of a view"] = function(session, rows)
      return session:with_options({ timeout = 0.1 }):execute_many(insert, rows)
    end,
    copy_records_to_table = function(session, rows)
      return session:copy_records_to_table("t", rows, { columns = COLUMNS, timeout = 0.1 })
    end,
  }
  if d.dialect == "postgresql" then
    function WAYS.copy_to_table(session, rows)
      return session:copy_to_table("t", { timeout = 0.1, from = function()
        local row = rows()
        return row and row[1] .. "\t" .. row[2] .. "\n" or nil
      end })
    end
  end

  local function refused(way, session, rows)
    local start = covet.now()
    local err = fails("timeout", way, session, rows)
    local seconds = covet.now() - start
    assert.is_true(seconds >= 0.09 and seconds < 2, seconds)
    assert.equal("not done within 0.1 s", err.message)
    assert.equal(d.dialect, err.database)
  end

  before_each(function()
    open():execute "create table t (a integer, b varchar(50))"
  end)

  for name, way in pairs(WAYS) do
    it(name .. ": an iterator that goes on is stopped, and all is undone", function()
      for _, source in ipairs { slow_rows, quick_rows, stuck_rows } do
        refused(way, open(), source())
        assert.equal(0, open():fetch_value "select count(*) from t")
      end
    end)

    it(name .. ": a transaction and a lease can be used after it", function()
      local db = open()
      db:transaction(function(tx)
        tx:execute(insert, 1, "y")
        if name ~= "copy_to_table" then -- of which the transaction fails
          refused(way, tx, slow_rows())
          assert.equal(1, tx:fetch_value "select count(*) from t")
        end
      end)
      db:with(function(connection)
        refused(way, connection, slow_rows())
        assert.equal(1, connection:fetch_value "select count(*) from t")
      end)
    end)
  end

  it("what fits into the time is stored", function()
    local db = open()
    assert.equal(5000, db:execute_many { insert, slow_rows(5000), timeout = 30 })
    assert.equal(5000, db:copy_records_to_table("t", slow_rows(5000), { timeout = 30 }))
    assert.equal(10000, db:fetch_value "select count(*) from t")
  end)

  it("the wait for a connection counts", function()
    local db = open()
    if d.dialect ~= "sqlite" then
      db:resize(1, 1)
    end
    local held = db:acquire()
    covet.spawn(function()
      local start = covet.now()
      fails("pool_timeout", db, "execute_many", { insert, quick_rows(), timeout = 0.1 })
      assert.is_true(covet.now() - start < 2)
    end):join()
    held:release()
  end)

  it("command_timeout is each batch's, and not the iterator's", function()
    local db = open()
    db:configure { command_timeout = 0.3 }
    assert.equal(10000, db:execute_many(insert, slow_rows(10000)))
    assert.equal(10000, db:copy_records_to_table("t", slow_rows(10000), { columns = COLUMNS }))
  end)
end)
