--- Options that stand in the URL of an adapter.
-- @module covet.adapter.url

local caller = require "covet.caller"

local M = {}

local BOOLEANS = {
  ["true"] = true, on = true, yes = true, ["1"] = true,
  ["false"] = false, off = false, no = false, ["0"] = false,
}

-- A value as it stands in a URL, as its type; nil if it is none.
local READ = {
  seconds = tonumber,
  boolean = function(text)
    return BOOLEANS[text:lower()]
  end,
  string = function(text)
    return (text:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end))
  end,
}

--- The URL without options that are read in Lua, and these beside those given.
-- @tparam string url
-- @tparam table given options; they win over the URL's
-- @tparam table own names of Lua's options and their types: seconds, boolean or
-- string
-- @treturn string
-- @treturn table
function M.take_options(url, given, own)
  local head, query = url:match "^([^?#]*)%?(.*)$"
  if not query then
    return url, given
  end
  local all, rest = {}, {}
  for part in query:gmatch "[^&]+" do
    local name, text = part:match "^([^=]*)=(.*)$"
    local kind = name and own[name]
    if not kind then
      rest[#rest + 1] = part
    else
      all[name] = READ[kind](text)
      if all[name] == nil then
        caller.usage("the URL: option %q must be of type %s", name, kind)
      end
    end
  end
  for name, value in pairs(given) do
    all[name] = value
  end
  return head .. (rest[1] and "?" .. table.concat(rest, "&") or ""), all
end

-- A scheme of URLs, and the function that takes them.
local DATABASES = {
  sqlite = "sqlite", postgresql = "postgresql", postgres = "postgresql",
  mysql = "mysql", mariadb = "mysql",
}

--- Raise for a URL of another database.
-- @tparam string url or a path
-- @tparam string database the one that is wanted
function M.check_database(url, database)
  local start = url:lower()
  local found = DATABASES[start:match "^(%a+)://" or start:match "^(sqlite):"]
  if found and found ~= database then
    caller.usage("covet.%s takes no URL of %s: covet.%s and covet.connect do",
      database, found, found)
  end
end

--- A URL to be shown: without its options, and without a password, which ends with
-- the last @ before the path.
-- @tparam string url
-- @treturn string
function M.without_password(url)
  local scheme, authority, path = url:gsub("?.*$", ""):match "^(%w+://)([^/]*)(.*)$"
  local user, hosts = (authority or ""):match "^([^:]*).*@(.*)$"
  if user then
    return scheme .. user .. "@" .. hosts .. path
  end
  return scheme and scheme .. authority .. path or ""
end

return M
