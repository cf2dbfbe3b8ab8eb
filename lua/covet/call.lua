--- The two forms of a call: `(sql, ...)` and `{ sql, ..., option = }`.
-- @module covet.call

local caller = require "covet.caller"
local decode = require "covet.decode"
local errors = require "covet.error"
local ffi = require "ffi"
local json = require "covet.json"
local numbers = require "covet.json.number"
local options = require "covet.options"
local sql = require "covet.sql"
local tagged = require "covet.tagged"

local M = {}

local FORMS = { "named", "record", "array", "lazy" }

local function is_form(value)
  for _, form in ipairs(FORMS) do
    if form == value then
      return true
    end
  end
  local nearest = options.nearest(value, FORMS)
  return nil, "must be named, record, array or lazy"
    .. (nearest and (" (did you mean %q?)"):format(nearest) or "")
end

local function is_positive(value)
  return value >= 1, "must be at least 1"
end

-- The options of a call, and of `with_options`: a declaration for covet.options.
M.OPTIONS = {
  { "timeout", "seconds", nil, "Deadline of the call." },
  { "rows", "string", nil, "Row form: named, record, array or lazy.",
    check = is_form },
  { "types", "table", nil, "What database types become." },
  { "read_only", "boolean", nil, "Refuse a statement that writes." },
  { "chunk_size", "integer", nil, "Rows in a chunk of a stream.",
    check = is_positive },
}

