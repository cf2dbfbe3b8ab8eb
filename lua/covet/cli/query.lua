--- `covet query URL SQL [PARAMETER]...`: the rows of SQL on the output.
-- @module covet.cli.query

local arguments = require "covet.cli.arguments"
local cli = require "covet.cli"
local format = require "covet.cli.format"

-- Cells of a column on a terminal.
local MAX_COLUMN = 60

local M = {}

-- Raised when the reader of our output has gone: nothing is left to say.
local GONE = {}

local function check_written(ok, problem, code)
  if not ok then
    error(code == 32 and GONE or ("cannot write: " .. tostring(problem)), 0)
  end
end

local function write(text)
  check_written(io.stdout:write(text))
end

-- Hands the rows of one result after the other to a writer of its own. `count`
-- is how many results there were.
local function new_printer(options)
  local is_terminal = require("covet.editline").is_terminal(1)
  local printer, out = { count = 0, timeout = options.timeout }, nil
  function printer.start(columns)
    printer.count = printer.count + 1
    if printer.count > 1 and options.format == "csv" then
      write "\r\n" -- the next one may have other columns
    end
    out = format.writer(options.format, columns, write, {
      null = options.null,
      header = not options.no_header,
      max_width = is_terminal and MAX_COLUMN or nil,
    })
  end
  function printer.rows(rows)
    out:rows(rows)
  end
  function printer.finish()
    out:finish()
  end
  return printer
end

local function query(options)
  local statement = require "covet.cli.statement"
  local text = options.sql == "-" and io.stdin:read "*a" or options.sql
  local db = require("covet").connect(options.url)
  local printer = new_printer(options)
  local result = statement.run_all(db, text, options.parameters, printer)
  if printer.count == 0 and options.format == "table" then
    write((result and statement.summary(result) or "done") .. "\n")
  end
  check_written(io.stdout:flush())
  db:disconnect()
end

local function refuse(parser, problem)
  io.stderr:write("covet: ", problem, "\n", parser:get_usage(), "\n")
  return 2
end

--- The command.
-- @tparam {string,...} list its arguments
-- @treturn number exit status
function M.main(list)
  local parser = arguments.query()
  local options, problem = arguments.parse(parser, list)
  if not options then
    return refuse(parser, problem)
  elseif options.help then
    print(parser:get_help())
    return 0
  elseif not options.sql then
    return refuse(parser, options.url and "the SQL is missing" or "the URL and the SQL are missing")
  end
  local failed, problem_of_query
  local status = cli.run(function()
    local ok, err = pcall(query, options)
    failed, problem_of_query = not ok, err
  end)
  if not failed or status ~= 0 then
    return status
  elseif problem_of_query ~= GONE then
    io.stderr:write("covet: ", require("covet.task.trace").describe(problem_of_query), "\n")
  end
  return 1
end

return M
