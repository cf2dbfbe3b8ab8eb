--- The workloads on pools, memory and the loop, by covet, for every database: W7,
-- W9 and W10.
--
-- W9 answers `grown_kb`, the memory that COUNT tasks or connections take, beside
-- the most that the process had. In W10 a task sleeps 10 ms at a time for COUNT
-- seconds beside a load; the answer is how late it woke, in milliseconds.
-- @module bench.figures

local covet = require "covet"
local measure = require "bench.measure"

local M = {}

local TASKS = 256
local NAP = 0.010
local WIDE = 200000
local COUNT_UP = "with recursive n(i) as (select 1 union all select i + 1"
  .. " from n limit ?) select count(*) from n"

local now = covet.now

local function settled_rss_kb()
  collectgarbage()
  collectgarbage()
  return measure.rss_kb()
end

--- W7: a connection taken and given back.
function M.lend(_, db, count)
  local result = measure.repeated(function() db:acquire():release() end, count)
  result.check = 0
  return result
end

--- W9-waiting: tasks that wait for a connection. `own.wait(target, body)` runs
-- `body(work)` while every connection is taken that `work(i)` waits for.
function M.wait(own, target, count)
  local result
  covet.group(function(group)
    own.wait(target, function(work)
      local started, start, before = 0, now(), settled_rss_kb()
      for i = 1, count do
        group:spawn(function()
          started = started + 1
          work(i)
        end)
      end
      while started < count do covet.sleep(0.01) end
      covet.sleep(0.05)
      result = { seconds = now() - start, count = count, check = 0,
                 grown_kb = measure.rss_kb() - before,
                 peak_rss_kb = measure.peak_rss_kb() }
    end)
  end)
  return result
end

local function close_all(adapters)
  local count = 0
  for _, db in ipairs(adapters) do
    count = count + db:get_pool_stats().created
    db:disconnect()
  end
  return count
end

--- W9-idle: connections that are open and do nothing.
function M.keep_connections(own, target, count)
  close_all(own.open_connections(target, 1)) -- what is loaded once is not theirs
  local before = settled_rss_kb()
  local seconds, adapters = measure.timed(function()
    return own.open_connections(target, count)
  end)
  local result = { seconds = seconds, check = 0,
                   grown_kb = settled_rss_kb() - before,
                   peak_rss_kb = measure.peak_rss_kb() }
  result.count = close_all(adapters)
  return result
end

local function nap_until(stopped, lateness)
  while not stopped() do
    local start = now()
    covet.sleep(NAP)
    lateness[#lateness + 1] = (now() - start - NAP) * 1000
  end
end

-- A workload of W10: `load(own, db, stopped, seconds)` runs until `stopped()` and
-- answers how much it did.
local function delay(load)
  return function(own, db, seconds)
    local lateness, finished, start = {}, false, now()
    local napper = covet.spawn(function()
      nap_until(function() return finished end, lateness)
    end)
    local done = load(own, db, function() return now() - start >= seconds end,
      seconds)
    finished = true
    napper:join()
    table.sort(lateness)
    return { seconds = now() - start, count = #lateness, done = done, check = 0,
             p50_ms = measure.percentile(lateness, 0.50),
             p99_ms = measure.percentile(lateness, 0.99),
             max_ms = lateness[#lateness] }
  end
end

--- W10 beside nothing.
M.delay_idle = delay(function(_, _, stopped)
  while not stopped() do covet.sleep(0.1) end
  return 0
end)

--- W10 beside point selects of many tasks.
M.delay_selects = delay(function(own, db, stopped)
  local items = db:fetch_value "select items from about"
  local done = 0
  covet.group(function(group)
    for _ = 1, TASKS do
      group:spawn(function()
        while not stopped() do
          done = done + 1
          db:fetch_one(own.point_select, done % items + 1)
        end
      end)
    end
  end)
  return done
end)

--- W10 beside results of many rows.
M.delay_rows = delay(function(own, db, stopped)
  local done = 0
  while not stopped() do
    local rows = db:fetch_all { own.wide, WIDE, types = own.types }
    done = done + #rows
  end
  return done
end)

--- W10 beside one query as long as the measurement (SQLite).
M.delay_query = delay(function(_, db, _, seconds)
  local trial = 2e6
  local start = now()
  db:fetch_value(COUNT_UP, trial)
  local count = math.floor(trial / (now() - start) * seconds)
  return db:fetch_value(COUNT_UP, count)
end)

return M
