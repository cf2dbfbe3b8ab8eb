--- Errors that no one waits for, told on stderr.
--
-- A task that failed may be joined as long as anyone holds it. So its error is
-- told when it is collected, or when the program ends: a failure that nobody has
-- asked for, and nobody can ask for any more. After a failure the collector is
-- driven in small steps, for where little happens it would come late.
-- @module covet.task.report

local park = require "covet.task.park"
local trace = require "covet.task.trace"

-- A step of the collector, its pause, and the cycles in which a task that nobody
-- holds is found: the one under way may have passed it.
local STEP_KB, PAUSE, CYCLES = 500, 0.01, 2

local M = {
  --- Errors that were told.
  count = 0,
}

-- What is to be told of tasks that failed and may be joined yet: notes, each with
-- the task's `id` and the `text`. A finalizer sees the note, not the task: that
-- would bring back to life what was collected with it.
local notes = {}

local collector = { slot = false }
local cycles = 0 -- that the collector is driven through yet

--- Write a line for the user; a host may put its own function here.
-- @tparam string text
function M.say(text)
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

-- Whether the collector was stopped on purpose. Builds of LuaJIT that cannot say
-- that are taken to run it.
local function is_stopped()
  local fine, running = pcall(collectgarbage, "isrunning")
  return fine and not running
end

function collector:on_due()
  if next(notes) == nil or is_stopped() then -- nearly always all were joined
    cycles = 0
  elseif collectgarbage("step", STEP_KB) then
    cycles = cycles - 1
  end
  if cycles > 0 then
    park.host.alarm(self, PAUSE, false)
  end
end

local function drive_collector()
  local is_driven = cycles > 0
  cycles = CYCLES
  if not is_driven then
    park.host.alarm(collector, PAUSE, false)
  end
end

local function tell(note)
  if notes[note] then
    notes[note] = nil
    M.count = M.count + 1
    M.say(note.text)
  end
end

--- A task has failed: see that its error is not lost.
-- @tparam table task
function M.watch(task)
  local note = { id = task.id, text = trace.report(task) }
  local witness = newproxy(true)
  getmetatable(witness).__gc = function()
    tell(note)
  end
  task.witness, task.note, notes[note] = witness, note, true
  drive_collector()
end

--- Tell the error of a task now.
-- @tparam table task
function M.tell(task)
  if task.note then
    tell(task.note)
  end
end

--- Its error has come to someone who joined it.
-- @tparam table task
function M.joined(task)
  if task.note then
    notes[task.note] = nil
  end
end

--- The program ends: tell what nobody has joined.
function M.flush()
  local list = {}
  for note in pairs(notes) do
    list[#list + 1] = note
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  for _, note in ipairs(list) do
    tell(note)
  end
end

--- An error in a callback of luv.
-- @param err
function M.callback_failed(err)
  M.count = M.count + 1
  M.say("covet: error in a callback: " .. trace.describe(err))
end

return M
