--- The workloads on a server, by a pool of 16 connections.
-- @module bench.pooled

local covet = require "covet"
local workloads = require "bench.workloads"

local M = {}

local CONNECTIONS = 16

-- What variants are named for; without one covet decides by itself.
local BUSY_POLL = { busy = 1000, asleep = false }

local function connect(url, variant, options)
  options.busy_poll = BUSY_POLL[variant]
  return covet.connect(url, options)
end

-- The pool is full before the clock runs, as the reference's connections are.
local function open(url, variant)
  return connect(url, variant,
    { min_pool_size = CONNECTIONS, max_pool_size = CONNECTIONS })
end

local function open_connections(url, count)
  return { covet.connect(url, { min_pool_size = count, max_pool_size = count }) }
end

-- `body(work)` runs while every connection is lent.
local function wait(own, url, body)
  local db = covet.connect(url, { min_pool_size = CONNECTIONS,
    max_pool_size = CONNECTIONS, max_waiting = math.huge, query_timeout = 600 })
  local leases = {}
  for i = 1, CONNECTIONS do leases[i] = db:acquire() end
  body(function(i) db:fetch_one(own.point_select, i) end)
  for i = 1, CONNECTIONS do leases[i]:release() end
end

local function open_events(own, url, variant)
  local options = { min_pool_size = 1, max_pool_size = CONNECTIONS }
  for name, value in pairs(own.writing) do options[name] = value end
  local db = connect(url, variant, options)
  db:execute "drop table if exists events"
  db:execute(own.create_events)
  return db
end

--- Run the workload that the arguments name.
-- @tparam table own the database's SQL: `point_select`, `wide`, `insert`,
-- `create_events`; `types` of rows; `writing`: options of connections that write
-- @param ... arguments of the script
function M.main(own, ...)
  own.open, own.open_connections = open, open_connections
  function own.open_events(...) return open_events(own, ...) end
  function own.wait(...) return wait(own, ...) end
  workloads.main(own, ...)
end

return M
