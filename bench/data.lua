--- The data of the workloads, the same in every language: ids in random order,
-- records, and what a row adds to `check`.
--
-- Knows LuaJIT only: peers that run in plain LuaJIT use it too.
-- @module bench.data

local M = {}

local TEXT_COUNT = 1000

--- A function that answers the next id of a random order.
-- @tparam number items ids go from 1 to it
-- @treturn function
function M.random_ids(items)
  local random = 1
  return function()
    random = random * 16807 % 2147483647
    return random % items + 1
  end
end

--- A function that answers 1 to `count`, then nil.
-- @tparam number count
-- @treturn function
function M.counter(count)
  local i = 0
  return function()
    if i < count then
      i = i + 1
      return i
    end
  end
end

--- A function that makes the i-th record of the workloads that write.
-- @treturn function
function M.records()
  local texts = {}
  for i = 0, TEXT_COUNT - 1 do texts[i] = "some text " .. i end
  return function(i)
    return { i, texts[i % TEXT_COUNT], texts[i % 97], i % 1000 * 0.25 }
  end
end

--- The sum of what was written.
M.check_events = "select sum(id + length(name) + length(city) + score) from events"

--- The 10,000 items of the mixed workload on SQLite, whose id it selects.
M.fill_items = "insert into items with recursive n(i) as (select 1 union all"
  .. " select i + 1 from n limit 10000) select i, 'item ' || i,"
  .. " i % 1000 * 0.25 from n"

--- What the row of a point select adds to `check`.
-- @tparam table row
-- @treturn number
function M.item_sum(row)
  return row.id + #row.name + row.price
end

local function named_sum(row)
  local note = row.note
  return row.id + #row.name + #row.city + (row.active and 1 or 0) + row.score
    + #row.created_at + (note and #note or 0)
end

local function array_sum(row)
  local note = row[7]
  return row[1] + #row[2] + #row[3] + (row[4] and 1 or 0) + row[5]
    + #row[6] + (type(note) == "string" and #note or 0)
end

--- What reads a row of each kind, so that every value is read once.
M.row_sums = {
  named = named_sum, record = array_sum, array = array_sum, lazy = named_sum,
}

return M
