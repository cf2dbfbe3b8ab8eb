--- Run one workload under LuaJIT's sampling profiler.
--
--    covet bench/profile.lua [-OPTIONS] DATABASE WORKLOAD TARGET COUNT [VARIANT]
--
-- OPTIONS are those of `-jp`, "-Fl2" without them: "-v" tells how much ran
-- compiled, interpreted, in C and in the collector, "-a" shows source lines.
-- The report comes after the line of JSON. What happens in C: bench/profile.sh.
-- @script bench.profile

local profiler = require "jit.p"

local function main(options, database, ...)
  local workload = assert(loadfile(("bench/%s/covet.lua"):format(database)))
  profiler.start(options)
  workload(...)
  profiler.stop()
end

local options = (...):match "^%-(.+)"
if options then
  main(options, select(2, ...))
else
  main("Fl2", ...)
end
