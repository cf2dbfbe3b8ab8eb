--- Transactions and savepoints.
--
-- A transaction is a session on a leased connection. It belongs to the task
-- that began it; calls that this task makes on the adapter join it. Inside a
-- transaction a transaction is a savepoint.
-- @module covet.transaction

local call = require "covet.call"
local caller = require "covet.caller"
local core = require "covet.core"
local errors = require "covet.error"
local options = require "covet.options"
local session = require "covet.session"
local task = require "covet.task"

local CONTROL, INSIDE = core.flags.TRANSACTION, core.flags.INSIDE
local READ_ONLY = core.flags.READ_ONLY
local FIRST_BACKOFF, LONGEST_BACKOFF = 0.01, 1

local Transaction = {}
local class

local M = {}

-- The options of a transaction: a declaration for covet.options.
M.OPTIONS = {
  { "isolation", "string", nil, "read_uncommitted, read_committed, "
    .. "repeatable_read or serializable, in any case." },
  { "read_only", "boolean", nil, "Refuse what writes." },
  { "deferrable", "boolean", nil, "With read_only, in PostgreSQL: wait for a "
    .. "snapshot that no other transaction can disturb." },
  { "retries", "integer", 0, "Run again after a serialization failure or a "
    .. "deadlock, at most so often." },
  { "mode", "string", nil, "SQLite: immediate, deferred or exclusive." },
  { "timeout", "seconds", nil, "Deadline of each call in it." },
}

local ISOLATIONS = {
  read_uncommitted = "READ UNCOMMITTED", read_committed = "READ COMMITTED",
  repeatable_read = "REPEATABLE READ", serializable = "SERIALIZABLE",
}

local function check_options(given)
  local checked = options.check(M.OPTIONS, given or {}, "transaction",
    caller.LEVEL)
  if checked.isolation then
    local name = checked.isolation:lower():gsub("[%s_]+", "_")
    checked.isolation = ISOLATIONS[name]
    if not checked.isolation then
      caller.usage("isolation cannot be %q: read_uncommitted, read_committed, "
        .. "repeatable_read or serializable", given.isolation)
    end
  end
  if checked.retries < 0 then
    caller.usage "retries cannot be negative"
  end
  return checked
end

-- --- State -----------------------------------------------------------------------

-- The transactions of the current task, by adapter.
local function ambient(adapter)
  local current = task.running()
  local locals = current and current.locals
  local transactions = locals and locals.transactions
  return transactions and transactions[adapter]
end

local function set_ambient(adapter, owner, transaction)
  if not owner or not adapter.ambient then
    return
  end
  local locals = owner.locals
  if not locals then
    if owner.outcome then
      return -- it has ended, and what was its own is gone
    end
    locals = {}
    owner.locals = locals
  end
  locals.transactions = locals.transactions or {}
  locals.transactions[adapter] = transaction
end

--- The innermost open transaction of the current task on an adapter, or nil.
M.current = ambient

--- The options of calls that join what their task has open: their own, and the
-- deadline of that.
-- @tparam table own resolved options of the session that is called
-- @tparam table joined those of what is joined
-- @treturn table
function M.join_defaults(own, joined)
  if own.timeout or not joined.timeout then
    return own
  end
  local merged = {}
  for key, value in pairs(own) do
    merged[key] = value
  end
  merged.timeout = joined.timeout
  return merged
end

-- The transaction itself; `with_options` makes views of it.
local function root(self)
  return self.origin or self
end

-- What does in order what a statement would do behind the transaction's back.
local INSTEAD = {
  BEGIN = "tx:transaction(fn) or tx:begin()", COMMIT = "tx:commit()",
  ROLLBACK = "tx:rollback() or tx:rollback_to(name)",
  SAVEPOINT = "tx:savepoint(name)", RELEASE = "tx:release_savepoint(name)",
}
INSTEAD.START, INSTEAD.END = INSTEAD.BEGIN, INSTEAD.COMMIT
INSTEAD.ABORT = INSTEAD.ROLLBACK

