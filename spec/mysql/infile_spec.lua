-- LOAD DATA LOCAL: which files the server gets.
local covet = require "covet"
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local uv = require "luv"

mysql.describe("files that MariaDB asks for", function()
  local database, db

  local function open(changes)
    return mysql.open_one(changes, database.url)
  end

  before_each(function()
    database = mysql.fresh_database()
    db = open()
  end)

  after_each(function()
    database:drop()
  end)

  it("a server that asks for a file gets none", function()
    db:execute "create table t (line varchar(1000))"
    local path = tmp.path()
    local file = io.open(path, "w")
    file:write "a secret\n"
    file:close()
    local text = ("load data local infile '%s' into table t"):format(path)
    local _, err = db.try:execute(text)
    assert.is_table(err)
    assert.equal(0, db:fetch_value "select count(*) from t")
    local other = open { local_infile = true }
    assert.equal(1, other:execute(text).affected_rows)
    assert.equal("a secret", other:fetch_value "select line from t")
    _, err = other.try:execute "load data local infile '/nowhere/at/all' into table t"
    assert.is_table(err)
    assert.equal(1, other:fetch_value "select count(*) from t")
  end)

  it("an init_command that loads a file is refused, with or without threads", function()
    local path = tmp.path()
    local file = assert(io.open(path, "w"))
    file:write "a secret\n"
    file:close()
    db:execute "create table t (line varchar(1000))"
    for _, threads in ipairs { false, true } do
      local options = mysql.options(database.url)
      options.thread_per_connection, options.min_pool_size = threads, 1
      options.init_command = ("set @a = 1; load data local infile '%s' into table t; set @b = 2"):format(path)
      local err = fails("unsupported", mysql.close_later(covet.mysql(options)), "connect")
      assert.matches("local infile", err.message)
      options.local_infile = true
      err = fails("database_error", mysql.close_later(covet.mysql(options)), "connect")
      assert.matches(path .. " while the session was set up", err.message, 1, true)
      assert.matches("init_command", err.message)
      assert.equal("connect", err.phase)
    end
    assert.equal(0, db:fetch_value "select count(*) from t")
  end)

  it("files to be loaded: by their whole name, and regular ones", function()
    local other = open { local_infile = true }
    other:execute "create table t (line varchar(1000))"
    local folder = tmp.path()
    assert(uv.fs_mkdir(folder, tonumber("755", 8)))
    local path = folder .. "/it's \"a\" \\ file"
    local file = assert(io.open(path, "w"))
    file:write "a line\n"
    file:close()
    for _, text in ipairs {
      "load data local infile " .. other:quote_literal(path) .. " into table t",
      "LOAD DATA LOCAL INFILE '" .. path:gsub("\\", "\\\\"):gsub("'", "''") .. "' into table t",
      'load data local infile\n"' .. path:gsub("\\", "\\\\"):gsub('"', '""') .. '" into table t',
    } do
      assert.equal(1, other:execute(text).affected_rows, text)
    end
    local fifo = folder .. "/fifo"
    assert.equal(0, process.run({ "mkfifo", fifo }).status)
    for _, name in ipairs { fifo, folder } do
      local _, err = other.try:execute(("load data local infile '%s' into table t"):format(name))
      assert.matches("no regular file", err.message)
    end
    assert.equal(3, other:fetch_value "select count(*) from t")
  end)
end)
