--- Parameters that only the types of a statement can explain: tables, and values
-- of types that have a codec.
-- @module covet.adapter.postgresql.parameters

local encode = require "covet.adapter.postgresql.encode"
local null = require "covet.null"
local number = require "covet.json.number"
local statement = require "covet.statement"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local is_int64 = number.is_int64

local M = {}

--- Types by the description of parameters or columns.
-- @tparam table session
-- @tparam table described a list of tables with `type_id`
-- @treturn table a list of types
function M.kinds(session, described)
  local oids = {}
  for i, one in ipairs(described) do
    oids[i] = one.type_id
  end
  return types.find(session, oids)
end

-- The type that a value of a type is written as: behind domains without a codec of
-- their own.
local function written_as(kind)
  while kind.form == "domain" and not kind.codec do
    kind = kind.element
  end
  return kind
end

--- Whether plain values of one of these types are written by a codec.
-- @tparam table kinds
-- @treturn boolean
function M.have_codec(kinds)
  for _, kind in ipairs(kinds) do
    if written_as(kind).codec then
      return true
    end
  end
  return false
end

-- More parameters than the statement has: it will be refused.
local UNKNOWN = { __index = function()
  return { name = "unknown", form = "other" }
end }

-- The types of a statement's parameters. They are asked for once.
local function parameter_types(session, parsed)
  if not parsed.parameter_types then
    local inner = session:with_options {}
    inner.is_inner = true
    parsed.parameter_types = setmetatable(M.kinds(session,
      statement.describe(inner, parsed).parameter_types), UNKNOWN)
    parsed.has_codec = M.have_codec(parsed.parameter_types)
  end
  return parsed.parameter_types
end

-- Dates and times, and domains over them: the driver takes no numbers there.
local function is_moment(kind)
  return types.base_of(kind).form == "moment"
end

-- What can be written without knowing the parameter's type, codecs aside.
local function is_plain(value)
  return type(value) == "string" or type(value) == "boolean" or is_int64(value)
end

--- A value as a parameter.
-- @tparam function types_of answers the types of all parameters, a list
-- @tparam number index which it is
-- @param value
-- @tparam boolean all whether plain values may have a codec
-- @return what the binding can read; nil and what is wrong
function M.encode(types_of, index, value, all)
  if value == nil or value == null or tagged.is(value) then
    return value
  end
  local kind = (all or not is_plain(value)) and written_as(types_of()[index])
  if all and kind.codec then
    local text, fault = kind.codec(value)
    return text and tagged.new(kind.codec_tag, text), fault
  elseif is_int64(value) then
    return tagged.new(tagged.INTEGER, number.exact(value))
  elseif type(value) == "table" or type(value) == "cdata" then
    local text, fault = encode.text(kind, value)
    return text and tagged.new(tagged.TEXT, text), fault
  elseif type(value) == "number" and is_moment(kind) then
    return encode.text(kind, value)
  end
  return value
end

--- Which of a list of types take numbers that only this module can write.
-- @tparam table kinds
-- @treturn table a list of their places
function M.places_of_numbers(kinds)
  local places = {}
  for i, kind in ipairs(kinds) do
    places[#places + 1] = is_moment(kind) and i or nil
  end
  return places
end

--- See covet.call.numbers.
function M.find_numbers(session, parsed)
  return M.places_of_numbers(parameter_types(session, parsed))
end

--- See covet.call.encoder.
function M.encoder(session, parsed)
  local all = session.adapter.encodes_all and not session.is_inner
  local function types_of()
    return parameter_types(session, parsed)
  end
  return function(index, value)
    return M.encode(types_of, index, value, all)
  end
end

return M
