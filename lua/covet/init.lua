--- covet: databases for Lua.
--
--     local covet = require "covet"
--     local db = covet.sqlite "app.db"
--     for row in db:each "select * from users" do print(row.name) end
-- @module covet

local core = require "covet.core"
local task = require "covet.task"

local covet = {
  --- The version.
  _VERSION = core.version,
  --- NULL where nil cannot stand; the same value as cjson.null and ngx.null.
  null = require "covet.null",
  spawn = task.spawn,
  sleep = task.sleep,
  now = task.now,
  timeout = task.timeout,
  all = task.all,
  group = task.group,
  each_parallel = task.each_parallel,
  channel = task.channel,
  semaphore = task.semaphore,
  on_signal = task.on_signal,
  on_exit = task.on_exit,
  await = task.await,
  run = task.run,
  use_host = task.use_host,
  host = task.host,
}

-- The rest is loaded when it is first used: a script that needs none of it
-- starts without it.
local later = {}

function later.error()
  return require "covet.error"
end

--- Whether `err` is an error of covet of one of these kinds.
-- @function is
-- @param err anything
-- @tparam string kind
-- @treturn boolean
function later.is()
  return require("covet.error").is
end

--- Encode and decode JSON, integers exactly; `covet.json(v)` is a parameter.
function later.json()
  local json = require "covet.json"
  return setmetatable({ encode = json.encode, decode = json.decode,
    array = json.array, null = json.null }, {
    __call = function(_, value)
      return json.wrap(value)
    end,
  })
end

--- A string that is bytes, not text, as a parameter.
function later.bytes()
  return require("covet.json").bytes
end

--- Mark a table as an array: JSON's [] even when it is empty.
function later.array()
  return require("covet.json").array
end

--- An adapter for SQLite: `covet.sqlite "app.db"`, `covet.sqlite{ path = }`,
-- `covet.sqlite("app.db", { option = })`.
function later.sqlite()
  require "covet.setup"
  local new = require("covet.adapter.sqlite").new
  return function(given, more)
    local db = new(given == nil and {} or given, nil, more)
    return db
  end
end

local function left_out(name, library)
  return function()
    return function()
      require("covet.error").raise({ kind = "unsupported", retry = "no",
        message = ("the %s driver is not in this build of covet (it needs %s)")
          :format(name, library) }, 2)
    end
  end
end

--- An adapter for PostgreSQL: `covet.postgresql{ host = }`,
-- `covet.postgresql("postgresql://host/db", { option = })`.
function later.postgresql()
  if not core.has "postgresql" then
    return left_out("PostgreSQL", "libpq")()
  end
  require "covet.setup"
  local new = require("covet.adapter.postgresql").new
  return function(given, more)
    local db = new(given == nil and {} or given, nil, more)
    return db
  end
end

--- An adapter for MySQL or MariaDB: `covet.mysql{ host = }`,
-- `covet.mysql("mysql://host/db", { option = })`.
function later.mysql()
  if not core.has "mysql" then
    return left_out("MySQL", "libmariadb")()
  end
  require "covet.setup"
  local new = require("covet.adapter.mysql").new
  return function(given, more)
    local db = new(given == nil and {} or given, nil, more)
    return db
  end
end

--- Pools: `covet.pool.new`, `.config`, `.presets`, `.manager`.
function later.pool()
  require "covet.setup"
  return require "covet.pool"
end

--- The pools that a file describes: `covet.pools "pools.lua"`.
function later.pools()
  require "covet.setup"
  return require("covet.pool.file").load
end

--- An adapter of a URL, connected.
function later.connect()
  require "covet.setup"
  return require("covet.connect").connect
end

return setmetatable(covet, {
  __names = later, -- for completion
  __index = function(_, name)
    local load = later[name]
    if not load then
      return nil
    end
    local value = load()
    covet[name] = value
    return value
  end,
})
