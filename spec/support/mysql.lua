--- MySQL for specs: the servers of the run, servers of a spec's own, the mariadb
-- client.
--
-- scripts/test starts the shared servers (scripts/mysql.sh) and says where they are:
--
--    COVET_MYSQL_URL          the primary, as `covet`, who owns databases covet...
--    COVET_MYSQL_ADMIN_URL    the same as one who may do all
--    COVET_MYSQL_SOCKET       its Unix socket
--    COVET_MYSQL_REPLICA_URL  a replica that follows it, read-only
--    COVET_MYSQL_DIR          the folder of their data, sockets, logs, certificates
--
-- Users beside `covet` and `admin`, all with the password "pw": `covet_ed25519` (by
-- that plugin), `covet_reader` (may read), `covet_limited` (two connections),
-- `covet_tls` (with TLS only), `covet_certificate` (without a password, by
-- mysql_certificates/client.crt). The server's time zone is +02:00.
--
-- Specs that stop, freeze or change a server start one of their own.
-- @module spec.support.mysql
local covet = require "covet"
local uv = require "luv"
local process = require "spec.support.process"
local wait = require "spec.support.wait"

local M = {}

local env = os.getenv

M.url = env "COVET_MYSQL_URL"
M.admin_url = env "COVET_MYSQL_ADMIN_URL"
M.socket = env "COVET_MYSQL_SOCKET"
M.replica_url = env "COVET_MYSQL_REPLICA_URL"
M.dir = env "COVET_MYSQL_DIR"

--- Why there are no servers, nil if there are.
M.missing = not M.url and "COVET_MYSQL_URL is not set: scripts/servers sets it" or nil

--- Whether they may not be missing: in CI.
M.required = (env "CI" or "") ~= ""

