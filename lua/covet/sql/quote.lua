--- Identifiers and literals as SQL text, for what cannot be a parameter.
-- @module covet.sql.quote

local ffi = require "ffi"
local hex = require "covet.hex"
local null = require "covet.null"
local number = require "covet.json.number"
local tagged = require "covet.tagged"

local find, gsub, huge = string.find, string.gsub, math.huge
local uint64 = ffi.typeof "uint64_t"
local MAX_INT64 = 9223372036854775807ULL

local MYSQL_ESCAPES = {
  ["\0"] = "\\0", ["\n"] = "\\n", ["\r"] = "\\r", ["\26"] = "\\Z",
  ["'"] = "''", ["\\"] = "\\\\",
}

local M = {}

-- The quoted form of one name; nil and what is wrong when there is none.
local function quote_name(name, dialect)
  if type(name) ~= "string" then
    return nil, "expected string, got " .. type(name)
  elseif name == "" then
    return nil, "it is empty"
  elseif find(name, "%z") then
    return nil, "it has a NUL byte"
  end
  local quote = dialect.identifier_quote
  return quote .. gsub(name, quote, quote .. quote) .. quote
end

--- An identifier.
-- @tparam string|table name a name (dots are part of it), or a list of names
-- to be joined by dots
-- @tparam table dialect
-- @treturn string|nil
-- @treturn string|nil what is wrong
function M.identifier(name, dialect)
  if type(name) ~= "table" then
    return quote_name(name, dialect)
  end
  local parts = {}
  for i = 1, #name do
    local part, fault = quote_name(name[i], dialect)
    if not part then
      return nil, fault
    end
    parts[i] = part
  end
  if #parts == 0 then
    return nil, "it is empty"
  end
  return table.concat(parts, ".")
end

-- Each writes a string, bytes, a boolean, or a number that is not finite, as
-- its database wants it; nil and what is wrong where that cannot be.
local WRITERS = {
  sqlite = {
    string = function(text)
      if find(text, "%z") then
        return "CAST(X'" .. hex(text) .. "' AS TEXT)"
      end
      return "'" .. gsub(text, "'", "''") .. "'"
    end,
    bytes = function(bytes)
      return "X'" .. hex(bytes) .. "'"
    end,
    boolean = function(value)
      return value and "1" or "0"
    end,
    special = function(value)
      if value ~= value then
        return nil, "SQLite has no NaN"
      end
      return value > 0 and "9e999" or "(-9e999)"
    end,
  },
  postgresql = {
    string = function(text)
      if find(text, "%z") then
        return nil, "PostgreSQL has no text with a NUL byte"
      elseif find(text, "\\", 1, true) then
        return " E'" .. gsub(text, "['\\]", "%0%0") .. "'"
      end
      return "'" .. gsub(text, "'", "''") .. "'"
    end,
    bytes = function(bytes)
      return "'\\x" .. hex(bytes) .. "'::bytea"
    end,
    boolean = function(value)
      return value and "TRUE" or "FALSE"
    end,
    special = function(value)
      return value ~= value and "'NaN'::float8"
        or value > 0 and "'Infinity'::float8" or "'-Infinity'::float8"
    end,
  },
  mysql = {
    string = function(text)
      return "'" .. gsub(text, "[%z\n\r\26'\\]", MYSQL_ESCAPES) .. "'"
    end,
    bytes = function(bytes)
      return "X'" .. hex(bytes) .. "'"
    end,
    boolean = function(value)
      return value and "TRUE" or "FALSE"
    end,
    special = function(value)
      return nil, "MySQL has no number " .. tostring(value)
    end,
  },
}

-- A negative number goes in parentheses: a minus sign in front of it would
-- make a comment of the two.
local function quote_number(value, dialect)
  if type(value) == "number"
    and (value ~= value or value == huge or value == -huge) then
    return WRITERS[dialect.name].special(value)
  elseif dialect.name == "sqlite" and ffi.istype(uint64, value)
    and value > MAX_INT64 then
    return nil, "SQLite has no integer above 9223372036854775807"
  end
  local text = number.exact(value)
  if not text then
    return nil, "cannot be written as a literal: " .. type(value)
  end
  return find(text, "^%-") and "(" .. text .. ")" or text
end

local function quote_tagged(value, dialect)
  local tag, content = value[1], value[2]
  if tagged.is(value) then
    if tag == tagged.BYTES then
      return WRITERS[dialect.name].bytes(content)
    elseif tag == tagged.TEXT then
      return WRITERS[dialect.name].string(content)
    elseif tag == tagged.INTEGER and find(content, "^-?%d+$") then
      return find(content, "^%-") and "(" .. content .. ")" or content
    end
  end
  return nil, "cannot be written as a literal: table"
end

--- A value as a literal.
-- @param value nil, `covet.null`, boolean, number, 64-bit cdata, string, or a
-- tagged parameter (`covet.bytes`, `covet.json`)
-- @tparam table dialect
-- @treturn string|nil
-- @treturn string|nil what is wrong
function M.literal(value, dialect)
  local kind = type(value)
  if value == nil or value == null then
    return "NULL"
  elseif kind == "string" then
    return WRITERS[dialect.name].string(value)
  elseif kind == "boolean" then
    return WRITERS[dialect.name].boolean(value)
  elseif kind == "table" then
    return quote_tagged(value, dialect)
  end
  return quote_number(value, dialect)
end

return M
