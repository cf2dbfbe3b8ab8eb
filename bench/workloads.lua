--- The workloads by covet, for every database.
--
-- `sqlite/covet.lua` and `postgresql/covet.lua` say what is the database's own and
-- run one of these. Each prints one line of JSON, as the references do; `check` is
-- what the data came to, the same on both sides.
-- @module bench.workloads

local covet = require "covet"
local data = require "bench.data"
local figures = require "bench.figures"
local measure = require "bench.measure"

local M = {}

local TASKS = 256
local CONNECTIONS_AT_A_TIME = 50
local COLUMNS = { "id", "name", "city", "score" }

local counter, records, timed = data.counter, data.records, measure.timed

-- Call `work()` in TASKS tasks until it answers false in each.
local function in_tasks(work)
  covet.group(function(group)
    for _ = 1, TASKS do
      group:spawn(function()
        while work() do end -- luacheck: ignore 542
      end)
    end
  end)
end

-- A function that carries out the next point select and answers what its row adds
-- to `check`.
local function item_selector(own, db, variant)
  local text, item_sum = own.point_select, data.item_sum
  local next_id = data.random_ids(db:fetch_value "select items from about")
  if variant == "table" then
    return function() return item_sum(db:fetch_one { text, next_id() }) end
  end
  return function() return item_sum(db:fetch_one(text, next_id())) end
end

local function select_items(own, db, count, variant)
  local select_one, check = item_selector(own, db, variant), 0
  local moments, now = measure.moments(count), measure.now
  db:fetch_one(own.point_select, 1)
  moments[0] = now()
  for i = 1, count do
    check = check + select_one()
    moments[i] = now()
  end
  return measure.add_percentiles(moments, count,
    { seconds = moments[count] - moments[0], count = count, check = check })
end

local function select_from_tasks(own, db, count)
  local select_one, check = item_selector(own, db), 0
  local next_turn = counter(count)
  db:fetch_one(own.point_select, 1)
  local seconds = timed(function()
    in_tasks(function()
      if not next_turn() then return false end
      local sum = select_one() -- waits: `check` may be another one then
      check = check + sum
      return true
    end)
  end)
  return { seconds = seconds, count = count, check = check }
end

local function sum_rows(rows, sum)
  local check = 0
  for i = 1, #rows do check = check + sum(rows[i]) end
  return check
end

-- One result. Rows that are built at once are summed when the clock has stopped
-- (building has read each value, as the reference does); lazy ones are read
-- while it runs.
local function fetch_rows(own, db, count, variant)
  local sum, check = data.row_sums[variant], nil
  local seconds, rows = timed(function()
    local rows = db:fetch_all { own.wide, count, rows = variant,
                                types = own.types }
    if variant == "lazy" then check = sum_rows(rows, sum) end
    return rows
  end)
  local peak = measure.peak_rss_kb()
  return { seconds = seconds, count = #rows, peak_rss_kb = peak,
           check = check or sum_rows(rows, sum) }
end

-- A stream; every value of every row is read while the clock runs.
local function stream_rows(own, db, count, variant)
  local sum, check, seen = data.row_sums[variant], 0, 0
  local seconds = timed(function()
    local stream = db:stream_query { own.wide, count, chunk_size = 1000,
                                     rows = variant, types = own.types }
    for rows in stream do
      check = check + sum_rows(rows, sum)
      seen = seen + #rows
    end
  end)
  return { seconds = seconds, count = seen, check = check }
end

local function check_events(db)
  return db:fetch_value(data.check_events)
end

-- One after the other, or ("grouped") from many tasks.
local function insert_singly(own, db, count, variant)
  local record, next_turn = records(), counter(count)
  local text = own.insert
  local function insert_one()
    local i = next_turn()
    if not i then return false end
    local values = record(i)
    db:execute(text, values[1], values[2], values[3], values[4])
    return true
  end
  local seconds = timed(function()
    if variant == "grouped" then
      in_tasks(insert_one)
    else
      while insert_one() do end -- luacheck: ignore 542
    end
  end)
  return { seconds = seconds, count = count, check = check_events(db) }
