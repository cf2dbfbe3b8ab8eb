-- luacheck: what the Lua sources may use. Run by scripts/test.
std = "luajit"
max_line_length = 110
max_comment_line_length = 120
cache = false
self = false -- a method may leave `self` unused
ignore = { "582" } -- `not (x >= y)` means what it says for NaN

-- The command makes `covet` a global of its scripts; modules require it.
files["examples"] = { read_globals = { "covet", "db" } }
files["bench"] = { read_globals = { "covet" } }
files["spec"] = { std = "+busted", read_globals = { "covet" } }

-- nginx's Lua module is known to one host and to the specs that start it.
files["lua/covet/host/nginx.lua"] = { read_globals = { "ngx" } }
files["spec/embed"] = { read_globals = { "ngx" } }

-- Generators that wait: coroutine.resume and wrap are replaced there.
files["lua/covet/task/generator.lua"] = { globals = { "coroutine" } }

exclude_files = { "build" }
