-- How many connections are opened, how long that is waited for, and what may be
-- changed about it later.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"
local task = require "covet.task"

postgresql.describe("Connecting to PostgreSQL", function()
  it("opens what is to be kept", function()
    assert.equal(4, postgresql.open({ min_pool_size = 4 }):get_pool_stats().size)
  end)

  it("opens nothing where nothing is to be kept", function()
    local db = postgresql.open { min_pool_size = 0 }
    assert.equal(0, db:get_pool_stats().size)
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("goes on with fewer where the server allows no more", function()
    local url = postgresql.change_url(postgresql.url, { user = "covet_limited" })
    local db = postgresql.open({ min_pool_size = 4 }, url)
    assert.is_true(db:get_pool_stats().size >= 1)
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("fails in everyone who waits when the adapter is disconnected", function()
    local db = postgresql.adapter { min_pool_size = 20, connect_parallel = 1 }
    local connecting = covet.spawn(function()
      return pcall(db.connect, db)
    end)
    while db:get_pool_stats().size < 1 do
      task.sleep(0.001)
    end
    db:disconnect(5)
    local fine, err = connecting:join()
    assert.is_true(fine or err.kind == "pool_closed", tostring(err))
  end)

  it("lists every attempt", function()
    local hosts = {}
    for i = 1, 6 do hosts[i] = "127.0.0." .. i .. ":1" end
    local db = postgresql.close_later(covet.postgresql { hosts = hosts, user = "covet" })
    local fine, err = pcall(db.connect, db)
    assert.is_false(fine)
    assert.equal("connection_failed", err.kind)
    local told = err.message .. "\n" .. (err.detail or "")
    for i = 1, 6 do
      assert.matches("127.0.0." .. i, told, 1, true)
    end
  end)

  it("refuses to change what is the driver's", function()
    local db = postgresql.open()
    for _, name in ipairs { "connect_timeout", "pipeline_depth" } do
      local fine, err = pcall(db.configure, db, { [name] = 3 })
      assert.is_false(fine)
      assert.equal("usage", err.kind)
    end
  end)

  it("takes another mode of resets at run time", function()
    local db = postgresql.open { max_pool_size = 1 }
    db:execute [[
      create or replace function rename_session() returns int language sql as
        $$ select set_config('application_name', 'renamed', false); select 1 $$]]
    local function name_after()
      db:with(function(connection)
        connection:fetch_value "select rename_session()"
      end)
      return db:fetch_value "show application_name"
    end
    assert.equal("renamed", name_after()) -- nothing in its text says so
    db:configure { reset = "always" }
    assert.equal("covet", name_after())
  end)
end)
