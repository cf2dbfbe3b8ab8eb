--- What LuaJIT itself allows in W3 and W4: the same rows, made of bytes that lie in
-- memory, without a server, a driver, a pool or a loop.
--
--    luajit bench/floor.lua result|stream named|record [stop]
--
-- `result` keeps all rows (W3), `stream` the last 1,000 (W4); `stop` stops the
-- collector. One line: rows a second.
-- @script bench.floor

local ffi = require "ffi"

local ROWS, TEXTS = 200000, 4
local form = { kept = ({ result = ROWS, stream = 1000 })[arg[1]], named = arg[2] == "named" }
assert(form.kept and (form.named or arg[2] == "record"), "usage: see the file's head")

local bytes = ffi.new("char[?]", ROWS * 128)
local places = ffi.new("struct { int at, length; }[?]", ROWS * TEXTS)
local used = 0

-- The first byte is another one in the end: the rows' texts are new to LuaJIT.
local function put(row, column, text)
  local place = places[row * TEXTS + column]
  ffi.copy(bytes + used, text, #text)
  place.at, place.length = used, #text
  bytes[used] = bytes[used] + 1
  used = used + #text
end

for row = 0, ROWS - 1 do
  put(row, 0, "Customer " .. row)
  put(row, 1, "City " .. row % 997)
  put(row, 2, os.date("!%Y-%m-%d %H:%M:%S", 1767225600 + row * 86401))
  put(row, 3, "A note of some length, " .. row)
end
collectgarbage()
collectgarbage()
if arg[3] == "stop" then
  collectgarbage "stop"
end

local function text(row, column)
  local place = places[row * TEXTS + column]
  return ffi.string(bytes + place.at, place.length)
end

local kept = {}
local start = os.clock()
if form.named then
  for row = 0, ROWS - 1 do
    kept[row % form.kept + 1] = { id = row, name = text(row, 0), city = text(row, 1), active = true,
      score = row * 0.25, created_at = text(row, 2), note = row % 4 ~= 0 and text(row, 3) or nil }
  end
else
  for row = 0, ROWS - 1 do
    kept[row % form.kept + 1] = { row, text(row, 0), text(row, 1), true, row * 0.25, text(row, 2),
      row % 4 ~= 0 and text(row, 3) or nil }
  end
end
local seconds = os.clock() - start
print(("%d"):format(ROWS / seconds), #kept)
