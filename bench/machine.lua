--- What a run ran on.
-- @module bench.machine

local covet = require "covet"
local uv = require "luv"

local M = {}

local function read_file(path)
  local file = io.open(path, "r")
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end

local function trim(text)
  return text:match "^%s*(.-)%s*$"
end

--- Processor, memory and system.
-- @treturn table
function M.describe()
  local cpu = read_file "/proc/cpuinfo"
  local kilobytes = read_file("/proc/meminfo"):match "MemTotal:%s*(%d+)" or 0
  local _, cores = cpu:gsub("\nprocessor", "\nprocessor")
  return {
    processor = trim(cpu:match "model name%s*:%s*([^\n]*)" or "unknown"),
    cores = math.max(1, cores + (cpu:match "^processor" and 1 or 0)),
    memory_gb = math.floor(kilobytes / 1024 / 1024 + 0.5),
    kernel = read_file("/proc/sys/kernel/osrelease"):match "^[%d.]+",
    debian = trim(read_file "/etc/debian_version"),
  }
end

--- The load of the last minute.
-- @treturn number
function M.load()
  return (uv.loadavg())
end

--- covet's own versions.
-- @treturn table
function M.versions()
  return { covet = covet._VERSION, LuaJIT = jit.version:match "%d.*",
           libuv = uv.version_string() }
end

return M
