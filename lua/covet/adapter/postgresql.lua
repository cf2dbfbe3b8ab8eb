--- PostgreSQL.
-- @module covet.adapter.postgresql

local adapter = require "covet.adapter"
local call = require "covet.call"
local caller = require "covet.caller"
local codec = require "covet.adapter.postgresql.codec"
local copy = require "covet.adapter.postgresql.copy"
local decode = require "covet.decode"
local introspection = require "covet.adapter.postgresql.introspection"
local listen = require "covet.adapter.postgresql.listen"
local lock = require "covet.adapter.postgresql.lock"
local options = require "covet.options"
local parameters = require "covet.adapter.postgresql.parameters"
local password = require "covet.adapter.password"
local pipeline = require "covet.adapter.postgresql.pipeline"
local records = require "covet.adapter.postgresql.records"
local urls = require "covet.adapter.url"

local M = {}

local SSL_MODES = { "disable", "allow", "prefer", "require", "verify-ca",
  "verify-full" }
local SESSION_ATTRIBUTES = { "any", "read-write", "read-only", "primary",
  "standby", "prefer-standby" }

local function is_switch(names)
  local check = options.one_of(names, " or false")
  return function(value)
    if value == true then
      return nil, "must be one of " .. table.concat(names, ", ") .. " or false"
    end
    return check(value)
  end
end

local function is_poll(value)
  return value == "auto" or value == false or type(value) == "number"
    and value % 1 == 0, 'must be "auto", false or microseconds'
end

local OPTIONS = {
  { "host", "string", nil, "Name or address, or the folder of a Unix socket." },
  { "port", "integer", nil, "5432 by default." },
  { "database", "string", nil, "By default that of the user's name." },
  { "user", "string", nil, "By default that of the system's user." },
  { "password", "string|function", nil, "A function is called for each connection "
    .. "that is to be opened, and again when the server refuses its password; it "
    .. "may wait." },
  { "hosts", "table", nil, "Instead of host and port: { \"a:5432\", \"b\" }, tried "
    .. "in this order." },
  { "target_session_attrs", "string", nil, "Of several hosts, which: any, "
    .. "read-write, read-only, primary, standby or prefer-standby.",
    check = options.one_of(SESSION_ATTRIBUTES) },
  { "ssl", "string|table", nil, "disable, allow, prefer (the default), require, "
    .. "verify-ca or verify-full; or a table of it and files.",
    check = options.one_of(SSL_MODES), fields = {
      { "mode", "string", nil, "verify-full when there is a ca, else require.",
        check = options.one_of(SSL_MODES) },
      { "ca", "string", nil, "File of the certificates that are trusted." },
      { "cert", "string", nil, "File of the client's certificate." },
      { "key", "string", nil, "File of its key." },
      { "crl", "string", nil, "File of certificates that were revoked." },
    } },
  { "application_name", "string", nil, "What pg_stat_activity shows; covet by "
    .. "default." },
  { "server_settings", "table", nil, "Settings of each session: { search_path = "
    .. "\"app\" }." },
  { "pipeline", "string|boolean", nil, "How reads of different tasks share a "
    .. "busy connection: group (the default), each or false.",
    check = is_switch { "group", "each" } },
  { "pipeline_depth", "integer", nil, "At most so many on one; 16 by default." },
  { "pgbouncer", "boolean", nil, "The server is PgBouncer in transaction mode: "
    .. "nothing outlives a transaction." },
  { "busy_poll", "string|boolean|integer", nil, "Spin for an answer that is "
    .. "near: auto (the default), false, or microseconds.", check = is_poll },
  { "passfile", "string", nil, "File of passwords; ~/.pgpass by default." },
  { "service", "string", nil, "A service of the service file." },
  { "channel_binding", "string", nil, "disable, prefer or require." },
  { "gssencmode", "string", nil, "disable (the default), prefer or require." },
  { "conninfo", "table", nil, "Other keywords of libpq's: { keepalives_idle = "
    .. "30 }." },
}

-- What the driver reads as it is.
local PASSED = {
  "host", "port", "database", "user", "password", "hosts",
  "target_session_attrs", "ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_crl",
  "application_name", "server_settings", "pipeline", "pipeline_depth",
  "pgbouncer", "busy_poll", "passfile", "service", "channel_binding",
  "gssencmode", "statement_cache_size", "max_cached_statement_lifetime",
  "max_cacheable_statement_size",
}

local IS_PASSED = {}
for _, name in ipairs(PASSED) do
  IS_PASSED[name] = true
end

