--- What the words of a statement say: its keyword, the verb behind the common
-- table expressions, whether it is temporary or returns what it inserts, and where the body of a trigger
-- or routine ends.
--
-- The scanner hands in each word (upper-case, with the position behind it) as
-- long as `scan.on_word` is set; every function here may put another one in
-- its place, or nil when no word matters until the statement ends.
-- @module covet.sql.words

local find, match, upper = string.find, string.match, string.upper

local function set(names)
  local members = {}
  for name in names:gmatch("%S+") do
    members[name] = true
  end
  return members
end

local VERBS = set "SELECT INSERT UPDATE DELETE REPLACE MERGE VALUES TABLE"
local TEMPORARY = set "TEMP TEMPORARY"
-- Begin or end a transaction, or a part of one.
local CONTROL = set "BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE"
-- May stand between CREATE and the kind of thing that is made.
local MODIFIERS = set [[
  OR REPLACE TEMP TEMPORARY GLOBAL LOCAL UNLOGGED UNIQUE FULLTEXT SPATIAL
  VIRTUAL MATERIALIZED RECURSIVE CONSTRAINT TRUSTED PROCEDURAL AGGREGATE
  ALGORITHM UNDEFINED MERGE TEMPTABLE SQL SECURITY INVOKER
]]
-- Things whose definition may hold statements.
local ROUTINES = set "TRIGGER FUNCTION PROCEDURE EVENT PACKAGE RULE"
local VIEW = set "VIEW SQL"
-- What an END in front of it closes is no block of statements.
local INNER_ENDS = set "IF CASE LOOP WHILE REPEAT FOR"

local M = {}

local function is_first(scan)
  return scan.statements == 1
end

-- Within BEGIN ... END: `depth` counts blocks. An END closes one only where a
-- statement could start (behind `;` or BEGIN), so that CASE ... END and
-- columns called "end" do not count.
local function in_block(scan, word, behind)
  if word == "END" and scan.edge then
    local inner = match(scan.text, "^%s*(%a+)", behind)
    if not (inner and INNER_ENDS[upper(inner)]) then
      scan.depth = scan.depth - 1
    end
  elseif word == "BEGIN" and scan.dialect.nested_blocks
    and not find(scan.text, "^%s*[=,.)<>;]", behind) then
    scan.depth = scan.depth + 1
    scan.edge = true
    return
  end
  scan.edge = false
end

local function before_block(scan, word)
  if word == "BEGIN" and not scan.qualified then
    scan.depth, scan.edge = 1, true
    scan.on_word = in_block
  end
end

-- Within an INSERT, up to its end.
local function note_returning(scan, word)
  if word == "RETURNING" and scan.parentheses == 0 then
    scan.returning = scan.returning or is_first(scan)
    scan.on_word = nil
  end
end

-- What is looked for behind the verb of a statement.
local function behind_verb(verb)
  return (verb == "INSERT" or verb == "REPLACE") and note_returning or nil
end

local function name_second(scan, word)
  if is_first(scan) and scan.second == nil then
    scan.second = word
  end
  scan.on_word = behind_verb(scan.verb)
end

local function after_create(scan, word)
  if TEMPORARY[word] then
    scan.temporary = true
  end
  if word == "DEFINER" then
    scan.definer = true
  elseif scan.definer and not (ROUTINES[word] or VIEW[word]) then
    return -- a part of the definer's name
  elseif not MODIFIERS[word] then
    name_second(scan, word)
    scan.on_word = ROUTINES[word] and before_block or nil
  end
end

-- Between WITH and the main statement, whose verb stands outside parentheses.
local function after_with(scan, word, behind)
  if is_first(scan) and scan.second == nil then
    scan.second = word
  end
  if scan.parentheses == 0 and VERBS[word]
    and not find(scan.text, "^%s+[aA][sS]%f[^%w_]", behind) then
    if is_first(scan) then
      scan.verb = word
    end
    scan.on_word = behind_verb(word)
  end
end

--- The first word of a statement.
-- @tparam table scan
-- @tparam string word
function M.first(scan, word)
  if is_first(scan) then
    scan.keyword = word
    scan.verb = word ~= "WITH" and word or nil
  end
  if CONTROL[word] or scan.dialect.control[word] then
    scan.control = scan.control or word
  end
  scan.definer = false
  scan.on_word = word == "CREATE" and after_create
    or word == "WITH" and after_with
    or word == "EXPLAIN" and M.after_explain
    or name_second
end

--- The word behind EXPLAIN: what is explained may be a routine with a body.
-- @tparam table scan
-- @tparam string word
function M.after_explain(scan, word)
  name_second(scan, word)
  if word == "CREATE" then
    scan.on_word = after_create
    return
  end
  scan.on_word = (word == "QUERY" or word == "PLAN") and M.after_explain or nil
end

--- Is the scanner within the definition of a trigger or routine? No parameter
-- can stand there.
-- @tparam table scan
-- @treturn boolean
function M.in_routine(scan)
  return scan.on_word == in_block or scan.on_word == before_block
end

return M
