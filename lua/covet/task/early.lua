--- Completions that came before a task waited for them.
--
-- A task with several operations under way (see covet.bulk) may wait for
-- something else while one of them ends. What no one asks for stays until its
-- operation's slot is used again, and is freed then with its rows.
-- @module covet.task.early

local core = require "covet.core"

local select = select

-- See `SLOTS` in covet.task.scheduler.
local SLOTS = 2 ^ 24
-- Values of a completion that can have rows: ok, more, batch, affected rows, id.
local WITH_BATCH = 5

local kept = {} -- slot -> { token =, n =, completion }

local M = {}

-- Nobody has asked for it.
local function free(completion)
  local ok, more, batch = completion[1], completion[2], completion[3]
  if ok and batch and completion.n == WITH_BATCH then
    require("covet.decode").free(batch) -- loaded: there are rows
  end
  if more then
    core.abandon(completion.token)
  end
end

--- Keep a completion.
-- @tparam number token
-- @param ... the completion
function M.keep(token, ...)
  local slot = token % SLOTS
  local before = kept[slot]
  kept[slot] = { token = token, n = select("#", ...), ... }
  if before then
    free(before)
  end
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
  if completion.token ~= token then
    free(completion)
    return nil
  end
  return completion
end

return M
