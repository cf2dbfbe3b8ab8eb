--- Where in the source of a table something is written: for errors about values
-- that are known only after the source has run.
-- @module covet.pool.place

local M = {}

-- The end of a long bracket that begins at `at`, or nil.
local function long_end(source, at)
  local level = source:match("^%[(=*)%[", at)
  if not level then
    return nil
  end
  local _, last = source:find("]" .. level .. "]", at, true)
  return last or #source
end

-- The end of a quoted string that begins at `at`.
local function quoted_end(source, at)
  local quote = source:sub(at, at)
  local i = at + 1
  while i <= #source do
    local char = source:sub(i, i)
    if char == "\\" then
      i = i + 1
    elseif char == quote then
      return i
    end
    i = i + 1
  end
  return #source
end

-- The token at `at`: its kind and last byte. Names and strings have a value.
local function read(source, at)
  local comment = source:match("^%-%-()", at)
  if comment then
    return "blank", long_end(source, comment)
      or source:match("^[^\n]*()", comment) - 1
  end
  local blank = source:match("^%s+()", at)
  if blank then
    return "blank", blank - 1
  end
  local name, after = source:match("^([%a_][%w_]*)()", at)
  if name then
    return "name", after - 1, name
  end
  local char = source:sub(at, at)
  if char == '"' or char == "'" then
    local last = quoted_end(source, at)
    return "string", last, source:sub(at + 1, last - 1)
  end
  local last = char == "[" and long_end(source, at)
  if last then
    return "string", last
  end
  local operator = source:match("^[=~<>]=", at) or char
  return operator, at + #operator - 1
end

-- The tokens of a source, without blanks and comments.
local function tokens_of(source)
  local tokens, at, line = {}, 1, 1
  while at <= #source do
    local kind, last, value = read(source, at)
    if kind ~= "blank" then
      tokens[#tokens + 1] = { kind = kind, value = value, line = line }
    end
    local _, lines = source:sub(at, last):gsub("\n", "")
    at, line = last + 1, line + lines
  end
  return tokens
end

-- Whether token `i` is a key that gets a value: `name =`, `["name"] =`.
local function is_key(tokens, i)
  local after = tokens[i + 1]
  if tokens[i].kind == "string" then
    after = after and after.kind == "]" and tokens[i + 2]
  end
  return after and after.kind == "="
end

-- The outermost key `name` from token `first` on, until the braces around it
-- end: its index.
local function find_key(tokens, first, name)
  local depth, best, best_depth = 0, nil, math.huge
  for i = first, #tokens do
    local token = tokens[i]
    if token.kind == "{" then
      depth = depth + 1
    elseif token.kind == "}" then
      depth = depth - 1
      if depth <= 0 and first > 1 then
        break
      end
    elseif token.value == name and depth < best_depth and is_key(tokens, i) then
      best, best_depth = i, depth
    end
  end
  return best
end

-- The `return` of the source, that is the last one outside of all braces, when
-- a table is written right behind it.
local function find_return(tokens)
  local depth, found = 0, nil
  for i, token in ipairs(tokens) do
    if token.kind == "{" then
      depth = depth + 1
    elseif token.kind == "}" then
      depth = depth - 1
    elseif depth == 0 and token.value == "return" and token.kind == "name" then
      found = i
    end
  end
  local after = found and tokens[found + 1]
  return after and after.kind == "{" and found + 1 or nil
end

--- The line of a key, of a key in its table and so on. The table that the source
-- returns is looked at first.
-- @tparam string source
-- @tparam {string,...} path `{ "users_db", "retry", "attempts" }`
-- @treturn number|nil the line of the last one that was found
function M.line(source, path)
  local tokens, line = tokens_of(source), nil
  local first = find_return(tokens)
  if not first or not find_key(tokens, first, path[1]) then
    first = 1
  end
  for _, name in ipairs(path) do
    local found = find_key(tokens, first, name)
    if not found then
      break
    end
    first, line = found + 1, tokens[found].line
  end
  return line
end

--- The first key that the returned table has twice: Lua itself keeps the last
-- one and says nothing.
-- @tparam string source
-- @treturn string|nil the key
-- @treturn number|nil the line of the second one
function M.twice(source)
  local tokens, depth, seen = tokens_of(source), 0, {}
  for i = find_return(tokens) or #tokens + 1, #tokens do
    local token = tokens[i]
    if token.kind == "{" or token.kind == "(" then
      depth = depth + 1
    elseif token.kind == "}" or token.kind == ")" then
      depth = depth - 1
    elseif depth == 1 and token.value and is_key(tokens, i) then
      if seen[token.value] then
        return token.value, token.line
      end
      seen[token.value] = true
    end
  end
  return nil
end

return M
