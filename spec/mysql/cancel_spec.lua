-- Timeouts and cancels at random moments: no query ever receives another's rows,
-- and nothing stays behind.
local covet = require "covet"
local mysql = require "spec.support.mysql"
local wait = require "spec.support.wait"

local CALLS = tonumber(os.getenv "COVET_SPEC_CANCELS") or 2000

-- The same for calls that do not block and for those that do.
for _, by_threads in ipairs { false, true } do
  mysql.describe("MariaDB under cancels" .. (by_threads and ", by threads" or ""), function()
    local db, wrong

    before_each(function()
      local given = mysql.options(mysql.url)
      given.min_pool_size, given.max_pool_size = 2, 8
      given.thread_per_connection = by_threads
      db = covet.mysql(given):connect()
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
      check(i, db:fetch_value { "select ? from (select sleep(?)) s", i, math.random() * 0.02,
        timeout = timeout })
    end

    function calls.quick(i, timeout)
      check(i, db:fetch_value { "select ?", i, timeout = timeout })
    end

    function calls.stream(i, timeout)
      for row in db:each { "select ? as v from seq_1_to_3000", i, timeout = timeout } do
        check(i, row.v)
        if math.random() < 0.001 then
          return
        end
      end
    end

    function calls.all(i, timeout)
      for _, row in ipairs(db:fetch_all { "select ? as v from seq_1_to_2000", i, timeout = timeout }) do
        check(i, row.v)
      end
    end

    function calls.transaction(i, timeout)
      db:transaction(function(tx)
        check(i, tx:fetch_value("select ?", i))
        tx:fetch_value { "select sleep(0.001)", timeout = timeout }
      end)
    end

    function calls.lease(i, timeout)
      db:with(function(connection)
        check(i, connection:fetch_value { "select ? from (select sleep(0.002)) s", i, timeout = timeout })
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
      for i = 1, by_threads and CALLS / 4 or CALLS do
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
      assert.is_true(wait.until_true(function()
        collectgarbage()
        return db:get_pool_stats().used == 0
      end, 5))
      assert.equal(0, db:get_pool_stats().waiting)
      assert.equal("0", mysql.administer("select count(*) from information_schema.processlist "
        .. "where user = 'covet' and info like '%sleep(%'"))
    end)

    it("the server's query really ends", function()
      local task = covet.spawn(function()
        return db:fetch_value "select sleep(100) as covet_is_cancelled"
      end)
      local function running()
        return mysql.administer("select count(*) from information_schema.processlist "
          .. "where info like '%covet\\_is\\_cancelled' and user = 'covet'")
      end
      assert.is_true(wait.until_true(function() return running() == "1" end, 5))
      local created = db:get_pool_stats().created
      task:cancel()
      pcall(task.join, task)
      assert.is_true(wait.until_true(function() return running() == "0" end, 2))
      assert.is_true(wait.until_true(function() return db:get_pool_stats().used == 0 end, 2))
      assert.equal(1, db:fetch_value "select 1")
      assert.equal(created, db:get_pool_stats().created) -- the connection was kept
    end)
  end)
end
