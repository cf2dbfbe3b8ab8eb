-- covet in a real nginx: own-thread runtime, requests as tasks.
local covet = require "covet"
local process = require "spec.support.process"
local task = require "covet.task"
local tmp = require "spec.support.tmp"
local uv = require "luv"

local MODULES = "/usr/lib/nginx/modules"
local NGINX = "/usr/sbin/nginx"

local server, port, folder

local function can_run()
  return uv.fs_stat(NGINX) and uv.fs_stat(MODULES .. "/ngx_http_lua_module.so")
end

local function free_port()
  local socket = uv.new_tcp()
  assert(socket:bind("127.0.0.1", 0))
  local found = socket:getsockname().port
  socket:close()
  return found
end

-- The folder of this file.
local function source_folder()
  local path = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."
  return assert(uv.fs_realpath(path .. "/nginx"))
end

local function absolute(templates)
  local cwd = uv.cwd()
  return (templates:gsub("[^;]+", function(path)
    return path:sub(1, 1) == "/" and path or cwd .. "/" .. path
  end))
end

local function write_config()
  local build = process.covet:match("^(.*)/[^/]*$")
  local values = {
    user = uv.getuid() == 0 and "user root;" or "",
    folder = folder,
    modules = MODULES,
    port = tostring(port),
    source = source_folder(),
    path = absolute(package.path) .. ";;",
    cpath = ("%s/lua/?.so;%s/?.so;%s;;"):format(build, build,
      absolute(package.cpath)),
  }
  local file = assert(io.open(source_folder() .. "/nginx.conf"))
  local text = file:read("*a"):gsub("@(%l+)@", values)
  file:close()
  local path = folder .. "/nginx.conf"
  file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

-- A client: one connection, requests one after the other.
local Client = {}
Client.__index = Client

local function connect()
  local socket = uv.new_tcp()
  local ok, err = pcall(task.await, socket.connect, socket, "127.0.0.1", port)
  if not ok then
    socket:close()
    error(err, 0)
  end
  local self = setmetatable({
    socket = socket, bytes = "", news = task.channel(math.huge),
  }, Client)
  socket:read_start(function(problem, data)
    self.news:try_send(data or problem or false)
  end)
  return self
end

function Client:close()
  self.socket:close()
end

function Client:more()
  local data = self.news:receive(30)
  assert(data, "nginx closed the connection")
  self.bytes = self.bytes .. data
end

function Client:read_until(pattern)
  local first, last = self.bytes:find(pattern)
  while not first do
    self:more()
    first, last = self.bytes:find(pattern)
  end
  local text = self.bytes:sub(1, last)
  self.bytes = self.bytes:sub(last + 1)
  return text
end

