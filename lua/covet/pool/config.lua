--- The configuration of a pool: checked and complete.
--
--     local config = covet.pool.config { preset = "web", max_size = 80 }
--
-- A configuration is a table with a field for each option. It may be changed
-- before a pool takes it: then it is checked again.
-- @module covet.pool.config

local caller = require "covet.caller"
local errors = require "covet.error"
local options = require "covet.options"

local huge, min = math.huge, math.min

-- What the core can count, and what nobody needs more of.
local MOST_CONNECTIONS, MOST_ATTEMPTS, MOST_FAILURES = 65535, 1000000, 128
-- From here on a time means "never" to the core.
local LONGEST = 1e9

local M = {}

local function fail(option, fmt, ...)
  errors.raise({ kind = "usage", retry = "no", option = option,
    message = fmt:format(...) }, caller.LEVEL)
end

-- --- Checks of one option ---------------------------------------------------------

local function between(least, most)
  local text = ("must be from %d to %d"):format(least, most)
  return function(value)
    return value >= least and value <= most, text
  end
end

local function share(value)
  return value >= 0 and value <= 1, "must be from 0 to 1"
end

local function positive(value)
  return value > 0, "must be above 0 (math.huge: never)"
end

local function finite(value)
  return value < LONGEST, "must be less than 1e9 seconds"
end

local function count_or_huge(value)
  return value == huge or value >= 0 and value % 1 == 0,
    "must be a whole number from 0, or math.huge"
end

-- "must be a, b or c"
local function one_of(...)
  local allowed, names = {}, {}
  for i = 1, select("#", ...) do
    names[i] = ("%q"):format((select(i, ...)))
    allowed[select(i, ...)] = true
  end
  local last = table.remove(names)
  local text = ("must be %s or %s"):format(table.concat(names, ", "), last)
  return function(value)
    return allowed[value] or false, text
  end
end

-- --- The declaration --------------------------------------------------------------

local RETRY = {
  { "attempts", "integer", 3, "Attempts to connect before those who wait are "
    .. "told why it fails.", check = between(1, MOST_ATTEMPTS) },
  { "backoff", "seconds", 0.1, "Pause after the first failure; it doubles with "
    .. "each further one.", check = finite },
  { "max_backoff", "seconds", 5, "The longest pause.", check = finite },
  { "jitter", "boolean", true, "Pauses are shorter by chance, by up to a half." },
}

local BREAKER = {
  { "failures", "integer", 5, "Failures to connect in a row that open the "
    .. "breaker.", check = between(1, MOST_FAILURES) },
  { "window", "seconds", 60, "Only failures of the last so many seconds count.",
    check = positive },
  { "cooldown", "seconds", 15, "How long it stays open; then one connection is "
    .. "tried.", check = finite },
}

--- The options: a declaration for covet.options.
M.OPTIONS = {
  { "preset", "string|table", nil, "What the other options start from: `web`, "
    .. "`worker`, `pipeline`, or a table of options." },
  { "min_size", "integer", 5, "Connections that are kept open.",
    check = between(0, MOST_CONNECTIONS) },
  { "max_size", "integer", 20, "Connections there can be.",
    check = between(1, MOST_CONNECTIONS) },
  { "acquire_timeout", "seconds", 10, "How long to wait for a connection, "
    .. "connecting included." },
  { "idle_timeout", "seconds", 300, "Unused for so long, a connection above "
    .. "`min_size` is closed." },
  { "max_lifetime", "seconds", 1800, "So old, a connection is closed when it is "
    .. "not in use.", check = positive },
  { "lifetime_jitter", "number", 0.1, "The share of the lifetime by which "
    .. "connections end earlier by chance, not all at once.", check = share },
  { "pre_ping", "boolean", true, "Ping before a loan where nothing else would "
    .. "tell that the connection has died." },
  { "test_on_borrow", "boolean", true, "Ping before a loan even where something "
    .. "else would tell." },
  { "auto_scale", "boolean", true, "The two thresholds count." },
  { "scale_up_threshold", "number", 0.8, "With this share in use, one more is "
    .. "opened ahead.", check = share },
  { "scale_down_threshold", "number", 0.3, "Only with at most this share in use "
    .. "idle ones are closed.", check = share },
  { "health_check_interval", "seconds", 30, "Idle connections are pinged when "
    .. "they were not heard of for so long.", check = positive },
  { "leak_detection", "boolean", true, "Report loans that last too long." },
  { "leak_timeout", "seconds", 300, "How long that is.", check = positive },
  { "track_stack_trace", "boolean", true, "Note the line that takes a "
    .. "connection, for reports." },
  { "max_waiting", "number", 1000, "Requests that may wait for others to give "
    .. "back; more are refused at once. 0 or `math.huge`: any number.",
    check = count_or_huge },
  { "connect_parallel", "integer", 3, "Connections that are opened at a time.",
    check = between(1, MOST_CONNECTIONS) },
  { "order", "string", "lifo", "Which idle connection is lent first: the one "
    .. "used last (`lifo`) or first (`fifo`).", check = one_of("lifo", "fifo") },
  { "reset", "string", "auto", "When a connection is made as new before the "
    .. "next loan: when it was changed (`auto`), `always`, `never`.",
    check = one_of("auto", "always", "never") },
  { "connect_timeout", "seconds", 10, "How long one attempt to connect may "
    .. "take.", check = positive },
  { "check_timeout", "seconds", 5, "How long a ping or a reset may take.",
    check = positive },
  { "close_timeout", "seconds", 5, "How long closing one may take." },
  { "retry", "table", nil, "Trying again when connecting fails.",
    fields = RETRY },
  { "breaker", "table|boolean", nil, "Failing at once after failures in a row; "
    .. "`false`: never.", fields = BREAKER },
  { "after_connect", "function", nil, "`fn(connection)`, with each new one; an "
    .. "error or `false` refuses it." },
  { "before_acquire", "function", nil, "`fn(connection)`, before a loan; `false` "
    .. "has it closed and another one taken." },
  { "after_release", "function", nil, "`fn(connection)`, after a loan; answers "
    .. "`clean`, `dirty` (reset it), `broken` (close it) or nothing." },
  { "before_close", "function", nil, "`fn(connection, reason)`." },
}

