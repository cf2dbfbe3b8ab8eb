--- The `covet` command: which of its forms was called, and its exit status.
--
-- The executable opens the Lua state and calls `main`. Everything that users
-- wrote (scripts, `-e`, modules, lines of the REPL) runs as the main task of
-- the native host, so that it may wait.
-- @module covet.cli

local handles = require "covet.cli.handles"

local concat = table.concat
local unpack = unpack

local M = {}

local OK, FAILURE, USAGE = 0, 1, 2

-- Commands of this version by module, and those that come later.
local COMMANDS = { query = "covet.cli.query" }
local LATER = { copy = true, migrate = true, new = true, top = true, doctor = true }

-- What makes an argument a database for the REPL, and no file.
local SCHEMES = {
  sqlite = true, postgresql = true, postgres = true, mysql = true, mariadb = true,
}

-- Options that take the next argument as their value.
local WITH_VALUE = { ["-e"] = true, ["--execute"] = true, ["-m"] = true, ["--module"] = true }
local ENDS_OPTIONS = { ["-m"] = true, ["--module"] = true }

local function complain(text)
  io.stderr:write("covet: ", text, "\n")
end

local function refuse(text)
  complain(text)
  io.stderr:write("Try 'covet --help'.\n")
  return USAGE
end

--- Run a function as the program's main task. It finds `covet` among the
-- globals, and luv on the runtime's loop.
-- @tparam function fn
-- @param ... its arguments
-- @treturn number exit status
function M.run(fn, ...)
  local native = require "covet.host.native"
  _G.covet = require "covet"
  require("luv").walk = handles.walk
  return native.main(function(...)
    -- The host watches SIGINT and SIGTERM by now.
    require("covet.interrupt").watch()
    return fn(...)
  end, ...)
end

-- Scripts -------------------------------------------------------------------

