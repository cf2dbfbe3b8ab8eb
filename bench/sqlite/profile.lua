--- Run one workload under LuaJIT's sampling profiler.
--
--    covet bench/sqlite/profile.lua [-OPTIONS] WORKLOAD PATH COUNT [VARIANT]
--
-- OPTIONS are those of `-jp`, "-Fl2" without them: "-v" tells how much ran
-- compiled, interpreted, in C and in the collector, "-a" shows source lines.
-- The report comes after the line of JSON. What happens in C: `perf`, see
-- bench/README.md.
-- @script bench.sqlite.profile

local profiler = require "jit.p"

local function main(first, ...)
  local options = first and first:match "^%-(.+)"
  local workload = assert(loadfile "bench/sqlite/covet.lua")
  profiler.start(options or "Fl2")
  if options then workload(...) else workload(first, ...) end
  profiler.stop()
end

main(...)
