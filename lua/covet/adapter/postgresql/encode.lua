--- Lua values as texts of PostgreSQL's types.
--
-- Everything here answers the text, or nil and what is wrong: what was
-- expected, what was given and where in it, never a value.
-- @module covet.adapter.postgresql.encode

local literal = require "covet.decode.literal"
local nested = require "covet.adapter.postgresql.encode.nested"
local scalars = require "covet.adapter.postgresql.encode.scalar"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local find, format = string.find, string.format

-- For tables that contain themselves.
local MAX_DEPTH = 100

local base_of, is_tagged = types.base_of, tagged.is

local M = {}

-- How the types of a form are written.
local FORMS = {}

local function write_tagged(kind, value)
  if value[1] == tagged.BYTES and base_of(kind).form == "bytea" then
    return literal.bytes(value[2])
  end
  return value[2]
end

local function write(kind, value, depth)
  if depth > MAX_DEPTH then
    return nil, format("nested more than %d deep", MAX_DEPTH)
  elseif kind.codec and kind.codec_tag == tagged.BYTES then
    return nil, format("the codec of %s writes bytes: inside of other values "
      .. "there is only text", kind.name)
  elseif kind.codec then
    return kind.codec(value)
  elseif is_tagged(value) then
    return write_tagged(kind, value)
  elseif type(value) == "string" and find(value, "%z")
    and base_of(kind).form ~= "bytea" then
    return nil, format("expected %s, got a string with a NUL byte", kind.name)
  end
  return FORMS[kind.form](kind, value, depth)
end

for name, form in pairs(scalars) do
  FORMS[name] = form
end

nested.add(FORMS, write)

function FORMS.domain(kind, value, depth)
  return write(kind.element, value, depth)
end

--- A value as the text of a type.
-- @tparam table kind of covet.adapter.postgresql.types
-- @param value not NULL
-- @treturn string|nil
-- @treturn string|nil what is wrong
function M.text(kind, value)
  return write(kind, value, 0)
end

return M
