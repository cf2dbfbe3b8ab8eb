--- The tasks that can go on: those of this round, then those of the next.
-- @module covet.task.ready

local round, at, size = {}, 0, 0
local coming, coming_size = {}, 0

local M = {}

--- Add a task to the next round.
-- @tparam table task
function M.push(task)
  coming_size = coming_size + 1
  coming[coming_size] = task
end

--- The next task, nil when no one is left.
-- @treturn table|nil
function M.pop()
  if at == size then
    round, coming = coming, round
    at, size, coming_size = 0, coming_size, 0
    if size == 0 then
      return nil
    end
  end
  at = at + 1
  local task = round[at]
  round[at] = nil
  return task
end

--- Whether the round has ended.
function M.at_end()
  return at == size
end

function M.is_empty()
  return at == size and coming_size == 0
end

return M
