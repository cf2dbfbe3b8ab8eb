--- Calls that have to raise an error object of one kind.
-- @module spec.support.fails
local errors = require "covet.error"

--- Call something that must fail.
-- @function fails
-- @tparam string kind of the error
-- @tparam function|table callee a function, or an object whose method follows
-- @param ... the method's name if `callee` is an object; arguments
-- @treturn table the error
return function(kind, callee, ...)
  local ok, err
  local name = ...
  if type(callee) == "table" and type(name) == "string" and callee[name] then
    ok, err = pcall(callee[name], callee, select(2, ...))
  else
    ok, err = pcall(callee, ...)
  end
  if ok then
    error("expected an error of kind " .. kind .. ", but nothing was raised", 2)
  elseif not errors.is_error(err) then
    error("expected an error object, got " .. tostring(err), 2)
  elseif err.kind ~= kind then
    error(("expected %s, got %s"):format(kind, tostring(err)), 2)
  end
  return err
end
