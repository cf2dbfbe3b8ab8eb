--- Running a file of configuration: a chunk of Lua that sees a few harmless
-- functions, and that ends.
--
-- Instructions and memory are bounded. What runs within one call of a library
-- function (a pattern that backtracks for long) is not.
-- @module covet.pool.sandbox

local errors = require "covet.error"

local getinfo, gethook, sethook = debug.getinfo, debug.gethook, debug.sethook

-- Between two looks at what a chunk has used.
local STEP = 10
local MOST_STEPS = 1000000
local MOST_KB = 64 * 1024
-- The longest string that string.rep makes.
local LONGEST_REP = 1024 * 1024

local M = {}

-- --- What a chunk sees ------------------------------------------------------------

local function copy_of(library, names)
  local copy = {}
  for name in names:gmatch "%S+" do
    copy[name] = library[name]
  end
  return copy
end

local STRING = copy_of(string, "byte char find format gmatch gsub len lower "
  .. "match reverse sub upper")

function STRING.rep(text, count)
  if type(text) == "string" and type(count) == "number"
    and #text * count > LONGEST_REP then
    error("string.rep: the result would be longer than 1 MB", 2)
  end
  return string.rep(text, count)
end

local MATH = copy_of(math, "abs ceil exp floor fmod huge log max min modf pi pow "
  .. "random sqrt")
local TABLE = copy_of(table, "concat insert maxn remove sort")

local BASE = { assert = assert, error = error, ipairs = ipairs, next = next,
  pairs = pairs, select = select, tonumber = tonumber, tostring = tostring,
  type = type, unpack = unpack }

local function copy_into(target, source)
  for name, value in pairs(source) do
    target[name] = value
  end
  return target
end

-- The globals of a chunk. Each has its own libraries: what it changes there
-- ends with it.
local function new_globals(given)
  local globals = copy_into(copy_into({}, BASE), given)
  globals.string, globals.math = copy_into({}, STRING), copy_into({}, MATH)
  globals.table = copy_into({}, TABLE)
  return setmetatable(globals, {
    __index = function(_, name)
      error(("there is no %q here"):format(tostring(name)), 0)
    end,
    __newindex = function(_, name)
      error(("%q: a global cannot be set here, write local"):format(
        tostring(name)), 0)
    end,
  })
end

-- --- Running -------------------------------------------------------------------------

-- Raise when a chunk has used too much.
local function watch()
  local steps, kilobytes = 0, collectgarbage "count"
  return function()
    steps = steps + STEP
    if steps > MOST_STEPS then
      error("it does not come to an end: a million instructions were not enough",
        0)
    elseif collectgarbage "count" - kilobytes > MOST_KB then
      error("it needs more than 64 MB of memory", 0)
    end
  end
end

-- Run `fn()` under the limits. Strings have the chunk's own methods meanwhile.
local function run_bounded(globals, fn, handler)
  local strings = debug.getmetatable ""
  local methods = strings.__index
  local hook, mask, count = gethook()
  strings.__index = globals.string
  sethook(watch(), "", STEP)
  local fine, value = xpcall(fn, handler)
  sethook(hook, mask, count)
  strings.__index = methods
  return fine, value
end

-- The line on which the chunk stands, for an error on its way up.
local function line_of(source)
  local level = 2
  local info = getinfo(level, "Sl")
  while info and info.source ~= source do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return info and info.currentline
end

-- What Lua writes in front of its messages: "pools.lua:7: ".
local function without_place(text, chunk)
  local place = getinfo(chunk, "S").short_src .. ":"
  if text:sub(1, #place) == place then
    return (text:sub(#place + 1):gsub("^%d+: ", ""))
  end
  return text
end

-- An error of the chunk as { text =, line = }.
local function describe(err, chunk)
  local text = err
  if errors.is_error(err) then
    text = tostring(err.message)
  elseif type(err) ~= "string" then
    text = ("error object is a %s value"):format(type(err))
  end
  return { text = without_place(text, chunk),
    line = line_of(getinfo(chunk, "S").source) }
end

local function fail(path, line, text)
  errors.raise { kind = "usage", retry = "no", message = M.mask(text),
    where = line and ("%s:%d"):format(path, line) or path }
end

--- A text without the passwords of the URLs in it.
-- @tparam string text
-- @treturn string
function M.mask(text)
  return (text:gsub("(://[^:@/%s]*):[^%s'\"]*@", "%1:***@"))
end

--- Run a source.
-- @tparam string source text, no bytecode
-- @tparam string path for messages
-- @tparam table given globals besides the harmless ones of Lua; they may raise
-- a text or an error object
-- @return the first result of the source
-- @raise usage, with the file and line as `where`
function M.run(source, path, given)
  if source:sub(1, 1) == "\27" then
    fail(path, nil, "this is bytecode: only source is run here")
  end
  local globals = new_globals(given)
  local chunk, message = load(source, "@" .. path, "t", globals)
  if not chunk then
    local line, text = message:match ":(%d+): (.*)$"
    fail(path, tonumber(line), text or message)
  end
  jit.off(chunk, true)
  local fine, value = run_bounded(globals, chunk, function(err)
    sethook()
    return describe(err, chunk)
  end)
  if not fine then
    local known = type(value) == "table"
    fail(path, known and value.line, known and value.text or tostring(value))
  end
  return value
end

return M
