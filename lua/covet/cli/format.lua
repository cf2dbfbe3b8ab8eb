--- Rows as text: a table for people, csv, ndjson and json for programs.
--
-- A writer is made for the columns of one result and gets its rows in chunks,
-- each row an array of values:
--
--    local out = format.writer("csv", { "id", "name" }, write)
--    out:rows { { 1, "Anna" }, { 2, nil } }
--    out:finish()
--
-- `csv`, `ndjson` and `json` write as rows come and keep none. `table` keeps
-- all, for it must know how wide the columns are.
--
-- * **csv** is RFC 4180 with CR LF. NULL is the null text (empty by default); a
--   string that would read the same is quoted.
-- * **json** is one array of objects, **ndjson** an object a line; keys stand in
--   the order of the columns, integers are exact. What JSON cannot say (bytes
--   that are not UTF-8, NaN) raises "invalid_value" with row and column.
-- @module covet.cli.format

local error = require "covet.error"
local json = require "covet.json"
local null = require "covet.null"
local width = require "covet.cli.width"

local concat, max = table.concat, math.max
local find, gsub, rep = string.find, string.gsub, string.rep
local exact, huge = json.exact, math.huge

local M = {}

--- The formats, in the order in which help names them.
M.NAMES = { "table", "csv", "ndjson", "json" }

-- Text of a value that is not NULL, and whether it is a number.
local function text_of(value)
  local kind = type(value)
  if kind == "string" then
    return value, false
  elseif kind == "number" or kind == "cdata" then
    local text = exact(value)
    return text or tostring(value), text ~= nil
  elseif kind == "table" then
    return json.encode(value), false
  end
  return tostring(value), false
end

-- csv -----------------------------------------------------------------------

local Csv = {}
Csv.__index = Csv

local function quote_csv(text, null_text)
  if text == null_text or text == "" or find(text, '[,"\r\n]') or find(text, "^%s") or find(text, "%s$") then
    return '"' .. gsub(text, '"', '""') .. '"'
  end
  return text
end

