--- Temporary folders and small file systems, removed when the run ends.
-- @module spec.support.tmp
local uv = require "luv"

local M = {}

local root = (os.getenv("COVET_SPEC_TMP") or "build/tmp") .. "/" .. uv.os_getpid()
local made = false
local count = 0
local mounts = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function shell(command, ...)
  local words = { command }
  for i = 1, select("#", ...) do
    words[i + 1] = quote((select(i, ...)))
  end
  local status = os.execute(table.concat(words, " ") .. " 2>/dev/null")
  return status == 0 or status == true
end

local function make_root()
  if not made then
    assert(shell("mkdir -p", root), "cannot make " .. root)
    root = assert(uv.fs_realpath(root))
    made = true
  end
end

--- A new empty folder.
-- @tparam[opt] string name part of its name
-- @treturn string absolute path
function M.dir(name)
  make_root()
  count = count + 1
  local path = ("%s/%d-%s"):format(root, count, name or "dir")
  assert(uv.fs_mkdir(path, tonumber("755", 8)))
  return path
end

--- A path in a folder of its own; nothing stands there yet.
-- @tparam[opt="data.db"] string name
-- @treturn string absolute path
function M.path(name)
  return M.dir("file") .. "/" .. (name or "data.db")
end

--- A file with this content.
-- @tparam string content
-- @tparam[opt="file"] string name
-- @treturn string absolute path
function M.file(content, name)
  local path = M.path(name or "file")
  local file = assert(io.open(path, "wb"))
  assert(file:write(content))
  assert(file:close())
  return path
end

--- A file system of `size` bytes, for tests of a full disk. Needs root and the
-- right to mount: a spec that gets nil calls `pending` with the reason.
-- @tparam number size bytes
-- @treturn ?string absolute path of the mount point
-- @treturn ?string why there is none
function M.filesystem(size)
  local path = M.dir("tmpfs")
  if not shell(("mount -t tmpfs -o size=%d covet-spec"):format(size), path) then
    return nil, "no right to mount a file system"
  end
  mounts[#mounts + 1] = path
  return path
end

--- Remove everything made here. The runner calls this at its end.
function M.clean()
  for i = #mounts, 1, -1 do
    shell("umount", mounts[i])
    mounts[i] = nil
  end
  if made then
    shell("chmod -R u+rwX", root)
    shell("rm -rf --one-file-system", root)
    made = false
  end
end

return M