local function refuse_control(self, text)
  local parsed = call.parse(self.adapter, call.text_of(text))
  if parsed.control then
    self:fail({ kind = "usage", retry = "no", message =
      ("%s does not go through the calls of a transaction: use %s"):format(
        parsed.control, INSTEAD[parsed.control]) }, parsed)
  end
end

-- The transaction is open, and this task's.
local function check_open(self)
  local state = root(self)
  if state.task ~= task.running() then
    caller.usage "a transaction belongs to the task that began it"
  elseif state.state ~= "open" then
    caller.usage("the transaction was %s before", state.state)
  end
  return state
end

--- Whether the transaction can be used; the session for a call.
function Transaction:enter(text)
  if check_open(self).doomed then
    self:fail { kind = "transaction_aborted", retry = "no", message =
      "a nested transaction could not be rolled back: nothing of this one can "
        .. "be committed" }
  elseif text then
    refuse_control(self, text)
  end
  return self
end

-- The first error explains all that follow it.
function Transaction:note_failure(err)
  local state = root(self)
  if err.kind == "transaction_aborted" and state.first_error then
    err.cause = err.cause or state.first_error
  elseif err.kind ~= "usage" then
    state.first_error = state.first_error or err
  end
end

local function control(self, text, flags)
  return task.finish(core.query(self.adapter.handle, self.lease,
    flags or CONTROL, self.defaults.timeout or self.adapter.command_timeout, 0,
    text))
end

