--- What a SQLite database says about itself.
-- @module covet.adapter.sqlite.introspection

local about = require "covet.adapter.about"

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local SCHEMA = { { "schema", "string", "main", "An attached database." } }

-- The name and the schema that a call is about.
local function table_of(name, given)
  return about.table(SCHEMA, name, given)
end

-- Whatever rows the caller asks for: these are read here.
local function plain(session)
  return session:with_options { rows = "named", types = {} }
end

--- Whether a table or view of that name exists.
function methods:table_exists(name, given)
  local schema
  name, schema = table_of(name, given)
  return plain(self):fetch_value(("select 1 from %s.sqlite_schema where "
    .. "type in ('table', 'view') and name = ? collate nocase"):format(
    self:quote_identifier(schema)), name) ~= nil
end

--- The columns of a table: the keys of PRAGMA table_info (cid, name, type,
-- notnull, dflt_value, pk) and name, type, nullable, default, primary_key,
-- position.
function methods:get_table_info(name, given)
  local rows = plain(self):fetch_all(
    "select cid, name, type, \"notnull\", dflt_value, pk "
      .. "from pragma_table_xinfo(?, ?) where hidden <> 1 order by cid",
    table_of(name, given))
  for _, row in ipairs(rows) do
    row.nullable = row.notnull == 0 and row.pk == 0
    row.default = row.dflt_value
    row.primary_key = row.pk > 0
    row.position = row.cid + 1
  end
  return rows
end

--- The names of the tables (not of views), in order.
function methods:get_table_list(given)
  return (plain(self):fetch_column(("select name from %s.sqlite_schema where "
    .. "type = 'table' and name not like 'sqlite\\_%%' escape '\\' "
    .. "order by name"):format(self:quote_identifier(about.schema(SCHEMA, given)))))
end

--- The names of the databases on a connection: main and what is attached.
function methods:get_database_list()
  return (plain(self):fetch_column "select name from pragma_database_list order by seq")
end

--- "SQLite 3.40.1".
function methods:get_version()
  return "SQLite " .. plain(self):fetch_value "select sqlite_version()"
end

--- The indexes of a table: name, unique, primary_key, partial, columns (an
-- expression is "": SQLite does not tell it).
function methods:get_indexes(name, given)
  local schema
  name, schema = table_of(name, given)
  local rows = plain(self):fetch_all("select name, \"unique\", origin, partial "
    .. "from pragma_index_list(?, ?) order by name", name, schema)
  for _, row in ipairs(rows) do
    row.unique, row.partial = row.unique == 1, row.partial == 1
    row.primary_key = row.origin == "pk"
    row.columns = plain(self):fetch_column(
      "select coalesce(name, '') from pragma_index_info(?, ?) order by seqno",
      row.name, schema)
  end
  return rows
end

--- The foreign keys of a table: columns, table, foreign_columns, on_update,
-- on_delete.
function methods:get_foreign_keys(name, given)
  local keys, by_id = {}, {}
  for _, row in ipairs(plain(self):fetch_all("select id, \"table\", \"from\", \"to\", "
    .. "on_update, on_delete from pragma_foreign_key_list(?, ?) "
    .. "order by id, seq", table_of(name, given))) do
    local key = by_id[row.id]
    if not key then
      key = { table = row.table, columns = {}, foreign_columns = {},
        on_update = row.on_update, on_delete = row.on_delete }
      by_id[row.id], keys[#keys + 1] = key, key
    end
    key.columns[#key.columns + 1] = row.from
    key.foreign_columns[#key.foreign_columns + 1] = row.to
  end
  return keys
end

local function status(name, operation)
  return { Table = name, Op = operation, Msg_type = "status", Msg_text = "OK" }
end

--- Rebuild the file without gaps (VACUUM covers all tables), and PRAGMA
-- optimize.
function methods:optimize_table(name)
  name = table_of(name)
  self:execute "vacuum"
  self:execute "pragma optimize"
  return status(name, "optimize")
end

--- Gather statistics for the planner.
function methods:analyze_table(name)
  name = table_of(name)
  self:execute("analyze " .. self:quote_identifier(name))
  return status(name, "analyze")
end

return M
