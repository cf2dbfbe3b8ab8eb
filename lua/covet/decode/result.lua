--- A result that is gathered from batches.
--
-- The rows of each batch stand in a list of their own until all are there. One
-- list for all would be grown by copying, and the collector would walk it, and
-- all rows that it does not know yet, in one go at the end of each cycle.
-- @module covet.decode.result

local new_table = require "table.new"

local M = {}

--- Make an empty result.
-- @tparam function now a clock, seconds
-- @treturn table `count` (rows), and what covet.decode.collector asks for:
-- `now`, `kilobytes`
function M.new(now)
  return { count = 0, parts = 0, kilobytes = 0, now = now }
end

--- Append the rows of a batch.
-- @tparam table result
-- @tparam table rows taken; without holes
-- @tparam number n how many they are
function M.add(result, rows, n)
  local parts = result.parts + 1
  result[parts], result.parts = rows, parts
  result.count = result.count + n
end

--- All rows; the result is not used any more.
-- @tparam table result
-- @treturn table a list
function M.join(result)
  if result.parts <= 1 then
    return result[1] or {}
  end
  local all, n = new_table(result.count, 0), 0
  for i = 1, result.parts do
    local rows = result[i]
    for j = 1, #rows do
      all[n + j] = rows[j]
    end
    n = n + #rows
  end
  return all
end

return M