-- The global `arg`: the script's name at 0, its arguments from 1, and what
-- stood in front of it at negative places, as for `lua`.
local function set_arg(argv, script)
  local arg = {}
  for i = 0, #argv do
    arg[i - script] = argv[i]
  end
  arg[0] = arg[0] or argv[0]
  _G.arg = arg
  return unpack(arg, 1, #argv - script)
end

-- Chunks of code run one after the other as one program; the arguments are
-- the last one's.
local function run_chunks(chunks, ...)
  if #chunks == 1 then
    return M.run(chunks[1], ...)
  end
  return M.run(function(...)
    for i = 1, #chunks - 1 do
      chunks[i]()
    end
    chunks[#chunks](...)
  end, ...)
end

local function load_script(path)
  if path == "-" then
    return loadstring(io.stdin:read "*a", "=stdin")
  end
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, "cannot open " .. problem
  end
  local text, unreadable = file:read "*a"
  file:close()
  if not text then
    return nil, ("cannot read %s: %s"):format(path, unreadable)
  end
  return loadstring((text:gsub("^#[^\n]*", "", 1)), "@" .. path)
end

local function load_module(name)
  local path, problem = package.searchpath(name, package.path)
  if path then
    return load_script(path)
  end
  return nil, ("module '%s' not found:%s"):format(name, problem)
end

local function run_script(argv, index)
  local chunk, problem = load_script(argv[index])
  if not chunk then
    complain(problem)
    return FAILURE
  end
  return run_chunks({ chunk }, set_arg(argv, index))
end

-- Options -------------------------------------------------------------------

-- The place of the first argument that is no option of ours.
local function end_of_options(argv)
  local i = 1
  while argv[i] do
    local argument = argv[i]
    if argument == "-" or argument:sub(1, 1) ~= "-" then
      return i
    end
    i = i + (WITH_VALUE[argument] and 2 or 1)
    if ENDS_OPTIONS[argument] or argument:find "^%-%-module=" or argument:find "^%-m."
      or argument == "--" then
      return i
    end
  end
  return math.min(i, #argv + 1)
end

local function version()
  local uv = require "luv"
  local covet = require "covet"
  local sqlite = "not in this build"
  M.run(function()
    local ok, db = pcall(covet.connect, "sqlite::memory:")
    if ok then
      sqlite = db:fetch_value "select sqlite_version()"
      db:disconnect()
    end
  end)
  print(("covet %s\n%s\nlibuv %s\nSQLite %s"):format(
    require "covet.version", jit.version, uv.version_string(), sqlite))
  return OK
end

local function is_url(argument)
  return argument and SCHEMES[argument:match "^(%a+):"] or false
end

local function is_terminal()
  return require("covet.editline").is_terminal(0)
end

local function run_with_repl(chunks, url, ...)
  local repl = require "covet.cli.repl"
  chunks[#chunks + 1] = function()
    repl.main(url)
  end
  local status = run_chunks(chunks, ...)
  return status == OK and repl.failed and FAILURE or status
end

-- Code of the -e options, the module and the script, loaded in this order;
-- nil and why when one of them does not load.
local function load_all(options, argv, index)
  local chunks = {}
  for i, code in ipairs(options.execute) do
    local chunk, problem = loadstring(code, "=(command line)")
    if not chunk then
      return nil, problem
    end
    chunks[i] = chunk
  end
  if options.module or argv[index] and not is_url(argv[index]) then
    local chunk, problem
    if options.module then
      chunk, problem = load_module(options.module)
    else
      chunk, problem = load_script(argv[index])
    end
    if not chunk then
      return nil, problem
    end
    chunks[#chunks + 1] = chunk
  end
  return chunks
end

-- No script: the REPL, or a script from what is not a terminal.
local function run_stdin(argv)
  if is_terminal() then
    return run_with_repl({})
  end
  return run_script({ [0] = argv[0], "-" }, 1)
end

local function run_options(options, argv, index)
  local chunks, problem = load_all(options, argv, index)
  if not chunks then
    complain(problem)
    return FAILURE
  end
  local url = not options.module and is_url(argv[index]) and argv[index] or nil
  -- A module stands in the place of the script, one before its arguments.
  local script = options.module and index - 1 or index
  if options.interactive or url then
    return run_with_repl(chunks, url, set_arg(argv, script))
  elseif #chunks > 0 then
    return run_chunks(chunks, set_arg(argv, script))
  end
  return run_stdin(argv)
end

-- The common case, `-e CODE` in its plain form: starting quickly matters, and
-- argparse takes as long to load as all the rest. nil for everything else.
local function only_code(argv, index)
  local codes = {}
  for i = 1, index - 1, 2 do
    if argv[i] ~= "-e" or not argv[i + 1] then
      return nil
    end
    codes[#codes + 1] = argv[i + 1]
  end
  return { execute = codes }
end

local function with_options(argv)
  local index = end_of_options(argv)
  local plain = only_code(argv, index)
  if plain then
    return run_options(plain, argv, index)
  end
  local arguments = require "covet.cli.arguments"
  local parser = arguments.script()
  local options, problem = arguments.parse(parser, { unpack(argv, 1, index - 1) })
  if not options then
    return refuse(problem)
  elseif options.help then
    print(parser:get_help())
    return OK
  elseif options.version then
    return version()
  end
  return run_options(options, argv, index)
end

-- ---------------------------------------------------------------------------

local function run_url(argv)
  if #argv > 1 then
    return refuse("nothing may follow the URL: " .. concat(argv, " ", 2))
  end
  return run_with_repl({}, argv[1])
end

local function dispatch(argv)
  local first = argv[1]
  if first == nil then
    return run_stdin(argv)
  elseif COMMANDS[first] then
    return require(COMMANDS[first]).main({ unpack(argv, 2) })
  elseif LATER[first] then
    return refuse(("'%s' is not in this version"):format(first))
  elseif is_url(first) then
    return run_url(argv)
  elseif first == "-" or first:sub(1, 1) ~= "-" then
    return run_script(argv, 1)
  end
  return with_options(argv)
end

--- The command.
-- @tparam {string,...} argv arguments, the program's name at 0
-- @treturn number exit status: 0 well, 1 error, 2 usage, 130 interrupted
function M.main(argv)
  local status = dispatch(argv)
  -- The executable closes the state next, and luv's handles must be told before.
  handles.close_all()
  return status
end

return M
