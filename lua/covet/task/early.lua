--- Completions that came before a task waited for them.
--
-- A task with several operations under way (see covet.bulk) may wait for
-- something else while one of them ends. What no one asks for stays until its
-- operation's slot is used again.
-- @module covet.task.early

local select = select

-- See `SLOTS` in covet.task.scheduler.
local SLOTS = 2 ^ 24

local kept = {} -- slot -> { token =, n =, completion }

local M = {}

--- Keep a completion.
-- @tparam number token
-- @param ... the completion
function M.keep(token, ...)
  kept[token % SLOTS] = { token = token, n = select("#", ...), ... }
end

--- Take what came for a token.
-- @tparam number token
-- @treturn table|nil `n` values
function M.take(token)
  local slot = token % SLOTS
  local completion = kept[slot]
  if not completion then
    return nil
  end
  kept[slot] = nil
  return completion.token == token and completion or nil
end

return M
