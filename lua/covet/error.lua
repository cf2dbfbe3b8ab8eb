--- The one error object of covet.
--
-- Everything that goes wrong raises a table of this class. Its fields are
-- data for programs; `tostring(err)` is a message for people: what happened,
-- in which phase, where in the SQL (line and caret), detail and hint. It never
-- shows a parameter's value: where a database quotes one in its own text
-- ("Duplicate entry 'x' for key ..."), `tostring` masks it, the fields do not.
-- A name in double quotes is shown where the SQL or a field has it too; what
-- else stands in them may be a value, unless the statement has no parameters.
-- MySQL quotes names and values alike: what is shown depends on the kind.
--
-- Fields: `kind`, `message`, `sqlstate`, `code` (native), `database`,
-- `detail`, `hint`, `constraint`, `table`, `column`, `position` (byte of `sql`,
-- from 1), `sql`, `phase`, `retry`, `cause`, `traceback`; besides, `where`
-- ("file:line") for mistakes of the caller, `parameters` (how many `sql` has)
-- and `others`, a list of what went wrong on the way out.
--
-- An error equals itself only: `pcall` hands out the very table that was
-- raised. Creating one costs a `setmetatable`; all formatting waits for
-- `tostring`.
-- @module covet.error

local byte, find, format = string.byte, string.find, string.format
local gsub, lower, max = string.gsub, string.lower, math.max
local rep, sub = string.rep, string.sub
local getinfo, traceback = debug.getinfo, debug.traceback

-- The longest piece of an SQL line that is shown, and how much of it may
-- stand in front of the caret.
local EXCERPT_WIDTH = 72
local EXCERPT_BEFORE = 48

-- What databases write around the values they complain about.
local MASKS = {
  { "(Duplicate entry )'.*'( for key)", "%1'...'%2" },
  { "(ncorrect [%w ]-value: )'.*'", "%1'...'" },
  { "(: )\".*\"$", "%1\"...\"" },
  { "(value )\".*\"( is out of range)", "%1\"...\"%2" },
  { "( is out of range in )'.*'", "%1'...'" },
  { "(Unknown thread id: ).*", "%1..." },
}

-- The kinds of MySQL's errors that quote names only, once the masks above are put
-- on: a set, name -> "always", or "direct" when a statement that the server has made
-- of values may be at fault (in a procedure that is called).
local NAMING = {
  unique_violation = "always", foreign_key_violation = "always",
  not_null_violation = "always", check_violation = "always",
  string_too_long = "always", numeric_out_of_range = "always",
  undefined_table = "direct", undefined_column = "direct",
  undefined_function = "direct", ambiguous_column = "direct",
  syntax_error = "direct", permission_denied = "direct",
}

local M = {}

--- A level for `raise` and `usage`: the first function outside of covet's own
-- files, however deep inside them the mistake is found. It costs a walk over
-- the stack, and only where there is a mistake.
M.CALLER = math.huge

--- All kinds of error, the same in every database: a set, name -> true.
-- @table KINDS
M.KINDS = {}

for kind in ([[
  unique_violation foreign_key_violation not_null_violation check_violation
  exclusion_violation serialization_failure deadlock lock_timeout syntax_error
  undefined_table undefined_column undefined_function ambiguous_column
  datatype_mismatch invalid_value numeric_out_of_range string_too_long
  division_by_zero permission_denied authentication_failed unknown_database
  read_only too_many_connections out_of_memory disk_full corrupt interrupted
  timeout cancelled connection_failed connection_lost commit_unknown
  transaction_aborted protocol_error tls_error unsupported pool_timeout
  pool_exhausted pool_closed breaker_open usage system database_error
]]):gmatch("%S+") do
  M.KINDS[kind] = true
end

local Error = { __name = "covet.error" }

-- Number of characters in a piece of UTF-8.
local function width(text)
  local _, count = gsub(text, "[^\128-\191]", "")
  return count
end

