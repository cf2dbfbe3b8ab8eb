-- What happens to calls when the server, or their connection, goes away: the
-- right error in time, no write lost that was acknowledged, none doubled, and a
-- pool that comes back by itself.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local process = require "spec.support.process"
local wait = require "spec.support.wait"

-- How long a call may go on after its deadline: the answer to a cancel is waited
-- for, and machines are slow.
local SLACK = 2

local LOST = { connection_lost = true, connection_failed = true, commit_unknown = true }

local function is_lost(err)
  assert.is_true(covet.is(err, err.kind))
  assert.is_true(LOST[err.kind] ~= nil, tostring(err))
end

postgresql.describe("a program that ends by os.exit", function()
  it("leaves no query behind on the server", function()
    local script = [[
      local url = os.getenv "COVET_PG_URL"
      local db = covet.connect(url, { application_name = "exits" })
      covet.spawn(function() db:execute "select pg_sleep(60)" end)
      local seen = covet.connect(url)
      repeat
        covet.sleep(0.005)
      until seen:fetch_value("select count(*) from pg_stat_activity where state = 'active' "
        .. "and application_name = 'exits'") == 1
      os.exit(3)
    ]]
    local result = process.run { false, "-e", script }
    assert.equal(3, result.status)
    assert.equal("", result.stderr)
    assert.is_true(wait.until_true(function()
      return postgresql.psql(postgresql.url,
        "select count(*) from pg_stat_activity where application_name = 'exits'") == "0"
    end, 3))
  end)
end)

postgresql.describe("a session that the server ends while it does nothing", function()
  it("says why to the next call", function()
    local db = postgresql.open { server_settings = { idle_in_transaction_session_timeout = "50ms" } }
    local pid
    local fine, err = pcall(db.transaction, db, function(tx)
      pid = tx:fetch_value "select pg_backend_pid()"
      assert.is_true(wait.until_true(function()
        return postgresql.psql(postgresql.url,
          "select count(*) from pg_stat_activity where pid = :1", pid) == "0"
      end, 5))
      tx:fetch_value "select 1"
    end)
    assert.is_false(fine)
    assert.equal("connection_lost", err.kind)
    assert.equal("25P03", err.sqlstate)
    assert.matches("idle%-in%-transaction", err.message)
  end)
end)

postgresql.describe("a connection that is lost under its holder", function()
  it("does not take the next one along, whose socket has its number", function()
    local db, other = postgresql.open(), postgresql.open()
    local first = db:acquire()
    local pid = first:fetch_value "select pg_backend_pid()"
    other:fetch_value("select pg_terminate_backend($1, 5000)", pid)
    covet.sleep(0.1) -- it is seen to be gone
    local next_one = postgresql.open { min_pool_size = 1, max_pool_size = 1 }
    assert.equal(1, next_one:fetch_value "select 1")
    first:close()
    covet.sleep(0.05)
    assert.equal(1, next_one:fetch_value { "select 1 from pg_sleep(0.05)", timeout = 5 })
    assert.equal(0, next_one:get_pool_stats().used)
  end)

  it("is not lent again, although the loop did not run in between", function()
    local db = postgresql.open { min_pool_size = 1, max_pool_size = 1 }
    local first = db:acquire()
    local pid = first:fetch_value "select pg_backend_pid()"
    os.execute(("'%s/psql' -X -q -t -c 'select pg_terminate_backend(%d, 5000)' '%s' >/dev/null && sleep 0.1")
      :format(os.getenv "COVET_PG_BIN", pid, postgresql.admin_url))
    first:release()
    local second = db:acquire()
    assert.is_true(second:fetch_value "select pg_backend_pid()" ~= pid)
    second:release()
  end)
end)

