-- Crates move between airports: transactions, savepoints for what may fail, and
-- retries against another writer: covet examples/transfer.lua
local folder = arg[0]:match "^(.*/)" or ""
local path = os.tmpname()

local db, other = covet.sqlite(path), covet.sqlite(path) -- as two programs would
db:execute "create table stock (iata text primary key, crates int check (crates >= 0))"
local places = {}
for line in io.lines(folder .. "data/airports.ndjson") do
  local iata = covet.json.decode(line)[9]
  if #places < 20 and type(iata) == "string" and #iata == 3 then
    places[#places + 1] = iata
    db:execute("insert into stock values (?, 100)", iata)
  end
end

local function move(tx, from, to, crates)
  local sql = "update stock set crates = crates + ? where iata = ?"
  tx:execute(sql, -crates, from)
  tx:execute(sql, crates, to)
end

-- A deferred transaction reads first. When another program is writing or has
-- written since, SQLite refuses its write; the error says that it may run again.
local moved, refused, again = 0, 0, 0
local function run(side, fn)
  local fine, err
  repeat
    fine, err = pcall(side.transaction, side, { mode = "deferred" }, fn)
    if not fine then
      if err.retry ~= "safe" then error(err, 0) end
      again = again + 1
      covet.sleep(0.001)
    end
  until fine
end

covet.each_parallel({ db, other }, 2, function(side)
  for _ = 1, 50 do
    local from, to = places[math.random(#places)], places[math.random(#places)]
    run(side, function(tx)
      tx:fetch_value("select crates from stock where iata = ?", from)
      covet.sleep(0) -- time for the other one
      local fine, err = pcall(tx.transaction, tx, function(savepoint)
        move(savepoint, from, to, math.random(10, 200))
      end) -- what fails in the savepoint is undone, and the rest goes on
      if not fine and err.kind ~= "check_violation" then error(err, 0) end
      tx:after_commit(function()
        if fine then moved = moved + 1 else refused = refused + 1 end
      end)
    end)
  end
end)
print(("%d transfers: %d moved, %d refused"):format(moved + refused, moved, refused))
print("transactions that ran again: " .. (again > 0 and "some" or "none"))
print("crates in all: " .. db:fetch_value "select sum(crates) from stock")
other:disconnect()
db:disconnect()
os.remove(path)
