-- Several pools, described by a file and by code, looked at and closed together:
-- covet examples/manager.lua
local folder = arg[0]:match "^(.*/)" or ""
local file, airports_file = os.tmpname(), os.tmpname()

-- What would be pools.lua beside the program. Places and passwords come from the
-- environment, sizes from a preset.
local out = io.open(file, "w")
out:write(([[
return {
  airports = { url = env("AIRPORTS_URL", "sqlite:%s"), preset = "web",
    max_size = 80, busy_timeout = seconds(10) },
  journal = { url = env("JOURNAL_URL", "sqlite::memory:"), preset = "worker" },
}]]):format(airports_file))
out:close()

local pools = covet.pools(file)
pools.airports:execute "create table airports (ident text, name text, country text)"
pools.journal:execute "create table loaded (n integer)"

local lines = io.lines(folder .. "data/airports.ndjson")
lines() -- the names of the columns
local count = pools.airports:copy_records_to_table("airports", function()
  local line = lines()
  local values = line and covet.json.decode(line)
  return values and { values[1], values[3], values[7] }
end)
pools.journal:execute("insert into loaded values (?)", count)

-- The same by code. A pool can be found by its name everywhere else.
local manager = covet.pool.manager()
manager:create_pool("airports", pools.airports)
manager:create_pool("journal", pools.journal)
manager:create_pool("scratch", "sqlite::memory:", covet.pool.presets.pipeline)
manager:create_pool("calculators", function() -- anything with close()
  return { add = function(_, a, b) return a + b end, close = function() end }
end, { max_size = 2 })

print(("%d airports, %d in the journal"):format(
  manager:get_pool "airports":fetch_value "select count(*) from airports",
  manager:get_pool "journal":fetch_value "select n from loaded"))
print("40 + 2 = " .. manager:get_pool "calculators":with(function(calculator)
  return calculator:add(40, 2)
end))
local _, err = pcall(manager.get_pool, manager, "calculator")
print(err.message)

local health = manager:get_health_summary()
print(("%d of %d pools are healthy"):format(health.healthy_pools, health.total_pools))
for _, name in ipairs(manager:names()) do
  local one = health.pools[name]
  print(("  %-12s %s, %d of %d connections free"):format(name,
    one.healthy and "healthy" or one.reason, one.free, one.size))
end
manager:close_all { timeout = 5 }
os.remove(file)
os.remove(airports_file)
