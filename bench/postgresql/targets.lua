--- What is measured on PostgreSQL, at what size, and what covet means to reach.
--
-- See `bench.sqlite.targets`. A peer with `workload` is the reference itself by
-- other means, one with `workloads` has these.
-- @module bench.postgresql.targets

local M = {
  title = "PostgreSQL: covet beside a C program",
  reference = "covet_bench_postgresql",
  script = "bench/postgresql/covet.lua",
}

--- The database of a run: the servers that scripts/bench has started. TCP without
-- TLS, as the figures of other drivers are.
-- @treturn string URL
function M.target()
  local url = os.getenv "COVET_PG_URL"
  return url and url .. "?sslmode=disable"
end

--- Rows of the prepared tables.
M.rows = {
  full = { items = 50000, wide = 1000000 },
  tiny = { items = 1000, wide = 3000 },
}

--- Beside the reference, in rounds.
M.workloads = {
  { name = "W1", what = "20,000 point selects, one after the other",
    count = 20000, tiny = 200,
    variants = {
      { name = "sequential", target = 0.95 },
      { name = "table" },
    } },
  { name = "W2", what = "100,000 point selects from 256 tasks",
    count = 100000, tiny = 1000,
    variants = { { name = "tasks", target = 3 } } },
  { name = "W3", what = "one result of 200,000 rows x 7 columns",
    count = 200000, tiny = 2000,
    variants = {
      { name = "named", target = 0.55 },
      { name = "record", target = 0.75 },
      { name = "array", target = 0.75 },
      { name = "lazy", target = 0.85 },
    } },
  { name = "W4", what = "stream of 1,000,000 such rows in chunks of 1,000",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "named", target = 1.1, rss_mb = 30 },
      { name = "record", target = 1.4, rss_mb = 30 },
      { name = "array", target = 1.4, rss_mb = 30 },
    } },
  { name = "W5", what = "5,000 single autocommit inserts",
    count = 5000, tiny = 300,
    variants = {
      { name = "sequential", target = 0.95 },
      { name = "grouped" },
    } },
  { name = "W6", what = "bulk load of 1,000,000 records of 4 columns",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "copy", target = 0.9 },
      { name = "many" },
    } },
  { name = "W8", what = "open 50 connections (20 times)",
    count = 50, tiny = 3,
    variants = {
      { name = "connect", target = 1.6 },
    } },
}

local COMMON = "W1 W2 W3 W4 W5 W6"

M.peers = {
  { name = "C, spinning", workload = "W1-spinning", workloads = "W1" },
  { name = "C, 16 in flight on each connection", workload = "W2-pipelined",
    workloads = "W2" },
  { name = "C, row by row", workload = "W3-single", workloads = "W3" },
  { name = "C, row by row", workload = "W4-single", workloads = "W4" },
  { name = "asyncpg, uvloop", script = "bench/peers/with_asyncpg.py",
    workloads = COMMON },
  { name = "psycopg 3", script = "bench/peers/with_psycopg.py",
    workloads = COMMON },
}

M.figures = {}

return M
