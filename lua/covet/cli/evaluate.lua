--- What a line of the REPL does, and what is printed of it.
-- @module covet.cli.evaluate

local format = require "covet.cli.format"
local show = require "covet.cli.show"
local sql = require "covet.sql"
local statement = require "covet.cli.statement"
local trace = require "covet.task.trace"

local concat = table.concat

-- Cells of a column.
local MAX_COLUMN = 60

-- Whether a line of a traceback stands in one of covet's own modules. (Paths in
-- tracebacks are cut in front, so there is no folder to compare with.)
local function is_own(line)
  local name = line:match "/covet/([%w_]+)[/.]"
  return name ~= nil and package.loaded["covet." .. name] ~= nil
end

local M = {}

--- Values with their number.
-- @param ...
-- @treturn table with `n`
function M.pack(...)
  return { n = select("#", ...), ... }
end

--- The global `db`; an error that says how to get one when there is none.
-- @treturn table
function M.database()
  local db = rawget(_G, "db")
  if type(db) ~= "table" or type(db.fetch_all) ~= "function" then
    error("there is no database: set db first, for instance\n"
      .. "  db = covet.connect \"sqlite:app.db\"", 0)
  end
  return db
end

local function write(text)
  io.write(text)
end

local function run_statement(db, text)
  local out
  local result = statement.run(db, text, {}, {
    start = function(columns)
      out = format.writer("table", columns, write, { max_width = MAX_COLUMN })
    end,
    rows = function(rows)
      out:rows(rows)
    end,
    finish = function()
      out:finish()
    end,
  })
  if result then
    print(statement.summary(result))
  end
end

--- Run SQL on `db` and print what each of its statements gives.
-- @tparam string text
function M.run_sql(text)
  local db = M.database()
  for _, piece in ipairs(sql.split(text, db.database)) do
    run_statement(db, piece)
  end
end

-- Columns of rows in the order of their statement.
local function order_of(rows)
  local db = rawget(_G, "db")
  if type(db) ~= "table" or type(db.columns) ~= "function" then
    return nil
  end
  local ok, columns = pcall(db.columns, db, rows)
  if not ok or type(columns) ~= "table" then
    return nil
  end
  local names = {}
  for i = 1, #columns do
    names[i] = type(columns[i]) == "table" and columns[i].name or columns[i]
  end
  return names
end

--- Print values, each from a line of its own.
-- @tparam table values as of `pack`
function M.print_values(values)
  for i = 1, values.n do
    print(show.value(values[i], order_of))
  end
end

--- An error with the part of the traceback that is the user's: below it stand
-- the REPL and the scheduler. To be called by the handler of `xpcall`.
-- @param err
-- @treturn string
function M.describe(err)
  local lines = {}
  for line in debug.traceback("", 3):gmatch "\n(\t[^\n]+)" do
    if line:find("in function 'xpcall'", 1, true) then
      break
    elseif not is_own(line) and line ~= "\t[C]: in function 'error'" then
      lines[#lines + 1] = line
    end
  end
  local text = trace.describe(err)
  return #lines > 1 and text .. "\n" .. concat(lines, "\n") or text
end

return M
