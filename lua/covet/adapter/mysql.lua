--- MySQL and MariaDB.
-- @module covet.adapter.mysql

local adapter = require "covet.adapter"
local call = require "covet.call"
local caller = require "covet.caller"
local introspection = require "covet.adapter.mysql.introspection"
local options = require "covet.options"
local parameters = require "covet.adapter.mysql.parameters"
local password = require "covet.adapter.password"
local sets = require "covet.adapter.mysql.sets"
local urls = require "covet.adapter.url"

local M = {}

local SSL_MODES = { "disable", "require", "verify-ca", "verify-full" }

local function one_of(names, rest)
  return function(value)
    if type(value) ~= "string" then
      return true
    end
    for _, name in ipairs(names) do
      if name == value then
        return true
      end
    end
    local nearest = options.nearest(value, names)
    return nil, "must be one of " .. table.concat(names, ", ") .. (rest or "")
      .. (nearest and (" (did you mean %q?)"):format(nearest) or "")
  end
end

local function is_poll(value)
  return value == "auto" or value == false or type(value) == "number"
    and value % 1 == 0, 'must be "auto", false or microseconds'
end

local OPTIONS = {
  { "host", "string", nil, "Name or address; localhost by default, by TCP." },
  { "port", "integer", nil, "3306 by default." },
  { "database", "string", nil, "None by default." },
  { "user", "string", nil, "By default that of the system's user." },
  { "password", "string|function", nil, "A function is called for each connection "
    .. "that is to be opened, and again when the server refuses its password; it "
    .. "may wait." },
  { "unix_socket", "string", nil, "The server's socket, instead of host and "
    .. "port." },
  { "charset", "string", nil, "utf8mb4 by default." },
  { "connect_timeout", "seconds", nil, "10 by default: for each connection." },
  { "autocommit", "boolean", nil, "true by default. With false, statements on a "
    .. "leased connection begin a transaction, which is to be committed." },
  { "ssl", "string|boolean|table", nil, "disable (the default), require, "
    .. "verify-ca or verify-full; or a table of files.",
    check = one_of(SSL_MODES), fields = {
      { "mode", "string", nil, "One of these; verify-full when there is a ca, "
        .. "else require.", check = one_of(SSL_MODES) },
      { "ca", "string", nil, "File of the certificates that are trusted." },
      { "cert", "string", nil, "File of the client's certificate." },
      { "key", "string", nil, "File of its key." },
      { "crl", "string", nil, "File of certificates that were revoked; only where "
        .. "they are checked." },
      { "cipher", "string", nil, "The ciphers that are allowed." },
      { "verify", "boolean", nil, "Whether the server's certificate and name are "
        .. "checked: true when there is a ca." },
    } },
  { "init_command", "string", nil, "Statements for each new session." },
  { "time_zone", "string", nil, "Of sessions; +00:00 by default." },
  { "local_infile", "boolean", nil, "Allow LOAD DATA LOCAL to read the file that "
    .. "it names; off by default." },
  { "zero_dates", "string", nil, "0000-00-00 as string (the default), null or "
    .. "error.", check = one_of { "string", "null", "error" } },
  { "found_rows", "boolean", nil, "UPDATE counts the rows that it finds (the "
    .. "default), not those that it changes." },
  { "bulk", "string|boolean", nil, "How lists of rows are sent: auto (the "
    .. "default: MariaDB's bulk protocol, or rewrite), rewrite (INSERTs of several "
    .. "rows) or false (one by one).", check = one_of({ "auto", "rewrite" },
    " or false") },
  { "pipeline", "boolean", nil, "Reads of different tasks share a busy connection, "
    .. "outside of TLS; true by default." },
  { "pipeline_depth", "integer", nil, "At most so many on one; 8 by default." },
  { "busy_poll", "string|boolean|integer", nil, "Spin for an answer that is "
    .. "near: auto (the default), false, or microseconds.", check = is_poll },
  { "thread_per_connection", "boolean", nil, "Calls that block, in a thread of "
    .. "each connection, instead of those that do not." },
}

-- What the driver reads as it is.
local PASSED = {
  "host", "port", "database", "user", "password", "unix_socket", "charset",
  "connect_timeout", "autocommit", "ssl", "ssl_ca", "ssl_cert", "ssl_key",
  "ssl_crl", "ssl_cipher", "ssl_verify", "init_command", "time_zone",
  "local_infile", "zero_dates", "found_rows", "bulk", "pipeline",
  "pipeline_depth", "busy_poll",
  "thread_per_connection", "statement_cache_size",
  "max_cached_statement_lifetime", "max_cacheable_statement_size",
}

