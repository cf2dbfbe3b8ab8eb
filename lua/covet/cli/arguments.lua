--- The command's options, by argparse. Loaded when there are options to read:
-- a plain `covet script.lua` does without.
-- @module covet.cli.arguments

local argparse = require "argparse"
local format = require "covet.cli.format"

local USAGE = [[
Usage: covet [-i] [-e CODE]... [-m MODULE | SCRIPT | URL | -] [ARGUMENT]...
       covet query URL SQL [PARAMETER]... ]]

local QUERY_USAGE = [[
Usage: covet query [-f FORMAT] [-n TEXT] [--no-header] [-t SECONDS] [-h]
       URL SQL [PARAMETER]... ]]

local M = {}

local EPILOG = [[
Commands:
   query URL SQL         run SQL, print what it gives
   (copy, migrate, new, top and doctor come with later versions)

URL is sqlite:PATH, sqlite::memory:, postgresql://... or mysql://...
A file that is called like a command is run as ./NAME. The manual: man covet.]]

--- Options in front of a script.
-- @treturn table an argparse parser
function M.script()
  local parser = argparse("covet", "Run Lua scripts that talk to databases.", EPILOG)
    :add_help(false)
    :usage(USAGE)
  parser:option("-e --execute", "Run CODE; may be given several times.")
    :argname("CODE"):count("*")
  parser:option("-m --module", "Run a module; it gets the arguments that follow.")
    :argname("MODULE")
  parser:flag("-i --interactive", "Go on with the REPL, whether or not this is a terminal.")
  parser:flag("-v --version", "Print the versions of covet and what it is built on.")
  parser:flag("-h --help", "Print this.")
  return parser
end

--- Options of `covet query`.
-- @treturn table an argparse parser
function M.query()
  local parser = argparse("covet query", "Run SQL and print what it gives, one result after the other.",
    "Parameters are passed as text. One that starts with a minus sign stands after --.")
    :add_help(false)
    :usage(QUERY_USAGE)
  parser:argument("url", "The database, for instance sqlite:app.db."):argname("URL"):args("?")
  parser:argument("sql", "One or more statements; - reads them from standard input."):argname("SQL"):args("?")
  parser:argument("parameters", "Values of the placeholders."):argname("PARAMETER"):args("*")
  parser:option("-f --format", "table, csv, ndjson or json (default: table).")
    :argname("FORMAT"):choices(format.NAMES):default("table"):show_default(false)
  parser:option("-n --null", "What NULL looks like (table: NULL, csv: nothing)."):argname("TEXT")
  parser:flag("--no-header", "Leave out the names of the columns (table, csv).")
  parser:option("-t --timeout", "Give up after so many seconds."):argname("SECONDS"):convert(tonumber)
  parser:flag("-h --help", "Print this.")
  return parser
end

--- Read arguments.
-- @tparam table parser
-- @tparam {string,...} list
-- @treturn table|nil the options; nil when they are wrong
-- @treturn ?string what to tell the user then
function M.parse(parser, list)
  local ok, options = parser:pparse(list)
  if ok then
    return options
  end
  return nil, options
end

return M
