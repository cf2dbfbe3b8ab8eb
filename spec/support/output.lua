--- The results of a run of specs: counted, and printed file by file.
-- @module spec.support.output
local M = {}

local Output = {}
Output.__index = Output

--- Listen to a busted core.
-- @tparam table busted
-- @tparam[opt] string counts_path file that gets the counts at the end, and until
-- then the name of the test that runs
-- @treturn Output
function M.new(busted, counts_path)
  local self = setmetatable({
    busted = busted,
    counts_path = counts_path,
    passed = 0,
    failed = 0,
    skipped = 0,
    file = { passed = 0, failed = 0, skipped = 0 },
  }, Output)
  self:subscribe()
  return self
end

-- "describe describe it", without the file.
local function full_name(busted, element)
  local names = {}
  while element and element.descriptor ~= "file" and element.descriptor ~= "suite" do
    table.insert(names, 1, tostring(element.name or element.descriptor))
    element = busted.context.parent(element)
  end
  return table.concat(names, " ")
end

local function indent(text)
  return "    " .. tostring(text):gsub("\n", "\n    ")
end

function Output:write_counts(text)
  if self.counts_path then
    local file = assert(io.open(self.counts_path, "w"))
    file:write(text, "\n")
    file:close()
  end
end

-- A result is settled when the next test starts: what comes after its body
-- (after_each, the leak check) can still make it fail.
function Output:settle()
  local test = self.test
  if not test then
    return
  end
  self.test = nil
  local outcome = #test.messages > 0 and "failed" or test.status == "pending" and "skipped" or "passed"
  self[outcome] = self[outcome] + 1
  self.file[outcome] = self.file[outcome] + 1
  if outcome == "failed" then
    io.write("  FAILED  ", test.name, "\n", indent(table.concat(test.messages, "\n")), "\n")
  elseif outcome == "skipped" then
    io.write("  skipped ", test.name, test.reason and ": " .. test.reason or "", "\n")
  end
end

--- Count something outside any test as failed.
-- @tparam string name
-- @tparam string message
function Output:fail(name, message)
  self:settle()
  self.test = { name = name, status = "error", messages = { message } }
  self:settle()
end

--- Add a failure to the test that has just run.
-- @tparam string message
function Output:fail_test(message)
  if self.test then
    table.insert(self.test.messages, message)
  else
    self:fail("outside of a test", message)
  end
end

-- Frames of busted, of luassert and of the functions that raise.
local function is_noise(line)
  return line:find("/luassert/", 1, true) or line:find("/busted/", 1, true)
    or line:find("[builtin#", 1, true) or line:find("%[C%]: in function '%a+'")
end

--- Keep the traceback of a failure that is about to be reported.
-- Only the frames of the test and of what it called are kept.
-- @tparam string traceback
function Output:note_trace(traceback)
  local lines = {}
  for line in traceback:gmatch("[^\n]+") do
    if line:find("in function 'xpcall'", 1, true) then
      break
    end
    if not is_noise(line) then
      lines[#lines + 1] = line
    end
  end
  self.trace = lines[2] and table.concat(lines, "\n")
end

function Output:on_trouble(element, message, trace)
  -- busted puts the runner's own line in front of errors that are objects.
  local text = tostring(message):gsub("^%S*spec/run%.lua:%d+: ", "")
  local frames = self.trace or trace and trace.traceback or ""
  self.trace = nil
  if frames ~= "" then
    text = text .. "\n" .. frames:gsub("^%s+", ""):gsub("%s+$", "")
  end
  if element.descriptor == "it" or (self.test and element.descriptor:match("_each$")) then
    self:fail_test(text)
  else
    local name = full_name(self.busted, element)
    self:fail(element.descriptor .. " " .. (name ~= "" and name or tostring(element.name)), text)
  end
end

function Output:on_test_start(element)
  self:settle()
  self.trace = nil
  self.test = { name = full_name(self.busted, element), messages = {} }
  self:write_counts("running: " .. self.test.name)
end

function Output:on_file_end(file)
  self:settle()
  local counts = self.file
  io.write(("%4d passed%s%s  %6.2f s  %s\n"):format(counts.passed,
    counts.failed > 0 and (", %d failed"):format(counts.failed) or "",
    counts.skipped > 0 and (", %d skipped"):format(counts.skipped) or "",
    self.busted.monotime() - self.file_start, file.name))
  io.flush()
end

function Output:subscribe()
  local function on(channel, handler)
    self.busted.subscribe(channel, function(...)
      handler(...)
      return nil, true
    end)
  end
  on({ "file", "start" }, function()
    self.file = { passed = 0, failed = 0, skipped = 0 }
    self.file_start = self.busted.monotime()
  end)
  on({ "file", "end" }, function(file)
    self:on_file_end(file)
  end)
  on({ "test", "start" }, function(element)
    self:on_test_start(element)
  end)
  on({ "test", "end" }, function(_, _, status)
    if self.test then
      self.test.status = status
    end
  end)
  on({ "pending" }, function(_, _, message)
    self.trace = nil
    if self.test then
      self.test.reason = message and tostring(message):gsub("^[^\n]-:%d+: ", "")
    end
  end)
  for _, trouble in ipairs { "failure", "error" } do
    on({ trouble }, function(element, _, message, trace)
      self:on_trouble(element, message, trace)
    end)
  end
end

--- Print the sum and write the counts.
-- @treturn boolean whether nothing failed
function Output:finish()
  self:settle()
  io.write(("%d passed, %d failed%s\n"):format(self.passed, self.failed,
    self.skipped > 0 and (", %d skipped"):format(self.skipped) or ""))
  self:write_counts(("counts: %d %d %d"):format(self.passed, self.failed, self.skipped))
  return self.failed == 0
end

return M
