--- One pass over an SQL text: placeholders, keywords, statements.
--
-- The loop runs over bytes until one that may matter: a tight loop over a table
-- of bytes, which compiles to some 2 ns a byte (a `string.find` of a class is
-- never compiled and costs ten times that; interpreted both cost the same).
-- Quoted text and comments are jumped over by plain `string.find`. Which bytes
-- matter depends on where it is: between statements each that is no blank; at
-- the start of a statement (and as long as words say something, see
-- `covet.sql.words`) letters, digits and parentheses too; then only quotes,
-- comments, placeholders and `;`.
--
-- Handlers get the scan and a position, and give the position to go on from
-- (nil: the next byte). What is wrong they note in `scan.fault`.
-- @module covet.sql.scanner

local fault = require "covet.sql.fault"
local placeholder = require "covet.sql.placeholder"
local skip = require "covet.sql.skip"
local words = require "covet.sql.words"

local byte, char, find = string.byte, string.char, string.find
local sub, upper = string.sub, string.upper
local unterminated = fault.unterminated

local SEMICOLON, SLASH, DOT = 59, 47, 46

local COMMENTS = {
  [45] = skip.dash_comment, [35] = skip.hash_comment,
  [47] = skip.block_comment,
}

local M = {}

-- The bytes that match a pattern: a table, code -> boolean.
local function bytes_of(pattern)
  local class = {}
  for code = 0, 255 do
    class[code] = find(char(code), pattern) ~= nil
  end
  return class
end

local NOT_BLANK = bytes_of "%S"
local NOT_WORD = bytes_of "[^%w_$\128-\255]"
local NOT_NUMBER = bytes_of "[^%w_.]"

-- The first position from `position` whose byte is of a class, or the one
-- behind the text.
local function seek(text, position, class)
  local length = #text
  while position <= length and not class[byte(text, position)] do
    position = position + 1
  end
  return position
end

-- Is the quote at `position` that of an E'' string?
local function has_escape_prefix(text, position)
  return find(text, "^[eE]", position - 1) and position > 1
    and not (position > 2 and find(text, "^[%w_$\128-\255]", position - 2))
end

local function on_quote(scan, position)
  local text = scan.text
  local quote = scan.dialect.quotes[sub(text, position, position)]
  local escapes = quote[3] or scan.dialect.escape_strings
    and quote[2] == "string" and has_escape_prefix(text, position)
  local behind = skip.quoted(text, position, quote[1], escapes)
  -- A string goes on behind a line break, and so do its escapes.
  while behind and escapes and scan.dialect.escape_strings do
    local _, again = find(text, "^[ \t\f\r]*\n%s*'", behind)
    if not again then
      break
    end
    behind = skip.quoted(text, again, quote[1], escapes)
  end
  return behind or unterminated(scan, position, quote[2])
end

local function on_semicolon(scan, position)
  if scan.depth > 0 then
    scan.edge = true
  elseif scan.parentheses > 0 and words.in_routine(scan) then
    return -- within the list of a CREATE RULE
  else
    if scan.open and scan.bounds then
      scan.bounds[2 * scan.statements] = position - 1
    end
    scan.open = false
  end
end

local function on_word(scan, position)
  local text = scan.text
  local behind = seek(text, position, NOT_WORD)
  if scan.on_word then
    scan.qualified = position > 1 and byte(text, position - 1) == DOT
    scan.on_word(scan, upper(sub(text, position, behind - 1)), behind)
  end
  return behind
end

local function on_digit(scan, position)
  return seek(scan.text, position, NOT_NUMBER)
end

-- A function that adds to a counter of the scan.
local function counting(field, step)
  return function(scan)
    scan[field] = scan[field] + step
  end
end

local function on_slash(scan, position)
  if not scan.dialect.executable_comments then
    return nil
  end
  local behind = skip.executable_opening(scan.text, position)
  if behind then
    scan.executable = position
  end
  return behind
end

