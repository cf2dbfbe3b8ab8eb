-- LISTEN and NOTIFY.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local wait = require "spec.support.wait"

postgresql.describe("listen", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)

  local function open(more)
    local given = postgresql.options(database.url)
    given.min_pool_size, given.max_pool_size = 1, 4
    for name, value in pairs(more or {}) do
      given[name] = value
    end
    return covet.postgresql(given)
  end

  before_each(function()
    database:clear()
    db = open():connect()
  end)
  after_each(function()
    db:disconnect(2)
  end)

  it("hands notifications to its function, in order", function()
    local got = {}
    local listener = db:listen("news", function(payload, channel, pid)
      covet.sleep(0.002) -- a task: it may wait
      got[#got + 1] = payload
      assert.equal("news", channel)
      assert.equal("number", type(pid))
    end)
    for i = 1, 20 do
      db:notify("news", tostring(i))
    end
    db:notify "news"
    db:notify("other", "x")
    wait.until_true(function() return #got == 21 end, 5)
    for i = 1, 20 do
      assert.equal(tostring(i), got[i])
    end
    assert.equal("", got[21])
    listener:close()
    listener:close()
    db:notify("news", "late")
    covet.sleep(0.1)
    assert.equal(21, #got)
  end)

  it("sends from a transaction when it commits", function()
    local got = {}
    db:listen("Odd \"name\"", function(payload) got[#got + 1] = payload end)
    pcall(db.transaction, db, function(tx)
      tx:notify("Odd \"name\"", "rolled back")
      error "no"
    end)
    db:transaction(function(tx)
      tx:notify("Odd \"name\"", "committed")
      covet.sleep(0.05)
      assert.equal(0, #got)
    end)
    wait.until_true(function() return #got == 1 end, 5)
    assert.same({ "committed" }, got)
    db:unlisten()
  end)

  it("has several functions of a channel, and goes on after an error in one", function()
    local one, two = 0, 0
    local first = db:listen("c", function() one = one + 1 end)
    db:listen("c", function() two = two + 1 end)
    db:notify "c"
    wait.until_true(function() return one == 1 and two == 1 end, 5)
    first:close()
    db:notify "c"
    wait.until_true(function() return two == 2 end, 5)
    assert.equal(1, one)
    db:unlisten "c"
    assert.equal(0, db:fetch_value "select count(*) from pg_listening_channels()")
  end)

  it("listens again when the connection is lost, and tells of the gap", function()
    local got, gaps = {}, {}
    db:listen("news", function(payload) got[#got + 1] = payload end)
    local stop = db:on("listen_gap", function(event) gaps[#gaps + 1] = event.channels[1] end)
    postgresql.psql(database.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
      .. "where datname = current_database() and query ilike 'listen%'")
    wait.until_true(function() return gaps[1] end, 10)
    assert.same({ "news" }, gaps)
    db:notify("news", "after")
    wait.until_true(function() return got[1] end, 5)
    assert.same({ "after" }, got)
    stop()
  end)

  it("is the way to LISTEN: on a connection that is anybody's nobody would hear it", function()
    assert.matches("db:listen", fails("usage", db, "execute", "listen news").message)
    db:execute "unlisten news"
    db:with(function(held) held:execute "listen news" end)
  end)

  it("refuses what is no channel and no function", function()
    assert.matches("empty", fails("usage", db, "listen", "", print).message)
    fails("usage", db, "listen", 7, print)
    fails("usage", db, "listen", "c")
    fails("usage", db, "notify", "")
    local bouncer = open { pgbouncer = true }
    fails("unsupported", bouncer, "listen", "c", print)
  end)

  it("hears of what comes after it was ended and begun again", function()
    local got = {}
    for i = 1, 5 do
      db:listen("a", function() got[#got + 1] = "a" end):close()
      local listener = db:listen("b", function(payload) got[#got + 1] = payload end)
      db:notify("b", tostring(i))
      assert.is_true(wait.until_true(function() return #got == i end, 5))
      listener:close()
    end
    assert.same({ "1", "2", "3", "4", "5" }, got)
    db:listen("a", print)
    db:disconnect(2)
    db:connect()
    local listener = db:listen("a", function(payload) got[#got + 1] = payload end)
    db:notify("a", "6")
    assert.is_true(wait.until_true(function() return #got == 6 end, 5))
    listener:close()
  end)

  it("may be ended by several at once", function()
    local first, second = db:listen("a", print), db:listen("b", print)
    covet.all {
      function() db:unlisten() end,
      function() first:close() second:close() end,
      function() db:unlisten "b" end,
    }
    assert.equal(0, db:fetch_value "select count(*) from pg_listening_channels()")
  end)
end)
