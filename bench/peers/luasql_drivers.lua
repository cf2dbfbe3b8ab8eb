--- What differs between LuaSQL's drivers.
-- @module bench.peers.luasql_drivers

local M = {}

local COLUMNS = "(id bigint not null, name %s not null, city %s not null,"
  .. " score %s not null)"

local function create_events(text, double)
  return "create table events " .. COLUMNS:format(text, text, double)
end

-- The parts of mysql://user:password@host:port/database or
-- mysql://user:password@/database?unix_socket=path.
local function read_url(url)
  local user, password, host, port, database =
    url:match "^mysql://(.-):(.-)@(.-):(%d+)/(.*)$"
  if user then return database, user, password, host, tonumber(port) end
  local socket
  user, password, database, socket =
    url:match "^mysql://(.-):(.-)@/(.-)%?unix_socket=(.*)$"
  return database, user, password, nil, nil, socket
end

local function run_cursor(db, query, read)
  local cursor = assert(db:execute(query))
  read(cursor)
  cursor:close()
end

local postgres = { create_events = create_events("text", "double precision") }

-- libpq takes a URL for the database's name.
function postgres.open(url)
  return assert(require "luasql.postgres".postgres():connect(url))
end

function postgres.open_for_writing(url)
  local db = postgres.open(url)
  assert(db:execute "set synchronous_commit = off")
  assert(db:execute "set client_min_messages = warning")
  return db
end

-- By a cursor of the server's: the driver reads results whole.
function postgres.stream(db, query, read)
  assert(db:execute "begin")
  assert(db:execute("declare rows no scroll cursor for " .. query))
  local more = true
  while more do
    run_cursor(db, "fetch 1000 from rows", function(cursor)
      more = cursor:numrows() > 0
      read(cursor)
    end)
  end
  assert(db:execute "commit")
end

local mysql = { create_events = create_events("varchar(50)", "double"),
                stream = run_cursor }

function mysql.open(url)
  return assert(require "luasql.mysql".mysql():connect(read_url(url)))
end

mysql.open_for_writing = mysql.open

local sqlite = { create_events = create_events("text", "double"),
                 stream = run_cursor }

function sqlite.open(path)
  local db = assert(require "luasql.sqlite3".sqlite3():connect(path))
  run_cursor(db, "pragma journal_mode = wal", function(cursor) cursor:fetch() end)
  db:execute "pragma synchronous = normal"
  db:execute "pragma foreign_keys = on"
  return db
end

function sqlite.open_for_writing(path)
  path = path .. "-luasql"
  for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
  return sqlite.open(path)
end

--- The driver of a URL or path.
-- @tparam string target
-- @treturn table `open(target)`, `open_for_writing(target)` (connections),
-- `stream(db, query, read)`, `create_events`
function M.of(target)
  local scheme = target:match "^(%w+)://"
  return ({ postgresql = postgres, mysql = mysql })[scheme] or sqlite
end

--- The versions of a driver.
-- @tparam string name postgres, mysql or sqlite3
-- @treturn table
function M.versions(name)
  return { LuaSQL = require("luasql." .. name)._VERSION:match "[%d.]+",
           ["LuaJIT of LuaSQL"] = jit.version:match "%d.*" }
end

return M
