--- The texts of COPY statements.
-- @module covet.adapter.postgresql.copy_text

local call = require "covet.call"
local caller = require "covet.caller"
local dialects = require "covet.sql.dialect"
local options = require "covet.options"
local sql = require "covet.sql"

local FORMATS = { text = true, csv = true, binary = true }

local M = {}

local function is_format(value)
  return FORMATS[value], "must be text, csv or binary"
end

-- What all of these calls take: a declaration for covet.options.
local COMMON = {
  { "format", "string", "text", "text, csv or binary.", check = is_format },
  { "delimiter", "string", nil, "Between the columns." },
  { "null", "string", nil, "What stands for NULL." },
  { "header", "boolean", nil, "csv and text: the first line has the names." },
  { "quote", "string", nil, "csv: the quote." },
  { "escape", "string", nil, "csv: what stands before a quote." },
  { "encoding", "string", nil, "Of the data; UTF-8 by default." },
}

local TABLE = {
  { "columns", "table", nil, "Names of the columns, in the data's order." },
  { "schema", "string", nil, "The table's schema." },
}

local OUT = {
  { "timeout", "seconds", nil, "Deadline of each stretch of work." },
  { "to", "any", nil, "Where to: a file's path, or a function of each piece. "
    .. "Without it the call answers an iterator of pieces." },
  { "force_quote", "boolean|table", nil, "csv: quote these columns always; true: "
    .. "all." },
}

local FROM = {
  { "timeout", "seconds", nil, "Deadline of the call." },
  { "from", "any", nil, "Where from: a file's path, an iterator or a list of "
    .. "pieces.", required = true },
  { "force_not_null", "table", nil, "csv: in these columns no text is NULL." },
  { "force_null", "table", nil, "csv: in these columns a quoted text can be "
    .. "NULL too." },
}

local function declare(...)
  local list = {}
  for _, part in ipairs { ... } do
    for _, entry in ipairs(part) do
      list[#list + 1] = entry
    end
  end
  return list
end

--- What `copy_to_table` takes.
M.TO_TABLE = declare(FROM, TABLE, COMMON)
--- What `copy_from_table` takes.
M.FROM_TABLE = declare(OUT, TABLE, COMMON)
--- What `copy_from_query` takes.
M.FROM_QUERY = declare(OUT,
  { { "params", "table", nil, "Values of :name, or a list for $1." } }, COMMON)
M.FROM_QUERY.positional = true

local function list_columns(names)
  local quoted = {}
  for i, name in ipairs(names) do
    quoted[i] = sql.quote_identifier(name, "postgresql")
  end
  if #quoted == 0 then
    caller.usage "columns: a list of at least one name"
  end
  return "(" .. table.concat(quoted, ", ") .. ")"
end

local TEXTS = { "delimiter", "null", "quote", "escape", "encoding" }
local LISTS = { "force_quote", "force_not_null", "force_null" }

-- "WITH (FORMAT csv, ...)"
local function with_text(given)
  local list = { "FORMAT " .. given.format }
  for _, name in ipairs(TEXTS) do
    if given[name] then
      list[#list + 1] = name:upper() .. " "
        .. sql.quote_literal(given[name], "postgresql")
    end
  end
  if given.header ~= nil then
    list[#list + 1] = "HEADER " .. tostring(given.header)
  end
  for _, name in ipairs(LISTS) do
    if given[name] then
      list[#list + 1] = name:upper() .. " "
        .. (given[name] == true and "*" or list_columns(given[name]))
    end
  end
  return " WITH (" .. table.concat(list, ", ") .. ")"
end

local function table_text(name, given)
  if type(name) ~= "string" then
    caller.usage("the table's name must be a string, not %s", type(name))
  end
  return sql.quote_identifier(given.schema and { given.schema, name } or name,
    "postgresql") .. (given.columns and " " .. list_columns(given.columns) or "")
end

--- COPY into a table.
-- @tparam string name
-- @tparam table given checked options
-- @treturn string
function M.into(name, given)
  return "COPY " .. table_text(name, given) .. " FROM STDIN" .. with_text(given)
end

--- COPY out of a table.
-- @tparam string name
-- @tparam table given checked options
-- @treturn string
function M.out_of(name, given)
  return "COPY " .. table_text(name, given) .. " TO STDOUT" .. with_text(given)
end

-- --- Queries ----------------------------------------------------------------------

-- COPY takes no parameters: they are put into the text, in place of marks that
-- no text has.
local MARK = "\1\2covet:"
local MARKED = setmetatable({ parameter = MARK },
  { __index = dialects.postgresql })

-- The one statement of a text, without what stands behind it.
local function only_statement(adapter, text)
  if text:find(MARK, 1, true) then
    caller.usage "the query has control characters"
  end
  local list = sql.split(text, adapter.dialect, caller.LEVEL)
  if #list ~= 1 then
    caller.usage "copy_from_query takes one query"
  end
  return list[1]
end

-- A text that is sent with values in it, beside the one that is shown: `places` are
-- the bytes where each value stands and its placeholder.
local function add(texts, piece, shown)
  texts.sent[#texts.sent + 1], texts.shown[#texts.shown + 1] = piece, shown
  texts.places[#texts.places + 1] = { sent = texts.at, length = #piece,
    shown = texts.shown_at, shown_length = #shown }
  texts.at, texts.shown_at = texts.at + #piece, texts.shown_at + #shown
end

local function put_in(adapter, query, list)
  local texts = { sent = {}, shown = {}, places = {}, at = 1, shown_at = 1 }
  local marked, at = sql.parse(query, MARKED, caller.LEVEL).text, 1
  local function add_plain(last)
    local piece = marked:sub(at, last)
    add(texts, piece, piece)
  end
  local from, to, number = marked:find(MARK .. "(%d+)", 1)
  while from do
    add_plain(from - 1)
    add(texts, sql.quote_literal(list[tonumber(number)], adapter.dialect),
      "$" .. number)
    at = to + 1
    from, to, number = marked:find(MARK .. "(%d+)", at)
  end
  add_plain(#marked)
  return texts
end

-- Where in the text that is shown a byte of the one that was sent is; `before` stand
-- in front of both.
local function placer(texts, before)
  return function(position)
    position = position - before
    for _, place in ipairs(texts.places) do
      local offset = position - place.sent
      if offset >= 0 and offset < place.length then
        return before + place.shown
          + (place.length == place.shown_length and offset or 0)
      end
    end
    return before + position + texts.shown_at - texts.at -- behind the query
  end
end

--- COPY out of a query.
-- @tparam table session
-- @tparam table given `{ sql, values..., params =, option = }`
-- @treturn table `text`, which is shown and has no values; `sent`, where they stand
-- as literals; `place(position)`: the byte of the one for that of the other
-- @treturn table checked options
function M.out_of_query(session, given)
  local adapter = session.adapter
  local text = call.text_of(given)
  local checked = options.check(M.FROM_QUERY, given, "copy_from_query",
    caller.LEVEL)
  local query = only_statement(adapter, text)
  local parsed, list, n = call.read_values(adapter, given, checked)
  local texts = put_in(adapter, query, call.encode_list(session, parsed, list, n))
  local before, behind = "COPY (", "\n) TO STDOUT" .. with_text(checked)
  return {
    text = before .. table.concat(texts.shown) .. behind,
    sent = before .. table.concat(texts.sent) .. behind,
    place = placer(texts, #before),
  }, checked
end

return M
