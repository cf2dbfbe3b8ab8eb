-- Callers that share connections: each gets its own answer or its own error,
-- whatever its neighbours do.
local covet = require "covet"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"

local null = covet.null
local LOST = { connection_lost = true, connection_failed = true }
local EXECUTE = 0x17

-- How many executions of statements one send carries.
local function executions(bytes)
  local count, at = 0, 1
  while at + 4 <= #bytes do
    local a, b, c, _, command = bytes:byte(at, at + 4)
    count = count + (command == EXECUTE and 1 or 0)
    at = at + 4 + a + b * 256 + c * 65536
  end
  return count
end

local function numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

-- Run the functions at the same time; what each answered: { fine, value }.
local function run_all(functions)
  local outcomes = {}
  covet.each_parallel(numbers(#functions), #functions, function(i)
    outcomes[i] = { pcall(functions[i]) }
  end)
  return outcomes
end

mysql.describe("MariaDB shared by many callers", function()
  local database, watched, most, delays

  setup(function()
    database = mysql.fresh_database()
  end)

  teardown(function()
    database:drop()
  end)

  before_each(function()
    most, delays = 0, {}
    watched = proxy.start(mysql.options(database.url).port, function(bytes)
      most = math.max(most, executions(bytes))
      for text, seconds in pairs(delays) do
        if bytes:find(text, 1, true) then
          return nil, seconds
        end
      end
    end)
    database:clear()
    mysql.client(database.admin_url, [[
      create table t (id int primary key, name text);
      create function slow(seconds double) returns int no sql sql security invoker
        return 7 + 0 * sleep(seconds)]])
  end)

  after_each(function()
    watched:stop()
  end)

  local function open(options)
    local all = { max_pool_size = 1, port = watched.port, breaker = { failures = 128 } }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return mysql.open(all, database.url)
  end

  -- Statements share once they are prepared: after a first round.
  local function answers(db, n, first)
    for i = 1, n do
      first[#first + 1] = function()
        local value = db:fetch_value("select ? * 2", i)
        assert(value == i * 2, value)
      end
    end
    return first
  end

  local function check_rest(outcomes, from)
    for i = from, #outcomes do
      assert.is_true(outcomes[i][1], tostring(outcomes[i][2]))
    end
  end

  local function warm_up(db)
    check_rest(run_all(answers(db, 40, {})), 1)
    db:fetch_value("select slow(?)", 0)
  end

  it("sends waiting reads together, no more than pipeline_depth", function()
    local db = open()
    warm_up(db)
    assert.equal(8, most)
    most = 0
    warm_up(open { pipeline_depth = 3 })
    assert.equal(3, most)
    for _, way in ipairs { { pipeline = false }, { pipeline_depth = 1 }, { thread_per_connection = true } } do
      most = 0
      warm_up(open(way))
      assert.equal(1, most)
    end
    warm_up(open { ssl = "require" })
  end)

  it("sends nobody behind others while connections are idle", function()
    local db = open { min_pool_size = 8, max_pool_size = 8 }
    for _ = 1, 5 do
      check_rest(run_all(answers(db, 8, {})), 1)
    end
    assert.equal(1, most)
  end)

  it("sends values of all kinds as they are", function()
    local db = open()
    local values = { 0, -1, 2 ^ 31, 9007199254740993LL, -9223372036854775807LL - 1, 18446744073709551615ULL,
      0.1, -1e308, true, false, null, "", "é\0\255", ("x"):rep(250), ("y"):rep(251), ("z"):rep(3000),
      ("far"):rep(3000), covet.bytes "\0\1\255", "2026-01-02" }
    local calls = {}
    for i = 1, 300 do
      calls[i] = function()
        local value, other = values[i % #values + 1], values[i * 7 % #values + 1]
        local row = db:fetch_one({ "select ? as n, ? as a, ? as b", i, value, other, rows = "array" })
        assert(row[1] == i)
        for column, given in pairs { [2] = value, [3] = other } do
          local wanted = given
          if type(given) == "boolean" then
            wanted = given and 1 or 0
          elseif given == null then
            wanted = nil
          elseif type(given) == "table" then
            wanted = "\0\1\255"
          end
          assert(row[column] == wanted, i)
        end
      end
    end
    check_rest(run_all(calls), 1)
    assert.equal(8, most)
    assert.equal(1, db:get_pool_stats().created)
  end)

  it("statements that lock, change the session, write, or have no parameters", function()
    local db = open()
    local kinds = {
      function(i) return db:fetch_value "select 7" == 7 and i end,
      function(i) return db:fetch_value("select ? for update", i) end,
      function(i) return db:fetch_value("select ? lock in share mode", i) end,
      function(i) return db:execute("insert into t values (?, 'x')", i).affected_rows == 1 and i end,
      function(i) return db:fetch_value("select @a := ?", i) end,
      function(i) return db:fetch_value("select ? union select ? order by 1", i, i) end,
      function(i) return #db:fetch_all("select seq from seq_1_to_500 where ? > 0", i) == 500 and i end,
    }
    local calls = {}
    for i = 1, 350 do
      calls[i] = function()
        return assert(kinds[i % #kinds + 1](i) == i, i)
      end
    end
    check_rest(run_all(calls), 1)
    assert.equal(50, db:fetch_value "select count(*) from t")
  end)

  it("an error is its own", function()
    local db = open()
    warm_up(db)
    db:execute "insert into t values (1, 'a'), (2, 'b')"
    for _ = 1, 3 do
      local outcomes = run_all(answers(db, 30, {
        function() return db:fetch_value("select (select id from t where id > ?)", 0) end,
        function() return db:fetch_value("select (select id from t where id > ?)", 0) end,
        function() return db:execute("insert into t values (?, 'b')", 1) end,
        function() return db:fetch_all("select * from nowhere where a = ?", 1) end,
        function() return db:fetch_all "selec nonsense" end,
        function() return db:fetch_value("select ? * 2", 0 / 0) end,
        function() return db:fetch_value("select ? * 2", 1, 2) end,
      }))
      for i, kind in ipairs { "database_error", "database_error", "unique_violation", "undefined_table",
        "syntax_error", "invalid_value", "usage" } do
        assert.is_false(outcomes[i][1])
        assert.equal(kind, outcomes[i][2].kind)
      end
      check_rest(outcomes, 8)
    end
  end)

  it("a slow neighbour, one that is cancelled, one out of time: the others get theirs", function()
    local db = open()
    warm_up(db)
    local outcomes = run_all(answers(db, 30, {
      function() return db:fetch_value { "select slow(?)", 0.1 } end,
      function() return db:fetch_value { "select slow(?)", 10, timeout = 0.3 } end,
      function()
        local task = covet.spawn(function()
          return db:fetch_value("select slow(?)", 10)
        end)
        covet.sleep(0.2)
        task:cancel()
        return task:join()
      end,
    }))
    assert.same({ true, 7 }, outcomes[1])
    assert.is_false(outcomes[2][1])
    assert.is_true(covet.is(outcomes[2][2], "timeout", "pool_timeout"), tostring(outcomes[2][2]))
    assert.is_false(outcomes[3][1])
    check_rest(outcomes, 4)
    assert.equal(1, db:get_pool_stats().created)
  end)

  -- They are behind one that takes its time: their own time is up all the same.
  it("who gives up behind others is told at once", function()
    local db = open()
    warm_up(db)
    local calls = { function() return db:fetch_value { "select slow(?)", 1 } end }
    for i = 1, 12 do
      calls[#calls + 1] = function()
        return db:fetch_value { "select ? * 2", i, timeout = i % 3 == 0 and 20 or 0.1 }
      end
    end
    local started, told = covet.now(), {}
    for i = 2, #calls do
      local call = calls[i]
      calls[i] = function()
        local fine, value = pcall(call)
        told[i] = covet.now() - started
        if not fine then
          error(value, 0)
        end
        return value
      end
    end
    local outcomes = run_all(calls)
    assert.same({ true, 7 }, outcomes[1])
    for i = 1, 12 do
      local fine, value = unpack(outcomes[i + 1])
      if i % 3 == 0 then
        assert.equal(i * 2, value)
      else
        assert.is_false(fine)
        assert.is_true(covet.is(value, "timeout", "pool_timeout"), tostring(value))
        assert.is_true(told[i + 1] < 0.9, told[i + 1])
      end
    end
    assert.equal(1, db:get_pool_stats().created)
  end)

  -- Those that nobody has cancelled must not hear of it, however often it happens.
  it("many cancels hit nobody else", function()
    local db = open { max_pool_size = 2 }
    warm_up(db)
    local failed = {}
    covet.each_parallel(numbers(400), 40, function(i)
      if i % 4 == 0 then
        pcall(db.fetch_value, db, { "select slow(?)", 5, timeout = 0.01 + (i % 5) * 0.004 })
        return
      end
      local fine, value = pcall(db.fetch_value, db,
        { "select ? from dual where slow(0.002) = 7", i, timeout = 100 })
      if not fine or value ~= i then
        failed[#failed + 1] = tostring(value)
      end
    end)
    assert.same({}, failed)
    assert.is_true(most > 1)
  end)

  it("rows of a table that changes meanwhile fit their columns", function()
    local db = open { max_pool_size = 2 }
    db:execute "insert into t values (1, 'a')"
    local stop, changes = false, 0
    local changer = covet.spawn(function()
      while not stop do
        mysql.client(database.admin_url, changes % 2 == 0 and "alter table t add column more int default 5"
          or "alter table t drop column more")
        changes = changes + 1
      end
    end)
    local failed = {}
    while changes < 10 do
      covet.each_parallel(numbers(200), 40, function(i)
        local fine, row = pcall(db.fetch_one, db, "select *, ? as n from t", i)
        if not fine or row.n ~= i or row.id ~= 1 or row.name ~= "a" or (row.more or 5) ~= 5 then
          failed[#failed + 1] = tostring(row)
        end
      end)
    end
    stop = true
    changer:join()
    assert.same({}, failed)
    assert.is_true(most > 1)
  end)

  -- A query of many rows that was hit by the kill of the one in front.
  it("what runs again after a kill of another has all its rows", function()
    local db = open()
    warm_up(db)
    local many = "select a.seq, ? as n from (select slow(0.05) as z) d, seq_1_to_20000 a"
    db:fetch_all(many, 0)
    for round = 1, 14 do
      local outcomes = run_all {
        function() return db:fetch_value { "select slow(?)", 0.05 } end,
        function() return db:fetch_value { "select slow(?)", 0.0985 + round * 0.0003, timeout = 0.15 } end,
        function() return #db:fetch_all { many, 1, timeout = 20 } end,
      }
      assert.same({ true, 20000 }, outcomes[3])
    end
    assert.equal(200, db:fetch_value("select ? * 2", 100))
  end)

  -- The statement that takes what may be left of a kill is slow to be answered, and an
  -- answer that nobody waits for came just before.
  it("no kill goes on when what it was for has ended", function()
    delays["DO SLEEP"], delays["KILL QUERY"] = 0.0525, 0.02
    local db = open()
    warm_up(db)
    for _ = 1, 5 do
      local outcomes = run_all {
        function() return db:fetch_value { "select slow(?)", 0.1 } end,
        function() return db:fetch_value { "select slow(?)", 10, timeout = 0.2 } end,
        function() return db:fetch_value { "select slow(?)", 0.3 } end,
        function() return db:fetch_value { "select ? * 2", 1, timeout = 0.25 } end,
        function()
          covet.sleep(0.3)
          return db:fetch_value("select 0 + slow(?)", 0.5)
        end,
      }
      assert.is_false(outcomes[2][1])
      assert.same({ true, 7 }, outcomes[3])
      assert.same({ true, 7 }, outcomes[5])
    end
  end)

  it("the pool gets its connection back from a server that does not answer behind a kill", function()
    delays["DO SLEEP"] = 1000
    local db = open()
    warm_up(db)
    local outcomes = run_all(answers(db, 3, {
      function() return db:fetch_value { "select slow(?)", 0.1 } end,
      function() return db:fetch_value { "select slow(?)", 10, timeout = 0.5 } end,
      function() return db:fetch_value { "select slow(?)", 0.5 } end,
    }))
    assert.is_false(outcomes[2][1])
    check_rest(outcomes, 3)
    delays["DO SLEEP"] = nil
    assert.equal(8, db:fetch_value { "select ? * 2", 4, timeout = 30 })
    db:disconnect(1)
  end)

  for _, change in ipairs { "rename column name to title", "modify x varchar(20) first",
    "drop column x, add column y double default 1.5", "modify x date",
    "rename column name to other, rename column x to name" } do
    it("rows have the columns of now: alter table, " .. change, function()
      for _, pipeline in ipairs { false, true } do
        mysql.client(database.admin_url, "create or replace table wide "
          .. "(id int primary key, name text, d datetime, x int)")
        local db = open { pipeline = pipeline }
        db:execute "insert into wide (id) values (1)"
        warm_up(db)
        db:fetch_one("select *, ? as n from wide", 0)
        local calls = { function() return db:fetch_value("select slow(?)", 0.3) end }
        for i = 1, 6 do
          calls[#calls + 1] = function()
            return db:fetch_all({ "select *, ? as n from wide", i, rows = "array" }),
              assert(db:fetch_one("select *, ? as n from wide", i).n == i)
          end
        end
        calls[#calls + 1] = function()
          covet.sleep(0.1)
          mysql.client(database.admin_url, "alter table wide " .. change)
        end
        check_rest(run_all(calls), 1)
        local names = {}
        local told = mysql.client(database.admin_url, "select column_name from information_schema.columns "
          .. "where table_schema = database() and table_name = 'wide' order by ordinal_position")
        for name in told:gmatch "%w+" do
          names[#names + 1] = name
        end
        names[#names + 1] = "n"
        for i = 1, 3 do
          local stream = db:stream_query("select *, ? as n from wide", i)
          assert.equal(1, #stream:read())
          assert.same(names, stream:columns())
          stream:close()
        end
      end
    end)
  end

  it("a lost connection: each gets an answer or an error, and may try again", function()
    local db = open { max_pool_size = 2 }
    local stop, lost, good = false, 0, 0
    local killer = covet.spawn(function()
      while not stop do
        covet.sleep(0.02)
        local id = mysql.administer(("select id from information_schema.processlist where db = '%s' "
          .. "and user = 'covet' limit 1"):format(database.name))
        if id ~= "" then
          pcall(mysql.administer, "kill " .. id)
        end
      end
    end)
    while lost < 20 do
      covet.each_parallel(numbers(1000), 50, function(i)
        local value, err = db.try:fetch_value { "select ?", i, timeout = 60 }
        if err then
          assert(LOST[err.kind] and err.retry == "safe", tostring(err))
          lost = lost + 1
        else
          assert(value == i)
          good = good + 1
        end
      end)
    end
    stop = true
    killer:join()
    assert.is_true(good > lost)
    assert.is_true(most > 1)
  end)

  it("disconnecting in the middle ends all of them", function()
    local db = open()
    warm_up(db)
    local calls = answers(db, 30, { function() return db:fetch_value { "select slow(?)", 30 } end })
    calls[#calls + 1] = function()
      covet.sleep(0.1)
      db:disconnect(0.1)
    end
    local outcomes = run_all(calls)
    assert.is_false(outcomes[1][1])
    for _, outcome in ipairs(outcomes) do
      assert.is_true(outcome[1] or type(outcome[2]) == "table" or type(outcome[2]) == "string")
    end
  end)
end)
