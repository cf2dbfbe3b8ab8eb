--- What a task holds of a pool: it is taken back when the task ends.
-- @module covet.pool.holding

local carrier = require "covet.pool.carrier"
local core = require "covet.core"

-- Owned by a task as long as it holds something of the pool.
local Holding = {}
Holding.__index = Holding

local M = {}

--- The task ends: take back what it holds.
function Holding:close()
  local pool = self.pool
  for slot, lease in pairs(self.leases) do
    self.leases[slot] = nil
    if pool.leases[slot] == lease then
      pool.leases[slot] = nil
      core.pool_reclaim(pool.machine, lease)
    end
  end
  self.count = 0
  carrier.carry_out(pool)
end

--- Note that a task holds a connection.
-- @tparam table pool
-- @tparam table|nil owner the task
-- @tparam number slot
-- @tparam number lease
function M.hold(pool, owner, slot, lease)
  pool.leases[slot], pool.holders[slot] = lease, owner
  if not owner then
    return
  end
  local self = pool.holdings[owner]
  if not self then
    self = setmetatable({ pool = pool, leases = {}, count = 0 }, Holding)
    pool.holdings[owner] = self
  end
  if self.count == 0 then
    owner:own(self)
  end
  self.count = self.count + 1
  self.leases[slot] = lease
end

--- Note that it does not hold it any more.
function M.let_go(pool, owner, slot)
  pool.leases[slot] = nil
  local self = owner and pool.holdings[owner]
  if not self then
    return
  end
  self.leases[slot] = nil
  self.count = self.count - 1
  if self.count == 0 then
    owner:disown(self)
  end
end

return M
