--- ISO dates and times, as epoch seconds or as tables of fields.
--
-- Pure arithmetic in the proleptic Gregorian calendar: no time zone of the
-- machine, no `os.time`, no leap seconds. It reads what the three databases
-- write:
--
--     2026-11-23   12345-01-31   0044-03-15 BC   -0043-03-15
--     08:24:29     08:24:29.125+05:30            24:00:00   -838:59:59
--     2026-11-23 08:24:29.125+00                 2026-11-23T08:24Z
--
-- A text without an offset is read as UTC. Years before 1 count
-- astronomically, as in ISO 8601: 1 BC is 0, 44 BC is -43. What has no place
-- on the calendar (`infinity`, `0000-00-00`, an interval) is not read: the
-- answer is nil, and the caller keeps the text.
-- @module covet.types.datetime

local ffi = require "ffi"

local byte, format, floor = string.byte, string.format, math.floor

local MINUTE, HOUR, DAY = 60, 3600, 86400
local PLUS, MINUS, DOT, COLON, ZERO, NINE = 43, 45, 46, 58, 48, 57
local SPACE, LETTER_B, LETTER_C, LETTER_T, LETTER_Z = 32, 66, 67, 84, 90
-- MySQL's TIME goes beyond a day.
local MAX_HOUR = 838
local MAX_DIGITS = 9

local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- What each byte is worth as a digit; the others exceed any two digits.
local DIGITS = ffi.new "int32_t[256]"
for char = 0, 255 do
  DIGITS[char] = char >= ZERO and char <= NINE and char - ZERO or 1000
end

local M = {}

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function days_in_month(year, month)
  if month == 2 and is_leap(year) then
    return 29
  end
  return MONTH_DAYS[month]
end

-- Days from 1970-01-01; years begin in March, so that leap days come last.
local function days_of(year, month, day)
  if month <= 2 then
    year = year - 1
  end
  local era = floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return era * 146097 + year_of_era * 365 + floor(year_of_era / 4)
    - floor(year_of_era / 100) + day_of_year - 719468
end

