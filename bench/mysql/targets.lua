--- What is measured on MariaDB, and what covet means to reach; see
-- `bench.sqlite.targets`.
-- @module bench.mysql.targets

local workload = require "bench.definitions".workload

local M = {
  title = "MariaDB",
  page = "MYSQL.md",
  reference = "covet_bench_mysql",
  reference_name = "C, libmariadb",
  script = "bench/mysql/covet.lua",
}

--- The database of a run: the server that scripts/bench has started.
-- @treturn string|nil URL
function M.target()
  return os.getenv "COVET_MYSQL_URL"
end

--- The same server by its Unix socket.
-- @treturn string|nil URL
function M.socket()
  local url, path = os.getenv "COVET_MYSQL_URL", os.getenv "COVET_MYSQL_SOCKET"
  return url and path and url:gsub("@[^/]*", "@") .. "?unix_socket=" .. path
end

-- Why what is missed is missed; PROFILE.md has the figures.
local ROWS = "the rows are made by LuaJIT, which interns their new texts (each misses"
  .. " the processor's caches) and sweeps them: a loop that makes the same rows of bytes"
  .. " in memory, without server and driver (bench/floor.lua), is no faster"
local CALL = "the same two system calls a select as the reference's; between them the"
  .. " task is resumed and suspended"
local LEASE = "two calls into C, 0.2 us, are followed by a session and its view `try`, two"
  .. " tables that are never used again: a connection that was released stays so for who"
  .. " has it; p95 is a step of the collector"
local SELECTS = "the loop's own turns are shorter (0.7 ms of the processor at p99 beside"
  .. " 100 tasks, bench/delay.lua), but the server takes the other processor and a part of"
  .. " this one"
local WAITING = "a task is a coroutine of LuaJIT with a stack of its own, some 2 KB"
  .. " beside what its call holds"
local LATE = "LuaJIT resizes its string table in one go: 12 ms to grow it at 262,144"
  .. " strings, 7 ms to shrink it when a result has gone"
local BULK = "beside the rows each list of 2,000 has a savepoint, so that a bad row is"
  .. " named and the rest undone"

--- Rows of the prepared tables.
M.rows = {
  full = { items = 50000, wide = 1000000 },
  tiny = { items = 1000, wide = 3000 },
}

M.workloads = {
  workload("W1", { variants = {
    { name = "sequential", target = 0.93, why = CALL, chart = "" },
    { name = "busy", target = 1.6, why = CALL },
    { name = "asleep" },
    { name = "table" },
  } }),
  workload("W1-socket", { variants = {
    { name = "sequential" },
    { name = "busy" },
  } }),
  workload("W2", { variants = {
    { name = "tasks", target = 0.9, why = CALL, ahead_of = { { "mariadb", 1 } },
      chart = "" },
  } }),
  workload("W2-socket", { variants = { { name = "tasks" } } }),
  workload("W3", { variants = {
    { name = "named", target = 0.42, why = ROWS, chart = "" },
    { name = "record", target = 0.55, why = ROWS, chart = ", records" },
    { name = "array", target = 0.55, why = ROWS },
    { name = "lazy" },
  } }),
  workload("W4", { variants = {
    { name = "named", chart = "" },
    { name = "record", target = 0.75, rss_mb = 20, why = ROWS, chart = ", records" },
    { name = "array", target = 0.75, rss_mb = 20, why = ROWS },
  } }),
  workload("W5", { variants = {
    { name = "sequential", target = 0.93, why = CALL, chart = "" },
    { name = "busy" },
    { name = "grouped", chart = ", 256 tasks" },
  } }),
  workload("W6", { variants = {
    { name = "copy", target = 0.85, why = BULK, chart = "" },
    { name = "many" },
  } }),
  workload("W7", { variants = {
    { name = "lease", target = 4e6, p95_us = 0.5, why = LEASE, chart = "" },
  } }),
  workload("W8", { variants = {
    { name = "connect", target = 0.5, chart = "" },
  } }),
  workload("W9-waiting", {
    variants = { { name = "tasks", target = 20, why = WAITING } } }),
  workload("W9-idle", { variants = { { name = "connections" } } }),
  workload("W10-idle", { variants = { { name = "loop" } } }),
  workload("W10-selects", {
    variants = { { name = "loop", target = 2, why = SELECTS } } }),
  workload("W10-rows", { variants = { { name = "loop", target = 2, why = LATE } } }),
}

local ALL = "W1 W2 W3 W4 W5 W6 W7 W8 W9-waiting W9-idle W10-selects W10-rows"

M.peers = {
  { name = "aiomysql", script = "bench/peers/with_aiomysql.py",
    workloads = ALL .. " W1-socket W2-socket" },
  { name = "mysql2", script = "bench/peers/with_mysql2.js", workloads = ALL },
  { name = "mariadb", script = "bench/peers/with_mariadb.js", workloads = ALL },
  { name = "mariadb, its pool", script = "bench/peers/with_mariadb.js",
    workloads = "W2=W2-pool" },
  { name = "LuaSQL (blocks)", script = "bench/peers/with_luasql.lua",
    version_of = "mysql", workloads = "W1 W1-socket W3 W4 W5 W6 W8 W9-idle" },
}

return M
