--- The two forms of calls about a table: `(name, options)` and
-- `{ name, option = }`.
-- @module covet.adapter.about

local caller = require "covet.caller"
local options = require "covet.options"

local M = {}

--- The schema that a call names.
-- @tparam table declared options: `schema` alone
-- @tparam[opt] table|string given options, or the schema
-- @treturn string|nil
function M.schema(declared, given)
  if type(given) == "string" then
    given = { schema = given }
  end
  return options.check(declared, given or {}, "options", caller.LEVEL).schema
end

--- Either form of a call as the first one.
-- @tparam string|table name
-- @tparam[opt] table|string given
-- @treturn string name of the table
-- @treturn table|string|nil options
-- @raise usage: the name is no string
function M.forms(name, given)
  if type(name) == "table" and given == nil then
    given = {}
    for key, value in pairs(name) do
      given[key] = value
    end
    name, given[1] = given[1], nil
  end
  if type(name) ~= "string" then
    caller.usage("the table's name must be a string, not %s", type(name))
  end
  return name, given
end

--- The table that a call names.
-- @tparam table declared options: `schema` alone
-- @tparam string|table name
-- @tparam[opt] table|string given options, or the schema
-- @treturn string its name
-- @treturn string|nil its schema
function M.table(declared, name, given)
  name, given = M.forms(name, given)
  return name, M.schema(declared, given)
end

return M
