local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

-- Run the command; the last argument may be a table of options for the process.
local function covet(...)
  local options = { false, ... }
  local last = options[#options]
  if type(last) == "table" then
    options[#options] = nil
    for key, value in pairs(last) do
      options[key] = value
    end
  end
  options.limit = options.limit or 20
  local result = process.run(options)
  assert.is_false(result.timed_out, "timed out: " .. result.stdout .. result.stderr)
  return result
end

local function assert_ends(status, result)
  assert.equal(status, result.status, "stdout: " .. result.stdout .. "\nstderr: " .. result.stderr)
  return result
end

-- The command fails with `status`, and says this (plain text) and no more than
-- is needed: never a traceback of the command's own Lua for a user's mistake.
local function assert_complains(status, text, result)
  assert_ends(status, result)
  assert.truthy(result.stderr:find(text, 1, true), result.stderr)
  return result
end

describe("covet SCRIPT", function()
  it("runs a script with its arguments", function()
    local path = tmp.file("print(..., #arg, arg[0], arg[1], arg[2])", "a.lua")
    local result = assert_ends(0, covet(path, "x", "-e"))
    assert.equal(("x\t-e\t2\t%s\tx\t-e\n"):format(path):gsub("^x\t%-e\t", "x\t"), result.stdout)
  end)

  it("passes options behind the script on as they are", function()
    local path = tmp.file("print(table.concat(arg, ' '))", "a.lua")
    local result = assert_ends(0, covet(path, "--help", "-v", "--", "-", ""))
    assert.equal("--help -v -- - \n", result.stdout)
  end)

  it("skips a first line with #", function()
    local path = tmp.file("#!/usr/bin/env covet\nerror('here')", "a.lua")
    assert_complains(1, "a.lua:2: here", covet(path))
    assert.equal("1\n", covet(tmp.file("#!covet\nprint(1)", "a.lua")).stdout)
  end)

  it("gives the global covet, which is the module", function()
    local result = assert_ends(0, covet("-e", "print(covet == require 'covet', type(covet.sleep))"))
    assert.equal("true\tfunction\n", result.stdout)
  end)

  it("lets the main chunk wait", function()
    local result = assert_ends(0, covet("-e", "covet.sleep(0.01) print 'after'"))
    assert.equal("after\n", result.stdout)
  end)

  it("runs a file that is called like a command when it has a path", function()
    local folder = tmp.dir()
    local file = assert(io.open(folder .. "/query", "w"))
    file:write "print 'a file'"
    file:close()
    assert.equal("a file\n", assert_ends(0, covet("./query", { cwd = folder })).stdout)
  end)

  it("finds covet's own modules before those of the folder", function()
    local folder = tmp.dir()
    local file = assert(io.open(folder .. "/covet.lua", "w"))
    file:write "error 'the wrong module'"
    file:close()
    assert_ends(0, covet("-e", "require 'covet'", { cwd = folder }))
  end)
end)

describe("covet -e, -m and -", function()
  it("run code, several times, before a script", function()
    local path = tmp.file("print(x, ...)", "a.lua")
    local result = assert_ends(0, covet("-e", "x = 1", "-e", "x = x + 1 return 7", path, "y"))
    assert.equal("2\ty\n", result.stdout)
    assert.equal("", assert_ends(0, covet("-e", "")).stdout)
    assert.equal("", assert_ends(0, covet("-e", "return 1 + 1")).stdout)
  end)

  it("run a module with its arguments", function()
    local folder = tmp.dir()
    local file = assert(io.open(folder .. "/job.lua", "w"))
    file:write "print(..., arg[1])"
    file:close()
    local result = assert_ends(0, covet("-m", "job", "-x", { cwd = folder }))
    assert.equal("-x\t-x\n", result.stdout)
    assert_complains(1, "module 'nothing.here' not found", covet("-m", "nothing.here"))
  end)

  it("run standard input", function()
    assert.equal("1\ta\n", covet("-", "a", { stdin = "print(1, ...)" }).stdout)
    assert.equal("2\n", covet({ stdin = "print(2)" }).stdout)
    assert_ends(0, covet("-", { stdin = "" }))
    assert_complains(1, "stdin:2:", covet("-", { stdin = "\nx = = 1" }))
  end)
end)

describe("options", function()
  it("tell versions", function()
    local result = assert_ends(0, covet "--version")
    assert.truthy(result.stdout:find "^covet %d+%.%d+%.%d+\nLuaJIT 2%.%d")
    assert.truthy(result.stdout:find "libuv %d+%.%d+")
    assert.truthy(result.stdout:find "SQLite 3%.%d+")
  end)

  it("tell how the command is used", function()
    for _, arguments in ipairs { { "--help" }, { "-h" }, { "query", "--help" } } do
      local result = assert_ends(0, covet(unpack(arguments)))
      assert.truthy(result.stdout:find "^Usage: covet")
      assert.equal("", result.stderr)
    end
  end)

  it("that do not exist are a mistake of usage", function()
    assert_complains(2, "unknown option '--nope'", covet "--nope")
    assert_complains(2, "-e", covet "-e")
    assert_complains(2, "-m", covet "-m")
    assert_complains(2, "unknown option '--nope'", covet("query", "--nope"))
    assert_complains(2, "SQL is missing", covet("query", "sqlite::memory:"))
    assert_complains(2, "--format", covet("query", "sqlite::memory:", "select 1", "--format", "xml"))
  end)

  it("of later versions say so", function()
    for _, name in ipairs { "copy", "migrate", "new", "top", "doctor" } do
      assert_complains(2, "not in this version", covet(name))
    end
  end)
end)

describe("a script that fails", function()
  local function fails(code, ...)
    local result = assert_complains(1, ..., covet(tmp.file(code, "bad.lua")))
    return result.stderr
  end

  it("does not load", function()
    assert.is_nil(fails("x = = 1", "bad.lua:1: unexpected symbol near '='"):find "traceback")
    assert_complains(1, "cannot open /no/such/script.lua: No such file", covet "/no/such/script.lua")
    assert_complains(1, "Is a directory", covet(tmp.dir()))
    assert_complains(1, "(command line):1:", covet("-e", "x = = 1"))
  end)

  it("shows message and traceback", function()
    local stderr = fails("local function f() error 'oh' end\nf()", "bad.lua:1: oh")
    assert.truthy(stderr:find "traceback")
    assert.truthy(stderr:find("bad.lua:2:", 1, true), stderr)
  end)

  it("raises what is no string", function()
    fails("error(setmetatable({}, { __tostring = function() return 'my error' end }))", "my error")
    fails("error({ code = 7 })", "table")
    fails("error()", "nil")
    fails("error(nil)", "nil")
    fails("error(42)", "42")
    fails("error(false)", "false")
    fails("error(setmetatable({}, { __tostring = function() error 'again' end }))", "table")
    fails("error(print)", "function")
  end)

  it("fails in a task that nobody joins", function()
    fails("covet.spawn(function() error 'alone' end) covet.sleep(0.01)", "alone")
  end)

  it("fails in a callback of luv, and goes on", function()
    local path = tmp.file([[
      local uv = require "luv"
      local timer = uv.new_timer()
      timer:start(1, 0, function() timer:close() error "in a callback" end)
      covet.sleep(0.05)
      print "still here"
    ]], "bad.lua")
    local result = assert_complains(1, "in a callback", covet(path))
    assert.truthy(result.stderr:find("bad.lua:3", 1, true), result.stderr)
    assert.equal("still here\n", result.stdout)
  end)

  it("exits with the status it asks for", function()
    assert_ends(7, covet("-e", "os.exit(7)"))
    assert_ends(0, covet("-e", "os.exit(true)"))
    assert_ends(1, covet("-e", "os.exit(false)"))
    assert.equal("text", assert_ends(3, covet("-e", "io.write 'text' os.exit(3)")).stdout)
  end)
end)

describe("a password in the arguments", function()
  it("reaches the script, and nobody else", function()
    local path = tmp.file("print(...) io.stdout:flush() covet.sleep(60)", "a.lua")
    local started = process.start {
      false, path, "postgresql://me:hid/d@en@host/db", "mysql://h/db?password=hidden&ssl=1", "a:b@c",
    }
    assert.truthy(started:expect "mysql.-\n")
    local file = assert(io.open(("/proc/%d/cmdline"):format(started.pid)))
    local line = file:read "*a"
    file:close()
    started:kill()
    local result = started:wait(10)
    assert.truthy(result.stdout:find("me:hid/d@en@host", 1, true))
    assert.is_nil(line:find "hid")
    assert.truthy(line:find("//me:********@host/db", 1, true), line)
    assert.truthy(line:find("password=******&ssl=1", 1, true), line)
    assert.truthy(line:find("a:b@c", 1, true), line)
  end)
end)

describe("luv in the command", function()
  it("shares the loop and walks over its own handles only", function()
    local result = assert_ends(0, covet("-e", [[
      local uv = require "uv"
      assert(uv == require "luv")
      local db = covet.sqlite ":memory:"
      db:execute "create table t (a)"
      local timer, count = uv.new_timer(), 0
      uv.walk(function(handle) if handle == timer then count = count + 1 end end)
      timer:close()
      db:disconnect()
      print(count, covet.await(uv.fs_stat, "/").type)
    ]]))
    assert.equal("1\tdirectory\n", result.stdout)
  end)

  it("may leave handles open", function()
    assert_ends(0, covet("-e", [[
      local uv = require "luv"
      keep = { uv.new_timer(), uv.new_async(function() end), uv.new_pipe(false) }
      keep[2]:unref()
      uv.new_timer()
    ]]))
  end)

  it("does not wait for a read that never ends", function()
    local started = process.start { false, "-e", [[
      local uv = require "luv"
      uv.fs_read(0, 100, -1, function() end)
      covet.sleep(0.1)
      os.exit(4)
    ]], stdin = true }
    local result = started:wait(10)
    assert.is_false(result.timed_out)
    assert.equal(4, result.status)
  end)
end)

describe("signals and pipes", function()
  local function interrupt(code)
    local started = process.start { false, "-e", "print 'ready' io.stdout:flush() " .. code }
    assert.truthy(started:expect "ready")
    started:kill "sigint"
    local result = started:wait(10)
    assert.is_false(result.timed_out, result.stderr)
    return result
  end

  it("end a script that waits, with status 130", function()
    assert_ends(130, interrupt "covet.sleep(60)")
  end)

  it("end a script that computes and never waits", function()
    local result = assert_ends(130, interrupt "while true do end")
    assert.truthy(result.stderr:find "interrupted")
  end)

  it("end a script that computes at SIGTERM, with status 143", function()
    local started = process.start { false, "-e", "print 'ready' io.stdout:flush() while true do end" }
    assert(started:expect "ready")
    started:kill "sigterm"
    local result = started:wait(10)
    assert.is_false(result.timed_out)
    assert.equal(143, result.status)
    assert.truthy(result.stderr:find "terminated")
  end)

  it("let a script clean up", function()
    local result = interrupt "local ok = pcall(covet.sleep, 60) print('clean', ok)"
    assert.truthy(result.stdout:find "clean\tfalse")
    assert_ends(130, result)
  end)

  it("are a script's own when it asks for them", function()
    local result = interrupt [[covet.on_signal("SIGINT", function() print "mine" os.exit(5) end)
      covet.sleep(60)]]
    assert.equal(5, result.status)
  end)

  it("do not end a script whose reader has gone", function()
    local path = tmp.path "done"
    local command = ([['%s' -e 'for i = 1, 100000 do print(i) end
      local file = io.open("%s", "w") file:write "all" file:close()' | head -1]]):format(process.covet, path)
    local result = process.run { "sh", "-c", command }
    assert.equal("1\n", result.stdout)
    assert.equal("", result.stderr)
    local file = assert(io.open(path))
    assert.equal("all", file:read "*a")
    file:close()
  end)

  it("take a script from an input that closes at once", function()
    local result = process.run { "sh", "-c", ("'%s' - <&-"):format(process.covet) }
    assert.is_true(result.status == 0 or result.status == 1)
    assert.is_false(result.timed_out)
  end)

  it("need neither output nor error output", function()
    local result = process.run { "sh", "-c", ("'%s' -e 'print(1) error(2)' >&- 2>&-"):format(process.covet) }
    assert.equal(1, result.status)
  end)
end)
