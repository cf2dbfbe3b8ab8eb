--- Pools described by a file: `covet.pools "pools.lua"`.
--
--     return {
--       users_db  = { url = env "USERS_DB_URL", preset = "web", max_size = 80 },
--       analytics = { url = env("ANALYTICS_URL", "sqlite:analytics.db") },
--     }
--
-- The file is Lua in a sandbox (covet.pool.sandbox): besides Lua's harmless
-- functions it has env, preset, seconds, minutes, hours, days, kb, mb, gb.
-- @module covet.pool.file

local caller = require "covet.caller"
local config = require "covet.pool.config"
local database = require "covet.pool.database"
local errors = require "covet.error"
local manager = require "covet.pool.manager"
local options = require "covet.options"
local place = require "covet.pool.place"
local sandbox = require "covet.pool.sandbox"

local M = {}

-- --- What the file sees --------------------------------------------------------------

local GLOBALS = {}

--- The value of an environment variable, or `default`.
function GLOBALS.env(name, default)
  if type(name) ~= "string" then
    error(("env(name[, default]): expected string, got %s"):format(type(name)), 0)
  end
  local value = os.getenv(name)
  if value == nil and default == nil then
    error(("the environment variable %s is not set, and env(%q) has no default")
      :format(name, name), 0)
  end
  return value == nil and default or value
end

--- The options of a preset, to be changed and given as `preset`.
function GLOBALS.preset(name)
  local copy = {}
  for key, value in pairs(config.preset(name)) do
    copy[key] = value
  end
  return copy
end

for name, factor in pairs {
  seconds = 1, minutes = 60, hours = 3600, days = 86400,
  kb = 1024, mb = 1024 ^ 2, gb = 1024 ^ 3,
} do
  GLOBALS[name] = function(count)
    if type(count) ~= "number" then
      error(("%s(n): expected number, got %s"):format(name, type(count)), 0)
    end
    return count * factor
  end
end

-- --- Reading ----------------------------------------------------------------------------

local function read(path)
  if type(path) ~= "string" or path:find("\0", 1, true) then
    caller.usage("covet.pools takes the path of a file, not %s",
      type(path) == "string" and "a text with a NUL byte" or type(path))
  end
  local file, message = io.open(path, "rb")
  local source
  if file then
    source, message = file:read "*a"
    file:close()
  end
  if not source then
    caller.usage("covet.pools: cannot read %s", message and message:find(path, 1,
      true) and message or ("%s: %s"):format(path, message or "no content"))
  end
  return source
end

-- "pools.lua:7", as near to what is at fault as can be told.
local function where(file, name, option)
  local keys = { name }
  for key in (option or ""):gmatch "[^.]+" do
    keys[#keys + 1] = key
  end
  local line = place.line(file.source, keys)
  return line and ("%s:%d"):format(file.path, line) or file.path
end

local function fail(file, name, fmt, ...)
  errors.raise { kind = "usage", retry = "no", message = fmt:format(...),
    where = name and where(file, name) or file.path }
end

-- --- The pools -----------------------------------------------------------------------------

-- What can be done with all of them; a pool cannot have such a name.
local METHODS = {}

local managers = setmetatable({}, { __mode = "k" })

--- Close all pools at once: see covet.pool.manager.
function METHODS.close_all(self, given)
  managers[self]:close_all(given)
end

--- How the pools are: see covet.pool.manager.
function METHODS.get_health_summary(self)
  return managers[self]:get_health_summary()
end

--- The figures of all pools.
function METHODS.get_stats(self)
  return managers[self]:get_stats()
end

local class = { __name = "covet.pools" }

function class.__index(self, name)
  local method = METHODS[name]
  if method then
    return method
  end
  local names = {}
  for known in pairs(self) do
    names[#names + 1] = known
  end
  table.sort(names)
  local nearest = options.nearest(name, names)
  caller.usage("there is no pool %q%s", tostring(name), nearest
    and (", did you mean %q?"):format(nearest)
    or (" (there are: %s)"):format(table.concat(names, ", ")))
end

local function check_entry(file, name, entry)
  if type(name) ~= "string" or name == "" then
    fail(file, nil, "pools have names: { users_db = { url = ... } }, not a %s",
      type(name) == "string" and "name that is empty" or type(name))
  elseif METHODS[name] then
    fail(file, name, "%s: a pool cannot have this name, it is a method's", name)
  elseif type(entry) ~= "table" then
    fail(file, name, "%s: expected a table such as { url = ... }, got %s", name,
      type(entry))
  end
end

-- Mistakes are told with their place in the file, and without passwords.
local function make(file, name, entry)
  check_entry(file, name, entry)
  local fine, pool = pcall(database.new, name, entry)
  if fine then
    return pool
  elseif not errors.is_error(pool) then
    error(pool, 0)
  end
  local text = sandbox.mask(tostring(pool.message))
  if text:sub(1, #name + 2) == name .. ": " then
    text = text:sub(#name + 3)
  end
  text = text:gsub("^covet%.[%l]+: ", "")
  pool.message = name .. ": " .. text
  pool.where = where(file, name, pool.option or text:match "^option ([%l_]+)")
  error(pool, 0)
end

local function sorted_names(entries)
  local names = {}
  for name in pairs(entries) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

--- Run a file and make the pools that it describes. All mistakes in it are
-- raised at once; nothing connects before its first use.
-- @tparam string path
-- @treturn table the adapters by name, and the methods close_all,
-- get_health_summary and get_stats; `pairs` sees the adapters only
-- @raise usage, with the place in the file as `where`
function M.load(path)
  local file = { path = path, source = read(path) }
  local entries = sandbox.run(file.source, path, GLOBALS)
  if type(entries) ~= "table" then
    fail(file, nil, "the file has to return a table of pools, not %s",
      entries == nil and "nothing" or type(entries))
  end
  local twice, line = place.twice(file.source)
  if twice then
    fail({ path = ("%s:%d"):format(path, line) }, nil,
      "%s: there is a pool of this name above", twice)
  end
  local pools, owner = {}, manager.new()
  for _, name in ipairs(sorted_names(entries)) do
    local pool = make(file, name, entries[name])
    pools[name] = owner:create_pool(name, pool)
  end
  managers[pools] = owner
  return setmetatable(pools, class)
end

return M
