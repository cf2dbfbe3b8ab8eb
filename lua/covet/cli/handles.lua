--- The handles of luv, on a loop that holds others too.
-- @module covet.cli.handles

local M = {}

-- Whether a value is a handle and not a request.
local function is_handle(value)
  local meta = type(value) == "userdata" and debug.getmetatable(value)
  local methods = meta and meta.__index
  return type(methods) == "table" and methods.is_closing ~= nil
    and tostring(value):find "^uv_" ~= nil
end

--- `uv.walk` for the command. luv's own takes every handle of the loop for one
-- of its own, and the runtime's are not; this one walks over those that Lua
-- holds, which luv keeps in the registry as long as they are open.
-- @tparam function callback gets each handle
function M.walk(callback)
  local found = {}
  for _, value in pairs(debug.getregistry()) do
    if is_handle(value) then
      found[#found + 1] = value
    end
  end
  for i = 1, #found do
    callback(found[i])
  end
end

--- Close what is open.
function M.close_all()
  M.walk(function(handle)
    if not handle:is_closing() then
      handle:close()
    end
  end)
end

return M
