--- Intervals of PostgreSQL, as seconds or as tables of fields.
--
-- Reads what its interval style `postgres` writes, where each unit has a sign of
-- its own and those that are 0 are left out:
--
--     1 year 2 mons 3 days 04:05:06.5   -1 days +02:03:00   00:00:00
--
-- What has no length (`infinity`) is not read: the answer is nil, and the caller
-- keeps the text.
-- @module covet.types.interval

local find, gsub, match = string.find, string.gsub, string.match

local MINUTE, HOUR, DAY = 60, 3600, 86400
-- As PostgreSQL counts them.
local MONTH, YEAR = 30 * DAY, 365.25 * DAY

local M = {}

-- The number in front of a unit; 0 where it is left out.
local function count(text, unit)
  return tonumber(match(text, "([-+]?%d+) " .. unit) or 0)
end

-- The part behind the days: its sign, hours, minutes, seconds, microseconds.
local function read_clock(text)
  local sign, hours, minutes, seconds, fraction =
    match(text, "([-+]?)(%d+):(%d%d):(%d%d)%.?(%d*)$")
  if not hours then
    return 1, 0, 0, 0, 0
  end
  return sign == "-" and -1 or 1, tonumber(hours), tonumber(minutes),
    tonumber(seconds), tonumber((fraction .. "000000"):sub(1, 6))
end

local function is_interval(text)
  local rest = gsub(text, "[-+]?%d+ [ymd]%a+ ?", "")
  return rest == "" and text ~= "" or find(rest, "^[-+]?%d+:%d%d:%d%d%.?%d*$")
end

--- The length in seconds, with months of 30 days and years of 365.25, as
-- PostgreSQL's `extract(epoch from ...)`.
-- @tparam string text
-- @treturn number|nil nil when the text is no interval of this style
function M.to_epoch(text)
  if not is_interval(text) then
    return nil
  end
  local sign, hours, minutes, seconds, usec = read_clock(text)
  return count(text, "year") * YEAR + count(text, "mon") * MONTH
    + count(text, "day") * DAY
    + sign * (hours * HOUR + minutes * MINUTE + seconds + usec / 1e6)
end

--- The fields, each with its sign, 0 where there is none.
-- @tparam string text
-- @treturn table|nil `years`, `months`, `days`, `hours`, `minutes`, `seconds`,
-- `usec`; nil when the text is no interval of this style
function M.to_table(text)
  if not is_interval(text) then
    return nil
  end
  local sign, hours, minutes, seconds, usec = read_clock(text)
  return {
    years = count(text, "year"), months = count(text, "mon"),
    days = count(text, "day"), hours = sign * hours, minutes = sign * minutes,
    seconds = sign * seconds, usec = sign * usec,
  }
end

return M
