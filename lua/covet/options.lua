--- Option tables, checked against a declaration.
--
-- A declaration is a list of entries in the order of the documentation:
--
--     local OPTIONS = {
--       { "path", "string", nil, "File of the database.", required = true },
--       { "readers", "integer", 4, "Reading connections.", check = positive },
--       { "timeout", "seconds", math.huge, "Longest wait for an answer." },
--       { "ssl", "string|table", nil, "Mode, or a table of files." },
--     }
--
-- An entry is `{ name, type, default, doc }` and may have `required = true`
-- and `check`, a function that gets the value and returns true, or nil and
-- what is wrong ("must be positive"). Types: `string number integer boolean
-- table function seconds any`, or several joined by `|`. NaN is no number, a
-- numeric string is no number, `seconds` are not negative and may be
-- `math.huge`, an `integer` lies within 2^53. An entry with `fields`, another
-- declaration, checks and completes the table that is its value; messages call
-- what is in it `retry.attempts`. With `positional = true` in the
-- declaration, integer keys of the given table are not options and are left
-- out of the result (for calls of the form `{ sql, a, b, timeout = 5 }`).
-- @module covet.options

local error = require "covet.error"

local concat, format = table.concat, string.format
local floor, huge, min = math.floor, math.huge, math.min

local MAX_INTEGER = 2 ^ 53
-- Longer names are compared with nothing: no option is that long.
local MAX_NAME = 64

local M = {}

local function is_number(value)
  return type(value) == "number" and value == value
end

-- Each tells whether a value is of its type.
local TYPES = {
  number = is_number,
  integer = function(value)
    return is_number(value) and floor(value) == value
      and value >= -MAX_INTEGER and value <= MAX_INTEGER
  end,
  seconds = function(value)
    return is_number(value) and value >= 0
  end,
  any = function()
    return true
  end,
}

for _, name in ipairs { "string", "boolean", "table", "function" } do
  TYPES[name] = function(value)
    return type(value) == name
  end
end

local NUMERIC = { number = true, integer = true, seconds = true }

-- Declarations seen so far: declaration -> { by_name, names }.
local compiled = setmetatable({}, { __mode = "k" })

local compile_all

