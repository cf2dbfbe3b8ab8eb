--- Calls of the driver by their names. They are not told as queries.
-- @module covet.adapter.postgresql.invoke

local core = require "covet.core"
local waits = require "covet.wait"

local M = {}

--- Call something and wait for its end.
-- @tparam table session whose lease is used
-- @tparam string name
-- @tparam string|nil text the SQL that errors are about
-- @tparam number|nil timeout
-- @param ... parameters
-- @treturn number rows that it counts
function M.call(session, name, text, timeout, ...)
  local called = { name = name, text = text }
  local ok, _, fields, affected = waits.finish(session, called, false,
    core.call(session.adapter.handle, session.lease, 0, timeout, 0, name, ...))
  if not ok then
    session:fail(fields, called)
  end
  return tonumber(affected)
end

return M
