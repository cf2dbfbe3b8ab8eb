--- Adapters by URL.
-- @module covet.connect

local caller = require "covet.caller"
local errors = require "covet.error"

local M = {}

local SCHEMES = {
  sqlite = "covet.adapter.sqlite", postgresql = "covet.adapter.postgresql",
  postgres = "covet.adapter.postgresql", mysql = "covet.adapter.mysql",
  mariadb = "covet.adapter.mysql",
}

local NAMES = {
  ["covet.adapter.postgresql"] = "PostgreSQL (libpq)",
  ["covet.adapter.mysql"] = "MySQL (libmariadb)",
}

--- Make an adapter of a URL and connect it.
-- @tparam string url
-- @tparam[opt] table given options; they win over the URL's
-- @treturn table
function M.connect(url, given)
  local scheme = type(url) == "string" and url:match "^(%a[%w+]*):"
  local module = scheme and SCHEMES[scheme:lower()]
  if not scheme then
    caller.usage "covet.connect takes a URL, such as sqlite:app.db"
  elseif not module then
    caller.usage("covet.connect: there is no database %q; there are sqlite, "
      .. "postgresql and mysql", scheme)
  end
  local found, adapter = pcall(require, module)
  if not found then
    if NAMES[module] then
      errors.raise({ kind = "unsupported", retry = "no", message =
        ("the driver for %s is not in this build of covet"):format(
          NAMES[module]) }, caller.level())
    end
    error(adapter, 0)
  end
  local db = adapter.new(given or {}, url)
  return db:connect()
end

return M
