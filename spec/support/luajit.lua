--- Code in plain luajit, which finds covet where this program does.
-- @module spec.support.luajit
local process = require "spec.support.process"

--- Run code to its end.
-- @function run
-- @tparam string code
-- @treturn table of `spec.support.process`
return function(code)
  local build = process.covet:match("^(.*)/[^/]*$")
  return process.run {
    "luajit", "-e", code,
    env = {
      LUA_PATH = package.path,
      LUA_CPATH = ("%s/lua/?.so;%s/?.so;%s"):format(build, build, package.cpath),
      LD_PRELOAD = process.foreign.LD_PRELOAD,
      ASAN_OPTIONS = process.foreign.ASAN_OPTIONS,
    },
  }
end
