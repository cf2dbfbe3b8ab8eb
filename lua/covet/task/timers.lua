--- Points in time at which something is due: a binary heap.
--
-- Items are tables with a method `on_due`; the heap keeps their time in `due`
-- and their place in `slot`, so that taking one out needs no search. One whose
-- field `background` is set does not keep a program alive.
-- @module covet.task.timers

local floor = math.floor

local heap, size = {}, 0
local background = 0 -- of these, how many keep nothing alive

local M = {}

local function rise(item, slot)
  while slot > 1 do
    local parent = floor(slot / 2)
    local above = heap[parent]
    if above.due <= item.due then
      break
    end
    heap[slot], above.slot = above, slot
    slot = parent
  end
  heap[slot], item.slot = item, slot
end

local function sink(item, slot)
  while true do
    local child = slot * 2
    if child > size then
      break
    end
    if child < size and heap[child + 1].due < heap[child].due then
      child = child + 1
    end
    local below = heap[child]
    if item.due <= below.due then
      break
    end
    heap[slot], below.slot = below, slot
    slot = child
  end
  heap[slot], item.slot = item, slot
end

--- Add an item that is in no heap.
-- @tparam table item
-- @tparam number due seconds, on the clock of `core.now`
function M.add(item, due)
  item.due = due
  size = size + 1
  if item.background then
    background = background + 1
  end
  rise(item, size)
end

--- Take an item out; nothing happens when it is not in.
-- @tparam table item
function M.remove(item)
  local slot = item.slot
  if not slot then
    return
  end
  local last = heap[size]
  heap[size], item.slot = nil, false
  size = size - 1
  if item.background then
    background = background - 1
  end
  if last ~= item then
    sink(last, slot)
    rise(last, last.slot)
  end
end

--- Whether an item is there that keeps a program alive.
function M.keep_alive()
  return size > background
end

--- Whether all that is there keeps nothing alive, and something is.
function M.only_background()
  return size > 0 and size == background
end

--- Make an item one of the background, or not.
-- @tparam table item
-- @tparam boolean is_background
function M.set_background(item, is_background)
  if item.slot and item.background ~= is_background then
    background = background + (is_background and 1 or -1)
  end
  item.background = is_background
end

--- When the next item is due.
-- @treturn number|nil
function M.next_due()
  local first = heap[1]
  return first and first.due
end

--- Call `on_due` of all that is due.
-- @tparam number now
function M.fire(now)
  local first = heap[1]
  while first and first.due <= now do
    M.remove(first)
    first:on_due()
    first = heap[1]
  end
end

return M
