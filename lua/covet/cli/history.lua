--- The REPL's history: a file of lines, private to the user.
--
-- It stands in `$XDG_STATE_HOME/covet/history` when that variable is set, else
-- in `~/.covet_history`. Lines that look as if they held a password are not
-- kept.
-- @module covet.cli.history

local uv = require "luv"

local PRIVATE_FILE = tonumber("600", 8)
local PRIVATE_FOLDER = tonumber("700", 8)

-- The file is cut to KEPT lines when it has grown to twice as many.
local KEPT = 1000

local M = {}

local History = {}
History.__index = History
History.__name = "covet.cli.History"

--- Where the history is kept.
-- @treturn string|nil path, nil when there is no home
function M.path()
  local state = os.getenv "XDG_STATE_HOME"
  if state and state:sub(1, 1) == "/" then
    uv.fs_mkdir(state, PRIVATE_FOLDER)
    uv.fs_mkdir(state .. "/covet", PRIVATE_FOLDER)
    return state .. "/covet/history"
  end
  local home = os.getenv "HOME"
  return home and home .. "/.covet_history" or nil
end

--- Whether a line may hold a secret: a URL with a password, or an assignment
-- to something that is called so.
-- @tparam string line
-- @treturn boolean
function M.is_secret(line)
  local lower = line:lower()
  return lower:find "://[^%s/@]*:[^%s]*@" ~= nil
    or lower:find "passw" ~= nil or lower:find "secret" ~= nil
    or lower:find "identified%s+by" ~= nil
end

local function write_file(path, flags, text)
  local file = uv.fs_open(path, flags, PRIVATE_FILE)
  if file then
    uv.fs_chmod(path, PRIVATE_FILE)
    uv.fs_write(file, text, -1)
    uv.fs_close(file)
  end
end

--- Open a history. What cannot be read or written is not there: no line is
-- lost to that.
-- @tparam[opt] string path
-- @treturn History with the array `lines`
function M.open(path)
  local self = setmetatable({ path = path, lines = {} }, History)
  local file = path and io.open(path, "r")
  if file then
    for line in file:lines() do
      self.lines[#self.lines + 1] = line
    end
    file:close()
  end
  self:trim()
  return self
end

-- Cut the file to the last lines.
function History:trim()
  local lines = self.lines
  if #lines <= 2 * KEPT then
    return
  end
  local kept = {}
  for i = #lines - KEPT + 1, #lines do
    kept[#kept + 1] = lines[i]
  end
  self.lines = kept
  write_file(self.path, "w", table.concat(kept, "\n") .. "\n")
end

--- Add a line. Blank ones, repeated ones and secrets are left out.
-- @tparam string line
-- @treturn boolean whether it is part of the history now
function History:add(line)
  if not line:find "%S" or line == self.lines[#self.lines] or M.is_secret(line) then
    return false
  end
  self.lines[#self.lines + 1] = line
  if self.path then
    write_file(self.path, "a", line .. "\n")
  end
  return true
end

return M
