--- Waiting in specs, in whichever program runs them.
-- In the `covet` command a wait parks the task and the loop runs on, luv's
-- callbacks with it. Elsewhere luv's own loop is turned.
-- @module spec.support.wait
local uv = require "luv"

local M = {}

local has_covet, covet = pcall(require, "covet")
if not has_covet or type(covet) ~= "table" or not covet.sleep then
  covet = nil
end

--- The `covet` module, nil while there is none.
M.covet = covet

--- Whether a wait runs luv's callbacks: in the command, where both share a loop.
M.shares_loop = covet ~= nil and package.loaded["covet.host.native"] ~= nil

--- Monotonic seconds.
-- @treturn number
function M.now()
  return uv.hrtime() / 1e9
end

--- Wait, and let everything else go on.
-- @tparam number seconds
function M.sleep(seconds)
  if covet then
    covet.sleep(seconds)
  end
  if not M.shares_loop then
    uv.run("nowait")
    if not covet then
      uv.sleep(math.ceil(seconds * 1000))
    end
  end
end

--- Wait until `condition()` holds, at most `limit` seconds.
-- @tparam function condition
-- @tparam[opt=5] number limit seconds
-- @return what `condition` answered, or false when the time was over
function M.until_true(condition, limit)
  local deadline = M.now() + (limit or 5)
  local pause = 0.001
  local answer = condition()
  while not answer and M.now() < deadline do
    M.sleep(pause)
    pause = math.min(pause * 1.5, 0.02)
    answer = condition()
  end
  return answer or false
end

return M
