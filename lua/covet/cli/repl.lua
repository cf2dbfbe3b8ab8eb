--- The REPL: lines of Lua and of SQL, each run as a task of its own.
--
-- The prompt waits in the loop, so tasks that a line has spawned go on. Ctrl-C
-- cancels the line that runs, or clears what was typed; Ctrl-D ends.
-- @module covet.cli.repl

local complete = require "covet.cli.complete"
local evaluate = require "covet.cli.evaluate"
local history = require "covet.cli.history"
local reader = require "covet.cli.reader"
local trace = require "covet.task.trace"
local typed = require "covet.cli.typed"

local pack, unpack = evaluate.pack, unpack

local PROMPT, MORE, SQL_MORE = "covet> ", "    -> ", "   sql> "

local HELP = [[
Lua runs when it is complete; the values of an expression are printed.
SQL ending in ; runs on the global db. Lines with a dot:
  .help            this
  .tables          the tables of db
  .timing          show how long each line took, or stop that
  .quit            leave, as Ctrl-D does]]

local M = {
  --- Whether anything went wrong so far in a session without a terminal.
  failed = false,
}

-- Whether there is someone to see what went wrong.
local is_watched = false

local function complain(text)
  M.failed = not is_watched
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

local Repl = {}
Repl.__index = Repl
Repl.__name = "covet.cli.Repl"

-- Running ---------------------------------------------------------------------

--- Run a function as a task and wait for it; errors are printed.
function Repl:run(fn)
  local covet = require "covet"
  local started = covet.now()
  local failed
  local task = covet.spawn(function()
    local results = pack(xpcall(fn, function(err)
      failed = evaluate.describe(err)
      return err
    end))
    if not results[1] then
      error(results[2], 0)
    end
    return unpack(results, 2, results.n)
  end)
  self.task = task
  local results = pack(pcall(task.join, task))
  self.task = nil
  if results[1] then
    evaluate.print_values(pack(unpack(results, 2, results.n)))
  else
    complain(failed or trace.describe(results[2]))
  end
  if self.timing then
    print(("%.3f ms"):format((covet.now() - started) * 1000))
  end
end

-- Names for completion, fetched beside the prompt and again after statements
-- that may have changed them.
function Repl:refresh_tables(text)
  local db = rawget(_G, "db")
  local is_database = type(db) == "table" and type(db.get_table_list) == "function"
  if not is_database or not self.editor then
    return
  elseif db == self.known_db and not text:lower():find "create" and not text:lower():find "drop"
    and not text:lower():find "alter" and not text:lower():find "attach" then
    return
  end
  self.known_db = db
  require("covet").spawn(function()
    local ok, list = pcall(db.get_table_list, db)
    self.tables = ok and self.names_of(list) or {}
  end)
end

-- `get_table_list` gives names, or rows with a name.
function Repl.names_of(list)
  local names = {}
  for i = 1, #list do
    names[i] = type(list[i]) == "table" and (list[i].name or list[i].table_name) or list[i]
  end
  return names
end

-- Lines with a dot ---------------------------------------------------------------

local DOTS = {}

function DOTS.help()
  print(HELP)
end

function DOTS.timing(self)
  self.timing = not self.timing
  print("timing is " .. (self.timing and "on" or "off"))
end

function DOTS.tables(self)
  self:run(function()
    for _, name in ipairs(self.names_of(evaluate.database():get_table_list())) do
      print(name)
    end
  end)
end

function DOTS.quit(self)
  self.ended = true
end

local function run_dot(self, text)
  local name = text:match "^%s*%.(%a+)%s*$"
  if name and DOTS[name] then
    DOTS[name](self)
  else
    complain "there is no such line with a dot; .help lists them"
  end
end

-- The loop ----------------------------------------------------------------------