local CALL_OPTIONS = {
  { "params", "table", nil, "Values of :name, or a list for ?." },
  { "cursor", "boolean", nil, "PostgreSQL's streams: by a cursor, also outside of "
    .. "a transaction; elsewhere nothing." },
}
for _, option in ipairs(M.OPTIONS) do
  CALL_OPTIONS[#CALL_OPTIONS + 1] = option
end
CALL_OPTIONS.positional = true

--- What options come down to: with the row mode and plan of types they mean.
-- @tparam table given checked options
-- @tparam table base resolved ones, for what is not given
-- @treturn table
function M.resolve(given, base)
  local rows = given.rows or base.rows or "named"
  local types = given.types and decode.plan(given.types, caller.LEVEL,
    base.types and base.types.codecs) or base.types or decode.plan()
  local read_only = given.read_only
  if read_only == nil then
    read_only = base.read_only
  end
  return {
    timeout = given.timeout or base.timeout,
    chunk_size = given.chunk_size or base.chunk_size,
    read_only = read_only, rows = rows, types = types,
    mode = decode.mode(rows, types),
    value_mode = decode.mode("value", types),
  }
end

--- The mode of `fetch_column`: an array has no holes, so NULL is a value.
-- @tparam table resolved options
-- @treturn table
function M.column_mode(resolved)
  local plan = resolved.types
  if plan.null == nil then
    plan = decode.plan_with_null(plan, json.null)
  end
  return decode.mode("value", plan)
end

--- The SQL text of a call in either form.
-- @tparam string|table given
-- @treturn string
function M.text_of(given)
  local text = type(given) == "table" and given[1] or given
  if type(text) ~= "string" then
    caller.usage("expected SQL text, or a table with the text first, got %s",
      type(given) == "table" and "a table without it" or type(given))
  end
  return text
end

-- Texts are few in most programs. Where they are many, the cache starts over.
local MOST_TEXTS = 5000

--- The parsed statement of a text.
-- @tparam table adapter
-- @tparam string text
-- @treturn table see covet.sql.parse
function M.parse(adapter, text)
  local parsed = adapter.statements[text]
  if parsed then
    return parsed
  end
  if text:find("\0", 1, true) then
    caller.usage "the SQL holds a NUL byte"
  end
  parsed = sql.parse(text, adapter.dialect, caller.LEVEL)
  if adapter.statement_count >= MOST_TEXTS then
    adapter.statements, adapter.statement_count = {}, 0
  end
  adapter.statements[text] = parsed
  adapter.statement_count = adapter.statement_count + 1
  return parsed
end

--- Raise for a statement that would undo what makes its call read_only.
-- @tparam table session
-- @tparam table parsed
function M.check_read_only(session, parsed)
  if parsed.lifts == nil then
    parsed.lifts = sql.lifts_read_only(parsed.text, session.adapter.dialect)
      or false
  end
  if parsed.lifts then
    session:fail({ kind = "read_only", retry = "no", phase = "query",
      message = parsed.lifts .. " could let the call write, which is read_only" },
      parsed)
  end
end

-- What may be meant by a table among the values of a call, or "".
local function hint_for(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then
    return ""
  elseif value[1] ~= nil then
    return ": values are given one by one, not as a list"
  end
  return ": options stand in one table with the SQL, { sql, values..., option = }"
end

--- Raise for a wrong number of parameters.
-- @tparam table parsed
-- @tparam number given
-- @param[opt] last the last of them
function M.refuse_count(parsed, given, last)
  if parsed.names then
    caller.usage("the statement has named parameters (:%s): call it with "
      .. "{ sql, params = {...} }", table.concat(parsed.names, ", :"))
  end
  caller.usage("the statement takes %d parameter%s, %d %s given%s", parsed.count,
    parsed.count == 1 and "" or "s", given, given == 1 and "was" or "were",
    hint_for(last))
end

--- Raise for what follows a call's table.
function M.refuse_rest()
  caller.usage("a call's table holds all of it: { sql, values..., option = }; "
    .. "nothing may follow")
end

--- `{ sql, second, option = }` taken apart: the options become a view's.
-- @tparam table session
-- @tparam table|string given the call's table, or the SQL
-- @param second what stands beside it
-- @treturn table the session, or a view of it
-- @treturn string the SQL
-- @return second
function M.take_apart(session, given, second)
  local text = M.text_of(given)
  if type(given) ~= "table" then
    return session, text, second
  elseif second ~= nil or given[3] ~= nil then
    M.refuse_rest()
  end
  local rest = {}
  for key, value in pairs(given) do
    if type(key) ~= "number" then
      rest[key] = value
    end
  end
  return session:with_options(rest), text, given[2]
end

-- The highest index of a table, less those of what stands in front.
local function count_positional(given, before)
  local n = 0
  for key in pairs(given) do
    if type(key) == "number" and key > n then
      n = key
    end
  end
  return n - before
end

-- The values of a table, behind `before` of something else.
local function bind_list(parsed, given, before)
  local n, list = count_positional(given, before), {}
  if n < parsed.count then
    n = parsed.count -- trailing NULLs: a table cannot hold them
  end
  if n ~= parsed.count then
    M.refuse_count(parsed, n)
  end
  for i = 1, n do
    list[i] = given[i + before]
  end
  return list, n
end

-- `params` of a statement whose parameters have no names: a list.
local function bind_params(parsed, params)
  for key in pairs(params) do
    if type(key) ~= "number" then
      caller.usage("params has a value for %q, but the statement has no :name "
        .. "parameters", tostring(key))
    end
  end
  return bind_list(parsed, params, 0)
end

--- The statement of a call's table, and its parameters.
-- @tparam table adapter
-- @tparam table given `{ sql, values..., params =, option = }`
-- @tparam table checked its options
-- @treturn table the parsed statement
-- @treturn table parameters
-- @treturn number how many
function M.read_values(adapter, given, checked)
  local parsed = M.parse(adapter, M.text_of(given))
  local list, n
  if checked.params and given[2] ~= nil then
    caller.usage "give either params or values by position, not both"
  elseif checked.params and parsed.names then
    list, n = sql.bind_named(parsed, checked.params, caller.LEVEL)
  elseif checked.params then
    list, n = bind_params(parsed, checked.params)
  elseif parsed.names then
    M.refuse_count(parsed, 0)
  else
    list, n = bind_list(parsed, given, 1)
  end
  return parsed, sql.arrange(parsed, list, n)
end

--- Read a call's table.
-- @tparam table adapter
-- @tparam table defaults resolved options
-- @tparam table given `{ sql, ..., params =, option = }`
-- @treturn table the parsed statement
-- @treturn table resolved options
-- @treturn table parameters
-- @treturn number how many
function M.read(adapter, defaults, given)
  M.text_of(given)
  local checked = options.check(CALL_OPTIONS, given, "call", caller.LEVEL)
  local parsed, list, n = M.read_values(adapter, given, checked)
  return parsed, M.resolve(checked, defaults), list, n
end

local PLAIN_TABLE =
  "a plain table cannot be bound; use covet.json or covet.bytes"

--- A parameter that the binding can read, for one that is not.
-- @param value anything
-- @return the value itself unless it is a 64-bit integer; nil for what cannot
-- be bound
-- @treturn[opt] string what is wrong
function M.encode_value(value)
  if type(value) == "table" and not tagged.is(value) then
    return nil, PLAIN_TABLE
  elseif type(value) ~= "cdata" then
    return value
  elseif numbers.is_int64(value) then
    return tagged.new(tagged.INTEGER, json.exact(value))
  end
  local what = numbers.is_wide(value) and "an integer beyond 2^63 - 1"
    or "cdata of type " .. tostring(ffi.typeof(value)):match "^ctype<(.*)>$"
  return nil, what .. " cannot be bound; expected a number, or an int64_t or "
    .. "uint64_t that 64 bits with a sign can hold"
end

-- The same, whichever parameter it is.
local function encode_alike(_, value)
  return M.encode_value(value)
end

-- The core's word for a parameter of a kind that it cannot write.
local NEEDS_ENCODING = -100

--- Whether a call failed, before anything was sent, of values that an encoder may
-- be able to write: the binding cannot read them, or the driver takes none of their
-- kind for the parameter's type.
-- @tparam table fields of the error
-- @treturn boolean
function M.needs_encoding(fields)
  return fields.code == NEEDS_ENCODING
end

--- Whether all values of a statement go through the encoder: the adapter has
-- codecs, and it is not known that none is for one of its parameters.
-- @tparam table session
-- @tparam table parsed
-- @treturn boolean
function M.encodes(session, parsed)
  return session.adapter.encodes_all and not session.is_inner
    and parsed.count > 0 and parsed.has_codec ~= false
end

--- The same, of a call in either form.
-- @tparam table session
-- @tparam string|table given
-- @treturn boolean
function M.encodes_call(session, given)
  return session.adapter.encodes_all and M.encodes(session,
    M.parse(session.adapter, M.text_of(given)))
end

--- Whether only the types of a statement's parameters can tell how to write some
-- of their values.
-- @tparam table session
-- @tparam table parsed
-- @tparam table list the values
-- @tparam number n how many
-- @treturn boolean
function M.wants_types(session, parsed, list, n)
  if M.encodes(session, parsed) then
    return true
  end
  for i = 1, n do
    local value = list[i]
    if type(value) == "cdata"
      or type(value) == "table" and not tagged.is(value) then
      return true
    end
  end
  return false
end

--- What makes the parameters of a statement such that the binding can read them.
-- @tparam table session
-- @tparam table parsed
-- @treturn function `encode(number, value)`: the parameter, or nil and what is
-- wrong
function M.encoder(session, parsed)
  local make = session.adapter.encoder
  return make and make(session, parsed) or encode_alike
end

--- The parameters of a statement whose numbers only the encoder can write.
-- @tparam table session
-- @tparam table parsed
-- @treturn table a list of their numbers
function M.numbers(session, parsed)
  local find = session.adapter.find_numbers
  return find and find(session, parsed) or {}
end

--- The fields of the error for a value that cannot be bound.
-- @param name of the parameter
-- @tparam string fault
-- @treturn table
function M.value_fault(name, fault)
  return { kind = "usage", retry = "no",
    message = ("parameter %s: %s"):format(name, fault) }
end

-- One parameter, or an error that calls it `name`.
local function encode_one(encode, name, number, value)
  local encoded, fault = encode(number, value)
  if fault then
    errors.raise(M.value_fault(name, fault), caller.LEVEL)
  end
  return encoded
end

-- Values by name, or in the order of their parameters.
local function encode_params(encode, parsed, params)
  local encoded, places = {}, {}
  for number, name in ipairs(parsed.names or {}) do
    places[name] = number
  end
  for key, value in pairs(params) do
    local number = places[key] or type(key) == "number" and key
    encoded[key] = number and encode_one(encode,
      places[key] and ":" .. key or key, number, value) or value
  end
  return encoded
end

--- The call in a form whose parameters the binding can read.
-- @tparam table session
-- @tparam string|table given
-- @return the same call
function M.encode(session, given, ...)
  local parsed = M.parse(session.adapter, M.text_of(given))
  local encode = M.encoder(session, parsed)
  if type(given) ~= "table" then
    local list, n = { ... }, select("#", ...)
    for i = 1, n do
      list[i] = encode_one(encode, i, i, list[i])
    end
    return given, unpack(list, 1, n)
  end
  local copy = {}
  for key, value in pairs(given) do
    copy[key] = type(key) == "number" and key > 1
      and encode_one(encode, key - 1, key - 1, value) or value
  end
  if type(given.params) == "table" then
    copy.params = encode_params(encode, parsed, given.params)
  end
  return copy
end

--- The parameters of a statement as the binding can read them.
-- @tparam table session
-- @tparam table parsed
-- @tparam table list
-- @tparam number n
-- @treturn table
function M.encode_list(session, parsed, list, n)
  local encode, encoded = M.encoder(session, parsed), {}
  for i = 1, n do
    encoded[i] = encode_one(encode, i, i, list[i])
  end
  return encoded
end

--- A statement failed whose parameters were made for types that the database
-- told: they may have changed.
-- @tparam table parsed
function M.forget_types(parsed)
  parsed.parameter_types, parsed.has_codec = nil, nil
end

return M