-- A body of known length (nginx's own pages), or in chunks (the handlers').
function Client:read_body(head)
  local length = tonumber(head:lower():match("content%-length: (%d+)"))
  if length then
    while #self.bytes < length do
      self:more()
    end
    local text = self.bytes:sub(1, length)
    self.bytes = self.bytes:sub(length + 1)
    return text
  end
  local parts = {}
  while true do
    local size = tonumber(self:read_until("\r\n"):match("%x+"), 16)
    while #self.bytes < size + 2 do
      self:more()
    end
    parts[#parts + 1] = self.bytes:sub(1, size)
    self.bytes = self.bytes:sub(size + 3)
    if size == 0 then
      return table.concat(parts)
    end
  end
end

--- Ask for a path: status, body without its last newline, headers.
function Client:get(path)
  self.socket:write(("GET %s HTTP/1.1\r\nHost: covet\r\n\r\n"):format(path),
    function() end)
  local head = self:read_until("\r\n\r\n")
  local body = self:read_body(head):gsub("\n$", "")
  return tonumber(head:match("^HTTP/1.1 (%d+)")), body, head
end

local function get(path)
  local client = connect()
  local ok, status, body, head = pcall(client.get, client, path)
  client:close()
  if not ok then
    error(status, 0)
  end
  return status, body, head
end

-- Answers of `count` requests over `connections` connections at once, each
-- checked by `check(body, id)`.
local function load_with(count, connections, path, check)
  local next_id, good = 0, 0
  local clients = {}
  for i = 1, connections do
    clients[i] = i
  end
  covet.each_parallel(clients, connections, function()
    local client = connect()
    local ok, err = pcall(function()
      while next_id < count do
        next_id = next_id + 1
        local id = next_id
        local status, body = client:get((path:gsub("ID", id)))
        assert(status == 200, body)
        check(body, id)
        good = good + 1
      end
    end)
    client:close()
    assert(ok, err)
  end)
  return good
end

local function error_log()
  local file = assert(io.open(folder .. "/error.log"))
  local text = file:read("*a")
  file:close()
  return text
end

local function has_sqlite()
  local ok, value = pcall(function()
    local db = covet.sqlite(":memory:")
    local value = db:fetch_value("select 1")
    db:disconnect()
    return value
  end)
  return ok and value == 1
end

local suite = can_run() and describe or pending

suite("nginx", function()
  setup(function()
    folder, port = tmp.dir("nginx"), free_port()
    server = process.start {
      NGINX, "-p", folder, "-c", write_config(), "-e", folder .. "/error.log",
      env = process.foreign,
    }
    local deadline = task.now() + 10
    repeat
      task.sleep(0.02)
      local up = pcall(get, "/host")
    until up or server:ended() or task.now() > deadline
    assert(not server:ended(), server:stderr())
  end)

  teardown(function()
    server:kill("sigquit") -- a test has failed, else it has ended
    server:wait(10)
  end)

  it("is the host", function()
    local status, body = get("/host")
    assert.equal(200, status)
    assert.equal("nginx", body)
  end)

  it("sleeps, and waits for operations", function()
    assert.equal("slept", (select(2, get("/sleep?seconds=0.01"))))
    assert.equal("truefalse7", (select(2, get("/wait?seconds=0.01&id=7"))))
  end)

  it("runs tasks, channels and groups", function()
    assert.equal("a63", (select(2, get("/tasks"))))
    assert.equal("inner", (select(2, get("/error"))))
  end)

  it("has deadlines and cancels", function()
    assert.equal("timeout timeout 0", (select(2, get("/timeout"))))
    assert.equal("cancelled cancelled", (select(2, get("/cancel"))))
  end)

  describe("alarms", function()
    -- The alarm fired so often, at these times in seconds, none of them early.
    local function check_times(text, ...)
      local times = {}
      for hundredths in text:gmatch "%d+" do
        times[#times + 1] = tonumber(hundredths) / 100
      end
      assert.equal(select("#", ...), #times, text)
      for i, due in ipairs { ... } do
        assert.is_true(times[i] >= due - 0.02 and times[i] < due + 0.2, text)
      end
    end

    local function alarm(arguments)
      local _, body = get("/alarm?" .. arguments)
      return body
    end

    it("come when they are due", function()
      check_times(alarm "set=0.1&wait=0.4", 0.1)
    end)

    it("an earlier one takes the place of a later one", function()
      check_times(alarm "set=5,0.1&wait=0.5", 0.1)
      check_times(alarm "set=5,0.3,0.1&wait=0.6", 0.1)
    end)

    it("a later one takes the place of an earlier one, and is not lost", function()
      check_times(alarm "set=0.1,0.4&wait=0.8", 0.4)
      check_times(alarm "set=0.4,0.1,0.25&wait=0.8", 0.25)
    end)

    it("one is not postponed by another's", function()
      check_times(select(2, get "/two_alarms"), 0.1, 0.4)
    end)

    it("come again after one has come", function()
      check_times(alarm "set=0.1&next_in=0.2&wait=0.6", 0.1, 0.3)
      check_times(alarm "set=0.1&wait=0.3&again=0.1", 0.1, 0.4)
    end)

    it("do not come when they were taken back", function()
      check_times(alarm "set=0.1,off&wait=0.3")
      check_times(alarm "set=0.1,off,0.3&wait=0.6", 0.3)
    end)

    it("that are moved back cost one timer of nginx", function()
      assert.equal("1 1", (select(2, get "/alarm_timers")))
    end)

    it("keep a pool going that no request asks for anything", function()
      assert.equal("closed,closed", (select(2, get "/idle_pool")))
    end)
  end)

  it("logs tasks that failed and that nobody joined", function()
    assert.equal("spec: joined", (select(2, get("/fail?how=joined"))))
    assert.equal("left", (select(2, get("/fail?how=left"))))
    local deadline = task.now() + 10
    repeat
      task.sleep(0.02)
    until error_log():find("spec: left", 1, true) or task.now() > deadline
    local _, count = error_log():gsub("%[error%][^\n]*covet: spec: left", "")
    assert.equal(1, count)
    assert.is_nil(error_log():find("covet: spec: joined", 1, true))
  end)

  it("says where it cannot wait", function()
    local _, _, head = get("/filter")
    assert.matches("phase header_filter", head, 1, true)
    assert.matches("table.sort's comparison", (select(2, get("/sort"))), 1, true)
  end)

  it("loses no wake-up among 10,000 requests", function()
    local good = load_with(10000, 64, "/wait?seconds=0.001&id=ID",
      function(body, id)
        assert.equal("truefalse" .. id, body)
      end)
    assert.equal(10000, good)
    assert.equal("0", (select(2, get("/pending"))))
  end)

  it("goes on when a request was aborted", function()
    local client = connect()
    client.socket:write("GET /wait?seconds=0.05&id=1 HTTP/1.1\r\nHost: c\r\n\r\n")
    task.sleep(0.01)
    client:close()
    task.sleep(0.1)
    assert.equal("0", (select(2, get("/pending"))))
    assert.equal("truefalse2", (select(2, get("/wait?seconds=0.001&id=2"))))
  end)

  it("loses no connection to requests that are aborted", function()
    assert(has_sqlite(), "the SQLite adapter does not work")
    local first = task.spawn(get, "/hold?seconds=0.2")
    task.sleep(0.05)
    for _ = 1, 5 do -- they wait for it, and are gone when it comes
      local client = connect()
      client.socket:write("GET /hold?seconds=0 HTTP/1.1\r\nHost: c\r\n\r\n")
      task.sleep(0.01)
      client:close()
    end
    assert.equal("held", (select(2, first:join())))
    local client = connect() -- and this one while it has it
    client.socket:write("GET /hold?seconds=30 HTTP/1.1\r\nHost: c\r\n\r\n")
    task.sleep(0.05)
    client:close()
    local used
    for _ = 1, 200 do
      used = select(2, get("/used"))
      if used == "0" then
        break
      end
      task.sleep(0.05)
    end
    assert.equal("0", used)
    assert.equal("held", (select(2, get("/hold?seconds=0"))))
  end)

  it("answers 10,000 selects with a slow query beside them", function()
    assert(has_sqlite(), "the SQLite adapter does not work")
    local slow = task.spawn(function()
      return (select(2, get("/slow?rows=20000000")))
    end)
    local good = load_with(10000, 64, "/select?id=ID", function(body, id)
      assert.equal(tostring(id + 1), body)
    end)
    assert.equal(10000, good)
    assert.equal("20000000", slow:join())
  end)

  it("runs queries of MySQL, streams and deadlines", function()
    local url = os.getenv "COVET_MYSQL_URL"
    if not url then
      pending "COVET_MYSQL_URL is not set: scripts/servers sets it"
      return
    end
    assert.equal(200, load_with(200, 20, "/mysql?id=ID&url=" .. url, function(body, id)
      assert(body == tostring(id + 1 + 3000 * 3001 / 2) .. " timeout", body)
    end))
  end)

  it("asks for passwords whichever request needs a connection", function()
    local url = os.getenv "COVET_MYSQL_URL"
    if not url then
      pending "COVET_MYSQL_URL is not set: scripts/servers sets it"
      return
    end
    local _, before = get("/password?url=" .. url)
    assert.matches("^1 [12]$", before)
    assert.equal(50, load_with(50, 10, "/password?evict=1&id=ID&url=" .. url, function(body)
      assert(body:match "^1 %d+$", body)
    end))
    local _, after = get("/password?url=" .. url)
    assert.is_true(tonumber(after:match "%d+$") > tonumber(before:match "%d+$"), after)
  end)

  it("finishes what is under way when it is told to end", function()
    local request = task.spawn(get, "/steps?count=60")
    task.sleep(0.1)
    server:kill "sigquit"
    assert.equal("done", (select(2, request:join())))
    local result = server:wait(10)
    assert(not result.timed_out, "nginx did not end by itself")
  end)

  it("has logged no error", function()
    local log = error_log():gsub("[^\n]*covet: spec: [^\n]*", "") -- those meant to be
    assert.is_nil(log:match("[^\n]*%[error%][^\n]*"))
    assert.is_nil(error_log():match("[^\n]*%[alert%][^\n]*"))
  end)
end)
