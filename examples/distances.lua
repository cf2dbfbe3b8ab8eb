-- The distance of every two large airports, streamed and aggregated: the rows
-- are never all in memory. covet examples/distances.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()

local db = covet.sqlite(path)
db:execute "create table airports (id integer primary key, lat real, lon real)"
local lines, id = io.lines(folder .. "data/airports.ndjson"), 0
db:copy_records_to_table("airports", function()
  for line in lines do
    local _, type, _, latitude, longitude = unpack(covet.json.decode(line))
    if type == "large" then
      id = id + 1
      return { id, math.rad(latitude), math.rad(longitude) }
    end
  end
end)

-- A task that wakes every millisecond, to see whether anything blocks.
local ticks = 0
local ticker = covet.spawn(function()
  while true do
    covet.sleep(0.001)
    ticks = ticks + 1
  end
end)

local count, mean, m2, longest = 0, 0, 0, 0
local histogram = {}
for chunk in db:stream_query {
  "select a.lat, a.lon, b.lat, b.lon from airports a, airports b where a.id < b.id",
  rows = "array", chunk_size = 2000,
} do
  for _, row in ipairs(chunk) do
    local a, b, c, d = row[1], row[2], row[3], row[4]
    local h = math.sin((c - a) / 2) ^ 2
      + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ^ 2
    local km = 2 * 6371 * math.asin(math.min(1, math.sqrt(h)))
    count, longest = count + 1, math.max(longest, km)
    local delta = km - mean -- Welford's running variance
    mean = mean + delta / count
    m2 = m2 + delta * (km - mean)
    local slot = math.floor(km / 4000)
    histogram[slot] = (histogram[slot] or 0) + 1
  end
end
ticker:cancel()

print(("%d pairs of %d airports"):format(count, id))
print(("mean %.0f km, deviation %.0f km, longest %.0f km"):format(mean,
  math.sqrt(m2 / count), longest))
for slot = 0, 4 do
  print(("%6d km  %s"):format(slot * 4000,
    ("#"):rep(math.ceil((histogram[slot] or 0) / count * 100))))
end
print(ticks > 0 and "other tasks ran meanwhile" or "nothing else ran")
db:disconnect()
os.remove(path)
