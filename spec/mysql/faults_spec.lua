-- What happens to calls when the server, or their connection, goes away: the right
-- error in time, no write lost that was acknowledged, none doubled, and a pool that
-- comes back by itself.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"
local wait = require "spec.support.wait"

-- How long a call may go on after its deadline: the answer to a kill is waited for,
-- and machines are slow.
local SLACK = 2

local LOST = { connection_lost = true, connection_failed = true, commit_unknown = true }

local function is_lost(err)
  assert.is_true(covet.is(err, err.kind))
  assert.is_true(LOST[err.kind] ~= nil, tostring(err))
end

mysql.describe("MariaDB that goes away", function()
  local server, db

  local function open(options)
    local given = mysql.options(server.url)
    for key, value in pairs(options or {}) do
      given[key] = value
    end
    return covet.mysql(given):connect()
  end

  local function eventually(expected, text)
    assert.is_true(wait.until_true(function()
      return (db.try:fetch_value(text)) == expected
    end, 10))
  end

  local function recovers()
    eventually(42, "select 42")
  end

  before_each(function()
    server = mysql.start()
    db = open { min_pool_size = 1, max_pool_size = 4, breaker = { failures = 128 } }
    db:execute "create table entries (id integer primary key, note text)"
  end)

  after_each(function()
    db:disconnect(2)
    server:remove()
  end)

  -- Run `fn` in a task and `fault()` when its query runs.
  local function during(fn, fault)
    local task = covet.spawn(function()
      return { pcall(fn) }
    end)
    covet.sleep(0.3)
    fault()
    return unpack(task:join(), 1, 2)
  end

  local function kill_connection(text)
    return function()
      local id = server:administer(("select id from information_schema.processlist "
        .. "where info like '%s' and user = 'covet' limit 1"):format(text))
      server:administer("kill " .. id)
    end
  end

  it("a connection lost under its holder does not take the next one along, whose socket has its number",
    function()
      local first = db:acquire()
      server:administer("kill " .. tostring(first:fetch_value "select connection_id()"):match "%d+")
      covet.sleep(0.1) -- it is seen to be gone
      local next_one = open { min_pool_size = 1, max_pool_size = 1 }
      assert.equal(1, next_one:fetch_value "select 1")
      first:close()
      covet.sleep(0.05)
      assert.equal(0, (next_one:fetch_value { "select sleep(0.05)", timeout = 5 }))
      assert.equal(0, next_one:get_pool_stats().used)
      next_one:disconnect(1)
    end)

  it("a query whose connection is killed", function()
    local fine, err = during(function()
      return db:fetch_value "select sleep(20)"
    end, kill_connection "%sleep(20)%")
    assert.is_false(fine)
    is_lost(err)
    assert.equal("safe", err.retry) -- it only read
    recovers()
  end)

  it("a write whose connection is killed may have happened", function()
    local fine, err = during(function()
      return db:execute "insert into entries select 5, sleep(20)"
    end, kill_connection "%sleep(20)%")
    assert.is_false(fine)
    is_lost(err)
    assert.equal("idempotent_only", err.retry)
    eventually(0, "select count(*) from entries")
  end)

  it("a transaction whose connection is killed", function()
    local fine, err = during(function()
      db:transaction(function(tx)
        tx:execute "insert into entries values (1, 'lost')"
        tx:fetch_value "select sleep(20)"
      end)
    end, kill_connection "%sleep(20)%")
    assert.is_false(fine)
    is_lost(err)
    assert.equal("safe", err.retry)
    eventually(0, "select count(*) from entries")
  end)

  it("a transaction that may have been committed by what it ran last", function()
    db:execute "create procedure slow() begin commit; do sleep(20); end"
    for _, text in ipairs { "create table late as select sleep(20) as a", "call slow()",
      "insert into entries values (2, 'x'); do sleep(20)" } do
      db:execute "delete from entries"
      local fine, err = during(function()
        db:transaction(function(tx)
          tx:execute "insert into entries values (1, 'kept')"
          tx:execute(text)
        end)
      end, kill_connection "%sleep(20)%")
      assert.is_false(fine)
      is_lost(err)
      assert.equal("idempotent_only", err.retry, text)
      recovers()
    end
  end)

  it("an idle connection that is killed is noticed, and told", function()
    local closed = 0
    db:on("close", function() closed = closed + 1 end)
    server:administer(("kill %s"):format(db:fetch_value "select connection_id()"))
    assert.is_true(wait.until_true(function()
      return closed >= 1
    end, 5))
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("a lease whose connection is killed fails for good", function()
    local held = db:acquire()
    server:administer("kill " .. held:fetch_value "select connection_id()")
    covet.sleep(0.1)
    is_lost(fails("connection_lost", held, "fetch_value", "select 1"))
    fails("connection_lost", held, "fetch_value", "select 1")
    held:release()
    recovers()
  end)

  it("a COMMIT that was never answered", function()
    local runs = 0
    local fine, err = during(function()
      db:transaction({ retries = 3 }, function(tx)
        runs = runs + 1
        tx:execute "insert into entries values (9, 'unknown')"
        server:freeze()
        covet.spawn(function()
          covet.sleep(0.5)
          server:stop "kill"
        end)
      end)
    end, function() end)
    assert.is_false(fine)
    assert.equal("commit_unknown", err.kind)
    assert.equal("unknown_outcome", err.retry)
    assert.equal(1, runs)
  end)

  it("a COMMIT of what only reads is not", function()
    local front
    front = proxy.start(server.port, function(data)
      if data:find("COMMIT", 1, true) then
        front:stop()
      end
    end)
    local options = mysql.options(server.url)
    options.port, options.min_pool_size = front.port, 1
    local other = covet.mysql(options):connect()
    local err = fails("connection_lost", other, "fetch_value", { "select 1", read_only = true })
    assert.equal("safe", err.retry)
    other:disconnect(1)
  end)

  it("a COMMIT that runs out of time is unknown", function()
    local start
    local fine, err = pcall(db.transaction, db, { timeout = 1 }, function(tx)
      tx:execute "insert into entries values (9, 'unknown')"
      server:freeze()
      start = covet.now()
    end)
    local seconds = covet.now() - start
    server:thaw()
    assert.is_false(fine)
    assert.equal("commit_unknown", err.kind)
    assert.is_true(seconds < 2.5, seconds) -- long before the connection is given up
    recovers()
  end)

  it("a lease whose server does not answer in time goes back at once", function()
    for _, end_freeze in ipairs { 0, 6 } do -- the connection answers again, or is closed
      local held = db:acquire()
      local start = covet.now()
      server:freeze()
      fails("timeout", held, "fetch_value", { "select 1", timeout = 0.3 })
      held:release()
      local seconds = covet.now() - start
      covet.sleep(end_freeze)
      server:thaw()
      assert.is_true(seconds < 2, seconds)
      recovers()
      assert.is_true(wait.until_true(function() return db:get_pool_stats().used == 0 end))
    end
  end)

  it("a server that is killed in the middle of everything, and started again", function()
    local acknowledged, stop = {}, false
    local tasks = {}
    for worker = 1, 6 do
      tasks[worker] = covet.spawn(function()
        local i = 0
        while not stop do
          i = i + 1
          local id = worker * 100000 + i
          local fine, err = pcall(db.execute, db, "insert into entries values (?, 'x')", id)
          if fine then
            acknowledged[#acknowledged + 1] = id
          else
            assert(type(err) == "table", err)
            assert(LOST[err.kind] or err.kind == "pool_timeout", tostring(err))
            covet.sleep(0.02)
          end
        end
      end)
    end
    local function writes()
      local wanted = #acknowledged + 20
      assert.is_true(wait.until_true(function()
        return #acknowledged >= wanted
      end, 30))
    end
    for _ = 1, 2 do
      writes()
      server:restart "kill"
    end
    writes()
    stop = true
    for _, task in ipairs(tasks) do
      task:join()
    end
    recovers()
    local there = {}
    for _, id in ipairs((db:fetch_column "select id from entries")) do
      there[id] = true
    end
    for _, id in ipairs(acknowledged) do
      assert.is_true(there[id], "an acknowledged write is lost: " .. id)
    end
  end)

  it("a stream that the server's end cuts off", function()
    local n = 0
    local err
    local ok, got = pcall(function()
      for row in db:each "select seq, repeat('x', 100) from seq_1_to_100000000" do
        n = n + 1
        if row.seq == 20000 then
          server:stop "kill"
        end
      end
    end)
    assert.is_false(ok)
    err = got
    is_lost(err)
    assert.is_true(n >= 20000)
    server:restart()
    recovers()
  end)

  it("a server that stands still: the deadline holds, and the pool comes back", function()
    db:fetch_value "select 1"
    server:freeze()
    local started = wait.now()
    local err = fails("timeout", db, "fetch_value", { "select 1", timeout = 0.3 })
    assert.equal("query", err.phase)
    assert.is_true(wait.now() - started < 0.3 + SLACK)
    local _, other = db.try:execute { "insert into entries values (77, 'maybe')", timeout = 0.3 }
    assert.is_true(covet.is(other, "timeout", "pool_timeout"), tostring(other))
    server:thaw()
    recovers()
  end)

  it("opening against a server that stands still ends by connect_timeout", function()
    server:freeze()
    local started = wait.now()
    local given = mysql.options(server.url)
    given.connect_timeout, given.min_pool_size = 1, 1
    local other = covet.mysql(given)
    local err = fails("connection_failed", other, "connect")
    assert.equal("connect", err.phase)
    assert.is_true(wait.now() - started < 5)
    other:disconnect(1)
    server:thaw()
  end)

  it("a server that ends in order tells so, or just goes", function()
    local fine, err = during(function()
      return db:fetch_value "select sleep(20)"
    end, function()
      server:stop()
    end)
    assert.is_false(fine)
    is_lost(err)
    server:restart()
    recovers()
  end)

  it("a primary that becomes read-only is left: its connections are closed", function()
    db:execute "insert into entries values (1, 'a')"
    local id = db:fetch_value "select connection_id()"
    server:administer "set global read_only = 1"
    local err = fails("read_only", db, "execute", "insert into entries values (2, 'b')")
    assert.equal(1290, err.code)
    assert.is_true(db:fetch_value "select connection_id()" ~= id)
    server:administer "set global read_only = 0"
    db:execute "insert into entries values (2, 'b')"
  end)

  it("an adapter of a replica keeps its connections", function()
    server:administer "set global read_only = 1"
    local other = open { min_pool_size = 1, max_pool_size = 1 }
    local id = other:fetch_value "select connection_id()"
    fails("read_only", other, "execute", "insert into entries values (2, 'b')")
    assert.equal(id, other:fetch_value "select connection_id()")
    other:disconnect()
  end)

  it("a kill that would reach another server is not sent", function()
    local function kills()
      return tonumber((mysql.administer "show global status like 'Com_kill'"):match "%d+$")
    end
    local other = mysql.options(mysql.url).port
    local front = proxy.start(function(number)
      return number == 1 and server.port or other
    end)
    local sent = kills()
    local balanced = covet.mysql { host = "127.0.0.1", port = front.port, user = "covet",
      password = "pw", database = "covet", min_pool_size = 1, max_pool_size = 1 }:connect()
    fails("timeout", balanced, "fetch_value", { "select sleep(3)", timeout = 0.3 })
    assert.is_true(wait.until_true(function() return front.accepted >= 2 end, 2))
    assert.equal(1, balanced:fetch_value "select 1") -- after the query has ended
    assert.equal(sent, kills())
    balanced:disconnect(2)
    front:stop()
  end)

  it("a session that the server ends for being idle", function()
    server:administer "set global wait_timeout = 1"
    local other = open { min_pool_size = 1, max_pool_size = 1 }
    for _ = 1, 3 do
      assert.equal(1, other:fetch_value "select 1")
      covet.sleep(1.3)
    end
    assert.equal(1, other:fetch_value "select 1")
    other:disconnect()
  end)
end)
