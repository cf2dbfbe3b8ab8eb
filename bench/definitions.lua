--- The workloads, each with its size: `count` for a full run, `tiny` for one that
-- only proves that all of it works. bench/README.md describes them.
--
-- Without `value` a workload is measured in units a second, beside a reference; with
-- it in that field of the results, the less the better. `short` is its title in a
-- chart, and only those that have one are there.
-- @module bench.definitions

local M = {}

local WORKLOADS = {
  W1 = { what = "20,000 point selects, one after the other",
    short = "point selects, one after the other", count = 20000, tiny = 200 },
  W2 = { what = "100,000 point selects from 256 tasks",
    short = "point selects from 256 tasks", count = 100000, tiny = 1024 },
  W3 = { what = "one result of 200,000 rows x 7 columns",
    short = "rows of one large result", count = 200000, tiny = 2000 },
  W4 = { what = "a stream of 1,000,000 such rows in chunks of 1,000",
    short = "rows of a stream", count = 1000000, tiny = 3000 },
  W5 = { what = "5,000 single autocommit inserts",
    short = "single inserts", count = 5000, tiny = 300 },
  W6 = { what = "a bulk load of 1,000,000 records of 4 columns",
    short = "records of a bulk load", count = 1000000, tiny = 3000 },
  W7 = { what = "taking a free connection of a pool and giving it back",
    short = "connections of a pool lent", count = 200000, tiny = 500,
    reference = false },
  W8 = { what = "opening connections, 50 at a time",
    short = "connections opened", count = 1000, tiny = 3, varies = true },
  mixed = { what = "20,000 calls, one in ten an insert, the others selects",
    short = "nine selects to an insert", count = 20000, tiny = 300 },

  ["W1-socket"] = { what = "W1 over a Unix socket", like = "W1" },
  ["W2-socket"] = { what = "W2 over a Unix socket", like = "W2" },

  ["W9-waiting"] = { what = "memory of 10,000 tasks that wait for a connection",
    count = 10000, tiny = 100, value = "peak_mb", unit = "MB", reference = false },
  ["W9-idle"] = { what = "memory of each of 100 connections that do nothing",
    count = 100, tiny = 3, value = "each_kb", unit = "KB", varies = true },

  ["W10-idle"] = { what = "lateness of timers (p99) beside nothing",
    count = 3, tiny = 0.1, value = "p99_ms", unit = "ms", reference = false },
  ["W10-selects"] = { what = "lateness of timers (p99) beside selects of 256 tasks",
    count = 3, tiny = 0.1, value = "p99_ms", unit = "ms", reference = false },
  ["W10-rows"] = { what = "lateness of timers (p99) beside results of 200,000 rows",
    count = 3, tiny = 0.1, value = "p99_ms", unit = "ms", reference = false },
  ["W10-query"] = { what = "lateness of timers (p99) beside one query of 3 s",
    count = 3, tiny = 0.1, value = "p99_ms", unit = "ms", reference = false },

  start = { what = "start and end of a program without work",
    count = 50, tiny = 2, value = "milliseconds", unit = "ms", reference = false },
  sleeping = { what = "memory of 100,000 sleeping tasks",
    count = 100000, tiny = 1000, value = "peak_mb", unit = "MB", reference = false },
  lend = { what = "taking a free object of a pool and giving it back",
    count = 4000000, tiny = 2000, reference = false },
  contended = { what = "64 tasks on a pool of 16, which yield while they hold one",
    count = 300000, tiny = 2000, reference = false },
  pooled = { what = "memory of an object in a pool",
    count = 5000, tiny = 50, value = "bytes", unit = "bytes", reference = false },
  waiting = { what = "memory of 10,000 tasks that wait for a pool of 50",
    count = 10000, tiny = 100, value = "peak_mb", unit = "MB", reference = false },
}

-- Fill in what `fields` does not say.
local function inherit(fields, from)
  for name, value in pairs(from) do
    if fields[name] == nil then fields[name] = value end
  end
  return fields
end

--- A workload as a database has it.
-- @tparam string name
-- @tparam table fields `variants` of covet, and what differs from the definition:
-- `count`, `tiny`
-- @treturn table
function M.workload(name, fields)
  local definition = assert(WORKLOADS[name], name)
  fields.name = name
  fields.program_name = definition.like or name
  fields.socket = definition.like ~= nil
  inherit(fields, definition)
  if definition.like then inherit(fields, WORKLOADS[definition.like]) end
  fields.short = definition.short
  return fields
end

return M