-- Those of the pool may be declared by the same name.
local own = {}
for _, option in ipairs(OPTIONS) do
  own[option[1]] = true
end
for _, option in ipairs(adapter.OPTIONS) do
  if not own[option[1]] then
    OPTIONS[#OPTIONS + 1] = option
  end
end

--- The options: a list for covet.options.
M.OPTIONS = OPTIONS

-- --- The adapter ---------------------------------------------------------------------

local MySQL = {}

for _, part in ipairs { introspection, sets } do
  for name, method in pairs(part.methods) do
    MySQL[name] = method
  end
end

--- The text that begins a transaction.
function MySQL:begin_text(given)
  if given.mode then
    caller.usage "mode is for SQLite; MySQL has isolation"
  elseif given.deferrable then
    caller.usage "deferrable is for PostgreSQL"
  end
  local text = "START TRANSACTION"
  if given.read_only ~= nil then
    text = text .. (given.read_only and " READ ONLY" or " READ WRITE")
  end
  if given.isolation then
    text = "SET TRANSACTION ISOLATION LEVEL " .. given.isolation .. "; " .. text
  end
  return text
end

local class = adapter.class("mysql", MySQL)
class.database = "mysql"

-- --- Options -----------------------------------------------------------------------------

local function spread_ssl(passed, ssl)
  passed.ssl = ssl.mode or true
  for _, name in ipairs { "ca", "cert", "key", "crl", "cipher", "verify" } do
    passed["ssl_" .. name] = ssl[name]
  end
end

-- The options as the driver takes them: what is not given is the driver's to
-- choose, so that defaults do not stand in the way of URLs.
local function to_driver(checked, given)
  local passed = {}
  for _, name in ipairs(PASSED) do
    if given[name] ~= nil then
      passed[name] = checked[name]
    end
  end
  if type(passed.ssl) == "table" then
    spread_ssl(passed, passed.ssl)
  end
  if type(passed.password) == "function" then
    passed.password = nil
  end
  for name, value in pairs(passed) do
    if type(value) == "string" and value:find("\0", 1, true) then
      caller.usage("option %q holds a NUL byte", name)
    end
  end
  for name in pairs(adapter.OWN_OPTIONS) do
    passed[name] = checked[name]
  end
  return passed
end

-- What the adapter is called where it has no name: never with a password.
local function name_of(checked, url)
  if url then
    return urls.without_password(url)
  end
  return "mysql://" .. (checked.user and checked.user .. "@" or "")
    .. (checked.host or "localhost")
    .. (checked.port and ":" .. checked.port or "")
    .. (checked.database and "/" .. checked.database or "")
end

-- `covet.mysql(url, options)` and `covet.mysql(options)`.
local function arrange(given, url, more)
  if type(given) == "string" then
    if more ~= nil and type(more) ~= "table" then
      caller.usage("covet.mysql(url, options): options must be a table, not %s",
        type(more))
    end
    return more or {}, given
  elseif more ~= nil then
    caller.usage "covet.mysql takes a URL and options, or options alone"
  elseif type(given) ~= "table" then
    caller.usage("covet.mysql takes a table of options or a URL, not %s",
      type(given))
  end
  return given, url
end

--- Make an adapter.
-- @tparam string|table given a URL, or options
-- @tparam[opt] string url besides options
-- @tparam[opt] table more options besides a URL that is given
-- @treturn table
function M.new(given, url, more)
  given, url = arrange(given, url, more)
  if url then
    urls.check_database(url, "mysql")
    url, given = urls.take_options(url, given, adapter.OWN_OPTIONS)
  end
  local checked = options.check(OPTIONS, given, "covet.mysql", caller.LEVEL)
  if checked.unix_socket and (checked.host or checked.port) then
    caller.usage "unix_socket stands instead of host and port"
  end
  local self = adapter.new(class, url or "mysql://", to_driver(checked, given),
    PASSED, given)
  self.options, self.encoder = checked, parameters.encoder
  self.retried_kinds = { lock_timeout = true }
  self.may_return = true
  self.lanes = { [true] = 0, [false] = 0 }
  self.defaults = call.resolve({}, {})
  self.name = checked.name or name_of(checked, url)
  if type(checked.password) == "function" then
    password.set_function(self, checked.password, checked.connect_timeout)
  end
  checked.password = nil -- not to be shown with the other options
  return self
end

return M
