--- Described statements: `db:prepare(sql)`.
--
-- `parameters` has an entry for each parameter (`name` where it has one, `type`
-- where the database tells), `columns` one for each column of the result (`name`,
-- `type`).
-- Statements are prepared and kept by themselves on every connection; this
-- object saves nothing but tells more.
-- @module covet.statement

local call = require "covet.call"
local core = require "covet.core"
local events = require "covet.events"
local waits = require "covet.wait"

local Statement = {}
local class = { __name = "covet.statement", __index = Statement }

local M = {}

local OPTION = { params = true, cursor = true }
for _, option in ipairs(call.OPTIONS) do
  OPTION[option[1]] = true
end

-- Whether the only argument of a call is `{ values..., option = }`: a plain table
-- with the name of an option. Without values it is one itself, to a statement that
-- takes some.
local function is_table_form(self, first, ...)
  if type(first) ~= "table" or getmetatable(first) ~= nil
    or select("#", ...) > 0
    or self.count > 0 and first[1] == nil and first.params == nil then
    return false
  end
  for key in pairs(first) do
    if OPTION[key] then
      return true
    end
  end
  return false
end

-- fetch_one(...) of a statement is fetch_one(sql, ...) of its session.
for _, name in ipairs {
  "execute", "fetch_all", "fetch_one", "fetch_value", "fetch_column",
  "fetch_columns", "fetch_sets", "execute_insert", "execute_many", "each",
  "stream_query",
} do
  Statement[name] = function(self, ...)
    local session = self.session
    if not is_table_form(self, ...) then
      return session[name](session, self.sql, ...)
    end
    local given = { self.sql }
    for key, value in pairs((...)) do
      given[type(key) == "number" and key + 1 or key] = value
    end
    return session[name](session, given)
  end
end

--- Nothing is held: for symmetry with other libraries.
function Statement.close() end

--- Ask the database about a statement.
-- @tparam table session
-- @tparam table parsed
-- @tparam[opt] number|boolean started when the call began that this is a part of
-- @treturn table `parameters` (how many), `parameter_types`, `columns` (each
-- with `type`, `type_id`, `kind`), `read_only`
function M.describe(session, parsed, started)
  local adapter, own = session.adapter, started == nil and events.begin(session)
  started = started or own
  local _, ok, _, description = waits.call(session, parsed, started, core.query,
    adapter.handle, session.lease, bit.bor(core.flags.DESCRIBE, session.inside),
    session.defaults.timeout or adapter.query_timeout, 0, parsed.text)
  if not ok then
    session:fail(description, parsed, started)
  elseif own then
    adapter:note_query(parsed, own)
  end
  return description
end

--- Describe a statement.
-- @tparam table owner the session whose calls run it
-- @tparam table session what `owner:enter` answers
-- @tparam string text
-- @treturn table
function M.prepare(owner, session, text)
  local parsed = call.parse(session.adapter, text)
  local description = M.describe(session, parsed)
  local parameters = {}
  -- where a :name that stands twice is sent twice it is one parameter all the same
  local count = parsed.order and parsed.count or description.parameters
  for i = 1, count do
    local known = description.parameter_types[i]
    parameters[i] = { name = parsed.names and parsed.names[i],
      type = known and known.type, type_id = known and known.type_id }
  end
  return setmetatable({
    session = owner, sql = text, parameters = parameters,
    count = count, columns = description.columns,
    read_only = description.read_only,
  }, class)
end

return M
