-- Timeouts and cancels at random moments: no query ever receives another's rows,
-- and nothing stays behind.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"

local CALLS = tonumber(os.getenv "COVET_SPEC_CANCELS") or 2000

postgresql.describe("PostgreSQL under cancels", function()
  local db
  local wrong

  before_each(function()
    local given = postgresql.options(postgresql.url)
    given.min_pool_size, given.max_pool_size = 2, 8
    db = covet.postgresql(given):connect()
    wrong = 0
  end)

  after_each(function()
    db:disconnect(5)
  end)

  local function check(i, value)
    if value ~= i then
      wrong = wrong + 1
    end
  end

  local calls = {}

  function calls.slow(i, timeout)
    check(i, db:fetch_value { "select $1::int from pg_sleep($2::float8)", i, math.random() * 0.02,
      timeout = timeout })
  end

  function calls.quick(i, timeout)
    check(i, db:fetch_value { "select $1::int", i, timeout = timeout })
  end

  function calls.stream(i, timeout)
    local rows = db:each { "select $1::int as v from generate_series(1, 3000)", i, timeout = timeout }
    for row in rows do
      check(i, row.v)
      if math.random() < 0.001 then
        return rows:close() -- this task goes on, and the collector may come late
      end
    end
  end

  function calls.all(i, timeout)
    for _, row in ipairs(db:fetch_all { "select $1::int as v from generate_series(1, 2000)", i,
      timeout = timeout }) do
      check(i, row.v)
    end
  end

  function calls.transaction(i, timeout)
    db:transaction(function(tx)
      check(i, tx:fetch_value("select $1::int", i))
      tx:fetch_value { "select 1 from pg_sleep(0.001)", timeout = timeout }
    end)
  end

  function calls.lease(i, timeout)
    db:with(function(connection)
      check(i, connection:fetch_value { "select $1::int from pg_sleep(0.002)", i, timeout = timeout })
    end)
  end

  local names = { "slow", "quick", "quick", "stream", "all", "transaction", "lease" }
  local expected = { timeout = true, pool_timeout = true, cancelled = true, interrupted = true }

  local function one(i)
    local timeout = math.random() < 0.5 and math.random() * 0.02 + 0.001 or 20
    local fine, err = pcall(calls[names[math.random(#names)]], i, timeout)
    if not fine and not (type(err) == "table" and expected[err.kind]) then
      error(err, 0)
    end
  end

  it("every row belongs to its caller", function()
    local list = {}
    for i = 1, CALLS do
      list[i] = i
    end
    covet.each_parallel(list, 40, function(i)
      if math.random() > 0.2 then
        return one(i)
      end
      local task = covet.spawn(one, i)
      covet.sleep(math.random() * 0.01)
      task:cancel()
      pcall(task.join, task)
    end)
    assert.equal(0, wrong)
    collectgarbage()
    collectgarbage()
    covet.sleep(0.5)
    local stats = db:get_pool_stats()
    assert.equal(0, stats.used)
    assert.equal(0, stats.waiting)
    assert.equal("0", postgresql.psql(postgresql.admin_url, "select count(*) from pg_stat_activity "
      .. "where application_name = 'covet' and state <> 'idle' and query like '%$1::int%'"))
  end)
end)
