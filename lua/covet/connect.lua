--- Adapters by URL.
-- @module covet.connect

local caller = require "covet.caller"
local core = require "covet.core"
local errors = require "covet.error"

local M = {}

local SCHEMES = {
  sqlite = "covet.adapter.sqlite", postgresql = "covet.adapter.postgresql",
  postgres = "covet.adapter.postgresql", mysql = "covet.adapter.mysql",
  mariadb = "covet.adapter.mysql",
}

local NAMES = {
  sqlite = "SQLite", postgresql = "PostgreSQL (libpq)",
  mysql = "MySQL (libmariadb)",
}

local function load_module(module)
  local database = module:match "[^.]+$"
  if not core.has(database) then
    errors.raise({ kind = "unsupported", retry = "no", message =
      ("the driver for %s is not in this build of covet"):format(
        NAMES[database]) }, caller.LEVEL)
  end
  return require(module)
end

--- The module of adapters for a database.
-- @tparam string scheme of its URLs
-- @tparam string what for messages
-- @treturn table
function M.module(scheme, what)
  local module = SCHEMES[scheme:lower()]
  if not module then
    caller.usage("%s: there is no database %q; there are sqlite, postgresql "
      .. "and mysql", what, scheme)
  end
  return load_module(module)
end

--- The module of adapters for a URL.
-- @tparam string url
-- @tparam string what for messages
-- @treturn table
function M.module_of(url, what)
  local scheme = type(url) == "string" and url:match "^(%a[%w+]*):"
  if not scheme then
    caller.usage("%s takes a URL, such as sqlite:app.db", what)
  end
  return M.module(scheme, what)
end

--- Make an adapter of a URL and connect it.
-- @tparam string url
-- @tparam[opt] table given options; they win over the URL's
-- @treturn table
function M.connect(url, given)
  if given ~= nil and type(given) ~= "table" then
    caller.usage("covet.connect(url, options): options must be a table, not %s",
      type(given))
  end
  local db = M.module_of(url, "covet.connect").new(given or {}, url)
  return db:connect()
end

return M
