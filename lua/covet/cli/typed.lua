--- What was typed at the prompt: Lua or SQL, complete or not.
-- @module covet.cli.typed

local sql = require "covet.sql"

-- Words that start SQL. What looks like SQL and is a name in Lua is told apart
-- by what follows the word.
local SQL_WORDS = {}
for word in ([[alter analyze attach begin call commit copy create deallocate delete describe detach drop
  end explain grant insert lock merge pragma reindex release replace revoke rollback savepoint select set
  show start table truncate update use vacuum values with]]):gmatch "%S+" do
  SQL_WORDS[word] = true
end

local M = {}

--- Whether a text starts as SQL does.
-- @tparam string text
-- @treturn boolean
function M.is_sql(text)
  local start = text:match "^%s*%-%-[^\n]*\n(.*)$" or text
  local word, after = start:match "^%s*(%a+)(.*)$"
  if not word or not SQL_WORDS[word:lower()] then
    return false
  elseif word:lower() == "values" and after:find "^%s*%(" then
    return true
  end
  return after:find "^%s*;" ~= nil or after:find "^%s*$" ~= nil
    or after:find "^%s+[^=.:,%[{%s]" ~= nil
end

--- Whether SQL is complete: it ends in `;`, outside of quotes and comments and
-- of a trigger's body.
-- @tparam string text
-- @tparam string dialect
-- @treturn boolean
function M.is_complete_sql(text, dialect)
  local ok, parsed = pcall(sql.parse, text, dialect)
  if not ok then
    -- A fault that more lines cannot mend is the database's to tell.
    return tostring(parsed):find("unterminated", 1, true) == nil and text:find ";%s*$" ~= nil
  end
  -- A statement behind it counts as one more only if this one has ended.
  local more = sql.parse(text .. "\nselect 1", dialect)
  if more.statements == parsed.statements then
    return false
  end
  return parsed.second ~= "TRIGGER" or text:lower():find "end%s*;%s*$" ~= nil
end

--- Compile a piece of Lua: `= expression`, an expression, or statements.
-- @tparam string text
-- @treturn function|nil
-- @treturn ?string the error; nil when the text is not complete yet
function M.compile(text)
  local expression = text:match "^%s*=(.*)$"
  local chunk = loadstring("return " .. (expression or text), "=repl")
  if chunk then
    return chunk
  end
  local problem
  chunk, problem = loadstring(expression and "return " .. expression or text, "=repl")
  if not chunk and problem:find "'<eof>'$" then
    return nil, nil
  end
  return chunk, problem
end

return M
