--- Lines for the REPL: from the terminal with an editor, or from anything else.
-- Either way the loop runs on while a line is awaited.
--
-- A reader has `read(self, prompt)`, which waits and gives "line" and its text,
-- "interrupt" (Ctrl-C) or "eof"; and `close(self)`.
-- @module covet.cli.reader

local editline = require "covet.editline"
local uv = require "luv"

local STDIN = 0

local M = {}

-- Wait for an event: `start(done)` begins, `done(...)` ends the wait.
local function wait_for(start)
  local event, text
  require("covet").await(function(callback)
    start(function(...)
      event, text = ...
      callback()
    end)
  end)
  return event, text
end

-- Plain -----------------------------------------------------------------------

local Plain = {}
Plain.__index = Plain
Plain.__name = "covet.cli.PlainReader"

-- A stream of libuv over standard input, or nil for files.
local function open_stream()
  local kind = uv.guess_handle(STDIN)
  if kind == "tty" then
    return uv.new_tty(STDIN, true)
  elseif kind == "pipe" or kind == "tcp" then
    local stream = kind == "pipe" and uv.new_pipe(false) or uv.new_tcp()
    return stream:open(STDIN) and stream or nil
  end
  return nil
end

local function new_plain()
  return setmetatable({ stream = open_stream(), pending = "", ended = false }, Plain)
end

-- The next line of what was read, or nil.
local function take_line(self)
  local line, rest = self.pending:match "^([^\n]*)\n(.*)$"
  if not line and self.ended and self.pending ~= "" then
    line, rest = self.pending, ""
  end
  if line then
    self.pending = rest
  end
  return line
end

-- Read once: from the stream, or from the file on a thread.
local function read_more(self, done)
  local function on_data(problem, data)
    if self.stream then
      self.stream:read_stop()
    end
    self.pending = self.pending .. (data or "")
    self.ended = problem ~= nil or data == nil or data == ""
    done()
  end
  if self.stream then
    self.stream:read_start(on_data)
  else
    uv.fs_read(STDIN, 65536, -1, on_data)
  end
end

function Plain:read()
  local line = take_line(self)
  while not line do
    if self.ended then
      return "eof"
    end
    wait_for(function(done)
      read_more(self, done)
    end)
    line = take_line(self)
  end
  return "line", line
end

function Plain:close()
  if self.stream and not self.stream:is_closing() then
    self.stream:close()
  end
end

-- Terminal --------------------------------------------------------------------

local Terminal = {}
Terminal.__index = Terminal
Terminal.__name = "covet.cli.TerminalReader"

-- While a line is typed, what others print goes above it.
local function around(self, write)
  return function(...)
    if not self.reading then
      return write(...)
    end
    self.editor:hide()
    local result = write(...)
    io.stdout:flush()
    self.editor:show()
    return result
  end
end

local function ends_line(...)
  local last = select("#", ...) > 0 and tostring((select(-1, ...))) or "\n"
  return last:sub(-1) == "\n"
end

-- `io.write` and the files' `write`, with a line ended before the prompt.
local function around_file(self, write, is_method)
  return function(...)
    local file = is_method and (...) or io.output()
    if not self.reading or file ~= io.stdout and file ~= io.stderr then
      return write(...)
    end
    self.editor:hide()
    local result, problem = write(...)
    if not ends_line(...) then
      io.stdout:write "\n"
    end
    self.editor:show()
    return result, problem
  end
end

local function guard_output(self)
  local file_methods = getmetatable(io.stdout).__index
  local saved = { print = print, write = io.write, method = file_methods.write, exit = os.exit }
  _G.print = around(self, saved.print)
  rawset(io, "write", around_file(self, saved.write, false))
  file_methods.write = around_file(self, saved.method, true)
  -- The terminal must not stay raw when a background task ends the program.
  rawset(os, "exit", function(...)
    self.editor:stop()
    saved.exit(...)
  end)
  return function()
    _G.print, file_methods.write = saved.print, saved.method
    rawset(io, "write", saved.write)
    rawset(os, "exit", saved.exit)
  end
end

local function new_terminal(editor)
  local self = setmetatable({
    editor = editor, pending = "", reading = false,
    tty = uv.new_tty(STDIN, true), resized = uv.new_signal(),
  }, Terminal)
  self.resized:start("sigwinch", function()
    editor:resize()
  end)
  self.resized:unref()
  self.unguard = guard_output(self)
  return self
end

-- End the wait for the line.
local function finish_line(self, event, text)
  local done = self.done
  self.done, self.reading = nil, false
  self.tty:read_stop()
  self.tty:set_blocking(true)
  if event ~= "line" then
    io.stdout:write(event == "interrupt" and "^C\n" or "\n")
  end
  self.editor:stop()
  done(event, text)
end

local function suspend(self)
  self.editor:stop()
  uv.kill(uv.os_getpid(), "sigtstp")
  self.editor:start(self.prompt)
end

-- Give the editor what was typed; more than one line may be in it.
local function on_keys(self)
  local event, text
  repeat
    event, text, self.pending = self.editor:feed(self.pending)
    if event == "suspend" then
      suspend(self)
    end
  until event ~= "suspend"
  if event then
    finish_line(self, event, text)
  end
end

function Terminal:read(prompt)
  self.prompt = prompt
  return wait_for(function(done)
    self.done, self.reading = done, true
    self.tty:set_blocking(false)
    self.editor:start(prompt)
    self.tty:read_start(function(problem, data)
      if problem or not data then
        return finish_line(self, "eof")
      end
      self.pending = self.pending .. data
      on_keys(self)
    end)
    if self.pending ~= "" then
      on_keys(self)
    end
  end)
end

--- Drop what was typed, as Ctrl-C does.
function Terminal:interrupt()
  if self.reading then
    self.pending = ""
    finish_line(self, "interrupt")
  end
end

function Terminal:close()
  self.unguard()
  self.editor:close()
  for _, handle in ipairs { self.tty, self.resized } do
    if not handle:is_closing() then
      handle:close()
    end
  end
end

-- ---------------------------------------------------------------------------

--- A reader for standard input: with an editor when it is a terminal.
-- @tparam {string,...} history lines to go back to
-- @tparam function complete see `editor:complete_with`
-- @treturn table the reader; its field `editor` is nil when there is none
function M.open(history, complete)
  local editor = editline.open()
  if not editor then
    return new_plain()
  end
  for i = 1, #history do
    editor:remember(history[i])
  end
  editor:complete_with(complete)
  return new_terminal(editor)
end

return M
