--- The workloads on MySQL: the counterpart of reference.c.
--
--    covet bench/mysql/covet.lua WORKLOAD URL COUNT [VARIANT]
--
-- What writes does so to a table `events` that is made anew.
-- @script bench.mysql.covet

package.path = "./?.lua;" .. package.path

local pooled = require "bench.pooled"

pooled.main({
  point_select = "select id, name, price from items where id = ?",
  wide = "select id, name, city, active, score, created_at, note"
    .. " from wide limit ?",
  insert = "insert into events values (?, ?, ?, ?)",
  create_events = "create table events (id bigint not null,"
    .. " name varchar(50) not null, city varchar(50) not null,"
    .. " score double not null)",
  types = { tinyint1 = "boolean" },
  writing = {},
}, ...)
