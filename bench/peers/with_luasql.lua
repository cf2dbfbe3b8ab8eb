--- The workloads by LuaSQL, which blocks: a peer of covet, in plain LuaJIT.
--
--    luajit bench/peers/with_luasql.lua WORKLOAD TARGET COUNT
--    luajit bench/peers/with_luasql.lua version DRIVER
--
-- TARGET tells the driver: postgresql://..., mysql://... or a path. LuaSQL has no
-- parameters: values are put into the text. What writes to SQLite does so to
-- TARGET-luasql.
-- @script bench.peers.with_luasql

package.path = "./?.lua;" .. package.path

local data = require "bench.data"
local measure = require "bench.measure"
local drivers = require "bench.peers.luasql_drivers"

local AT_A_TIME = 50
local AT_ONCE = 1000 -- records of an INSERT
local ITEM = "select id, name, price from items where id = %d"
local WIDE = "select id, name, city, active, score, created_at, note"
  .. " from wide limit %d"

local timed = measure.timed

local function fetch_row(db, query, row)
  local cursor = assert(db:execute(query))
  row = cursor:fetch(row or {}, "a")
  cursor:close()
  return row
end

local function fetch_value(db, query)
  local cursor = assert(db:execute(query))
  local value = cursor:fetch()
  cursor:close()
  return tonumber(value)
end

-- Some drivers give every value as text.
local function item_sum(row)
  return tonumber(row.id) + #row.name + tonumber(row.price)
end

local TRUE = { t = 1, f = 0 }

local function row_sum(row)
  return tonumber(row.id) + #row.name + #row.city
    + (TRUE[row.active] or tonumber(row.active)) + tonumber(row.score)
    + #row.created_at + (row.note and #row.note or 0)
end

local workloads = {}

function workloads.W1(driver, target, count)
  local db = driver.open(target)
  local next_id = data.random_ids(fetch_value(db, "select items from about"))
  local moments, check = measure.moments(count), 0
  moments[0] = measure.now()
  for i = 1, count do
    check = check + item_sum(fetch_row(db, ITEM:format(next_id())))
    moments[i] = measure.now()
  end
  return measure.add_percentiles(moments, count,
    { seconds = moments[count] - moments[0], count = count, check = check })
end

workloads.W2 = workloads.W1 -- on SQLite; it has no way to wait for several

function workloads.W3(driver, target, count)
  local db, rows = driver.open(target), {}
  local seconds = timed(function()
    local cursor = assert(db:execute(WIDE:format(count)))
    local row = cursor:fetch({}, "a")
    while row do
      rows[#rows + 1] = row
      row = cursor:fetch({}, "a")
    end
  end)
  local result = { seconds = seconds, count = #rows, check = 0,
                   peak_rss_kb = measure.peak_rss_kb() }
  for _, row in ipairs(rows) do result.check = result.check + row_sum(row) end
  return result
end

-- Row after row into the same table.
function workloads.W4(driver, target, count)
  local db, seen, check = driver.open(target), 0, 0
  local seconds = timed(function()
    driver.stream(db, WIDE:format(count), function(cursor)
      local row = cursor:fetch({}, "a")
      while row do
        check, seen = check + row_sum(row), seen + 1
        row = cursor:fetch(row, "a")
      end
    end)
  end)
  return { seconds = seconds, count = seen, check = check }
end

local function open_events(driver, target)
  local db = driver.open_for_writing(target)
  assert(db:execute "drop table if exists events")
  assert(db:execute(driver.create_events))
  return db
end

local function values_of(record)
  return ("(%d, '%s', '%s', %.2f)"):format(unpack(record))
end

function workloads.W5(driver, target, count)
  local db, record = open_events(driver, target), data.records()
  local seconds = timed(function()
    for i = 1, count do
      assert(db:execute("insert into events values " .. values_of(record(i))))
    end
  end)
  return { seconds = seconds, count = count,
           check = fetch_value(db, data.check_events) }
end

-- INSERTs of many rows in one transaction.
function workloads.W6(driver, target, count)
  local db, record = open_events(driver, target), data.records()
  local seconds = timed(function()
    assert(db:execute "begin")
    for first = 1, count, AT_ONCE do
      local rows = {}
      for i = first, math.min(count, first + AT_ONCE - 1) do
        rows[#rows + 1] = values_of(record(i))
      end
      assert(db:execute("insert into events values " .. table.concat(rows, ",")))
    end
    assert(db:execute "commit")
  end)
  return { seconds = seconds, count = count,
           check = fetch_value(db, data.check_events) }
end

function workloads.W8(driver, target, count)
  local result = { seconds = 0, count = 0, check = 0 }
  while result.count < count do
    local connections = {}
    local some = math.min(count - result.count, AT_A_TIME)
    result.seconds = result.seconds + timed(function()
      for i = 1, some do connections[i] = driver.open(target) end
    end)
    result.count = result.count + some
    for i = 1, some do connections[i]:close() end
  end
  return result
end

workloads["W9-idle"] = function(driver, target, count)
  driver.open(target):close()
  local connections, before = {}, measure.rss_kb()
  local seconds = timed(function()
    for i = 1, count do connections[i] = driver.open(target) end
  end)
  return { seconds = seconds, count = #connections, check = 0,
           grown_kb = measure.rss_kb() - before }
end

function workloads.mixed(driver, target, count)
  local db, record, check = open_events(driver, target), data.records(), 0
  assert(db:execute("create table items (id integer primary key,"
    .. " name text not null, price double not null)"))
  assert(db:execute(data.fill_items))
  local seconds = timed(function()
    for i = 1, count do
      if i % 10 == 0 then
        assert(db:execute("insert into events values " .. values_of(record(i))))
      else
        check = check + item_sum(fetch_row(db, ITEM:format(i % 10000 + 1)))
      end
    end
  end)
  return { seconds = seconds, count = count,
           check = check + fetch_value(db, data.check_events) }
end

local function main(name, target, count)
  if name == "version" then
    measure.print(drivers.versions(target))
    return
  end
  local run = workloads[name]
  if not (run and target and tonumber(count)) then
    io.stderr:write("usage: with_luasql.lua WORKLOAD TARGET COUNT\n"
      .. "       with_luasql.lua version DRIVER\n")
    os.exit(2)
  end
  local result = run(drivers.of(target), target, tonumber(count))
  result.workload = name
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

main(...)