local function compile_entry(entry, prefix)
  local tests, numeric = {}, false
  for name in entry[2]:gmatch("[^|]+") do
    tests[#tests + 1] = assert(TYPES[name], "no such option type: " .. name)
    numeric = numeric or NUMERIC[name] or false
  end
  local title = prefix .. entry[1]
  return {
    name = entry[1], title = title, default = entry[3],
    required = entry.required, check = entry.check, tests = tests,
    numeric = numeric, expected = entry[2]:gsub("|", " or "),
    fields = entry.fields and compile_all(entry.fields, title .. "."),
  }
end

function compile_all(spec, prefix)
  local plan = { by_name = {}, names = {}, prefix = prefix }
  for i, entry in ipairs(spec) do
    plan[i] = compile_entry(entry, prefix)
    plan.by_name[entry[1]] = plan[i]
    plan.names[i] = entry[1]
  end
  return plan
end

local function compile(spec)
  local plan = compiled[spec]
  if not plan then
    plan = compile_all(spec, "")
    compiled[spec] = plan
  end
  return plan
end

-- Edit distance with swaps of neighbours counted as one edit.
local function distance(a, b)
  local before, previous, current = {}, {}, {}
  for j = 0, #b do
    previous[j] = j
  end
  for i = 1, #a do
    current[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = min(previous[j] + 1, current[j - 1] + 1,
        previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1)
        and a:byte(i - 1) == b:byte(j) then
        best = min(best, before[j - 2] + 1)
      end
      current[j] = best
    end
    before, previous, current = previous, current, before
  end
  return previous[#b]
end

-- Names differ little when only their case or their joints do.
local function normal(name)
  return (name:lower():gsub("[_%- ]", ""))
end

--- The name most like a misspelt one.
-- Near is at most one edit in three letters; case, `-` and `_` do not count.
-- @tparam string name
-- @tparam table names a list
-- @treturn string|nil the nearest name (the first of equals), nil when none
-- is near
function M.nearest(name, names)
  if type(name) ~= "string" or #name > MAX_NAME then
    return nil
  end
  local wanted = normal(name)
  local nearest, best = nil, floor(#wanted / 3) + 1
  for _, candidate in ipairs(names) do
    local edits = distance(wanted, normal(candidate))
    if edits < best then
      nearest, best = candidate, edits
    end
  end
  return nearest
end

local function quote(name)
  return '"' .. name .. '"'
end

local function describe_unknown(name, names, prefix)
  if type(name) ~= "string" then
    return format("unknown option: a %s as its name", type(name))
  end
  local text = "unknown option " .. quote(prefix .. name)
  local nearest = M.nearest(name, names)
  if nearest then
    return text .. format(", did you mean %s?", quote(nearest))
  elseif #names == 0 then
    return text .. " (there are no options)"
  end
  return text .. " (known: " .. concat(names, ", ") .. ")"
end

-- A value is shown only where a number was wanted: it may be a secret.
local function describe_value(value, numeric)
  if type(value) ~= "number" then
    return type(value)
  elseif value ~= value then
    return "NaN"
  end
  return numeric and tostring(value) or "number"
end

-- What is wrong with a given value, or nil.
local function find_fault(entry, value)
  local tests, fits = entry.tests, false
  for i = 1, #tests do
    fits = fits or tests[i](value)
  end
  if not fits then
    return format("option %s: expected %s, got %s", quote(entry.title),
      entry.expected, describe_value(value, entry.numeric))
  end
  if entry.check then
    local fine, why = entry.check(value)
    if not fine then
      return format("option %s %s", quote(entry.title), why or "is not valid")
    end
  end
  return nil
end

local complete

local function default_of(entry)
  local default = entry.default
  if default == nil and entry.fields then
    default = {}
    complete(entry.fields, default)
    return default
  elseif type(default) ~= "table" then
    return default
  end
  local copy = {}
  for key, value in pairs(default) do
    copy[key] = value
  end
  return copy
end

-- Fill what was not given; answers what is wrong, and with which option, or nil.
function complete(plan, result)
  for i = 1, #plan do
    local entry = plan[i]
    if result[entry.name] == nil then
      if entry.required then
        return format("option %s is required", quote(entry.title)), entry.title
      end
      result[entry.name] = default_of(entry)
    end
  end
  return nil
end

local check_fields

-- Fill `result` from the given table; answers as `complete`.
local function take(plan, given, positional, result)
  for name, value in pairs(given) do
    local entry = plan.by_name[name]
    if entry then
      local fault, title = find_fault(entry, value), entry.title
      if not fault and entry.fields and type(value) == "table" then
        value, fault, title = check_fields(entry.fields, value)
      end
      if fault then
        return fault, title
      end
      result[name] = value
    elseif not (positional and type(name) == "number") then
      return describe_unknown(name, plan.names, plan.prefix),
        type(name) == "string" and plan.prefix .. name or nil
    end
  end
  return nil
end

function check_fields(plan, given)
  local result = {}
  local fault, title = take(plan, given, false, result)
  if not fault then
    fault, title = complete(plan, result)
  end
  return result, fault, title
end

--- Check a table of options and fill in the defaults. The error's field
-- `option` names the one that is at fault.
-- @tparam table spec the declaration
-- @tparam table|nil given what the user wrote; it is not changed
-- @tparam[opt] string what the function it was given to, for messages
-- @tparam[opt=2] number level whose mistake it is, as for Lua's `error`: 1 is
-- the function that calls `check`, 2 who called that; or `covet.error.CALLER`
-- @treturn table a new table of options
function M.check(spec, given, what, level)
  local plan, result = compile(spec), {}
  local fault, option
  if given ~= nil and type(given) ~= "table" then
    fault = "options: expected table, got " .. type(given)
  elseif given then
    fault, option = take(plan, given, spec.positional, result)
  end
  if not fault then
    fault, option = complete(plan, result)
  end
  if fault then
    error.raise({ kind = "usage", retry = "no", option = option,
      message = what and what .. ": " .. fault or fault }, (level or 2) + 1)
  end
  return result
end

local function show_default(entry)
  local default = entry[3]
  if entry.required then
    return "required"
  elseif default == nil then
    return ""
  elseif default == huge then
    return "no limit"
  elseif type(default) == "string" then
    return "`" .. quote(default) .. "`"
  elseif type(default) == "table" then
    return next(default) == nil and "`{}`" or "`{...}`"
  end
  return "`" .. tostring(default) .. "`"
end

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("\n", " "))
end

local function add_rows(lines, spec, prefix)
  for _, entry in ipairs(spec) do
    lines[#lines + 1] = format("| `%s%s` | %s | %s | %s |", prefix, entry[1],
      cell(entry[2]), cell(show_default(entry)), cell(entry[4] or ""))
    if entry.fields then
      add_rows(lines, entry.fields, prefix .. entry[1] .. ".")
    end
  end
end

--- The declaration as a table for a page of reference, in Markdown.
-- @tparam table spec
-- @tparam[opt] string title becomes a heading of the third level
-- @treturn string
function M.reference(spec, title)
  local lines = {}
  if title then
    lines = { "### " .. title, "" }
  end
  lines[#lines + 1] = "| option | type | default | meaning |"
  lines[#lines + 1] = "|---|---|---|---|"
  add_rows(lines, spec, "")
  return concat(lines, "\n") .. "\n"
end

--- A check of a declaration: one of these words.
-- @tparam {string,...} names
-- @tparam[opt=""] string rest of the message, such as " or false"
-- @treturn function passes what is no string
function M.one_of(names, rest)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  return function(value)
    if type(value) ~= "string" or known[value] then
      return true
    end
    local nearest = M.nearest(value, names)
    return nil, "must be one of " .. table.concat(names, ", ") .. (rest or "")
      .. (nearest and (" (did you mean %q?)"):format(nearest) or "")
  end
end

return M
