--- What is measured on SQLite, at what size, and what covet means to reach.
--
-- `count` and `tiny` are the sizes of a full run and of `--tiny`. In
-- `workloads` a target is the least ratio to the reference's rate, and
-- `rss_mb` the most memory. In `figures` a target is the most of `field`.
-- `why` says, by hand, why a figure is missed; it is printed only when it is.
-- `peers` are other programs for the same workloads.
-- @module bench.sqlite.targets

local M = {
  title = "SQLite: covet beside a C program",
  reference = "covet_bench_sqlite",
  script = "bench/sqlite/covet.lua",
  host = "bench/sqlite/host.lua",
}

--- The database of a run.
-- @tparam string build the build folder
-- @tparam boolean tiny
-- @treturn string what the programs take: a path
function M.target(build, tiny)
  return build .. "/bench/" .. (tiny and "tiny.db" or "sqlite.db")
end

local RESULT = "of the loop's thread, interning strings takes 58 %: it misses"
  .. " the cache in LuaJIT's string table and in the strings before the new"
  .. " one; the kernel, mostly for new pages, 19 %, growing the string table"
  .. " 7 %, compiled code 3 %, the collector nothing (perf)"
local STREAM = "of the loop's thread, the collector takes 58 %, most of it for"
  .. " sweeping and freeing, interning strings 24 %, compiled code 5 % (perf);"
  .. " more heap between cycles leaves the processor's cache and is slower"

--- Rows of the prepared database. Items fit in SQLite's page cache (2 MB), so
-- that W1 and W2 measure the calls, not reads of the file.
M.rows = {
  full = { items = 50000, wide = 1000000 },
  tiny = { items = 1000, wide = 3000 },
}

--- Beside the reference, in rounds.
M.workloads = {
  { name = "W1", what = "20,000 point selects, one after the other",
    count = 20000, tiny = 200,
    variants = {
      { name = "sequential", target = 1.5 },
      { name = "table" },
    } },
  { name = "W2", what = "100,000 point selects from 256 tasks",
    count = 100000, tiny = 1000,
    variants = { { name = "tasks", target = 1.5 } } },
  { name = "W3", what = "one result of 200,000 rows x 7 columns",
    count = 200000, tiny = 2000,
    variants = {
      { name = "named", target = 0.3, why = RESULT },
      { name = "record", target = 0.5, why = RESULT },
      { name = "array", target = 0.5, why = RESULT },
      { name = "lazy" },
    } },
  { name = "W4", what = "stream of 1,000,000 such rows in chunks of 1,000",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "named", target = 0.5, rss_mb = 30, why = STREAM },
      { name = "record", rss_mb = 30 },
      { name = "array", rss_mb = 30 },
    } },
  { name = "W5", what = "5,000 single autocommit inserts",
    count = 5000, tiny = 300,
    variants = {
      { name = "sequential", target = 0.7 },
      { name = "grouped", target = 4 },
    } },
  { name = "W6", what = "bulk load of 1,000,000 records of 4 columns",
    count = 1000000, tiny = 3000,
    variants = {
      { name = "copy", target = 0.8 },
      { name = "many", target = 0.8 },
    } },
  { name = "W8", what = "open 50 connections (20 times)",
    count = 50, tiny = 3,
    variants = {
      { name = "connect", target = 0.5 },
    } },
}

M.peers = { { name = "Python sqlite3", script = "bench/sqlite/peer.py" } }

--- Figures of covet alone.
M.figures = {
  { name = "start", what = "start and end of `covet -e \"\"`",
    count = 50, tiny = 2, field = "milliseconds", unit = "ms", target = 10,
    rss_mb = 12 },
  { name = "sleeping", what = "100,000 sleeping tasks",
    count = 100000, tiny = 1000, rss_mb = 150 },
  { name = "waiting", what = "10,000 tasks that wait for the one writer",
    count = 10000, tiny = 100, rss_mb = 20,
    why = "0.9 KB a task for its coroutine, whose stack doubles once for the"
      .. " call, 0.6 KB for the task object, its function and its places in"
      .. " sets, 0.5 KB in C (operation, its arena), 6.5 MB before the first" },
  { name = "idle", what = "loop delay p99, nothing else to do",
    count = 5, tiny = 0.1, field = "p99_ms", unit = "ms" },
  { name = "selects", what = "loop delay p99 beside W2's selects",
    count = 5, tiny = 0.1, field = "p99_ms", unit = "ms", target = 2 },
  { name = "rows", what = "loop delay p99 beside W3's results",
    count = 5, tiny = 0.1, field = "p99_ms", unit = "ms", target = 2,
    why = "LuaJIT resizes its string table in one go: 12 ms to grow it at"
      .. " 262,144 strings, 7 ms to shrink it when a result has gone; a batch"
      .. " and the collector's share of it take 2 ms" },
  { name = "query", what = "loop delay p99 beside a query of 5 s",
    count = 5, tiny = 0.1, field = "p99_ms", unit = "ms", target = 5 },
}

return M
