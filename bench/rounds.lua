--- Rounds: the reference, covet's variants and the peers in turn, again and again.
--
-- Each measurement is a process of its own. What differs from the reference in what
-- it saw ends the run.
-- @module bench.rounds

local measure = require "bench.measure"
local process = require "bench.process"

local M = {}

-- What runs a script of a peer; `build` is the folder of the build.
local function interpreter(script, build)
  local languages = {
    py = { "/usr/bin/python3" },
    js = { "env", "NODE_PATH=" .. build .. "/bench/peers/node_modules", "node" },
    lua = { "luajit" },
  }
  return languages[script:match "%.(%w+)$"]
end

local function joined(...)
  local words = {}
  for _, list in ipairs { ... } do
    for _, word in ipairs(list) do words[#words + 1] = word end
  end
  return words
end

--- What a peer stands on.
-- @tparam table context
-- @tparam table peer
-- @treturn table|nil versions by name; nil if it is not installed
function M.peer_versions(context, peer)
  if not peer.script then return {} end
  local line = process.try(joined(interpreter(peer.script, context.build),
    { peer.script, "version", peer.version_of }))
  return line and measure.parse(line)
end

-- The name of a workload in a peer's program, nil if it does not have it.
local function name_for(peer, workload)
  for word in peer.workloads:gmatch "%S+" do
    local name, own = word:match "^(.-)=(.*)$"
    if (name or word) == workload.name then return own or workload.program_name end
  end
end

-- A start is measured by a program that starts it SIZE times.
local function start_words(context, command, size)
  local program = command[1] == "covet" and context.covet or command[1]
  return joined({ context.start, size, program }, { unpack(command, 2) })
end

-- Who runs a workload: `words(size)` is the command.
local function runners_of(context, workload)
  local targets, list = context.targets, {}
  local target = workload.socket and context.socket or context.target
  local function add(kind, name, unchecked, words)
    list[#list + 1] = { kind = kind, name = name, unchecked = unchecked, words = words }
  end
  if workload.reference ~= false then
    add("reference", targets.reference_name, false, function(size)
      return { context.reference, workload.program_name, target, size }
    end)
  end
  for _, variant in ipairs(workload.variants) do
    add("covet", variant.name, false, function(size)
      if variant.command then return start_words(context, variant.command, size) end
      return { context.covet, targets.script, workload.program_name, target, size,
               variant.name }
    end)
  end
  for _, peer in ipairs(context.peers) do
    local name = name_for(peer, workload)
    if name then
      add(peer.script and "peer" or peer.command and "peer" or "c", peer.name,
        peer.unchecked, function(size)
          if peer.command then return start_words(context, peer.command, size) end
          local words = peer.script
            and joined(interpreter(peer.script, context.build), { peer.script })
            or { context.reference }
          return joined(words, { name, target, size })
        end)
    end
  end
  return list
end

-- The same data, or at least as many units; not where these are a matter of chance.
local function check_same(workload, first, runner, result)
  if workload.value or workload.varies then return end
  local same = result.count == first.count
    and (runner.unchecked or math.abs(first.check - result.check) < 0.01)
  if not same then
    process.fail("%s, %s: %s units with sum %s, the reference has %s with %s",
      workload.name, runner.name, result.count, result.check, first.count, first.check)
  end
end

-- The first one warms up the database, the others their files.
local function warm_up(workload, runners)
  for i, runner in ipairs(runners) do
    local full = i == 1 and runner.kind == "reference"
    process.run(runner.words(full and workload.count or workload.tiny))
  end
end

local FIELDS = { "seconds", "peak_rss_kb", "p50_us", "p95_us", "p99_us", "p50_ms",
                 "p99_ms", "max_ms", "grown_kb", "bytes", "milliseconds" }

-- Keep the fields of one round.
local function keep(run, round, result)
  run.count, run.check = result.count, result.check
  for _, field in ipairs(FIELDS) do
    if result[field] then
      run[field] = run[field] or {}
      run[field][round] = result[field]
    end
  end
end

local function run_round(workload, size, runners, runs, round)
  local first
  for i, runner in ipairs(runners) do
    local result = measure.parse(process.run(runner.words(size)))
    first = first or result
    check_same(workload, first, runner, result)
    runs[i] = runs[i] or { kind = runner.kind, name = runner.name }
    keep(runs[i], round, result)
  end
end

--- Run one workload.
-- @tparam table context `build`, `rounds`, `tiny`, `targets`, `target`, `socket`,
-- `peers`; the programs `covet`, `reference`, `start`
-- @tparam table workload of `context.targets`
-- @treturn {table,...} for each who ran it `kind` (reference, covet, c or peer),
-- `name`, `count`, `check`, and a list of each field, with a value for each round
function M.run(context, workload)
  local runners, runs = runners_of(context, workload), {}
  if not context.tiny then warm_up(workload, runners) end
  for round = 1, context.rounds do
    run_round(workload, context.tiny and workload.tiny or workload.count, runners,
      runs, round)
  end
  return runs
end

return M