local bin, clients = env "COVET_MYSQL_BIN", env "COVET_MYSQL_CLIENTS"
local user, template = env "COVET_MYSQL_USER", env "COVET_MYSQL_TEMPLATE"
local plugins = env "COVET_MYSQL_PLUGINS"

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
    busted.it("needs MariaDB", function()
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
  local name, password, host, port, database =
    url:match "^mysql://([^:@]+):([^@]*)@([^:/]*):?(%d*)/([^?]*)$"
  assert(name, url)
  return { host = host, port = tonumber(port), database = database, user = name, password = password }
end

-- --- Adapters -----------------------------------------------------------------

--- An adapter that the running test need not close, not connected yet.
-- @tparam[opt] table changes options beside those of the URL; false: without it
-- @tparam[opt] string url of the server, the primary's by default
-- @treturn table
function M.adapter(changes, url)
  local options = M.options(url or M.url)
  options.min_pool_size = 1
  for name, value in pairs(changes or {}) do
    options[name] = value
    if value == false and (name == "host" or name == "port" or name == "database") then
      options[name] = nil
    end
  end
  return M.close_later(covet.mysql(options))
end

--- The same, connected.
function M.open(changes, url)
  return M.adapter(changes, url):connect()
end

--- The same with one connection, unless `changes` say otherwise.
function M.open_one(changes, url)
  local options = { max_pool_size = 1 }
  for name, value in pairs(changes or {}) do
    options[name] = value
  end
  return M.open(options, url)
end

--- Close an adapter after the running test.
-- @treturn table the adapter
function M.close_later(adapter)
  opened[#opened + 1] = adapter
  return adapter
end

--- The file of a certificate or key.
function M.certificate(name)
  return M.dir .. "/mysql_certificates/" .. name
end

-- --- The client -----------------------------------------------------------------

--- What the real client prints: values with tabs between them, a line for each row,
-- NULL for NULL, bytes as they are unless `--binary-as-hex` is among the arguments.
-- @tparam string url
-- @tparam string sql one statement or several
-- @param ... further arguments
-- @treturn string without the last line's end
function M.client(url, sql, ...)
  local options = M.options(url)
  local words = { clients .. "/mariadb", "--no-defaults", "--user=" .. options.user,
    "--host=" .. options.host, "--port=" .. options.port, "--protocol=tcp", "--batch",
    "--skip-column-names", "--default-character-set=utf8mb4", ... }
  if options.database ~= "" then
    words[#words + 1] = options.database
  end
  words.stdin, words.env = sql .. ";\n", { MYSQL_PWD = options.password }
  local result = process.run(words)
  if result.status ~= 0 then
    error("mariadb: " .. result.stderr, 2)
  end
  return (result.stdout:gsub("\n$", ""))
end

--- The same, by the administrator.
function M.administer(sql)
  return M.client(M.admin_url, sql)
end

-- --- Databases ------------------------------------------------------------------

local Database = {}
Database.__index = Database
Database.__name = "spec.mysql.Database"

--- A new database of the shared server, of `covet`; it goes with the run.
-- @treturn Database `name`, and `url`, `admin_url` of it
function M.fresh_database()
  local name = next_name "covet"
  M.administer(("drop database if exists %s; create database %s"):format(name, name))
  local self = setmetatable({ name = name }, Database)
  for _, key in ipairs { "url", "admin_url" } do
    self[key] = M[key]:gsub("/[^/]*$", "/" .. name)
  end
  databases[self] = true
  return self
end

--- Drop it; whoever is connected is cut off.
function Database:drop()
  if databases[self] then
    databases[self] = nil
    M.administer("drop database if exists " .. self.name)
  end
end

--- Make it empty again.
function Database:clear()
  M.administer(("drop database if exists %s; create database %s"):format(self.name, self.name))
end

-- --- Servers of a spec's own ----------------------------------------------------

local Server = {}
Server.__index = Server
Server.__name = "spec.mysql.Server"

local function read(path)
  local file = io.open(path)
  if not file then
    return ""
  end
  local text = file:read "*a"
  file:close()
  return text
end

local function run(words)
  local result = process.run(words)
  if result.status ~= 0 then
    error(("%s: %s"):format(words[1], result.stderr), 3)
  end
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

local function is_ready(self)
  return pcall(M.client, self.admin_url, "do 1")
end

-- It ends with this process, whatever ends it.
local function launch(self)
  local words = { "setpriv", "--pdeathsig", "KILL" }
  if user ~= "" then
    words = { "setpriv", "--pdeathsig", "KILL", "--reuid", user, "--regid", user, "--clear-groups" }
  end
  for _, word in ipairs { bin .. "/mariadbd", "--defaults-file=" .. self.data .. "/my.cnf",
    "--datadir=" .. self.data, "--port=" .. self.port, "--socket=" .. self.socket,
    "--pid-file=" .. self.data .. "/pid", "--tmpdir=" .. self.data, "--plugin-dir=" .. plugins,
    "--ssl-ca=" .. self.data .. "/ca.crt", "--ssl-cert=" .. self.data .. "/server.crt",
    "--ssl-key=" .. self.data .. "/server.key", "--server-id=9" } do
    words[#words + 1] = word
  end
  for name, value in pairs(self.settings) do
    words[#words + 1] = ("--%s=%s"):format(name, value)
  end
  self.process = process.start { "sh", "-c", 'exec "$@" >>"$0" 2>&1', self.log, unpack(words) }
  wait.until_true(function()
    return self.process:ended() or is_ready(self)
  end, 20)
  if not is_ready(self) then
    local log = read(self.log)
    self:remove()
    error("MariaDB does not start: " .. log, 3)
  end
end

--- Start a server. It has the users, the certificates of the shared one, a database
-- `covet`, and nothing else in common with it.
-- @tparam[opt] table settings options of the server by name
-- @treturn Server `url`, `admin_url`, `socket`, `port`, `log` (a path)
function M.start(settings)
  local folder, port = M.dir .. "/" .. next_name "own", free_port()
  local self = setmetatable({
    folder = folder, data = folder .. "/mysql_primary", log = folder .. "/log", port = port,
    socket = folder .. "/mysql_primary/socket", settings = settings or {},
    url = ("mysql://covet:pw@127.0.0.1:%d/covet"):format(port),
    admin_url = ("mysql://admin:pw@127.0.0.1:%d/mysql"):format(port),
  }, Server)
  assert(uv.fs_mkdir(self.folder, tonumber("755", 8)))
  servers[self] = true
  run { "tar", "-C", self.folder, "-xpf", template, "mysql_primary" }
  run { "chmod", "755", self.data }
  launch(self)
  return self
end

--- Whether its process is there.
-- @treturn boolean
function Server:is_running()
  return self.process ~= nil and not self.process:ended()
end

--- Stop it and wait for its end; a server that is stopped already stays so.
-- @tparam[opt="term"] string mode "term" ends it in order, "kill" is SIGKILL
function Server:stop(mode)
  if not self:is_running() then
    return
  end
  if mode ~= "kill" then
    self:thaw()
  end
  uv.kill(self.process.pid, mode == "kill" and "sigkill" or "sigterm")
  if self.process:wait(20).timed_out then
    error("MariaDB does not stop: " .. read(self.log), 2)
  end
end

--- Start it again on the same port with what it holds.
function Server:restart(mode)
  self:stop(mode)
  launch(self)
end

-- All of its threads stand still.
local function is_stopped(pid)
  local folder = ("/proc/%d/task"):format(pid)
  local scan = uv.fs_scandir(folder)
  local name, stopped = scan and uv.fs_scandir_next(scan), true
  while name do -- to the end, which frees the scan
    stopped = stopped and read(folder .. "/" .. name .. "/stat"):match "%) T" ~= nil
    name = uv.fs_scandir_next(scan)
  end
  return stopped
end

--- Stop its processor time: connections stay open, and nothing answers.
function Server:freeze()
  uv.kill(self.process.pid, "sigstop")
  assert(wait.until_true(function()
    return is_stopped(self.process.pid)
  end, 5))
end

--- Go on after `freeze`.
function Server:thaw()
  uv.kill(self.process.pid, "sigcont")
end

--- What the client prints for the administrator of this server.
function Server:administer(sql)
  return M.client(self.admin_url, sql)
end

--- Stop it and remove what it holds. At the end of the run this is done for all
-- that are left.
function Server:remove()
  if servers[self] then
    servers[self] = nil
    self:stop "kill"
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
