-- Copy a database while it is written to, and check the copy:
-- covet examples/backup.lua
local folder = arg[0]:match "^(.*/)" or ""
local path, copy_path = os.tmpname(), os.tmpname()

local db = covet.sqlite(path)
db:execute [[
  create table airports (ident text, type text, name text, latitude real,
    longitude real, elevation_ft integer, country text, municipality text,
    iata text);
  create table visits (id integer primary key, ident text)]]
local lines = io.lines(folder .. "data/airports.ndjson")
lines() -- the names of the columns
db:copy_records_to_table("airports", function()
  local line = lines()
  return line and covet.json.decode(line)
end)
db:execute [[insert into visits (ident) select a.ident from airports a,
  airports b where b.rowid <= 40]]
local before = db:fetch_value "select count(*) from visits"

-- One task writes as fast as it can ...
local written, done = 0, false
local writer = covet.spawn(function()
  while not done do
    written = written + 1
    db:execute("insert into visits (ident) select ident from airports "
      .. "limit 1 offset ?", written % 5000)
  end
end)

-- ... while another one copies, a few hundred pages at a time.
covet.sleep(0.01)
local steps, pages = 0, 0
db:backup(copy_path, {
  progress = function(_, total)
    steps, pages = steps + 1, total
  end,
})
local at_end = written
done = true
writer:join()

local copy = covet.sqlite(copy_path)
print(("copied %d pages in %d steps"):format(pages, steps))
print("integrity: " .. copy:fetch_value "pragma integrity_check")
print(("airports: %d here, %d in the copy"):format(
  db:fetch_value "select count(*) from airports",
  copy:fetch_value "select count(*) from airports"))
local visits = copy:fetch_value "select count(*) from visits"
print(visits <= before + at_end and "the copy is a state that the database was in"
  or "the copy holds what was never written")
print(written > 1 and "the writer went on" or "the writer stood still")

copy:disconnect()
db:disconnect()
os.remove(path)
os.remove(copy_path)
