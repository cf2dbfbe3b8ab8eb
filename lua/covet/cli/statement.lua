--- One SQL text with its result in order: columns, then rows by chunks.
-- @module covet.cli.statement

local json = require "covet.json"
local sql = require "covet.sql"

local unpack = unpack

local CHUNK = 1000

local M = {}

local function names_of(columns)
  local names = {}
  for i = 1, #columns do
    local column = columns[i]
    names[i] = type(column) == "table" and column.name or column
  end
  return names
end

-- The call of a method: SQL, parameters and options in one table.
local function call(text, parameters, timeout)
  local arguments = { text, unpack(parameters) }
  arguments.timeout = timeout
  return arguments
end

-- A call's table cannot hold trailing NULLs, so the adapter takes what is
-- missing for them. Here nothing is meant to be missing.
local function check_count(parsed, given)
  local count = parsed.names and #parsed.names or parsed.count
  if count ~= given then
    error(("the statement takes %d parameter%s, %d given"):format(count, count == 1 and "" or "s", given), 0)
  end
end

--- Run a text and hand out its rows.
-- @tparam table db an adapter
-- @tparam string text
-- @tparam {string,...} parameters
-- @tparam table options `timeout` in seconds; `start(columns)` is called when
--   there can be rows, then `rows(list)` for each chunk of arrays
-- @treturn table|nil what `db:execute` gave when there can be no rows
function M.run(db, text, parameters, options)
  local parsed = sql.parse(text, db.database)
  if parsed.statements > 1 then
    if #parameters > 0 then
      error("several statements in one text take no parameters", 0)
    end
    return db:with_options({ timeout = options.timeout }):execute(text)
  end
  check_count(parsed, #parameters)
  local prepared = db:prepare(text)
  local columns = names_of(prepared.columns or {})
  if #columns == 0 then
    return db:execute(call(text, parameters, options.timeout))
  end
  options.start(columns)
  local query = call(text, parameters, options.timeout)
  query.rows, query.chunk_size = "array", CHUNK
  for chunk in db:stream_query(query) do
    options.rows(chunk)
  end
  return nil
end

-- Commands that are about rows: how many is worth telling.
local COUNTS = { INSERT = true, UPDATE = true, DELETE = true, REPLACE = true, MERGE = true, COPY = true }

--- What a statement without rows did, for people.
-- @tparam table result of `db:execute`
-- @treturn string
function M.summary(result)
  local command, affected = result.command or "", result.affected_rows
  if command == "SCRIPT" then
    return "done"
  end
  if affected and COUNTS[command:match "^%u+"] then
    return ("%s %s affected"):format(json.exact(affected), affected == 1 and "row" or "rows")
  end
  return command ~= "" and command or "done"
end

return M
