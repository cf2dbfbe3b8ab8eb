--- Make pages and charts of raw results.
--
--    covet bench/render.lua [FOLDER [OUTPUT]]
--
-- Reads FOLDER/results/*.json (FOLDER is `bench` by default), and writes to OUTPUT
-- (FOLDER by default) a page for each database, RESULTS.md, and charts/*.svg.
-- @script bench.render

package.path = "./?.lua;" .. package.path

local chart = require "bench.chart"
local overview = require "bench.overview"
local page = require "bench.page"
local results = require "bench.results"
local summary = require "bench.summary"

local DATABASES = { "postgresql", "mysql", "sqlite", "runtime" }

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  print(path)
end

local function find_workload(targets, name)
  for _, workload in ipairs(targets.workloads) do
    if workload.name == name then return workload end
  end
end

-- What stands in a file, by the targets of now; nil if there is none.
local function load_database(folder, name)
  local found = results.read(("%s/results/%s.json"):format(folder, name))
  if not found then return nil end
  local targets = require("bench." .. name .. ".targets")
  local workloads = {}
  for _, one in ipairs(found.workloads) do
    local workload = find_workload(targets, one.name)
    if workload then
      workloads[#workloads + 1] = { workload = workload,
                                    lines = summary.lines(workload, one.runs) }
    end
  end
  return { targets = targets, results = found, workloads = workloads }
end

local function main(folder, output)
  folder = folder or "bench"
  output = output or folder
  os.execute(("mkdir -p '%s/charts'"):format(output))
  local databases = {}
  for _, name in ipairs(DATABASES) do
    local one = load_database(folder, name)
    if one then
      databases[#databases + 1] = one
      write(output .. "/" .. one.targets.page,
        page.format(one.targets, one.results, one.workloads))
      if one.targets.reference then
        write(("%s/charts/%s.svg"):format(output, name),
          chart.draw(one.targets, one.results, one.workloads))
      end
    end
  end
  if #databases == 0 then
    io.stderr:write("no results in ", folder, "/results\n")
    os.exit(1)
  end
  write(output .. "/RESULTS.md", overview.format(databases))
end

main(...)
