--- From the values of all rounds to the lines of pages and charts.
-- @module bench.summary

local measure = require "bench.measure"

local M = {}

-- Fields whose medians a line has.
local MEDIANS = { "p50_us", "p95_us", "p99_us", "p50_ms" }

local function map(list, fn)
  local mapped = {}
  for i, value in ipairs(list) do mapped[i] = fn(value, i) end
  return mapped
end

local function least_and_most(values)
  return math.min(unpack(values)), math.max(unpack(values))
end

local function rates(run)
  return map(run.seconds, function(seconds) return run.count / seconds end)
end

local VALUES = {
  peak_mb = function(run)
    return map(run.peak_rss_kb, function(kb) return kb / 1024 end)
  end,
  each_kb = function(run)
    return map(run.grown_kb, function(kb) return kb / run.count end)
  end,
}

-- What a workload is measured in, for each round.
local function values_of(workload, run)
  if not workload.value then return rates(run) end
  local values = VALUES[workload.value]
  return values and values(run) or run[workload.value]
end

-- The value of the rounds of one beside another's: median, least, most.
local function compare(values, others)
  local ratios = map(values, function(value, i) return value / others[i] end)
  local least, most = least_and_most(ratios)
  return measure.median(ratios), least, most
end

-- Half the distance of least and most, in percent of the median.
local function spread(median, least, most)
  return (most - least) / 2 / median * 100
end

local function find_run(runs, kind, name)
  for _, run in ipairs(runs) do
    if run.kind == kind and (not name or run.name == name) then return run end
  end
end

local function find_variant(workload, name)
  for _, variant in ipairs(workload.variants) do
    if variant.name == name then return variant end
  end
end

local function label_of(run)
  return run.kind == "covet" and "covet, " .. run.name or run.name
end

local function make_line(workload, runs, run)
  local values = values_of(workload, run)
  local line = { kind = run.kind, name = run.name, label = label_of(run),
                 unit = workload.unit or "/s", rounds = #values,
                 median = measure.median(values),
                 peak_mb = math.max(unpack(run.peak_rss_kb)) / 1024 }
  line.least, line.most = least_and_most(values)
  for _, field in ipairs(MEDIANS) do
    line[field] = run[field] and measure.median(run[field])
  end
  line.max_ms = run.max_ms and math.max(unpack(run.max_ms))
  line.each_kb = run.grown_kb and measure.median(VALUES.each_kb(run))
  if workload.value then return line end
  local reference, first = find_run(runs, "reference"), find_run(runs, "covet")
  if reference and run.kind ~= "reference" then
    local least, most
    line.ratio, least, most = compare(values, rates(reference))
    line.spread = #values > 1 and spread(line.ratio, least, most) or nil
  end
  if first and (run.kind == "peer" or run.kind == "c") then
    line.lead = compare(rates(first), values)
  end
  return line
end

-- `whose`: a peer, if the target is what that has.
local function judgement(goal, target, measured, at_most, whose)
  local met = measured >= target
  if at_most then met = measured <= target end
  return { goal = goal, target = target, measured = measured, at_most = at_most,
           whose = whose, met = met, short = math.abs(measured - target) / target * 100 }
end

-- The targets of a variant beside peers.
local function judge_peers(list, variant, runs, run)
  for _, aim in ipairs(variant.ahead_of or {}) do
    local name, times, lighter = unpack(aim)
    local peer = find_run(runs, "peer", name)
    if peer then
      local lead = compare(rates(run), rates(peer))
      table.insert(list, judgement("x " .. name, times, lead))
      if lighter then
        local own, its = math.max(unpack(run.peak_rss_kb)),
          math.max(unpack(peer.peak_rss_kb))
        table.insert(list, judgement("MB", its / 1024, own / 1024, true, name))
      end
    end
  end
end

-- What each target of a variant came to.
local function judge(workload, variant, runs, run, line)
  local list = {}
  if variant.target then
    local goal, measured = "/s", line.median
    if workload.value then
      goal = workload.unit
    elseif line.ratio then
      goal, measured = "of C", line.ratio
    end
    local one = judgement(goal, variant.target, measured, workload.value ~= nil)
    one.spread = goal == "of C" and line.spread or nil
    table.insert(list, one)
  end
  if variant.rss_mb then
    table.insert(list, judgement("MB", variant.rss_mb, line.peak_mb, true))
  end
  if variant.p95_us then
    table.insert(list, judgement("us, p95", variant.p95_us, line.p95_us, true))
  end
  judge_peers(list, variant, runs, run)
  return list
end

--- What a workload came to.
-- @tparam table workload of a database's targets
-- @tparam {table,...} runs see `bench.rounds`
-- @treturn {table,...} for each run `label`, `unit`, the `median`, `least` and `most`
-- of rates or values, `rounds`, `peak_mb`, medians of other fields; beside a reference
-- `ratio` and, of several rounds, its `spread` in percent; for peers `lead`, by how much covet's first variant is
-- ahead; for covet `judgements`, `why` and `chart`
function M.lines(workload, runs)
  return map(runs, function(run)
    local line = make_line(workload, runs, run)
    local variant = run.kind == "covet" and find_variant(workload, run.name)
    if variant then
      line.why, line.chart = variant.why, variant.chart
      line.judgements = judge(workload, variant, runs, run, line)
    end
    return line
  end)
end

return M
