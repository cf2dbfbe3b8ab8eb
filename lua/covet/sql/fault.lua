--- What is wrong with a text, noted in its scan; the first fault counts.
-- @module covet.sql.fault

local M = {}

--- Note a fault.
-- @tparam table scan
-- @tparam string kind of error
-- @tparam number position
-- @tparam string message
-- @treturn number the position behind the text, which ends the scan
function M.note(scan, kind, position, message)
  if not scan.fault then
    scan.fault = { kind = kind, message = message, position = position }
  end
  return #scan.text + 1
end

--- Note that something has no end.
-- @tparam table scan
-- @tparam number position where it starts
-- @tparam string what
-- @treturn number the position behind the text
function M.unterminated(scan, position, what)
  return M.note(scan, "syntax_error", position, "unterminated " .. what)
end

return M
