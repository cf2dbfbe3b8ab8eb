--- Records into a table, by COPY.
-- @module covet.adapter.postgresql.records

local bulk = require "covet.bulk"
local copy = require "covet.adapter.postgresql.copy"
local core = require "covet.core"
local parameters = require "covet.adapter.postgresql.parameters"
local sql = require "covet.sql"
local statement = require "covet.statement"
local tagged = require "covet.tagged"
local texts = require "covet.adapter.postgresql.copy_text"

local MANY = core.flags.MANY

local M = {}

-- The columns of the records, and the ids of their types.
local function describe(load)
  local tx = load.session
  local names = {}
  for i, name in ipairs(load.names) do
    names[i] = sql.quote_identifier(name, "postgresql")
  end
  local place = sql.quote_identifier(load.schema and { load.schema, load.name }
    or load.name, "postgresql")
  local inner = tx:with_options { timeout = load.deadline:given() }
  inner.is_inner = true
  return statement.describe(inner, { text = ("SELECT %s FROM %s LIMIT 0"):format(
    table.concat(names, ", "), place) }, load.started).columns
end

-- Whether the driver writes values of a type in binary; what a codec writes is so
-- or not.
local function is_binary(kind)
  if kind.codec_tag then
    return kind.codec_tag == tagged.BYTES
  end
  return kind.binary == true
end

-- The ids of the columns' types as text, and the format.
local function plan_of(columns, kinds)
  local oids, format = {}, "binary"
  for i, column in ipairs(columns) do
    oids[i] = ("%d"):format(column.type_id)
    format = is_binary(kinds[i]) and format or "text"
  end
  return table.concat(oids, ","), format
end

local function submit(load, rows, n)
  return core.call_list(load.session.adapter.handle, load.session.lease, MANY,
    load.deadline:left(), 0, "copy_rows", rows, n, load.parsed.count)
end

--- Copy records into a table: see covet.bulk.
-- @tparam table load its `session` is a transaction
-- @treturn number rows
function M.copy_records(load)
  local tx = load.session
  local columns = describe(load)
  local kinds = parameters.kinds(tx, columns) -- once COPY runs nothing can be asked
  local oids, format = plan_of(columns, kinds)
  load.parsed = { count = #load.names, columns = load.names,
    has_codec = parameters.have_codec(kinds),
    text = texts.into(load.name, { schema = load.schema, columns = load.names,
      format = format }) }
  load.numbers, load.submit = parameters.places_of_numbers(kinds), submit
  local function types_of()
    return kinds
  end
  function load.encode(index, value)
    return parameters.encode(types_of, index, value, tx.adapter.encodes_all)
  end
  return copy.send(tx, { text = load.parsed.text, started = load.started }, format,
    oids, load.deadline, function()
      bulk.pump(load)
    end)
end

return M
