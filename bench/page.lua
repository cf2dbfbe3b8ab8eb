--- The results page in Markdown.
-- @module bench.page

local M = {}

local function rate(value)
  if value >= 1e6 then return string.format("%.2f M", value / 1e6) end
  if value >= 1e4 then return string.format("%.0f k", value / 1e3) end
  if value >= 1e3 then return string.format("%.1f k", value / 1e3) end
  return string.format("%.0f", value)
end

local function megabytes(kb)
  return string.format("%.0f", kb / 1024)
end

local function number(value)
  return value and string.format("%.3g", value) or "-"
end

local function missed_by(line)
  return string.format("no, by %.0f %%", line.shortfall)
end

-- "yes", "no, by 20 %", "-" where nothing is aimed at; memory counts too.
local function met(line)
  local parts = {}
  if line.verdict then
    parts[1] = line.verdict == "met" and "yes" or missed_by(line)
  end
  if line.rss_verdict then
    parts[#parts + 1] = line.rss_verdict == "met" and "memory yes"
      or "memory no"
  end
  return #parts > 0 and table.concat(parts, "; ") or "-"
end

local function row(...)
  return "| " .. table.concat({ ... }, " | ") .. " |"
end

local function heading(...)
  local rule = {}
  for i = 1, select("#", ...) do rule[i] = "---" end
  return row(...) .. "\n" .. row(unpack(rule))
end

local function rss_target(line)
  return line.rss_mb and ", " .. line.rss_mb .. " MB" or ""
end

local function workload_row(line)
  local ratio = string.format("%.2f ± %.0f %%", line.ratio, line.spread)
  return row(line.workload .. " " .. line.variant, rate(line.reference),
    rate(line.covet), ratio, number(line.target) .. rss_target(line),
    met(line), megabytes(line.reference_kb) .. " / "
      .. megabytes(line.covet_kb))
end

local function figure_row(line)
  local value = line.value
    and string.format("%.2f %s", line.value, line.unit) or "-"
  if line.p50 then
    value = string.format("%s (p50 %.2f, most %.1f)", value, line.p50, line.max)
  end
  local target = line.target and line.target .. " " .. line.unit or "-"
  if line.rss_mb then
    target = (line.target and target .. ", " or "") .. line.rss_mb .. " MB"
  end
  return row(line.what, value, megabytes(line.covet_kb), target, met(line))
end

local function peer_row(line)
  return row(line.workload, line.variant, rate(line.covet),
    string.format("%.2f", line.ratio), megabytes(line.covet_kb))
end

local function reasons(lines)
  local list = {}
  for _, line in ipairs(lines) do
    local missed = line.verdict == "missed" or line.rss_verdict == "missed"
    if missed then
      list[#list + 1] = string.format("- %s %s: %s.", line.workload,
        line.variant or "", line.why or "not explained yet")
    end
  end
  return list
end

local function add(page, ...)
  for _, text in ipairs { ... } do page[#page + 1] = text end
end

local function add_table(page, lines, format, ...)
  add(page, heading(...))
  for _, line in ipairs(lines) do add(page, format(line)) end
  add(page, "")
end

--- Write the page.
-- @tparam table results `title`, `machine` (texts), `rounds`, `workloads`, `figures` and
-- `peers` (lines of `bench.summary`)
-- @treturn string
function M.format(results)
  local page = {}
  add(page, "# " .. results.title, "",
    "Made by `scripts/bench`; what is measured stands in README.md.", "",
    results.machine .. " Medians of " .. results.rounds .. " rounds, the"
      .. " reference's run and covet's in turn; a ratio is taken within its"
      .. " round, ± is half the distance of least and most.", "")
  add_table(page, results.workloads, workload_row, "workload",
    "reference /s", "covet /s", "ratio", "target", "met?",
    "peak MB, reference / covet")
  if #results.figures > 0 then
    add_table(page, results.figures, figure_row, "covet alone", "measured",
      "peak MB", "target", "met?")
  end
  if #results.peers > 0 then
    add_table(page, results.peers, peer_row, "workload", "peer", "rate /s",
      "ratio to the reference", "peak MB")
  end
  local all = {}
  for _, line in ipairs(results.workloads) do all[#all + 1] = line end
  for _, line in ipairs(results.figures) do all[#all + 1] = line end
  local missed = reasons(all)
  if #missed > 0 then
    add(page, "What is missed, and why:", "", unpack(missed))
    add(page, "")
  end
  return table.concat(page, "\n")
end

return M
