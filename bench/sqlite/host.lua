--- Tasks and the loop: what many tasks weigh, and how late the loop is.
--
--    covet bench/sqlite/host.lua sleeping|waiting PATH COUNT
--    covet bench/sqlite/host.lua idle|selects|rows|query PATH SECONDS
--
-- The first two print the most memory the process had while COUNT tasks slept,
-- or waited for the one connection that writes. The others let a task sleep
-- 10 ms at a time for SECONDS beside a load, and print how late it woke, in
-- milliseconds.
-- @script bench.sqlite.host

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local measure = require "bench.measure"

local TASKS = 256
local NAP = 0.010
local POINT_SELECT = "select id, name, price from items where id = ?"
local WIDE = "select id, name, city, active, score, created_at, note"
  .. " from wide limit 200000"
local COUNT_UP = "with recursive n(i) as (select 1 union all select i + 1"
  .. " from n limit ?) select count(*) from n"

local now = covet.now

local function sleeping(_, count)
  local started, tasks, start = 0, {}, now()
  for i = 1, count do
    tasks[i] = covet.spawn(function()
      started = started + 1
      covet.sleep(3600)
    end)
  end
  while started < count do covet.sleep(0.01) end
  local result = { seconds = now() - start, count = count,
                   peak_rss_kb = measure.peak_rss_kb() }
  for _, task in ipairs(tasks) do task:cancel() end
  return result
end

local function waiting(path, count)
  path = path .. "-waiting"
  for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
  local db = covet.sqlite { path = path }
  db:execute "create table events (id bigint not null)"
  local result, started = nil, 0
  covet.group(function(group)
    db:transaction(function(tx)
      tx:execute("insert into events values (?)", 0)
      local start = now()
      for i = 1, count do
        group:spawn(function()
          started = started + 1
          db:execute("insert into events values (?)", i)
        end)
      end
      while started < count do covet.sleep(0.01) end
      covet.sleep(0.05)
      result = { seconds = now() - start, count = count,
                 peak_rss_kb = measure.peak_rss_kb() }
    end)
  end)
  result.check = db:fetch_value "select count(*) from events" - 1
  db:disconnect()
  return result
end

-- Each load: run until `stopped()`; the number of units done.
local loads = {}

function loads.idle(_, stopped)
  while not stopped() do covet.sleep(0.1) end
  return 0
end

function loads.selects(db, stopped)
  local items = db:fetch_value "select items from about"
  local done = 0
  covet.group(function(group)
    for _ = 1, TASKS do
      group:spawn(function()
        while not stopped() do
          done = done + 1
          db:fetch_one(POINT_SELECT, done % items + 1)
        end
      end)
    end
  end)
  return done
end

function loads.rows(db, stopped)
  local done = 0
  while not stopped() do done = done + #db:fetch_all(WIDE) end
  return done
end

-- One query as long as the measurement: a short one before tells the speed.
function loads.query(db, _, seconds)
  local trial = 2e6
  local start = now()
  db:fetch_value(COUNT_UP, trial)
  local count = math.floor(trial / (now() - start) * seconds)
  return db:fetch_value(COUNT_UP, count)
end

local function nap_until(stopped, lateness)
  while not stopped() do
    local start = now()
    covet.sleep(NAP)
    lateness[#lateness + 1] = (now() - start - NAP) * 1000
  end
end

local function delay(load, path, seconds)
  local db = covet.sqlite { path = path }
  db:connect()
  local lateness, finished, start = {}, false, now()
  local function load_stopped() return now() - start >= seconds end
  local napper = covet.spawn(function()
    nap_until(function() return finished end, lateness)
  end)
  local done = load(db, load_stopped, seconds)
  local took = now() - start
  finished = true
  napper:join()
  db:disconnect()
  table.sort(lateness)
  return { seconds = took, count = #lateness, done = done,
           p50_ms = measure.percentile(lateness, 0.5),
           p99_ms = measure.percentile(lateness, 0.99),
           max_ms = lateness[#lateness] }
end

local function main(name, path, size)
  size = tonumber(size)
  local memory = ({ sleeping = sleeping, waiting = waiting })[name]
  if not (size and (memory or loads[name])) then
    io.stderr:write "usage: host.lua WORKLOAD PATH COUNT-OR-SECONDS\n"
    os.exit(2)
  end
  local result = memory and memory(path, size)
    or delay(loads[name], path, size)
  result.workload = name
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

main(...)
