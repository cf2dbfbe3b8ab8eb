--- SQL texts as covet sees them, the same for all databases.
--
-- `parse` finds the placeholders of a text (`?`, `?1`, `$1`, `:name`, in MySQL
-- also `%s`), outside strings, quoted identifiers, comments, dollar quotes,
-- casts and array slices, and rewrites them as the database wants them. It
-- does not check the SQL: that is the database's part.
--
-- In PostgreSQL `?` is an operator, so only `$1` and `:name` are placeholders
-- there. In MySQL a text with `%s` has `%%` for `%` everywhere, in strings and
-- comments too. One text keeps to one style. No placeholder is looked for in the
-- definition of a trigger or routine, which counts as one statement with all of its
-- body; in MySQL such a body must be a BEGIN ... END block to be told from what
-- follows.
-- @module covet.sql

local dialects = require "covet.sql.dialect"
local error = require "covet.error"
local options = require "covet.options"
local quote = require "covet.sql.quote"
local scanner = require "covet.sql.scanner"

local concat, find, format = table.concat, string.find, string.format
local gsub = string.gsub
local lower, sub = string.lower, string.sub

local M = {}

--- The dialects by name: `sqlite`, `postgresql`, `mysql`.
M.dialects = dialects

-- A dialect of its name or itself; nil when there is none such.
local function find_dialect(dialect)
  return dialects[dialect] or type(dialect) == "table" and dialect or nil
end

-- The dialect; a mistake is that of `level`, counted from this function.
local function check_dialect(dialect, level)
  local found = find_dialect(dialect)
  if not found then
    error.usage(level + 1, "unknown dialect %s (known: sqlite, postgresql, "
      .. "mysql)", tostring(dialect))
  end
  return found
end

