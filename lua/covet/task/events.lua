--- Events of the core that belong to no operation: connections come and go, a
-- lease is out for too long.
--
-- Hosts call `hand_out` after each turn while `active` is true.
-- @module covet.task.events

local core = require "covet.core"

local M = {
  --- Whether anybody listens.
  active = false,
}

local listeners = setmetatable({}, { __mode = "v" }) -- number -> object

--- Have `object:on_event(what, lease, seconds, text, fields)` called at each event of an
-- adapter, as long as the object lives. Must not wait.
-- @tparam userdata handle of the adapter
-- @tparam table object
function M.watch(handle, object)
  listeners[core.watch(handle, true)] = object
  M.active = true
end

--- Hand out what has happened since the last time.
function M.hand_out()
  local number, what, lease, seconds, text, fields = core.next_event()
  while number do
    local object = listeners[number]
    if object then
      object:on_event(what, lease, seconds, text, fields)
    end
    number, what, lease, seconds, text, fields = core.next_event()
  end
end

return M
