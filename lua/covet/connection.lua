--- Leased connections: `db:acquire()`, `db:with(fn)`.
--
-- A lease belongs to the task that took it. It goes back by `release`, at the
-- end of the task at the latest; what it left open is rolled back then.
--
-- The task owns its *hold*, which does not know the connection that the user has:
-- one that nobody can release any more is collected, and that is looked for at the end
-- of each cycle of the collector. A hold is used again for the next lease when the
-- holder himself gives the connection back.
-- @module covet.connection

local call = require "covet.call"
local caller = require "covet.caller"
local claims = require "covet.claims"
local core = require "covet.core"
local leases = require "covet.adapter.leases"
local session = require "covet.session"
local task = require "covet.task"
local transaction = require "covet.transaction"
local waits = require "covet.wait"

local Connection = {}

local Hold = { what = "a connection taken" }
Hold.__index = Hold

-- The hold of connections that were given back.
local NO_HOLD = setmetatable({ lease_held = false }, Hold)

local M = {}

-- A connection that streams share is no one's to begin a transaction on.
local function refuse_control(self, text)
  local parsed = call.parse(self.adapter, call.text_of(text))
  if parsed.control then
    self:fail({ kind = "usage", retry = "no", message = "a transaction needs a "
      .. "connection of its own: use db:transaction, db:begin or db:acquire" },
      parsed)
  end
end

-- --- Holds ------------------------------------------------------------------------

--- The lane of the connection: see covet.claims.
function Hold:lane()
  return self.adapter.lanes[self.read_only]
end

local function give_back(handle, lease)
  return task.finish(core.release(handle, lease))
end

-- The task's part of the end: what needs no wait, and happens once.
local function let_go(self)
  self.lease_held = false
  if self.task then
    self.task:disown(self)
  end
  claims.remove(self.adapter, self.task, self)
  leases.remove(self)
end

-- A cancelled task too leaves no lease half returned.
local function release(self)
  let_go(self)
  return task.shelter(give_back, self.adapter.handle, self.lease)
end

--- Nobody has released it: its task ends, or the collector came before that.
function Hold:close()
  if self.lease_held then
    release(self)
  end
  if self.opened_at then
    leases.reclaimed(self)
  end
end

-- --- What nobody can release --------------------------------------------------------

-- Nobody has the connection. A finalizer may not wait: what can is done now, and the
-- rest when the adapter is used the next time.
local function reclaim(adapter, hold)
  let_go(hold)
  local token = core.release(adapter.handle, hold.lease)
  if token then
    core.abandon(token)
  end
  claims.drop(adapter, hold)
end

-- The adapter of a userdata that nobody refers to: it is finalized at the end of the
-- collector's cycle, and made anew as long as something is lent. An adapter that nobody
-- has goes with all its connections.
local watched = setmetatable({}, { __mode = "kv" })
local CYCLE = newproxy(true)

local function watch(adapter)
  if not adapter.is_watched then
    adapter.is_watched = true
    watched[newproxy(CYCLE)] = adapter
  end
end

getmetatable(CYCLE).__gc = function(cycle)
  local adapter = watched[cycle]
  if adapter then
    adapter.is_watched = false
    for hold in leases.forgotten(adapter) do
      reclaim(adapter, hold)
    end
    if leases.any(adapter) then
      watch(adapter)
    end
  end
end

-- --- Connections --------------------------------------------------------------------

--- Whether the connection can be used; the session for a call.
function Connection:enter(text)
  local held = self.origin or self
  if not held.hold.lease_held then
    caller.usage "the connection was released before"
  elseif held.users and text then
    refuse_control(self, text)
  end
  return self
end