-- The text with its placeholders rewritten.
local function native_text(scan)
  local pieces = scan.pieces
  if not pieces then
    return scan.text
  end
  pieces[#pieces + 1] = sub(scan.text, scan.copied + 1)
  if scan.style == "%s" then
    for i = 1, #pieces do
      pieces[i] = gsub(pieces[i], "%%%%", "%%")
    end
  end
  return concat(pieces)
end

-- The parameter of each native placeholder; nil when that is simply 1, 2, 3...
local function uneven_order(scan)
  local order = scan.order
  if not order then
    return nil
  end
  for i = 1, #order do
    if order[i] ~= i then
      return order
    end
  end
  return #order < scan.count and order or nil
end

-- Scan a text; what is wrong with it is raised.
local function scan_text(text, dialect, level, bounds)
  if type(text) ~= "string" then
    error.usage(level + 1, "SQL: expected string, got %s", type(text))
  end
  dialect = check_dialect(dialect, level + 1)
  local scan = scanner.scan(text, dialect, bounds)
  local fault = scan.fault
  if fault then
    fault.sql, fault.database, fault.retry = text, dialect.name, "no"
    error.raise(fault, fault.kind == "usage" and level + 1 or nil)
  end
  return scan
end

--- Parse a text.
-- @tparam string text
-- @tparam string|table dialect a name or one of `sql.dialects`
-- @tparam[opt=2] number level whose mistake it is, as for Lua's `error`
-- @treturn table a statement: `text` (for the database), `count` (parameters to
-- give), `names` (their names in order of first use, or nil), `order` (the
-- parameter of each native placeholder, or nil when in order), `keyword`,
-- `second` (the word behind it; for CREATE what is made), `verb` (the keyword,
-- but behind WITH the main statement's), `statements` (how many),
-- `temporary` (something temporary is created), `returning` (an INSERT has that
-- clause), `control` (the first word that
-- begins or ends a transaction, of any statement). The other words are those of
-- the first statement, in capitals; nil where there is none. Raises "syntax_error" for a
-- quote or comment without end, "usage" for placeholders of two styles.
function M.parse(text, dialect, level)
  local scan = scan_text(text, dialect, (level or 2) + 1)
  return {
    text = native_text(scan), count = scan.count, names = scan.names,
    order = uneven_order(scan), keyword = scan.keyword, second = scan.second,
    verb = scan.verb or scan.keyword == "WITH" and "SELECT" or nil,
    statements = scan.statements, temporary = scan.temporary,
    control = scan.control, returning = scan.returning,
  }
end

--- The statements of a text, one by one, without their `;` and without the
-- comments between them.
-- @tparam string text
-- @tparam string|table dialect
-- @tparam[opt=2] number level whose mistake it is, as for Lua's `error`
-- @treturn {string,...}
function M.split(text, dialect, level)
  local bounds, list = {}, {}
  local scan = scan_text(text, dialect, (level or 2) + 1, bounds)
  for i = 1, scan.statements do
    list[i] = sub(text, bounds[2 * i - 1], bounds[2 * i])
  end
  return list
end

-- Whether a statement sets something that has to do with transactions. Escapes in
-- a name may hide that.
local function sets_transaction(statement, keyword)
  local text = lower(statement)
  return (keyword == "SET" or keyword == "RESET")
    and (find(text, "transaction", 1, true) or find(text, "u&", 1, true))
end

--- What in a text would let it write although it runs in a transaction that only
-- reads. Databases that look at each statement by itself do not need it.
-- @tparam string text
-- @tparam string|table dialect
-- @treturn string|nil a word: SET, RESET, or of several statements one that ends
-- a transaction
function M.lifts_read_only(text, dialect)
  if not check_dialect(dialect, 2).settable_mode then
    return nil
  end
  local statements = M.split(text, dialect)
  for _, statement in ipairs(statements) do
    local parsed = M.parse(statement, dialect)
    if sets_transaction(statement, parsed.keyword) then
      return parsed.keyword
    elseif #statements > 1 and parsed.control then
      return parsed.control
    end
  end
  return nil
end

-- Raise for a name that the statement does not have.
local function refuse_extra(statement, params, level)
  local known = {}
  for i = 1, #statement.names do
    known[statement.names[i]] = true
  end
  for name in pairs(params) do
    if not known[name] then
      local nearest = options.nearest(name, statement.names)
      error.usage(level + 1, "the statement has no parameter :%s%s",
        tostring(name), nearest and format(", did you mean :%s?", nearest)
        or " (it has :" .. concat(statement.names, ", :") .. ")")
    end
  end
end

--- The list of parameters for a statement with `:name` placeholders.
-- @tparam table statement of `parse`
-- @tparam table params values by name; `covet.null` is NULL
-- @tparam[opt=2] number level whose mistake it is, as for Lua's `error`
-- @treturn table a value for each of `statement.names`
-- @treturn number how many
function M.bind_named(statement, params, level)
  level = level or 2
  local names = statement.names
  if not names then
    error.usage(level + 1, "params given, but the statement has no :name "
      .. "placeholders")
  elseif type(params) ~= "table" then
    error.usage(level + 1, "params: expected table, got %s", type(params))
  end
  local list, extra = {}, 0
  for _ in pairs(params) do
    extra = extra + 1
  end
  if extra > #names then
    refuse_extra(statement, params, level + 1)
  end
  for i = 1, #names do
    local value = params[names[i]]
    if value == nil then
      refuse_extra(statement, params, level + 1)
      error.usage(level + 1, "parameter :%s is missing (covet.null binds NULL)",
        names[i])
    end
    list[i] = value
  end
  return list, #names
end

--- The parameters in the order of the native placeholders, where that differs
-- (`statement.order`): MySQL's `?` cannot be numbered.
-- @tparam table statement of `parse`
-- @tparam table list a value for each parameter
-- @tparam number n how many
-- @treturn table `list` itself when the order is the same
-- @treturn number
function M.arrange(statement, list, n)
  local order = statement.order
  if not order then
    return list, n
  end
  local arranged = {}
  for i = 1, #order do
    arranged[i] = list[order[i]]
  end
  return arranged, #order
end

--- Quote an identifier.
-- @tparam string|table name a name (a dot is part of it), or a list such as
-- `{ "schema", "table" }`
-- @tparam string|table dialect
-- @treturn string
function M.quote_identifier(name, dialect)
  local text, fault = quote.identifier(name, check_dialect(dialect, 2))
  if not text then
    error.usage(error.CALLER, "cannot quote an identifier: %s", fault)
  end
  return text
end

--- Quote a value as a literal. A negative number comes in parentheses, so that
-- no minus sign in front of it makes a comment. For MySQL as its server starts
-- (`sql_mode` without NO_BACKSLASH_ESCAPES).
-- @param value nil, `covet.null`, boolean, number, 64-bit cdata, string,
-- `covet.bytes`, `covet.json`
-- @tparam string|table dialect
-- @treturn string
function M.quote_literal(value, dialect)
  local text, fault = quote.literal(value, check_dialect(dialect, 2))
  if not text then
    error.usage(error.CALLER, "cannot quote a literal: %s", fault)
  end
  return text
end

return M
