--- What a MySQL database says about itself.
-- @module covet.adapter.mysql.introspection

local about = require "covet.adapter.about"
local errors = require "covet.error"

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local SCHEMA = { { "schema", "string", nil, "The database where the table is; by "
  .. "default the session's own." } }

-- The name and the schema that a call is about.
local function table_of(name, given)
  return about.table(SCHEMA, name, given)
end

-- Whatever rows the caller asks for: these are read here.
local function plain(session)
  return session:with_options { rows = "named", types = {} }
end

-- Whether an error says something of the table: there is none, or not for this user.
local function is_about_table(err)
  return errors.is_error(err) and (err.code or 0) > 0 and not errors.is(err,
    "connection_lost", "interrupted", "timeout", "cancelled", "lock_timeout",
    "deadlock")
end

local function answer(fine, row)
  if not fine and not is_about_table(row) then
    error(row, 0)
  end
  return fine and row or nil
end

-- How the table of that name was made if it is a temporary one, which hides any
-- other of its name and which only SHOW knows; nil if it is none.
local function temporary(self, name, schema)
  local session = self:enter "SHOW"
  if session.lease == 0 or name == "" or name:find "%z" then
    return nil -- nothing stays on a connection that is anybody's
  end
  session = session:with_options { rows = "array", types = {} }
  session.is_inner, session.is_probe = true, true
  local row = answer(pcall(session.fetch_one, session, "show create table "
    .. self:quote_identifier(schema and { schema, name } or name)))
  local text = row and row[2]
  return text and text:find "^CREATE TEMPORARY" and text or nil
end

-- In all of these `given` is a database's name or `{ schema = }`, and both may stand in
-- one table, `{ name, schema = }`; without it it is the session's.

--- Whether a table or view of that name exists.
function methods:table_exists(name, given)
  local schema
  name, schema = table_of(name, given)
  return plain(self):fetch_value([[select 1 from information_schema.tables
    where table_name = ? and table_schema = coalesce(?, database())]],
    name, schema) ~= nil or temporary(self, name, schema) ~= nil
end

-- What SHOW FULL COLUMNS does not tell: defaults as SQL, in which 'a' is not a, and
-- the places of columns, some of which this user may not see.
local COLUMNS = [[
select table_schema as `schema`, table_name as `table`, column_name as name,
  column_default as `default`, ordinal_position as position
from information_schema.columns
where table_name = ? and table_schema = coalesce(?, database())]]

-- A row of SHOW FULL COLUMNS, with the neutral keys.
local function complete(row, default, position)
  row.name, row.type, row.position = row.Field, row.Type, position
  row.default = row.Default ~= nil and default or nil
  row.nullable, row.primary_key = row.Null == "YES", row.Key == "PRI"
  return row
end

-- The columns of a temporary table. A default that is a literal is quoted where its
-- definition has it so.
local function temporary_columns(self, definition, name, schema)
  local rows = plain(self):fetch_all("show full columns from "
    .. self:quote_identifier(schema and { schema, name } or name))
  for i, row in ipairs(rows) do
    local literal = row.Default and self:quote_literal(row.Default)
    local is_literal = literal
      and definition:find(" DEFAULT " .. literal, 1, true)
    complete(row, is_literal and literal or row.Default, i)
  end
  return rows
end

--- The columns of a table: Field, Type, Collation, Null ("YES", "NO"), Key ("PRI",
-- "UNI", "MUL", ""), Default, Extra, Privileges, Comment as SHOW FULL COLUMNS has
-- them, and name, type, nullable, default (as SQL), primary_key, position.
function methods:get_table_info(name, given)
  local schema
  name, schema = table_of(name, given)
  local definition = temporary(self, name, schema)
  if definition then
    return temporary_columns(self, definition, name, schema)
  end
  local session, by_name = plain(self), {}
  local known = session:fetch_all(COLUMNS, name, schema)
  if not known[1] then
    return known
  end
  for _, column in ipairs(known) do
    by_name[column.name] = column
  end
  local rows = session:fetch_all("show full columns from "
    .. self:quote_identifier { known[1].schema, known[1].table })
  for _, row in ipairs(rows) do
    local column = by_name[row.Field] or {}
    complete(row, column.default, column.position)
  end
  return rows