-- Run what was typed when it is complete. Returns the prompt for more when it
-- is not.
function Repl:take(text)
  if text:find "^%s*%.%a" then
    return run_dot(self, text)
  elseif typed.is_sql(text) then
    local db = rawget(_G, "db")
    local dialect = type(db) == "table" and db.database or "sqlite"
    if not typed.is_complete_sql(text, dialect) then
      return SQL_MORE
    end
    self:run(function()
      evaluate.run_sql(text)
    end)
  elseif text:find "%S" then
    local chunk, problem = typed.compile(text)
    if not chunk and not problem then
      return MORE
    elseif not chunk then
      return complain(problem)
    end
    self:run(chunk)
  end
  self:refresh_tables(text)
end

function Repl:remember(line)
  if self.history:add(line) and self.editor then
    self.editor:remember(line)
  end
end

-- One line more of what is being typed. Returns the text so far, or nil.
function Repl:add_line(text, line)
  self:remember(line)
  text = text and text .. "\n" .. line or line
  self.prompt = self:take(text)
  return self.prompt and text or nil
end

function Repl:loop()
  local text
  repeat
    self.typed = text
    local event, line = self.reader:read(self.prompt or PROMPT)
    if event == "line" then
      text = self:add_line(text, line)
    elseif event == "interrupt" then
      text, self.prompt = nil, nil
    elseif text and not self.editor then
      -- The input ends within a statement: let it say what is missing.
      self:finish(text)
    end
  until event == "eof" or self.ended
end

function Repl:finish(text)
  if typed.is_sql(text) then
    complain "the input ends within SQL: a ; is missing"
  else
    complain((select(2, loadstring(text, "=repl"))))
  end
end

-- Completion of the line that is being typed, see `editor:complete_with`.
function Repl:complete(before)
  local whole = self.typed and self.typed .. "\n" .. before or before
  local words, prefix
  if typed.is_sql(whole) then
    words, prefix = complete.sql(self.tables, before)
  else
    words, prefix = complete.lua(_G, before)
  end
  if #words == 0 then
    return nil
  end
  local insert = complete.common(words):sub(#prefix + 1)
  if #words == 1 or insert ~= "" then
    return insert
  end
  io.stdout:write("\n", complete.columns(words, 78))
  return nil, true
end

-- Ctrl-C: cancel the line that runs, or drop what was typed.
function Repl:interrupt()
  if self.task then
    self.task:cancel()
  elseif self.editor then
    self.reader:interrupt()
  else
    self.ended = true
  end
end

local function new_repl()
  local self = setmetatable({
    history = nil, reader = nil, editor = nil, tables = {}, timing = false,
    task = nil, prompt = nil, typed = nil, ended = false,
  }, Repl)
  local is_terminal = require("covet.editline").is_terminal
  self.history = history.open(is_terminal(0) and is_terminal(1) and history.path() or nil)
  self.reader = reader.open(self.history.lines, function(before)
    return self:complete(before)
  end)
  self.editor = self.reader.editor
  is_watched = self.editor ~= nil
  return self
end

-- What covet loads at its first use is not seen by completion before.
local function load_all(covet)
  for _, name in ipairs { "array", "bytes", "connect", "error", "is", "json", "sqlite" } do
    local _ = covet[name]
  end
end

--- Read and run lines until the input ends. Called in the main task.
-- @tparam[opt] string url database to be the global `db`
function M.main(url)
  local covet = require "covet"
  if url then
    local ok, db = pcall(covet.connect, url)
    if not ok then
      return complain("covet: " .. trace.describe(db))
    end
    _G.db = db
  end
  local self = new_repl()
  covet.on_signal("SIGINT", function()
    self:interrupt()
  end)
  if self.editor then
    load_all(covet)
    print("covet " .. require "covet.version" .. ", .help for help")
  end
  self:refresh_tables ""
  local ok, err = pcall(self.loop, self)
  self.reader:close()
  if not ok then
    error(err, 0)
  elseif self.editor then
    -- Who leaves a terminal does not wait for what still runs.
    os.exit(0)
  end
end

return M
