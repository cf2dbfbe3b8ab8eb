--- The raw results of a database, as a file of JSON: one line for each who ran a
-- workload, with the values of all rounds.
-- @module bench.results

local json = require "covet.json"

local M = {}

local function encode(value)
  if type(value) == "number" then return ("%.10g"):format(value) end
  if type(value) ~= "table" then return json.encode(value) end
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = json.encode(name) .. ":" .. encode(value[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_runs(runs)
  local lines = {}
  for i, run in ipairs(runs) do lines[i] = encode(run) end
  return table.concat(lines, ",\n")
end

--- Write results.
-- @tparam string path
-- @tparam table results `database`, `machine`, `versions`, `missing`, and `workloads`:
-- each `name`, `date`, `rounds`, `load`, `runs` (see `bench.rounds`)
function M.write(path, results)
  local parts = {}
  for i, workload in ipairs(results.workloads) do
    parts[i] = ('{"name":%s,"date":%s,"rounds":%d,"load":%.2f,"runs":[\n%s]}'):format(
      encode(workload.name), encode(workload.date), workload.rounds, workload.load,
      encode_runs(workload.runs))
  end
  local file = assert(io.open(path, "w"))
  file:write(('{"database":%s,\n"machine":%s,\n"versions":%s,\n"missing":%s,\n'
    .. '"workloads":[\n%s]}\n'):format(encode(results.database),
    encode(results.machine), encode(results.versions), encode(results.missing),
    table.concat(parts, ",\n")))
  file:close()
end

--- Read what was written.
-- @tparam string path
-- @treturn table|nil nil if there is no such file
function M.read(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return json.decode(text)
end

--- Whether results come from the same machine.
-- @tparam table left
-- @tparam table right
-- @treturn boolean
function M.same_machine(left, right)
  return encode(left.machine) == encode(right.machine)
end

--- Older results with the workloads of a run in the place of those of the same names.
-- @tparam table old
-- @tparam table new
-- @tparam {table,...} order the workloads of the database
-- @treturn table
function M.merge(old, new, order)
  local by_name, versions, workloads = {}, {}, {}
  for _, from in ipairs { old, new } do
    for _, workload in ipairs(from.workloads) do by_name[workload.name] = workload end
    for name, version in pairs(from.versions) do versions[name] = version end
  end
  for _, workload in ipairs(order) do
    workloads[#workloads + 1] = by_name[workload.name]
  end
  return { database = new.database, machine = new.machine, missing = new.missing,
           versions = versions, workloads = workloads }
end

return M