end

--- The names of the tables (not of views, but for information_schema's) of a database,
-- in order.
-- @tparam[opt] string|table given the database, or `{ schema = }`
function methods:get_table_list(given)
  return (plain(self):fetch_column([[
    select table_name from information_schema.tables
    where table_schema = coalesce(?, database())
      and table_type in ('BASE TABLE', 'SYSTEM VERSIONED', 'SYSTEM VIEW')
    order by 1]], about.schema(SCHEMA, given)))
end

--- The names of the server's databases that this user may see.
function methods:get_database_list()
  return (plain(self):fetch_column [[
    select schema_name from information_schema.schemata order by 1]])
end

--- "10.11.6-MariaDB".
function methods:get_version()
  return plain(self):fetch_value "select version()"
end

-- Rows with a `column_name` each, as one for each `name` with `columns`.
local function gather(rows)
  local list, by_name = {}, {}
  for _, row in ipairs(rows) do
    local one = by_name[row.name]
    if not one then
      one = row
      one.columns = {}
      by_name[row.name], list[#list + 1] = one, one
    end
    one.columns[#one.columns + 1] = row.column_name or ""
    if row.foreign_column then
      one.foreign_columns = one.foreign_columns or {}
      table.insert(one.foreign_columns, row.foreign_column)
    end
    row.column_name, row.foreign_column = nil, nil
  end
  return list
end

--- The indexes of a table: name, unique, primary_key, type ("BTREE", "FULLTEXT"...),
-- columns (an expression is "").
function methods:get_indexes(name, given)
  local list = gather(plain(self):fetch_all([[
    select index_name as name, non_unique, index_type as type, column_name
    from information_schema.statistics
    where table_name = ? and table_schema = coalesce(?, database())
    order by index_name, seq_in_index]], table_of(name, given)))
  for _, index in ipairs(list) do
    index.unique, index.non_unique = index.non_unique == 0, nil
    index.primary_key = index.name == "PRIMARY"
  end
  return list
end

--- The foreign keys of a table: name, columns, table, schema (of that table),
-- foreign_columns, on_update, on_delete.
function methods:get_foreign_keys(name, given)
  return gather(plain(self):fetch_all([[
    select k.constraint_name as name, k.referenced_table_name as `table`,
      k.referenced_table_schema as `schema`, k.column_name,
      k.referenced_column_name as foreign_column,
      r.update_rule as on_update, r.delete_rule as on_delete
    from information_schema.key_column_usage k
    join information_schema.referential_constraints r
      on r.constraint_schema = k.constraint_schema
      and r.constraint_name = k.constraint_name
      and r.table_name = k.table_name
    where k.table_name = ? and k.table_schema = coalesce(?, database())
      and k.referenced_table_name is not null
    order by k.constraint_name, k.ordinal_position]], table_of(name, given)))
end

-- The last of the rows that the server answers tells the outcome, those before it
-- say more.
local function run_on_table(self, verb, name, given)
  local schema
  name, schema = table_of(name, given)
  local rows = plain(self):fetch_all(verb .. " TABLE "
    .. self:quote_identifier(schema and { schema, name } or name))
  local last = rows[#rows]
  if last.Msg_type == "Error" or rows[1].Msg_type == "Error" then
    self:fail { kind = "undefined_table", retry = "no", table = name,
      message = rows[1].Msg_text }
  end
  local notes = {}
  for i = 1, #rows - 1 do
    notes[i] = rows[i].Msg_text
  end
  last.notes = notes[1] and notes or nil
  return last
end

--- Rebuild a table without gaps, and gather statistics.
-- @treturn table Table, Op, Msg_type, Msg_text of the server's last word, and
-- `notes`, a list of what it said before
function methods:optimize_table(name, given)
  return run_on_table(self, "OPTIMIZE", name, given)
end

--- Gather statistics for the planner; answers as `optimize_table`.
function methods:analyze_table(name, given)
  return run_on_table(self, "ANALYZE", name, given)
end

return M