local function new_csv(columns, write, options)
  local self = setmetatable({ width = #columns, write = write, null = options.null or "" }, Csv)
  if options.header ~= false then
    local names = {}
    for i = 1, #columns do
      names[i] = quote_csv(columns[i], nil)
    end
    write(concat(names, ",") .. "\r\n")
  end
  return self
end

function Csv:rows(rows)
  local out, fields, columns, null_text = {}, {}, self.width, self.null
  for r = 1, #rows do
    local row = rows[r]
    for c = 1, columns do
      local value = row[c]
      if value == nil or value == null then
        fields[c] = null_text
      else
        local text, is_number = text_of(value)
        fields[c] = is_number and text or quote_csv(text, null_text)
      end
    end
    out[r] = concat(fields, ",", 1, columns)
  end
  if #out > 0 then
    out[#out + 1] = ""
    self.write(concat(out, "\r\n"))
  end
end

function Csv:finish()
end

-- json and ndjson -----------------------------------------------------------

local Json = {}
Json.__index = Json

-- Two values of one name would be one in most readers.
local function check_unique(columns)
  local seen = {}
  for i = 1, #columns do
    if seen[columns[i]] then
      error.raise({
        kind = "invalid_value",
        message = ("two columns are called %q: JSON needs different names"):format(columns[i]),
        hint = "give one of them another name with AS",
      })
    end
    seen[columns[i]] = true
  end
end

-- `first`, `between` and `last` are what stands around the rows.
local function new_json(columns, write, first, between, last)
  check_unique(columns)
  local keys = {}
  for i = 1, #columns do
    keys[i] = (i == 1 and "{" or ",") .. json.encode(columns[i]) .. ":"
  end
  return setmetatable({
    keys = keys, columns = columns, write = write, count = 0,
    first = first, between = between, last = last,
  }, Json)
end

local function json_value(value)
  local kind = type(value)
  if kind == "string" and not find(value, '[%z\1-\31"\\\128-\255]') then
    return '"' .. value .. '"'
  elseif kind == "number" and value == value and value < huge and value > -huge then
    return exact(value)
  end
  return json.encode(value)
end

-- json.encode's complaint, with the place in the result.
local function raise_unencodable(self, row, column, cause)
  local name = self.columns[column]
  local message = error.is_error(cause) and cause.message or tostring(cause)
  message = gsub(message, "^cannot encode as JSON: ", "")
  local is_text = find(message, "UTF-8", 1, true)
  error.raise({
    kind = "invalid_value",
    message = ("row %d, column %q: %s"):format(row, name, message),
    hint = is_text and ("select hex(%s), or use --format csv"):format(name) or nil,
    column = name,
  })
end

local function json_row(self, row, pieces)
  local keys = self.keys
  local columns = #keys
  for c = 1, columns do
    local value = row[c]
    local text = "null"
    if value ~= nil and value ~= null then
      local ok, result = pcall(json_value, value)
      if not ok then
        raise_unencodable(self, self.count, c, result)
      end
      text = result
    end
    pieces[2 * c - 1], pieces[2 * c] = keys[c], text
  end
  return columns == 0 and "{}" or concat(pieces, "", 1, 2 * columns) .. "}"
end

function Json:rows(rows)
  local out, pieces = {}, {}
  for r = 1, #rows do
    local before = self.count == 0 and self.first or self.between
    self.count = self.count + 1
    out[r] = before .. json_row(self, rows[r], pieces)
  end
  self.write(concat(out))
end

function Json:finish()
  self.write(self.count == 0 and self.first .. self.last or "\n" .. self.last)
end

-- table ---------------------------------------------------------------------

local Table = {}
Table.__index = Table

local function new_table(columns, write, options)
  return setmetatable({
    columns = columns, write = write, list = {},
    null = options.null or "NULL", header = options.header ~= false,
    limit = options.max_width, counts = options.counts ~= false,
  }, Table)
end

function Table:rows(rows)
  local list = self.list
  for r = 1, #rows do
    list[#list + 1] = rows[r]
  end
end

-- What a cell shows. A string that reads like NULL is told apart by quotes.
local function table_cell(self, value)
  if value == nil or value == null then
    return self.null, nil
  end
  local text, is_number = text_of(value)
  if text == self.null and not is_number then
    text = '"' .. text .. '"'
  end
  text = width.printable(text)
  return self.limit and width.cut(text, self.limit) or text, is_number
end

-- The cells of one column, its width, and whether it holds numbers only.
local function table_column(self, c)
  local name = width.printable(self.columns[c])
  name = self.limit and width.cut(name, self.limit) or name
  local cells, widest, numbers, others = {}, self.header and width.of(name) or 0, 0, 0
  for r = 1, #self.list do
    local text, is_number = table_cell(self, self.list[r][c])
    cells[r] = text
    widest = max(widest, width.of(text))
    numbers = numbers + (is_number and 1 or 0)
    others = others + (is_number == false and 1 or 0)
  end
  return { name = name, cells = cells, width = widest, right = numbers > 0 and others == 0 }
end

local function pad(text, column, is_last)
  local blanks = column.width - width.of(text)
  if column.right then
    return rep(" ", blanks) .. text
  end
  return is_last and text or text .. rep(" ", blanks)
end

local function write_header(self, columns)
  local names, lines = {}, {}
  for c = 1, #columns do
    names[c] = pad(columns[c].name, columns[c], c == #columns)
    lines[c] = rep("-", columns[c].width + (c > 1 and c < #columns and 2 or #columns > 1 and 1 or 0))
  end
  self.write(concat(names, " | ") .. "\n" .. concat(lines, "+") .. "\n")
end

function Table:finish()
  local columns = {}
  for c = 1, #self.columns do
    columns[c] = table_column(self, c)
  end
  if self.header and #columns > 0 then
    write_header(self, columns)
  end
  local line = {}
  for r = 1, #self.list do
    for c = 1, #columns do
      line[c] = pad(columns[c].cells[r], columns[c], c == #columns)
    end
    self.write(concat(line, " | ") .. "\n")
  end
  if self.counts then
    self.write(("(%d %s)\n"):format(#self.list, #self.list == 1 and "row" or "rows"))
  end
end

-- ---------------------------------------------------------------------------

--- Make a writer.
-- @tparam string name one of `NAMES`
-- @tparam {string,...} columns names of the columns, in order
-- @tparam function write called with pieces of text
-- @tparam[opt] table options `null` text for NULL (csv, table), `header = false`
--   leaves the names out (csv, table), `max_width` cells of a column and
--   `counts = false` no line with the number of rows (table)
-- @treturn table with the methods `rows(self, list)` and `finish(self)`
function M.writer(name, columns, write, options)
  options = options or {}
  if name == "csv" then
    return new_csv(columns, write, options)
  elseif name == "ndjson" then
    local out = new_json(columns, write, "", "\n", "")
    out.finish = function(self)
      self.write(self.count > 0 and "\n" or "")
    end
    return out
  elseif name == "json" then
    return new_json(columns, write, "[\n", ",\n", "]\n")
  elseif name == "table" then
    return new_table(columns, write, options)
  end
  error.usage(2, "format: expected table, csv, ndjson or json, got %s", tostring(name))
end

--- A whole result as the text of a table.
-- @tparam {string,...} columns
-- @tparam {table,...} rows arrays of values
-- @tparam[opt] table options as of `writer`
-- @treturn string
function M.table(columns, rows, options)
  local out = {}
  local writer = M.writer("table", columns, function(text)
    out[#out + 1] = text
  end, options)
  writer:rows(rows)
  writer:finish()
  return concat(out)
end

return M