for _, option in ipairs(adapter.OPTIONS) do
  OPTIONS[#OPTIONS + 1] = option
end

--- The options: a list for covet.options.
M.OPTIONS = OPTIONS

-- --- The adapter ---------------------------------------------------------------------

local PostgreSQL = {}

for _, part in ipairs { introspection, copy, listen, lock, pipeline, codec } do
  for name, method in pairs(part.methods) do
    PostgreSQL[name] = method
  end
end

--- The text that begins a transaction.
function PostgreSQL:begin_text(given)
  local words = { "BEGIN" }
  if given.mode then
    caller.usage "mode is for SQLite; PostgreSQL has isolation"
  elseif given.deferrable and not given.read_only then
    caller.usage "deferrable is for transactions that are read_only"
  end
  if given.isolation then
    words[#words + 1] = "ISOLATION LEVEL " .. given.isolation
  end
  if given.read_only ~= nil then
    words[#words + 1] = given.read_only and "READ ONLY" or "READ WRITE"
  end
  if given.deferrable then
    words[#words + 1] = "DEFERRABLE"
  end
  return table.concat(words, " ")
end

local base = adapter.methods

function PostgreSQL:disconnect(timeout)
  listen.stop(self.adapter)
  return base.disconnect(self, timeout)
end

PostgreSQL.close = PostgreSQL.disconnect

function PostgreSQL:drain(given)
  listen.stop(self.adapter)
  return base.drain(self, given)
end

local class = adapter.class("postgresql", PostgreSQL)
class.database = "postgresql"

-- --- Options -----------------------------------------------------------------------------

local function text_of(value)
  return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

-- Lines "name=value".
local function settings_text(settings)
  local lines = {}
  for name, value in pairs(settings) do
    if type(name) ~= "string" or not name:match "^[%w_.]+$" then
      caller.usage("server_settings: %q is no name of a setting", tostring(name))
    end
    lines[#lines + 1] = name .. "="
      .. text_of(value):gsub("[\\\n]", { ["\\"] = "\\\\", ["\n"] = "\\n" })
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function hosts_text(hosts)
  for i = 1, #hosts do
    if type(hosts[i]) ~= "string" or hosts[i]:find(",", 1, true) then
      caller.usage("hosts: expected a list such as { \"a:5432\", \"b\" }")
    end
  end
  if #hosts == 0 then
    caller.usage "hosts: a list of at least one host"
  end
  return table.concat(hosts, ",")
end

local function spread_ssl(passed, ssl)
  passed.ssl = ssl.mode or (ssl.ca and "verify-full" or "require")
  for _, name in ipairs { "ca", "cert", "key", "crl" } do
    passed["ssl_" .. name] = ssl[name]
  end
end

-- The options as the driver takes them. What is not given is libpq's or the
-- driver's to choose: defaults of this page do not stand in the way of PG*
-- variables, service files and URLs.
local function to_driver(checked, given)
  local passed, names = {}, { unpack(PASSED) }
  for _, name in ipairs(PASSED) do
    if given[name] ~= nil then
      passed[name] = checked[name]
    end
  end
  passed.hosts = passed.hosts and hosts_text(passed.hosts)
  passed.server_settings = passed.server_settings
    and settings_text(passed.server_settings)
  if type(passed.ssl) == "table" then
    spread_ssl(passed, passed.ssl)
  end
  if type(passed.password) == "function" then
    passed.password = nil
  end
  for name, value in pairs(checked.conninfo or {}) do
    passed[name] = text_of(value)
    names[#names + 1] = not IS_PASSED[name] and name or nil
  end
  for name, value in pairs(passed) do
    if type(value) == "string" and value:find("\0", 1, true) then
      caller.usage("option %q holds a NUL byte", name)
    end
  end
  for name in pairs(adapter.OWN_OPTIONS) do
    passed[name] = checked[name]
  end
  return passed, names
end

-- What the adapter is called where it has no name: never with a password.
local function name_of(checked, url)
  if url then
    return urls.without_password(url)
  end
  local hosts = checked.hosts and table.concat(checked.hosts, ",")
    or checked.host and checked.host .. (checked.port and ":" .. checked.port
      or "") or ""
  return "postgresql://" .. (checked.user and checked.user .. "@" or "")
    .. hosts .. (checked.database and "/" .. checked.database or "")
end

-- `covet.postgresql(url, options)` and `covet.postgresql(options)`.
local function arrange(given, url, more)
  if type(given) == "string" then
    if more ~= nil and type(more) ~= "table" then
      caller.usage("covet.postgresql(url, options): options must be a table, "
        .. "not %s", type(more))
    end
    return more or {}, given
  elseif more ~= nil then
    caller.usage "covet.postgresql takes a URL and options, or options alone"
  elseif type(given) ~= "table" then
    caller.usage("covet.postgresql takes a table of options or a URL, not %s",
      type(given))
  end
  return given, url
end

-- What is not to be shown with the other options.
local function hide_secrets(checked)
  local shown = {}
  for name, value in pairs(checked.conninfo or {}) do
    shown[name] = not name:find "password" and value or nil
  end
  checked.password, checked.conninfo = nil, checked.conninfo and shown
end

local function complete(self, checked, url)
  self.options, self.types = checked, {}
  self.codecs, self.encodes_all = codec.new(), false
  self.encoder, self.find_numbers = parameters.encoder, parameters.find_numbers
  self.copy_records = records.copy_records
  self.insert_returns, self.cursor_text = true, "BEGIN READ ONLY"
  self.lanes = { [true] = 0, [false] = 0 }
  self.defaults = call.resolve({}, { types = decode.plan({}, 2, self.codecs) })
  self.name = checked.name or name_of(checked, url)
  if type(checked.password) == "function" then
    password.set_function(self, checked.password, checked.connect_timeout)
  end
  hide_secrets(checked)
  return self
end

--- Make an adapter.
-- @tparam string|table given a URL, or options
-- @tparam[opt] string url besides options
-- @tparam[opt] table more options besides a URL that is given
-- @treturn table
function M.new(given, url, more)
  given, url = arrange(given, url, more)
  if url then
    urls.check_database(url, "postgresql")
    url, given = urls.take_options(url, given, adapter.OWN_OPTIONS)
  end
  local checked = options.check(OPTIONS, given, "covet.postgresql", caller.LEVEL)
  if checked.hosts and (checked.host or checked.port) then
    caller.usage "hosts stands instead of host and port"
  elseif checked.pgbouncer and next(checked.server_settings or {}) then
    caller.usage("PgBouncer takes no server_settings: set them for the role or "
      .. "the database (ALTER ROLE ... SET), or in transactions (SET LOCAL)")
  end
  local passed, names = to_driver(checked, given)
  local self = adapter.new(class, url or "postgresql://", passed, names, given)
  return complete(self, checked, url)
end

return M
