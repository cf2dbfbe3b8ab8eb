--- The placeholders of an SQL text: finds them and rewrites them as the
-- database wants them.
-- @module covet.sql.placeholder

local fault = require "covet.sql.fault"
local skip = require "covet.sql.skip"
local words = require "covet.sql.words"

local byte, find, format = string.byte, string.find, string.format
local match, sub = string.match, string.sub
local note, unterminated = fault.note, fault.unterminated

local COLON, EQUALS, ZERO, NINE = 58, 61, 48, 57
local NAME = "^[%a_\128-\255][%w_\128-\255]*"
-- The highest number of a placeholder: what PostgreSQL's and MySQL's protocols
-- can carry. SQLite's own limit may be lower.
local MAX_NUMBER = 65535

local M = {}

-- Note that bytes from..to of the text are to be replaced.
local function replace(scan, from, to, replacement)
  if sub(scan.text, from, to) == replacement then
    return
  end
  local pieces = scan.pieces
  if not pieces then
    pieces = {}
    scan.pieces = pieces
  end
  pieces[#pieces + 1] = sub(scan.text, scan.copied + 1, from - 1)
  pieces[#pieces + 1] = replacement
  scan.copied = to
end

-- All placeholders of a text are of one style.
local function use_style(scan, style, position)
  if scan.style == nil then
    scan.style = style
  elseif scan.style ~= style then
    note(scan, "usage", position, format(
      "placeholders are of two styles, %s and %s", scan.style, style))
  end
end

-- The placeholder in bytes from..to stands for parameter `number`.
local function place(scan, number, from, to)
  local parameter = scan.dialect.parameter
  if number > scan.count then
    scan.count = number
  end
  if parameter then
    replace(scan, from, to, parameter .. number)
  else
    scan.order[#scan.order + 1] = number
    replace(scan, from, to, "?")
  end
  return to + 1
end

local function place_numbered(scan, style, from, to)
  use_style(scan, style, from)
  local number = tonumber(sub(scan.text, from + 1, to))
  if number < 1 or number > MAX_NUMBER then
    return note(scan, "usage", from, format(
      "placeholder %s is out of range (1 to %d)",
      sub(scan.text, from, from + 19 < to and from + 19 or to), MAX_NUMBER))
  end
  return place(scan, number, from, to)
end

-- A placeholder that takes the next parameter.
local function place_next(scan, style, from, to)
  use_style(scan, style, from)
  scan.count = scan.count + 1
  if not scan.dialect.parameter then
    return place(scan, scan.count, from, to)
  end
  return to + 1
end

local function place_named(scan, from, to)
  use_style(scan, ":name", from)
  if not scan.names then
    scan.names, scan.numbers = {}, {}
  end
  local name = sub(scan.text, from + 1, to)
  local number = scan.numbers[name]
  if not number then
    number = #scan.names + 1
    scan.names[number], scan.numbers[name] = name, number
  end
  return place(scan, number, from, to)
end

--- Handler of a byte, see `covet.sql.scanner`.
function M.question(scan, position)
  if words.in_routine(scan) then
    return nil
  end
  local following = byte(scan.text, position + 1)
  if following and following >= ZERO and following <= NINE then
    local _, stop = find(scan.text, "^%d+", position + 1)
    return place_numbered(scan, "?1", position, stop)
  end
  return place_next(scan, "?", position, position)
end

--- Handler of a byte, see `covet.sql.scanner`. What `%%` stands for is known at the
-- end: covet.sql.
function M.percent(scan, position)
  local text = scan.text
  if find(text, "^%%", position + 1) then
    return position + 2
  elseif find(text, "^s%f[^%w_$\128-\255]", position + 1)
    and not words.in_routine(scan) then
    return place_next(scan, "%s", position, position + 1)
  end
  return nil
end

-- What SQLite would number by itself, beside the numbers given here.
local function refuse_own_name(scan, position, pattern)
  local name = match(scan.text, pattern, position + 1)
  if name and not words.in_routine(scan) then
    return note(scan, "usage", position, format(
      "%s%s is no placeholder here, write ?, ?1 or :name",
      sub(scan.text, position, position), sub(name, 1, 40)))
  end
  return nil
end

--- Handler of a byte, see `covet.sql.scanner`.
function M.at(scan, position)
  return refuse_own_name(scan, position, "^[%w_\128-\255]+")
end

-- A name, or a slice's upper bound: `a[lower:upper]`?
local function in_slice(scan, position)
  return scan.brackets > 0
    and find(scan.text, "^[%w_)%]\"'$\128-\255]", position - 1)
end

--- Handler of a byte, see `covet.sql.scanner`.
function M.colon(scan, position)
  local following = byte(scan.text, position + 1)
  if following == COLON or following == EQUALS then
    return position + 2
  elseif words.in_routine(scan) or in_slice(scan, position) then
    return nil
  end
  local _, stop = find(scan.text, NAME, position + 1)
  if stop then
    return place_named(scan, position, stop)
  elseif scan.dialect.own_names then
    return refuse_own_name(scan, position, "^%d+")
  end
  return nil
end

--- Handler of a byte, see `covet.sql.scanner`. A dollar quote may start here.
function M.dollar(scan, position)
  local text, dialect = scan.text, scan.dialect
  if find(text, "^[%w_$\128-\255]", position - 1) and position > 1 then
    return nil -- within an identifier
  end
  local _, stop = find(text, "^%d+", position + 1)
  if stop then
    return not words.in_routine(scan)
      and place_numbered(scan, "$1", position, stop) or stop + 1
  elseif dialect.dollar_quotes then
    local behind = skip.dollar_quoted(text, position)
    if behind == false then
      return unterminated(scan, position, "dollar-quoted string")
    end
    return behind
  elseif dialect.own_names then
    return refuse_own_name(scan, position, NAME)
  end
  return nil
end

return M
