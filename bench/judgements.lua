--- What targets came to, in words: shared by the pages of the databases and that
-- of all targets.
-- @module bench.judgements

local format = require "bench.format"

local M = {}

-- "0.95 of C", "at most 30 MB", "4.00 M/s".
local function amount(value, goal)
  if goal == "/s" then return format.rate(value) .. "/s" end
  if goal:match "^x " then return ("%.3g x %s"):format(value, goal:match "^x (.*)") end
  return format.value(value) .. " " .. goal
end

--- What was aimed at.
-- @tparam table judgement of `bench.summary`
-- @treturn string
function M.target(judgement)
  local text = ("%.4g %s"):format(judgement.target, judgement.goal)
  if judgement.goal == "/s" then text = format.rate(judgement.target) .. "/s" end
  if judgement.whose then text = ("%s (%s)"):format(text, judgement.whose) end
  return judgement.at_most and "at most " .. text or text
end

--- What was measured.
-- @tparam table judgement
-- @treturn string
function M.measured(judgement)
  local text = amount(judgement.measured, judgement.goal)
  if judgement.spread then
    text = ("%s ± %.0f %%"):format(text, judgement.spread)
  end
  return text
end

--- Whether it was met, and how far it is if not.
-- @tparam table judgement
-- @treturn string
function M.verdict(judgement)
  return judgement.met and "yes" or ("**no**, by %.0f %%"):format(judgement.short)
end

--- All of a line in one cell, "" without targets.
-- @tparam table line of `bench.summary`
-- @treturn string
function M.cell(line)
  local parts = {}
  for i, judgement in ipairs(line.judgements or {}) do
    parts[i] = ("%s: %s"):format(M.target(judgement), M.verdict(judgement))
  end
  return table.concat(parts, "; ")
end

--- Why what is missed is missed: a list of Markdown, one item for each reason.
-- @tparam {table,...} workloads `workload` (of a database's targets) and `lines`
-- @treturn {string,...}
function M.reasons(workloads)
  local order, by_reason = {}, {}
  for _, one in ipairs(workloads) do
    for _, line in ipairs(one.lines) do
      local missed = false
      for _, judgement in ipairs(line.judgements or {}) do
        missed = missed or not judgement.met
      end
      if missed then
        local why = line.why or "not explained yet"
        if not by_reason[why] then
          by_reason[why] = {}
          order[#order + 1] = why
        end
        table.insert(by_reason[why], one.workload.name .. " " .. line.name)
      end
    end
  end
  local list = {}
  for i, why in ipairs(order) do
    list[i] = ("- %s: %s."):format(table.concat(by_reason[why], ", "), why)
  end
  return list
end

return M
