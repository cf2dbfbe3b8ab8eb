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
  return (host == "native" or host == "luv") and task.current() and found and uv
    or nil
end

local function check(opened, message)
  if not opened then
    errors.raise { kind = "system", message = message, retry = "no" }
  end
  return opened
end

--- Read a file.
-- @tparam string path
-- @treturn function answers the next piece, nil at the end
-- @treturn function closes the file
function M.reader(path)
  local uv = shared_luv()
  if not uv then
    local file = check(io.open(path, "rb"))
    return function()
      return file:read(PIECE)
    end, function()
      file:close()
    end
  end
  local descriptor = task.await(uv.fs_open, path, "r", MODE)
  return function()
    local piece = task.await(uv.fs_read, descriptor, PIECE, -1)
    return piece ~= "" and piece or nil
  end, function()
    uv.fs_close(descriptor)
  end
end

-- luv may write a part.
local function write_all(uv, descriptor, piece)
  while piece ~= "" do
    local count = task.await(uv.fs_write, descriptor, piece, -1)
    piece = piece:sub(count + 1)
  end
end

--- Write a file anew.
-- @tparam string path
-- @treturn function takes the next piece
-- @treturn function closes the file; raises when that fails
function M.writer(path)
  local uv = shared_luv()
  if not uv then
    local file = check(io.open(path, "wb"))
    return function(piece)
      check(file:write(piece))
    end, function()
      check(file:close())
    end
  end
  local descriptor = task.await(uv.fs_open, path, "w", MODE)
  return function(piece)
    write_all(uv, descriptor, piece)
  end, function()
    check(uv.fs_close(descriptor))
  end
end

return M
