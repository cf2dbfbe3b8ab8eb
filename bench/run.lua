--- Measure one database.
--
--    covet bench/run.lua --database sqlite|postgresql|mysql|runtime
--      [--target PATH-OR-URL] [--build DIR] [--rounds N] [--only W1,W3]
--      [--peers] [--tiny] [--output FOLDER]
--
-- Run from the project's root, after a build with COVET_BENCH=ON: that is what
-- `scripts/bench` does, which starts the servers too. With `--output` the raw results
-- go to FOLDER/results/DATABASE.json, those of `--only` in the place of older ones;
-- `bench/render.lua` makes pages of them. `--tiny` only proves that all of it runs and
-- sees the same data: it is one round of tiny sizes and judges no time.
-- @script bench.run

package.path = "./?.lua;" .. package.path

local machine = require "bench.machine"
local measure = require "bench.measure"
local process = require "bench.process"
local results = require "bench.results"
local rounds = require "bench.rounds"
local summary = require "bench.summary"

local USAGE = "usage: run.lua --database NAME [--target PATH-OR-URL]"
  .. " [--build DIR]\n  [--rounds N] [--only NAMES] [--peers] [--tiny]"
  .. " [--output FOLDER]\n"
local FLAGS = { tiny = true, peers = true }
local VALUES = { database = true, target = true, build = true, rounds = true,
                 only = true, output = true }

local function usage()
  io.stderr:write(USAGE)
  os.exit(2)
end

local function parse_arguments(list)
  local options = { build = "build", rounds = 5 }
  local i = 1
  while list[i] do
    local name = list[i]:match "^%-%-(%a+)$"
    if FLAGS[name] then
      options[name] = true
    elseif VALUES[name] and list[i + 1] then
      i = i + 1
      options[name] = list[i]
    else
      usage()
    end
    i = i + 1
  end
  options.rounds = options.tiny and 1 or tonumber(options.rounds)
  if not (options.database and options.rounds) then usage() end
  return options
end

local function make_context(options)
  local build = options.build
  local known, targets = pcall(require, "bench." .. options.database .. ".targets")
  if not known then usage() end
  local target = options.target or targets.target(build, options.tiny)
  if not target then
    process.fail("no server of %s: scripts/bench starts it", targets.title)
  end
  return {
    build = build, rounds = options.rounds, tiny = options.tiny,
    targets = targets, target = target, socket = targets.socket and targets.socket(),
    peers = {}, missing = {}, versions = machine.versions(),
    covet = build .. "/covet",
    reference = targets.reference and build .. "/bench/" .. targets.reference,
    start = build .. "/bench/covet_bench_start",
  }
end

local function add_versions(context, versions)
  for name, version in pairs(versions) do context.versions[name] = version end
end

-- The peers that are installed; what is missing is said.
local function find_peers(context)
  for _, peer in ipairs(context.targets.peers) do
    local versions = rounds.peer_versions(context, peer)
    if versions then
      context.peers[#context.peers + 1] = peer
      add_versions(context, versions)
    else
      context.missing[#context.missing + 1] = peer.name
      io.stderr:write("left out, not installed: ", peer.name, "\n")
    end
  end
end

local function prepare(context)
  if not context.reference then return end
  local rows = context.tiny and context.targets.rows.tiny or context.targets.rows.full
  add_versions(context, measure.parse(
    process.run { context.reference, "version", context.target }))
  process.run { context.reference, "prepare", context.target, rows.items, rows.wide }
end

local function tell(workload, lines, seconds)
  io.stderr:write(("%s: %s (%.0f s)\n"):format(workload.name, workload.what, seconds))
  for _, line in ipairs(lines) do
    io.stderr:write(("  %-26s %12.4g %s%s\n"):format(line.label, line.median, line.unit,
      line.ratio and ("  %.2f"):format(line.ratio) or ""))
  end
end

local function run_workload(context, workload)
  local start, load = measure.now(), machine.load()
  local runs = rounds.run(context, workload)
  tell(workload, summary.lines(workload, runs), measure.now() - start)
  return { name = workload.name, date = os.date "!%Y-%m-%d", rounds = context.rounds,
           load = load, runs = runs }
end

-- Where results go, and what is there from the same machine. Results of `--only` are
-- not put among those of another one.
local function open_output(options, found)
  if not options.output then return nil end
  os.execute(("mkdir -p '%s/results'"):format(options.output))
  local path = ("%s/results/%s.json"):format(options.output, options.database)
  local old = results.read(path)
  if old and not results.same_machine(old, found) then
    if options.only then
      process.fail("%s comes from another machine: run all of it", path)
    end
    old = nil
  end
  return path, old
end

-- A run that is broken off leaves what it has measured among older results.
local function run_all(context, options, found)
  local path, old = open_output(options, found)
  local order = context.targets.workloads
  local only = options.only and "," .. options.only .. ","
  for _, workload in ipairs(order) do
    if not only or only:find("," .. workload.name .. ",", 1, true) then
      table.insert(found.workloads, run_workload(context, workload))
      if path then
        results.write(path, old and results.merge(old, found, order) or found)
      end
    end
  end
  if path and not only then results.write(path, found) end
end

local function main(...)
  local options = parse_arguments { ... }
  local context = make_context(options)
  prepare(context)
  if options.peers then find_peers(context) end
  local found = { database = options.database, machine = machine.describe(),
                  versions = context.versions, missing = context.missing,
                  workloads = {} }
  run_all(context, options, found)
  if #found.workloads == 0 then
    io.stderr:write(context.targets.title, " has no workload ", options.only, "\n")
  elseif options.tiny then
    print "every workload ran and saw the reference's data"
  end
end

main(...)
