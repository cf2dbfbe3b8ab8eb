--- RESULTS.md: every target of every database, and what came of it.
-- @module bench.overview

local format = require "bench.format"
local judgements = require "bench.judgements"
local page = require "bench.page"

local M = {}

local add = format.add

local function count_targets(workloads)
  local met, all = 0, 0
  for _, one in ipairs(workloads) do
    for _, line in ipairs(one.lines) do
      for _, judgement in ipairs(line.judgements or {}) do
        met, all = met + (judgement.met and 1 or 0), all + 1
      end
    end
  end
  return met, all
end

local function add_targets(text, workloads)
  add(text, "| workload | covet | target | measured | met? |",
    "| --- | --- | ---: | ---: | --- |")
  for _, one in ipairs(workloads) do
    for _, line in ipairs(one.lines) do
      for _, judgement in ipairs(line.judgements or {}) do
        add(text, format.row { one.workload.name .. ": " .. one.workload.what,
          line.name, judgements.target(judgement), judgements.measured(judgement),
          judgements.verdict(judgement) })
      end
    end
  end
  add(text, "")
end

local function add_database(text, one)
  local met, all = count_targets(one.workloads)
  add(text, "## " .. one.targets.title, "",
    ("%d of %d targets met; [%s](%s) has all figures. Measured: %s."):format(met, all,
      one.targets.page, one.targets.page, page.occasion(one.results.workloads)), "")
  add_targets(text, one.workloads)
  local reasons = judgements.reasons(one.workloads)
  if #reasons > 0 then
    add(text, "What is missed, and why:", "")
    add(text, unpack(reasons))
    add(text, "")
  end
end

--- Write the page.
-- @tparam {table,...} databases each `targets`, `results` (raw), and `workloads`:
-- each `workload` (of the targets) and `lines`
-- @treturn string
function M.format(databases)
  local text, met, all = {}, 0, 0
  for _, one in ipairs(databases) do
    local own_met, own_all = count_targets(one.workloads)
    met, all = met + own_met, all + own_all
  end
  add(text, "# Results", "",
    "All targets and what covet came to, by `scripts/bench`;"
    .. " [README.md](README.md) says what is measured and how. `of C` is covet's rate"
    .. " beside that of a C program on the client library in the same round, ± half"
    .. " the distance of the least and the most of the rounds.", "",
    ("%d of %d targets are met. Machine: %s."):format(met, all,
      page.machine(databases[1].results.machine)), "")
  for _, one in ipairs(databases) do
    if one.targets.reference then
      add(text, ("![%s: rates of covet and others](charts/%s.svg)"):format(
        one.targets.title, one.results.database), "")
    end
  end
  for _, one in ipairs(databases) do add_database(text, one) end
  return (table.concat(text, "\n"):gsub("\n+$", "\n"))
end

return M
