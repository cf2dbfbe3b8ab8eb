--- The workloads on MySQL: the counterpart of reference.c.
--
--    covet bench/mysql/covet.lua WORKLOAD URL COUNT [VARIANT]
--
-- W5 and W6 write to a table `events` that is made anew.
-- @script bench.mysql.covet

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local workloads = require "bench.workloads"

local CONNECTIONS = 16

local own = {
  point_select = "select id, name, price from items where id = ?",
  wide = "select id, name, city, active, score, created_at, note"
    .. " from wide limit ?",
  insert = "insert into events values (?, ?, ?, ?)",
  types = { tinyint1 = "boolean" },
}

-- The pool is full before the clock runs, as the reference's connections are.
function own.open(url)
  return covet.connect(url, { min_pool_size = CONNECTIONS, max_pool_size = CONNECTIONS })
end

function own.open_events(url)
  local db = covet.connect(url, { min_pool_size = 1, max_pool_size = CONNECTIONS })
  db:execute "drop table if exists events"
  db:execute("create table events (id bigint not null, name varchar(50) not null,"
    .. " city varchar(50) not null, score double not null)")
  return db
end

function own.open_connections(url, count)
  return { covet.connect(url, { min_pool_size = count, max_pool_size = count }) }
end

workloads.main(own, ...)
