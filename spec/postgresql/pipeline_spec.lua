-- Callers that share connections: each gets its own answer or its own error,
-- whatever its neighbours do. spec/postgresql/special_spec.lua has `db:pipeline`.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

local LOST = { connection_lost = true, connection_failed = true }

local function numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

postgresql.describe("PostgreSQL shared by many callers", function()
  local database

  setup(function()
    database = postgresql.fresh_database()
  end)

  teardown(function()
    database:drop()
  end)

  before_each(function()
    database:clear()
    postgresql.psql(database.url, [[
      create table t (id int primary key, name text);
      create function slow(seconds float8) returns int language plpgsql as
        $$ begin perform pg_sleep(seconds); return 7; end $$]])
  end)

  local function open(options)
    local all = { max_pool_size = 1 }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return postgresql.open(all, database.url)
  end

  -- Run the functions at the same time; what each answered: { fine, value }.
  local function run_all(functions)
    local outcomes = {}
    covet.each_parallel(numbers(#functions), #functions, function(i)
      outcomes[i] = { pcall(functions[i]) }
    end)
    return outcomes
  end

  local function answers(db, n, first)
    for i = 1, n do
      first[#first + 1] = function()
        local value = db:fetch_value("select $1::int * 2", i)
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

  local WAYS = {
    { pipeline = "group" }, { pipeline = "each" }, { pipeline = false },
    { pipeline = "group", pipeline_depth = 3 }, { pipeline_depth = 1 },
    { pipeline = "group", busy_poll = false }, { pipeline = "each", busy_poll = 50 },
    { busy_poll = "auto", statement_cache_size = 0 },
  }

  local function name_of(way)
    local words = {}
    for key, value in pairs(way) do
      words[#words + 1] = key .. " = " .. tostring(value)
    end
    table.sort(words)
    return table.concat(words, ", ")
  end

  for _, way in ipairs(WAYS) do
    describe("with " .. name_of(way), function()
      local db

      before_each(function()
        db = open(way)
      end)

      it("each gets its own rows", function()
        local many = open { max_pool_size = 3, pipeline = way.pipeline, pipeline_depth = way.pipeline_depth,
          busy_poll = way.busy_poll, statement_cache_size = way.statement_cache_size }
        local calls = {
          function(i) return many:fetch_value("select $1::int", i) end,
          function(i) return many:fetch_one("select $1::int as v, repeat('x', 3000) as filler", i).v end,
          function(i)
            local rows = many:fetch_all("select $1::int as v from generate_series(1, 50)", i)
            assert(#rows == 50)
            return rows[50].v
          end,
          function(i)
            return many:fetch_value("insert into t values ($1, 'x') returning id", i)
          end,
          function(i) return tonumber(many:fetch_value(("select '%d'"):format(i))) end,
        }
        local wrong = 0
        covet.each_parallel(numbers(1000), 60, function(i)
          if calls[i % #calls + 1](i) ~= i then
            wrong = wrong + 1
          end
        end)
        assert.equal(0, wrong)
        assert.equal(200, db:fetch_value "select count(*) from t")
      end)

      it("an error is its own", function()
        db:execute "insert into t values (1, 'a')"
        for _ = 1, 3 do
          local outcomes = run_all(answers(db, 12, {
            function() return db:fetch_value("select 1 / $1::int", 0) end,
            function() return db:execute("insert into t values ($1, 'b')", 1) end,
            function() return db:fetch_all("select * from nowhere where a = $1", 1) end,
            function() return db:fetch_all "selec nonsense" end,
            function() return db:fetch_value("select $1::int", true) end,
          }))
          for i, kind in ipairs { "division_by_zero", "unique_violation", "undefined_table", "syntax_error",
            "usage" } do
            assert.is_false(outcomes[i][1])
            assert.equal(kind, outcomes[i][2].kind)
          end
          check_rest(outcomes, 6)
        end
      end)

      it("an error is told to all who have made it", function()
        for _, text in ipairs { "select * from nowhere where a = $1", "select 1 / ($1::int * 0)" } do
          local kind = text:find "nowhere" and "undefined_table" or "division_by_zero"
          local calls = {}
          for i = 1, 12 do
            calls[i] = function() return db:fetch_value(text, i) end
          end
          for _, outcome in ipairs(run_all(calls)) do
            assert.equal(kind, outcome[2].kind, tostring(outcome[2]))
          end
        end
      end)

      it("writes are atomic one by one, beside what fails", function()
        local calls, kinds = {}, {}
        for i = 1, 60 do
          if i % 3 == 0 then
            calls[i] = function() return db:execute("insert into t values ($1, 'x')", i) end
          elseif i % 3 == 1 then
            calls[i] = function() return db:fetch_value("select 1 / $1::int", i % 2) end
          else
            calls[i] = function() return db:fetch_value("select $1::int", i) end
          end
        end
        for i, outcome in ipairs(run_all(calls)) do
          kinds[i] = outcome[1] or outcome[2].kind
          local expected = i % 3 == 1 and i % 2 == 0 and "division_by_zero" or true
          assert.equal(expected, kinds[i])
        end
        assert.equal(20, db:fetch_value "select count(*) from t")
      end)

      it("a slow neighbour, one that is cancelled, one out of time: the others get theirs", function()
        local outcomes = run_all(answers(db, 20, {
          function() return db:fetch_value { "select slow($1)", 0.1 } end,
          function() return db:fetch_value { "select slow($1)", 10, timeout = 0.3 } end,
          function()
            local task = covet.spawn(function()
              return db:fetch_value("select slow($1)", 10)
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
      end)
    end)
  end

  -- Those that nobody has cancelled must not hear of it, however often it happens.
  it("many cancels hit nobody else", function()
    local db = open { max_pool_size = 2 }
    local failed = {}
    covet.each_parallel(numbers(400), 40, function(i)
      if i % 4 == 0 then
        pcall(db.fetch_value, db, { "select slow($1)", 5, timeout = 0.01 + (i % 5) * 0.004 })
        return
      end
      local fine, value = pcall(db.fetch_value, db, { "select $1::int from slow(0.002)", i, timeout = 100 })
      if not fine or value ~= i then
        failed[#failed + 1] = tostring(value)
      end
    end)
    assert.same({}, failed)
  end)

  it("a lost connection: each gets an answer or an error, and what was done is there once", function()
    local db = open { max_pool_size = 2, breaker = { failures = 128 } }
    local done, unknown = {}, {}
    local stop = false
    local killer = covet.spawn(function()
      while not stop do
        covet.sleep(0.05)
        postgresql.psql(database.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
          .. "where datname = current_database() and usename = 'covet' limit 1")
      end
    end)
    covet.each_parallel(numbers(3000), 50, function(i)
      if i % 2 == 0 then
        local value, err = db.try:fetch_value { "select $1::int", i, timeout = 60 }
        assert(value == i or LOST[err.kind], tostring(err))
        return
      end
      local result, err = db.try:execute { "insert into t values ($1, 'x')", i, timeout = 60 }
      if result then
        done[#done + 1] = i
      else
        assert(LOST[err.kind], tostring(err))
        unknown[i] = err.retry ~= "safe" or nil
      end
    end)
    stop = true
    killer:join()
    local there = {}
    for line in postgresql.psql(database.url, "select id from t"):gmatch "%d+" do
      there[tonumber(line)] = true
    end
    assert.is_true(#done > 500, #done)
    for _, i in ipairs(done) do
      assert.is_true(there[i], "a write that was reported as done is missing: " .. i)
      there[i] = nil
    end
    for i in pairs(there) do
      assert.is_true(unknown[i], "a write that was refused as safe to repeat is there: " .. i)
    end
  end)

  it("leases and transactions never share", function()
    local db = open { max_pool_size = 2 }
    local busy, wrong = {}, 0
    covet.each_parallel(numbers(200), 30, function(i)
      if i % 5 ~= 0 then
        local pid = db:fetch_value("select pg_backend_pid() + 0 * $1::int", i)
        wrong = wrong + (busy[pid] and 1 or 0)
        return
      end
      db[i % 2 == 0 and "transaction" or "with"](db, function(held)
        local pid = held:fetch_value "select pg_backend_pid()"
        wrong = wrong + (busy[pid] and 1 or 0)
        busy[pid] = true
        held:fetch_value "select slow(0.003)"
        busy[pid] = nil
      end)
    end)
    assert.equal(0, wrong)
  end)

  describe("execute_many", function()
    it("is all or nothing with thousands of rows", function()
      local db = open()
      local rows = {}
      for i = 1, 5000 do
        rows[i] = { i, "name " .. i }
      end
      rows[3210] = { 17, "again" }
      local err = fails("unique_violation", db, "execute_many", "insert into t values ($1, $2)", rows)
      assert.matches("in row 3210 of the list", err.detail)
      assert.equal(0, db:fetch_value "select count(*) from t")
      rows[3210] = { 3210, true }
      rows[3210][2] = nil
      rows[4000] = { "x", "no number" }
      err = fails("invalid_value", db, "execute_many", "insert into t values ($1, $2)", rows)
      assert.matches("in row 4000 of the list", err.detail)
      assert.equal(0, db:fetch_value "select count(*) from t")
      rows[4000] = { 4000, "y" }
      assert.equal(5000, db:execute_many("insert into t values ($1, $2)", rows))
      assert.equal(4999, db:fetch_value "select count(name) from t")
    end)
  end)
end)
