--- What a task has of an adapter's connections, and waits that only it could
-- end.
--
-- A *claim* is a lease or an open stream: a table with `lane()`, the number of
-- the lane whose connection it has at this moment (nil: none), `opened_at`
-- ("file:line") and `what`, for messages. A call that stands in the queue of a
-- lane of which its own task has every connection would wait for itself until
-- its deadline.
--
-- Streams that were left early may be among the claims of any task. The collector
-- finds these; while somebody waits for a connection and a stream has one that was not
-- read for a while it is asked to, for no more than a twentieth of the time.
-- @module covet.claims

local core = require "covet.core"
local park = require "covet.task.park"
local task = require "covet.task"

local next, pairs = next, pairs
local max = math.max

-- Seconds between two looks, and how many times as long as a collection takes until
-- the next one.
local PAUSE, RATIO = 0.02, 20

local WEAK = { __mode = "k" }

-- A table that was larger stays so, and whoever looks whether it is empty walks it.
local FEW = 16

local M = {}

-- Frees what is garbage while somebody waits for a connection.
local Collector = {}
Collector.__index = Collector

-- Look again before long.
local function look_later(self)
  if not self.waits then
    self.waits = true
    park.host.alarm(self, max(PAUSE, self.next_at - core.now()), false)
  end
end

-- Whether a stream has a connection and was not read since the last look.
local function has_resting(adapter)
  local found = false
  for _, mine in pairs(adapter.claimed) do
    for claim in pairs(mine) do
      found = found or (claim.read_since == false and claim:lane() ~= nil)
      claim.read_since = claim.read_since and false
    end
  end
  return found
end

-- Called by the host: nothing else may wake those who wait.
function Collector:on_due()
  local adapter = self.adapter
  self.waits = false
  if adapter.streams == 0 or core.stats(adapter.handle).waiting == 0 then
    return
  end
  if has_resting(adapter) then
    local start = core.now()
    collectgarbage()
    local stop = core.now()
    self.next_at = stop + RATIO * (stop - start)
  end
  look_later(self)
end

--- The fields that an adapter has for this module.
-- @treturn table `claims` (how many there are), `most_claims` (how many there were at
-- once), `streams` (how many of them are),
-- `claimed` (by task), `unclaimed` (an empty table for the next task), `dropped`
-- (streams that were collected), `collector`
function M.new()
  return { claims = 0, most_claims = 0, streams = 0, claimed = setmetatable({}, WEAK), dropped = {},
    collector = setmetatable({ next_at = 0, waits = false }, Collector) }
end

--- A call may have to wait for what streams have.
-- @tparam table adapter
function M.watch(adapter)
  if adapter.streams > 0 then
    local collector = adapter.collector
    collector.adapter = adapter
    look_later(collector)
  end
end

-- A stream has `read_since`, and a lease has not.
local function count_in(adapter, claim, change)
  local claims = adapter.claims + change
  adapter.claims = claims
  if claims == 0 or claims > adapter.most_claims then
    adapter.most_claims = claims -- since there was none
  end
  if claim.read_since ~= nil then
    adapter.streams = adapter.streams + change
  end
end

--- Note that a task has a claim.
-- @tparam table adapter
-- @tparam table|nil owner task
-- @tparam table claim
function M.add(adapter, owner, claim)
  count_in(adapter, claim, 1)
  if owner then
    local mine = adapter.claimed[owner]
    if not mine then
      mine = adapter.unclaimed or setmetatable({}, WEAK) -- a claim knows its task
      adapter.claimed[owner], adapter.unclaimed = mine, nil
    end
    mine[claim] = true
  end
end

--- The claim has ended.
function M.remove(adapter, owner, claim)
  local most = adapter.most_claims
  count_in(adapter, claim, -1)
  local mine = owner and adapter.claimed[owner]
  if mine then
    mine[claim] = nil
    if next(mine) == nil then
      adapter.claimed[owner] = nil
      adapter.unclaimed = most <= FEW and mine or nil
    end
  end
end

--- Close at the next call what was collected: a finalizer may not wait.
function M.drop(adapter, claim)
  local dropped = adapter.dropped
  dropped[#dropped + 1] = claim
end

--- Close what was collected.
function M.sweep(adapter)
  local dropped = adapter.dropped
  while dropped[1] do
    table.remove(dropped):close()
  end
end

-- The task's claims on a lane: how many, and where they were opened.
local function count(adapter, lane)
  local mine = adapter.claimed[task.running()]
  local n, places = 0, {}
  for claim in pairs(mine or {}) do
    if claim:lane() == lane then
      n = n + 1
      places[n] = ("%s at %s"):format(claim.what, claim.opened_at or "?")
    end
  end
  table.sort(places)
  return n, places
end

--- Raise that a task would wait for itself.
-- @tparam table session whose call it is
-- @tparam table places of its claims
-- @tparam[opt] table parsed the statement
-- @tparam[opt] number started when the call began
function M.refuse(session, places, parsed, started)
  session:fail({ kind = "pool_exhausted", retry = "no",
    message = ("this task would wait for itself, for it has every connection "
      .. "that could do this: %s"):format(table.concat(places, ", ")),
    hint = "close the streams, or use the connection or transaction that it has",
  }, parsed, started)
end

--- Raise where a task asks for the only connection of a kind and has it leased
-- already: known without asking the core.
-- @tparam table session
-- @tparam boolean read_only
-- @tparam[opt] table parsed the statement
function M.check_only(session, read_only, parsed)
  local adapter = session.adapter
  if not adapter.only[read_only] or not adapter.claimed[task.running()] then
    return
  end
  local lane = adapter.lanes[read_only]
  for claim in pairs(adapter.claimed[task.running()]) do
    if claim.lease_held and claim:lane() == lane then
      local _, places = count(adapter, lane)
      M.refuse(session, places, parsed)
    end
  end
end

--- Whether an operation waits for a connection and all of them are the task's
-- own. What is only garbage is freed first. On a runtime with a thread of its own
-- things go on meanwhile: what is said here was so.
-- @tparam table session whose call it is
-- @tparam number token
-- @treturn table|nil where they were taken
function M.find_own_wait(session, token)
  local adapter = session.adapter
  if not adapter.claimed[task.running()] then
    return nil
  end
  local lane, size, queued = core.place(token)
  if not queued or count(adapter, lane) < size then
    return nil
  end
  collectgarbage()
  local n, places = count(adapter, lane)
  return n == size and places or nil
end

return M
