--- PostgreSQL for specs: the servers of the run, servers of a spec's own, psql.
--
-- scripts/test starts the shared servers (scripts/postgresql.sh) and says where
-- they are:
--
--    COVET_PG_URL          the primary, as `covet`, who owns the database
--    COVET_PG_ADMIN_URL    the same as a superuser
--    COVET_PG_SOCKET_URL   the same through its Unix socket
--    COVET_PG_REPLICA_URL  a replica that streams from it
--    COVET_PG_BOUNCER_URL  PgBouncer in transaction mode in front of it
--    COVET_PG_DIR          the folder of their data, sockets, logs, certificates
--
-- Users beside `covet` and `admin`, all with the password "pw":
-- `covet_reader` (may read everything, transactions are read-only),
-- `covet_limited` (two connections), `covet_tls` (with TLS only),
-- `covet_certificate` (without a password, by certificates/client.crt). Sessions
-- are in the time zone Europe/Berlin.
--
-- Specs that stop, freeze or change a server start one of their own.
-- @module spec.support.postgresql
local covet = require "covet"
local uv = require "luv"
local process = require "spec.support.process"
local wait = require "spec.support.wait"

local M = {}

local env = os.getenv

M.url = env "COVET_PG_URL"
M.admin_url = env "COVET_PG_ADMIN_URL"
M.socket_url = env "COVET_PG_SOCKET_URL"
M.replica_url = env "COVET_PG_REPLICA_URL"
M.bouncer_url = env "COVET_PG_BOUNCER_URL"
M.dir = env "COVET_PG_DIR"

--- Why there are no servers, nil if there are.
M.missing = not M.url and "COVET_PG_URL is not set: scripts/servers sets it" or nil

--- Whether they may not be missing: in CI.
M.required = (env "CI" or "") ~= ""

local bin, user = env "COVET_PG_BIN", env "COVET_PG_USER"
local template = env "COVET_PG_TEMPLATE"

-- Between columns, after rows, in the place of NULL: what texts do not hold.
local COLUMN, ROW, NULL = "\31", "\30", "\29"

local servers = {}
local databases = {}
local opened = {} -- adapters of the running test
local last_id = 0

local function next_name(prefix)
  last_id = last_id + 1
  return ("%s_%d_%d"):format(prefix, uv.os_getpid(), last_id)
end

local function close_opened()
  while opened[1] do
    table.remove(opened):disconnect(5)
  end
end

--- Describe something that needs the servers. Without them it is skipped; in CI
-- that is a failure. What its tests have opened is closed after each.
-- @tparam string subject
-- @tparam function body
function M.describe(subject, body)
  local busted = getfenv(body) -- busted's functions are known to specs only
  busted.describe(subject, function()
    if not M.missing then
      body()
      busted.after_each(close_opened)
      return
    end
    busted.it("needs PostgreSQL", function()
      if M.required then
        error(M.missing)
      end
      busted.pending(M.missing)
    end)
  end)
end

--- The parts of a URL of this module, as options of an adapter.
-- @tparam string url
-- @treturn table host, port, database, user, password
function M.options(url)
  local name, password, host, port, database, rest =
    url:match "^postgresql://([^:@]+):([^@]*)@([^:/]*):?(%d*)/([^?]*)%??(.*)$"
  assert(name, url)
  if rest ~= "" then
    host, port = rest:match "^host=(.-)&port=(%d+)$"
  end
  return { host = host, port = tonumber(port), database = database, user = name, password = password }
end

--- The same URL with another database or user.
-- @tparam string url
-- @tparam table changes `database`, `user`
-- @treturn string
function M.change_url(url, changes)
  if changes.database then
    url = url:gsub("^(postgresql://[^/]*/)[^?]*", "%1" .. changes.database)
  end
  if changes.user then
    url = url:gsub("^(postgresql://)[^:]*", "%1" .. changes.user)
  end
  return url
end

-- --- Adapters -----------------------------------------------------------------

--- An adapter that the running test need not close, not connected yet.
-- @tparam[opt] table changes options beside those of the URL
-- @tparam[opt] string url of the server, the primary's by default
-- @treturn table
function M.adapter(changes, url)
  local options = M.options(url or M.url)
  options.min_pool_size = 1
  for name, value in pairs(changes or {}) do
    options[name] = value
  end
  return M.close_later(covet.postgresql(options))
end

--- The same, connected.
function M.open(changes, url)
  return M.adapter(changes, url):connect()
end

