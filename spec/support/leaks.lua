--- What a test must give back: operations, handles, threads, descriptors.
-- @module spec.support.leaks
local uv = require "luv"
local wait = require "spec.support.wait"

local M = {}

local has_core, core = pcall(require, "covet.core")
if not has_core or type(core) ~= "table" then
  core = nil
end

-- Entries of a folder of /proc, each with what `describe` says of it; those
-- that are gone when it is asked (the folder's own descriptor) do not count.
local function list(folder, describe)
  local entries, count = {}, 0
  local scan = uv.fs_scandir(folder)
  local name = scan and uv.fs_scandir_next(scan)
  while name do
    local text = describe(folder .. "/" .. name)
    if text then
      entries[name] = text
      count = count + 1
    end
    name = uv.fs_scandir_next(scan)
  end
  return { entries = entries, count = count }
end

local function thread_name(path)
  local file = io.open(path .. "/comm")
  if not file then
    return nil
  end
  local name = file:read("*l")
  file:close()
  return name
end

local function descriptor_target(path)
  return (uv.fs_readlink(path))
end

-- luv's handles that nobody closed.
local function list_handles()
  local entries, count = {}, 0
  uv.walk(function(handle)
    if not handle:is_closing() then
      entries[tostring(handle)] = handle:get_type()
      count = count + 1
    end
  end)
  return { entries = entries, count = count }
end

--- What is open now.
-- @treturn table
function M.snapshot()
  return {
    pending = core and core.pending() or 0,
    handles = list_handles(),
    threads = list("/proc/self/task", thread_name),
    descriptors = list("/proc/self/fd", descriptor_target),
  }
end

-- Names of what stands in `after` and did not stand in `before`.
local function added(before, after)
  local names = {}
  for name, text in pairs(after.entries) do
    if before.entries[name] ~= text then
      names[#names + 1] = name .. " (" .. text .. ")"
    end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Compare two snapshots.
-- @tparam table before
-- @tparam table after
-- @treturn ?string what is there too much, nil if nothing is
function M.difference(before, after)
  local found = {}
  if after.pending > before.pending then
    found[#found + 1] = ("%d operations pending"):format(after.pending - before.pending)
  end
  for _, what in ipairs { "handles", "threads", "descriptors" } do
    local excess = after[what].count - before[what].count
    if excess > 0 then
      found[#found + 1] = ("%d %s left: %s"):format(excess, what,
        added(before[what], after[what]))
    end
  end
  return found[1] and table.concat(found, "; ") or nil
end

--- Whether everything opened since `before` is gone.
-- What closes behind the scenes gets up to `limit` seconds, what only the
-- collector knows of is collected.
-- @tparam table before
-- @tparam[opt=2] number limit seconds
-- @treturn ?string what is left, nil if nothing is
function M.check(before, limit)
  local left = M.difference(before, M.snapshot())
  if not left then
    return nil
  end
  collectgarbage()
  collectgarbage()
  wait.until_true(function()
    left = M.difference(before, M.snapshot())
    return not left
  end, limit or 2)
  return left
end

local keep = false

--- Say in a test that what it leaves open is shared with the tests after it
-- (a database of a `describe` that opens with the first call). The file as a
-- whole must still give it back.
function M.keep()
  keep = true
end

--- Whether `keep` was called since the last time this was asked.
-- @treturn boolean
function M.was_kept()
  local answer = keep
  keep = false
  return answer
end

return M
