--- The workloads by covet, for every database.
--
-- `sqlite/covet.lua` and `postgresql/covet.lua` say what is the database's own and
-- run one of these. Each prints one line of JSON, as the references do; `check` is
-- what the data came to, the same on both sides.
-- @module bench.workloads

local covet = require "covet"
local measure = require "bench.measure"

local M = {}

local TASKS = 256
local W8_ROUNDS = 20
local TEXT_COUNT = 1000
local COLUMNS = { "id", "name", "city", "score" }

local now = covet.now

-- Run `body`; the seconds it took and what it returned.
local function timed(body)
  local start = now()
  local value = body()
  return now() - start, value
end

-- The next id of a random order that C makes as well, exactly.
local function random_ids(items)
  local random = 1
  return function()
    random = random * 16807 % 2147483647
    return random % items + 1
  end
end

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

-- A function that gives 1 to `count`, then nil.
local function counter(count)
  local i = 0
  return function()
    if i < count then
      i = i + 1
      return i
    end
  end
end

local function select_items(own, db, count, variant)
  local text = own.point_select
  local next_id = random_ids(db:fetch_value "select items from about")
  local check, next_turn = 0, counter(count)
  local in_table = variant == "table"
  local function select_one()
    if not next_turn() then return false end
    local row
    if in_table then
      row = db:fetch_one { text, next_id() }
    else
      row = db:fetch_one(text, next_id())
    end
    check = check + row.id + #row.name + row.price
    return true
  end
  db:fetch_one(text, 1)
  local seconds = timed(function()
    if variant == "tasks" then
      in_tasks(select_one)
    else
      while select_one() do end -- luacheck: ignore 542
    end
  end)
  return { seconds = seconds, count = count, check = check }
end

local function named_sum(row)
  local note = row.note
  return row.id + #row.name + #row.city + (row.active and 1 or 0) + row.score
    + #row.created_at + (note and #note or 0)
end

local function array_sum(row)
  local note = row[7]
  return row[1] + #row[2] + #row[3] + (row[4] and 1 or 0) + row[5]
    + #row[6] + (type(note) == "string" and #note or 0)
end

-- What reads a row of each kind, so that every value is read once.
local row_sums = {
  named = named_sum, record = array_sum, array = array_sum, lazy = named_sum,
}

local function sum_rows(rows, sum)
  local check = 0
  for i = 1, #rows do check = check + sum(rows[i]) end
  return check
end

-- One result. Rows that are built at once are summed when the clock has stopped
-- (building has read each value, as the reference does); lazy ones are read
-- while it runs.
local function fetch_rows(own, db, count, variant)
  local sum, check = row_sums[variant], nil
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
  local sum, check, seen = row_sums[variant], 0, 0
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

local function make_texts()
  local texts = {}
  for i = 0, TEXT_COUNT - 1 do texts[i] = "some text " .. i end
  return texts
end

-- A function that makes the i-th record of W5 and W6.
local function records()
  local texts = make_texts()
  return function(i)
    return { i, texts[i % TEXT_COUNT], texts[i % 97], i % 1000 * 0.25 }
  end
end

local function check_events(db)
  return db:fetch_value(
    "select sum(id + length(name) + length(city) + score) from events")
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

-- Connections, several times; how many were opened is asked of the pools.
local function open_many(own, target, count)
  local result = { seconds = 0, count = 0, check = 0 }
  for _ = 1, W8_ROUNDS do
    local seconds, adapters = timed(function()
      return own.open_connections(target, count)
    end)
    result.seconds = result.seconds + seconds
    for _, db in ipairs(adapters) do
      result.count = result.count + db:get_pool_stats().created
      db:disconnect()
    end
  end
  return result
end

-- A workload on the prepared database, opened before and closed after.
local function reading(run)
  return function(own, target, count, variant)
    local db = own.open(target)
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
  W2 = reading(select_items),
  W3 = reading(fetch_rows),
  W4 = reading(stream_rows),
  W5 = writing(insert_singly),
  W6 = writing(load_many),
  W8 = open_many,
}

local default_variants = { W2 = "tasks", W3 = "named", W4 = "named" }

--- Run the workload that the arguments of a script name and print its line.
-- @tparam table own the database's: `point_select`, `wide`, `insert` (SQL),
-- `open(target)`, `open_events(target, variant)` (adapters, connected; the second
-- with an empty table `events`), `open_connections(target, count)` (a list of
-- adapters)
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
  result.rate = result.count / result.seconds
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

return M
