--- How a call of a session runs: submitted, then followed news by news.
--
-- `run` answers the first news of it, `proceed` each further one; `submit` is for
-- those who follow it themselves.
-- @module covet.session.run

local call = require "covet.call"
local core = require "covet.core"
local events = require "covet.events"
local leases = require "covet.adapter.leases"
local waits = require "covet.wait"

local band, bor, select, type = bit.band, bit.bor, select, type
local begin, finish, wait = events.begin, waits.finish, waits.wait
local note_statement = leases.note_statement
local query, query_list, next_news = core.query, core.query_list, core.next
local READ_ONLY = core.flags.READ_ONLY

local M = {}

-- The flags of a call that may have to be one that only reads.
local function read_only_flags(session, parsed, given, flags)
  if given.read_only then
    flags = bor(flags, READ_ONLY)
  end
  if band(flags, READ_ONLY) ~= 0 then
    call.check_read_only(session, parsed)
  end
  return flags
end

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
    flags = read_only_flags(session, parsed, defaults, flags)
    return parsed, defaults, query(adapter.handle, session.lease, flags,
      defaults.timeout or timeout, 0, parsed.text, ...)
  end
  local parsed, given, list, n = call.read(adapter, defaults, text)
  if select("#", ...) > 0 then
    call.refuse_rest()
  end
  flags = read_only_flags(session, parsed, given, flags)
  return parsed, given, query_list(adapter.handle, session.lease, flags,
    given.timeout or timeout, given.chunk_size or 0, parsed.text, list, n)
end

-- `encodes`: the call's parameters are written here, since the binding cannot read
-- them as they are.
local attempt
function attempt(session, flags, timeout, started, encodes, text, ...)
  local parsed, given, token, ok, more, a, b, c, d
  if encodes then
    parsed, given, token, ok, more, a, b, c, d =
      submit(session, flags, timeout, call.encode(session, text, ...))
  else
    parsed, given, token, ok, more, a, b, c, d =
      submit(session, flags, timeout, text, ...)
  end
  if session.lease ~= 0 then
    note_statement(session.adapter, session.lease, parsed.text)
  end
  if token then
    ok, more, a, b, c, d = wait(session, parsed, started, token)
  end
  if not ok and not encodes and call.needs_encoding(a) then
    return attempt(session, flags, timeout, started, true, text, ...)
  elseif not ok then
    call.forget_types(parsed)
    session:fail(a, parsed, started)
  elseif started and not more then
    session.adapter:note_query(parsed, started)
  end
  return parsed, given, token, more, a, b, c, started, d
end

-- Run a call until there is the first news of it. No varargs on the way back:
-- LuaJIT would not compile them. Answers the statement, the options, the token,
-- whether there is more, what came (a batch, rows affected, an id), when the call
-- began, if anyone wants to know, and the database's words for what it did.
local function run(session, flags, timeout, text, ...)
  local adapter = session.adapter
  return attempt(session, flags, timeout, begin(session),
    adapter.encodes_all and call.encodes_call(session, text), text, ...)
end

-- The next news of a call.
local function proceed(session, parsed, token, started)
  local ok, more, a, b, c, d = finish(session, parsed, started,
    next_news(token))
  if not ok then
    session:fail(a, parsed, started)
  elseif started and not more then
    session.adapter:note_query(parsed, started)
  end
  return more, a, b, c, d
end

M.read_only_flags = read_only_flags
M.submit, M.run, M.proceed = submit, run, proceed

return M
