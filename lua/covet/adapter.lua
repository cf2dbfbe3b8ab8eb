--- Adapters: one database, one API.
--
-- `covet.adapter.sqlite` and its likes give what differs: options, the text of
-- BEGIN, introspection. Everything else is here and in covet.session.
-- @module covet.adapter

local call = require "covet.call"
local caller = require "covet.caller"
local connection = require "covet.connection"
local core = require "covet.core"
local errors = require "covet.error"
local options = require "covet.options"
local session = require "covet.session"
local task = require "covet.task"
local transaction = require "covet.transaction"

local DISCONNECT_OPTIONS = {
  { "timeout", "seconds", 10, "How long to wait for what is under way." },
}

local Adapter = {}

local M = {}

-- Options that every adapter takes: a declaration for covet.options.
M.OPTIONS = {
  { "acquire_timeout", "seconds", 30, "How long to wait for a connection." },
  { "command_timeout", "seconds", 60, "Deadline of what writes." },
  { "query_timeout", "seconds", 30, "Deadline of what reads." },
  { "statement_cache_size", "integer", 100, "Prepared statements kept on each "
    .. "connection; 0: none." },
  { "max_cached_statement_lifetime", "seconds", 300, "How long a prepared "
    .. "statement is kept." },
  { "max_cacheable_statement_size", "integer", 15360, "Bytes of the longest "
    .. "text that is kept." },
  { "ambient", "boolean", true, "Calls on the adapter join the task's own "
    .. "transaction." },
  { "slow_query", "seconds", 1, "When the event slow_query is told." },
  { "name", "string", nil, "The adapter's name in messages." },
}

local EVENT_NAMES = {
  "query", "slow_query", "error", "retry", "connect", "close", "leak",
  "breaker", "notice",
}
local EVENTS = {}
for _, name in ipairs(EVENT_NAMES) do
  EVENTS[name] = true
end

-- Connections open and close by themselves: what has happened since the last
-- look is told with the next call.
local function tell_connections(adapter)
  local listeners = adapter.listeners
  if not listeners.connect and not listeners.close then
    return
  end
  local stats = core.stats(adapter.handle)
  for _ = adapter.told_created + 1, stats.created do
    adapter:emit("connect", { size = stats.size })
  end
  for _ = adapter.told_destroyed + 1, stats.destroyed do
    adapter:emit("close", { size = stats.size })
  end
  adapter.told_created, adapter.told_destroyed = stats.created, stats.destroyed
end

-- --- Connecting ---------------------------------------------------------------------

local function check(self, ok, _, fields)
  if not ok then
    self:fail(fields)
  end
end

--- Open the first connections, or raise why that fails. A first call does it
-- too.
-- @treturn table the adapter itself
function Adapter:connect()
  local adapter = self.adapter
  check(self, task.finish(core.connect(self.handle, self.acquire_timeout)))
  adapter.ended = nil
  tell_connections(adapter)
  if not adapter.forget_exit then
    local weak = setmetatable({ adapter }, { __mode = "v" })
    adapter.forget_exit = task.on_exit(function()
      if weak[1] then
        weak[1]:disconnect()
      end
    end, "adapter " .. self.name)
  end
  return self
end

--- Let what is under way end, then close all connections. What has not ended
-- after `timeout` is cancelled. `connect` opens the adapter again.
-- @tparam[opt=10] number timeout seconds
function Adapter:disconnect(timeout)
  local adapter = self.adapter
  timeout = options.check(DISCONNECT_OPTIONS, { timeout = timeout },
    "disconnect", caller.LEVEL).timeout
  if adapter.forget_exit then
    adapter.forget_exit()
    adapter.forget_exit = nil
  end
  adapter.ended = "closed"
  check(self, task.finish(core.disconnect(self.handle, timeout)))
  tell_connections(adapter)
end

Adapter.close = Adapter.disconnect

local READS = { SELECT = true, VALUES = true, EXPLAIN = true, PRAGMA = true }

-- Whether a call can do with a connection that only reads.
local function only_reads(adapter, text)
  local parsed = text and call.parse(adapter, call.text_of(text))
  local verb = parsed and (parsed.verb or parsed.keyword)
  return verb == nil or READS[verb] or false
end