local function hand_hooks_up(self)
  local hooks = self.parent.hooks
  for i = 1, #self.hooks do
    hooks[#hooks + 1] = self.hooks[i]
  end
end

-- Streams end, hooks are settled, the one around it is the task's again.
local function leave(self, state)
  self.state = state
  if self.inner then
    leave(self.inner, state)
  end
  if self.parent then
    self.parent.inner = nil
    if state == "committed" then
      hand_hooks_up(self)
    end
  end
  while self.owned and next(self.owned) do
    local resource = next(self.owned)
    self.owned[resource] = nil
    resource:close()
  end
  if self.task then
    self.task:disown(self)
    if ambient(self.adapter) == self or self.is_ambient then
      set_ambient(self.adapter, self.task, self.outer_ambient)
    end
  end
end

local function release(self)
  if self.owns_connection then
    self.connection:close()
  end
end

-- --- Ends --------------------------------------------------------------------------

-- All are called, whatever one of them raises; the first error is raised then.
local function run_hooks(hooks)
  local failed, first = false, nil
  for i = 1, #hooks do
    local fine, err = xpcall(hooks[i], errors.with_traceback)
    if not fine and not failed then
      failed, first = true, err
    end
  end
  if failed then
    error(first, 0)
  end
end

local function commit_text(self)
  return self.savepoint_name and "RELEASE SAVEPOINT " .. self.savepoint_name
    or "COMMIT"
end

-- What cannot be undone alone dooms the transactions around it.
local function doom(self)
  local outer = self.parent
  while outer do
    outer.doomed = true
    outer = outer.parent
  end
end

local function roll_back(self)
  if self.savepoint_name then
    local ok = control(self, "ROLLBACK TO " .. self.savepoint_name)
      and control(self, "RELEASE SAVEPOINT " .. self.savepoint_name)
    if not ok then
      doom(self)
    end
  elseif not self.owns_connection or self.connection.is_share then
    control(self, "ROLLBACK") -- else the release does it
  end
end

-- Make undone what was done, whatever state the connection is in. A cancelled
-- task finishes this first: else what it undoes could be committed later.
local function undo(self)
  task.shelter(roll_back, self)
end

--- Commit (of a nested transaction: keep its savepoint's work).
function Transaction:commit()
  self:enter()
  self = root(self)
  local ok, _, fields = control(self, commit_text(self), CONTROL + INSIDE)
  if not ok then
    undo(self)
    leave(self, "rolled back")
    release(self)
    self:fail(fields, { text = commit_text(self) })
  end
  leave(self, "committed")
  release(self)
  if not self.parent then
    run_hooks(self.hooks)
  end
end

--- Undo everything; no error is raised.
function Transaction:rollback()
  self = check_open(self)
  leave(self, "rolled back")
  undo(self)
  release(self)
end

--- The end of the task: what was forgotten is rolled back, and said.
function Transaction:close(reason)
  self = root(self)
  if self.state ~= "open" then
    return
  end
  if reason == "return" and self.held then
    io.stderr:write(("covet: a transaction begun at %s was forgotten and is "
      .. "rolled back\n"):format(self.begun_at or "?"))
  end
  leave(self, "rolled back")
  undo(self)
  release(self)
end

--- Mark a point to which `rollback_to` goes back.
-- @tparam string name
function Transaction:savepoint(name)
  self:execute_control("SAVEPOINT " .. self:quote_identifier(name))
end

--- Undo what was done since a savepoint.
function Transaction:rollback_to(name)
  self:execute_control("ROLLBACK TO " .. self:quote_identifier(name))
end

--- Forget a savepoint, keeping what was done since.
function Transaction:release_savepoint(name)
  self:execute_control("RELEASE SAVEPOINT " .. self:quote_identifier(name))
end

--- Run a statement that begins or ends a part of this transaction.
-- @tparam string text
-- @raise what the server says of it
function Transaction:execute_control(text)
  self:enter()
  local ok, _, fields = control(self, text, CONTROL + INSIDE)
  if not ok then
    self:fail(fields, { text = text })
  end
end

--- Call `fn()` when the outermost transaction has committed; dropped when this
-- one or one around it is rolled back.
function Transaction:after_commit(fn)
  self:enter()
  if type(fn) ~= "function" then
    caller.usage("after_commit takes a function, not %s", type(fn))
  end
  local hooks = root(self).hooks
  hooks[#hooks + 1] = fn
end

-- --- Beginnings ------------------------------------------------------------------------

--- What owns the streams that are opened on this session.
function Transaction:scope()
  return root(self)
end

-- Streams that are opened in the transaction end with it.
function Transaction:own(resource)
  self.owned = self.owned or {}
  self.owned[resource] = true
end

function Transaction:disown(resource)
  if self.owned then
    self.owned[resource] = nil
  end
end

-- The options of the calls in a transaction: those of the session from which it
-- is begun, and its own.
local function merge_defaults(defaults, checked)
  if not checked.timeout and checked.read_only == nil then
    return defaults
  end
  local merged = {}
  for key, value in pairs(defaults) do
    merged[key] = value
  end
  merged.timeout = checked.timeout or merged.timeout
  if checked.read_only ~= nil then
    merged.read_only = checked.read_only
  end
  return merged
end

local function make(connection, parent, defaults, checked)
  local inside = parent and parent.inside or INSIDE
  if checked.read_only then
    inside = bit.bor(inside, READ_ONLY) -- options of a call cannot undo it
  end
  return session.new({
    adapter = connection.adapter, lease = connection.lease, inside = inside,
    defaults = merge_defaults(defaults, checked), connection = connection,
    parent = parent, task = task.running(), state = "open", hooks = {},
    depth = parent and parent.depth + 1 or 0,
    isolation = parent and parent.isolation or checked.isolation,
  }, class)
end

local function enlist(self)
  self.outer_ambient = ambient(self.adapter)
  set_ambient(self.adapter, self.task, self)
  self.is_ambient = true
  if self.task then
    self.task:own(self)
  end
end

local function start(self, text, flags)
  local ok, _, fields = control(self, text, flags)
  if not ok then
    self.state = "never begun"
    release(self)
    self:fail(fields, { text = text })
  end
  enlist(self)
  return self
end

-- A savepoint has the isolation of its transaction: another one would be asked
-- for in vain.
local function check_isolation(outer, checked)
  if checked.isolation and checked.isolation ~= outer.isolation then
    caller.usage("a transaction in a transaction has its isolation, which is %s: "
      .. "it cannot be %s", outer.isolation and outer.isolation:lower()
      or "the database's default", checked.isolation:lower())
  end
end

local function begin_nested(outer, defaults, checked)
  check_isolation(outer, checked)
  while outer.inner do -- savepoints are a stack
    outer = outer.inner
  end
  local self = make(outer.connection, outer, defaults, checked)
  self.savepoint_name = "covet_" .. self.depth
  start(self, "SAVEPOINT " .. self.savepoint_name, CONTROL + INSIDE)
  outer.inner = self
  return self
end

local function begin_on(connection, owns, checked)
  local self = make(connection, nil, connection.defaults, checked)
  self.owns_connection = owns
  return start(self, self.adapter:begin_text(checked))
end

-- A transaction on a connection of its own.
local function begin_apart(from, checked)
  if checked.read_only == nil then
    checked.read_only = from.defaults.read_only
  end
  local connection = from.adapter.shared_by[task.running()] and from:share()
    or from:acquire { read_only = checked.read_only or false,
      timeout = checked.timeout }
  local fine, self = pcall(begin_on, connection, true, checked)
  if not fine then
    connection:close()
    error(self, 0)
  end
  return self
end

local function begin(from, checked)
  if getmetatable(from) == class then
    return begin_nested(root(from), from.defaults, checked)
  end
  local joined = ambient(from.adapter)
  if root(from).hold and not (joined and joined.lease == from.lease) then
    return begin_on(from, false, checked)
  elseif joined then
    return begin_nested(joined, M.join_defaults(from.defaults, joined.defaults),
      checked)
  end
  return begin_apart(from, checked)
end

--- Begin a transaction that is ended by `commit` or `rollback`.
-- @tparam table from a session
-- @tparam[opt] table given options
-- @treturn table the transaction
function M.begin(from, given)
  local self = begin(from, check_options(given))
  self.begun_at = caller.where()
  self.held = true
  return self
end

-- --- The function form -------------------------------------------------------------------

local function pack(ok, ...)
  return { ok = ok, n = select("#", ...), ... }
end

local function keep_traceback(err)
  return errors.with_traceback(err)
end

local function attempt(from, checked, fn)
  local self = begin(from, checked)
  local outcome = pack(xpcall(fn, keep_traceback, self))
  if outcome.ok and self.state == "open" then
    local fine, err = pcall(self.commit, self)
    if not fine then
      outcome = { ok = false, n = 1, err }
    end
  end
  if self.state == "open" then -- fn raised, or the commit was interrupted
    leave(self, "rolled back")
    undo(self)
    release(self)
  end
  outcome.committed = self.state == "committed" -- a hook raised
  return outcome
end

-- What may go well the next time: in MySQL also a lock that took too long.
local function worth_retrying(from, err, tries, checked)
  local more = from.adapter.retried_kinds
  return tries <= checked.retries and errors.is_error(err)
    and (err.kind == "serialization_failure" or err.kind == "deadlock"
      or more ~= nil and more[err.kind] == true)
end

local function backoff(tries)
  local longest = math.min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ^ tries)
  return longest * (0.5 + math.random() / 2)
end

--- Run `fn(tx)` in one transaction: commits when it returns, rolls back and
-- raises again when it raises.
-- @tparam table from a session
-- @tparam[opt] table given options
-- @tparam function fn
-- @return what `fn` returned
function M.run(from, given, fn)
  if fn == nil then
    given, fn = nil, given
  end
  local checked = check_options(given)
  if type(fn) ~= "function" then
    caller.usage("transaction([options,] fn): fn must be a function, not %s",
      type(fn))
  end
  for tries = 1, math.huge do
    local outcome = attempt(from, checked, fn)
    if outcome.ok then
      return unpack(outcome, 1, outcome.n)
    elseif outcome.committed
      or not worth_retrying(from, outcome[1], tries, checked) then
      error(outcome[1], 0)
    end
    local delay = backoff(tries)
    from.adapter:emit("retry", { attempt = tries, retries = checked.retries,
      error = outcome[1], delay = delay })
    task.sleep(delay)
  end
end

--- A transaction in this one: a savepoint.
function Transaction:transaction(given, fn)
  return M.run(self:enter(), given, fn)
end

--- Begin a savepoint that is ended by `commit` or `rollback`.
function Transaction:begin(given)
  return M.begin(self:enter(), given)
end

class = session.class("covet.transaction", Transaction)

return M
