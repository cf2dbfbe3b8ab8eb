--- What the measuring scripts share: memory, percentiles, a line of JSON.
-- @module bench.measure

local M = {}

local function status_kb(field)
  local file = io.open("/proc/self/status", "r")
  if not file then return 0 end
  local text = file:read "*a"
  file:close()
  return tonumber(text:match(field .. ":%s*(%d+)")) or 0
end

--- Most memory that the process has had resident, in KB; 0 if not known.
function M.peak_rss_kb()
  return status_kb "VmHWM"
end

--- The value below which `fraction` of the sorted list lies.
-- @tparam {number,...} sorted in ascending order, not empty
-- @tparam number fraction from 0 to 1
-- @treturn number
function M.percentile(sorted, fraction)
  local index = math.ceil(fraction * #sorted)
  return sorted[math.max(1, math.min(#sorted, index))]
end

--- The middle value.
-- @tparam {number,...} values in any order, not empty
-- @treturn number
function M.median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  table.sort(sorted)
  local middle = math.floor((#sorted + 1) / 2)
  if #sorted % 2 == 1 then return sorted[middle] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- Print fields as one line of JSON: numbers as they are, the rest as text.
-- @tparam table fields
function M.print(fields)
  local names, parts = {}, {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = fields[name]
    local text = type(value) == "number" and string.format("%.17g", value)
      or '"' .. tostring(value) .. '"'
    parts[i] = string.format('"%s":%s', name, text)
  end
  io.write("{", table.concat(parts, ","), "}\n")
  io.flush()
end

--- Read a line of JSON as `print` writes it: one flat object.
-- @tparam string line
-- @treturn table
function M.parse(line)
  local fields = {}
  for name, value in line:gmatch '"([%w_]+)":("?[^,"}]*)' do
    fields[name] = tonumber(value) or value:gsub('^"', "")
  end
  return fields
end

return M
