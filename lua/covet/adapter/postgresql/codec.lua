--- Codecs of the user's for types, by adapter.
-- @module covet.adapter.postgresql.codec

local caller = require "covet.caller"
local invoke = require "covet.adapter.postgresql.invoke"
local options = require "covet.options"
local tagged = require "covet.tagged"
local types = require "covet.adapter.postgresql.types"

local M = {}

--- Methods of sessions.
M.methods = {}
local methods = M.methods

local OPTIONS = {
  { "encode", "function", nil, "A Lua value to the type's text or bytes." },
  { "decode", "function", nil, "The type's text or bytes to a Lua value." },
  { "format", "string", "text", "text or binary.", check = function(value)
    return value == "text" or value == "binary", "must be text or binary"
  end },
}

--- The codecs of an adapter, none yet: see covet.decode.plan for `plans` and
-- `decode`. `encoders` are functions by the id of a type.
-- @treturn table
function M.new()
  local owners = {}
  local codecs = { plans = {}, encoders = {}, tags = {}, owners = owners,
    given = {} }
  function codecs.decode(type_id, index, text)
    local owner = owners[type_id]
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

-- Find the places of a codec's type.
local function place(self, name, given)
  local codecs = self.adapter.codecs
  local oid, owners = types.owners(self, name)
  for _, owner in ipairs(owners) do
    local known = codecs.owners[owner.oid] or {}
    codecs.owners[owner.oid] = known
    known[owner.position] = given.decode
  end
  codecs.encoders[oid] = given.encode and encoder_of(name, given) or nil
  codecs.tags[oid] = given.format == "binary" and tagged.BYTES or tagged.TEXT
end

-- What was learnt of types before is not true any more.
local function forget(adapter)
  adapter.types = {}
  for _, parsed in pairs(adapter.statements) do
    parsed.parameter_types = nil
  end
end

local function place_all(self)
  local adapter = self.adapter
  local codecs = adapter.codecs
  forget(adapter)
  for key in pairs(codecs.owners) do
    codecs.owners[key] = nil
  end
  codecs.encoders, codecs.tags = {}, {}
  adapter.encodes_all = false
  for name, given in pairs(codecs.given) do
    place(self, name, given)
  end
  adapter.encodes_all = next(codecs.encoders) ~= nil
end

--- Read and write the values of a type by functions.
-- They get and give the server's text, or its bytes with `format = "binary"`. Also
-- inside arrays, composites, ranges and domains; there only in text.
-- @tparam string name the type must exist
-- @tparam table given `encode`, `decode`, `format`
function methods:set_type_codec(name, given)
  if type(name) ~= "string" then
    caller.usage("the type's name must be a string, not %s", type(name))
  end
  given = options.check(OPTIONS, given, "set_type_codec", caller.LEVEL)
  local adapter = self.adapter
  local before = adapter.codecs.given[name]
  adapter.codecs.given[name] = given
  local fine, err = pcall(place_all, self)
  if not fine then
    adapter.codecs.given[name] = before
    error(err, 0)
  end
  invoke.call(adapter, "set_codec", nil, adapter.command_timeout, name,
    given.format)
end

--- Forget what was learnt of the server's types: they were changed, or an
-- extension was made anew.
function methods:reload_types()
  local adapter = self.adapter
  invoke.call(adapter, "forget_types", nil, adapter.command_timeout)
  place_all(self)
end

return M
