--- A pool of connections to anything: made by a factory, lent to tasks.
--
-- What is done when is decided by the state machine of the core; this module
-- asks it, and covet.pool.carrier does what it says. Fields: `machine` and its
-- hands `take` and `give_back`,
-- `connections` (slot -> object), `slots` (object -> slot), `leases` and
-- `holders` (slot -> its loan and task), `jobs` (slot -> what is under way),
-- `requests` (ticket -> who waits), `answers` (task -> what it will be told:
-- the ticket may be another's by then), `leaked` (slot -> the report of it).
-- @module covet.pool.pool

local caller = require "covet.caller"
local carrier = require "covet.pool.carrier"
local config = require "covet.pool.config"
local core = require "covet.core"
local errors = require "covet.error"
local exit = require "covet.task.exit"
local holding = require "covet.pool.holding"
local list = require "covet.task.list"
local listeners = require "covet.listeners"
local loan = require "covet.loan"
local options = require "covet.options"
local park = require "covet.task.park"
local report = require "covet.pool.report"
local task = require "covet.task"

local carry_out = carrier.carry_out
local hold, let_go = holding.hold, holding.let_go

-- What the machine is told of a connection that comes back.
local CLEAN, DIRTY, BROKEN = 0, 1, 2
local VERDICTS = { clean = CLEAN, dirty = DIRTY, broken = BROKEN,
  [false] = BROKEN, [true] = CLEAN }

-- Errors after which a connection is of no use.
local FATAL = { connection_lost = true, protocol_error = true,
  tls_error = true, connection_failed = true }

local EVENTS = listeners.declare {
  "connect", "close", "leak", "breaker", "error",
}

local Pool = {}
local class = { __name = "covet.pool", __index = Pool }

local M = {}

-- --- Asking ------------------------------------------------------------------------

local function fail(pool, why, started)
  local err = report.failure(pool, why, core.now() - started)
  err.where = caller.where()
  error(errors.with_traceback(err), 0)
end

-- The task was interrupted while it waited: nothing of the request is left.
local function give_up(pool, waiter, ticket, err)
  local answer = pool.answers[waiter]
  pool.answers[waiter] = nil
  if not answer then
    pool.requests[ticket] = nil
    core.pool_cancel(pool.machine, ticket)
  elseif answer.lease then
    pool.give_back(answer.lease, CLEAN)
  end
  carry_out(pool)
  error(err, 0)
end

-- Wait for the answer to a ticket. Thousands may wait: what stands in a table is
-- the task alone, and calls on the way here are tail calls.
local function await(pool, ticket)
  local allowed, waiter = pcall(park.host.enter)
  if not allowed then
    core.pool_cancel(pool.machine, ticket)
    carry_out(pool)
    error(waiter, 0)
  end
  pool.requests[ticket] = waiter
  carry_out(pool)
  local fine, err = true, nil
  while not pool.answers[waiter] and fine do
    fine, err = park.park_quietly()
  end
  if not fine then
    give_up(pool, waiter, ticket, err)
  end
  local answer = pool.answers[waiter]
  pool.answers[waiter] = nil
  return answer.what, answer.slot, answer.lease
end

-- Whether the hook lets a connection out; an error of it is raised.
local function passes(pool, slot, lease)
  local fine, verdict = pcall(pool.config.before_acquire,
    pool.connections[slot])
  if not fine then
    pool.give_back(lease, BROKEN)
    carry_out(pool)
    error(verdict, 0)
  end
  return verdict ~= false
end

-- All that is not a connection free at once. What the hook refuses is closed, and
-- who asked is the next to be served, with the deadline that it had. Hooks may
-- wait, and the pool may have taken the loan back meanwhile: it was closed.
local function acquire_slowly(pool, owner, timeout, level)
  local started = core.now()
  local limit = timeout or pool.config.acquire_timeout
  local id = owner and owner.id or 0
  local answer, slot, lease = core.pool_wait(pool.machine, id, timeout,
    level * pool.tracked)
  while true do
    if answer == "queued" then
      answer, slot, lease = await(pool, slot)
    else
      carry_out(pool)
    end
    if answer == "refused" or answer == "failed" then
      fail(pool, slot, started)
    elseif not pool.config.before_acquire or passes(pool, slot, lease) then
      break
    end
    answer, slot = "queued", core.pool_reject(pool.machine, lease, id, limit,
      core.now() - started, level * pool.tracked)
    if not slot then
      fail(pool, "shut", started)
    end
  end
  if not core.pool_lent(pool.machine, lease) then
    fail(pool, "shut", started)
  end
  hold(pool, owner, slot, lease)
  return pool.connections[slot]
end

local ACQUIRE_OPTIONS = {
  { "timeout", "seconds", nil, "How long to wait." },
}

local function timeout_of(given)
  return options.check(ACQUIRE_OPTIONS, given, "acquire",
    caller.LEVEL).timeout
end

-- `level` is whose call it is, counted from the binding's functions.
local function acquire(pool, given, level)
  local owner = park.host.current()
  local timeout = given and timeout_of(given)
  if not pool.config.before_acquire then
    local slot, lease, attention = pool.take(owner and owner.id or 0,
      level * pool.tracked)
    if slot then
      hold(pool, owner, slot, lease)
      if attention then
        carry_out(pool)
      end
      return pool.connections[slot]
    end
  end
  return acquire_slowly(pool, owner, timeout, level)
end

--- Take a connection for this task; waits until one is free.
-- @tparam[opt] table given `timeout` in seconds, instead of `acquire_timeout`
-- @return what the factory made
-- @raise pool_timeout, pool_exhausted, breaker_open, pool_closed, or why
-- connecting failed
function Pool:acquire(given)
  return acquire(self, given, 2)
end

-- --- Giving back -----------------------------------------------------------------------

local function refuse_release(pool, connection)
  local slot = connection ~= nil and pool.slots[connection]
  if not slot then
    caller.usage("pool %q: release(connection): this %s is not a connection of "
      .. "this pool, or was closed", pool.name, type(connection))
  elseif not pool.leases[slot] then
    caller.usage("pool %q: the connection was released before", pool.name)
  end
  caller.usage("pool %q: the connection is held by another task", pool.name)
end

-- Whether the task was told to end while a hook ran: no failure of the hook's.
local function is_interruption(err)
  return errors.is_error(err)
    and (err.kind == "cancelled" or err.kind == "timeout")
end

-- What the hook, or the connection itself, says of its state, and what is to be
-- raised once the connection is back.
local function judge(pool, connection, slot, verdict)
  local hook = pool.config.after_release
  if hook then
    local fine, answer = pcall(hook, connection)
    if not fine and is_interruption(answer) then
      return BROKEN, answer
    elseif not fine then
      pool:emit("error", { pool = pool.name, error = answer, phase = "reset" })
      return BROKEN
    elseif answer ~= nil and VERDICTS[answer] == nil then
      local _, err = pcall(caller.usage,
        "after_release answers clean, dirty or broken, not %s",
        tostring(answer))
      return BROKEN, err
    elseif answer ~= nil and verdict == nil then
      verdict = answer
    end
  end
  if verdict ~= nil then
    return VERDICTS[verdict]
  end
  return pool.resets[slot] and DIRTY or CLEAN
end

--- Give a connection back.
-- @param connection what `acquire` answered
-- @tparam[opt] string verdict "clean", "dirty" (it is reset before the next
-- loan) or "broken" (it is closed). Without it, a connection that has `reset`
-- counts as dirty.
function Pool:release(connection, verdict)
  local slot = self.slots[connection]
  local lease = slot and self.leases[slot]
  local owner = park.host.current()
  if not lease or self.holders[slot] ~= owner then
    refuse_release(self, connection)
  elseif verdict ~= nil and not VERDICTS[verdict] then
    caller.usage("release(connection, verdict): the verdict is clean, dirty or "
      .. "broken, not %s", tostring(verdict))
  end
  local code, err = CLEAN, nil
  if verdict ~= nil or self.resets[slot] or self.config.after_release then
    code, err = judge(self, connection, slot, verdict)
  end
  if self.leases[slot] == lease then -- else it was taken back while a hook ran
    let_go(self, owner, slot)
    if self.give_back(lease, code) then
      carry_out(self)
    end
  end
  if err then
    error(err, 0)
  end
end

--- Tell the pool that a connection has died, as whoever reads from it may hear
-- first. An idle one is closed, one that is lent when it comes back. One that is
-- not the pool's, or not any more, is left alone.
-- @param connection what the factory made
function Pool:lost(connection)
  local slot = connection ~= nil and self.slots[connection]
  if slot then
    core.pool_report(self.machine, "lost", slot)
    carry_out(self)
  end
end

-- As `release`, unless `fn` has given it back; it may be another's by now.
local function end_loan(connection, err, pool, lease)
  local slot = pool.slots[connection]
  if slot and pool.leases[slot] == lease then
    local lost = errors.is_error(err) and FATAL[err.kind]
    pool:release(connection, lost and "broken" or nil)
  end
end

--- Run `fn(connection)` with a connection and give it back.
-- @tparam[opt] table given `timeout`
-- @tparam function fn
-- @return what `fn` returned
function Pool:with(given, fn)
  given, fn = loan.arguments(given, fn)
  local connection = acquire(self, given, 3)
  return loan.run(fn, connection, end_loan, self,
    self.leases[self.slots[connection]])
end

-- --- The pool as a whole ------------------------------------------------------------------

-- What does not keep a pool from being collected. The machine is in it, too: what
-- its finalizer sees (the functions that took connections) may lead back to the
-- pool, which then is there for one cycle more; a userdata is not.
local function weaken(pool)
  return setmetatable({ pool, pool.machine }, { __mode = "v" })
end

local function living(weak)
  return weak[2] and weak[1]
end

-- Wait until `done()`; false when the time is over before.
local function wait_for(pool, timeout, done)
  local deadline = core.now() + timeout
  while not done() do
    local left = deadline - core.now()
    if left <= 0 then
      return false
    end
    park.park(pool.watchers, left < math.huge and left or nil)
  end
  return true
end

-- The same, and what the pool itself waits for keeps the program alive.
local function wait_until(pool, timeout, done)
  pool.awaited = pool.awaited + 1
  carry_out(pool)
  local fine, answer = pcall(wait_for, pool, timeout, done)
  pool.awaited = pool.awaited - 1
  carry_out(pool)
  if not fine then
    error(answer, 0)
  end
  return answer
end

--- Open the minimum, or raise why connecting fails. A first `acquire` opens
-- what it needs by itself; after `drain` or `close` this opens the pool again.
-- @treturn Pool itself
function Pool:initialize()
  local least = self.config.min_size
  self.ended = false
  core.pool_do(self.machine, "warm")
  carry_out(self)
  if not self.forget_exit then
    local weak = weaken(self)
    self.forget_exit = exit.on_exit(function()
      local pool = living(weak)
      if pool then
        pool:close()
      end
    end, "pool " .. self.name)
  end
  if least == 0 then
    return self
  end
  self:with(function() end) -- raises why connecting fails
  wait_until(self, self.config.acquire_timeout, function()
    local stats = core.pool_stats(self.machine)
    return stats.total_connections >= least or stats.opening == 0
  end)
  return self
end

-- The configuration as the binding reads it.
local function flatten(checked)
  local flat = config.flat(checked)
  flat.fifo = checked.order == "fifo"
  return flat
end

-- Take over a checked configuration.
local function set_config(pool, checked)
  pool.config = checked
  pool.tracked = checked.track_stack_trace and 1 or 0
end

--- Change sizes, timeouts and thresholds while the pool runs. What is lent is
-- left alone.
-- @tparam table given options of covet.pool.config; the others stay
function Pool:configure(given)
  if type(given) ~= "table" then
    caller.usage("configure(options): expected table, got %s", type(given))
  end
  local checked = config.change(self.config, given, "configure")
  local fine, fields = core.pool_configure(self.machine, flatten(checked))
  if not fine then
    errors.raise(fields, caller.LEVEL)
  end
  set_config(self, checked)
  carry_out(self)
end

--- Change the sizes.
-- @tparam number min
-- @tparam number max
function Pool:resize(min, max)
  self:configure { min_size = min, max_size = max }
end

--- Replace all connections: idle ones now, those in use when they come back.
function Pool:evict()
  core.pool_do(self.machine, "evict")
  carry_out(self)
end

--- Refuse new requests, serve those that wait, and close what comes back.
-- Returns when nothing is left; `initialize` opens the pool again.
-- @tparam[opt] table given `timeout`, 10 seconds
-- @raise pool_timeout when something is still in use then; the draining goes on
function Pool:drain(given)
  local timeout = config.end_timeout(given, "drain")
  core.pool_do(self.machine, "drain")
  carry_out(self)
  if not wait_until(self, timeout, function() return self.ended end) then
    local started = core.now() - timeout
    fail(self, "not_drained", started)
  end
end

--- Close: refuse who asks and who waits, let what is in use come back until the
-- deadline, then take it back. Returns when all is closed; may be called twice.
-- @tparam[opt] table given `timeout`, 10 seconds
function Pool:close(given)
  local timeout = config.end_timeout(given, "close")
  if self.forget_exit then
    self.forget_exit()
    self.forget_exit = nil
  end
  if self.ended == "closed" then
    return
  end
  core.pool_do(self.machine, "close", timeout)
  carry_out(self)
  wait_until(self, math.huge, function() return self.ended == "closed" end)
end

--- All figures, at this moment and so far. Times in seconds.
-- @treturn table
function Pool:get_stats()
  local stats = core.pool_stats(self.machine)
  stats.name = self.name
  stats.size, stats.free = stats.total_connections, stats.idle_connections
  stats.used = stats.active_connections
  return stats
end

Pool.get_pool_stats = Pool.get_stats

-- --- Events ----------------------------------------------------------------------------

--- Call `fn(event)` at each event: "connect", "close" (with `reason`), "leak",
-- "breaker" (with `state`), "error".
-- @tparam string name
-- @tparam function fn gets a table; must not wait
-- @treturn function takes it back
function Pool:on(name, fn)
  return self.listeners:on(name, fn)
end

-- Tell of an event. Answers whether anybody was told.
function Pool:emit(name, event)
  return self.listeners:emit(name, event)
end

-- --- Making ------------------------------------------------------------------------------

-- The pool's time has come: the machine looks what is due. `weak` is of `weaken`.
local Clock = { slot = false }
Clock.__index = Clock

function Clock:on_due()
  local pool = living(self.weak)
  if pool then
    core.pool_tick(pool.machine)
    carry_out(pool)
  end
end

local last_number = 0

local function default_name()
  last_number = last_number + 1
  return "pool " .. last_number
end

--- Make a pool over a factory. Nothing is opened before `initialize` or the
-- first `acquire`.
-- @tparam function factory makes a connection: an object with `close()`, and,
-- if it can, `ping()` and `reset()`; all may wait
-- @tparam[opt] table given options or a configuration of covet.pool.config
-- @tparam[opt] string name for messages
-- @treturn Pool
function M.new(factory, given, name)
  local meta = getmetatable(factory)
  if type(factory) ~= "function"
    and not (type(meta) == "table" and meta.__call) then
    caller.usage("covet.pool.new(factory, config, name): the factory must be a "
      .. "function, not %s", type(factory))
  elseif name ~= nil and type(name) ~= "string" then
    caller.usage("covet.pool.new(factory, config, name): the name must be a "
      .. "string, not %s", type(name))
  end
  local checked = config.config(given)
  local machine, fields = core.pool(name, flatten(checked))
  if not machine then
    errors.raise(fields, caller.LEVEL)
  end
  task.prepare()
  local self = setmetatable({
    name = name or default_name(), factory = factory, machine = machine,
    connections = {}, slots = {}, leases = {}, holders = {}, resets = {},
    holdings = setmetatable({}, { __mode = "k" }), jobs = {}, requests = {},
    answers = {}, leaked = {}, listeners = listeners.new(EVENTS),
    watchers = list.new(), carrying = false, ended = false,
  }, class)
  self.take, self.give_back = core.pool_hands(machine)
  self.clock = setmetatable({ weak = weaken(self) }, Clock)
  self.try = require("covet.session").try(self)
  self.awaited = 0 -- calls that wait for the pool as a whole
  set_config(self, checked)
  return self
end

return M
