--- Lua lists as texts of PostgreSQL's arrays.
-- @module covet.adapter.postgresql.encode.array

local encode_json = require "covet.json.encode"
local exact = require("covet.json.number").exact
local literal = require "covet.decode.literal"
local nested = require "covet.decode.nested"
local null = require "covet.null"
local rows = require "covet.decode.row"
local say = require "covet.adapter.postgresql.encode.say"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local concat, floor, format = table.concat, math.floor, string.format
local describe, expected, is_tagged = say.describe, say.expected, tagged.is

-- The server's limit.
local MAX_DIMENSIONS = 6

local M = {}

local write

-- The length of a list without holes; nil and what is wrong.
local function list_length(kind, value)
  local count, highest = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      return expected(kind, type(key) == "string" and { [key] = true } or value)
    end
    count, highest = count + 1, key > highest and key or highest
  end
  if count ~= highest then
    return nil, format("expected %s, got a list with holes: %d values up to "
      .. "index %s (covet.null is NULL)", kind.name, count, exact(highest))
  end
  return count
end

local function has_names(value)
  return type(next(value)) == "string"
end

-- Forms whose values are tables: tell whether a table is such a value and not
-- one more dimension of an array of them.
local IS_ELEMENT = {
  json = function() return true end,
  moment = has_names, range = has_names, hstore = function(value)
    return next(value) == nil or has_names(value)
  end,
}

local function is_element(kind, value)
  if kind.codec then
    return true
  end
  kind = types.base_of(kind)
  local test = IS_ELEMENT[kind.form]
  return test ~= nil and test(value)
end

-- Of its attributes, or a list of their values, of which the first may be NULL.
function IS_ELEMENT.composite(value)
  local first = value[1]
  if first == nil then
    return rows.is_row(value) or next(value) ~= nil
  end
  return rows.is_row(value) or type(first) ~= "table" or is_tagged(first)
end

function IS_ELEMENT.multirange(value)
  local first = value[1]
  return first == nil or type(first) ~= "table" or has_names(first)
    or is_tagged(first)
end

-- The lengths of an array's dimensions.
local function measure(kind, value)
  local marked, lengths = nested.bounds(value), {}
  local wanted = marked and #marked
  while true do
    local length, fault = list_length(kind, value)
    if not length then
      return nil, fault
    end
    lengths[#lengths + 1] = length
    local first = value[1]
    if length == 0 or type(first) ~= "table" or is_tagged(first)
      or wanted and #lengths == wanted
      or not wanted and is_element(kind.element, first) then
      break
    elseif #lengths == MAX_DIMENSIONS then
      return nil, format("expected %s, got more than %d dimensions", kind.name,
        MAX_DIMENSIONS)
    end
    value = first
  end
  return lengths, marked and #marked == #lengths and marked or nil
end

local function at_element(i, fault)
  return format("element %d: %s", i, fault)
end

local function write_element(kind, value, depth)
  if value == nil or value == null then
    return "NULL"
  end
  local text, fault = write(kind.element, value, depth + 1)
  return text and literal.element(text, kind.delimiter), fault
end

-- What is wrong with a list within an array, or nil: all are of one length.
local function check_length(kind, value, wanted)
  if type(value) ~= "table" or is_tagged(value) then
    return format("expected a list of %d, got %s", wanted, describe(value))
  end
  local length, fault = list_length(kind, value)
  if length and length ~= wanted then
    return format("expected a list of %d as the others, got one of %d", wanted,
      length)
  end
  return fault
end

local function write_dimension(kind, value, lengths, level, out, depth)
  local fault = level > 1 and check_length(kind, value, lengths[level])
  if fault then
    return fault
  end
  out[#out + 1] = "{"
  for i = 1, lengths[level] do
    if i > 1 then
      out[#out + 1] = kind.delimiter
    end
    if level < #lengths then
      fault = write_dimension(kind, value[i], lengths, level + 1, out, depth)
    else
      out[#out + 1], fault = write_element(kind, value[i], depth)
    end
    if fault then
      return at_element(i, fault)
    end
  end
  out[#out + 1] = "}"
  return nil
end

-- "[2:4]=", or "" where all count from 1.
local function bounds_text(bounds, lengths)
  local out, plain = {}, true
  for i, lower in ipairs(bounds or {}) do
    out[i] = format("[%d:%d]", lower, lower + lengths[i] - 1)
    plain = plain and lower == 1
  end
  return plain and "" or concat(out) .. "="
end

local function write_array(kind, value, depth)
  local lengths, bounds = measure(kind, value)
  if not lengths then
    return nil, bounds
  end
  local out = { bounds_text(bounds, lengths) }
  local fault = write_dimension(kind, value, lengths, 1, out, depth)
  if fault then
    return nil, fault
  end
  return lengths[#lengths] == 0 and "{}" or concat(out)
end

-- A text takes an array where it is marked as one.
local function write_text(kind, value, write_other)
  if type(value) ~= "table" then
    return write_other(kind, value)
  elseif getmetatable(value) == encode_json.Array or nested.bounds(value) then
    return write_array({ name = "text[]", form = "array", delimiter = ",",
      element = kind }, value, 0)
  end
  return expected(kind, value, "; covet.json(v) or covet.array(v) say what it is")
end

M.list_length, M.has_names, M.at_element = list_length, has_names, at_element

--- Add the forms `array` and `text`.
-- @tparam table forms by name
-- @tparam function write_any `write(kind, value, depth)`, of any type
-- @tparam function table_form makes a form of one whose values are tables
function M.add(forms, write_any, table_form)
  write, forms.array = write_any, table_form(write_array)
  function forms.text(kind, value)
    return write_text(kind, value, forms.other)
  end
end

return M