-- The line of `sql` that holds `position`: its number, first and last byte.
local function line_at(sql, position)
  local number, first = 1, 1
  local newline = find(sql, "\n", 1, true)
  while newline and newline < position do
    number, first = number + 1, newline + 1
    newline = find(sql, "\n", first, true)
  end
  return number, first, (newline or #sql + 1) - 1
end

-- The text around `position` in bytes first..last, cut to the excerpt's width
-- between characters; tabs and other control characters become blanks.
local function cut_around(sql, position, first, last)
  local from = max(first, position - EXCERPT_BEFORE)
  local before = sub(sql, from, position - 1)
  if from > first then
    before = "..." .. gsub(before, "^[\128-\191]+", "")
  end
  local to = position + EXCERPT_WIDTH - #before - 1
  local after = sub(sql, position, to < last and to or last)
  if to < last then
    if find(sub(sql, to + 1, to + 1), "[\128-\191]") then
      after = gsub(after, "[\192-\255]?[\128-\191]*$", "")
    end
    after = after .. "..."
  end
  return (gsub(before, "%c", " ")), (gsub(after, "%c", " "))
end

-- "line 2: the SQL", and below it a caret under byte `position`; nil when the
-- position is not within the text (its end included).
local function excerpt(sql, position)
  if type(sql) ~= "string" or type(position) ~= "number"
    or not (position >= 1 and position <= #sql + 1) or position % 1 ~= 0 then
    return nil
  end
  local number, first, last = line_at(sql, position)
  local before, after = cut_around(sql, position, first, last)
  local label = find(sql, "\n", 1, true) and format("line %d: ", number) or ""
  local shown = gsub(label .. before .. after, "%s+$", "")
  return shown, rep(" ", width(label .. before)) .. "^"
end

-- Whether what a database quotes is no value: a sign such as the "{" that it
-- expected, or a name. Complaints about values name nothing.
local function is_known(err, quoted)
  return find(quoted, "^%p?$") or err.kind ~= "invalid_value" and (
    quoted == err.constraint or quoted == err.table or quoted == err.column
      or find(lower(err.sql), lower(quoted), 1, true))
end

-- Whether the text is covet's own, which holds no values.
local function is_own(err)
  local code = err.code
  return code == nil or type(code) == "number" and code < 0
end

-- From the first unknown one on: a value may have quotes in it.
local function mask_quoted(text, err)
  if is_own(err) or type(err.sql) ~= "string" or err.parameters == 0 then
    return text
  end
  local from, to, quoted = find(text, '"([^"]*)"')
  while from do
    if not is_known(err, quoted) then
      return sub(text, 1, from) .. gsub(sub(text, from + 1), '.*"', '..."')
    end
    from, to, quoted = find(text, '"([^"]*)"', to + 1)
  end
  return text
end

-- Messages of other kinds that quote a name, and nothing else.
local NAMING_TEXTS = {
  "^Data truncated for column '[^']*' at row %d+$",
  "^The value specified for generated column '[^']*' in table",
  "^The value specified for generated column '[^']*' has been ignored$",
}

local function names_only(text)
  for _, pattern in ipairs(NAMING_TEXTS) do
    if find(text, pattern) then
      return true
    end
  end
  return false
end

-- From the first quote to the last, but for a variable's name and an apostrophe
-- ("can't").
local function mask_mysql(text, err)
  local naming = NAMING[err.kind]
  if is_own(err) or type(err.sql) ~= "string" or err.parameters == 0
    or naming == "always" or naming
      and not find(lower(err.sql), "%f[%w_]call%f[^%w_]")
    or names_only(text) then
    return text
  end
  local _, head = find(text, "^Variable '[%w_]+'")
  local from = find(text, "%f[%w_']'", (head or 0) + 1)
  return from and sub(text, 1, from) .. gsub(sub(text, from + 1), ".*'", "...'")
    or text
end

local function mask_message(message, err)
  for i = 1, #MASKS do
    message = gsub(message, MASKS[i][1], MASKS[i][2])
  end
  if err.database == "mysql" then
    message = mask_mysql(message, err)
  end
  return mask_quoted(message, err)
end

-- PostgreSQL's detail of a violated constraint shows the row's values:
-- "Key (email)=(a@b.c) already exists.", "Failing row contains (1, a)."
local function mask_detail(detail, err)
  if not find(tostring(err.kind), "_violation$") then
    return mask_quoted(detail, err)
  end
  if find(detail, "=(", 1, true) then
    return (gsub(detail, "=%(.*%)", "=(...)"))
  end
  return (gsub(detail, "%(.*%)", "(...)"))
end

-- "file:line: kind: message (in phase query)"
local function headline(err)
  local text = tostring(err.kind)
  if err.message ~= nil then
    text = text .. ": " .. mask_message(tostring(err.message), err)
  end
  if err.where ~= nil then
    text = tostring(err.where) .. ": " .. text
  end
  if err.phase ~= nil then
    text = text .. " (in phase " .. tostring(err.phase) .. ")"
  end
  return text
end

local function describe_cause(cause)
  if getmetatable(cause) == Error then
    return headline(cause)
  end
  return tostring(cause)
end

--- The message for people.
-- @treturn string
function Error:__tostring()
  local lines = { headline(self) }
  local shown, caret = excerpt(self.sql, self.position)
  if shown then
    lines[2] = "  " .. shown
    lines[3] = "  " .. caret
  end
  if self.detail ~= nil then
    local detail = mask_detail(tostring(self.detail), self)
    lines[#lines + 1] = "  detail: " .. detail
  end
  if self.hint ~= nil then
    lines[#lines + 1] = "  hint: " .. tostring(self.hint)
  end
  if self.cause ~= nil then
    lines[#lines + 1] = "  cause: " .. describe_cause(self.cause)
  end
  for _, other in ipairs(self.others or {}) do
    lines[#lines + 1] = "  also: " .. describe_cause(other)
  end
  return table.concat(lines, "\n")
end

--- An error joins a text as its message: `"could not load: " .. err`.
function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

local OWN_FOLDER = getinfo(1, "S").source:match "^(@.*)error%.lua$"

-- Whether a function is covet's, or C.
local function is_inner(info)
  return info.what == "C" or sub(info.source, 1, #OWN_FOLDER) == OWN_FOLDER
end

local function is_c(info)
  return info.what == "C"
end

-- "file:line" of the first Lua function at or above `level` (1: who called
-- the function that calls this; CALLER), or nil.
local function where(level)
  local is_skipped = level == M.CALLER and is_inner or is_c
  level = level == M.CALLER and 2 or level + 2
  local info = getinfo(level, "Sl")
  while info and (is_skipped(info) or info.currentline < 0) do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return info and info.short_src .. ":" .. info.currentline or nil
end

--- Make an error object of a table of fields.
-- @tparam table fields taken: it becomes the error. No `kind` means
-- "database_error".
-- @treturn table the error
function M.new(fields)
  if fields.kind == nil then
    fields.kind = "database_error"
  end
  return setmetatable(fields, Error)
end

--- Raise an error.
-- @tparam table fields taken, or an error object, raised as it is
-- @tparam[opt] number level whose "file:line" to note in `where`, counted as
-- for Lua's `error`, or `CALLER`; nothing is noted by default
function M.raise(fields, level)
  if level and fields.where == nil then
    fields.where = where(level)
  end
  error(M.with_traceback(M.new(fields)), 0)
end

--- Raise an error of kind "usage": a mistake of the caller.
-- Do not call it as a tail call, or `level` counts from one frame too high.
-- @tparam number level whose mistake it is, counted as for Lua's `error`:
-- 1 is the function that calls `usage`, 2 who called that; or `CALLER`
-- @tparam string fmt as for `string.format`
-- @param ... its arguments
function M.usage(level, fmt, ...)
  local message = select("#", ...) > 0 and format(fmt, ...) or fmt
  error(M.with_traceback(M.new {
    kind = "usage", message = message, where = where(level), retry = "no",
  }), 0)
end

--- Is `value` an error object of covet?
-- @param value anything
-- @treturn boolean
function M.is_error(value)
  return getmetatable(value) == Error
end

local function check_kind(kind)
  if not M.KINDS[kind] then
    M.usage(3, "unknown kind of error %s", format("%q", tostring(kind)))
  end
end

--- Note in an error what went wrong after it, while things were cleared up.
-- @param err
-- @param other anything that was raised
-- @treturn boolean false when `err` is no error object, and nothing was noted
function M.add(err, other)
  if not M.is_error(err) then
    return false
  elseif not rawequal(err, other) then
    err.others = err.others or {}
    err.others[#err.others + 1] = other
  end
  return true
end

--- Is `value` an error of this kind, or of one of these kinds?
-- A kind that does not exist raises: a misspelt one would never match.
-- @param value anything, for instance what `pcall` gave
-- @tparam string|table kind a kind, or a list of them
-- @tparam string ... more kinds
-- @treturn boolean
function M.is(value, kind, ...)
  local kinds = type(kind) == "table" and kind or { kind, ... }
  local actual = M.is_error(value) and value.kind
  local found = false
  for i = 1, max(#kinds, 1) do
    check_kind(kinds[i])
    found = found or kinds[i] == actual
  end
  return found
end

--- Note in an error where it was raised, unless that was noted before.
-- Fit to be the handler of `xpcall`. What is not an error object is handed
-- back unchanged.
-- @param value
-- @tparam[opt] thread co the coroutine that died of it; the running one by
-- default
-- @return `value`
function M.with_traceback(value, co)
  if M.is_error(value) and value.traceback == nil then
    local text = co and traceback(co) or traceback("", 2)
    value.traceback = byte(text) == 10 and sub(text, 2) or text
  end
  return value
end

return M
