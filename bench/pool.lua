--- The pool alone: how fast a free connection changes hands, and what waiting
-- tasks and pooled connections weigh.
--
--    covet bench/pool.lua [--tiny] [--output FILE]
--
-- W7 of the figures that peers are measured by: one task takes a free
-- connection and gives it back, with every option at its default, statistics
-- and the noting of places included. The time of one pair is what two looks at the
-- clock show more with it than without. Each measurement is a process of its own;
-- medians of five. `--tiny` only proves that all of it runs.
-- @script bench.pool

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local ffi = require "ffi"
local measure = require "bench.measure"

local now, hrtime = covet.now, require("luv").hrtime

ffi.cdef [[
struct covet_bench_mallinfo {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks,
    fordblks, keepcost;
};
struct covet_bench_mallinfo mallinfo2(void);
]]

-- Bytes in use: of malloc, and of Lua, which has its own allocator.
local function bytes_in_use()
  collectgarbage()
  collectgarbage()
  local info = ffi.C.mallinfo2()
  return tonumber(info.uordblks + info.hblkhd) + collectgarbage "count" * 1024
end

local function connection()
  return { close = function() end }
end

local parts = {}

-- Pairs in a row, then pairs timed one by one.
function parts.free(count)
  local pool = covet.pool.new(connection, { min_size = 10, max_size = 50 }, "w7")
  pool:initialize()
  for _ = 1, count / 10 do pool:release(pool:acquire()) end
  local start = now()
  for _ = 1, count do pool:release(pool:acquire()) end
  local seconds = now() - start
  local each, nothing = {}, {}
  for i = 1, math.min(count, 200000) do
    local began = hrtime()
    local between = hrtime()
    pool:release(pool:acquire())
    each[i], nothing[i] = hrtime() - between, between - began
  end
  pool:close()
  table.sort(each)
  table.sort(nothing)
  return { rate = count / seconds, p95_us = (measure.percentile(each, 0.95)
    - measure.percentile(nothing, 0.5)) / 1e3 }
end

-- 64 tasks that wait for 16 connections: each pair hands over to a waiter.
function parts.contended(count)
  local pool = covet.pool.new(connection, { min_size = 16, max_size = 16 }, "w7")
  pool:initialize()
  local left, start = count, now()
  covet.group(function(group)
    for _ = 1, 64 do
      group:spawn(function()
        while left > 0 do
          left = left - 1
          local one = pool:acquire()
          covet.sleep(0)
          pool:release(one)
        end
      end)
    end
  end)
  local seconds = now() - start
  pool:close()
  return { rate = count / seconds }
end

-- What one more pooled connection costs on the pool's side: the objects here
-- are one table each, made beforehand.
function parts.connections(count)
  local made, at = {}, 0
  for i = 1, count do made[i] = connection() end
  local before = bytes_in_use()
  local pool = covet.pool.new(function()
    at = at + 1
    return made[at]
  end, { min_size = count, max_size = count, connect_parallel = 100 }, "w7")
  pool:initialize()
  local bytes = (bytes_in_use() - before) / count
  local open = pool:get_stats().total_connections
  pool:close { timeout = 60 }
  return { bytes = bytes, rate = open }
end

function parts.waiting(count)
  local pool = covet.pool.new(connection, { min_size = 50, max_size = 50,
    max_waiting = math.huge, acquire_timeout = 3600 }, "w7")
  pool:initialize()
  local held, tasks = {}, {}
  for i = 1, 50 do held[i] = pool:acquire() end
  for i = 1, count do
    tasks[i] = covet.spawn(function() pool:release(pool:acquire()) end)
  end
  while pool:get_stats().waiting < count do covet.sleep(0.01) end
  local peak = measure.peak_rss_kb()
  for i = 1, 50 do pool:release(held[i]) end
  for i = 1, count do tasks[i]:join() end
  pool:close()
  return { peak_mb = peak / 1024 }
end

local ROWS = {
  { "free", 4000000, 2000, "acquire + release, a free connection",
    function(r) return ("%.2f M pairs/s, p95 %.2f us"):format(r.rate / 1e6, r.p95_us) end,
    "4 M/s, p95 0.5 us", function(r) return r.rate >= 4e6 and r.p95_us < 0.5 end },
  { "contended", 300000, 2000, "64 tasks on 16 connections, each yields once",
    function(r) return ("%.0f k pairs/s"):format(r.rate / 1e3) end, "-" },
  { "connections", 5000, 50, "memory of a pooled connection",
    function(r) return ("%.0f bytes"):format(r.bytes) end,
    "1 KB", function(r) return r.bytes < 1024 end },
  { "waiting", 10000, 100, "10,000 tasks that wait for 50 connections",
    function(r) return ("%.1f MB, all of the process"):format(r.peak_mb) end,
    "20 MB", function(r) return r.peak_mb < 20 end },
}

local function run_part(name, count)
  local pipe = assert(io.popen(("%q bench/pool.lua part %s %d"):format(
    require("luv").exepath(), name, count)))
  local result = {}
  for key, value in pipe:read("*a"):gmatch "([%w_]+)=(%S+)" do
    result[key] = tonumber(value)
  end
  pipe:close()
  return result
end

local function median_of(name, count, rounds)
  local runs = {}
  for i = 1, rounds do runs[i] = run_part(name, count) end
  table.sort(runs, function(a, b)
    local key = a.rate and "rate" or a.bytes and "bytes" or "peak_mb"
    return a[key] < b[key]
  end)
  return runs[math.ceil(rounds / 2)]
end

local function make_page(tiny)
  local lines = { "# The pool", "", "Made by `covet bench/pool.lua`; what is "
    .. "measured stands in that file.", "", ("%s; medians of five processes.")
    :format(jit.version), "", "| what | measured | target | met? |",
    "| --- | --- | --- | --- |" }
  for _, row in ipairs(ROWS) do
    local result = median_of(row[1], tiny and row[3] or row[2], tiny and 1 or 5)
    lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(row[4], row[5](result),
      row[6], row[7] and (row[7](result) and "yes" or "no") or "-")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function main(first, name, count)
  if first == "part" then
    for key, value in pairs(parts[name](tonumber(count))) do
      print(("%s=%.17g"):format(key, value))
    end
    return
  end
  local text = make_page(first == "--tiny")
  if first == "--output" then
    assert(io.open(name, "w")):write(text)
  else
    io.write(text)
  end
end

main(...)