--- The presets: what differs from the defaults.
M.PRESETS = {
  web = { min_size = 20, max_size = 100, acquire_timeout = 5,
    auto_scale = true },
  worker = { min_size = 2, max_size = 10, acquire_timeout = 60,
    auto_scale = false },
  pipeline = { min_size = 5, max_size = 20, max_lifetime = 1800,
    idle_timeout = 600 },
}

--- The names of the presets, sorted.
M.PRESET_NAMES = { "pipeline", "web", "worker" }

-- What the options of a pool are called by an adapter, where that differs.
local ADAPTER_NAMES = { min_size = "min_pool_size", max_size = "max_pool_size" }

local DEFAULTS, NAMES, IS_OPTION = {}, {}, {}

--- The entries of `OPTIONS` that an adapter takes, by the names it has for them.
M.ADAPTER_OPTIONS = {}

for i, entry in ipairs(M.OPTIONS) do
  local name = entry[1]
  DEFAULTS[name], NAMES[i], IS_OPTION[name] = entry[3], name, true
  if name ~= "preset" then
    local copy = {}
    for key, value in pairs(entry) do
      copy[key] = value
    end
    copy[1] = ADAPTER_NAMES[name] or name
    table.insert(M.ADAPTER_OPTIONS, copy)
  end
end

--- Whether a pool has an option of this name.
function M.is_option(name)
  return IS_OPTION[name] or false
end

-- --- Presets and what is given --------------------------------------------------------

-- `above` over `below`; tables within them likewise.
local function overlay(below, above)
  local result = {}
  for key, value in pairs(below) do
    result[key] = value
  end
  for key, value in pairs(above) do
    local under = result[key]
    if type(value) == "table" and type(under) == "table" then
      value = overlay(under, value)
    end
    result[key] = value
  end
  return result
end

local function unknown_preset(name)
  local nearest = options.nearest(name, M.PRESET_NAMES)
  fail("preset", "there is no preset %q%s", name, nearest
    and (", did you mean %q?"):format(nearest)
    or (" (known: %s)"):format(table.concat(M.PRESET_NAMES, ", ")))
end

--- The options of a preset.
-- @tparam string|table preset a name, or a table of options
-- @treturn table not to be changed
function M.preset(preset)
  if type(preset) == "string" then
    return M.PRESETS[preset] or unknown_preset(preset)
  elseif type(preset) ~= "table" then
    fail("preset", 'option "preset": expected string or table, got %s',
      type(preset))
  elseif type(preset.preset) == "table" then
    fail("preset", 'option "preset": its table has a table as preset again')
  end
  return M.wanted(preset)
end

--- What is asked for: the given options over those of their preset, unchecked.
-- @tparam table given
-- @treturn table a new one
function M.wanted(given)
  local below = given.preset ~= nil and M.preset(given.preset) or {}
  local result = overlay(below, given)
  result.preset = nil
  return result
end

-- --- Contradictions -----------------------------------------------------------------

-- A size that was not asked for follows the other one, downwards only: who asks
-- for 3 at most does not want the default minimum of 5.
local function fit_sizes(config, given)
  if given.min_size == nil then
    config.min_size = min(config.min_size, config.max_size)
  end
end

-- "min_size (30) is larger than max_size (20, the default)": where a value that
-- the caller has not written comes from.
local function shown(config, given, name)
  local origin = ""
  if given[name] == nil and config[name] == DEFAULTS[name] then
    origin = ", the default"
  elseif given[name] == nil and type(given.preset) == "string" then
    origin = (", preset %q"):format(given.preset)
  end
  return ("%s (%g%s)"):format(name, config[name], origin)
