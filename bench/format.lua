--- Numbers as people read them, and tables of Markdown.
-- @module bench.format

local M = {}

--- A rate: 1.22 M, 45.7 k, 222.
-- @tparam number value
-- @treturn string
function M.rate(value)
  if value >= 1e6 then return ("%.2f M"):format(value / 1e6) end
  if value >= 1e5 then return ("%.0f k"):format(value / 1e3) end
  if value >= 1e3 then return ("%.1f k"):format(value / 1e3) end
  return ("%.0f"):format(value)
end

--- Any other value, with some three digits.
-- @tparam number value
-- @treturn string
function M.value(value)
  if value >= 100 then return ("%.0f"):format(value) end
  if value >= 10 then return ("%.1f"):format(value) end
  return ("%.2f"):format(value)
end

--- A median in its unit.
-- @tparam number value
-- @tparam string unit "/s" or another one
-- @treturn string
function M.measured(value, unit)
  return unit == "/s" and M.rate(value) or M.value(value)
end

--- A line of a table.
-- @tparam {string,...} cells
-- @treturn string
function M.row(cells)
  return "| " .. table.concat(cells, " | ") .. " |"
end

--- A table's heading and the rule below it.
-- @tparam {string,...} cells
-- @treturn string
function M.heading(cells)
  local rule = {}
  for i, cell in ipairs(cells) do rule[i] = cell == "" and "---" or "---:" end
  rule[1] = "---"
  return M.row(cells) .. "\n" .. M.row(rule)
end

--- Put strings at the end of a list.
-- @tparam {string,...} list
-- @param ... strings
function M.add(list, ...)
  for i = 1, select("#", ...) do list[#list + 1] = (select(i, ...)) end
end

return M
