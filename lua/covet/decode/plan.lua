--- What database types become in Lua.
-- A plan is the user's `types` table, checked, with its conversions; equal
-- choices share one plan, whose `key` stands for it in caches.
-- @module covet.decode.plan

local datetime = require "covet.types.datetime"
local interval = require "covet.types.interval"
local json = require "covet.json"
local options = require "covet.options"

local concat = table.concat

local M = {}

local function one_of(...)
  return options.one_of { ... }
end

local function is_null(value)
  return value == json.null, "must be covet.null"
end

local MOMENT = one_of("string", "epoch", "table")
local NESTED = one_of("table", "string")

-- What `types` may hold: a declaration for covet.options.
M.TYPES = {
  { "int8", "string", "exact",
    "Integers: exact (a number within 2^53, else int64 cdata), or all of them "
      .. "as number (rounded), cdata or string.",
    check = one_of("exact", "number", "cdata", "string") },
  { "tinyint1", "string", "number", "MySQL's TINYINT(1), which BOOLEAN is: "
    .. "number or boolean.", check = one_of("number", "boolean") },
  { "numeric", "string", "string", "numeric and decimal: string or number.",
    check = one_of("string", "number") },
  { "date", "string", "string", "string, epoch or table.", check = MOMENT },
  { "time", "string", "string", "string, epoch or table.", check = MOMENT },
  { "timestamp", "string", "string", "string, epoch or table.",
    check = MOMENT },
  { "timestamptz", "string", nil, "The same for those with a time zone; as "
    .. "timestamp by default.", check = MOMENT },
  { "interval", "string", "string", "string, epoch (seconds) or table.",
    check = MOMENT },
  { "json", "string", "value", "json: value or string.",
    check = one_of("value", "string") },
  { "array", "string", "table", "Arrays: table or string, the server's text.",
    check = NESTED },
  { "composite", "string", "table", "Composites: the same.", check = NESTED },
  { "range", "string", "table", "Ranges and multiranges: the same.",
    check = NESTED },
  { "hstore", "string", "table", "hstore: the same.", check = NESTED },
  { "null", "any", nil, "What NULL becomes; absent by default.",
    check = is_null },
}

local function json_value(text)
  local valid, value = pcall(json.decode, text)
  if valid then
    return value
  end
  return text
end

local function number_value(text)
  return tonumber(text) or text
end

local function epoch_value(text)
  return datetime.to_epoch(text) or text
end

local function table_value(text)
  return datetime.to_table(text) or text
end

local MOMENTS = { epoch = epoch_value, table = table_value }

local INTERVALS = {
  epoch = function(text) return interval.to_epoch(text) or text end,
  table = function(text) return interval.to_table(text) or text end,
}

-- Without codecs.
local function as_it_is(_, _, text)
  return text
end

-- Nobody has codecs of its own.
local NO_CODECS = { plans = {}, decode = as_it_is }

local function key_of(plan)
  local key = {}
  for i, entry in ipairs(M.TYPES) do
    key[i] = tostring(plan[entry[1]])
  end
  return concat(key, " ")
end

-- Its conversions, functions of a text, by class of the column; its functions
-- of a cell are made when they are first used.
local function complete(plan, codecs)
  plan.convert = {
    json = plan.json == "value" and json_value or nil,
    numeric = plan.numeric == "number" and number_value or nil,
    date = MOMENTS[plan.date],
    time = MOMENTS[plan.time],
    timestamp = MOMENTS[plan.timestamp],
    timestamptz = MOMENTS[plan.timestamptz or plan.timestamp],
    interval = INTERVALS[plan.interval],
  }
  plan.custom, plan.codecs = codecs.decode, codecs
  plan.getters, plan.modes, plan.by_null = {}, {}, {}
end

--- Make a plan of the user's choice of types.
-- The same choice gives the same plan; it is not to be changed.
-- @tparam[opt] table types an entry of `TYPES` or several
-- @tparam[opt=2] number level whose mistake a wrong option is
-- @tparam[opt] table codecs the adapter's own: `plans` (a table for this
-- module), `decode(type_id, index, text)`; `index` is nil for a whole column,
-- else counts from 0 within a value of that type
-- @treturn table
function M.new(types, level, codecs)
  codecs = codecs or NO_CODECS
  local plan = options.check(M.TYPES, types, "types", level or 2)
  local key, plans = key_of(plan), codecs.plans
  if not plans[key] then
    plan.key = key
    complete(plan, codecs)
    plans[key] = plan
  end
  return plans[key]
end

--- The same choice with another plan for NULL.
-- @tparam table plan
-- @param value
-- @treturn table
function M.with_null(plan, value)
  local other = plan.by_null[value]
  if not other then
    local choice = {}
    for _, entry in ipairs(M.TYPES) do
      choice[entry[1]] = plan[entry[1]]
    end
    choice.null = value
    other = M.new(choice, 2, plan.codecs)
    plan.by_null[value] = other
  end
  return other
end

return M
