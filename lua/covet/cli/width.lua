--- Text in a terminal's cells: how wide it is, and safe to print.
-- @module covet.cli.width

local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, sub = string.gsub, string.sub
local concat = table.concat

local M = {}

-- Ranges of characters that take no cell, and that take two; sorted.
local ZERO = {
  0x0300, 0x036F, 0x0483, 0x0489, 0x0591, 0x05BD, 0x0610, 0x061A, 0x064B, 0x065F,
  0x0E31, 0x0E31, 0x0E34, 0x0E3A, 0x0E47, 0x0E4E, 0x1AB0, 0x1AFF, 0x1DC0, 0x1DFF,
  0x200B, 0x200D, 0x20D0, 0x20FF, 0xFE00, 0xFE0F, 0xFE20, 0xFE2F, 0xE0100, 0xE01EF,
}
local WIDE = {
  0x1100, 0x115F, 0x231A, 0x231B, 0x23E9, 0x23EC, 0x25FD, 0x25FE, 0x2614, 0x2615,
  0x2648, 0x2653, 0x26AA, 0x26AB, 0x26BD, 0x26BE, 0x26C4, 0x26C5, 0x2705, 0x2705,
  0x270A, 0x270B, 0x2728, 0x2728, 0x274C, 0x274C, 0x2753, 0x2755, 0x2757, 0x2757,
  0x2795, 0x2797, 0x2B1B, 0x2B1C, 0x2B50, 0x2B50, 0x2E80, 0x303E, 0x3041, 0x33FF,
  0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xA000, 0xA4CF, 0xA960, 0xA97C, 0xAC00, 0xD7A3,
  0xF900, 0xFAFF, 0xFE30, 0xFE6F, 0xFF00, 0xFF60, 0xFFE0, 0xFFE6, 0x1F004, 0x1F004,
  0x1F0CF, 0x1F0CF, 0x1F18E, 0x1F18E, 0x1F191, 0x1F19A, 0x1F200, 0x1F265, 0x1F300, 0x1F64F,
  0x1F680, 0x1F6FF, 0x1F7E0, 0x1F7EB, 0x1F90C, 0x1F9FF, 0x1FA70, 0x1FAFF, 0x20000, 0x3FFFD,
}

-- Characters that reorder what stands around them: shown by their number.
local function is_direction(code)
  return code >= 0x202A and code <= 0x202E or code >= 0x2066 and code <= 0x2069
    or code == 0x200E or code == 0x200F
end

local function is_in(ranges, code)
  local low, high = 1, #ranges / 2
  while low <= high do
    local middle = (low + high - (low + high) % 2) / 2
    if code < ranges[2 * middle - 1] then
      high = middle - 1
    elseif code > ranges[2 * middle] then
      low = middle + 1
    else
      return true
    end
  end
  return false
end

local function code_width(code)
  if code < 0x300 then
    return 1
  end
  return is_in(ZERO, code) and 0 or is_in(WIDE, code) and 2 or 1
end

-- The least code of a sequence of so many bytes.
local LEAST = { 0, 0x80, 0x800, 0x10000 }

--- The character at a byte.
-- @tparam string text
-- @tparam number i where it starts
-- @treturn number|nil its code, nil when the bytes are not UTF-8
-- @treturn number its bytes, 1 when they are not UTF-8
function M.decode(text, i)
  local first = byte(text, i)
  if first < 0x80 then
    return first, 1
  end
  local length = first >= 0xF0 and 4 or first >= 0xE0 and 3 or 2
  local code = first % 2 ^ (7 - length)
  if first < 0xC2 or first > 0xF4 then
    return nil, 1
  end
  for k = i + 1, i + length - 1 do
    local following = byte(text, k)
    if not following or following < 0x80 or following > 0xBF then
      return nil, 1
    end
    code = code * 64 + following - 0x80
  end
  if code < LEAST[length] or code > 0x10FFFF or code >= 0xD800 and code <= 0xDFFF then
    return nil, 1
  end
  return code, length
end

--- Cells that a text takes; it should have been made `printable`.
-- @tparam string text
-- @treturn number
function M.of(text)
  if not find(text, "[\128-\255]") then
    return #text
  end
  local cells, i = 0, 1
  while i <= #text do
    local code, length = M.decode(text, i)
    cells = cells + (code and code_width(code) or 1)
    i = i + length
  end
  return cells
end

local NAMED = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape_byte(c)
  return NAMED[c] or format("\\x%02x", byte(c))
end

--- A text as one line that cannot move the cursor: control characters, bytes
-- that are not UTF-8 and marks of direction are written as escapes.
-- @tparam string text
-- @treturn string
function M.printable(text)
  text = gsub(text, "[%z\1-\31\127]", escape_byte)
  if not find(text, "[\128-\255]") then
    return text
  end
  local out, i = {}, 1
  while i <= #text do
    local code, length = M.decode(text, i)
    local piece = sub(text, i, i + length - 1)
    if not code then
      piece = escape_byte(piece)
    elseif code >= 0x80 and code < 0xA0 or is_direction(code) then
      piece = format("\\u{%x}", code)
    end
    out[#out + 1] = piece
    i = i + length
  end
  return concat(out)
end

--- A text of at most so many cells; what is cut off leaves an ellipsis.
-- @tparam string text
-- @tparam number cells
-- @treturn string
function M.cut(text, cells)
  if #text <= cells or M.of(text) <= cells then
    return text
  end
  local used, i = 0, 1
  while i <= #text do
    local code, length = M.decode(text, i)
    used = used + (code and code_width(code) or 1)
    if used > cells - 1 then
      break
    end
    i = i + length
  end
  return sub(text, 1, i - 1) .. char(0xE2, 0x80, 0xA6)
end

return M
