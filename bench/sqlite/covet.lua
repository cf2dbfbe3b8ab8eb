--- The workloads by covet: the counterpart of reference.c.
--
--    covet bench/sqlite/covet.lua WORKLOAD PATH COUNT [VARIANT]
--
-- Runs one workload and prints one line of JSON, as the reference does. `check`
-- is what the data came to, the same on both sides. W5 and W6 write to
-- PATH-covet.
-- @script bench.sqlite.covet

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local measure = require "bench.measure"

local TASKS = 256
local W8_ROUNDS = 20
local TEXT_COUNT = 1000
local POINT_SELECT = "select id, name, price from items where id = ?"
local WIDE = "select id, name, city, active, score, created_at, note"
  .. " from wide limit ?"
local INSERT = "insert into events values (?, ?, ?, ?)"
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

local function open(path, options)
  options = options or {}
  options.path = path
  local db = covet.sqlite(options)
  db:connect()
  return db
end

local function open_fresh(path, options)
  for _, suffix in ipairs { "", "-wal", "-shm" } do
    os.remove(path .. suffix)
  end
  local db = open(path, options)
  db:execute("create table events (id bigint not null, name text not null,"
    .. " city text not null, score double not null)")
  return db
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

local function select_items(db, count, variant)
  local next_id = random_ids(db:fetch_value "select items from about")
  local check, next_turn = 0, counter(count)
  local in_table = variant == "table"
  local function select_one()
    if not next_turn() then return false end
    local row
    if in_table then
      row = db:fetch_one { POINT_SELECT, next_id() }
    else
      row = db:fetch_one(POINT_SELECT, next_id())
    end
    check = check + row.id + #row.name + row.price
    return true
  end
  db:fetch_one(POINT_SELECT, 1)
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
local function fetch_rows(db, count, variant)
  local sum, check = row_sums[variant], nil
  local seconds, rows = timed(function()
    local rows = db:fetch_all { WIDE, count, rows = variant }
    if variant == "lazy" then check = sum_rows(rows, sum) end
    return rows
  end)
  local peak = measure.peak_rss_kb()
  return { seconds = seconds, count = #rows, peak_rss_kb = peak,
           check = check or sum_rows(rows, sum) }
end

-- A stream; every value of every row is read while the clock runs.
local function stream_rows(db, count, variant)
  local sum, check, seen = row_sums[variant], 0, 0
  local seconds = timed(function()
    local stream = db:stream_query { WIDE, count, chunk_size = 1000,
                                     rows = variant }
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

local function insert_singly(path, count, variant)
  local grouped = variant == "grouped"
  local db = open_fresh(path, { group_commit = grouped or nil })
  local record, next_turn = records(), counter(count)
  local function insert_one()
    local i = next_turn()
    if not i then return false end
    local values = record(i)
    db:execute(INSERT, values[1], values[2], values[3], values[4])
    return true
  end
  local seconds = timed(function()
    if grouped then
      in_tasks(insert_one)
    else
      while insert_one() do end -- luacheck: ignore 542
    end
  end)
  local result = { seconds = seconds, count = count, check = check_events(db) }
  db:disconnect()
  return result
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
local function execute_many(db, count)
  local record, list = records(), {}
  for i = 1, count do list[i] = record(i) end
  return timed(function() db:execute_many(INSERT, list) end)
end

local function load_many(path, count, variant)
  local db = open_fresh(path)
  local load = variant == "many" and execute_many or copy_records
  local result = { seconds = load(db, count), count = count }
  result.check = check_events(db)
  db:disconnect()
  return result
end

-- `count` adapters at once, several times; what each opens by itself counts.
local function open_many(path, count)
  local result = { seconds = 0, count = 0, check = 0 }
  for _ = 1, W8_ROUNDS do
    local adapters, openers = {}, {}
    for i = 1, count do
      openers[i] = function() adapters[i] = open(path) end
    end
    result.seconds = result.seconds + timed(function() covet.all(openers) end)
    for _, db in ipairs(adapters) do
      result.count = result.count + db:get_pool_stats().created
      db:disconnect()
    end
  end
  return result
end

-- A workload on the prepared database, opened before and closed after.
local function reading(run)
  return function(path, count, variant)
    local db = open(path)
    local result = run(db, count, variant)
    db:disconnect()
    return result
  end
end

-- A workload on a database file of covet's own.
local function writing(run)
  return function(path, count, variant)
    return run(path .. "-covet", count, variant)
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

local function main(name, path, count, variant)
  local run = workloads[name]
  if not (run and path and tonumber(count)) then
    io.stderr:write "usage: covet.lua WORKLOAD PATH COUNT [VARIANT]\n"
    os.exit(2)
  end
  variant = variant or default_variants[name]
  local result = run(path, tonumber(count), variant)
  result.workload, result.variant = name, variant
  result.rate = result.count / result.seconds
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

main(...)
