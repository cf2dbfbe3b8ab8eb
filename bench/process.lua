--- Other programs: run to their end, one at a time.
-- @module bench.process

local M = {}

local LIMIT = 600 -- seconds that one measurement may take

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

--- Run a command.
-- @tparam {string,...} words
-- @treturn string|nil the last line that it printed; nil if it failed
-- @treturn string why
function M.try(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  local command = table.concat(quoted, " ")
  -- Lua 5.1's popen does not tell the exit status, so the shell adds it.
  local pipe = assert(io.popen(("timeout -k 5 %d %s; printf '\\n%%s' \"$?\"")
    :format(LIMIT, command)))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.-)%s*(%d+)$"
  if status ~= "0" then
    return nil, ("%s: status %s"):format(command, status or "unknown")
  end
  return text:match "[^\n]*$"
end

--- The same; a failure ends this program.
-- @tparam {string,...} words
-- @treturn string the last line
function M.run(words)
  local line, why = M.try(words)
  if not line then M.fail("%s", why) end
  return line
end

--- Say what is wrong and exit with status 1.
-- @tparam string format
-- @param ...
function M.fail(format, ...)
  io.stderr:write(format:format(...), "\n")
  os.exit(1)
end

return M
