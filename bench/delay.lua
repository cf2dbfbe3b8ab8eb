--- How late the loop is beside connects and queries, in milliseconds.
--
--    covet bench/delay.lua URL SECONDS LOAD
--
-- A task sleeps 1 ms at a time for SECONDS beside one of the loads:
--
--   idle      nothing
--   names     connects whose host's name takes a second to be looked up: the
--             process needs LD_PRELOAD=build/bench/libslow_names.so
--   tls       connects with TLS, ten at a time
--   queries   point selects of 100 tasks over 16 connections
--
-- One line of JSON: how late it woke (p50, p99, max), which on a machine with other
-- work is that work's doing too; the longest turns of the loop by the processor's time
-- that they took, which is covet's alone; and how often the load was done.
-- @script bench.delay

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local measure = require "bench.measure"
local uv = require "luv"

local now = covet.now
local NAP = 0.001
local PARAMETER = { mysql = "?", postgresql = "$1::int" }
local TLS = { mysql = "ssl=require", postgresql = "sslmode=require" }

local function scheme_of(url)
  return url:match "^(%a+):"
end

local function with_option(url, option)
  return url:gsub("[?&]sslmode=[^&]*", "") .. "?" .. option
end

-- Connects from ten tasks, each connection closed at once.
local function connect(url, stopped)
  local done = 0
  covet.group(function(group)
    for _ = 1, 10 do
      group:spawn(function()
        while not stopped() do
          local db = covet.connect(url, { min_pool_size = 1, max_pool_size = 1 })
          db:fetch_value "select 1"
          db:disconnect()
          done = done + 1
        end
      end)
    end
  end)
  return done
end

local loads = {}

function loads.idle(_, stopped)
  while not stopped() do covet.sleep(0.1) end
  return 0
end

function loads.names(url, stopped)
  return connect(url:gsub("@[^:/]+", "@slow.test"), stopped)
end

function loads.tls(url, stopped)
  return connect(with_option(url, TLS[scheme_of(url)]), stopped)
end

function loads.queries(url, stopped)
  local parameter = PARAMETER[scheme_of(url)]
  local db, done = covet.connect(url, { min_pool_size = 16, max_pool_size = 16 }), 0
  covet.group(function(group)
    for i = 1, 100 do
      group:spawn(function()
        while not stopped() do
          assert(db:fetch_value("select " .. parameter, i) == i)
          done = done + 1
        end
      end)
    end
  end)
  db:disconnect()
  return done
end

-- The time of the processor that each turn of the loop takes, in a list.
local function watch_turns(turns)
  local check, last = uv.new_check(), measure.thread_ms()
  check:start(function()
    local at = measure.thread_ms()
    turns[#turns + 1], last = at - last, at
  end)
  return check
end

local function nap_until(stopped, lateness)
  while not stopped() do
    local start = now()
    covet.sleep(NAP)
    lateness[#lateness + 1] = (now() - start - NAP) * 1000
  end
end

-- What is loaded when it is needed first is no part of the measurement.
local function warm_up(url)
  local db = covet.connect(url, { min_pool_size = 1, max_pool_size = 1 })
  db:fetch_value("select " .. PARAMETER[scheme_of(url)], 1)
  db:disconnect()
end

local function main(url, seconds, name)
  warm_up(url)
  local due = now() + tonumber(seconds)
  local function stopped() return now() >= due end
  local lateness, turns, done = {}, {}, nil
  local check = watch_turns(turns)
  covet.group(function(group)
    group:spawn(nap_until, stopped, lateness)
    done = loads[name](url, stopped)
  end)
  check:close()
  table.sort(lateness)
  table.sort(turns)
  measure.print { load = name, database = scheme_of(url), done = done,
    count = #lateness, p50_ms = measure.percentile(lateness, 0.5),
    p99_ms = measure.percentile(lateness, 0.99), max_ms = lateness[#lateness],
    turn_p99_ms = measure.percentile(turns, 0.99), turn_max_ms = turns[#turns] }
end

main(...)
