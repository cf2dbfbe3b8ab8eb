local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local uv = require "luv"

-- A session without a terminal: what is typed, and what comes out.
local function session(input, ...)
  local options = { false, "-i", ... }
  options.stdin, options.limit = input, 20
  local result = process.run(options)
  assert.is_false(result.timed_out, result.stdout .. result.stderr)
  return result
end

describe("the REPL without a terminal", function()
  it("prints values, and nothing for statements", function()
    local result = session 'x = 20\nx + 1\n= x, nil\n"text"\n{ 1, a = { 2 } }\n'
    assert.equal("21\n20\nnil\ntext\n{ 1, a = { 2 } }\n", result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
  end)

  it("takes Lua of several lines", function()
    assert.equal("1\n2\n", session("for i = 1, 2 do\n  print(i)\nend\n").stdout)
    assert.equal("a\nb\n", session("[[a\nb]]\n").stdout)
  end)

  it("takes a last line that does not end", function()
    assert.equal("2\n", session("1 + 1").stdout)
    local result = session "for i = 1, 2 do"
    assert.truthy(result.stderr:find "expected near '<eof>'")
    assert.equal(1, result.status)
  end)

  it("goes on after errors, and tells them at the end", function()
    local result = session "error 'one'\nx = = 1\nerror({})\nnil + 1\nlocal x = 1; x()\n'last'\n"
    assert.equal("last\n", result.stdout)
    assert.truthy(result.stderr:find "one")
    assert.truthy(result.stderr:find "unexpected symbol")
    assert.equal(1, result.status)
  end)

  it("waits in lines, and runs tasks beside them", function()
    local result = session [[
covet.sleep(0.01)
task = covet.spawn(function() covet.sleep(0.01) return "joined" end)
task:join()
]]
    assert.equal("joined\n", result.stdout)
    assert.equal(0, result.status)
  end)

  it("runs SQL on db", function()
    local result = session("create table t (id integer primary key, name text);\n"
      .. "insert into t (name)\n  values ('a;'), ('b');\nselect *\nfrom t;\n", "sqlite::memory:")
    assert.equal("", result.stderr)
    local shown = "2 rows affected\nid | name\n---+-----\n 1 | a;\n 2 | b\n(2 rows)\n"
    assert.truthy(result.stdout:find(shown, 1, true), result.stdout)
  end)

  it("runs several statements of one line", function()
    local result = session("create table t (a); insert into t values (1); select a from t; select 2 as b;\n",
      "sqlite::memory:")
    assert.equal("", result.stderr)
    assert.equal("CREATE TABLE\n1 row affected\na\n-\n1\n(1 row)\nb\n-\n2\n(1 row)\n", result.stdout)
  end)

  it("shows objects by name and rows of any form", function()
    local result = session([[db
{ db:fetch_one { "select 1 as x, 'y' as y", rows = "record" } }
]], "sqlite::memory:")
    assert.truthy(result.stdout:find "^<[%w.]+>\n{ { x = 1, y = \"y\" } }\n$", result.stdout)
  end)

  it("shows rows of a call as a table", function()
    local result = session('db:fetch_all "select 1 as z, 2 as a"\n', "sqlite::memory:")
    assert.equal("z | a\n--+--\n1 | 2\n(1 row)\n", result.stdout)
  end)

  it("says that there is no database", function()
    local result = session "select 1;\n"
    assert.truthy(result.stderr:find("there is no database", 1, true))
    assert.is_nil(result.stderr:find "traceback")
  end)

  it("shows errors of SQL with their place", function()
    local result = session("select frm t;\nselect 1 as ok;\n", "sqlite::memory:")
    assert.truthy(result.stderr:find "%^" or result.stderr:find "frm", result.stderr)
    assert.truthy(result.stdout:find "ok")
  end)

  it("has lines with a dot", function()
    assert.truthy(session(".help\n").stdout:find "%.tables")
    assert.truthy(session(".timing\n1\n").stdout:find "%d ms\n")
    assert.equal("t\n", session("create table t (a);\n.tables\n", "sqlite::memory:").stdout:match "t\n$")
    assert.truthy(session(".nope\n").stderr:find "%.help")
    assert.equal("1\n", session("1\n.quit\n2\n").stdout)
  end)

  it("reads from a file", function()
    local path = tmp.file("1 + 1\n'two'\n", "input")
    local result = process.run { "sh", "-c", ("'%s' -i < '%s'"):format(process.covet, path), limit = 20 }
    assert.equal("2\ntwo\n", result.stdout)
  end)

  it("runs -e first, and says when the URL is wrong", function()
    assert.equal("5\n", session("x\n", "-e", "x = 5").stdout)
    local result = session("1\n", "sqlite:/no/such/folder/x.db")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find "/no/such/folder")
  end)

  it("keeps no history", function()
    local state = tmp.dir()
    process.run { false, "-i", stdin = "1\n", env = { XDG_STATE_HOME = state } }
    assert.is_nil(uv.fs_stat(state .. "/covet/history"))
  end)
end)

-- A session in a pseudo-terminal, which util-linux's `script` makes.
local Terminal = {}
Terminal.__index = Terminal

