--- From the runs of all rounds to the lines of the results page.
-- @module bench.summary

local measure = require "bench.measure"

local M = {}

-- Half the distance of least and most, in percent of the median.
local function spread(values)
  local least, most = math.huge, -math.huge
  for _, value in ipairs(values) do
    least, most = math.min(least, value), math.max(most, value)
  end
  return (most - least) / 2 / measure.median(values) * 100
end

local function pick(runs, field)
  local values = {}
  for i, run in ipairs(runs) do values[i] = run[field] end
  return values
end

local function most(runs, field)
  return math.max(0, unpack(pick(runs, field)))
end

-- "met", "missed" or nil where there is no target.
local function verdict(value, target, at_most)
  if not (value and target) then return nil end
  local met = value >= target
  if at_most then met = value <= target end
  return met and "met" or "missed"
end

-- How far a missed figure is from its target, in percent of the target.
local function shortfall(value, target)
  return math.abs(value - target) / target * 100
end

local function judge(line, value, target, at_most)
  line.verdict = verdict(value, target, at_most)
  if line.verdict == "missed" then
    line.shortfall = shortfall(value, target)
  end
end

--- One variant of a workload beside its reference.
-- @tparam table workload of `bench.targets`
-- @tparam table variant
-- @tparam {table,...} references the reference's run of each round
-- @tparam {table,...} runs covet's run of each round
-- @treturn table line of the page
function M.compare(workload, variant, references, runs)
  local ratios = {}
  for i, run in ipairs(runs) do ratios[i] = run.rate / references[i].rate end
  local line = {
    workload = workload.name, variant = variant.name, what = workload.what,
    reference = measure.median(pick(references, "rate")),
    covet = measure.median(pick(runs, "rate")),
    ratio = measure.median(ratios), spread = spread(ratios),
    reference_kb = most(references, "peak_rss_kb"),
    covet_kb = most(runs, "peak_rss_kb"),
    target = variant.target, rss_mb = variant.rss_mb, why = variant.why,
  }
  judge(line, line.ratio, line.target, false)
  line.rss_verdict = verdict(line.covet_kb / 1024, line.rss_mb, true)
  return line
end

--- A figure that has no reference.
-- @tparam table figure of `bench.targets`
-- @tparam {table,...} runs
-- @treturn table line of the page
function M.figure(figure, runs)
  local line = {
    workload = figure.name, what = figure.what, unit = figure.unit,
    covet_kb = most(runs, "peak_rss_kb"), target = figure.target,
    rss_mb = figure.rss_mb, why = figure.why,
  }
  if figure.field then
    local values = pick(runs, figure.field)
    line.value, line.spread = measure.median(values), spread(values)
    judge(line, line.value, line.target, true)
  end
  if runs[1].p50_ms then
    line.p50, line.max = measure.median(pick(runs, "p50_ms")),
      most(runs, "max_ms")
  end
  line.rss_verdict = verdict(line.covet_kb / 1024, line.rss_mb, true)
  return line
end

return M
