--- What has to be done before the program ends.
-- @module covet.task.exit

local M = {}

local hooks, last = {}, 0 -- number of registration -> { fn, name }

--- Call `fn()` when the program ends. It may wait, up to a deadline; when it
-- has not returned by then, the user is told `name`.
-- @tparam function fn
-- @tparam string name what the program waits for: "pool users_db"
-- @treturn function takes the hook back
function M.on_exit(fn, name)
  last = last + 1
  local number = last
  hooks[number] = { fn = fn, name = name or "an exit hook", number = number }
  return function()
    hooks[number] = nil
  end
end

--- Take all hooks, the newest first.
-- @treturn table a list of { fn, name }
function M.take()
  local taken = {}
  for _, hook in pairs(hooks) do
    taken[#taken + 1] = hook
  end
  hooks = {}
  table.sort(taken, function(a, b) return a.number > b.number end)
  return taken
end

return M
