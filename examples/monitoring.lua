-- What to watch: statements that are slow, connections that do not come back,
-- pools that are used up: covet examples/monitoring.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()

local db = covet.sqlite { path = path, slow_query = 0.01 }
db:on("slow_query", function(event)
  print(("slow: %s..."):format(event.sql:sub(1, 36)))
end)
db:execute "create table airports (lat real, lon real)"
local lines = io.lines(folder .. "data/airports.ndjson")
lines() -- the names of the columns
db:copy_records_to_table("airports", function()
  local line = lines()
  local values = line and covet.json.decode(line)
  return values and { values[4], values[5] }
end)
print("pairs, one north of the other: " .. db:fetch_value [[select count(*) from airports a
  join airports b where a.rowid <= 500 and a.lat > b.lat]])

-- A pool of two adapters, which are to be back within 50 ms.
local pool = covet.pool.new(function() return covet.sqlite(path):connect() end, {
  min_size = 1, max_size = 2, leak_timeout = 0.05, acquire_timeout = 0.1,
}, "reports")
pool:on("leak", function(event)
  print(("%s: the connection taken at %s"):format(
    event.returned and "back" or "leak", event.taken_at:match "[^/]*$"))
end)
pool:on("close", function(event) print("closed: " .. event.reason) end)

-- Once a second in a real program.
local function watch()
  local stats = pool:get_stats()
  if stats.idle_connections == 0 then
    print(("alert: %d of %d in use, %d waiting"):format(
      stats.active_connections, stats.max_size, stats.waiting))
  end
end

local first, second = pool:acquire(), pool:acquire()
local waiter = covet.spawn(function()
  local _, err = pool.try:acquire() -- 0.1 seconds, while the other two leak
  print(("%s: %d holders are named"):format(err.kind, #err.holders))
end)
covet.sleep(0)
watch()
waiter:join()
pool:release(first)
pool:release(second, "broken") -- it is closed, not lent again
local stats = pool:get_stats()
print(("%d loans, %d failed, %d leaks"):format(stats.total_checkouts,
  stats.failed_checkouts, stats.leaks))
pool:close()
db:disconnect()
os.remove(path)
