--- Run specs: `build/covet spec/run.lua [--filter PATTERN] [file or folder...]`.
-- busted inside the `covet` command: the main chunk is a task, so that the
-- bodies of tests may wait. Each test has a time limit and must give back what
-- it opened. Environment: COVET_SPEC_LIMIT (seconds a test may take),
-- COVET_SPEC_COUNTS (file for the counts), COVET_SPEC_TMP (folder for
-- temporary files, build/tmp).
local script = arg and arg[0] or "spec/run.lua"
local root = script:match("^(.*)/spec/[^/]*$") or "."
package.path = root .. "/?.lua;" .. package.path

local leaks = require "spec.support.leaks"
local mysql = require "spec.support.mysql"
local output = require "spec.support.output"
local postgresql = require "spec.support.postgresql"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local wait = require "spec.support.wait"

local LIMIT = tonumber(os.getenv("COVET_SPEC_LIMIT")) or 120
local USAGE = "usage: covet spec/run.lua [--filter PATTERN] [file or folder...]\n"

local function parse_arguments(list)
  local paths, filters = {}, {}
  local i = 1
  while list[i] do
    if list[i] == "--filter" and list[i + 1] then
      i = i + 1
      filters[#filters + 1] = list[i]
    elseif list[i]:sub(1, 1) == "-" then
      io.stderr:write(USAGE)
      os.exit(2)
    else
      paths[#paths + 1] = list[i]
    end
    i = i + 1
  end
  if #paths == 0 then
    paths[1] = root .. "/spec"
  end
  return paths, filters
end

-- busted gives each file its own copy of every module. covet's modules are one
-- scheduler and one binding: they must stay the same for all.
local function new_busted(filters)
  local busted = require "busted.core"()
  require "busted"(busted)
  busted.register("file", "file", {})
  require "busted.modules.filter_loader"() (busted, {
    tags = {}, excludeTags = {}, filter = filters, filterOut = {},
  })
  return busted
end

-- The body of each test runs under the time limit. Its traceback is taken where
-- it fails: outside of the limit's scope it would be too late.
local function limit_tests(busted, results)
  local covet = wait.covet
  if not covet or not covet.timeout then
    return
  end
  local function note_trace(err)
    results:note_trace(debug.traceback("", 2))
    return err
  end
  busted.subscribe({ "test", "start" }, function(element)
    local body = element.run
    if element.descriptor == "it" then
      element.run = function()
        local ok, err = covet.timeout(LIMIT, xpcall, body, note_trace)
        if not ok then
          error(err, 0)
        end
      end
    end
    return nil, true
  end)
end

-- The outermost before_each and after_each: they see what is open before the
-- file's own have run, and after.
local function check_leaks(busted, results)
  local before, before_file, found
  busted.executors.before_each(function()
    results:settle()
    before = leaks.snapshot()
  end)
  busted.executors.after_each(function()
    local left = not leaks.was_kept() and leaks.check(before)
    if left then
      found = true
      results:fail_test("leak: " .. left)
    end
  end)
  busted.subscribe({ "file", "start" }, function()
    before_file, found = leaks.snapshot(), false
    return nil, true
  end)
  -- Before the line of results is printed. What a test was blamed for already
  -- is not told again.
  busted.subscribe({ "file", "end" }, function(file)
    local left = not found and leaks.check(before_file)
    if left then
      results:fail(file.name, "leak of the file as a whole: " .. left)
    end
    return nil, true
  end, { priority = 1 })
end

-- What is made once and kept: luv's threads, the loop's descriptors for
-- streams and child processes.
local function warm_up()
  local uv = require "luv"
  local done = false
  uv.fs_stat("/", function()
    done = true
  end)
  wait.until_true(function()
    return done
  end, 1)
  process.run { "true" }
end

local function main(...)
  local paths, filters = parse_arguments { ... }
  local busted = new_busted(filters)
  local results = output.new(busted, os.getenv("COVET_SPEC_COUNTS"))
  warm_up()
  limit_tests(busted, results)
  check_leaks(busted, results)
  local load_files = require "busted.modules.test_file_loader"(busted, { "lua" })
  load_files(paths, { "_spec%.lua$" }, { excludes = {}, recursive = true })
  require "busted.execute"(busted)(1, {})
  local good = results:finish()
  mysql.clean()
  postgresql.clean()
  tmp.clean()
  io.flush()
  -- What leaked may not survive the closing of the state; what did not must.
  os.exit(good and 0 or 1, good)
end

main(...)