-- The transaction of the task, or the connection that its streams share.
local function joined_by_task(adapter)
  local joined = transaction.current(adapter)
  if joined and joined.state == "open" then
    return joined
  end
  local current = task.current()
  return current and adapter.shared_by[current]
end

--- The session on which a call runs: the task's transaction if it has one.
function Adapter:enter(text)
  local adapter = self.adapter
  if adapter.claims == 0 then
    return self
  end
  local joined = joined_by_task(adapter)
  if not joined then
    adapter:check_holder(only_reads(adapter, text))
    return self
  elseif not rawequal(self, adapter) then
    joined = session.view(joined, self.defaults)
  end
  return joined:enter(text)
end

--- The session for a stream.
function Adapter:share()
  return self.adapter.single[true] and task.current() and connection.share(self)
    or self
end

-- --- Leases and transactions ------------------------------------------------------------

local ACQUIRE_OPTIONS = {
  { "timeout", "seconds", nil, "How long to wait." },
  { "read_only", "boolean", nil, "A connection that is not meant to write." },
}

--- Take a connection for this task.
-- @tparam[opt] table given `timeout`, `read_only`
-- @treturn table a session with all methods of the adapter
function Adapter:acquire(given)
  return connection.acquire(self, options.check(ACQUIRE_OPTIONS, given or {},
    "acquire", caller.LEVEL))
end

--- Give a connection back.
function Adapter.release(_, held)
  connection.release(held)
end

local function release_after(held, fine, ...)
  held:close()
  if not fine then
    error((...), 0)
  end
  return ...
end

--- Run `fn(connection)` on a connection and give it back.
-- @tparam[opt] table given `timeout`, `read_only`
-- @tparam function fn
-- @return what `fn` returned
function Adapter:with(given, fn)
  if fn == nil then
    given, fn = nil, given
  end
  if type(fn) ~= "function" then
    caller.usage("with([options,] fn): fn must be a function, not %s", type(fn))
  end
  local held = self:acquire(given)
  return release_after(held, xpcall(fn, errors.with_traceback, held))
end

--- Run `fn(tx)` in a transaction.
-- @tparam[opt] table given `isolation`, `read_only`, `deferrable`, `retries`,
-- `mode`, `timeout`
-- @tparam function fn
-- @return what `fn` returned
function Adapter:transaction(given, fn)
  return transaction.run(self, given, fn)
end

--- Begin a transaction that is ended by `commit` or `rollback`.
function Adapter:begin(given)
  return transaction.begin(self, given)
end

-- --- What the other modules tell ------------------------------------------------------------

-- Transactions and leases of tasks: their number, for a quick look.
function Adapter:note_claim(change)
  local adapter = self.adapter
  adapter.claims = adapter.claims + change
end

function Adapter:note_acquire(held)
  local holder = held.task
  if holder and self.adapter.single[held.read_only] then
    self.adapter.holders[holder] = held
    self:note_claim(1)
  end
end

function Adapter:note_release(held)
  if held.task and self.adapter.holders[held.task] == held then
    self.adapter.holders[held.task] = nil
    self:note_claim(-1)
  end
end

--- Raise at once where a task would wait for a connection that only it can
-- give back.
function Adapter:check_holder(read_only)
  local adapter = self.adapter
  if not adapter.single[read_only or false] or
      next(adapter.holders) == nil then
    return
  end
  local current = task.current()
  if current and adapter.holders[current] then
    errors.raise({ kind = "pool_exhausted", retry = "no",
      database = adapter.database,
      message = "this task holds the only such connection already and would "
        .. "wait for itself",
      hint = "use the connection or transaction that it holds",
    }, caller.LEVEL)
  end
end

-- --- Events ----------------------------------------------------------------------------------

