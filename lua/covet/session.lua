--- The calls that adapters, leased connections and transactions share.
--
-- A *session* is anything that runs statements. Its fields:
--
-- - `adapter`: the root, which holds `handle`, `dialect`, `statements`
-- - `lease`: 0, or the connection that is used
-- - `defaults`: the resolved options of its calls (`with_options`)
-- - `inside`: flags of each call (a transaction's)
-- - `is_inner`: its calls are part of another one, and not told
-- - `is_probe`: nor are their errors, which are answers
--
-- and its method `enter(writes)` answers the session on which a call runs, or
-- raises: calls on an adapter join the transaction of the task.
--
-- The calls stand in the modules of `session/`, by what they do; here is what
-- belongs to all of them.
-- @module covet.session

local call = require "covet.call"
local caller = require "covet.caller"
local commands = require "covet.session.commands"
local errors = require "covet.error"
local fetch = require "covet.session.fetch"
local leases = require "covet.adapter.leases"
local loan = require "covet.loan"
local options = require "covet.options"
local sql = require "covet.sql"
local streams = require "covet.session.streams"

local M = {}

local methods = {}

--- The methods, by name: each class of sessions takes them over.
M.methods = methods

for _, part in ipairs { commands, fetch, streams } do
  for name, method in pairs(part) do
    methods[name] = method
  end
end

-- --- Views --------------------------------------------------------------------------------

--- The same session with other options of its calls.
-- @tparam table given timeout, rows, types, read_only, chunk_size
function methods:with_options(given)
  local checked = options.check(call.OPTIONS, given, "with_options",
    caller.LEVEL)
  return M.view(self, call.resolve(checked, self.defaults))
end

local function caught(fine, ...)
  if fine then
    return ...
  end
  local err = ...
  if not errors.is_error(err) then
    error(err, 0)
  end
  return nil, err
end

local Try = {}

-- A view of a view: it answers errors too.
local function try_with_options(view, given)
  local made, err = caught(pcall(methods.with_options, view[Try], given))
  return made and M.try(made), err
end

function Try.__index(view, name)
  local target = view[Try]
  local method = target[name]
  if type(method) ~= "function" then
    return method
  elseif method == methods.with_options then
    return try_with_options
  end
  return function(_, ...)
    return caught(pcall(method, target, ...))
  end
end

--- A view whose methods answer `nil, err` in place of raising, where `err` is an
-- error object; what is none is raised all the same.
-- @tparam table session
-- @treturn table
function M.try(session)
  return setmetatable({ [Try] = session }, Try)
end

-- --- What depends on the database ----------------------------------------------------------

-- What only some databases have, and which.
local ELSEWHERE = {
  backup = "SQLite", create_function = "SQLite", open_blob = "SQLite",
  listen = "PostgreSQL", unlisten = "PostgreSQL", notify = "PostgreSQL",
  copy_from_query = "PostgreSQL", copy_to_table = "PostgreSQL",
  copy_from_table = "PostgreSQL", with_advisory_lock = "PostgreSQL",
  pipeline = "PostgreSQL", set_type_codec = "PostgreSQL",
  reload_types = "PostgreSQL", fetch_sets = "MySQL",
}

-- The class of the adapter knows how; leases and transactions ask it. Where it has
-- nothing of its own it has this.
local function delegator(name)
  local function delegate(self, ...)
    local method = getmetatable(self.adapter).__index[name]
    if method ~= delegate then
      return method(self, ...)
    end
    self:fail { kind = "unsupported", retry = "no",
      message = ("%s is for %s, not for %s"):format(name, ELSEWHERE[name],
        self.adapter.database) }
  end
  return delegate
end

for _, name in ipairs {
  "table_exists", "get_table_info", "get_table_list", "get_database_list",
  "get_version", "get_indexes", "get_foreign_keys", "optimize_table",
  "analyze_table",
} do
  methods[name] = delegator(name)
end

for name in pairs(ELSEWHERE) do
  methods[name] = delegator(name)
end

-- --- What is the adapter's -------------------------------------------------------------------

-- Leases and transactions have it too, for code that is handed any of the three.
for _, name in ipairs { "on", "get_pool_stats", "acquire" } do
  methods[name] = function(self, ...)
    local adapter = self.adapter
    return adapter[name](adapter, ...)
  end
end

--- Give a leased connection back.
function methods:release(held)
  return self.adapter:release(held)
end

--- Run `fn` on a connection: on this one, where it is leased already.
-- @tparam[opt] table given
-- @tparam function fn
-- @return what `fn` returned
function methods:with(given, fn)
  local _, run = loan.arguments(given, fn)
  return run(self:enter())
end

-- --- Errors ---------------------------------------------------------------------------------

-- MySQL's number for mistakes in the SQL.
local MYSQL_SYNTAX = 1064

-- A server's word for several statements where one is allowed is one for mistakes
-- in the SQL; PostgreSQL's has no place in it.
local function explain_script(fields, parsed)
  if parsed and (parsed.statements or 1) > 1
    and (fields.sqlstate == "42601" and not fields.position
      or fields.code == MYSQL_SYNTAX) then
    fields.kind = "usage"
    fields.message = "several statements in one text are for execute, without "
      .. "parameters"
  end
end

--- Raise what the core reported; a mistake of usage with the caller's place.
-- @tparam table fields
-- @tparam[opt] table parsed what it is about: `text`, the SQL; where another one
-- was sent, `place(position)`: the byte of the text for one of that
-- @tparam[opt] number|boolean started of `covet.events.begin`
function methods:fail(fields, parsed, started)
  local adapter = self.adapter
  explain_script(fields, parsed)
  leases.explain_refusal(adapter, fields)
  fields.sql = fields.sql or parsed and parsed.text
  fields.parameters = parsed and parsed.count
  if fields.position and parsed and parsed.place then
    fields.position = parsed.place(fields.position)
  end
  fields.database = adapter.database
  if fields.kind == "usage" or fields.kind == "pool_exhausted"
    or fields.phase == "queue" then
    fields.where = fields.where or caller.where()
  end
  if fields.phase == "queue" then
    leases.explain(adapter, fields)
  end
  local err = errors.with_traceback(errors.new(fields))
  if self.is_probe then
    error(err, 0)
  end
  if adapter.listeners.count > 0 then
    adapter:note_error(err, parsed, started)
  end
  if self.note_failure then
    self:note_failure(err)
  end
  error(err, 0)
end

--- Quote an identifier for this database.
function methods:quote_identifier(name)
  return sql.quote_identifier(name, self.adapter.dialect)
end

--- Quote a value as a literal for this database.
function methods:quote_literal(value)
  return sql.quote_literal(value, self.adapter.dialect)
end

--- Make a class of sessions: its methods are those given and all of these.
-- @tparam string name
-- @tparam table own
-- @treturn table metatable
function M.class(name, own)
  for method_name, method in pairs(methods) do
    if own[method_name] == nil then
      own[method_name] = method
    end
  end
  return { __name = name, __index = own }
end

--- The same session with other defaults of its calls. What is the `origin`'s alone,
-- its hold on the connection, is not the view's.
-- @tparam table session
-- @tparam table defaults resolved options
-- @treturn table
function M.view(session, defaults)
  local view = {}
  for key, value in pairs(session) do
    view[key] = value
  end
  view.hold = nil
  view.origin, view.defaults = session.origin or session, defaults
  return M.new(view, getmetatable(session))
end

--- Complete a new session.
-- @tparam table session its fields
-- @tparam table class of `M.class`
-- @treturn table
function M.new(session, class)
  session.try = M.try(session)
  return setmetatable(session, class)
end

return M
