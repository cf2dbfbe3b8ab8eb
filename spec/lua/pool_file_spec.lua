-- Files of pools: what they may do, what they make, what they are refused for.
local covet = require "covet"
local errors = require "covet.error"
local fails = require "spec.support.fails"
local place = require "covet.pool.place"
local sandbox = require "covet.pool.sandbox"
local tmp = require "spec.support.tmp"

-- The error for a file with this text, without the folder in its place.
local function fault(text, kind)
  local path = tmp.file(text, "pools.lua")
  local err = fails(kind or "usage", covet.pools, path)
  assert.equal(path, err.where:sub(1, #path), tostring(err))
  return err.message, "pools.lua" .. err.where:sub(#path + 1)
end

local function refuses(text, message, where)
  local actual, at = fault(text)
  assert.equal(message, actual)
  assert.equal(where, at)
end

describe("a file of pools", function()
  it("makes adapters that connect when they are used", function()
    local folder = tmp.dir()
    local path = tmp.file(([[
      local folder = %q
      return {
        users_db = { url = "sqlite:" .. folder .. "/users.db", preset = "worker",
          acquire_timeout = seconds(3), busy_timeout = minutes(0.05) },
        analytics = { adapter = "sqlite", path = folder .. "/a.db",
          preset = preset "pipeline", max_size = 30, readers = 2 },
      }]]):format(folder), "pools.lua")
    local pools = covet.pools(path)
    local uv = require "luv"
    assert.is_nil(uv.fs_stat(folder .. "/users.db"))
    assert.equal("users_db", pools.users_db.name)
    assert.equal(3, pools.users_db.acquire_timeout)
    pools.users_db:execute "create table t (n integer)"
    assert.equal(1, pools.users_db:execute("insert into t values (?)", 7)
      .affected_rows)
    assert.equal(7, pools.users_db:fetch_value "select n from t")
    assert.equal(5, pools.analytics:fetch_value "select 2 + 3")
    assert.is_not_nil(uv.fs_stat(folder .. "/users.db"))

    local names = {}
    for name, pool in pairs(pools) do
      names[#names + 1] = name
      assert.is_function(pool.fetch_all)
    end
    table.sort(names)
    assert.same({ "analytics", "users_db" }, names)

    local summary = pools:get_health_summary()
    assert.equal(2, summary.total_pools)
    assert.equal(2, summary.healthy_pools)
    assert.is_true(summary.pools.users_db.healthy)
    assert.is_true(pools:get_stats().users_db.queries > 0)
    pools:close_all { timeout = 2 }
    assert.equal(0, pools:get_health_summary().total_pools)
    assert.equal(0, pools.users_db:get_pool_stats().size)
  end)

  it("reads the environment", function()
    local uv = require "luv"
    uv.os_setenv("COVET_SPEC_URL", "sqlite::memory:")
    local pools = covet.pools(tmp.file([[return {
      a = { url = env "COVET_SPEC_URL" },
      b = { url = env("COVET_SPEC_NONE", "sqlite::memory:") },
      c = { url = env("COVET_SPEC_URL", "none") } }]], "pools.lua"))
    uv.os_unsetenv "COVET_SPEC_URL"
    assert.equal(1, pools.a:fetch_value "select 1")
    assert.equal(2, pools.b:fetch_value "select 2")
    assert.equal(3, pools.c:fetch_value "select 3")
    pools:close_all()
    refuses("return {\n  a = { url = env 'COVET_SPEC_NONE' } }",
      'the environment variable COVET_SPEC_NONE is not set, and '
        .. 'env("COVET_SPEC_NONE") has no default', "pools.lua:2")
    refuses("local x = env()", "env(name[, default]): expected string, got nil",
      "pools.lua:1")
  end)

  it("has units", function()
    assert.same({ 2, 120, 7200, 172800, 2048, 2 * 1024 ^ 2, 1024 ^ 3 / 2 },
      sandbox.run("return { s(2), m(2), 7200, 172800, 2048, 2 * 1024 ^ 2, "
        .. "1024 ^ 3 / 2 }", "x", { s = function(n) return n end,
        m = function(n) return n * 60 end }))
    local pools = covet.pools(tmp.file([[
      assert(seconds(2) == 2 and minutes(2) == 120 and hours(2) == 7200)
      assert(days(2) == 172800 and kb(2) == 2048 and mb(2) == 2097152)
      assert(gb(0.5) == 536870912)
      return {}]], "pools.lua"))
    assert.is_nil((next(pools)))
    pools = covet.pools(tmp.file([[return { a = (function()
      local x = 1 local x = x + 1
      return { url = "sqlite::memory:", readers = x } end)() }]], "pools.lua"))
    assert.equal(2, pools.a.options.readers)
    refuses("local a = 1\nreturn { a = { idle_timeout = minutes '5' } }",
      "minutes(n): expected number, got string", "pools.lua:2")
  end)

  it("is told of mistakes at the line of the option", function()
    local head = "-- a = {}\nlocal text = [[ a = { max_sise ]]\nreturn {\n"
    for _, case in ipairs {
      { "a = { url = 'sqlite:x', max_sise = 3 } }",
        'a: unknown option "max_sise", did you mean "max_size"?', 4 },
      { "a = {\n url = 'sqlite:x',\n busy_timout = 3 } }",
        'a: unknown option "busy_timout", did you mean "busy_timeout"?', 6 },
      { "a = {\n url = 'sqlite:x',\n busy_timeout = '3' } }",
        'a: option "busy_timeout": expected seconds, got string', 6 },
      { "b = { url = 'sqlite:y',\n max_size = 3 },\n"
        .. "['a'] = { url = 'sqlite:x',\n max_size = 0 } }",
        'a: option "max_size" must be from 1 to 65535', 7 },
      { "a = { url = 'sqlite:x',\n retry = {\n attemps = 3 } } }",
        'a: unknown option "retry.attemps", did you mean "attempts"?', 6 },
      { "a = { url = 'sqlite:x', max_size = 3, \n\n min_size = 4 } }",
        "a: min_size (4) is larger than max_size (3)", 6 },
      { "a = { url = 'sqlite:x',\n preset = 'wbe' } }",
        'a: there is no preset "wbe", did you mean "web"?', 5 },
      { "a = { url = 'sqlite:x',\n journal_mode = 'wall' } }",
        "a: option journal_mode cannot be 'wall'", 5 },
      { "a = {\n} }",
        'a: option "url" is required, or "adapter" ("sqlite")', 4 },
      { "a = {\n url = 7 } }",
        'a: option "url": expected a URL such as sqlite:app.db, got number', 5 },
      { "a = { url = 'oracle:x' } }", 'a: there is no database "oracle"; there '
        .. "are sqlite, postgresql and mysql", 4 },
      { "\n\na = 'sqlite:x' }",
        "a: expected a table such as { url = ... }, got string", 6 },
      { "close_all = {} }",
        "close_all: a pool cannot have this name, it is a method's", 4 },
    } do
      refuses(head .. case[1], case[2], "pools.lua:" .. case[3])
    end
    refuses("local b = { a = { max_sise = 1 } }\nlocal a = { max_sise = 1 }\n"
      .. "local function f() return { a = { max_sise = 1 } } end\nreturn {\n"
      .. "a = { url = 'sqlite:x',\nmax_sise = 1 } }",
      'a: unknown option "max_sise", did you mean "max_size"?', "pools.lua:6")
    refuses("local a = { url = 'sqlite:x',\nmax_sise = 1 }\nreturn { a = a }",
      'a: unknown option "max_sise", did you mean "max_size"?', "pools.lua:3")
    refuses("return {\na = { url = 'sqlite:x' },\nb = { a = 1, url = 'sqlite:y' "
      .. "},\n['a'] = { url = 'sqlite:z' } }",
      "a: there is a pool of this name above", "pools.lua:4")
    refuses("return { 'sqlite:x' }", "pools have names: { users_db = { url = ... "
      .. "} }, not a number", "pools.lua")
    refuses("local t = {}\nt[('a'):rep(2)] = 5\nreturn t",
      "aa: expected a table such as { url = ... }, got number", "pools.lua")
  end)

  it("has to be Lua that returns a table", function()
    refuses("return {\n  a = {\n}", "'}' expected (to close '{' at line 1) near "
      .. "'<eof>'", "pools.lua:3")
    refuses("return", "the file has to return a table of pools, not nothing",
      "pools.lua")
    refuses("return 'x'", "the file has to return a table of pools, not string",
      "pools.lua")
    refuses(string.dump(function() return {} end),
      "this is bytecode: only source is run here", "pools.lua")
    local err = fails("usage", covet.pools, tmp.dir() .. "/none.lua")
    assert.matches("none.lua: No such file", err.message)
    assert.matches("spec/support/fails.lua:%d+$", err.where) -- who called it
    assert.matches("Is a directory", fails("usage", covet.pools, tmp.dir()).message)
    assert.matches("path of a file, not nil", fails("usage", covet.pools).message)
    assert.matches("NUL", fails("usage", covet.pools, "a\0b").message)
  end)

  it("comes to an end", function()
    local endless = "it does not come to an end: a million instructions were not "
      .. "enough"
    refuses("\nwhile true do end", endless, "pools.lua:2")
    refuses("\nlocal function f() return f() end\nreturn f()", endless,
      "pools.lua:2")
    refuses("\nfor i = 1, 1e9 do end", endless, "pools.lua:2")
    refuses("table.sort({ 1, 2, 3 }, function()\n while true do end end)",
      endless, "pools.lua:2")
    refuses("local s = ('x'):rep(9):gsub('x', function()\n while true do end end)",
      endless, "pools.lua:2")
    refuses("local function f()\n return 1 + f() end\nreturn f()",
      "stack overflow", "pools.lua:2")
    refuses("local s = 'xxxx'\nwhile true do s = s .. s end",
      "it needs more than 64 MB of memory", "pools.lua:2")
    refuses("\nlocal s = ('x'):rep(1e9)",
      "string.rep: the result would be longer than 1 MB", "pools.lua:2")
  end)

  it("runs in a sandbox", function()
    for _, name in ipairs { "os", "io", "debug", "require", "load", "loadstring",
      "dofile", "loadfile", "getfenv", "setfenv", "getmetatable", "setmetatable",
      "rawset", "rawget", "pcall", "coroutine", "jit", "package", "_G", "covet",
      "collectgarbage", "newproxy", "print", "arg" } do
      refuses("\nlocal x = " .. name, ("there is no %q here"):format(name),
        "pools.lua:2")
    end
    refuses("x = 1", '"x": a global cannot be set here, write local',
      "pools.lua:1")
    for _, name in ipairs { "string.dump", "table.foreach", "math.randomseed",
      "('').dump" } do
      assert.is_nil(sandbox.run("return " .. name, "x", {}), name)
    end
    assert.same({ "B", 3, "a,b" }, sandbox.run("return { ('b'):upper(), "
      .. "math.max(1, 3), table.concat({ 'a', 'b' }, ',') }", "x", {}))
  end)

  it("leaves nothing behind in the libraries", function()
    sandbox.run("string.upper = nil; math.pi = 3; table.x = 1", "x", {})
    fails("usage", sandbox.run, "string.rep = nil\nerror 'x'", "x", {})
    assert.equal("A", ("a"):upper())
    assert.equal(string, getmetatable("").__index)
    assert.is_true(math.pi > 3.1)
    assert.is_nil(rawget(table, "x"))
    assert.is_nil(debug.gethook())
    assert.equal("BB", sandbox.run("return ('b'):upper():rep(2)", "x", {}))
  end)

  it("keeps a debugger's hook", function()
    local count = 0
    local function hook() count = count + 1 end
    debug.sethook(hook, "", 1000000)
    sandbox.run("return 1", "x", {})
    fails("usage", sandbox.run, "error 'x'", "x", {})
    local now, mask, every = debug.gethook()
    debug.sethook()
    assert.equal(hook, now)
    assert.same({ "", 1000000 }, { mask, every })
  end)

  it("tells what the file itself raises", function()
    refuses("\n\nerror 'no luck'", "no luck", "pools.lua:3")
    refuses("\n\nassert(false, 'no luck')", "no luck", "pools.lua:3")
    refuses("\nerror {}", "error object is a table value", "pools.lua:2")
    refuses("\nlocal x = nil + 1",
      "attempt to perform arithmetic on a nil value", "pools.lua:2")
  end)

  it("never shows a password", function()
    for text, kind in pairs {
      ["return { a = { url = 'postgresql://u:hunter2@h/db', nonsense = 1 } }"] = "usage",
      ["return { a = { url = 'oracle://u:hunter2@h/db' } }"] = "usage",
      ["return { a = { url = 'sqlite://u:hunter2@h/db?readers=x' } }"] = "usage",
      ["return { a = { url = 'hunter2' } }"] = "usage",
      ["return { a = 'postgresql://u:hunter2@h/db' }"] = "usage",
      ["local x = 5 'postgresql://u:hunter2@h/db'"] = "usage",
      ["error 'postgresql://u:hunter2@p@h/db'"] = "usage",
      ["return { a = { url = 'mysql://u:hunter2@h/db', passwort = 'hunter2' } }"] = "usage",
      ["return { a = { url = 'sqlite:x', password = 'hunter2' } }"] = "usage",
    } do
      local path = tmp.file(text, "pools.lua")
      local err = fails(kind, covet.pools, path)
      assert.is_nil(tostring(err):find("hunter2", 1, true), tostring(err))
      assert.is_nil(tostring(err):find("p@h", 1, true), tostring(err))
    end
    assert.equal("mysql://u:***@h/db and x@y",
      sandbox.mask "mysql://u:a/b:c@d@h/db and x@y")
  end)

  it("raises what is not there by the nearest name", function()
    local pools = covet.pools(tmp.file(
      "return { users_db = { url = 'sqlite::memory:' } }", "pools.lua"))
    local fine, err = pcall(function() return pools.user_db end)
    assert.is_false(fine)
    assert.equal('there is no pool "user_db", did you mean "users_db"?',
      err.message)
    assert.is_true(errors.is(err, "usage"))
    assert.matches("pool_file_spec.lua:%d+$", err.where)
  end)
end)

describe("the place of a key in a source", function()
  it("is the outermost one, outside of comments and strings", function()
    local source = table.concat({
      '--[==[ a = { ]] ]==] -- a = 1', '-- a = 2', "local s = 'a = { \\' '",
      'local x = a == 1', 'local t = [[', 'a = {]]', 'return {',
      'b = { a = 1, c = 2 },', "a = {", "c = {", "d = 5 },", "},", "}",
    }, "\n")
    assert.equal(9, place.line(source, { "a" }))
    assert.equal(10, place.line(source, { "a", "c" }))
    assert.equal(11, place.line(source, { "a", "c", "d" }))
    assert.equal(8, place.line(source, { "b", "c" }))
    assert.equal(9, place.line(source, { "a", "z" }))
    assert.is_nil(place.line(source, { "z" }))
    assert.is_nil(place.line("", { "z" }))
    for _, broken in ipairs { "'abc", "[[abc", "--[[abc", "a = 'x\\", "{{{", "}}}" } do
      assert.equal(broken:find "^a =" and 1 or nil, place.line(broken, { "a" }))
    end
  end)

  it("is found in brackets and assignments too", function()
    assert.equal(2, place.line("local p = {}\np.users = { url = 1 }", { "users" }))
    assert.equal(2, place.line('return {\n["users db"] = { } }', { "users db" }))
  end)
end)
