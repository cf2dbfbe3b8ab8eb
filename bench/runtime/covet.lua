--- covet without a database: tasks, and the pool over objects that cost nothing.
--
--    covet bench/runtime/covet.lua WORKLOAD - COUNT
--
-- The pool has every option at its default, statistics and the noting of places
-- included.
-- @script bench.runtime.covet

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local ffi = require "ffi"
local measure = require "bench.measure"

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

local function new_pool(options, factory)
  return covet.pool.new(factory or connection, options, "bench")
end

local workloads = {}

function workloads.sleeping(count)
  local started, tasks = 0, {}
  local seconds = measure.timed(function()
    for i = 1, count do
      tasks[i] = covet.spawn(function()
        started = started + 1
        covet.sleep(3600)
      end)
    end
    while started < count do covet.sleep(0.01) end
  end)
  local peak = measure.peak_rss_kb()
  for _, task in ipairs(tasks) do task:cancel() end
  return { seconds = seconds, peak_rss_kb = peak }
end

function workloads.lend(count)
  local pool = new_pool { min_size = 10, max_size = 50 }
  pool:initialize()
  local result = measure.repeated(function() pool:release(pool:acquire()) end, count)
  pool:close()
  return result
end

-- Each pair hands over to a task that waits.
function workloads.contended(count)
  local pool = new_pool { min_size = 16, max_size = 16 }
  pool:initialize()
  local left = count
  local seconds = measure.timed(function()
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
  end)
  pool:close()
  return { seconds = seconds }
end

-- The objects are one table each, made beforehand.
function workloads.pooled(count)
  local made, at = {}, 0
  for i = 1, count do made[i] = connection() end
  local before = bytes_in_use()
  local pool = new_pool({ min_size = count, max_size = count, connect_parallel = 100 },
    function()
      at = at + 1
      return made[at]
    end)
  local seconds = measure.timed(function() pool:initialize() end)
  local bytes = (bytes_in_use() - before) / count
  pool:close { timeout = 60 }
  return { bytes = bytes, seconds = seconds }
end

function workloads.waiting(count)
  local pool = new_pool { min_size = 50, max_size = 50, max_waiting = math.huge,
    acquire_timeout = 3600 }
  pool:initialize()
  local held, tasks = {}, {}
  for i = 1, 50 do held[i] = pool:acquire() end
  local seconds = measure.timed(function()
    for i = 1, count do
      tasks[i] = covet.spawn(function() pool:release(pool:acquire()) end)
    end
    while pool:get_stats().waiting < count do covet.sleep(0.01) end
  end)
  local peak = measure.peak_rss_kb()
  for i = 1, 50 do pool:release(held[i]) end
  for i = 1, count do tasks[i]:join() end
  pool:close()
  return { seconds = seconds, peak_rss_kb = peak }
end

local function main(name, _, count)
  local run, size = workloads[name], tonumber(count)
  if not (run and size) then
    io.stderr:write "usage: covet.lua WORKLOAD - COUNT\n"
    os.exit(2)
  end
  local result = run(size)
  result.workload, result.count, result.check = name, size, 0
  result.peak_rss_kb = result.peak_rss_kb or measure.peak_rss_kb()
  measure.print(result)
end

main(...)
