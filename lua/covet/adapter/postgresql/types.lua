--- What types of a PostgreSQL server are made of, as far as parameters ask for
-- it.
--
-- A *type* is a table: `oid`, `name` (as `format_type` writes it), `form` and, by
-- form, `element` (a type: of arrays, multiranges the range, ranges the bound,
-- domains the base), `delimiter` (arrays), `attributes` (composites: a list of
-- `{ name =, type = }`), `moment` (date, time, timetz, timestamp, timestamptz).
-- Forms of values that are made of no others: boolean, int2, int4, int8, oid,
-- float, numeric, bytea, json, text, moment, hstore, other. `binary` tells that the
-- driver writes whatever the type takes in binary.
-- @module covet.adapter.postgresql.types

local core = require "covet.core"
local decode = require "covet.decode"
local waits = require "covet.wait"

local M = {}

--- What a type is but for the domains over it.
-- @tparam table kind
-- @treturn table
function M.base_of(kind)
  while kind.form == "domain" do
    kind = kind.element
  end
  return kind
end

-- The types that were asked for and all that they are made of, a row each; of
-- composites one for each attribute. What multiranges are made of stands in a
-- column that servers before 14 have not.
local QUERY = [[
with recursive needed(oid) as (
  select unnest($1::oid[])
  union
  select part.oid
  from needed join pg_catalog.pg_type t on t.oid = needed.oid
  cross join lateral (
    select t.typelem as oid where t.typinput = 'array_in'::regproc
    union all
    select t.typbasetype where t.typtype = 'd'
    union all
    select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid
    union all
    select r.rngtypid from pg_catalog.pg_range r
    where t.typtype = 'm' and (to_jsonb(r)->>'rngmultitypid')::oid = t.oid
    union all
    select a.atttypid from pg_catalog.pg_attribute a
    where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0
      and not a.attisdropped) part
)
select t.oid::int8 as oid, format_type(t.oid, null) as name,
  case when t.typinput = 'array_in'::regproc then 'array'
    when t.typtype = 'd' then 'domain' when t.typtype = 'c' then 'composite'
    when t.typtype = 'r' then 'range' when t.typtype = 'm' then 'multirange'
    when t.typtype = 'b' and t.typname = 'hstore' then 'hstore'
    else 'other' end as form,
  t.typdelim::text as delimiter,
  case when t.typinput = 'array_in'::regproc then t.typelem
    when t.typtype = 'd' then t.typbasetype
    when t.typtype = 'r' then (select r.rngsubtype
      from pg_catalog.pg_range r where r.rngtypid = t.oid)
    when t.typtype = 'm' then (select r.rngtypid from pg_catalog.pg_range r
      where (to_jsonb(r)->>'rngmultitypid')::oid = t.oid)
    end::int8 as element,
  a.attname::text as attribute, a.atttypid::int8 as attribute_type
from needed join pg_catalog.pg_type t on t.oid = needed.oid
left join pg_catalog.pg_attribute a on t.typtype = 'c'
  and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
order by t.oid, a.attnum]]

local MOMENTS = { date = true, time = true, timetz = true, timestamp = true,
  timestamptz = true }

-- What the driver knows without asking a server, by id: the same for all. It is
-- asked for once.
local builtins

local function load_builtins(session)
  if builtins then
    return
  end
  local _, ok, _, batch = waits.call(session, nil, nil, core.call,
    session.adapter.handle, 0, core.flags.ROWS, nil, 0, "builtin_types")
  if not ok then
    session:fail(batch)
  end
  local loaded = {}
  for _, row in ipairs((decode.rows(batch))) do
    if MOMENTS[row.form] then
      row.form, row.moment = "moment", row.form
    end
    row.element_oid = row.element_oid ~= 0 and row.element_oid or nil
    loaded[row.oid] = row
  end
  builtins = loaded
end

-- A copy: adapters add what they know of it.
local function built_in(oid)
  local known = builtins[oid]
  if not known then
    return nil
  end
  local type = {}
  for key, value in pairs(known) do
    type[key] = value
  end
  return type
