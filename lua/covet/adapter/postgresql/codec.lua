--- Codecs of the user's for types, by adapter.
-- @module covet.adapter.postgresql.codec

local call = require "covet.call"
local caller = require "covet.caller"
local invoke = require "covet.adapter.invoke"
local options = require "covet.options"
local semaphore = require "covet.task.semaphore"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local OPTIONS = {
  { "encode", "function", nil, "A Lua value to the type's text or bytes." },
  { "decode", "function", nil, "The type's text or bytes to a Lua value.",
    required = true },
  { "format", "string", "text", "text or binary.", check = function(value)
    return value == "text" or value == "binary", "must be text or binary"
  end },
}

-- An adapter's `codecs`: `plans` and `decode` for covet.decode.plan, and three
-- tables that are replaced together, never changed: `encoders` and `tags` (of
-- covet.tagged) by the id of a type, `owners` (by the id of a type and the place in
-- it, -1 for all: a function of a text). `given` are the codecs by name; `turn` lets
-- one task at a time change them.

--- The codecs of an adapter, none yet.
-- @treturn table
function M.new()
  local codecs = { plans = {}, encoders = {}, tags = {}, owners = {},
    given = {}, turn = semaphore.new(1) }
  function codecs.decode(type_id, index, text)
    local owner = codecs.owners[type_id]
    local decode = owner and (owner[index] or owner[-1])
    if decode then
      return decode(text)
    end
    return text
  end
  return codecs
end

local function encoder_of(name, given)
  return function(value)
    local text = given.encode(value)
    if type(text) ~= "string" then
      return nil, ("the codec of %s gave a %s, not a string"):format(name,
        type(text))
    end
    return text
  end
end

-- Add a codec's type and all that is made of it; false when there is no such type.
local function add(made, self, name, given)
  local oid, owners = types.owners(self, name)
  if not oid then
    return false
  end
  for _, owner in ipairs(owners) do
    local known = made.owners[owner.oid] or {}
    made.owners[owner.oid] = known
    known[owner.position] = given.decode
  end
  made.encoders[oid] = given.encode and encoder_of(name, given) or nil
  made.tags[oid] = given.format == "binary" and tagged.BYTES or tagged.TEXT
  return true
end

-- The tables of these codecs. A type that is gone has no values any more.
local function make(self, given)
  local made = { owners = {}, encoders = {}, tags = {} }
  for name, codec in pairs(given) do
    add(made, self, name, codec)
  end
  return made
end

-- What was learnt of types before is not true any more.
local function forget(adapter)
  adapter.types = {}
  for _, parsed in pairs(adapter.statements) do
    call.forget_types(parsed)
  end
end

local function swap(adapter, made)
  local codecs, before = adapter.codecs, {}
  for name, part in pairs(made) do
    before[name], codecs[name] = codecs[name], part
  end
  forget(adapter)
  adapter.encodes_all = next(codecs.encoders) ~= nil
  return before
end

-- The driver is told and the tables are replaced with no wait between: values come
-- as the one or the other has them.
local function set_codec(self, name, given)
  local adapter = self.adapter
  local all = {}
  for known, codec in pairs(adapter.codecs.given) do
    all[known] = codec
  end
  all[name] = given
  local made = make(self, all)
  made.given = all
  local before = swap(adapter, made)
  local fine, err = pcall(invoke.call, adapter, "set_codec", nil,
    adapter.command_timeout, name, given.format)
  if not fine then
    swap(adapter, before)
    error(err, 0)
  end
end

local function reload(self)
  local adapter = self.adapter
  invoke.call(adapter, "forget_types", nil, adapter.command_timeout)
  swap(adapter, make(self, adapter.codecs.given))
end

--- Read and write the values of a type by functions.
-- They get and give the server's text, or its bytes with `format = "binary"`. Also
-- inside arrays, composites, ranges and domains; there only in text.
-- What is set while other calls run counts for those that begin later.
-- @tparam string name the type must exist
-- @tparam table given `decode`; `encode` (without it parameters are written as
-- usual); `format`
-- @raise usage, with the codecs as they were
function methods:set_type_codec(name, given)
  if type(name) ~= "string" then
    caller.usage("the type's name must be a string, not %s", type(name))
  end
  given = options.check(OPTIONS, given, "set_type_codec", caller.LEVEL)
  if not types.exists(self, name) then
    caller.usage("there is no type %q", name)
  end
  self.adapter.codecs.turn:with(set_codec, self, name, given)
end

--- Forget what was learnt of the server's types: they were changed, or an
-- extension was made anew. Codecs stay.
function methods:reload_types()
  self.adapter.codecs.turn:with(reload, self)
end

return M
