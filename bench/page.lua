--- The page of one database, in Markdown.
-- @module bench.page

local format = require "bench.format"
local judgements = require "bench.judgements"

local M = {}

local add, value = format.add, format.value

local function given(field)
  return function(line) return line[field] and value(line[field]) end
end

local function megabytes(line)
  return line.unit ~= "MB" and ("%.0f"):format(line.peak_mb)
end

-- Columns: heading, and what a line has there; nil or false: nothing. A column that
-- no line has anything in is left out.
local COLUMNS = {
  { "", function(line)
    return line.kind == "covet" and "**" .. line.label .. "**" or line.label
  end },
  { "measured", function(line)
    return format.measured(line.median, line.unit)
      .. (line.unit == "/s" and "" or " " .. line.unit)
  end },
  { "least to most", function(line)
    return line.rounds > 1 and format.measured(line.least, line.unit) .. " to "
      .. format.measured(line.most, line.unit)
  end },
  { "of C", function(line)
    if not line.spread then return line.ratio and ("%.2f"):format(line.ratio) end
    return ("%.2f ± %.0f %%"):format(line.ratio, line.spread)
  end },
  { "covet's lead", function(line)
    return line.lead and ("%.2f"):format(line.lead)
  end },
  { "p50 us", given "p50_us" }, { "p95 us", given "p95_us" },
  { "p99 us", given "p99_us" },
  { "p50 ms", given "p50_ms" }, { "most ms", given "max_ms" },
  { "KB each", function(line)
    return line.unit ~= "KB" and line.each_kb and value(line.each_kb)
  end },
  { "peak MB", megabytes },
  { "target", function(line)
    local cell = judgements.cell(line)
    return cell ~= "" and cell
  end },
}

local function table_of(lines)
  local headings, cells = {}, {}
  for i = 1, #lines do cells[i] = {} end
  for _, column in ipairs(COLUMNS) do
    local texts, used = {}, false
    for i, line in ipairs(lines) do
      texts[i] = column[2](line) or ""
      used = used or texts[i] ~= ""
    end
    if used then
      headings[#headings + 1] = column[1]
      for i, text in ipairs(texts) do table.insert(cells[i], text) end
    end
  end
  local rows = { format.heading(headings) }
  for i in ipairs(lines) do rows[#rows + 1] = format.row(cells[i]) end
  return rows
end

--- Processor, memory and system in a sentence.
-- @tparam table machine of `bench.machine`
-- @treturn string
function M.machine(machine)
  return ("%s, %d processors, %d GB, Debian %s, Linux %s"):format(machine.processor,
    machine.cores, machine.memory_gb, machine.debian, machine.kernel)
end

local function versions(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names, function(a, b) return a:lower() < b:lower() end)
  for i, name in ipairs(names) do names[i] = name .. " " .. list[name] end
  return table.concat(names, ", ")
end

--- When workloads were measured, and in how many rounds.
-- @tparam {table,...} workloads of the raw results
-- @treturn string
function M.occasion(workloads)
  local first, last = workloads[1].date, workloads[1].date
  local least, most, load = math.huge, 0, 0
  for _, one in ipairs(workloads) do
    first, last = one.date < first and one.date or first, one.date > last and one.date or last
    least, most = math.min(least, one.rounds), math.max(most, one.rounds)
    load = load + one.load / #workloads
  end
  return ("%s, %s round%s, a load of %.1f"):format(
    first == last and first or first .. " to " .. last,
    least == most and least or least .. " to " .. most, most == 1 and "" or "s", load)
end

local function add_head(page, targets, results)
  add(page, "# " .. targets.title .. ": covet beside others", "",
    "Made by `scripts/bench`; [README.md](README.md) says what is measured and how.",
    "[RESULTS.md](RESULTS.md) has the targets of all databases.", "")
  if targets.reference then
    add(page, ("![%s: rates of covet and others](charts/%s.svg)"):format(
      targets.title, results.database), "")
  end
  add(page, "- Machine: " .. M.machine(results.machine),
    "- Versions: " .. versions(results.versions),
    "- Measured: " .. M.occasion(results.workloads))
  if #results.missing > 0 then
    add(page, "- Not installed and left out: " .. table.concat(results.missing, ", "))
  end
  add(page, "")
  if not targets.reference then return end
  add(page, "Values are medians of the rounds. *of C* is the rate beside the"
    .. " reference's, *covet's lead* the rate of covet's first line beside this one's,"
    .. " both within the same round, then the median; ± is half the distance of the"
    .. " least and the most.", "")
end

--- Write the page.
-- @tparam table targets of the database
-- @tparam table results the raw results
-- @tparam {table,...} workloads each `workload` (of the targets) and `lines`
-- @treturn string
function M.format(targets, results, workloads)
  local page = {}
  add_head(page, targets, results)
  for _, one in ipairs(workloads) do
    add(page, ("## %s: %s"):format(one.workload.name, one.workload.what), "")
    add(page, unpack(table_of(one.lines)))
    add(page, "")
  end
  local reasons = judgements.reasons(workloads)
  if #reasons > 0 then
    add(page, "## What is missed, and why", "")
    add(page, unpack(reasons))
    add(page, "")
  end
  return (table.concat(page, "\n"):gsub("\n+$", "\n"))
end

return M
