--- What is measured on SQLite, and what covet means to reach.
--
-- In `workloads` each variant of covet may have targets:
--
--    target     the least ratio to the reference's rate; where there is no
--               reference, the least rate; with `value`, the most of it
--    rss_mb     the most memory of the process
--    p95_us     the longest unit but for one in twenty
--    ahead_of   { peer, times[, lighter] }: so many times a peer's rate, and, if
--               `lighter`, with no more memory than it
--    why        by hand, why it is missed; printed only when it is
--
-- `chart` puts a variant into the chart, as "covet" and what `chart` says. `peers`
-- are other programs for the same workloads; `W2=W2-one` runs the program's W2-one
-- beside W2.
-- @module bench.sqlite.targets

local workload = require "bench.definitions".workload

local M = {
  title = "SQLite",
  page = "SQLITE.md",
  reference = "covet_bench_sqlite",
  reference_name = "C, sqlite3",
  script = "bench/sqlite/covet.lua",
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
local WAITING = "0.9 KB a task for its coroutine, whose stack doubles once for the"
  .. " call, 0.6 KB for the task object, its function and its places in sets,"
  .. " 0.5 KB in C (operation, its arena); the rest is there before the first"
local ROWS = "LuaJIT resizes its string table in one go: 12 ms to grow it at 262,144"
  .. " strings, 7 ms to shrink it when a result has gone; a batch and the"
  .. " collector's share of it take 2 ms"

--- Rows of the prepared database. Items fit in SQLite's page cache (2 MB), so
-- that W1 and W2 measure the calls, not reads of the file.
M.rows = {
  full = { items = 50000, wide = 1000000 },
  tiny = { items = 1000, wide = 3000 },
}

M.workloads = {
  workload("W1", { variants = {
    { name = "sequential", target = 1.5, chart = "" },
    { name = "table" },
  } }),
  workload("W2", { variants = {
    { name = "tasks", target = 1.5, chart = "" },
  } }),
  workload("W3", { variants = {
    { name = "named", target = 0.3, why = RESULT, chart = "" },
    { name = "record", target = 0.5, why = RESULT, chart = ", records" },
    { name = "array", target = 0.5, why = RESULT },
    { name = "lazy" },
  } }),
  workload("W4", { variants = {
    { name = "named", target = 0.5, rss_mb = 30, why = STREAM, chart = "" },
    { name = "record", rss_mb = 30, chart = ", records" },
    { name = "array", rss_mb = 30 },
  } }),
  workload("W5", { variants = {
    { name = "sequential", target = 0.7, chart = "" },
    { name = "grouped", target = 4, chart = ", 256 tasks" },
  } }),
  workload("W6", { variants = {
    { name = "copy", target = 0.8, chart = "" },
    { name = "many", target = 0.8 },
  } }),
  workload("W8", { variants = {
    { name = "connect", target = 0.5, chart = "" },
  } }),
  workload("mixed", { variants = {
    { name = "tasks", chart = "" },
    { name = "grouped" },
  } }),
  workload("W9-waiting", { variants = {
    { name = "tasks", target = 20, why = WAITING },
  } }),
  workload("W9-idle", { variants = { { name = "connections" } } }),
  workload("W10-idle", { variants = { { name = "loop" } } }),
  workload("W10-selects", { variants = { { name = "loop", target = 2 } } }),
  workload("W10-rows", { variants = { { name = "loop", target = 2, why = ROWS } } }),
  workload("W10-query", { variants = { { name = "loop", target = 5 } } }),
}

local BLOCKING = "W1 W2 W3 W4 W5 W6 W8 W9-idle mixed"

M.peers = {
  { name = "Python sqlite3 (blocks)", script = "bench/peers/with_sqlite3.py",
    workloads = BLOCKING },
  { name = "better-sqlite3 (blocks)", script = "bench/peers/with_better_sqlite3.js",
    workloads = BLOCKING },
  { name = "LuaSQL (blocks)", script = "bench/peers/with_luasql.lua",
    version_of = "sqlite3", workloads = BLOCKING },
  { name = "aiosqlite", script = "bench/peers/with_aiosqlite.py",
    workloads = "W1 W2 W3 W4 W5 W6 W8 mixed W9-waiting W9-idle W10-selects W10-rows" },
}

return M
