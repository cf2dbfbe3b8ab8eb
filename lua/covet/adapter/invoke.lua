--- Calls of the driver by their names. What goes well is not told as a query.
-- @module covet.adapter.invoke

local core = require "covet.core"
local waits = require "covet.wait"

local M = {}

--- Call something and wait for its end.
-- @tparam table session whose lease is used
-- @tparam string name
-- @tparam table|nil of what errors are about: `text`, the SQL, and `started` of
-- covet.events.begin
-- @tparam number|nil timeout
-- @param ... parameters
-- @treturn number rows that it counts
function M.call(session, name, of, timeout, ...)
  local called = { name = name, text = of and of.text }
  local _, ok, _, fields, affected = waits.call(session, called,
    of and of.started, core.call, session.adapter.handle, session.lease, 0,
    timeout, 0, name, ...)
  if not ok then
    session:fail(fields, called, of and of.started)
  end
  return tonumber(affected)
end

return M
