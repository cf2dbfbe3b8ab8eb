--- What database types become in Lua.
-- A plan is the user's `types` table, checked, with its conversions; equal
-- choices share one plan, whose `key` stands for it in caches.
-- @module covet.decode.plan

local datetime = require "covet.types.datetime"
local json = require "covet.json"
local options = require "covet.options"

local concat, format = table.concat, string.format

local M = {}

local function one_of(...)
  local names = { ... }
  return function(value)
    for i = 1, #names do
      if names[i] == value then
        return true
      end
    end
    local nearest = options.nearest(value, names)
    return nil, "must be one of " .. concat(names, ", ")
      .. (nearest and format(" (did you mean %q?)", nearest) or "")
  end
end

local function is_null(value)
  return value == json.null, "must be covet.null"
end

local MOMENT = one_of("string", "epoch", "table")

-- What `types` may hold: a declaration for covet.options.
M.TYPES = {
  { "int8", "string", "exact",
    "Integers: exact (a number within 2^53, else int64 cdata), or all of them "
      .. "as number (rounded), cdata or string.",
    check = one_of("exact", "number", "cdata", "string") },
  { "numeric", "string", "string", "numeric and decimal: string or number.",
    check = one_of("string", "number") },
  { "date", "string", "string", "string, epoch or table.", check = MOMENT },
  { "time", "string", "string", "string, epoch or table.", check = MOMENT },
  { "timestamp", "string", "string", "string, epoch or table.",
    check = MOMENT },
  { "timestamptz", "string", nil, "The same for those with a time zone; as "
    .. "timestamp by default.", check = MOMENT },
  { "json", "string", "value", "json: value or string.",
    check = one_of("value", "string") },
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

local plans = {}

--- Make a plan of the user's choice of types.
-- The same choice gives the same plan; it is not to be changed.
-- @tparam[opt] table types `int8`, `numeric`, `date`, `time`, `timestamp`,
-- `timestamptz`, `json`, `null`
-- @tparam[opt=2] number level whose mistake a wrong option is
-- @treturn table
function M.new(types, level)
  local plan = options.check(M.TYPES, types, "types", level or 2)
  local key = concat({ plan.int8, plan.numeric, plan.date, plan.time,
    plan.timestamp, plan.timestamptz or "", plan.json, plan.null == nil and "" or "null" }, " ")
  if not plans[key] then
    plan.key = key
    plan.convert = {
      json = plan.json == "value" and json_value or nil,
      numeric = plan.numeric == "number" and number_value or nil,
      date = MOMENTS[plan.date],
      time = MOMENTS[plan.time],
      timestamp = MOMENTS[plan.timestamp],
      timestamptz = MOMENTS[plan.timestamptz or plan.timestamp],
    }
    plans[key] = plan
  end
  return plans[key]
end

return M