-- Keep for the next lease what the connection has no use for any more.
local function set_aside(connection, hold)
  local spares = hold.adapter.spare_holds
  connection.hold = NO_HOLD
  hold.task, hold.opened_at, hold.statement = nil, nil, nil
  spares[#spares + 1] = hold
end

-- By its holder, and where nothing is open at once.
local function release_held(connection)
  local hold = connection.hold
  if hold.adapter.try_release(hold.lease) then
    let_go(hold)
    set_aside(connection, hold)
    return true
  end
  local ok, more, fields = release(hold)
  set_aside(connection, hold)
  return ok, more, fields
end

--- Give the connection back. What was left open is rolled back.
function Connection:release()
  if self.origin then
    return self.origin:release()
  elseif not self.hold.lease_held then
    caller.usage "the connection was released before"
  end
  local ok, _, fields = release_held(self)
  if not ok then
    self:fail(fields)
  end
end

--- As `release`, but a connection that was released is left alone.
function Connection:close()
  local held = self.origin or self
  if self.is_share then
    self.is_share = nil
    held.users = held.users - 1
    if held.users > 0 then
      return
    end
    held.adapter.shared_by[held.sharer] = nil
  end
  if held.hold.lease_held then
    release_held(held)
  end
end

--- The session for one more stream on this connection.
function Connection:share()
  return (self.origin or self).users and M.share(self) or self
end

--- Run `fn(tx)` in a transaction on this connection.
function Connection:transaction(given, fn)
  return transaction.run(self:enter(), given, fn)
end

--- Begin a transaction on this connection, to be ended by its methods.
function Connection:begin(given)
  return transaction.begin(self:enter(), given)
end

local class

-- The options of a connection that covet itself takes, to be shared: no message
-- names the place.
local SHARED = { is_shared = true }

-- One that was set aside, or a new one.
local function take_hold(adapter)
  local spares = adapter.spare_holds
  local hold = spares[#spares]
  if not hold then
    return setmetatable({ adapter = adapter }, Hold)
  end
  spares[#spares] = nil
  return hold
end

-- What the task of a new lease has of it.
local function new_hold(adapter, owner, read_only, lease, since, place)
  local self = take_hold(adapter)
  self.lease, self.lease_held, self.read_only = lease, true, read_only
  self.task, self.since, self.opened_at = owner, since, place
  if owner then
    owner:own(self)
  end
  claims.add(adapter, owner, self)
  return self
end

local function wait_for_lease(from, owner, read_only, timeout)
  local adapter = from.adapter
  local _, ok, _, lease = waits.call(from, nil, nil, core.acquire,
    adapter.handle, read_only, timeout or adapter.acquire_timeout,
    owner and owner.id or 0)
  if not ok then
    from:fail(lease)
  end
  return lease, core.now()
end

--- Take a connection.
-- @tparam table from the session of the adapter
-- @tparam table given `timeout`, `read_only`
-- @treturn table
function M.acquire(from, given)
  local adapter, owner = from.adapter, task.running()
  local read_only = given.read_only
  if read_only == nil then
    read_only = from.defaults.read_only
  end
  read_only = read_only or false
  claims.sweep(adapter)
  claims.check_only(from, read_only)
  local lease, since = adapter.try_acquire(read_only, owner and owner.id or 0)
  if not lease then
    lease, since = wait_for_lease(from, owner, read_only, given.timeout)
  end
  local self = session.new({
    adapter = adapter, lease = lease, defaults = from.defaults, inside = 0,
    hold = new_hold(adapter, owner, read_only, lease, since,
      not given.is_shared and caller.where(1) or nil),
  }, class)
  leases.add(self)
  watch(adapter)
  return self
end

--- Take the only connection for a stream or a transaction of this task, whose
-- calls on the adapter run on it until the last of these is closed.
-- @tparam table from the session whose options count
-- @treturn table to be closed
function M.share(from)
  local adapter, owner = from.adapter, task.running()
  local shared = adapter.shared_by[owner]
  if not shared then
    shared = M.acquire(adapter, SHARED)
    shared.users, shared.sharer = 0, owner
    adapter.shared_by[owner] = shared
  end
  shared.users = shared.users + 1
  local view = session.view(shared, from.defaults)
  view.is_share = true
  return view
end

--- Give a connection back, as `connection:release()` does.
function M.release(connection)
  if type(connection) ~= "table" or getmetatable(connection) ~= class then
    caller.usage("release(connection): expected a connection, got %s",
      type(connection))
  end
  connection:release()
end

class = session.class("covet.connection", Connection)

return M
