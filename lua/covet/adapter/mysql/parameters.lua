--- Parameters of MySQL that only LuaJIT's own types can say: integers of 64 bits
-- without a sign.
-- @module covet.adapter.mysql.parameters

local call = require "covet.call"
local ffi = require "ffi"
local number = require "covet.json.number"
local tagged = require "covet.tagged"

local uint64 = ffi.typeof "uint64_t"
local MOST_SIGNED = 0x7fffffffffffffffULL

local M = {}

local function encode(_, value)
  if type(value) == "cdata" and ffi.istype(uint64, value)
    and value > MOST_SIGNED then
    return tagged.new(tagged.UNSIGNED, number.exact(value))
  end
  return call.encode_value(value)
end

--- See covet.call.encoder.
function M.encoder()
  return encode
end

return M
