--- Jumps over what the SQL scanner must not look into: quoted text, dollar
-- quotes, comments.
--
-- Each function gets the text and the position where the thing starts and
-- gives the position behind it; or nil when nothing of the kind starts there;
-- or false when it has no end. All of them read every byte once.
-- @module covet.sql.skip

local byte, find, match = string.byte, string.find, string.match

local BACKSLASH, STAR, SLASH, DASH = 92, 42, 47, 45

local M = {}

--- Quoted text, whose closing character stands for itself when doubled.
-- @tparam string text
-- @tparam number position of the opening quote
-- @tparam string closing
-- @tparam boolean escapes does a backslash take the next byte with it?
-- @treturn number|boolean
function M.quoted(text, position, closing, escapes)
  local pattern = escapes and "[\\" .. closing .. "]" or closing
  local stop = find(text, pattern, position + 1, not escapes)
  while stop do
    local code = byte(text, stop)
    if code == BACKSLASH and escapes then
      stop = stop + 2
    elseif byte(text, stop + 1) == code then
      stop = stop + 2
    else
      return stop + 1
    end
    stop = find(text, pattern, stop, not escapes)
  end
  return false
end

--- PostgreSQL's $$text$$ or $tag$text$tag$.
-- @tparam string text
-- @tparam number position
-- @treturn number|boolean|nil
function M.dollar_quoted(text, position)
  local tag = match(text, "^%$[%a_\128-\255][%w_\128-\255]*%$", position)
    or match(text, "^%$%$", position)
  if not tag then
    return nil
  end
  local _, stop = find(text, tag, position + #tag, true)
  return stop and stop + 1 or false
end

local function line_end(text, position)
  local newline = find(text, "\n", position, true)
  return newline and newline + 1 or #text + 1
end

-- A nested comment: every opening asks for a closing of its own.
local function nested_comment(text, position)
  local depth, at = 1, find(text, "[*/]", position + 2)
  while at do
    local first, second = byte(text, at, at + 1)
    if first == STAR and second == SLASH then
      depth, at = depth - 1, at + 1
      if depth == 0 then
        return at + 1
      end
    elseif first == SLASH and second == STAR then
      depth, at = depth + 1, at + 1
    end
    at = find(text, "[*/]", at + 1)
  end
  return false
end

--- A comment from `--` to the end of the line.
-- @tparam string text
-- @tparam number position
-- @tparam table dialect
-- @treturn number|nil
function M.dash_comment(text, position, dialect)
  if byte(text, position + 1) ~= DASH then
    return nil
  elseif dialect.dash_needs_blank
    and find(text, "^[^%s%c]", position + 2) then
    return nil
  end
  return line_end(text, position)
end

--- A comment from `#` to the end of the line, in dialects that have it.
-- @tparam string text
-- @tparam number position
-- @tparam table dialect
-- @treturn number|nil
function M.hash_comment(text, position, dialect)
  return dialect.hash_comments and line_end(text, position) or nil
end

--- A comment between `/*` and `*/`. MySQL's `/*! code */` is none: the server
-- runs what is in it.
-- @tparam string text
-- @tparam number position
-- @tparam table dialect
-- @treturn number|boolean|nil
function M.block_comment(text, position, dialect)
  if byte(text, position + 1) ~= STAR then
    return nil
  elseif dialect.executable_comments and find(text, "^M?!", position + 2) then
    return nil
  elseif dialect.nested_comments then
    return nested_comment(text, position)
  end
  local _, stop = find(text, "*/", position + 2, true)
  return stop and stop + 1 or false
end

--- The opening of an executable comment, with its version number.
-- @tparam string text
-- @tparam number position
-- @treturn number|nil
function M.executable_opening(text, position)
  local _, stop = find(text, "^/%*M?!%d*", position)
  return stop and stop + 1
end

return M
