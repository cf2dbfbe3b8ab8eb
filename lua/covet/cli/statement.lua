--- An SQL text with its results in order: of each its columns, then its rows by
-- chunks.
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

--- Run a statement and hand out its rows.
-- @tparam table db an adapter or a connection
-- @tparam string text one statement
-- @tparam {string,...} parameters
-- @tparam table options `timeout` in seconds; `start(columns)` is called when
--   there can be rows, then `rows(list)` for each chunk of arrays, then `finish()`
-- @treturn table|nil what `db:execute` gave when there can be no rows
function M.run(db, text, parameters, options)
  check_count(sql.parse(text, db.adapter.dialect), #parameters)
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
  options.finish()
  return nil
end

-- Statements that give no rows, unless they are told to.
local SILENT = { INSERT = true, UPDATE = true, DELETE = true, REPLACE = true,
  MERGE = true, CREATE = true, DROP = true, ALTER = true }

local function is_silent(text, dialect)
  local parsed = sql.parse(text, dialect)
  return SILENT[parsed.verb] and parsed.count == 0
    and not text:lower():find("returning", 1, true)
end

-- What is run in turn: neighbours without rows are one script, as they would be
-- for `execute`, for a dump of many must not commit each by itself. A text that
-- begins and ends transactions itself is left as it is.
local function gather(list, text, dialect)
  if sql.parse(text, dialect).control then
    return list
  end
  local gathered, script = {}, nil
  for _, piece in ipairs(list) do
    local silent = is_silent(piece, dialect)
    if silent and script then
      script[#script + 1] = piece
    else
      script = silent and { piece } or nil
      gathered[#gathered + 1] = script or piece
    end
  end
  return gathered
end

local function run_each(connection, list, options)
  for _, piece in ipairs(list) do
    if type(piece) == "table" then
      connection:execute { table.concat(piece, ";\n"), timeout = options.timeout }
    else
      M.run(connection, piece, {}, options)
    end
  end
end

--- Run a text of any number of statements, on one connection.
-- @tparam table db an adapter
-- @tparam string text
-- @tparam {string,...} parameters of a single statement
-- @tparam table options as of `run`; all that is called for each result
-- @treturn table|nil as of `run`, of a single statement
function M.run_all(db, text, parameters, options)
  local list = sql.split(text, db.database)
  if #list <= 1 then
    return M.run(db, text, parameters, options)
  elseif #parameters > 0 then
    error("several statements in one text take no parameters", 0)
  end
  db:with(function(connection)
    run_each(connection, gather(list, text, db.database), options)
  end)
  return nil
end

-- Commands that are about rows: how many is worth telling.
local COUNTS = { INSERT = true, UPDATE = true, DELETE = true, REPLACE = true, MERGE = true, COPY = true }

--- What a statement without rows did, for people.
-- @tparam table result of `db:execute`
-- @treturn string
function M.summary(result)
  local command, affected = result.command or "", result.affected_rows
  if affected and COUNTS[command:match "^%u+"] then
    return ("%s %s affected"):format(json.exact(affected), affected == 1 and "row" or "rows")
  end
  return command ~= "" and command or "done"
end

return M
