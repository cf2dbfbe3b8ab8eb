--- Bytes as hexadecimal digits.
-- @module covet.hex

local gsub = string.gsub

local DIGITS = {}
for code = 0, 255 do
  DIGITS[string.char(code)] = ("%02x"):format(code)
end

--- Two digits for each byte.
-- @tparam string bytes
-- @treturn string
return function(bytes)
  return (gsub(bytes, ".", DIGITS))
end
