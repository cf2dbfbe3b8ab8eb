--- Lua tables as texts of PostgreSQL's types that are made of others: arrays (see
-- covet.adapter.postgresql.encode.array), composites, ranges, multiranges, hstore.
-- @module covet.adapter.postgresql.encode.nested

local array = require "covet.adapter.postgresql.encode.array"
local literal = require "covet.decode.literal"
local null = require "covet.null"
local rows = require "covet.decode.row"
local say = require "covet.adapter.postgresql.encode.say"

local concat, floor, format = table.concat, math.floor, string.format
local at_element, has_names, list_length = array.at_element, array.has_names,
  array.list_length
local describe, expected = say.describe, say.expected

local M = {}

local write

-- A form whose values are tables, or the server's text.
local function table_form(fn)
  return function(kind, value, depth)
    if type(value) == "string" then
      return value
    elseif type(value) ~= "table" then
      return expected(kind, value)
    end
    return fn(kind, value, depth)
  end
end

local function refuse_attributes(kind, value)
  local known = {}
  for _, attribute in ipairs(kind.attributes) do
    known[attribute.name] = true
  end
  for key in pairs(value) do
    if not known[key] then
      return format("%s has no attribute %s", kind.name,
        type(key) == "string" and format("%q", key) or tostring(key))
    end
  end
  return nil
end

local function refuse_positions(kind, value)
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #kind.attributes
      or floor(key) ~= key then
      return format("%s has %d attributes, got a value at %s", kind.name,
        #kind.attributes, type(key) == "string" and format("%q", key)
          or tostring(key))
    end
  end
  return nil
end

local write_composite = table_form(function(kind, value, depth)
  if rows.is_row(value) then
    value = rows.table(value)
  end
  local named = next(value) == nil or has_names(value)
  local fault = (named and refuse_attributes or refuse_positions)(kind, value)
  if fault then
    return nil, fault
  end
  local out = {}
  for i, attribute in ipairs(kind.attributes) do
    local field = value[i]
    if named then
      field = value[attribute.name]
    end
    local text = ""
    if field ~= nil and field ~= null then
      text, fault = write(attribute.type, field, depth + 1)
      if not text then
        return nil, format("attribute %s: %s", attribute.name, fault)
      end
      text = literal.attribute(text)
    end
    out[i] = text
  end
  return "(" .. concat(out, ",") .. ")"
end)

local RANGE_KEYS = { lower = true, upper = true, bounds = true, empty = true }
local BOUNDS = { ["[)"] = true, ["(]"] = true, ["[]"] = true, ["()"] = true }

local function range_fault(kind, value)
  for key in pairs(value) do
    if not RANGE_KEYS[key] then
      return format("expected %s { lower =, upper =, bounds = } or { empty = "
        .. "true }, got %s", kind.name, describe { [key] = true })
    end
  end
  if value.bounds ~= nil and not BOUNDS[value.bounds] then
    return format('bounds of a %s must be "[)", "(]", "[]" or "()"', kind.name)
  elseif next(value) == nil then
    return format("expected %s, got an empty table", kind.name)
  end
  return nil
end

local function write_bound(kind, value, side, depth)
  if value == nil or value == null then
    return ""
  end
  local text, fault = write(kind.element, value, depth + 1)
  if not text then
    return nil, side .. ": " .. fault
  end
  return literal.bound(text)
end

local write_range = table_form(function(kind, value, depth)
  local fault = range_fault(kind, value)
  if fault then
    return nil, fault
  elseif value.empty then
    return "empty"
  end
  local lower, lower_fault = write_bound(kind, value.lower, "lower", depth)
  local upper, upper_fault = write_bound(kind, value.upper, "upper", depth)
  if not (lower and upper) then
    return nil, lower_fault or upper_fault
  end
  local bounds = value.bounds or "[)"
  return bounds:sub(1, 1) .. lower .. "," .. upper .. bounds:sub(2)
end)

local write_multirange = table_form(function(kind, value, depth)
  local length, fault = list_length(kind, value)
  if not length then
    return nil, fault
  end
  local out = {}
  for i = 1, length do
    out[i], fault = write(kind.element, value[i], depth + 1)
    if fault then
      return nil, at_element(i, fault)
    end
  end
  return "{" .. concat(out, ",") .. "}"
end)

local TEXT = { name = "text", form = "other" }

local function map_item(item)
  if item == null then
    return "NULL"
  end
  local text, fault = write(TEXT, item, 0)
  return text and literal.map_text(text), fault
end

local write_hstore = table_form(function(kind, value)
  local out = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then
      return expected(kind, value)
    end
    local text, fault = map_item(item)
    if not text then
      return nil, format("key %q: %s", key, fault)
    end
    out[#out + 1] = literal.map_text(key) .. "=>" .. text
  end
  table.sort(out)
  return concat(out, ", ")
end)

--- Add these forms to the others.
-- @tparam table forms by name
-- @tparam function write_any `write(kind, value, depth)`, of any type
function M.add(forms, write_any)
  write = write_any
  array.add(forms, write_any, table_form)
  forms.composite, forms.range = write_composite, write_range
  forms.multirange, forms.hstore = write_multirange, write_hstore
end

return M
