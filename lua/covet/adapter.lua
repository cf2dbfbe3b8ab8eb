--- Adapters: one database, one API.
--
-- `covet.adapter.sqlite` and its likes give what differs: options, the text of
-- BEGIN, introspection. Everything else is here and in covet.session.
-- @module covet.adapter

local call = require "covet.call"
local caller = require "covet.caller"
local claims = require "covet.claims"
local config = require "covet.pool.config"
local connection = require "covet.connection"
local core = require "covet.core"
local errors = require "covet.error"
local events = require "covet.events"
local leases = require "covet.adapter.leases"
local loan = require "covet.loan"
local options = require "covet.options"
local session = require "covet.session"
local task = require "covet.task"
local transaction = require "covet.transaction"

local DISCONNECT_OPTIONS = {
  { "timeout", "seconds", 10, "How long to wait for what is under way." },
}

local Adapter = {}

local M = {}

--- The methods of all adapters, by name.
M.methods = Adapter

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

--- Those that are read in Lua alone, by name: a URL may hold them too.
M.OWN_OPTIONS = {
  acquire_timeout = "seconds", command_timeout = "seconds",
  query_timeout = "seconds", slow_query = "seconds", ambient = "boolean",
  name = "string",
}

-- What `configure` takes: the options of the pool, and these of Lua's.
local LIVE_OPTIONS = {}
local LIVE_FIELDS = { "acquire_timeout", "command_timeout", "query_timeout",
  "slow_query" }