--- Call `fn(event)` at each event of that name.
-- @tparam string name query, slow_query, error, retry, ...
-- @tparam function fn gets a table; must not wait
-- @treturn function takes it back
function Adapter:on(name, fn)
  local adapter = self.adapter
  if not EVENTS[name] then
    local nearest = options.nearest(name, EVENT_NAMES)
    caller.usage("there is no event %q%s", tostring(name),
      nearest and (", did you mean %q?"):format(nearest) or "")
  elseif type(fn) ~= "function" then
    caller.usage("on(event, fn): fn must be a function, not %s", type(fn))
  end
  local listeners = adapter.listeners[name] or {}
  adapter.listeners[name] = listeners
  listeners[#listeners + 1] = fn
  adapter.watched = true
  return function()
    for i = #listeners, 1, -1 do
      if listeners[i] == fn then
        table.remove(listeners, i)
      end
    end
  end
end

function Adapter:emit(name, event)
  local listeners = { unpack(self.adapter.listeners[name] or {}) }
  for i = 1, #listeners do
    local fine, err = pcall(listeners[i], event)
    if not fine then
      io.stderr:write(("covet: in a listener of %s: %s\n"):format(name,
        tostring(err)))
    end
  end
end

function Adapter:note_query(parsed, started)
  tell_connections(self.adapter)
  local seconds = core.now() - started
  local event = { sql = parsed.text, seconds = seconds }
  self:emit("query", event)
  if seconds >= self.adapter.slow_query then
    self:emit("slow_query", event)
  end
end

function Adapter:note_error(err, parsed, started)
  self:emit("error", { error = err, sql = parsed and parsed.text,
    seconds = started and core.now() - started })
end

--- Figures of the connections at this moment and so far. Times in seconds.
-- @treturn table
function Adapter:get_pool_stats()
  local stats = core.stats(self.adapter.handle)
  stats.total_connections, stats.idle_connections = stats.size, stats.free
  stats.active_connections = stats.used
  stats.created_connections = stats.created
  stats.destroyed_connections = stats.destroyed
  for _, name in ipairs { "p50", "p95", "p99", "max" } do
    stats[name .. "_query_time"] = stats[name .. "_us"] / 1e6
    stats[name .. "_us"] = nil
  end
  return stats
end

--- What another database has and this one has not.
function Adapter:unsupported(name, where)
  self:fail { kind = "unsupported", retry = "no",
    message = ("%s is for %s, not for %s"):format(name, where,
      self.adapter.database) }
end

for name, where in pairs {
  copy_from_query = "PostgreSQL", copy_to_table = "PostgreSQL",
  copy_from_table = "PostgreSQL", listen = "PostgreSQL", notify = "PostgreSQL",
  set_type_codec = "PostgreSQL", backup = "SQLite", create_function = "SQLite",
  open_blob = "SQLite",
} do
  session.methods[name] = function(self)
    Adapter.unsupported(self, name, where)
  end
end

--- Make an adapter's class: the methods given, and all of these.
-- @tparam string database
-- @tparam table own its methods, `begin_text` among them; those of them that
-- run statements also work on connections and transactions
-- @treturn table metatable
function M.class(database, own)
  for name, method in pairs(Adapter) do
    if own[name] == nil then
      own[name] = method
    end
  end
  local class = session.class("covet." .. database, own)
  return class
end

-- The binding takes options as texts.
local function as_text(value)
  if type(value) == "number" then
    return ("%.17g"):format(value)
  end
  return tostring(value)
end

--- Make an adapter.
-- @tparam table class of `M.class`
-- @tparam string url the scheme at least
-- @tparam table checked options
-- @tparam table passed names of the options that the driver reads
-- @treturn table
function M.new(class, url, checked, passed)
  task.prepare()
  local list = {}
  for _, name in ipairs(passed) do
    if checked[name] ~= nil then
      list[#list + 1] = { name, as_text(checked[name]) }
    end
  end
  local handle, fields = core.adapter(url, list)
  if not handle then
    fields.database = class.database
    errors.raise(fields, caller.LEVEL)
  end
  local self = {
    handle = handle, lease = 0, inside = 0, database = class.database,
    dialect = class.database, statements = {}, statement_count = 0,
    claims = 0, shared_by = setmetatable({}, { __mode = "kv" }), listeners = {},
    told_created = 0, told_destroyed = 0, watched = false,
    holders = setmetatable({}, { __mode = "kv" }), single = {},
    defaults = call.resolve({}, {}), name = checked.name or url,
    ambient = checked.ambient, slow_query = checked.slow_query,
    acquire_timeout = checked.acquire_timeout,
    command_timeout = checked.command_timeout,
    query_timeout = checked.query_timeout,
  }
  self.adapter = self
  return session.new(self, class)
end

return M