postgresql.describe("PostgreSQL that goes away", function()
  local server, db

  local function open(options)
    local given = postgresql.options(server.url)
    for key, value in pairs(options or {}) do
      given[key] = value
    end
    return covet.postgresql(given):connect()
  end

  -- A server one of whose backends was killed ends all the others a little later:
  -- a call may still be hit after one that went well.
  local function eventually(expected, text)
    assert.is_true(wait.until_true(function()
      return (db.try:fetch_value(text)) == expected
    end, 10))
  end

  local function recovers()
    eventually(42, "select 42")
  end

  before_each(function()
    server = postgresql.start()
    db = open { min_pool_size = 1, max_pool_size = 4, breaker = { failures = 128 } }
    db:execute "create table entries (id integer primary key, note text)"
  end)

  after_each(function()
    db:disconnect(2)
    server:remove()
  end)

  -- Run `fn` in a task and `fault(pid)` when its query runs.
  local function during(fn, fault)
    local task = covet.spawn(function()
      return { pcall(fn) }
    end)
    covet.sleep(0.3)
    fault()
    return unpack(task:join(), 1, 2)
  end

  local function backend_of(text)
    return tonumber((postgresql.psql(server.admin_url,
      "select pid from pg_stat_activity where state = 'active' and query like '%'||:'1'||'%'"
        .. " and pid <> pg_backend_pid() limit 1", text)))
  end

  local function kill(signal)
    return function()
      local pid = assert(backend_of "pg_sleep(20)")
      if signal == "terminate" then
        postgresql.psql(server.admin_url, "select pg_terminate_backend(" .. pid .. ")")
      else
        require("luv").kill(pid, "sigkill")
      end
    end
  end

  for _, how in ipairs { "terminate", "sigkill" } do
    it("a query whose backend ends by " .. how, function()
      local fine, err = during(function()
        return db:fetch_value "select 1 from pg_sleep(20)"
      end, kill(how))
      assert.is_false(fine)
      is_lost(err)
      recovers()
    end)

    it("a transaction whose backend ends by " .. how, function()
      local fine, err = during(function()
        db:transaction(function(tx)
          tx:execute "insert into entries values (1, 'lost')"
          tx:fetch_value "select 1 from pg_sleep(20)"
        end)
      end, kill(how))
      assert.is_false(fine)
      is_lost(err)
      eventually(0, "select count(*) from entries")
    end)
  end

  it("a COMMIT that was never answered", function()
    db:execute [[
      create function linger() returns trigger language plpgsql as
        $$ begin perform pg_sleep(20); return null; end $$;
      create constraint trigger linger after insert on entries
        deferrable initially deferred for each row execute function linger()]]
    local runs = 0
    local fine, err = during(function()
      db:transaction({ retries = 3 }, function(tx)
        runs = runs + 1
        tx:execute "insert into entries values (9, 'unknown')"
      end)
    end, function()
      local pid = assert(backend_of "COMMIT")
      postgresql.psql(server.admin_url, "select pg_terminate_backend(" .. pid .. ")")
    end)
    assert.is_false(fine)
    assert.equal("commit_unknown", err.kind)
    assert.equal("unknown_outcome", err.retry)
    assert.equal(1, runs)
    recovers()
    -- its deadline is no answer either
    local tx = db:begin { timeout = 0.3 }
    tx:execute "insert into entries values (10, 'unknown')"
    server:freeze()
    local start = covet.now()
    local _, late = pcall(tx.commit, tx)
    local seconds = covet.now() - start
    server:thaw()
    assert.equal("commit_unknown", late.kind)
    assert.is_true(seconds < 2, seconds) -- long before the connection is given up
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

  it("a stream, and a COPY, whose server stops", function()
    local seen = 0
    local fine, err = during(function()
      for _ in db:each "select i, pg_sleep(0.01) from generate_series(1, 100000) i" do
        seen = seen + 1
      end
    end, function()
      server:restart "immediate"
    end)
    assert.is_false(fine)
    is_lost(err)
    recovers()
    local i, stopped = 0, false
    fine, err = during(function()
      db:copy_records_to_table("entries", function()
        i = i + 1
        covet.sleep(0.0005)
        assert.is_true(i < 100000 or not stopped, "the COPY went on without a server")
        return { i, "x" }
      end, { columns = { "id", "note" } })
    end, function()
      while i < 100 do covet.sleep(0.01) end
      server:restart "immediate"
      stopped = true
    end)
    assert.is_false(fine)
    is_lost(err)
    recovers()
    assert.equal(0, db:fetch_value "select count(*) from entries")
  end)

  it("the whole server is killed and comes back", function()
    local fine, err = during(function()
      return db:fetch_value "select 1 from pg_sleep(20)"
    end, function()
      server:stop "kill"
    end)
    assert.is_false(fine)
    is_lost(err)
    local _, refused = db.try:fetch_value { "select 1", timeout = 1 }
    assert.is_truthy(refused)
    server:restart()
    recovers()
  end)

  it("writes that were acknowledged are there once, whatever was lost", function()
    local acknowledged, unknown, stop = {}, {}, false
    local tasks = {}
    for worker = 1, 8 do
      tasks[worker] = covet.spawn(function()
        local n = 0
        while not stop do
          n = n + 1
          local id = worker * 1000000 + n
          local _, failure = db.try:execute { "insert into entries values ($1, 'w')", id, timeout = 5 }
          if not failure then
            acknowledged[#acknowledged + 1] = id
          else
            if failure.retry ~= "safe" then
              unknown[id] = true
            end
            covet.sleep(0.01)
          end
        end
      end)
    end
    local function writes()
      local wanted = #acknowledged + 40
      assert.is_true(wait.until_true(function()
        return #acknowledged >= wanted
      end, 30))
    end
    for _ = 1, 3 do
      writes()
      server:restart "immediate"
    end
    writes()
    stop = true
    for _, task in ipairs(tasks) do
      task:join()
    end
    recovers()
    local there = {}
    for _, id in ipairs(db:fetch_column "select id from entries") do
      there[id] = true
    end
    for _, id in ipairs(acknowledged) do
      assert.is_true(there[id], "an acknowledged write is missing: " .. id)
      there[id] = nil
    end
    for id in pairs(there) do
      assert.is_true(unknown[id], "a write that was refused as safe to repeat is there: " .. id)
    end
  end)

  it("a frozen server: each call ends at its deadline", function()
    db:fetch_value "select 1"
    server:freeze()
    local started = covet.now()
    local errs = {}
    covet.each_parallel({ 1, 2, 3, 4, 5, 6 }, 6, function(i)
      local value, err = db.try:fetch_value { "select 1 + $1::int", i, timeout = 0.5 }
      errs[#errs + 1] = err or "no error but " .. tostring(value)
    end)
    assert.is_true(covet.now() - started < 0.5 + SLACK)
    assert.equal(6, #errs)
    for _, err in ipairs(errs) do
      assert.is_true(covet.is(err, "timeout") or covet.is(err, "pool_timeout"), tostring(err))
    end
    server:thaw()
    recovers()
    assert.equal("0", postgresql.psql(server.admin_url,
      "select count(*) from pg_stat_activity where datname = 'covet' and state = 'active'"))
  end)

  it("a cancelled query ends on the server too", function()
    local task = covet.spawn(function()
      return db:fetch_value "select 1 from pg_sleep(20)"
    end)
    covet.sleep(0.3)
    assert.is_truthy(backend_of "pg_sleep(20)")
    task:cancel()
    pcall(task.join, task)
    wait.until_true(function()
      return backend_of "pg_sleep(20)" == nil
    end, 5)
    recovers()
  end)

  it("a demoted primary's connections leave the pool", function()
    local replica = postgresql.start { replica_of = server }
    finally(function()
      replica:remove()
    end)
    local given = postgresql.options(server.url)
    local both = covet.postgresql {
      hosts = { "127.0.0.1:" .. replica.port, "127.0.0.1:" .. server.port },
      target_session_attrs = "read-write", database = given.database,
      user = given.user, password = given.password, min_pool_size = 1, max_pool_size = 2,
    }:connect()
    assert.equal("f", postgresql.psql(server.admin_url, "select pg_is_in_recovery()"))
    both:execute "insert into entries values (7, 'first')"
    wait.until_true(function()
      return postgresql.psql(postgresql.change_url(replica.admin_url, { database = "covet" }),
        "select count(*) from entries") == "1"
    end, 10)
    server:stop "immediate"
    replica:promote()
    wait.until_true(function()
      local done = both.try:execute "insert into entries values (8, 'second') on conflict do nothing"
      return done ~= nil
    end, 15)
    assert.equal(2, both:fetch_value "select count(*) from entries")
    both:disconnect(2)
    server:restart()
  end)
end)
