--- SQLite.
-- @module covet.adapter.sqlite

local adapter = require "covet.adapter"
local call = require "covet.call"
local caller = require "covet.caller"
local core = require "covet.core"
local errors = require "covet.error"
local introspection = require "covet.adapter.sqlite.introspection"
local options = require "covet.options"
local urls = require "covet.adapter.url"
local special = require "covet.adapter.sqlite.special"

local M = {}

local OPTIONS = {
  { "path", "string", ":memory:", "The file, or :memory:." },
  { "readers", "integer", 4, "Connections that read, besides the one that "
    .. "writes." },
  { "journal_mode", "string", "wal", "wal, delete, truncate, persist, memory "
    .. "or off." },
  { "synchronous", "string", "normal", "off, normal, full or extra." },
  { "foreign_keys", "boolean", true, "Whether foreign keys are enforced." },
  { "busy_timeout", "seconds", 5, "How long to wait for the lock of another "
    .. "process." },
  { "pragmas", "table", nil, "Pragmas for every connection: { name = value } "
    .. "or a list of statements." },
  { "read_only", "boolean", false, "Open the file for reading only." },
  { "group_commit", "boolean", false, "Small writes of different tasks share "
    .. "one commit." },
}

-- What the driver reads; the rest is Lua's.
local PASSED = {
  "path", "readers", "journal_mode", "synchronous", "foreign_keys",
  "busy_timeout", "pragmas", "read_only", "group_commit",
  "statement_cache_size", "max_cached_statement_lifetime",
  "max_cacheable_statement_size",
}

for _, option in ipairs(adapter.OPTIONS) do
  OPTIONS[#OPTIONS + 1] = option
end

--- The options: a list for covet.options.
M.OPTIONS = OPTIONS

-- The lanes of the driver.
local WRITER, READERS = 0, 1

local SQLite = {}

for _, part in ipairs { introspection, special } do
  for name, method in pairs(part.methods) do
    SQLite[name] = method
  end
end

local MODES = { immediate = true, deferred = true, exclusive = true }

--- The text that begins a transaction.
-- SQLite's transactions are serializable whatever is asked for, and one that
-- only reads sees one state of the database: it always is what `deferrable`
-- makes others wait for.
function SQLite:begin_text(given)
  local mode = given.mode and given.mode:lower()
  if mode and not MODES[mode] then
    caller.usage("mode cannot be %q: immediate, deferred or exclusive",
      given.mode)
  end
  if given.deferrable and not given.read_only then
    caller.usage "deferrable is for transactions that are read_only"
  end
  if not mode then
    mode = (given.read_only or self.adapter.options.read_only) and "deferred"
      or "immediate"
  end
  return "BEGIN " .. mode:upper()
end

local class = adapter.class("sqlite", SQLite)
class.database = "sqlite"

-- { foreign_keys = 1 } and { "PRAGMA ..." } as one text: first what has a name,
-- then the statements in their order.
local function pragma_text(pragmas)
  local list = {}
  for name, value in pairs(pragmas) do
    local named = type(name) == "string"
    if named and not name:match "^[%w_.]+$" then
      caller.usage("pragmas: %q is no name of a pragma", name)
    elseif named and type(value) == "boolean" then
      list[#list + 1] = ("PRAGMA %s = %d"):format(name, value and 1 or 0)
    elseif named then
      list[#list + 1] = ("PRAGMA %s = %s"):format(name, tostring(value))
    end
  end
  table.sort(list)
  for _, statement in ipairs(pragmas) do
    list[#list + 1] = tostring(statement)
  end
  return table.concat(list, "; ")
end

local function is_memory(path)
  return path == "" or path:match "^:memory:" or path:match "mode=memory"
end

-- The options of `covet.sqlite(path, options)`.
local function with_path(path, more)
  local given = { path = path }
  if more ~= nil and type(more) ~= "table" then
    caller.usage("covet.sqlite(path, options): options must be a table, not %s",
      type(more))
  end
  for name, value in pairs(more or {}) do
    if name == "path" then
      caller.usage "covet.sqlite: the path is given twice"
    end
    given[name] = value
  end
  return given
end

--- Make an adapter.
-- @tparam string|table given a path, or options
-- @tparam[opt] string url instead of a path
-- @tparam[opt] table more options besides a path
-- @treturn table
function M.new(given, url, more)
  if type(given) == "string" then
    given = with_path(given, more)
  elseif more ~= nil then
    caller.usage "covet.sqlite takes a path and options, or options alone"
  elseif type(given) ~= "table" then
    caller.usage("covet.sqlite takes a path or a table of options, not %s",
      type(given))
  end
  local written = url
  if url then
    url, given = urls.take_options(url, given, adapter.OWN_OPTIONS)
  end
  local checked = options.check(OPTIONS, given, "covet.sqlite", caller.LEVEL)
  if url then
    checked.path = given.path
  end
  urls.check_database(url or checked.path, "sqlite")
  if checked.path and checked.path:find("\0", 1, true) then
    caller.usage "the path holds a NUL byte"
  end
  local passed = {}
  for key, value in pairs(checked) do
    passed[key] = value
  end
  passed.pragmas = checked.pragmas and pragma_text(checked.pragmas)
  if url then
    -- what the URL says is not to be covered by defaults
    for _, name in ipairs(PASSED) do
      if given[name] == nil then
        passed[name] = nil
      end
    end
  end
  local self = adapter.new(class, url or "sqlite:", passed, PASSED, given)
  self.options = checked
  local memory = is_memory(checked.path or url:gsub("^sqlite:", ""))
  self.lanes = { [true] = memory and WRITER or READERS, [false] = WRITER }
  self.only = { [true] = memory, [false] = true }
  self.defaults = call.resolve({}, {})
  self.name = checked.name or written or "sqlite:" .. checked.path
  return self
end

--- The version of the library.
function M.library_version()
  return core.versions.sqlite
end

M.errors = errors

return M