end

local UNKNOWN = { name = "unknown", form = "other" }

local function add_codec(adapter, type)
  type.codec = adapter.codecs.encoders[type.oid]
  type.codec_tag = adapter.codecs.tags[type.oid]
end

-- Of the cache, or built in.
local function known(adapter, oid)
  local type = adapter.types[oid] or built_in(oid)
  if type and not adapter.types[oid] then
    adapter.types[oid] = type
    add_codec(adapter, type)
    type.element = type.element_oid and known(adapter, type.element_oid)
  end
  return type
end

-- The rows of the query as types, not joined to each other yet.
local function read_rows(rows)
  local found = {}
  for _, row in ipairs(rows) do
    local type = found[row.oid]
    if not type then
      type = built_in(row.oid) or { oid = row.oid, name = row.name, form = row.form,
        delimiter = row.delimiter, element_oid = row.element,
        attributes = row.form == "composite" and {} or nil }
      found[row.oid] = type
    end
    if row.attribute then
      table.insert(type.attributes,
        { name = row.attribute, oid = row.attribute_type })
    end
  end
  return found
end

local function join(adapter, found)
  for oid, type in pairs(found) do
    adapter.types[oid] = type
    add_codec(adapter, type)
  end
  for _, type in pairs(found) do
    type.element = type.element_oid
      and (known(adapter, type.element_oid) or UNKNOWN) or nil
    for _, attribute in ipairs(type.attributes or {}) do
      attribute.type = known(adapter, attribute.oid) or UNKNOWN
    end
  end
end

-- A query of covet's own on the session, not told as one of the caller's.
local function ask(session, ...)
  local inner = session:with_options { rows = "named", types = {} }
  inner.is_inner = true
  return inner:fetch_all(...)
end

M.ask = ask

--- Types by their ids. Those that are not known are asked for in one query.
-- @tparam table session
-- @tparam table oids a list
-- @treturn table a list of types
function M.find(session, oids)
  local adapter, missing, list = session.adapter, {}, {}
  load_builtins(session)
  for _, oid in ipairs(oids) do
    if not known(adapter, oid) then
      missing[#missing + 1] = ("%d"):format(oid)
    end
  end
  if missing[1] then
    join(adapter, read_rows(ask(session, QUERY,
      "{" .. table.concat(missing, ",") .. "}")))
  end
  for i, oid in ipairs(oids) do
    list[i] = known(adapter, oid) or UNKNOWN
  end
  return list
end

local OWNERS = [[
select t.oid::int8 as oid, -1 as position from pg_catalog.pg_type t
where t.oid = $1::oid or t.typtype = 'd' and t.typbasetype = $1::oid
union all
select t.oid::int8, -1 from pg_catalog.pg_type t
where t.typelem = $1::oid and t.typinput = 'array_in'::regproc
union all
select r.rngtypid::int8, -1 from pg_catalog.pg_range r
where r.rngsubtype = $1::oid
union all
select t.oid::int8, (select count(*) from pg_catalog.pg_attribute b
  where b.attrelid = a.attrelid and b.attnum > 0 and b.attnum < a.attnum
    and not b.attisdropped)::int4
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.typrelid = a.attrelid and t.typtype = 'c'
where a.atttypid = $1::oid and a.attnum > 0 and not a.attisdropped]]

local function find_oid(session, name)
  return ask(session, "select to_regtype($1)::oid::int8 as oid", name)[1].oid
end

--- Whether there is a type of that name.
-- @tparam table session
-- @tparam string name
-- @treturn boolean
function M.exists(session, name)
  return find_oid(session, name) ~= nil
end

--- Where values of a type occur.
-- @tparam table session
-- @tparam string name
-- @treturn number|nil its id; nil when there is none such
-- @treturn table|nil of `{ oid =, position = }`: a type that is it or is made of
-- it; `position` counts attributes from 0, -1 for all there are
function M.owners(session, name)
  local oid = find_oid(session, name)
  if not oid then
    return nil
  end
  return oid, ask(session, OWNERS, ("%d"):format(oid))
end

return M
