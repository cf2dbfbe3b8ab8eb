--- Other programs in specs: start, feed, wait with a deadline, kill.
-- @module spec.support.process
local uv = require "luv"
local wait = require "spec.support.wait"

local M = {}

local Process = {}
Process.__index = Process
Process.__name = "spec.Process"

--- The program under test.
M.covet = os.getenv("COVET_BIN") or uv.exepath()

-- The environment of this process with `changes` applied; false removes.
local function environment(changes)
  local values = uv.os_environ()
  for name, value in pairs(changes or {}) do
    values[name] = value or nil
  end
  local list = {}
  for name, value in pairs(values) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

local function collect(self, pipe, into)
  self.open_pipes = self.open_pipes + 1
  pipe:read_start(function(_, data)
    if data then
      into[#into + 1] = data
    else
      pipe:close()
      self.open_pipes = self.open_pipes - 1
    end
  end)
end

--- Changes of the environment for programs that load covet's module or
-- library: in a build with AddressSanitizer its runtime has to come first, and
-- their own leaks are not ours.
M.foreign = os.getenv "COVET_SPEC_PRELOAD" and {
  LD_PRELOAD = os.getenv "COVET_SPEC_PRELOAD",
  ASAN_OPTIONS = "detect_leaks=0",
} or {}

--- Start a program.
-- @tparam table options the program and its arguments by position (`false` at
-- [1] stands for the `covet` command); `env` (changes), `cwd`, `stdin` (a string: sent,
-- then closed; true: stays open for `write`; nil: empty)
-- @treturn Process
function M.start(options)
  local program = options[1] or M.covet
  local arguments = {}
  for i = 2, #options do
    arguments[i - 1] = tostring(options[i])
  end
  local stdin, stdout, stderr = uv.new_pipe(false), uv.new_pipe(false), uv.new_pipe(false)
  local self = setmetatable({ out = {}, err = {}, open_pipes = 0, program = program }, Process)
  local handle, pid = uv.spawn(program, {
    args = arguments,
    env = environment(options.env),
    cwd = options.cwd,
    stdio = { stdin, stdout, stderr },
  }, function(status, signal)
    self.status, self.signal = status, signal
    self.handle:close()
  end)
  if not handle then
    stdin:close()
    stdout:close()
    stderr:close()
    error(("cannot start %s: %s"):format(program, pid), 2)
  end
  self.handle, self.pid, self.stdin = handle, pid, stdin
  collect(self, stdout, self.out)
  collect(self, stderr, self.err)
  if type(options.stdin) == "string" then
    self:write(options.stdin)
  end
  if options.stdin ~= true then
    self:close_stdin()
  end
  return self
end

--- Send bytes to the program's input.
-- @tparam string bytes
function Process:write(bytes)
  -- A program that has ended does not read: that is its status to tell.
  self.stdin:write(bytes, function() end)
end

--- End the program's input, after what was written.
function Process:close_stdin()
  local stdin = self.stdin
  if not stdin then
    return
  end
  self.stdin = nil
  stdin:shutdown(function()
    stdin:close()
  end)
end

--- What it has written to its output until now.
-- @treturn string
function Process:stdout()
  return table.concat(self.out)
end

--- What it has written to its error output until now.
-- @treturn string
function Process:stderr()
  return table.concat(self.err)
end

--- Send a signal.
-- @tparam[opt="sigterm"] string|number signal
function Process:kill(signal)
  if not self.status then
    self.handle:kill(signal or "sigterm")
  end
end

--- Whether it has ended and all its output is here.
-- @treturn boolean
function Process:ended()
  return self.status ~= nil and self.open_pipes == 0
end

--- Wait until `pattern` stands in its output (or it has ended).
-- @tparam string pattern
-- @tparam[opt=10] number limit seconds
-- @return what the pattern matched, or nil
function Process:expect(pattern, limit)
  local found
  wait.until_true(function()
    found = self:stdout():match(pattern)
    return found or self:ended()
  end, limit or 10)
  return found
end

--- Wait for its end. After `limit` seconds it is killed and `timed_out` set.
-- @tparam[opt=30] number limit seconds
-- @treturn table { status =, signal =, stdout =, stderr =, timed_out = }; by signal
-- n, status is 128 + n as in a shell
function Process:wait(limit)
  local timed_out = false
  local function ended()
    return self:ended()
  end
  if not wait.until_true(ended, limit or 30) then
    timed_out = true
    self:kill("sigkill")
    -- A grandchild may hold the pipes: its output is not waited for long.
    wait.until_true(ended, 2)
  end
  self:close_stdin()
  local signal = self.signal or 0
  return {
    status = signal > 0 and 128 + signal or self.status,
    signal = signal,
    stdout = self:stdout(),
    stderr = self:stderr(),
    timed_out = timed_out,
  }
end

--- Start a program and wait for its end: `start` and `wait` in one.
-- @tparam table options as for `start`, and `limit` in seconds
-- @treturn table as `Process:wait`
function M.run(options)
  return M.start(options):wait(options.limit)
end

return M
