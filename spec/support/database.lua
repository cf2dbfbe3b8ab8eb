--- The databases that the contract of spec/db runs against.
--
-- A *database* here is what the specs need to know of one: how to open an
-- adapter on an empty place, how it spells parameters and types. A server
-- that is missing is left out of `M.list` with its reason in `M.missing`.
-- @module spec.support.database
local covet = require "covet"
local tmp = require "spec.support.tmp"

local M = {}

local Database = {}
Database.__index = Database

--- SQL with `?` in the spelling of this database.
-- @tparam string text no question marks but those of parameters
-- @treturn string
function Database:sql(text)
  if self.placeholder ~= "$" then
    return text
  end
  local n = 0
  return (text:gsub("%?", function()
    n = n + 1
    return "$" .. n
  end))
end

--- SQL that answers its parameter as column `v`.
-- @tparam string kind a key of `types`
-- @treturn string
function Database:echo(kind)
  if self.placeholder == "?" then
    return "select ? as v"
  end
  return self:sql("select cast(? as " .. self.types[kind] .. ") as v")
end

--- An adapter on an empty database of its own.
-- @tparam[opt] table given options
-- @treturn table
function Database:open(given)
  local options = {}
  for key, value in pairs(given or {}) do
    options[key] = value
  end
  return self.connect(options):connect()
end

local SQLITE = {
  dialect = "sqlite", placeholder = "?",
  serial = "integer primary key", returning = "",
  types = {
    integer = "integer", float = "real", text = "text", bytes = "blob",
    boolean = "boolean", json = "json", numeric = "numeric",
  },
  -- a statement that runs for many seconds if nobody stops it
  slow = "with recursive n(i) as (select 1 union all select i + 1 from n) "
    .. "select count(*) as n from n",
  -- one column i with the numbers from 1 to `n`, n being its parameter
  series = "with recursive n(i) as (select 1 union all select i + 1 from n "
    .. "where i < ?) select i from n",
  -- rows 1, 2, then an error in the database
  late_error = "select case when i < 2500 then i else json(i || ':') end as i "
    .. "from (with recursive n(i) as (select 1 union all select i + 1 from n "
    .. "where i < 5000) select i from n)",
}

local function sqlite(name, connect)
  local database = setmetatable({ name = name, connect = connect }, Database)
  for key, value in pairs(SQLITE) do
    database[key] = value
  end
  return database
end

--- The databases there are: a list.
M.list = {
  sqlite("SQLite in memory", function(options)
    options.path = ":memory:"
    return covet.sqlite(options)
  end),
  sqlite("SQLite in a file", function(options)
    options.path = tmp.path()
    return covet.sqlite(options)
  end),
}

--- Those that are not there: name -> reason.
M.missing = {}

--- Describe something for each database. `body(database, open)` makes the
-- tests; `open()` answers the adapter of the running test, which is opened on
-- an empty database before it and disconnected after it.
-- @tparam string subject
-- @tparam function body
-- @tparam[opt] table options of the adapter
function M.contract(subject, body, options)
  local busted = getfenv(body) -- busted's functions are known to specs only
  for _, database in ipairs(M.list) do
    busted.describe(subject .. " on " .. database.name, function()
      local db
      busted.before_each(function()
        db = database:open(options)
      end)
      busted.after_each(function()
        local last = db
        db = nil
        last:disconnect(2)
      end)
      body(database, function()
        return db
      end)
    end)
  end
end

return M
