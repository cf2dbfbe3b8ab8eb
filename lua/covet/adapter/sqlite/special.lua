--- What only SQLite has: backups, functions in SQL, blobs in pieces.
-- @module covet.adapter.sqlite.special

local caller = require "covet.caller"
local core = require "covet.core"
local decode = require "covet.decode"
local events = require "covet.events"
local json = require "covet.json"
local options = require "covet.options"
local waits = require "covet.wait"

local ROWS = core.flags.ROWS

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local array = decode.mode "array"

-- Hand the rows of a delivery to `on_row`; an error of it ends the call.
local function each_row(batch, token, more, on_row)
  local rows = decode.rows(batch, array.form, array.types)
  for i = 1, #rows do
    local fine, err = pcall(on_row, rows[i])
    if not fine then
      if more then
        core.abandon(token)
      end
      error(err, 0)
    end
  end
end

-- Call something by name; `on_row` gets each row of its answer.
local function invoke(session, name, flags, timeout, on_row, ...)
  local called, started = { name = name }, events.begin(session)
  local token = nil
  local function go(first, ...)
    token = first
    return waits.finish(session, called, started, first, ...)
  end
  local ok, more, batch = go(core.call(session.adapter.handle, session.lease,
    flags, timeout, 0, name, ...))
  while true do
    if not ok then
      session:fail(batch, called, started)
    elseif batch then
      each_row(batch, token, more, on_row)
    end
    if not more then
      break
    end
    ok, more, batch = waits.finish(session, called, started, core.next(token))
  end
  if started then
    session.adapter:note_query(called, started)
  end
end

-- --- Backup --------------------------------------------------------------------------

local BACKUP_OPTIONS = {
  { "progress", "function", nil, "Called with pages remaining and in all." },
  { "timeout", "seconds", 3600, "Deadline of the whole backup." },
}

--- Copy the database into a file while it is in use.
-- @tparam string path
-- @tparam[opt] table given `progress(remaining, total)`, `timeout`
function methods:backup(path, given)
  given = options.check(BACKUP_OPTIONS, given or {}, "backup", caller.LEVEL)
  if type(path) ~= "string" or path == "" then
    caller.usage "backup(path): path must be the name of a file"
  end
  invoke(self:enter(), "backup", given.progress and ROWS or 0, given.timeout,
    function(row)
      given.progress(row[1], row[2])
    end, path)
end

-- --- Functions -----------------------------------------------------------------------

local FUNCTION_OPTIONS = {
  { "arguments", "integer", -1, "How many it takes; -1: any number." },
  { "deterministic", "boolean", false, "The same arguments give the same "
    .. "result: it can be used in an index." },
  { "step", "function", nil, "Of an aggregate: step(state, ...) gives the new "
    .. "state; nil at first." },
  { "finish", "function", nil, "Of an aggregate: finish(state) gives the "
    .. "result." },
}

-- A function as bytecode. It runs in another Lua state: it cannot see what is
-- around it here.
local function dump(fn, what)
  local info = debug.getinfo(fn, "uS")
  if info.what == "C" then
    caller.usage("%s is a C function: wrap it in one of Lua", what)
  end
  for i = 1, info.nups do
    local name = debug.getupvalue(fn, i)
    caller.usage("%s uses the local %q from outside: a function in SQL runs in "
      .. "a Lua state of its own and sees only its arguments and Lua's library",
      what, name)
  end
  return string.dump(fn)
end

--- Make a Lua function known to SQL, on every connection.
--
-- It runs in a Lua state of its own, one for each connection, on the thread
-- that runs the statement: it sees its arguments and Lua's standard library,
-- no locals from outside, no `covet`, and cannot wait.
-- @tparam string name
-- @tparam[opt] table given `arguments`, `deterministic`; for an aggregate
-- `step` and `finish`
-- @tparam[opt] function fn
function methods:create_function(name, given, fn)
  if type(given) == "function" then
    given, fn = {}, given
  end
  if type(name) ~= "string" or #name == 0 or #name > 255 then
    caller.usage "create_function(name, ...): name must be a string"
  end
  given = options.check(FUNCTION_OPTIONS, given, "create_function",
    caller.LEVEL)
  local last
  if given.step and given.finish and fn == nil then
    fn, last = given.step, dump(given.finish, "finish")
  elseif given.step or given.finish or type(fn) ~= "function" then
    caller.usage "create_function takes a function, or step and finish"
  end
  if given.arguments < -1 or given.arguments > 127 then
    caller.usage "arguments must be between -1 and 127"
  end
  local ok, fields = core.create_function(self.adapter.handle, name,
    given.arguments, given.deterministic, dump(fn, "the function"), last)
  if not ok then
    self:fail(fields)
  end
end

-- --- Blobs ------------------------------------------------------------------------------

local Blob = {}
local blob_class = { __name = "covet.blob", __index = Blob }

local BLOB_OPTIONS = { { "write", "boolean", false, "Open it for writing." } }

local function check_open(blob)
  if blob.closed then
    caller.usage "the blob is closed"
  end
end

local function blob_call(blob, name, on_row, ...)
  check_open(blob)
  local session = blob.connection
  session:enter()
  invoke(session, name, ROWS, session.adapter.query_timeout, on_row, blob.id,
    ...)
end

local function ignore() end

--- Read `count` bytes from `offset` (from 0); all that follow by default.
function Blob:read(offset, count)
  offset = offset or 0
  local bytes
  blob_call(self, "blob_read", function(row)
    bytes = row[1]
  end, offset, count or math.max(0, self.size - offset))
  return bytes
end

--- Write over the bytes at `offset`. A blob cannot grow.
function Blob:write(offset, bytes)
  if type(bytes) ~= "string" then
    caller.usage("write(offset, bytes): bytes must be a string, not %s",
      type(bytes))
  end
  blob_call(self, "blob_write", ignore, offset, json.bytes(bytes))
end

--- Close the blob; a connection that was taken for it is given back.
function Blob:close()
  if self.closed then
    return
  end
  local owned, session = self.owned, self.connection
  local hold = (session.origin or session).hold
  if owned or hold and hold.lease_held or session.state == "open" then
    blob_call(self, "blob_close", ignore)
  end
  self.closed = true
  if owned then
    owned:close()
  end
end

--- Open a blob to read or write it in pieces.
-- @tparam string name table
-- @tparam string column
-- @tparam number row_id
-- @tparam[opt] table given `write`
-- @treturn table `size`, `read`, `write`, `close`
function methods:open_blob(name, column, row_id, given)
  given = options.check(BLOB_OPTIONS, given or {}, "open_blob", caller.LEVEL)
  local session, owned = self:enter(), nil
  if session.lease == 0 then
    owned = session:acquire()
    session = owned
  end
  local blob = setmetatable({ connection = session, owned = owned }, blob_class)
  local fine, err = pcall(invoke, session, "blob_open", ROWS,
    session.adapter.query_timeout, function(row)
      blob.id, blob.size = row[1], row[2]
    end, name, column, row_id, given.write)
  if not fine then
    if owned then
      owned:close()
    end
    error(err, 0)
  end
  return blob
end

return M