--- Close an adapter after the running test.
-- @treturn table the adapter
function M.close_later(adapter)
  opened[#opened + 1] = adapter
  return adapter
end

-- --- psql ---------------------------------------------------------------------

local function run_psql(arguments, url, sql, ...)
  local words = { bin .. "/psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url }
  for i = 1, select("#", ...) do
    words[#words + 1] = "-v"
    words[#words + 1] = i .. "=" .. tostring((select(i, ...)))
  end
  for _, word in ipairs(arguments) do
    words[#words + 1] = word
  end
  words.stdin = sql .. "\n"
  words.env = { PGCLIENTENCODING = "UTF8" }
  local result = process.run(words)
  if result.status ~= 0 then
    error("psql: " .. result.stderr, 3)
  end
  return result.stdout
end

--- What the real psql prints: values with `|` between them, a line for each
-- row, nothing for NULL.
-- @tparam string url
-- @tparam string sql one statement or several; `:'1'` stands for the first
-- of `...` as a literal, `:"1"` as an identifier
-- @param ... texts and numbers
-- @treturn string without the last line's end
function M.psql(url, sql, ...)
  return (run_psql({}, url, sql, ...):gsub("\n$", ""))
end

--- What psql prints, taken apart: a list of rows, which are lists of texts.
-- NULL is false.
-- @tparam string url
-- @tparam string sql
-- @param ... as for `psql`
-- @treturn table
function M.rows(url, sql, ...)
  local output = run_psql({ "-F", COLUMN, "-R", ROW, "-P", "null=" .. NULL }, url, sql, ...)
  local rows = {}
  if output == "" then
    return rows
  end
  output = output:gsub("\n$", "") -- psql ends with a line's end whatever ends rows
  for line in (output .. ROW):gmatch("(.-)" .. ROW) do
    local row = {}
    for value in (line .. COLUMN):gmatch("(.-)" .. COLUMN) do
      row[#row + 1] = value ~= NULL and value
    end
    rows[#rows + 1] = row
  end
  return rows
end

-- --- Databases ------------------------------------------------------------------

local Database = {}
Database.__index = Database
Database.__name = "spec.postgresql.Database"

-- As the superuser by the socket: it is done between all tests, and TLS takes
-- as long as the rest.
local function administer(database, sql)
  M.psql(M.change_url(M.socket_url, { user = "admin", database = database }), sql)
end

--- A new database of the shared server, owned by `covet`; it goes with the run.
-- @treturn Database `name`, and `url`, `admin_url`, `bouncer_url` of it
function M.fresh_database()
  local name = next_name "covet"
  administer("postgres", ("drop database if exists %s with (force);"
    .. "create database %s owner covet"):format(name, name))
  local self = setmetatable({ name = name }, Database)
  for _, key in ipairs { "url", "admin_url", "bouncer_url" } do
    self[key] = M.change_url(M[key], { database = name })
  end
  databases[self] = true
  return self
end

--- Drop it; whoever is connected is cut off.
function Database:drop()
  if databases[self] then
    databases[self] = nil
    administer("postgres", ("drop database if exists %s with (force)"):format(self.name))
  end
end

--- Make it empty again. Whoever is connected is cut off.
function Database:clear()
  administer(self.name, [[
    do $$ begin
      perform pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid();
    end $$;
    set client_min_messages = warning;
    drop owned by covet cascade;
    drop schema public cascade;
    create schema public authorization pg_database_owner;
    grant usage on schema public to public;]])
end

-- --- Servers of a spec's own ----------------------------------------------------

local Server = {}
Server.__index = Server
Server.__name = "spec.postgresql.Server"

-- As the user whom the servers run as.
local function as_server(words)
  local all = { "setpriv" }
  if user ~= "" then
    all = { "setpriv", "--reuid", user, "--regid", user, "--clear-groups" }
  end
  for _, word in ipairs(words) do
    all[#all + 1] = word
  end
  return all
end

local function run(words)
  local result = process.run(words)
  if result.status ~= 0 then
    error(("%s: %s"):format(words[1], result.stderr), 3)
  end
end

local function read(path)
  local file = io.open(path)
  if not file then
    return ""
  end
  local text = file:read "*a"
  file:close()
  return text
end

-- Below the ports of outgoing connections, so that a restart finds it free.
local function free_port()
  while true do
    local port = math.random(10240, 32000)
    local socket = uv.new_tcp()
    local free = socket:bind("127.0.0.1", port) and socket:listen(1, function() end)
    socket:close()
    if free then
      return port
    end
  end
end

-- A process and its children, by /proc.
local function family(pid)
  local list = { pid }
  for child in read(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
    list[#list + 1] = tonumber(child)
  end
  return list
end

-- A zombie has ended; whose it is may not ask for it.
local function has_ended(pid)
  local state = read(("/proc/%d/stat"):format(pid)):match "%) (%a)"
  return not state or state == "Z" or state == "X"
end

local function is_ready(self)
  local pid, state = read(self.data .. "/postmaster.pid"):match "^(%d+)\n.*\n(%a+) *\n$"
  return tonumber(pid) == self.process.pid and state == "ready"
end

-- It ends with this process, whatever ends it.
local function launch(self)
  local words = { "--pdeathsig", "QUIT", bin .. "/postgres", "-D", self.data, "-p", self.port }
  for name, value in pairs(self.settings) do
    words[#words + 1] = "-c"
    words[#words + 1] = name .. "=" .. value
  end
  local command = { "sh", "-c", 'exec "$@" >>"$0" 2>&1', self.log, unpack(as_server(words)) }
  command.env = self.env
  self.process = process.start(command)
  wait.until_true(function()
    return self.process:ended() or is_ready(self)
  end, 20)
  if not is_ready(self) then
    local log = read(self.log)
    self:remove()
    error("PostgreSQL does not start: " .. log, 3)
  end
end

local function new_server(settings)
  local folder, port = M.dir .. "/" .. next_name "own", free_port()
  local self = setmetatable({
    folder = folder, data = folder .. "/primary", log = folder .. "/log", port = port,
    settings = { unix_socket_directories = M.dir .. "/socket" },
    url = ("postgresql://covet:pw@127.0.0.1:%d/covet"):format(port),
    admin_url = ("postgresql://admin:pw@127.0.0.1:%d/postgres"):format(port),
    socket_url = ("postgresql://covet:pw@/covet?host=%s/socket&port=%d"):format(M.dir, port),
  }, Server)
  for name, value in pairs(settings or {}) do
    self.settings[name] = value
  end
  return self
end

--- Start a server. It has the users, the database, the certificates of the
-- shared one, and nothing else in common with it.
-- @tparam[opt] table options `settings` (of postgresql.conf, by name),
-- `replica_of` (a server of this kind, which has to run), `env` (changes of its
-- environment)
-- @treturn Server `url`, `admin_url`, `socket_url`, `port`, `log` (a path)
function M.start(options)
  options = options or {}
  local self = new_server(options.settings)
  self.env = options.env
  assert(uv.fs_mkdir(self.folder, tonumber("755", 8)))
  servers[self] = true
  run { "tar", "-C", self.folder, "-xpf", template, "primary" }
  if options.replica_of then
    self.settings.primary_conninfo = ("host=%s/socket port=%d user=covet_replica password=pw"):format(
      M.dir, options.replica_of.port)
    run(as_server { "touch", self.data .. "/standby.signal" })
  end
  launch(self)
  return self
end

--- Whether its process is there.
-- @treturn boolean
function Server:is_running()
  return self.process ~= nil and not self.process:ended()
end

local STOP_SIGNALS = { smart = "sigterm", fast = "sigint", immediate = "sigquit", kill = "sigkill" }

--- Stop it and wait for its end; a server that is stopped already stays so.
-- @tparam[opt="fast"] string mode "smart" waits for its clients, "fast" ends
-- them with a message, "immediate" without shutting down, "kill" is SIGKILL for all
function Server:stop(mode)
  if not self:is_running() then
    return
  end
  self:thaw()
  local list = family(self.process.pid)
  for _, pid in ipairs(mode == "kill" and list or { self.process.pid }) do
    uv.kill(pid, STOP_SIGNALS[mode or "fast"])
  end
  local stopped = not self.process:wait(20).timed_out
  for _, pid in ipairs(list) do -- what they share is free when all have ended
    stopped = stopped and wait.until_true(function()
      return has_ended(pid)
    end)
  end
  if not stopped then
    error("PostgreSQL does not stop: " .. read(self.log), 2)
  end
end

--- Start it again on the same port with what it holds.
-- @tparam[opt="fast"] string mode of `stop`
function Server:restart(mode)
  self:stop(mode)
  launch(self)
end

-- The server first: it makes no more children then.
local function signal_family(self, signal)
  for _ = 1, 2 do
    for _, pid in ipairs(family(self.process.pid)) do
      uv.kill(pid, signal)
    end
  end
end

-- Stopped, or gone.
local function is_stopped(pid)
  local state = read(("/proc/%d/stat"):format(pid)):match "^%d+ %b() (%a)"
  return state ~= "R" and state ~= "S" and state ~= "D"
end

--- Stop its processor time: connections stay open, and nothing answers. A child
-- that was being made meanwhile is stopped too.
function Server:freeze()
  assert(wait.until_true(function()
    signal_family(self, "sigstop")
    for _, pid in ipairs(family(self.process.pid)) do
      if not is_stopped(pid) then
        return false
      end
    end
    return true
  end, 5))
end

--- Go on after `freeze`.
function Server:thaw()
  signal_family(self, "sigcont")
end

--- End one session by SIGTERM, as an administrator does: the client is told.
-- @tparam number pid what `pg_backend_pid()` says there
function Server:kill_backend(pid)
  assert(uv.kill(pid, "sigterm"))
end

--- Make a replica the primary, and wait until it is.
function Server:promote()
  assert(M.psql(self.admin_url, "select pg_promote()") == "t", "the replica was not promoted")
end

--- Stop it and remove what it holds. At the end of the run this is done for all
-- that are left.
function Server:remove()
  if servers[self] then
    servers[self] = nil
    self:stop "immediate"
    run { "rm", "-rf", "--one-file-system", self.folder }
  end
end

--- Remove the servers and databases made here. The runner calls this at its end.
function M.clean()
  for server in pairs(servers) do
    server:remove()
  end
  for database in pairs(databases) do
    database:drop()
  end
end

return M
