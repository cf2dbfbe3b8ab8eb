-- Import CSV and JSON into tables with constraints; count what the database
-- refuses, by reason: covet examples/import.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()
local db = covet.sqlite(path)
db:execute [[
  create table countries (code text primary key check (length(code) = 2),
    name text not null unique, continent text not null);
  create table airports (iata text primary key not null, name text not null,
    elevation_ft integer not null check (elevation_ft between 0 and 13000),
    country text not null references countries)]]

-- The fields of a line of CSV; "" inside quotes stands for one quote.
local function fields(line)
  local list, after = {}, 0
  repeat
    local plain, at = line:match('^([^",]*)()', after + 1)
    local parts = {}
    while line:sub(at, at) == '"' do
      parts[#parts + 1], at = line:match('^"([^"]*)"()', at)
    end
    list[#list + 1] = parts[1] and table.concat(parts, '"') or plain
    after = at
  until after > #line
  return list
end

-- All or nothing: a bad row raises, and the error tells which one it was.
local countries = {}
for line in io.lines(folder .. "data/countries.csv") do
  local code, name, continent = unpack(fields(line))
  if continent ~= "AN" then countries[#countries + 1] = { code, name, continent } end
end
local insert = "insert into countries values (?, ?, ?)"
local _, err = db.try:execute_many(insert, countries)
print(("nothing imported: %s %s"):format(err.kind, err.detail))
table.remove(countries, 1) -- the names of the columns are no country
print(db:execute_many(insert, countries) .. " countries imported")

-- Row by row, in one transaction: a statement that fails undoes its own work.
local imported, reasons = 0, {}
db:transaction(function(tx)
  local lines = io.lines(folder .. "data/airports.ndjson")
  lines()
  for line in lines do
    local _, _, name, _, _, feet, country, _, iata = unpack(covet.json.decode(line))
    local done, why = tx.try:execute("insert into airports values (?, ?, ?, ?)",
      iata, name, feet, country)
    imported = imported + (done and 1 or 0)
    if not done then
      local reason = why.kind .. " " .. (why.column or why.constraint or "")
      reasons[reason] = (reasons[reason] or 0) + 1
    end
  end
end)
print(imported .. " airports imported")
for reason, count in pairs(reasons) do print("  refused: " .. reason, count) end
db:disconnect()
os.remove(path)
