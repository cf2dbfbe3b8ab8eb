--- The collector's rest while many rows are decoded, and what is owed for it.
--
-- With the collector running, building rows costs two to three times as much:
-- it walks rows again and again that are all in use. So it is stopped for a
-- batch. Afterwards nothing is owed as long as the heap has not doubled since
-- the last cycle; then a cycle is driven on in steps, each in proportion to
-- what the batch brought, until it ends. So the heap stays within a little
-- more than twice what is in use, and no step blocks for long.
-- @module covet.decode.collector

local collectgarbage, max, min = collectgarbage, math.max, math.min

-- Kilobytes of step for each kilobyte decoded, and the most at a time (some
-- milliseconds).
local FACTOR, MAX_STEP = 3, 2048
-- A cycle starts when the heap has doubled and grown by so much, kilobytes.
-- Little, because a stream whose chunks are dropped runs twice as fast while
-- its heap stays in the processor's cache (2 MB) than with a lazy collector.
local MIN_GROWTH = 1024
-- The same where the rows are kept, as in `fetch_all`: a cycle amid such a
-- result would find all of it in use.
local KEPT_GROWTH = 65536
-- For "restart": wait as after a cycle. The default begins one at once.
local KEEP_WAITING = -1

local M = {}

local can_ask = pcall(collectgarbage, "isrunning")
local limit, in_use, in_cycle = MIN_GROWTH, 0, false

--- Stop the collector.
-- @treturn number|nil what to hand to `resume`; nil when it was stopped
-- before, or when that cannot be known: then nothing was changed
function M.pause()
  if not (can_ask and collectgarbage "isrunning") then
    return nil
  end
  collectgarbage "stop"
  return collectgarbage "count"
end

--- Start it again and do the work that is due.
-- @tparam number|nil mark what `pause` answered
-- @tparam[opt] boolean kept whether the rows are for a result that keeps them
function M.resume(mark, kept)
  if not mark then
    return
  end
  local count = collectgarbage "count"
  local most = kept and max(limit, in_use + KEPT_GROWTH) or limit
  if not in_cycle and count < most then
    collectgarbage("restart", KEEP_WAITING)
    return
  end
  in_cycle = true
  collectgarbage "restart"
  if collectgarbage("step", min((count - mark) * FACTOR, MAX_STEP)) then
    in_cycle = false
    count = collectgarbage "count"
    in_use = count
    limit = max(2 * count, count + MIN_GROWTH)
  end
end

return M
