--- Parameters that plain values cannot say: `{ tag, text }` with a metatable
-- that tells them from plain tables. The binding reads them.
-- @module covet.tagged

local M = {
  --- Digits of a 64-bit integer.
  INTEGER = 1,
  --- Bytes, not text.
  BYTES = 2,
  --- A text, JSON for instance.
  TEXT = 3,
  --- Digits of a 64-bit integer without a sign.
  UNSIGNED = 4,
}

--- The metatable of such parameters.
-- @tparam string name
-- @treturn table
function M.class(name)
  return { __name = name, covet_tagged = true }
end

local Plain = M.class "covet.tagged"

--- Make one.
-- @tparam number tag
-- @tparam string text
-- @treturn table
function M.new(tag, text)
  return setmetatable({ tag, text }, Plain)
end

--- Is it one?
-- @param value anything
-- @treturn boolean
function M.is(value)
  local class = type(value) == "table" and getmetatable(value)
  return type(class) == "table" and rawget(class, "covet_tagged") == true
end

return M
