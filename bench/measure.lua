--- What the measuring scripts share: a clock, memory, percentiles, a line of JSON.
-- @module bench.measure

local ffi = require "ffi"

local M = {}

ffi.cdef [[
struct covet_bench_time { long seconds, nanoseconds; };
int clock_gettime(int clock, struct covet_bench_time *time);
]]

local MONOTONIC, THREAD_CPU = 1, 3
local time = ffi.new "struct covet_bench_time"

--- Monotonic time in seconds. Compiles; takes some 25 ns.
-- @treturn number
function M.now()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
end

--- The processor's time that this thread has taken, in milliseconds.
-- @treturn number
function M.thread_ms()
  ffi.C.clock_gettime(THREAD_CPU, time)
  return tonumber(time.seconds) * 1e3 + tonumber(time.nanoseconds) / 1e6
end

--- Run `body`.
-- @tparam function body
-- @treturn number the seconds it took
-- @return what it answered
function M.timed(body)
  local start = M.now()
  local value = body()
  return M.now() - start, value
end

local function status_kb(field)
  local file = io.open("/proc/self/status", "r")
  if not file then return 0 end
  local text = file:read "*a"
  file:close()
  return tonumber(text:match(field .. ":%s*(%d+)")) or 0
end

--- Most memory that the process has had resident, in KB; 0 if not known.
function M.peak_rss_kb()
  return status_kb "VmHWM"
end

--- Memory that it has resident now, in KB; 0 if not known.
function M.rss_kb()
  return status_kb "VmRSS"
end

--- The value below which `fraction` of the sorted list lies.
-- @tparam {number,...} sorted in ascending order, not empty
-- @tparam number fraction from 0 to 1
-- @treturn number
function M.percentile(sorted, fraction)
  local index = math.ceil(fraction * #sorted)
  return sorted[math.max(1, math.min(#sorted, index))]
end

--- The middle value.
-- @tparam {number,...} values in any order, not empty
-- @treturn number
function M.median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  table.sort(sorted)
  local middle = math.floor((#sorted + 1) / 2)
  if #sorted % 2 == 1 then return sorted[middle] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- Room for the moments between `count` units; [0] is that before them.
-- @tparam number count
-- @treturn cdata
function M.moments(count)
  return ffi.new("double[?]", count + 1)
end

--- Percentiles of the units between moments.
-- @tparam cdata moments
-- @tparam number count
-- @tparam table result gets `p50_us`, `p95_us` and `p99_us`
-- @treturn table `result`
function M.add_percentiles(moments, count, result)
  local units = {}
  for i = 1, count do units[i] = (moments[i] - moments[i - 1]) * 1e6 end
  table.sort(units)
  result.p50_us = M.percentile(units, 0.50)
  result.p95_us = M.percentile(units, 0.95)
  result.p99_us = M.percentile(units, 0.99)
  return result
end

--- How often `unit` can be done: in a row, then each timed alone, what two looks
-- at the clock take by themselves taken off.
-- @tparam function unit
-- @tparam number count
-- @treturn table `seconds`, `count`, `p50_us`, `p95_us`, `p99_us`
function M.repeated(unit, count)
  for _ = 1, count / 10 do unit() end
  local result = { count = count, seconds = M.timed(function()
    for _ = 1, count do unit() end
  end) }
  local each = math.min(count, 200000)
  local moments, nothing = M.moments(each), M.moments(each)
  local at = 0
  for i = 1, each do
    local start = M.now()
    local between = M.now()
    unit()
    at = at + (M.now() - between)
    nothing[i], moments[i] = nothing[i - 1] + (between - start), at
  end
  local clock = M.add_percentiles(nothing, each, {}).p50_us
  M.add_percentiles(moments, each, result)
  for _, name in ipairs { "p50_us", "p95_us", "p99_us" } do
    result[name] = math.max(0, result[name] - clock)
  end
  return result
end

--- Print fields as one line of JSON: numbers as they are, the rest as text.
-- @tparam table fields
function M.print(fields)
  local names, parts = {}, {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = fields[name]
    local text = type(value) == "number" and string.format("%.17g", value)
      or '"' .. tostring(value) .. '"'
    parts[i] = string.format('"%s":%s', name, text)
  end
  io.write("{", table.concat(parts, ","), "}\n")
  io.flush()
end

--- Read a line of JSON as `print` writes it: one flat object.
-- @tparam string line
-- @treturn table
function M.parse(line)
  local fields = {}
  for name, value in line:gmatch '"([^"]+)":%s*("?[^,"}]*)' do
    fields[name] = tonumber(value) or value:gsub('^"', "")
  end
  return fields
end

return M
