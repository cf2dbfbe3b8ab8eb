--- Parameters that only the types of a statement can explain: tables, and values
-- of types that have a codec.
-- @module covet.adapter.postgresql.parameters

local ffi = require "ffi"
local encode = require "covet.adapter.postgresql.encode"
local null = require "covet.null"
local number = require "covet.json.number"
local statement = require "covet.statement"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
local UINT64_SIGN = 0x7fffffffffffffffULL

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

-- The types of a statement's parameters. They are asked for once.
local function parameter_types(session, parsed)
  if not parsed.parameter_types then
    local inner = session:with_options {}
    inner.is_inner = true
    parsed.parameter_types = M.kinds(session,
      statement.describe(inner, parsed).parameter_types)
  end
  return parsed.parameter_types
end

-- What 64 bits with a sign can hold.
local function is_int64(value)
  return ffi.istype(int64, value)
    or ffi.istype(uint64, value) and value <= UINT64_SIGN
end

--- A value as a parameter of a type.
-- @tparam function kind_of answers the type
-- @param value
-- @tparam boolean all whether plain values may have a codec
-- @return what the binding can read; nil and what is wrong
function M.encode(kind_of, value, all)
  if value == nil or value == null or tagged.is(value) then
    return value
  elseif all and kind_of().codec then
    local text, fault = kind_of().codec(value)
    return text and tagged.new(kind_of().codec_tag, text), fault
  elseif is_int64(value) then
    return tagged.new(tagged.INTEGER, number.exact(value))
  elseif type(value) == "table" or type(value) == "cdata" then
    local text, fault = encode.text(kind_of(), value)
    return text and tagged.new(tagged.TEXT, text), fault
  elseif type(value) == "number" and kind_of().form == "moment" then
    return encode.text(kind_of(), value)
  end
  return value
end

--- See covet.call.encoder.
function M.encoder(session, parsed)
  local all = session.adapter.encodes_all and not session.is_inner
  return function(index, value)
    return M.encode(function()
      return parameter_types(session, parsed)[index]
        or { name = "unknown", form = "other" }
    end, value, all)
  end
end

return M
