--- The workloads on PostgreSQL: the counterpart of reference.c.
--
--    covet bench/postgresql/covet.lua WORKLOAD URL COUNT [VARIANT]
--
-- What writes does so to a table `events` that is made anew.
-- @script bench.postgresql.covet

package.path = "./?.lua;" .. package.path

local pooled = require "bench.pooled"

pooled.main({
  point_select = "select id, name, price from items where id = $1",
  wide = "select id, name, city, active, score, created_at, note"
    .. " from wide limit $1",
  insert = "insert into events values ($1, $2, $3, $4)",
  create_events = "create table events (id bigint not null, name text not null,"
    .. " city text not null, score double precision not null)",
  writing = { server_settings = { synchronous_commit = "off" } },
}, ...)