end

-- By an iterator that makes its records on the way.
local function copy_records(db, count)
  local record, next_turn = records(), counter(count)
  local function next_record()
    local i = next_turn()
    return i and record(i)
  end
  return timed(function()
    db:copy_records_to_table("events", next_record, { columns = COLUMNS })
  end)
end

-- By a list that was made before.
local function execute_many(db, count, text)
  local record, list = records(), {}
  for i = 1, count do list[i] = record(i) end
  return timed(function() db:execute_many(text, list) end)
end

local function load_many(own, db, count, variant)
  local load = variant == "many" and execute_many or copy_records
  return { seconds = load(db, count, own.insert), count = count,
           check = check_events(db) }
end

-- Connections, some at a time; how many were opened is asked of the pools.
local function open_many(own, target, count)
  local result = { seconds = 0, count = 0, check = 0 }
  for done = 0, count - 1, CONNECTIONS_AT_A_TIME do
    local some = math.min(count - done, CONNECTIONS_AT_A_TIME)
    local seconds, adapters = timed(function()
      return own.open_connections(target, some)
    end)
    result.seconds = result.seconds + seconds
    for _, db in ipairs(adapters) do
      result.count = result.count + db:get_pool_stats().created
      db:disconnect()
    end
  end
  return result
end

-- Nine selects, then an insert, and so on, from many tasks (SQLite).
local function select_and_insert(own, db, count)
  local next_turn, record, item_sum = counter(count), records(), data.item_sum
  local select, insert, check = own.point_select, own.insert, 0
  db:execute(own.create_items)
  db:execute(data.fill_items)
  local seconds = timed(function()
    in_tasks(function()
      local i = next_turn()
      if not i then return false end
      if i % 10 == 0 then
        db:execute(insert, unpack(record(i)))
      else
        local row = db:fetch_one(select, i % 10000 + 1)
        check = check + item_sum(row)
      end
      return true
    end)
  end)
  return { seconds = seconds, count = count, check = check + check_events(db) }
end

-- A workload on the prepared database, opened before and closed after.
local function reading(run)
  return function(own, target, count, variant)
    local db = own.open(target, variant)
    local result = run(own, db, count, variant)
    db:disconnect()
    return result
  end
end

-- A workload on an empty table of events.
local function writing(run)
  return function(own, target, count, variant)
    local db = own.open_events(target, variant)
    local result = run(own, db, count, variant)
    db:disconnect()
    return result
  end
end

local workloads = {
  W1 = reading(select_items),
  W2 = reading(select_from_tasks),
  W3 = reading(fetch_rows),
  W4 = reading(stream_rows),
  W5 = writing(insert_singly),
  W6 = writing(load_many),
  W7 = reading(figures.lend),
  W8 = open_many,
  ["W9-waiting"] = figures.wait,
  ["W9-idle"] = figures.keep_connections,
  ["W10-idle"] = reading(figures.delay_idle),
  ["W10-selects"] = reading(figures.delay_selects),
  ["W10-rows"] = reading(figures.delay_rows),
  ["W10-query"] = reading(figures.delay_query),
  mixed = writing(select_and_insert),
}

local default_variants = { W3 = "named", W4 = "named" }

--- Run the workload that the arguments of a script name and print its line.
-- @tparam table own the database's: `point_select`, `wide`, `insert` (SQL);
-- `open(target, variant)`, `open_events(target, variant)` (adapters, connected; the
-- second with an empty table `events`), `open_connections(target, count)` (a list
-- of adapters), `wait(target, count, watch)` (see `bench.figures`)
-- @tparam string name of the workload
-- @tparam string target path or URL
-- @tparam string count
-- @tparam[opt] string variant
function M.main(own, name, target, count, variant)
  local run = workloads[name]
  if not (run and target and tonumber(count)) then
    io.stderr:write "usage: covet.lua WORKLOAD DATABASE COUNT [VARIANT]\n"
    os.exit(2)
  end
  variant = variant or default_variants[name]
  local result = run(own, target, tonumber(count), variant)
  result.workload, result.variant = name, variant
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

return M
