-- A pipeline of tasks joined by channels: one reads lines, four work on them,
-- one writes in batches. covet examples/pipeline.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()

local db = covet.sqlite(path)
db:execute "create table airports (ident text, name text, height_m integer, zone text)"

-- Both hold 100 values: a fast sender waits for the slow receiver.
local lines, rows = covet.channel(100), covet.channel(100)

local function read()
  local next_line = io.lines(folder .. "data/airports.ndjson")
  next_line() -- the names of the columns
  for line in next_line do lines:send(line) end
  lines:close()
end

local function work()
  for line in lines:each() do
    local ident, _, name, latitude, _, feet = unpack(covet.json.decode(line))
    local height = feet ~= covet.null and math.floor(feet * 0.3048 + 0.5) or nil
    local angle = math.abs(latitude)
    rows:send { ident, name, height,
      angle > 66.56 and "polar" or angle < 23.44 and "tropical" or "temperate" }
  end
end

-- Each batch is one transaction.
local batches = 0
local function write()
  local batch = {}
  local function flush()
    db:execute_many("insert into airports values (?, ?, ?, ?)", batch)
    batch, batches = {}, batches + 1
  end
  for row in rows:each() do
    batch[#batch + 1] = row
    if #batch == 1000 then flush() end
  end
  flush()
end

-- The first error of any of them would end all of them and be raised here.
covet.all { read, write, function()
  covet.all { work, work, work, work }
  rows:close()
end }

print(("%d airports in %d batches"):format(
  db:fetch_value "select count(*) from airports", batches))
for row in db:each [[select zone, count(*) as n, max(height_m) as top
    from airports group by zone order by n desc]] do
  print(("  %-10s %5d airports, the highest at %d m"):format(row.zone, row.n, row.top))
end
db:disconnect()
os.remove(path)
