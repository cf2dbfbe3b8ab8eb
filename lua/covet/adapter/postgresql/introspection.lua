--- What a PostgreSQL database says about itself.
-- @module covet.adapter.postgresql.introspection

local about = require "covet.adapter.about"

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local SCHEMA = { { "schema", "string", nil, "Where the table is; by default it "
  .. "is looked for along the search path." } }

-- The name and the schema that a call is about.
local function table_of(name, given)
  return about.table(SCHEMA, name, given)
end

-- Whatever rows the caller asks for: these are read here.
local function plain(session)
  return session:with_options { rows = "named", types = {} }
end

-- The table $1 of schema $2, c and its schema n.
local FROM_TABLE = [[
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = $1 and case when $2::text is null
  then pg_table_is_visible(c.oid) else n.nspname = $2 end
  and c.relkind in ('r', 'p', 'v', 'm', 'f')]]

local ID_OF_TABLE = "(select c.oid " .. FROM_TABLE .. ")"

-- In all of these `given` is a schema's name or `{ schema = }`, and both may stand in
-- one table, `{ name, schema = }`; without it the table is looked for along the search
-- path. A table that does not exist has no columns, indexes and keys.

--- Whether a table or view of that name exists.
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn boolean
function methods:table_exists(name, given)
  return plain(self):fetch_value("select 1 " .. FROM_TABLE, table_of(name, given)) ~= nil
end

-- As information_schema.columns has them, which shows only what one may use.
local COLUMNS = [[
select a.attname::text as column_name, a.attnum::int4 as ordinal_position,
  pg_get_expr(d.adbin, d.adrelid) as column_default,
  case when a.attnotnull or t.typtype = 'd' and t.typnotnull then 'NO'
    else 'YES' end as is_nullable,
  case when b.typelem <> 0 and b.typlen = -1 then 'ARRAY'
    when s.nspname = 'pg_catalog' then format_type(b.oid, null)
    else 'USER-DEFINED' end as data_type,
  information_schema._pg_char_max_length(i.id, i.modifier)::int4
    as character_maximum_length,
  information_schema._pg_numeric_precision(i.id, i.modifier)::int4
    as numeric_precision,
  information_schema._pg_numeric_scale(i.id, i.modifier)::int4
    as numeric_scale,
  information_schema._pg_datetime_precision(i.id, i.modifier)::int4
    as datetime_precision,
  b.typname::text as udt_name,
  case when a.attidentity <> '' then 'YES' else 'NO' end as is_identity,
  case when a.attgenerated <> '' then 'ALWAYS' else 'NEVER' end as is_generated,
  format_type(a.atttypid, a.atttypmod) as type,
  exists (select 1 from pg_catalog.pg_index x where x.indrelid = a.attrelid
    and x.indisprimary and a.attnum =
      any((x.indkey::int2[])[0:x.indnkeyatts - 1])) as primary_key
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
join pg_catalog.pg_type b
  on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
join pg_catalog.pg_namespace s on s.oid = b.typnamespace
left join pg_catalog.pg_attrdef d
  on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (select
  information_schema._pg_truetypid(a.*, t.*) as id,
  information_schema._pg_truetypmod(a.*, t.*) as modifier) i
where a.attrelid = ]] .. ID_OF_TABLE .. [[
 and a.attnum > 0 and not a.attisdropped
order by a.attnum]]

--- The columns of a table: column_name, data_type, is_nullable ("YES", "NO"),
-- column_default, character_maximum_length, numeric_precision, numeric_scale,
-- datetime_precision, ordinal_position, udt_name, is_identity, is_generated as
-- the information schema has them, and name, type (as in a CREATE TABLE),
-- nullable, default, primary_key (booleans but for default, an expression),
-- position (from 1).
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn {table,...} in their order
function methods:get_table_info(name, given)
  local rows = plain(self):fetch_all(COLUMNS, table_of(name, given))
  for i, row in ipairs(rows) do
    row.name, row.default = row.column_name, row.column_default
    row.nullable, row.position = row.is_nullable == "YES", i
  end
  return rows
end

--- The names of the tables (not of views), in order: of a schema, by default the
-- current one.
-- @tparam[opt] string|table given
-- @treturn {string,...}
function methods:get_table_list(given)
  return (plain(self):fetch_column([[
    select c.relname::text from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f')
      and n.nspname = coalesce($1::text, current_schema())
    order by 1]], about.schema(SCHEMA, given)))
