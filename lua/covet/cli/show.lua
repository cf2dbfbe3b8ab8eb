--- Values as the REPL prints them.
-- @module covet.cli.show

local format = require "covet.cli.format"
local json = require "covet.json"
local null = require "covet.null"

local concat, sort = table.concat, table.sort
local rep = string.rep

-- A table is written on one line when that is at most so long.
local LINE = 72
-- How much of a table is shown: levels, and values of each table.
local MAX_DEPTH, MAX_ITEMS = 6, 100
-- Cells of a column in a table of rows.
local MAX_COLUMN = 60

local M = {}

local show

local function show_string(text)
  text = ("%q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r")
  return (text:gsub("[%z\1-\31\127]", function(c)
    return ("\\%03d"):format(c:byte())
  end))
end

local function show_key(key, seen, depth)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then
    return key
  end
  return "[" .. show(key, seen, depth) .. "]"
end

-- Keys that are not part of the array: names in order, then the others.
local function other_keys(value, length)
  local keys = {}
  for key in next, value do
    if type(key) ~= "number" or key < 1 or key > length or key % 1 ~= 0 then
      keys[#keys + 1] = key
    end
  end
  sort(keys, function(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a ~= kind_b then
      return kind_a < kind_b
    elseif kind_a == "string" or kind_a == "number" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function table_items(value, seen, depth)
  local items, length = {}, #value
  for i = 1, math.min(length, MAX_ITEMS) do
    items[i] = show(rawget(value, i), seen, depth + 1)
  end
  local keys = other_keys(value, length)
  for i = 1, math.min(#keys, MAX_ITEMS - #items) do
    items[#items + 1] = show_key(keys[i], seen, depth + 1) .. " = "
      .. show(rawget(value, keys[i]), seen, depth + 1)
  end
  local left = length + #keys - #items
  if left > 0 then
    items[#items + 1] = ("... %d more"):format(left)
  end
  return items
end

-- Rows in the forms "record" and "lazy" as plain tables.
local ROWS = { ["covet.record"] = true, ["covet.lazy_row"] = true }

-- An object: by its own words or by its name. What is in it is its own matter,
-- and may be a password.
local function show_object(value, meta, seen, depth)
  if ROWS[meta.__name] then
    return show(require("covet.decode").table(value), seen, depth)
  elseif meta.__tostring then
    local ok, text = pcall(tostring, value)
    return ok and text or "<a table that cannot be shown>"
  end
  return "<" .. tostring(meta.__name) .. ">"
end

local function show_table(value, seen, depth)
  local meta = debug.getmetatable(value)
  if meta and (meta.__tostring or meta.__name) then
    return show_object(value, meta, seen, depth)
  elseif seen[value] then
    return "<cycle>"
  elseif depth >= MAX_DEPTH then
    return "{...}"
  end
  seen[value] = true
  local items = table_items(value, seen, depth)
  seen[value] = nil
  local line = "{ " .. concat(items, ", ") .. " }"
  if #items == 0 then
    return "{}"
  elseif #line + 2 * depth <= LINE and not line:find("\n", 1, true) then
    return line
  end
  local indent = "\n" .. rep("  ", depth + 1)
  return "{" .. indent .. concat(items, "," .. indent) .. "\n" .. rep("  ", depth) .. "}"
end

function show(value, seen, depth)
  local kind = type(value)
  if value == null then
    return "null"
  elseif kind == "string" then
    return show_string(value)
  elseif kind == "number" then
    return value == value and value % 1 == 0 and json.exact(value) or tostring(value)
  elseif kind == "cdata" then
    return json.exact(value) or tostring(value)
  elseif kind == "table" then
    return show_table(value, seen, depth)
  end
  return tostring(value)
end

-- Names of the columns of an array of rows, nil when it is none. The order is
-- the result's own where the database object knows it.
local function columns_of(value)
  local first = rawget(value, 1)
  if type(first) ~= "table" or next(first) == nil then
    return nil
  end
  local seen, names = {}, {}
  for i = 1, #value do
    local row = rawget(value, i)
    if type(row) ~= "table" or getmetatable(row) ~= nil then
      return nil
    end
    for name, cell in next, row do
      if type(name) ~= "string" or type(cell) == "table" or type(cell) == "function" then
        return nil
      elseif not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  sort(names)
  return names
end

local function show_rows(value, names)
  local rows = {}
  for i = 1, #value do
    local row = {}
    for c = 1, #names do
      row[c] = value[i][names[c]]
    end
    rows[i] = row
  end
  return (format.table(names, rows, { max_width = MAX_COLUMN }):gsub("\n$", ""))
end

--- A value for people: rows as a table, tables with their contents.
-- @param value
-- @tparam[opt] function order gives the columns of an array of rows, or nil
-- @treturn string without a newline at the end
function M.value(value, order)
  if type(value) == "string" then
    return value
  elseif type(value) == "table" and getmetatable(value) == nil then
    local names = columns_of(value)
    if names then
      return show_rows(value, order and order(value) or names)
    end
  end
  return show(value, {}, 0)
end

return M