local function open_terminal(arguments, limit)
  local state = tmp.dir()
  -- exec: a shell in between would get the terminal's signals as well.
  local command = ("exec '%s' %s"):format(process.covet, arguments or "")
  local self = process.start {
    "script", "-qfec", command, "/dev/null", stdin = true,
    env = { XDG_STATE_HOME = state, TERM = "xterm", LC_ALL = "C.UTF-8" },
  }
  return setmetatable({ process = self, state = state, limit = limit or 10 }, Terminal)
end

function Terminal:expect(pattern)
  assert.truthy(self.process:expect(pattern, self.limit),
    ("no %s in: %s %s"):format(pattern, self.process:stdout(), self.process:stderr()))
end

function Terminal:type(keys)
  self.process:write(keys)
end

-- Ctrl-D at the prompt, and the end.
function Terminal:leave()
  self:type "\4"
  local result = self.process:wait(self.limit)
  assert.is_false(result.timed_out, result.stdout)
  return result
end

function Terminal:history()
  local file = assert(io.open(self.state .. "/covet/history"))
  local text = file:read "*a"
  file:close()
  return text
end

describe("the REPL in a terminal", function()
  it("prompts, prints and ends at Ctrl-D", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "40 + 2\n"
    terminal:expect "\n42\r?\n"
    assert.equal(0, terminal:leave().status)
  end)

  it("runs tasks while the prompt waits", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "covet.spawn(function() covet.sleep(0.1) print('from ' .. 'a task') end) return\n"
    terminal:type "half a line"
    terminal:expect "from a task\r?\n.*covet> half a line"
    terminal:type "\3"
    terminal:expect "%^C"
    assert.equal(0, terminal:leave().status)
  end)

  it("clears what was typed at Ctrl-C", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "for i = 1, 2 do\n"
    terminal:expect "%->"
    terminal:type "\3"
    terminal:expect "%^C.*covet> "
    terminal:type "6 * 7\n"
    terminal:expect "\n42\r?\n"
    assert.equal(0, terminal:leave().status)
  end)

  it("cancels the line that runs at Ctrl-C, and goes on", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "print('go' .. 'ing') covet.sleep(60)\n"
    terminal:expect "going"
    terminal:type "\3"
    terminal:expect "cancelled"
    terminal:type "6 * 7\n"
    terminal:expect "\n42\r?\n"
    assert.equal(0, terminal:leave().status)
  end)

  it("clears what was typed at SIGINT from elsewhere", function()
    local terminal = open_terminal "-e 'print(\"pid=\" .. require(\"luv\").os_getpid())' -i"
    terminal:expect "covet> "
    local pid = tonumber(terminal.process:stdout():match "pid=(%d+)")
    terminal:type "not run"
    terminal:expect "not run"
    uv.kill(pid, "sigint")
    terminal:expect "%^C"
    terminal:type "6 * 7\n"
    terminal:expect "\n42\r?\n"
    assert.equal(0, terminal:leave().status)
  end)

  it("completes names", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "string.rever\t('cba')\n"
    terminal:expect "\nabc\r?\n"
    terminal:type "string.re\t"
    terminal:expect "rep +reverse"
    terminal:type "\3"
    terminal:leave()
  end)

  it("completes tables of db in SQL", function()
    local terminal = open_terminal "sqlite::memory:"
    terminal:expect "covet> "
    terminal:type "create table airports (ident text);\n"
    terminal:expect "covet> .*covet> "
    terminal:type "select count(*) from air\t;\n"
    terminal:expect "%(1 row%)"
    assert.equal(0, terminal:leave().status)
  end)

  it("takes a key that comes in pieces, and text beyond ASCII", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "'ab'\27"
    uv.sleep(50)
    terminal:type "[D\27[Dc\5 .. 'é\208"
    uv.sleep(50)
    terminal:type "\182'\n"
    terminal:expect "\nacbéж\r?\n"
    assert.equal(0, terminal:leave().status)
  end)

  it("keeps a history without secrets, for the user alone", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "x = 'kept'\n"
    terminal:type "x = 'postgresql://me:hidden@host/db'\n"
    terminal:type "'an' .. 'swer'\n"
    terminal:expect "\nanswer\r?\n"
    terminal:leave()
    assert.equal("x = 'kept'\n'an' .. 'swer'\n", terminal:history())
    assert.equal(tonumber("600", 8), uv.fs_stat(terminal.state .. "/covet/history").mode % 512)
  end)

  it("goes back in the history", function()
    local terminal = open_terminal()
    terminal:expect "covet> "
    terminal:type "'one' .. 'two'\n"
    terminal:expect "\nonetwo\r?\n"
    terminal:type "\27[A .. 'three'\n"
    terminal:expect "\nonetwothree\r?\n"
    terminal:leave()
  end)

  it("gives the terminal back when a script ends the program", function()
    local terminal = open_terminal "-i"
    terminal:expect "covet> "
    terminal:type "os.exit(9)\n"
    local result = terminal.process:wait(10)
    assert.is_false(result.timed_out)
    assert.equal(9, result.status)
  end)
end)
