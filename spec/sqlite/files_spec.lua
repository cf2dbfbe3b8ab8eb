-- Files that cannot be used: each gets an error that says why.
local covet = require "covet"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local uv = require "luv"

local function shell(command)
  local result = process.run { "sh", "-c", command, limit = 10 }
  return result.status == 0, result.stderr
end

-- A database with one row.
local function make(path)
  local db = covet.sqlite { path = path, journal_mode = "delete" }
  db:execute "create table t (a); insert into t values (1)"
  db:disconnect()
  return path
end

-- What opening `path` and what a first call on it say.
local function refused(kind, path, options)
  options = options or {}
  options.path = path
  local db = covet.sqlite(options)
  local err = fails(kind, db, "connect")
  fails(kind, db, "fetch_all", "select * from t")
  fails(kind, db, "transaction", function() end)
  local _, other = db.try:acquire()
  assert.is_true(covet.is(other, kind))
  assert.equal("sqlite", err.database)
  db:disconnect()
  return err
end

describe("SQLite files", function()
  it("a missing folder", function()
    local err = refused("unknown_database", tmp.dir() .. "/none/data.db")
    assert.matches("none/data.db", tostring(err), 1, true)
    assert.equal("connect", err.phase)
  end)

  it("a missing file that is only to be read", function()
    local path = tmp.path()
    local err = refused("unknown_database", path, { read_only = true })
    assert.matches(path, tostring(err), 1, true)
    assert.is_nil(uv.fs_stat(path))
  end)

  it("a folder", function()
    local path = tmp.dir()
    local err = refused("connection_failed", path)
    assert.matches("directory", tostring(err))
    assert.matches(path, tostring(err), 1, true)
  end)

  it("a file that is no database", function()
    local path = tmp.file(("this is no database, but a text\n"):rep(100), "notes.txt")
    refused("corrupt", path)
    local file = io.open(path)
    assert.equal(3200, #file:read "*a")
    file:close()
  end)

  it("an empty file is an empty database", function()
    local db = covet.sqlite(tmp.file("", "empty.db"))
    db:execute "create table t (a)"
    assert.is_true(db:table_exists "t")
    db:disconnect()
  end)

  it("a corrupt file", function()
    local path = tmp.path()
    local db = covet.sqlite { path = path, journal_mode = "delete" }
    db:execute "create table t (a); create index t_a on t (a)"
    local list = {}
    for i = 1, 5000 do
      list[i] = { ("row %d"):format(i) }
    end
    db:execute_many("insert into t values (?)", list)
    db:disconnect()
    local file = assert(io.open(path, "r+b"))
    local size = file:seek "end"
    file:seek("set", 4096 * 2)
    file:write(("\255"):rep(size - 4096 * 4))
    file:close()
    db = covet.sqlite { path = path, journal_mode = "delete" }
    fails("corrupt", db, "fetch_all", "select * from t order by a")
    fails("corrupt", db, "fetch_value", "select sum(length(a)) from t")
    fails("corrupt", function()
      for _ in db:each "select * from t not indexed" do end -- luacheck: ignore
    end)
    assert.equal(1, db:fetch_value "select 1")
    assert.equal(0, db:get_pool_stats().used)
    db:disconnect()
  end)

  it("a truncated file", function()
    local path = tmp.path()
    local db = covet.sqlite { path = path, journal_mode = "delete" }
    db:execute "create table t (a); insert into t values (zeroblob(100000))"
    db:disconnect()
    assert(shell(("truncate -s 5000 '%s'"):format(path)))
    db = covet.sqlite(path)
    local _, err = db.try:fetch_value "select a from t"
    assert.is_true(covet.is(err, "corrupt"), tostring(err))
    db:disconnect()
  end)

  it("a file that must not be written to", function()
    local path = make(tmp.path())
    if not shell(("chattr +i '%s'"):format(path)) then
      assert(shell(("chmod 444 '%s'"):format(path)))
      if uv.getuid() == 0 then
        pending "root writes to every file, and chattr does not work here"
        return
      end
    end
    local ok, err = pcall(function()
      local reader = covet.sqlite { path = path, read_only = true }
      assert.equal(1, reader:fetch_value "select a from t")
      reader:disconnect()
      local db = covet.sqlite { path = path, journal_mode = "delete" }
      local _, why = db.try:execute "insert into t values (2)"
      assert.is_true(covet.is(why, "read_only", "permission_denied"), tostring(why))
      db:disconnect()
    end)
    shell(("chattr -i '%s'"):format(path))
    assert.is_true(ok, tostring(err))
  end)

  it("a file that must not be read", function()
    local path = make(tmp.path())
    if uv.getuid() == 0 then
      pending "root reads every file"
      return
    end
    assert(shell(("chmod 000 '%s'"):format(path)))
    local err = refused("permission_denied", path)
    assert.matches(path, tostring(err), 1, true)
  end)

  it("a file system that must not be written to", function()
    local folder = tmp.filesystem(2 ^ 20)
    if not folder then
      pending "mounting is not possible here"
      return
    end
    local path = make(folder .. "/data.db")
    assert(shell(("mount -o remount,ro '%s'"):format(folder)))
    local db = covet.sqlite { path = path, journal_mode = "delete" }
    local _, err = db.try:execute "insert into t values (2)"
    assert.is_true(covet.is(err, "read_only", "permission_denied"), tostring(err))
    db:disconnect()
    db = covet.sqlite { path = path, read_only = true }
    assert.equal(1, db:fetch_value "select count(*) from t")
    db:disconnect()
    refused("permission_denied", folder .. "/new.db")
  end)

  it("a full disk loses nothing that was acknowledged", function()
    local folder = tmp.filesystem(2 ^ 20)
    if not folder then
      pending "mounting is not possible here"
      return
    end
    for _, mode in ipairs { "wal", "delete" } do
      local path = folder .. "/" .. mode .. ".db"
      local db = covet.sqlite { path = path, journal_mode = mode }
      db:execute "create table t (a, b)"
      local acknowledged = 0
      local _, err
      repeat
        _, err = db.try:execute("insert into t values (?, zeroblob(20000))", acknowledged + 1)
        acknowledged = acknowledged + (err and 0 or 1)
      until err
      assert.is_true(covet.is(err, "disk_full"), tostring(err))
      assert.is_true(acknowledged > 3)
      fails("disk_full", db, "execute_many", "insert into t values (?, zeroblob(20000))",
        { { -1 }, { -2 }, { -3 }, { -4 }, { -5 }, { -6 }, { -7 }, { -8 }, { -9 }, { -10 } })
      assert.equal(acknowledged, db:fetch_value "select count(*) from t")
      assert.equal(0, db:get_pool_stats().used)
      db:disconnect()
      local check = process.run { "sqlite3", path,
        "pragma integrity_check; select count(*), max(a) from t", limit = 10 }
      assert.equal(("ok\n%d|%d\n"):format(acknowledged, acknowledged), check.stdout)
      shell(("rm -f '%s'*"):format(path))
    end
  end)

  it("a file that appears later is found by the next call", function()
    local folder = tmp.dir() .. "/later"
    local db = covet.sqlite(folder .. "/data.db")
    fails("unknown_database", db, "fetch_value", "select 1")
    assert(uv.fs_mkdir(folder, tonumber("755", 8)))
    assert.equal(1, db:fetch_value "select 1")
    db:disconnect()
  end)

  it("names with blanks, quotes and percent signs", function()
    for _, name in ipairs { "a b.db", "a'b.db", "a%20b.db", "é.db", "a;b.db", "-x.db", "a#b.db" } do
      local path = tmp.dir() .. "/" .. name
      local db = covet.sqlite(path)
      db:execute "create table t (a)"
      db:disconnect()
      assert.is_table(uv.fs_stat(path), name)
    end
  end)
end)
