--- What is measured on MySQL, at what size, and what covet means to reach.
--
-- See `bench.sqlite.targets`.
-- @module bench.mysql.targets

local M = {
  title = "MariaDB: covet beside a C program",
  reference = "covet_bench_mysql",
  script = "bench/mysql/covet.lua",
}

--- The database of a run: the server that scripts/bench has started.
-- @treturn string URL
function M.target()
  return os.getenv "COVET_MYSQL_URL"
end

local RESULT = "71 % of the samples are in LuaJIT: interning strings, which misses"
  .. " the cache, and sweeping; the kernel, mostly for new pages, has 15 %, the driver"
  .. " 4 %, libmariadb 3 %, compiled code 3 % (perf)"
local STREAM = "64 % of the samples are in LuaJIT: sweeping and freeing, interning"
  .. " strings; the driver has 9 %, the kernel 10 %, libmariadb 6 %, compiled code 6 %"
  .. " (perf)"
local CALL = "two system calls a select, as the reference; between them the task is"
  .. " resumed and suspended, and on two processors that others use, spinning for the"
  .. " answer gives way to sleeping"
local BULK = "beside the rows each list of 2,000 has a savepoint, so that a bad row is"
  .. " named and the rest undone; gathering rows is done while the server works, if a"
  .. " processor is free for it"

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
      { name = "sequential", target = 0.93, why = CALL },
      { name = "table" },
    } },
  { name = "W2", what = "100,000 point selects from 256 tasks",
    count = 100000, tiny = 1000,
    variants = { { name = "tasks", target = 0.9, why = CALL } } },
  { name = "W3", what = "one result of 200,000 rows x 7 columns",
    count = 200000, tiny = 2000,
    variants = {
      { name = "named", target = 0.42, why = RESULT },
      { name = "record", target = 0.55, why = RESULT },
      { name = "array", target = 0.55, why = RESULT },
      { name = "lazy" },
    } },
  { name = "W4", what = "stream of 1,000,000 such rows in chunks of 1,000",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "named" },
      { name = "record", target = 0.75, rss_mb = 20, why = STREAM },
      { name = "array", target = 0.75, rss_mb = 20, why = STREAM },
    } },
  { name = "W5", what = "5,000 single autocommit inserts",
    count = 5000, tiny = 300,
    variants = {
      { name = "sequential", target = 0.93, why = CALL },
      { name = "grouped" },
    } },
  { name = "W6", what = "bulk load of 1,000,000 records of 4 columns",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "copy", target = 0.85, why = BULK },
      { name = "many" },
    } },
  { name = "W8", what = "open 50 connections (20 times)",
    count = 50, tiny = 3,
    variants = {
      { name = "connect", target = 0.5 },
    } },
}

M.peers = {}

M.figures = {}

return M
