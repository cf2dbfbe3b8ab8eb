--- Files in pieces, without blocking where luv shares the host's loop.
-- @module covet.adapter.postgresql.files

local errors = require "covet.error"
local task = require "covet.task"

local PIECE = 128 * 1024
local MODE = 420 -- rw-r--r--

local M = {}

-- luv, where its callbacks are called while a task waits.
local function shared_luv()
  local host = task.host()
  local found, uv = pcall(require, "luv")
  return (host == "native" or host == "luv") and task.running() and found and uv
    or nil
end

local function check(opened, message)
  if not opened then
    errors.raise { kind = "system", message = message, retry = "no" }
  end
  return opened
end

-- --- By Lua's own library ----------------------------------------------------------------

local Plain = {}
Plain.__index = Plain

function Plain:read()
  local piece, message = self.file:read(PIECE)
  return check(piece or not message, message) and piece
end

function Plain:write(piece)
  check(self.file:write(piece))
end

function Plain:close()
  check(self.file:close())
end

-- --- By luv --------------------------------------------------------------------------------

local Shared = {}
Shared.__index = Shared

-- A request that an interrupted task leaves behind would open a file that nobody
-- closes, or use one that is closed: it ends first.
local function await(...)
  return task.shelter(task.await, ...)
end

function Shared:read()
  local piece = await(self.uv.fs_read, self.descriptor, PIECE, -1)
  return piece ~= "" and piece or nil
end

-- luv may write a part.
function Shared:write(piece)
  while piece ~= "" do
    local count = await(self.uv.fs_write, self.descriptor, piece, -1)
    piece = piece:sub(count + 1)
  end
end

function Shared:close()
  check(self.uv.fs_close(self.descriptor))
end

-- --- Both ------------------------------------------------------------------------------------

--- Open a file.
-- @tparam string path
-- @tparam string mode "r", or "w" to write it anew
-- @treturn table `read()` answers the next piece, nil at the end; `write(piece)`;
-- `close()`. Each raises kind "system" when the system refuses
function M.open(path, mode)
  local uv = shared_luv()
  if not uv then
    return setmetatable({ file = check(io.open(path, mode .. "b")) }, Plain)
  end
  return setmetatable({ uv = uv, descriptor = await(uv.fs_open, path, mode,
    MODE) }, Shared)
end

return M
