--- What is measured on PostgreSQL, and what covet means to reach; see
-- `bench.sqlite.targets`. A peer without a script is the reference by other means.
-- @module bench.postgresql.targets

local workload = require "bench.definitions".workload

local M = {
  title = "PostgreSQL",
  page = "POSTGRESQL.md",
  reference = "covet_bench_postgresql",
  reference_name = "C, libpq",
  script = "bench/postgresql/covet.lua",
}

--- The database of a run: the server that scripts/bench has started. TCP without
-- TLS, as the figures of other drivers are.
-- @treturn string|nil URL
function M.target()
  local url = os.getenv "COVET_PG_URL"
  return url and url .. "?sslmode=disable"
end

--- The same server by its Unix socket.
-- @treturn string|nil URL
function M.socket()
  return os.getenv "COVET_PG_SOCKET_URL"
end

--- Rows of the prepared tables.
M.rows = {
  full = { items = 50000, wide = 1000000 },
  tiny = { items = 1000, wide = 3000 },
}

-- Why what is missed is missed; PROFILE.md has the figures.
local SHARED = "client and server share two processors; the rounds differ by more than"
  .. " what is missing"
local SELECTS = "the loop's own turns are shorter (0.7 ms of the processor at p99 beside"
  .. " 100 tasks, bench/delay.lua), but the server takes the other processor and a part of"
  .. " this one"
local ROWS = "the rows are made by LuaJIT, which interns their new texts (each misses"
  .. " the processor's caches) and sweeps them: a loop that makes the same rows of bytes"
  .. " in memory, without server and driver (bench/floor.lua), is no faster"
local BULK = "rows are checked by type, encoded and sent by the thread that takes them"
  .. " from the caller, a third of the time that the server takes for them, and both"
  .. " share two processors"
local LEASE = "two calls into C, 0.2 us, are followed by a session and its view `try`, two"
  .. " tables that are never used again: a connection that was released stays so for who"
  .. " has it; p95 is a step of the collector"
local WAITING = "a task is a coroutine of LuaJIT with a stack of its own, some 2 KB"
  .. " beside what its call holds"
local LATE = "LuaJIT resizes its string table in one go: 12 ms to grow it at 262,144"
  .. " strings, 7 ms to shrink it when a result has gone"
local BUSY = "between two selects the task is resumed and suspended, which C does not do"
local INSERT = "a C program that spins does not reach it either (the row C, spinning): more of"
  .. " an insert's time is the server's than of a select's"

local NAMED = { { "postgres.js", 1 }, { "pg", 1 }, { "LuaSQL (blocks)", 1 } }

M.workloads = {
  workload("W1", { variants = {
    { name = "sequential", target = 0.95, why = BUSY, chart = "" },
    { name = "busy", target = 2.2, why = BUSY },
    { name = "asleep" },
    { name = "table" },
  } }),
  workload("W1-socket", { variants = {
    { name = "sequential", target = 0.95, why = BUSY },
    { name = "busy", target = 2.2, why = BUSY },
  } }),
  workload("W2", { variants = {
    { name = "tasks", target = 3, why = SHARED, ahead_of = { { "asyncpg", 7 } },
      chart = "" },
  } }),
  workload("W2-socket", { variants = {
    { name = "tasks", target = 3, why = SHARED },
  } }),
  workload("W3", { variants = {
    { name = "named", target = 0.55, why = ROWS, ahead_of = NAMED, chart = "" },
    { name = "record", target = 0.75, why = ROWS, ahead_of = { { "asyncpg", 1, true } },
      chart = ", records" },
    { name = "array", target = 0.75, why = ROWS },
    { name = "lazy", target = 0.85, why = ROWS },
  } }),
  workload("W4", { variants = {
    { name = "named", target = 1.1, why = ROWS, rss_mb = 30, chart = "" },
    { name = "record", target = 1.4, why = ROWS, rss_mb = 30, chart = ", records" },
    { name = "array", target = 1.4, why = ROWS, rss_mb = 30 },
  } }),
  workload("W5", { variants = {
    { name = "sequential", target = 0.95, chart = "" },
    { name = "busy", target = 1.8, why = INSERT },
    { name = "grouped", chart = ", 256 tasks" },
  } }),
  workload("W6", { variants = {
    { name = "copy", target = 0.9, why = BULK, chart = "" },
    { name = "many" },
  } }),
  workload("W7", { variants = {
    { name = "lease", target = 4e6, p95_us = 0.5, why = LEASE, chart = "" },
  } }),
  workload("W8", { count = 200, variants = {
    { name = "connect", target = 1.6, chart = "" },
  } }),
  workload("W9-waiting", {
    variants = { { name = "tasks", target = 20, why = WAITING } } }),
  workload("W9-idle", { variants = { { name = "connections" } } }),
  workload("W10-idle", { variants = { { name = "loop" } } }),
  workload("W10-selects", {
    variants = { { name = "loop", target = 2, why = SELECTS } } }),
  workload("W10-rows", { variants = { { name = "loop", target = 2, why = LATE } } }),
}

local ALL = "W1 W1-socket W2 W2-socket W3 W4 W5 W6 W7 W8 W9-waiting W9-idle"
  .. " W10-selects W10-rows"

M.peers = {
  { name = "C, spinning", workloads = "W1=W1-spinning W1-socket=W1-spinning"
    .. " W5=W5-spinning" },
  { name = "C, 16 in flight", workloads = "W2=W2-pipelined W2-socket=W2-pipelined" },
  { name = "C, row by row", workloads = "W3=W3-single W4=W4-single" },
  { name = "pgbench", script = "bench/peers/with_pgbench.py",
    workloads = "W1 W1-socket W2 W2-socket", unchecked = true },
  { name = "asyncpg", script = "bench/peers/with_asyncpg.py", workloads = ALL },
  { name = "psycopg 3", script = "bench/peers/with_psycopg.py",
    workloads = "W1 W2 W3 W4 W5 W6 W7 W8" },
  { name = "postgres.js", script = "bench/peers/with_postgres.js",
    workloads = ALL },
  { name = "postgres.js, one", script = "bench/peers/with_postgres.js",
    workloads = "W2=W2-one W2-socket=W2-one" },
  { name = "pg", script = "bench/peers/with_pg.js", workloads = ALL },
  { name = "LuaSQL (blocks)", script = "bench/peers/with_luasql.lua",
    version_of = "postgres", workloads = "W1 W1-socket W3 W4 W5 W6 W8 W9-idle" },
}

return M
