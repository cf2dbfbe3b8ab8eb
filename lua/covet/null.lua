--- The SQL NULL inside arrays, JSON and parameter lists.
--
-- It is the lightuserdata of the null pointer, and so equal to `cjson.null`
-- and `ngx.null`. Without the binding (documentation, tools) cjson lends it.
-- @module covet.null

local found, core = pcall(require, "covet.core")
if found then
  return core.null
end
return require("cjson").null