-- The opposite of days_of.
local function date_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era = floor((day_of_era - floor(day_of_era / 1460)
    + floor(day_of_era / 36524) - floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era
    + floor(year_of_era / 4) - floor(year_of_era / 100))
  local shifted = floor((5 * day_of_year + 2) / 153)
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return year, month, day_of_year - floor((153 * shifted + 2) / 5) + 1
end

-- The digits at `at`: their number, how many they are (0: none), and the
-- position behind them.
local function read_digits(text, at)
  local value, first = 0, at
  local char = byte(text, at)
  while char and char >= ZERO and char <= NINE and at - first <= MAX_DIGITS do
    value, at = value * 10 + char - ZERO, at + 1
    char = byte(text, at)
  end
  return value, at - first, at
end

local function is_digit(char)
  return char ~= nil and char >= ZERO and char <= NINE
end

-- Two digits up to `highest` (at most 99), or nil. Neither a loop nor more
-- branches than needed: this is unrolled into LuaJIT's loops over rows.
local function read_pair(text, at, highest)
  local tens, ones = byte(text, at, at + 1)
  if ones == nil then
    return nil
  end
  local value = DIGITS[tens] * 10 + DIGITS[ones]
  return value <= highest and value or nil
end

-- Microseconds of a fraction at `at` (0 if there is none), position behind.
local function read_fraction(text, at)
  if byte(text, at) ~= DOT then
    return 0, at
  end
  local high, mid, low = read_pair(text, at + 1, 99),
    read_pair(text, at + 3, 99), read_pair(text, at + 5, 99)
  if high and mid and low and not is_digit(byte(text, at + 7)) then
    return high * 10000 + mid * 100 + low, at + 7
  end
  local value, count, behind = read_digits(text, at + 1)
  if count == 0 or count > MAX_DIGITS then
    return nil
  end
  return value * 10 ^ 6 / 10 ^ count, behind
end

-- ":MM[:SS[.ffffff]]" at `at`: minutes, seconds, microseconds, behind.
local function read_minutes(text, at)
  local minute = byte(text, at) == COLON and read_pair(text, at + 1, 59)
  if not minute then
    return nil
  end
  at = at + 3
  if byte(text, at) ~= COLON then
    return minute, 0, 0, at
  end
  local second = read_pair(text, at + 1, 59)
  local usec, behind = read_fraction(text, at + 3)
  if not second or not usec then
    return nil
  end
  return minute, second, usec, behind
end

-- ":MM" or "MM" at `at`: value and position behind; 0 and `at` if not there.
local function read_offset_part(text, at)
  local from = byte(text, at) == COLON and at + 1 or at
  local value = read_pair(text, from, 59)
  if value then
    return value, from + 2
  end
  return 0, at
end

-- An offset at `at`: seconds or nil, and the position behind it.
local function read_offset(text, at)
  local sign = byte(text, at)
  if sign == LETTER_Z then
    return 0, at + 1
  elseif sign ~= PLUS and sign ~= MINUS then
    return nil, at
  end
  local hours = read_pair(text, at + 1, 23)
  if not hours then
    return nil, at
  end
  local minutes, seconds
  minutes, at = read_offset_part(text, at + 3)
  seconds, at = read_offset_part(text, at)
  local offset = hours * HOUR + minutes * MINUTE + seconds
  return sign == MINUS and -offset or offset, at
end

-- "-MM-DD" at `at`: month and day, or nil.
local function read_month_day(text, at)
  local month = read_pair(text, at + 1, 12)
  local day = byte(text, at + 3) == MINUS and read_pair(text, at + 4, 31)
  if not month or month == 0 or not day or day == 0 then
    return nil
  end
  -- A leap day BC is judged when the era is known.
  if day > MONTH_DAYS[month] and not (month == 2 and day == 29) then
    return nil
  end
  return month, day
end

local function is_bc(text, at)
  return byte(text, at) == SPACE and byte(text, at + 1) == LETTER_B
    and byte(text, at + 2) == LETTER_C and #text == at + 2
end

-- The part behind a date: hour, minute, second, usec, offset, behind.
local function read_clock(text, at)
  local separator = byte(text, at)
  if separator ~= SPACE and separator ~= LETTER_T or is_bc(text, at) then
    return 0, 0, 0, 0, nil, at
  end
  local hour = read_pair(text, at + 1, 24)
  local minute, second, usec, behind = read_minutes(text, at + 3)
  if not hour or not minute
      or hour == 24 and (minute > 0 or second > 0 or usec > 0) then
    return nil
  end
  local offset
  offset, behind = read_offset(text, behind)
  return hour, minute, second, usec, offset, behind
end

-- year, month, day, hour, minute, second, usec, offset; or nil.
local function read_date(text, at, year, negative)
  local month, day = read_month_day(text, at)
  if not month then
    return nil
  end
  local hour, minute, second, usec, offset, behind = read_clock(text, at + 6)
  if not hour then
    return nil
  end
  if is_bc(text, behind) then
    year, behind = 1 - year, behind + 3
    if negative or year == 1 then
      return nil
    end
  end
  year = negative and -year or year
  if behind ~= #text + 1 or day > days_in_month(year, month) then
    return nil
  end
  return year, month, day, hour, minute, second, usec, offset
end

-- hour, minute, second, usec, offset; or nil.
local function read_time(text, at, hour)
  local minute, second, usec, behind = read_minutes(text, at)
  if not minute or hour > MAX_HOUR then
    return nil
  end
  local offset
  offset, behind = read_offset(text, behind)
  if behind ~= #text + 1 then
    return nil
  end
  return hour, minute, second, usec, offset
end

-- The sign, the first number, how many digits it has, and what follows.
local function read_head(text)
  local first, second = read_pair(text, 1, 99), read_pair(text, 3, 99)
  local third, fifth = byte(text, 3), byte(text, 5)
  if first and second and fifth == MINUS then
    return false, first * 100 + second, 4, 5, MINUS
  elseif first and third == COLON then
    return false, first, 2, 3, COLON
  end
  local sign = byte(text, 1)
  local signed = sign == MINUS or sign == PLUS
  local value, count, at = read_digits(text, signed and 2 or 1)
  return sign == MINUS, value, count, at, byte(text, at)
end

--- Seconds since 1970-01-01 00:00 UTC; of a time alone, since midnight.
-- A double holds microseconds exactly enough until the year 2255.
-- @tparam string text
-- @treturn number|nil nil when the text is no date or time
function M.to_epoch(text)
  local negative, value, count, at, char = read_head(text)
  if char == COLON and count >= 2 then
    local hour, minute, second, usec, offset = read_time(text, at, value)
    if not hour then
      return nil
    end
    local seconds = hour * HOUR + minute * MINUTE + second + usec / 1e6
    return (negative and -seconds or seconds) - (offset or 0)
  elseif char == MINUS and count >= 4 then
    local year, month, day, hour, minute, second, usec, offset =
      read_date(text, at, value, negative)
    if not year then
      return nil
    end
    return days_of(year, month, day) * DAY + hour * HOUR + minute * MINUTE
      + second - (offset or 0) + usec / 1e6
  end
  return nil
end

--- The fields of `os.date "!*t"`, besides `usec` and, where the text has one,
-- `offset` in seconds: the fields are the text's own clock, not UTC. A date
-- alone stands for its midnight; a time alone has `hour`, `min`, `sec`, `usec`.
-- @tparam string text
-- @treturn table|nil nil when the text is no date or time, and for negative
-- times
function M.to_table(text)
  local negative, value, count, at, char = read_head(text)
  if char == COLON and count >= 2 and not negative then
    local hour, minute, second, usec, offset = read_time(text, at, value)
    return hour and {
      hour = hour, min = minute, sec = second, usec = usec, offset = offset,
    } or nil
  elseif char == MINUS and count >= 4 then
    local year, month, day, hour, minute, second, usec, offset =
      read_date(text, at, value, negative)
    if not year then
      return nil
    end
    local days = days_of(year, month, day)
    return {
      year = year, month = month, day = day, hour = hour, min = minute,
      sec = second, usec = usec, offset = offset, isdst = false,
      wday = (days + 4) % 7 + 1, yday = days - days_of(year, 1, 1) + 1,
    }
  end
  return nil
end

local function format_date(year, month, day)
  if year < 1 then
    return format("%04d-%02d-%02d", 1 - year, month, day), " BC"
  end
  return format("%04d-%02d-%02d", year, month, day), ""
end

local function format_time(hour, minute, second, usec)
  local text = format("%02d:%02d:%02d", hour, minute, second)
  if usec and usec > 0 then
    text = text .. format(".%06d", usec):gsub("0+$", "")
  end
  return text
end

local function format_offset(offset)
  if not offset then
    return ""
  end
  local sign = offset < 0 and "-" or "+"
  offset = offset < 0 and -offset or offset
  local text = sign .. format("%02d", floor(offset / HOUR))
  if offset % HOUR ~= 0 then
    text = text .. format(":%02d", floor(offset % HOUR / MINUTE))
  end
  if offset % MINUTE ~= 0 then
    text = text .. format(":%02d", offset % MINUTE)
  end
  return text
end

--- Epoch seconds as a timestamp in UTC, to the microsecond.
-- @tparam number seconds
-- @treturn string|nil `2026-11-23 08:24:29.125+00`; nil for NaN and infinity
function M.from_epoch(seconds)
  if seconds - seconds ~= 0 then
    return nil
  end
  local whole = floor(seconds)
  local usec = floor((seconds - whole) * 1e6 + 0.5)
  if usec == 1e6 then
    whole, usec = whole + 1, 0
  end
  local days = floor(whole / DAY)
  local rest = whole - days * DAY
  local date, era = format_date(date_of(days))
  return date .. " " .. format_time(floor(rest / HOUR),
    floor(rest % HOUR / MINUTE), rest % MINUTE, usec) .. "+00" .. era
end

--- A table of fields as text: a timestamp, a date if there is no `hour`, a
-- time if there is no `year`.
-- @tparam table fields as `to_table` gives them
-- @treturn string
function M.from_table(fields)
  local date, era = "", ""
  if fields.year then
    date, era = format_date(fields.year, fields.month, fields.day)
  end
  if not fields.hour then
    return date .. era
  end
  local time = format_time(fields.hour, fields.min or 0, fields.sec or 0,
    fields.usec) .. format_offset(fields.offset)
  return (date ~= "" and date .. " " or "") .. time .. era
end

return M
