--- Run the benchmark of one database and write its page.
--
--    covet bench/run.lua [--database sqlite|postgresql|mysql] [--target PATH-OR-URL]
--                        [--build DIR] [--rounds N] [--only W1,W3,start]
--                        [--peers] [--tiny] [--output FILE]
--
-- Run from the project's root, after a build with COVET_BENCH=ON: that is what
-- `scripts/bench` does, which starts the servers too. Each measurement is a process of its own. `--tiny`
-- only proves that everything runs and that both sides see the same data: it
-- is one round, judges no time and writes no page.
-- @script bench.run

package.path = "./?.lua;" .. package.path

local measure = require "bench.measure"
local page = require "bench.page"
local summary = require "bench.summary"

local USAGE = "usage: run.lua [--database NAME] [--target PATH-OR-URL]"
  .. " [--build DIR]\n  [--rounds N] [--only NAMES] [--peers] [--tiny]"
  .. " [--output FILE]\n"
local PYTHON = "/usr/bin/python3"

local function fail(...)
  io.stderr:write(string.format(...), "\n")
  os.exit(1)
end

local function parse_arguments(list)
  local options = { build = "build", rounds = 5, database = "sqlite" }
  local i = 1
  while list[i] do
    local name = list[i]:match "^%-%-(%a+)$"
    if name == "tiny" or name == "peers" then
      options[name] = true
    elseif name and list[i + 1] then
      i = i + 1
      options[name] = list[i]
    else
      io.stderr:write(USAGE)
      os.exit(2)
    end
    i = i + 1
  end
  options.rounds = options.tiny and 1 or assert(tonumber(options.rounds), USAGE)
  return options
end

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- Run a command; its last line of output. Lua 5.1's popen does not tell the
-- exit status, so the shell adds it.
local function run(...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = quote(word) end
  local command = table.concat(words, " ")
  local pipe = assert(io.popen(command .. "; printf '\\n%s' \"$?\""))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.-)%s*(%d+)$"
  if status ~= "0" then fail("%s: status %s", command, status or "unknown") end
  return text:match "[^\n]*$"
end

local function make_context(options)
  local build = options.build
  local targets = require("bench." .. options.database .. ".targets")
  local target = options.target or targets.target(build, options.tiny)
  if not target then
    fail("no server of %s: scripts/bench starts it", options.database)
  end
  return {
    options = options,
    targets = targets,
    target = target,
    covet = build .. "/covet",
    reference = build .. "/bench/" .. targets.reference,
    start = build .. "/bench/covet_bench_start",
  }
end

local function wanted(context, name)
  local only = context.options.only
  return not only or ("," .. only .. ","):find("," .. name .. ",", 1, true)
end

local function size_of(context, item)
  return context.options.tiny and item.tiny or item.count
end

local function check_same(reference, other, who)
  if math.abs(reference.check - other.check) > 0.01
    or reference.count ~= other.count and reference.workload ~= "W8" then
    fail("%s %s: %s rows with sum %s, the reference has %s with %s",
      who, reference.workload, other.count, other.check, reference.count,
      reference.check)
  end
end

-- A peer's run, nil if it does not have the workload.
local function run_peer(context, peer, workload)
  local words = { PYTHON, peer.script, workload.name }
  if peer.workloads
    and not (" " .. peer.workloads .. " "):find(" " .. workload.name .. " ") then
    return nil
  elseif peer.workload then
    words = { context.reference, peer.workload }
  end
  words[#words + 1] = context.target
  words[#words + 1] = size_of(context, workload)
  return measure.parse(run(unpack(words)))
end

local function run_peers(context, workload, reference, runs)
  for i, peer in ipairs(context.targets.peers) do
    local result = run_peer(context, peer, workload)
    if result then
      check_same(reference, result, peer.name)
      runs.peers[i] = runs.peers[i] or {}
      table.insert(runs.peers[i], result)
    end
  end
end

-- One round: the reference, then each variant of covet, then the peers.
local function run_round(context, workload, runs)
  local size = size_of(context, workload)
  local reference = measure.parse(
    run(context.reference, workload.name, context.target, size))
  table.insert(runs.reference, reference)
  for i, variant in ipairs(workload.variants) do
    local result = measure.parse(run(context.covet, context.targets.script,
      workload.name, context.target, size, variant.name))
    check_same(reference, result, "covet")
    table.insert(runs[i], result)
    io.stderr:write(string.format("  %s %s %.2f\n", workload.name,
      variant.name, result.rate / reference.rate))
  end
  if context.options.peers then
    run_peers(context, workload, reference, runs)
  end
end

local function run_workload(context, workload, results)
  local runs = { reference = {}, peers = {} }
  for i in ipairs(workload.variants) do runs[i] = {} end
  for _ = 1, context.options.rounds do
    run_round(context, workload, runs)
  end
  for i, variant in ipairs(workload.variants) do
    table.insert(results.workloads,
      summary.compare(workload, variant, runs.reference, runs[i]))
  end
  for i, peer in ipairs(context.targets.peers) do
    if runs.peers[i] then
      table.insert(results.peers,
        summary.compare(workload, peer, runs.reference, runs.peers[i]))
    end
  end
end

local function run_figure(context, figure)
  local size = size_of(context, figure)
  if figure.name == "start" then
    return measure.parse(run(context.start, size, context.covet, "-e", ""))
  end
  return measure.parse(run(context.covet, context.targets.host, figure.name,
    context.target, size))
end

local function run_figures(context, results)
  for _, figure in ipairs(context.targets.figures) do
    if wanted(context, figure.name) then
      local runs = {}
      for i = 1, context.options.rounds do
        runs[i] = run_figure(context, figure)
        io.stderr:write(string.format("  %s %s MB %.0f\n", figure.name,
          runs[i][figure.field] or "", runs[i].peak_rss_kb / 1024))
      end
      table.insert(results.figures, summary.figure(figure, runs))
    end
  end
end

local function describe_machine(context)
  return string.format("%s processors, Linux %s; %s, %s. Load of the"
    .. " machine (1 minute) before the run: %s.",
    run "nproc", run("uname", "-r"):match "^%d+%.%d+",
    run(context.reference, "version", context.target), jit.version,
    run("cat", "/proc/loadavg"):match "^%S+")
end

local function write_page(options, text)
  if not options.output then
    io.write(text)
    return
  end
  local file, message = io.open(options.output, "w")
  if not file then fail("%s", message) end
  file:write(text)
  file:close()
end

local function main(...)
  local context = make_context(parse_arguments { ... })
  local options, targets = context.options, context.targets
  local rows = options.tiny and targets.rows.tiny or targets.rows.full
  local results = { title = targets.title, rounds = options.rounds,
                    workloads = {}, figures = {}, peers = {},
                    machine = describe_machine(context) }
  run(context.reference, "prepare", context.target, rows.items, rows.wide)
  for _, workload in ipairs(targets.workloads) do
    if wanted(context, workload.name) then
      run_workload(context, workload, results)
    end
  end
  run_figures(context, results)
  if options.tiny then
    print "every workload ran and saw the reference's data"
  else
    write_page(options, page.format(results))
  end
end

main(...)
