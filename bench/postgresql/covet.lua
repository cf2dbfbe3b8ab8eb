--- The workloads on PostgreSQL: the counterpart of reference.c.
--
--    covet bench/postgresql/covet.lua WORKLOAD URL COUNT [VARIANT]
--
-- W5 and W6 write to a table `events` that is made anew.
-- @script bench.postgresql.covet

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local workloads = require "bench.workloads"

local CONNECTIONS = 16

local own = {
  point_select = "select id, name, price from items where id = $1",
  wide = "select id, name, city, active, score, created_at, note"
    .. " from wide limit $1",
  insert = "insert into events values ($1, $2, $3, $4)",
}

-- The pool is full before the clock runs, as the reference's connections are.
function own.open(url)
  return covet.connect(url, { min_pool_size = CONNECTIONS, max_pool_size = CONNECTIONS })
end

function own.open_events(url)
  local db = covet.connect(url, {
    min_pool_size = 1, max_pool_size = CONNECTIONS,
    server_settings = { synchronous_commit = "off" },
  })
  db:execute "drop table if exists events"
  db:execute("create table events (id bigint not null, name text not null,"
    .. " city text not null, score double precision not null)")
  return db
end

function own.open_connections(url, count)
  return { covet.connect(url, { min_pool_size = count, max_pool_size = count }) }
end

workloads.main(own, ...)
