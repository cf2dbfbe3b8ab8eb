-- Load 5,210 airports into SQLite, ask about them from many tasks at once, and
-- print what was found: covet examples/quickstart.lua [FILE]
local folder = arg[0]:match "^(.*/)" or ""
local path = arg[1] or os.tmpname()

local db = covet.sqlite(path)
db:execute [[
  drop table if exists airports;
  create table airports (
    ident text primary key, type text, name text, latitude real, longitude real,
    elevation_ft integer, country text, municipality text, iata text);
  create index by_country on airports (country, elevation_ft desc)]]

-- One JSON array a line; the first one names the columns. The file is read
-- while the rows before are inserted: all of them, or none.
local started = covet.now()
local lines = io.lines(folder .. "data/airports.ndjson")
local columns = covet.json.decode(lines())
local count = db:copy_records_to_table("airports", function()
  local line = lines()
  return line and covet.json.decode(line)
end, { columns = columns })
print(("loaded %d airports in %.0f ms"):format(count,
  (covet.now() - started) * 1000))

-- One task for each country. Each of these calls waits for the database, and
-- while one task waits, the others run.
started = covet.now()
local countries = db:fetch_column "select distinct country from airports"
local tasks = {}
for i, country in ipairs(countries) do
  tasks[i] = covet.spawn(function()
    local highest = db:fetch_one([[
      select name, country, elevation_ft from airports where country = ?
      order by elevation_ft desc limit 1]], country)
    highest.airports = db:fetch_value(
      "select count(*) from airports where country = ?", country)
    return highest
  end)
end
local found = {}
for i, task in ipairs(tasks) do
  found[i] = task:join()
end
print(("%d tasks asked about %d countries in %.0f ms"):format(#tasks,
  #countries, (covet.now() - started) * 1000))

table.sort(found, function(a, b)
  return (a.elevation_ft or 0) > (b.elevation_ft or 0)
end)
print "the highest airports, one for each country:"
for i = 1, 5 do
  local row = found[i]
  print(("  %6d ft  %s  %s (of %d)"):format(row.elevation_ft, row.country,
    row.name, row.airports))
end

db:disconnect()
if not arg[1] then os.remove(path) end
