--- Procedures that give several results.
-- @module covet.adapter.mysql.sets

local core = require "covet.core"
local decode = require "covet.decode"
local runner = require "covet.session.run"

local ROWS = core.flags.ROWS + core.flags.SETS

local M = {}

--- Methods of sessions.
M.methods = {}

-- Append a delivery's batches to the results that they belong to.
local function append(sets, batch, mode)
  local others
  repeat
    batch, others = decode.split(batch)
    local set = tonumber(batch.set) + 1
    for i = #sets + 1, set do
      sets[i] = {}
    end
    decode.rows(batch, mode.form, mode.types, sets[set], #sets[set])
    batch = others
  until not batch
end

--- The rows of all results that a statement gives: `CALL` of a procedure.
-- @return a list with an array of rows for each result that has columns
function M.methods:fetch_sets(text, ...)
  local session = self:enter(text)
  local parsed, given, token, more, batch, _, _, started =
    runner.run(session, ROWS, self.adapter.query_timeout, text, ...)
  local sets = {}
  while true do
    if batch then
      append(sets, batch, given.mode)
    end
    if not more then
      return sets
    end
    more, batch = runner.proceed(session, parsed, token, started)
  end
end

return M