end

--- The names of the server's databases, in order, without its templates.
-- @treturn {string,...}
function methods:get_database_list()
  return (plain(self):fetch_column [[
    select datname::text from pg_catalog.pg_database
    where datallowconn and not datistemplate order by 1]])
end

--- "PostgreSQL 15.8 on x86_64-pc-linux-gnu...".
-- @treturn string
function methods:get_version()
  return plain(self):fetch_value "select version()"
end

local INDEXES = [[
select i.relname::text as name, x.indisunique as "unique",
  x.indisprimary as primary_key, x.indpred is not null as partial,
  coalesce(a.attname::text, pg_get_indexdef(x.indexrelid, k, true))
    as column_name
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid
cross join lateral generate_series(1, x.indnkeyatts) k
left join pg_catalog.pg_attribute a
  on a.attrelid = x.indrelid and a.attnum = x.indkey[k - 1] and a.attnum <> 0
where x.indrelid = ]] .. ID_OF_TABLE .. [[

order by i.relname, k]]

--- The indexes of a table: name, unique, primary_key, partial (booleans), columns
-- (a list of names, or of expressions as the server writes them).
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn {table,...} by name
function methods:get_indexes(name, given)
  local list, by_name = {}, {}
  for _, row in ipairs(plain(self):fetch_all(INDEXES, table_of(name, given))) do
    local index = by_name[row.name]
    if not index then
      index = row
      index.columns = {}
      by_name[row.name], list[#list + 1] = index, index
    end
    index.columns[#index.columns + 1] = row.column_name
    row.column_name = nil
  end
  return list
end

local FOREIGN_KEYS = [[
select k.conname::text as name, f.relname::text as "table",
  m.nspname::text as schema, a.attname::text as column_name,
  b.attname::text as foreign_column, k.confupdtype::text as on_update,
  k.confdeltype::text as on_delete
from pg_catalog.pg_constraint k
join pg_catalog.pg_class f on f.oid = k.confrelid
join pg_catalog.pg_namespace m on m.oid = f.relnamespace
cross join lateral generate_series(1, array_length(k.conkey, 1)) i
join pg_catalog.pg_attribute a
  on a.attrelid = k.conrelid and a.attnum = k.conkey[i]
join pg_catalog.pg_attribute b
  on b.attrelid = k.confrelid and b.attnum = k.confkey[i]
where k.contype = 'f' and k.conrelid = ]] .. ID_OF_TABLE .. [[

order by k.conname, k.oid, i]]

local ACTIONS = { a = "NO ACTION", r = "RESTRICT", c = "CASCADE", n = "SET NULL",
  d = "SET DEFAULT" }

--- The foreign keys of a table: name, columns (a list of names), table, schema (of
-- that table), foreign_columns, on_update, on_delete ("CASCADE", "NO ACTION"...).
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn {table,...} by name
function methods:get_foreign_keys(name, given)
  local keys, by_name = {}, {}
  for _, row in ipairs(plain(self):fetch_all(FOREIGN_KEYS, table_of(name, given))) do
    local key = by_name[row.name]
    if not key then
      key = { name = row.name, table = row.table, schema = row.schema,
        columns = {}, foreign_columns = {}, on_update = ACTIONS[row.on_update],
        on_delete = ACTIONS[row.on_delete] }
      by_name[row.name], keys[#keys + 1] = key, key
    end
    table.insert(key.columns, row.column_name)
    table.insert(key.foreign_columns, row.foreign_column)
  end
  return keys
end

local function run_on_table(self, text, operation, name, given)
  local schema
  name, schema = table_of(name, given)
  self:execute(text .. self:quote_identifier(schema and { schema, name }
    or name))
  return { Table = name, Op = operation, Msg_type = "status", Msg_text = "OK" }
end

--- Give the room of dead rows free and gather statistics (VACUUM ANALYZE); not
-- in a transaction.
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn table Table, Op, Msg_type, Msg_text
-- @raise undefined_table
function methods:optimize_table(name, given)
  return run_on_table(self, "vacuum (analyze) ", "optimize", name, given)
end

--- Gather statistics for the planner.
-- @tparam string name
-- @tparam[opt] string|table given
-- @treturn table Table, Op, Msg_type, Msg_text
-- @raise undefined_table
function methods:analyze_table(name, given)
  return run_on_table(self, "analyze ", "analyze", name, given)
end

return M
