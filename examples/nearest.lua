-- The nearest neighbours of 100 airports, found by 100 tasks with a Lua function
-- in SQL: covet examples/nearest.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()

local db = covet.sqlite(path)
db:execute [[create table airports (iata text primary key, name text,
  latitude real, longitude real)]]

local lines = io.lines(folder .. "data/airports.ndjson")
lines() -- the names of the columns
local function large_airports()
  for line in lines do
    local _, type, name, latitude, longitude, _, _, _, iata =
      unpack(covet.json.decode(line))
    if type == "large" and iata ~= covet.null then
      return { iata, name, latitude, longitude }
    end
  end
end
local count = db:copy_records_to_table("airports", large_airports)

-- Runs in a Lua state of the connection's own, on the thread that runs the
-- statement: it sees its arguments and Lua's standard library.
db:create_function("distance_km", { arguments = 4, deterministic = true },
  function(lat1, lon1, lat2, lon2)
    local rad, sin, cos = math.rad, math.sin, math.cos
    local a = sin(rad(lat2 - lat1) / 2) ^ 2
      + cos(rad(lat1)) * cos(rad(lat2)) * sin(rad(lon2 - lon1) / 2) ^ 2
    return 2 * 6371 * math.asin(math.sqrt(a))
  end)

local codes = db:fetch_column "select iata from airports order by iata limit 100"
local nearest = covet.each_parallel(codes, 100, function(code)
  return db:fetch_one([[
    select a.iata as from_code, a.name as from_name, b.iata, b.name,
      distance_km(a.latitude, a.longitude, b.latitude, b.longitude) as km
    from airports a, airports b
    where a.iata = ? and b.iata <> a.iata order by km limit 1]], code)
end)

table.sort(nearest, function(a, b) return a.km < b.km end)
print(("%d large airports, %d tasks; the closest pairs of theirs:"):format(
  count, #nearest))
for i = 1, 5 do
  local pair = nearest[i]
  print(("  %5.1f km  %s %s - %s %s"):format(pair.km, pair.from_code,
    pair.from_name, pair.iata, pair.name))
end
print(("the loneliest: %s, %.0f km from %s"):format(nearest[#nearest].from_name,
  nearest[#nearest].km, nearest[#nearest].name))

db:disconnect()
os.remove(path)