for _, name in ipairs(LIVE_FIELDS) do
  LIVE_OPTIONS[#LIVE_OPTIONS + 1] = { name, "seconds", nil, "" }
end

-- The options of its pool: what is not given is the database's own choice.
local IS_SECONDS = { acquire_timeout = true }
local POOL_OPTIONS = { acquire_timeout = true }
for _, entry in ipairs(config.ADAPTER_OPTIONS) do
  local name, kind = entry[1], entry[2]
  IS_SECONDS[name] = kind == "seconds"
  if kind ~= "function" and not POOL_OPTIONS[name] then
    POOL_OPTIONS[name] = true
    local copy = {}
    for key, value in pairs(entry) do
      copy[key] = value
    end
    copy[3] = nil
    M.OPTIONS[#M.OPTIONS + 1] = copy
    LIVE_OPTIONS[#LIVE_OPTIONS + 1] = copy
  end
end

-- The binding takes options as texts.
local function as_text(value)
  if type(value) == "number" then
    return ("%.17g"):format(value)
  end
  return tostring(value)
end

-- To the core's pools 0 is never, and no time is a microsecond.
local function of_pool(name, value)
  if value == math.huge then
    return 0
  elseif value == 0 and (IS_SECONDS[name] or name:match "_backoff$"
    or name:match "^breaker_[wc]") then
    return 1e-6
  end
  return value
end

-- Append what is given of the pool's options to `list`. The noting of lines is
-- Lua's own.
local function add_pool_options(list, given)
  local wanted = {}
  for name in pairs(POOL_OPTIONS) do
    if name ~= "track_stack_trace" then
      wanted[name] = given[name]
    end
  end
  for name, value in pairs(config.flat(wanted)) do
    list[#list + 1] = { name, as_text(of_pool(name, value)) }
  end
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
end

Adapter.close = Adapter.disconnect

-- --- The pool, while it runs --------------------------------------------------------

--- Change sizes, timeouts and thresholds while the adapter is in use. What is lent
-- is left alone.
-- @tparam table given options of the pool by the adapter's names
-- (`max_pool_size`...), `command_timeout`, `query_timeout`, `slow_query`; the
-- others stay
function Adapter:configure(given)
  if type(given) ~= "table" then
    caller.usage("configure(options): expected table, got %s", type(given))
  end
  local adapter, list = self.adapter, {}
  options.check(LIVE_OPTIONS, given, "configure", caller.LEVEL)
  add_pool_options(list, given)
  local fine, fields = core.configure(adapter.handle, list)
  if not fine then
    fields.database = adapter.database
    errors.raise(fields, caller.LEVEL)
  end
  for _, name in ipairs(LIVE_FIELDS) do
    if given[name] ~= nil then
      adapter[name] = given[name]
    end
  end
end

--- Change how many connections there are.
-- @tparam number min
-- @tparam number max
function Adapter:resize(min, max)
  self:configure { min_pool_size = min, max_pool_size = max }
end

--- Replace the connections: idle ones now, those in use when they come back.
function Adapter:evict()
  local adapter = self.adapter
  local fine, fields = core.evict(adapter.handle)
  if not fine then
    fields.database = adapter.database
    errors.raise(fields, caller.LEVEL)
  end
end

--- Refuse new calls, serve those that wait, close what comes back. Returns when
-- nothing is left; then `connect` opens the adapter again.
-- @tparam[opt] table given `timeout`, 10 seconds
-- @raise pool_timeout when something is still in use then; the draining goes on
function Adapter:drain(given)
  local adapter = self.adapter
  local timeout = config.end_timeout(given, "drain")
  adapter.ended = "drained"
  check(self, task.finish(core.drain(adapter.handle, timeout)))
  if adapter.forget_exit then
    adapter.forget_exit()
    adapter.forget_exit = nil
  end
end

local READS = { SELECT = true, VALUES = true, EXPLAIN = true, PRAGMA = true }

-- Whether a statement can do with a connection that only reads.
local function only_reads(parsed)
  local verb = parsed and (parsed.verb or parsed.keyword)
  return verb == nil or READS[verb] or false
end

-- The transaction of the task, or the connection that its streams share.
local function joined_by_task(adapter)
  local joined = transaction.current(adapter)
  if joined and joined.state == "open" then
    return joined
  end
  local current = task.running()
  return current and adapter.shared_by[current]
end

-- What is joined, with the options of the session that is called.
local function join(from, joined)
  local defaults = transaction.join_defaults(from.defaults, joined.defaults)
  if defaults == joined.defaults then
    return joined
  end
  return session.view(joined, defaults)
end

--- The session on which a call runs: the task's transaction if it has one.
function Adapter:enter(text)
  local adapter = self.adapter
  if adapter.claims == 0 then
    return self
  end
  claims.sweep(adapter)
  local joined = joined_by_task(adapter)
  if not joined then
    local parsed = text and call.parse(adapter, call.text_of(text))
    claims.check_only(self, only_reads(parsed), parsed)
    return self
  end
  return join(self, joined):enter(text)
end

--- The session for a stream.
function Adapter:share()
  return self.adapter.only[true] and task.running() and connection.share(self)
    or self
end

-- --- Leases and transactions ------------------------------------------------------------

local ACQUIRE_OPTIONS = {
  { "timeout", "seconds", nil, "How long to wait." },
  { "read_only", "boolean", nil, "A connection that is not meant to write." },
}

local NO_OPTIONS = {}

--- Take a connection for this task.
-- @tparam[opt] table given `timeout`, `read_only`
-- @treturn table a session with all methods of the adapter
function Adapter:acquire(given)
  return connection.acquire(self, given and options.check(ACQUIRE_OPTIONS, given,
    "acquire", caller.LEVEL) or NO_OPTIONS)
end

--- Give a connection back.
function Adapter.release(_, held)
  connection.release(held)
end

--- Run `fn(connection)` on a connection and give it back.
-- @tparam[opt] table given `timeout`, `read_only`
-- @tparam function fn
-- @return what `fn` returned
function Adapter:with(given, fn)
  given, fn = loan.arguments(given, fn)
  local held = self:acquire(given)
  return loan.run(fn, held, held.close)
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

-- --- Figures --------------------------------------------------------------------------------

--- Figures of the connections at this moment and so far. Times in seconds.
-- @treturn table
function Adapter:get_pool_stats()
  local adapter = self.adapter
  claims.sweep(adapter)
  local stats = core.stats(adapter.handle)
  stats.name = adapter.name
  stats.reclaimed = stats.reclaimed + adapter.reclaimed
  for _, name in ipairs { "p50", "p95", "p99", "max" } do
    stats[name .. "_query_time"] = stats[name .. "_us"] / 1e6
    stats[name .. "_us"] = nil
  end
  return stats
end

--- The same: pools over a factory have both names.
Adapter.get_stats = Adapter.get_pool_stats

for name, method in pairs(events.methods) do
  Adapter[name] = method
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

--- Make an adapter.
-- @tparam table class of `M.class`
-- @tparam string url the scheme at least
-- @tparam table checked options
-- @tparam table passed names of the options that the driver reads
-- @tparam table given options as they were given
-- @treturn table
function M.new(class, url, checked, passed, given)
  task.prepare()
  local list = {}
  for _, name in ipairs(passed) do
    if checked[name] ~= nil then
      list[#list + 1] = { name, as_text(checked[name]) }
    end
  end
  add_pool_options(list, given)
  local handle, fields = core.adapter(url, list)
  if not handle then
    fields.database = class.database
    errors.raise(fields, caller.LEVEL)
  end
  local self = {
    handle = handle, lease = 0, inside = 0, database = class.database,
    dialect = class.database, statements = {}, statement_count = 0,
    shared_by = setmetatable({}, { __mode = "kv" }), listeners = events.new(),
    lanes = {}, only = {}, -- by read_only; the adapter's module fills them in
    defaults = call.resolve({}, {}), name = checked.name or url,
    ambient = checked.ambient, slow_query = checked.slow_query,
    acquire_timeout = checked.acquire_timeout,
    command_timeout = checked.command_timeout,
    query_timeout = checked.query_timeout,
  }
  self.adapter = self
  self.try_acquire, self.try_release = core.lending(handle)
  for _, part in ipairs { claims.new(), leases.new() } do
    for name, value in pairs(part) do
      self[name] = value
    end
  end
  leases.watch(self)
  return session.new(self, class)
end

return M
