--- The calls that adapters, leased connections and transactions share.
--
-- A *session* is anything that runs statements. Its fields:
--
-- - `adapter`: the root, which holds `handle`, `dialect`, `statements`
-- - `lease`: 0, or the connection that is used
-- - `defaults`: the resolved options of its calls (`with_options`)
-- - `inside`: flags of each call (a transaction's)
-- - `is_inner`: its calls are part of another one, and not told
--
-- and its method `enter(writes)` answers the session on which a call runs, or
-- raises: calls on an adapter join the transaction of the task.
-- @module covet.session

local bulk = require "covet.bulk"
local call = require "covet.call"
local caller = require "covet.caller"
local columns = require "covet.columns"
local core = require "covet.core"
local decode = require "covet.decode"
local errors = require "covet.error"
local events = require "covet.events"
local json = require "covet.json"
local leases = require "covet.adapter.leases"
local options = require "covet.options"
local result = require "covet.decode.result"
local sql = require "covet.sql"
local statement = require "covet.statement"
local stream = require "covet.stream"
local task = require "covet.task"
local waits = require "covet.wait"

local bor, select, type = bit.bor, select, type
local begin, finish, wait = events.begin, waits.finish, waits.wait
local query, query_list, next_news = core.query, core.query_list, core.next
local FLAGS = core.flags
local ROWS, ONE, READ_ONLY = FLAGS.ROWS, FLAGS.ONE, FLAGS.READ_ONLY
local ONE_ROW = ROWS + ONE

-- The binding's word for a parameter that it cannot read.
local NEEDS_ENCODING = -100

local M = {}

local methods = {}

--- The methods, by name: each class of sessions takes them over.
M.methods = methods

-- Submit. Answers the statement, the options, the token and the completion.
local function submit(session, flags, timeout, text, ...)
  local adapter, defaults = session.adapter, session.defaults
  flags = bor(flags, session.inside)
  if type(text) == "string" then
    local parsed = adapter.statements[text] or call.parse(adapter, text)
    if parsed.names or parsed.count ~= select("#", ...) then
      call.refuse_count(parsed, select("#", ...),
        select("#", ...) > 0 and select(-1, ...) or nil)
    end
    if defaults.read_only then
      flags = bor(flags, READ_ONLY)
    end
    return parsed, defaults, query(adapter.handle, session.lease, flags,
      defaults.timeout or timeout, 0, parsed.text, ...)
  end
  local parsed, given, list, n = call.read(adapter, defaults, text)
  if select("#", ...) > 0 then
    call.refuse_rest()
  end
  if given.read_only then
    flags = bor(flags, READ_ONLY)
  end
  return parsed, given, query_list(adapter.handle, session.lease, flags,
    given.timeout or timeout, given.chunk_size or 0, parsed.text, list, n)
end

-- Nothing was run, since the server refused the password, and there is another
-- one now.
local function can_connect_now(session, fields)
  local adapter = session.adapter
  return fields.kind == "authentication_failed" and session.lease == 0
    and adapter.renew ~= nil and adapter.renew(adapter)
end

-- As `run` below, with parameters that the binding cannot read as they are.
local function run_encoded(session, flags, timeout, started, text, ...)
  local parsed, given, token, ok, more, a, b, c =
    submit(session, flags, timeout, call.encode(session, text, ...))
  if session.lease ~= 0 then
    session.adapter.statements_of[session.lease] = parsed.text
  end
  if token then
    ok, more, a, b, c = wait(session, parsed, started, token)
  end
  if not ok then
    call.forget_types(parsed)
    session:fail(a, parsed, started)
  elseif started and not more then
    session.adapter:note_query(parsed, started)
  end
  return parsed, given, token, more, a, b, c, started
end

-- Run a call until there is the first news of it. No varargs on the way back:
-- LuaJIT would not compile them. The last result is when it began, if anyone
-- wants to know.
local run
function run(session, flags, timeout, text, ...)
  local started = begin(session)
  if session.adapter.encodes_all and not session.is_inner then
    return run_encoded(session, flags, timeout, started, text, ...)
  end
  local parsed, given, token, ok, more, a, b, c =
    submit(session, flags, timeout, text, ...)
  if session.lease ~= 0 then
    session.adapter.statements_of[session.lease] = parsed.text
  end
  if token then
    ok, more, a, b, c = wait(session, parsed, started, token)
  end
  if not ok and a.code == NEEDS_ENCODING then
    return run_encoded(session, flags, timeout, started, text, ...)
  elseif not ok and can_connect_now(session, a) then
    return run(session, flags, timeout, text, ...)
  elseif not ok then
    session:fail(a, parsed, started)
  elseif started and not more then
    session.adapter:note_query(parsed, started)
  end
  return parsed, given, token, more, a, b, c, started
end

-- The next news of a call.
local function proceed(session, parsed, token, started)
  local ok, more, a, b, c = finish(session, parsed, started, next_news(token))
  if not ok then
    session:fail(a, parsed, started)
  elseif started and not more then
    session.adapter:note_query(parsed, started)
  end
  return more, a, b, c
end

-- --- One row ---------------------------------------------------------------------

-- What follows the first news of a call for one row. A worker may deliver the
-- row before the statement has ended.
local function one_row(session, parsed, started, token, more, batch, mode)
  local row, found
  if batch then
    row, found = decode.first(batch, mode)
  end
  while more do
    more, batch = proceed(session, parsed, token, started)
    if batch and not found then
      row, found = decode.first(batch, mode)
    end
  end
  return row, found
end

--- The first row, or nil.
function methods:fetch_one(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ONE_ROW, self.adapter.query_timeout, text, ...)
  if not more then
    return batch and (decode.first(batch, given.mode)) or nil
  end
  return (one_row(session, parsed, started, token, more, batch, given.mode))
end

--- The first column of the first row; nil when there is no row.
function methods:fetch_value(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ONE_ROW, self.adapter.query_timeout, text, ...)
  if not more then
    if batch then
      return (decode.first(batch, given.value_mode))
    end
    return nil
  end
  return (one_row(session, parsed, started, token, more, batch,
    given.value_mode))
end

-- --- All rows ----------------------------------------------------------------------

-- The columns of results, as long as these live.
local names_of = setmetatable({}, { __mode = "k" })

-- Decoding failed: nothing of the call is left behind.
local function give_up(others, token, more)
  if others then
    decode.free(others)
  end
  if more then
    core.abandon(token)
  end
end

-- The other tasks run between two batches.
local function decode_delivery(batch, mode, into, token, more)
  local others
  repeat
    batch, others = decode.split(batch)
    local fine, err = pcall(decode.gather, into, batch, mode)
    if not fine then
      give_up(others, token, more)
      error(err, 0)
    end
    batch = others
    if batch or more then
      task.pass()
    end
  until not batch
end

local function all_rows(session, mode, parsed, started, token, more, batch)
  local into, names = result.new(core.now), nil
  while true do
    if batch then
      names = names or decode.names(batch)
      decode_delivery(batch, mode, into, token, more)
    end
    if not more then
      break
    end
    more, batch = proceed(session, parsed, token, started)
  end
  local rows = result.join(into)
  if names then
    names_of[rows] = names
  end
  return rows
end

--- All rows, as an array.
function methods:fetch_all(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  return all_rows(session, given.mode, parsed, started, token, more, batch)
end

--- The first column of all rows, as an array; NULL is `covet.null`.
function methods:fetch_column(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  return all_rows(session, call.column_mode(given), parsed, started, token,
    more, batch)
end

-- Append a delivery to a columnar result; the batches are taken.
local function collect(batch, builder, types, token, more)
  local fine, made = pcall(function()
    return columns.append_all(batch, builder, types)
  end)
  decode.free(batch)
  if fine then
    return made
  end
  if more then
    core.abandon(token)
  end
  error(made, 0)
end

--- A columnar result: typed arrays. See covet.columns.
function methods:fetch_columns(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    run(session, ROWS, self.adapter.query_timeout, text, ...)
  local builder
  while true do
    if batch then
      builder = collect(batch, builder, given.types, token, more)
    end
    if not more then
      return builder and builder:finish() or columns.empty()
    end
    more, batch = proceed(session, parsed, token, started)
  end
end

--- The names of the columns of a result of `fetch_all`.
-- @tparam table rows
-- @treturn table a list
function methods:columns(rows)
  local names = names_of[rows]
  if not names then
    caller.usage "columns(rows): rows must be a result of fetch_all"
  end
  return { unpack(names) }
end

-- --- Commands -------------------------------------------------------------------------

-- "INSERT 0 1", "CREATE TABLE": as psql writes it.
local function make_tag(parsed, affected)
  local verb = parsed.verb or parsed.keyword or ""
  if verb == "INSERT" or verb == "REPLACE" then
    return ("INSERT 0 %d"):format(affected)
  elseif verb == "SELECT" or verb == "VALUES" then
    return ("SELECT %d"):format(affected)
  elseif verb == "UPDATE" or verb == "DELETE" then
    return ("%s %d"):format(verb, affected)
  elseif verb == "CREATE" or verb == "DROP" or verb == "ALTER" then
    return verb .. " " .. (parsed.second or "")
  end
  return verb
end

-- Statements mostly change as many rows as the last time.
local function command_tag(parsed, affected)
  if parsed.tag_rows ~= affected then
    parsed.tag_rows, parsed.tag = affected, make_tag(parsed, affected)
  end
  return parsed.tag
end

-- The binding gives integers beyond 2^53 as digits.
local function exact(value)
  return type(value) == "string" and json.decode(value) or value
end

local function execute(session, text, ...)
  local parsed, _, token, more, batch, affected, id, started =
    run(session, 0, session.adapter.command_timeout, text, ...)
  while more do
    more, batch, affected, id = proceed(session, parsed, token, started)
  end
  assert(batch == nil)
  return parsed, exact(affected), exact(id)
end

local function execute_script(session, parsed, given)
  local adapter, flags = session.adapter, bor(FLAGS.SCRIPT, session.inside)
  local started = begin(session)
  if given.read_only then
    flags = bor(flags, READ_ONLY)
  end
  local ok, more, fields, affected, id = finish(session, parsed, started,
    query(adapter.handle, session.lease, flags,
      given.timeout or adapter.command_timeout, 0, parsed.text))
  assert(not more)
  if not ok then
    session:fail(fields, parsed, started)
  elseif started then
    adapter:note_query(parsed, started)
  end
  return { affected_rows = exact(affected), last_insert_id = exact(id),
    command = "SCRIPT" }
end

--- Run a statement that gives no rows, or several without parameters.
-- @treturn table `affected_rows`, `last_insert_id`, `command`
function methods:execute(text, ...)
  local session = self:enter(text)
  if select("#", ...) == 0 then
    local parsed = call.parse(self.adapter, call.text_of(text))
    if parsed.statements > 1 and parsed.count == 0 then
      return execute_script(session, parsed, type(text) == "string"
        and session.defaults
        or select(2, call.read(self.adapter, session.defaults, text)))
    end
  end
  local parsed, affected, id = execute(session, text, ...)
  return {
    affected_rows = affected, last_insert_id = id,
    command = command_tag(parsed, tonumber(affected)),
  }
end

-- Words of a text that are no part of strings, quoted names or comments.
local function has_word(text, word)
  text = text:gsub("%-%-[^\n]*", " "):gsub("/%*.-%*/", " ")
    :gsub("'[^']*'", " "):gsub('"[^"]*"', " ")
  return text:upper():find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil
end

-- The id where the database gives it as a row.
local function insert_returning(session, parsed, text, ...)
  if parsed.returns == nil then
    parsed.returns = has_word(parsed.text, "RETURNING")
  end
  if not parsed.returns then
    session:fail({ kind = "usage", retry = "no", message = "execute_insert "
      .. "answers what the statement returns: it needs RETURNING, such as "
      .. "RETURNING id" }, parsed)
  end
  return session:fetch_value(text, ...)
end

--- Insert and answer the new id.
function methods:execute_insert(text, ...)
  local session = self:enter(text)
  local parsed = call.parse(self.adapter, call.text_of(text))
  local verb = parsed.verb or parsed.keyword
  if verb ~= "INSERT" and verb ~= "REPLACE" then
    caller.usage("execute_insert runs INSERT, not %s", verb or "nothing")
  elseif session.adapter.insert_returns then
    return insert_returning(session, parsed, text, ...)
  end
  local _, _, id = execute(session, text, ...)
  return id
end

-- `{ first, second, option = }` taken apart; the options become a view's.
local function take_apart(self, given, second)
  if type(given) ~= "table" then
    return self, given, second
  elseif second ~= nil or given[3] ~= nil then
    call.refuse_rest()
  end
  local rest = {}
  for key, value in pairs(given) do
    if type(key) ~= "number" then
      rest[key] = value
    end
  end
  return self:with_options(rest), given[1], given[2]
end

--- Run a statement for each list of parameters: all or nothing.
-- @tparam string|table text or `{ text, lists, timeout = }`
-- @tparam table lists
-- @treturn number rows affected
function methods:execute_many(text, lists)
  self, text, lists = take_apart(self, text, lists)
  return bulk.execute_many(self:enter(text), text, lists)
end

--- Load records into a table: all or nothing.
-- @tparam string|table name or `{ name, records, columns =, ... }`
-- @tparam table|function records arrays, rows, or an iterator of either
-- @tparam[opt] table given `columns`, `schema`, `timeout`
-- @treturn number rows copied
function methods:copy_records_to_table(name, records, given)
  if type(name) == "table" and records == nil then
    given = {}
    for key, value in pairs(name) do
      given[key] = value
    end
    name, records, given[1], given[2] = name[1], name[2], nil, nil
  end
  return bulk.copy_records(self:enter "INSERT", name, records, given)
end

-- --- Streams and statements -------------------------------------------------------------

-- A stream keeps its connection busy. Where that is the only one, it is shared
-- with the other calls of the task.
local function open_stream(self, open, text, ...)
  local session = self:enter(text)
  if session.share then
    session = session:share()
  end
  if not session.is_share then
    return open(session, submit, text, ...)
  end
  local fine, made = pcall(open, session, submit, text, ...)
  if not fine then
    session:close()
    error(made, 0)
  end
  return made
end

--- Rows by chunks: `for chunk in db:stream_query{...} do`.
function methods:stream_query(text, ...)
  return open_stream(self, stream.chunks, text, ...)
end

--- Rows one by one: `for row in db:each(...) do`.
function methods:each(text, ...)
  return open_stream(self, stream.rows, text, ...)
end

--- A described statement, with the fetch methods.
-- @tparam string|table text or `{ text, option = }`: options of its calls
-- @treturn table
function methods:prepare(text)
  self, text = take_apart(self, text)
  return statement.prepare(self, self:enter(text), text)
end

-- --- Views --------------------------------------------------------------------------------

--- The same session with other options of its calls.
-- @tparam table given timeout, rows, types, read_only, chunk_size
function methods:with_options(given)
  local checked = options.check(call.OPTIONS, given, "with_options",
    caller.LEVEL)
  return M.view(self, call.resolve(checked, self.defaults))
end

local function caught(fine, ...)
  if fine then
    return ...
  end
  local err = ...
  if not errors.is_error(err) then
    error(err, 0)
  end
  return nil, err
end

local Try = {}

-- A view of a view: it answers errors too.
local function try_with_options(view, given)
  local made, err = caught(pcall(methods.with_options, view[Try], given))
  return made and M.try(made), err
end

function Try.__index(view, name)
  local target = view[Try]
  local method = target[name]
  if type(method) ~= "function" then
    return method
  elseif method == methods.with_options then
    return try_with_options
  end
  return function(_, ...)
    return caught(pcall(method, target, ...))
  end
end

--- A view whose methods answer `nil, err` in place of raising.
function M.try(session)
  return setmetatable({ [Try] = session }, Try)
end

-- --- What depends on the database ----------------------------------------------------------

-- The class of the adapter knows how; leases and transactions ask it.
for _, name in ipairs {
  "table_exists", "get_table_info", "get_table_list", "get_database_list",
  "get_version", "get_indexes", "get_foreign_keys", "optimize_table",
  "analyze_table", "backup", "create_function", "open_blob", "listen",
  "unlisten", "notify", "copy_from_query", "copy_to_table", "copy_from_table",
  "with_advisory_lock", "pipeline", "set_type_codec", "reload_types",
} do
  methods[name] = function(self, ...)
    return getmetatable(self.adapter).__index[name](self, ...)
  end
end

-- --- What is the adapter's -------------------------------------------------------------------

-- Leases and transactions have it too, for code that is handed any of the three.
for _, name in ipairs { "on", "get_pool_stats", "acquire" } do
  methods[name] = function(self, ...)
    local adapter = self.adapter
    return adapter[name](adapter, ...)
  end
end

--- Give a leased connection back.
function methods:release(held)
  return self.adapter:release(held)
end

--- Run `fn` on a connection: on this one, where it is leased already.
-- @tparam[opt] table given
-- @tparam function fn
-- @return what `fn` returned
function methods:with(given, fn)
  fn = fn or given
  if type(fn) ~= "function" then
    caller.usage("with([options,] fn): fn must be a function, not %s", type(fn))
  end
  return fn(self:enter())
end

-- --- Errors ---------------------------------------------------------------------------------

--- Raise what the core reported; a mistake of usage with the caller's place.
-- @tparam table fields
-- @tparam table parsed
-- @tparam[opt] number|boolean started of `covet.events.begin`
function methods:fail(fields, parsed, started)
  local adapter = self.adapter
  fields.sql = fields.sql or parsed and parsed.text
  fields.database = adapter.database
  if fields.kind == "usage" or fields.kind == "pool_exhausted"
    or fields.phase == "queue" then
    fields.where = fields.where or caller.where()
  end
  if fields.phase == "queue" then
    leases.explain(adapter, fields)
  end
  local err = errors.with_traceback(errors.new(fields))
  if adapter.watched then
    adapter:note_error(err, parsed, started)
  end
  if self.note_failure then
    self:note_failure(err)
  end
  error(err, 0)
end

--- Quote an identifier for this database.
function methods:quote_identifier(name)
  return sql.quote_identifier(name, self.adapter.dialect)
end

--- Quote a value as a literal for this database.
function methods:quote_literal(value)
  return sql.quote_literal(value, self.adapter.dialect)
end

--- Make a class of sessions: its methods are those given and all of these.
-- @tparam string name
-- @tparam table own
-- @treturn table metatable
function M.class(name, own)
  for method_name, method in pairs(methods) do
    if own[method_name] == nil then
      own[method_name] = method
    end
  end
  return { __name = name, __index = own }
end

--- The same session with other defaults of its calls.
-- @tparam table session
-- @tparam table defaults resolved options
-- @treturn table
function M.view(session, defaults)
  local view = {}
  for key, value in pairs(session) do
    view[key] = value
  end
  view.origin, view.defaults = session.origin or session, defaults
  return M.new(view, getmetatable(session))
end

--- Complete a new session.
-- @tparam table session its fields
-- @tparam table class of `M.class`
-- @treturn table
function M.new(session, class)
  session.try = M.try(session)
  return setmetatable(session, class)
end

return M