local function on_star(scan, position)
  if scan.executable and byte(scan.text, position + 1) == SLASH then
    scan.executable = nil
    return position + 2
  end
  return nil
end

-- The handlers of a dialect by byte, and the classes of bytes to look for
-- within a statement, `quick`, and while words matter, `wordy`.
local function build(dialect)
  local handlers, quick = {}, {}
  local function add(character, handler)
    handlers[byte(character)] = handler
    quick[#quick + 1] = "%" .. character
  end
  for opening in pairs(dialect.quotes) do
    add(opening, on_quote)
  end
  add("-", nil)
  add("/", on_slash)
  add(";", on_semicolon)
  add(":", placeholder.colon)
  add("$", placeholder.dollar)
  if dialect.hash_comments then add("#", nil) end
  if dialect.question then add("?", placeholder.question) end
  if dialect.percent then add("%", placeholder.percent) end
  if dialect.own_names then add("@", placeholder.at) end
  if dialect.executable_comments then add("*", on_star) end
  if dialect.slices then
    add("[", counting("brackets", 1))
    add("]", counting("brackets", -1))
  end
  handlers[byte "("] = counting("parentheses", 1)
  handlers[byte ")"] = counting("parentheses", -1)
  for code = 0, 255 do
    local character = char(code)
    if character:find "[%a_\128-\255]" then
      handlers[code] = on_word
    elseif character:find "%d" then
      handlers[code] = on_digit
    end
  end
  quick = table.concat(quick)
  return {
    handlers = handlers, quick = bytes_of("[" .. quick .. "]"),
    wordy = bytes_of("[%w_()\128-\255" .. quick .. "]"),
  }
end

local lexers = {}

local function lexer_of(dialect)
  local lexer = lexers[dialect]
  if not lexer then
    lexer = build(dialect)
    lexers[dialect] = lexer
  end
  return lexer
end

local function open_statement(scan, position)
  scan.open = true
  scan.statements = scan.statements + 1
  if scan.bounds then
    scan.bounds[2 * scan.statements - 1] = position
  end
  scan.on_word = words.first
  scan.parentheses, scan.brackets = 0, 0
end

-- Deal with the byte at `position`; gives the position to go on from.
local function step(scan, position)
  local code = byte(scan.text, position)
  local skip_comment = COMMENTS[code]
  if skip_comment then
    local behind = skip_comment(scan.text, position, scan.dialect)
    if behind then
      return behind
    elseif behind == false then
      return unterminated(scan, position, "comment")
    end
  end
  if not scan.open and code ~= SEMICOLON then
    open_statement(scan, position)
  end
  local handler = scan.lexer.handlers[code]
  return handler and handler(scan, position) or position + 1
end

--- Scan a text.
-- @tparam string text
-- @tparam table dialect of `covet.sql.dialect`
-- @tparam[opt] table bounds takes the first and the last byte of each statement
-- in turn, without its `;`; the last byte of all is missing where no `;` is
-- @treturn table the scan: `count`, `names`, `order`, `pieces` and `copied`
-- (what was replaced, up to which byte), `keyword`, `verb`, `second`,
-- `statements`, `temporary`, `returning`, `control`; or `fault`, a table of `kind`, `message`,
-- `position`
function M.scan(text, dialect, bounds)
  local lexer = lexer_of(dialect)
  local scan = {
    text = text, dialect = dialect, lexer = lexer, open = false,
    count = 0, copied = 0, statements = 0, temporary = false, returning = false,
    depth = 0, edge = false, parentheses = 0, brackets = 0,
    order = not dialect.parameter and {} or nil, bounds = bounds,
  }
  local position, length = seek(text, 1, NOT_BLANK), #text
  while position <= length do
    position = step(scan, position)
    position = seek(text, position, not scan.open and NOT_BLANK
      or scan.on_word and lexer.wordy or lexer.quick)
  end
  if scan.executable then
    unterminated(scan, scan.executable, "comment")
  end
  return scan
end

return M
