--- The calls of a session that change something.
-- @module covet.session.commands

local call = require "covet.call"
local caller = require "covet.caller"
local copy = require "covet.bulk.copy"
local core = require "covet.core"
local events = require "covet.events"
local json = require "covet.json"
local many = require "covet.bulk.many"
local runner = require "covet.session.run"
local waits = require "covet.wait"

local bor, select, type = bit.bor, select, type
local begin = events.begin
local proceed, run = runner.proceed, runner.run
local SCRIPT = core.flags.SCRIPT

local methods = {}

-- "INSERT 0 1", "CREATE TABLE": as psql writes it, where the database has no words
-- of its own.
local function make_tag(parsed, affected)
  local verb = parsed.verb or parsed.keyword or ""
  if verb == "INSERT" or verb == "REPLACE" then
    return ("INSERT 0 %d"):format(affected)
  elseif verb == "SELECT" or verb == "VALUES" then
    return ("SELECT %d"):format(affected)
  elseif verb == "UPDATE" or verb == "DELETE" then
    return ("%s %d"):format(verb, affected)
  elseif verb == "CREATE" or verb == "DROP" or verb == "ALTER" then
    return verb .. " " .. (parsed.second or "")
  end
  return verb
end

-- Statements mostly change as many rows as the last time.
local function command_tag(parsed, affected)
  if parsed.tag_rows ~= affected then
    parsed.tag_rows, parsed.tag = affected, make_tag(parsed, affected)
  end
  return parsed.tag
end

-- The binding gives integers beyond 2^53 as digits.
local function exact(value)
  return type(value) == "string" and json.decode(value) or value
end

local function execute(session, text, ...)
  local parsed, _, token, more, batch, affected, id, started, command =
    run(session, 0, session.adapter.command_timeout, text, ...)
  while more do
    more, batch, affected, id, command = proceed(session, parsed, token, started)
  end
  assert(batch == nil)
  return parsed, exact(affected), exact(id), command
end

-- Several statements are meant to be several: errors do not say so.
local function execute_script(session, parsed, given)
  local adapter = session.adapter
  local flags = runner.read_only_flags(session, parsed, given,
    bor(SCRIPT, session.inside))
  local told, started = { text = parsed.text }, begin(session)
  local _, ok, more, fields, affected, id = waits.call(session, told, started,
    core.query, adapter.handle, session.lease, flags,
    given.timeout or adapter.command_timeout, 0, parsed.text)
  assert(not more)
  if not ok then
    session:fail(fields, told, started)
  elseif started then
    adapter:note_query(parsed, started)
  end
  return { affected_rows = exact(affected), last_insert_id = exact(id),
    command = "SCRIPT" }
end

--- Run a statement that gives no rows, or several without parameters.
-- @tparam string|table text SQL, or `{ sql, values..., option = }`
-- @param ... values
-- @treturn table `affected_rows`, `last_insert_id`, `command`
function methods:execute(text, ...)
  local session = self:enter(text)
  if select("#", ...) == 0 then
    local parsed = call.parse(self.adapter, call.text_of(text))
    if parsed.statements > 1 and parsed.count == 0 then
      return execute_script(session, parsed, type(text) == "string"
        and session.defaults
        or select(2, call.read(self.adapter, session.defaults, text)))
    end
  end
  local parsed, affected, id, command = execute(session, text, ...)
  return {
    affected_rows = affected, last_insert_id = id,
    command = command or command_tag(parsed, tonumber(affected)),
  }
end

-- The id as a row, where the database gives it so.
local function insert_returning(session, parsed, text, ...)
  if not parsed.returning then
    session:fail({ kind = "usage", retry = "no", message = "execute_insert "
      .. "answers what the statement returns: it needs RETURNING, such as "
      .. "RETURNING id" }, parsed)
  end
  return session:fetch_value(text, ...)
end

--- Insert and answer the new id: in PostgreSQL, and where MariaDB's statement has
-- that clause, what RETURNING gives first.
-- @tparam string|table text SQL, or `{ sql, values..., option = }`
-- @param ... values
-- @return the id; nil where nothing was inserted
-- @raise usage for what is no INSERT, or has no RETURNING where it needs one
function methods:execute_insert(text, ...)
  local session = self:enter(text)
  local parsed = call.parse(self.adapter, call.text_of(text))
  local verb = parsed.verb or parsed.keyword
  if verb ~= "INSERT" and verb ~= "REPLACE" then
    caller.usage("execute_insert runs INSERT, not %s", verb or "nothing")
  elseif session.adapter.insert_returns
    or session.adapter.may_return and parsed.returning then
    return insert_returning(session, parsed, text, ...)
  end
  local _, _, id = execute(session, text, ...)
  return id
end

--- Run a statement for each list of parameters: all or nothing.
-- @tparam string|table text or `{ text, lists, timeout = }`
-- @tparam table|function lists or an iterator over them
-- @treturn number rows affected
function methods:execute_many(text, lists)
  self, text, lists = call.take_apart(self, text, lists)
  return many.execute_many(self, text, lists)
end

--- Load records into a table: all or nothing.
-- @tparam string|table name or `{ name, records, columns =, ... }`
-- @tparam table|function records arrays, rows, or an iterator of either
-- @tparam[opt] table given `columns`, `schema`, `timeout`
-- @treturn number rows copied
function methods:copy_records_to_table(name, records, given)
  if type(name) == "table" and records == nil then
    given = {}
    for key, value in pairs(name) do
      given[key] = value
    end
    name, records, given[1], given[2] = name[1], name[2], nil, nil
  end
  return copy.copy_records(self, name, records, given)
end

return methods