end

-- What is wrong, and with which option, or nil.
local function find_contradiction(config, given)
  local retry = config.retry
  if config.min_size > config.max_size then
    return ("%s is larger than %s"):format(shown(config, given, "min_size"),
      shown(config, given, "max_size")), "min_size"
  elseif config.scale_up_threshold == 0 then
    return 'option "scale_up_threshold" must be above 0', "scale_up_threshold"
  elseif config.scale_down_threshold >= config.scale_up_threshold then
    return ("%s must lie below %s"):format(
      shown(config, given, "scale_down_threshold"),
      shown(config, given, "scale_up_threshold")), "scale_down_threshold"
  elseif retry.max_backoff < retry.backoff then
    return ("retry.max_backoff (%g) is less than retry.backoff (%g)"):format(
      retry.max_backoff, retry.backoff), "retry.max_backoff"
  end
  return nil
end

-- --- Making --------------------------------------------------------------------------

local class = { __name = "covet.pool.config" }

function class.__newindex(self, name, value)
  if not IS_OPTION[name] or name == "preset" then
    local nearest = options.nearest(name, NAMES)
    caller.usage("a configuration has no option %q%s", tostring(name),
      nearest and (", did you mean %q?"):format(nearest) or "")
  end
  rawset(self, name, value)
end

-- The fields of a checked configuration; `given` is what the caller has written,
-- `wanted` that and its preset.
local function complete(given, wanted, what)
  local config = options.check(M.OPTIONS, wanted, what, caller.LEVEL)
  if config.breaker == true then
    config.breaker = options.check(BREAKER)
  end
  fit_sizes(config, given)
  local fault, option = find_contradiction(config, given)
  if fault then
    fail(option, "%s: %s", what, fault)
  end
  return config
end

--- Check options and fill in the defaults. A configuration is taken as it is,
-- and checked again, for it may have been changed.
-- @tparam[opt] table given options, `preset` among them, or a configuration
-- @tparam[opt] string what is configured, for messages
-- @treturn table a configuration
-- @raise usage: an unknown option (with the nearest known one), a wrong type,
-- options that contradict each other; the error's `option` names it
function M.config(given, what)
  what = what or "covet.pool.config"
  if given == nil then
    given = {}
  elseif type(given) ~= "table" then
    caller.usage("%s: options: expected table, got %s", what, type(given))
  elseif getmetatable(given) == class then
    complete(given, given, what)
    return given
  end
  return setmetatable(complete(given, M.wanted(given), what), class)
end

--- A configuration with some options changed.
-- @tparam table old a configuration
-- @tparam table given options
-- @tparam[opt] string what is configured, for messages
-- @treturn table a new configuration
function M.change(old, given, what)
  return M.config(overlay(old, M.wanted(given)), what)
end

--- Whether a value is a configuration.
function M.is_config(value)
  return getmetatable(value) == class
end

--- Options without tables in them, as the core takes them: `retry.backoff` is
-- `retry_backoff`, and no breaker is one after 0 failures. Functions are left
-- out.
-- @tparam table wanted a configuration, or some options
-- @treturn table
function M.flat(wanted)
  local flat = {}
  for name, value in pairs(wanted) do
    if type(value) == "table" then
      for inner, of_inner in pairs(value) do
        flat[name .. "_" .. inner] = of_inner
      end
    elseif name == "breaker" then
      flat.breaker_failures = not value and 0 or nil
    elseif type(value) ~= "function" then
      flat[name] = value
    end
  end
  return flat
end

local END_OPTIONS = {
  { "timeout", "seconds", 10, "How long to wait for what is in use." },
}

--- The timeout of what ends a pool: `drain(5)`, `drain{ timeout = 5 }`.
-- @tparam table|number|nil given
-- @tparam string what is called, for messages
-- @treturn number seconds
function M.end_timeout(given, what)
  if type(given) == "number" then
    given = { timeout = given }
  end
  return options.check(END_OPTIONS, given, what, caller.LEVEL).timeout
end

-- --- Adapters --------------------------------------------------------------------------

--- Options of a pool by the names that an adapter has for them.
-- @tparam table wanted
-- @tparam function knows whether the adapter knows a name; others are left out
-- @treturn table
function M.for_adapter(wanted, knows)
  local result = {}
  for name, value in pairs(wanted) do
    local adapter_name = ADAPTER_NAMES[name] or name
    if IS_OPTION[name] and knows(adapter_name) then
      result[adapter_name] = value
    end
  end
  return result
end

--- The configuration of an adapter's own pool.
-- @tparam table given options of the adapter; those that are not the pool's are
-- left alone
-- @tparam[opt] string what is configured, for messages
-- @treturn table a configuration
function M.of_adapter(given, what)
  local own = {}
  for _, name in ipairs(NAMES) do
    own[name] = given[ADAPTER_NAMES[name] or name]
  end
  own.preset = nil
  return M.config(own, what)
end

return M
