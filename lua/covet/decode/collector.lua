--- The collector's rest while many rows are decoded, and what is owed for it.
--
-- With the collector running, building rows costs two to three times as much:
-- it walks rows again and again that are all in use. So it is stopped for a
-- batch. Afterwards nothing is owed as long as the heap has not doubled since
-- the last cycle; then a cycle is driven on in steps, each in proportion to
-- what the batch brought, until it ends. So the heap stays within a little
-- more than twice what is in use, and no step blocks for long.
--
-- A cycle for the sake of rows that a result keeps would find all of them in
-- use: they count as if the last cycle had seen them. What a cycle meets beside
-- them is a large heap that is in no cache, so its steps are bounded by time as
-- well.
-- @module covet.decode.collector

local collectgarbage, max, min = collectgarbage, math.max, math.min

-- Kilobytes of step for each kilobyte decoded, and the most at a time (some
-- milliseconds).
local FACTOR, MAX_STEP = 3, 2048
-- For results: how long the steps may take, in times of what decoding took, and
-- kilobytes between two looks at the clock.
local SHARE, STEP = 2, 16
-- A cycle starts when the heap has doubled and grown by so much, kilobytes.
-- Little, because a stream whose chunks are dropped runs twice as fast while
-- its heap stays in the processor's cache (2 MB) than with a lazy collector.
local MIN_GROWTH = 1024
-- For "restart": wait as after a cycle. The default begins one at once.
local KEEP_WAITING = -1

local M = {}

local can_ask = pcall(collectgarbage, "isrunning")
local limit, in_cycle = MIN_GROWTH, false

--- Stop the collector.
-- @tparam[opt] table kept the result that keeps the rows
-- @treturn number|nil what to hand to `resume`; nil when it was stopped
-- before, or when that cannot be known: then nothing was changed
-- @treturn number|nil the same
function M.pause(kept)
  if not (can_ask and collectgarbage "isrunning") then
    return nil
  end
  collectgarbage "stop"
  return collectgarbage "count", kept and kept.now()
end

-- Small steps, no longer than the decoding that began at `started` allows.
-- Whether the cycle ended.
local function step_in_time(due, now, started)
  local stepping = now()
  local stop = stepping + (stepping - started) * SHARE
  for _ = 1, due, STEP do
    if collectgarbage("step", STEP) then
      return true
    elseif now() > stop then
      return false
    end
  end
  return false
end

--- Start it again and do the work that is due.
-- @tparam number|nil mark what `pause` answered
-- @tparam number|nil started the same
-- @tparam[opt] table kept as in `pause`; what the rows take is added to its
-- `kilobytes`
function M.resume(mark, started, kept)
  if not mark then
    return
  end
  local count, held = collectgarbage "count", 0
  local due = (count - mark) * FACTOR
  if kept then
    held = kept.kilobytes + count - mark
    kept.kilobytes = held
  end
  if not in_cycle and count - 2 * held < limit then
    collectgarbage("restart", KEEP_WAITING)
    return
  end
  collectgarbage "restart"
  if kept then
    in_cycle = not step_in_time(due, kept.now, started)
  else
    in_cycle = not collectgarbage("step", min(due, MAX_STEP))
  end
  if not in_cycle then
    local others = collectgarbage "count" - held
    limit = max(2 * others, others + MIN_GROWTH)
    -- LuaJIT would wait for twice what it found in use, without what has come
    -- since: it might begin the next cycle at once.
    collectgarbage("restart", KEEP_WAITING)
  end
end

return M
