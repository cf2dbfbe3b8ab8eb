--- What is measured of covet without a database, and what it means to reach; see
-- `bench.sqlite.targets`. What has a `command` is started again and again.
-- @module bench.runtime.targets

local workload = require "bench.definitions".workload

local M = {
  title = "The runtime",
  page = "RUNTIME.md",
  script = "bench/runtime/covet.lua",
}

--- There is no database.
-- @treturn string
function M.target()
  return "-"
end

M.workloads = {
  workload("start", { variants = {
    { name = "empty script", command = { "covet", "-e", "" }, target = 10, rss_mb = 12 },
  } }),
  workload("sleeping", { variants = { { name = "tasks", target = 150 } } }),
  workload("lend", { variants = {
    { name = "pool", target = 4e6, p95_us = 0.5 },
  } }),
  workload("contended", { variants = { { name = "pool" } } }),
  workload("pooled", { variants = { { name = "pool", target = 1024 } } }),
  workload("waiting", { variants = { { name = "tasks", target = 20,
    why = "a task is a coroutine of LuaJIT with a stack of its own" } } }),
}

M.peers = {
  { name = "LuaJIT", command = { "luajit", "-e", "" }, workloads = "start" },
  { name = "Python", command = { "/usr/bin/python3", "-c", "" }, workloads = "start" },
  { name = "Node", command = { "node", "-e", "" }, workloads = "start" },
}

return M
