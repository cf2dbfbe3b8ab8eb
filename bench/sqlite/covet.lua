--- The workloads on SQLite: the counterpart of reference.c.
--
--    covet bench/sqlite/covet.lua WORKLOAD PATH COUNT [VARIANT]
--
-- What writes does so to PATH-covet.
-- @script bench.sqlite.covet

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local workloads = require "bench.workloads"

local own = {
  point_select = "select id, name, price from items where id = ?",
  wide = "select id, name, city, active, score, created_at, note"
    .. " from wide limit ?",
  insert = "insert into events values (?, ?, ?, ?)",
  create_items = "create table items (id integer primary key,"
    .. " name text not null, price double not null)",
}

local function open(path, options)
  options = options or {}
  options.path = path
  return covet.sqlite(options):connect()
end

function own.open(path)
  return open(path)
end

function own.open_events(path, variant)
  path = path .. "-covet"
  for _, suffix in ipairs { "", "-wal", "-shm" } do
    os.remove(path .. suffix)
  end
  local db = open(path, { group_commit = variant == "grouped" or nil })
  db:execute("create table events (id bigint not null, name text not null,"
    .. " city text not null, score double not null)")
  return db
end

-- `count` adapters at once; what each opens by itself counts.
function own.open_connections(path, count)
  local adapters, openers = {}, {}
  for i = 1, count do
    openers[i] = function() adapters[i] = open(path) end
  end
  covet.all(openers)
  return adapters
end

-- `body(work)` runs while the one connection that writes is in a transaction.
function own.wait(path, body)
  local db = own.open_events(path)
  db:transaction(function(tx)
    tx:execute(own.insert, 0, "", "", 0)
    body(function(i) db:execute(own.insert, i, "", "", 0) end)
  end)
end

workloads.main(own, ...)
