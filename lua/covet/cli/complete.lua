--- Completion in the REPL: names of Lua, or keywords and tables in SQL.
-- @module covet.cli.complete

local concat, sort = table.concat, table.sort

local M = {}

local LUA_KEYWORDS = [[and break do else elseif end false for function goto if in local nil not or
  repeat return then true until while]]

local SQL_KEYWORDS = [[add all alter and as asc begin between by case cast check collate column commit
  conflict constraint create cross current_date current_time current_timestamp default delete desc
  distinct drop else end except exists explain foreign from full group having if in index inner insert
  intersect into is isnull join key left like limit natural not notnull null offset on or order outer
  over partition pragma primary references rename replace returning right rollback savepoint select set
  table temporary then transaction trigger union unique update using vacuum values view when where
  window with without]]

local function add_words(words, names)
  for word in words:gmatch "%S+" do
    names[#names + 1] = word
  end
end

local function starts_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

-- The names that an index of `value` would find, without calling anything.
local function fields_of(value)
  local names, seen = {}, {}
  local function add(from)
    for name in next, from do
      if type(name) == "string" and name:find "^[%a_][%w_]*$" and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  for _ = 1, 10 do
    if type(value) ~= "table" then
      break
    end
    local meta = debug.getmetatable(value)
    add(value)
    if type(meta) == "table" and type(rawget(meta, "__names")) == "table" then
      add(meta.__names) -- what is loaded when it is first used
    end
    value = type(meta) == "table" and rawget(meta, "__index") or nil
  end
  return names
end

-- What a path like `a.b.c` stands for; only plain tables are walked.
local function resolve(globals, path)
  local value = globals
  for name in path:gmatch "[%a_][%w_]*" do
    local found
    for _ = 1, 10 do
      if type(value) ~= "table" then
        break
      end
      found = rawget(value, name)
      local meta = debug.getmetatable(value)
      value = found == nil and type(meta) == "table" and rawget(meta, "__index") or nil
    end
    value = found
  end
  if type(value) ~= "table" then
    local meta = debug.getmetatable(value)
    value = type(meta) == "table" and rawget(meta, "__index") or nil
  end
  return value
end

--- Names in Lua that go on with what stands before the cursor.
-- @tparam table globals
-- @tparam string before
-- @treturn {string,...} the whole words
-- @treturn string the part of them that is there
function M.lua(globals, before)
  local path, prefix = before:match "([%a_][%w_.:]*)[.:]([%w_]*)$"
  local candidates
  if path then
    candidates = fields_of(resolve(globals, path))
  else
    prefix = before:match "[%a_][%w_]*$" or ""
    candidates = fields_of(globals)
    add_words(LUA_KEYWORDS, candidates)
  end
  local found = {}
  for i = 1, #candidates do
    if starts_with(candidates[i], prefix) then
      found[#found + 1] = candidates[i]
    end
  end
  sort(found)
  return found, prefix
end

--- Keywords and tables that go on with what stands before the cursor; the
-- case of keywords is that of what was typed.
-- @tparam {string,...} tables
-- @tparam string before
-- @treturn {string,...} the whole words
-- @treturn string the part of them that is there
function M.sql(tables, before)
  local prefix = before:match "[%w_]*$"
  local is_upper = prefix:find "^%u" ~= nil
  local found, keywords = {}, {}
  for i = 1, #tables do
    if starts_with(tables[i], prefix) then
      found[#found + 1] = tables[i]
    end
  end
  add_words(SQL_KEYWORDS, keywords)
  for i = 1, #keywords do
    local word = is_upper and keywords[i]:upper() or keywords[i]
    if prefix ~= "" and starts_with(word, prefix) then
      found[#found + 1] = word
    end
  end
  sort(found)
  return found, prefix
end

--- The longest beginning that all words share.
-- @tparam {string,...} words at least one
-- @treturn string
function M.common(words)
  local common = words[1]
  for i = 2, #words do
    while not starts_with(words[i], common) do
      common = common:sub(1, -2)
    end
  end
  return common
end

--- Words in columns.
-- @tparam {string,...} words
-- @tparam number width cells of the terminal
-- @treturn string lines, each with a newline
function M.columns(words, width)
  local widest = 0
  for i = 1, #words do
    widest = math.max(widest, #words[i] + 2)
  end
  local per_line = math.max(1, math.floor(width / widest))
  local lines = {}
  for first = 1, #words, per_line do
    local line = {}
    for i = first, math.min(first + per_line - 1, #words) do
      line[#line + 1] = words[i] .. (" "):rep(widest - #words[i])
    end
    lines[#lines + 1] = (concat(line):gsub(" +$", "")) .. "\n"
  end
  return concat(lines)
end

return M
