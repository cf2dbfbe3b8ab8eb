--- Many tasks over few connections, with everything that can go wrong to a task:
-- the pool's counters against the server's own.
--
--    covet bench/soak.lua [SECONDS] [TASKS] [CONNECTIONS]      (60 10000 50)
--
-- A server in a process of its own answers "ping", and "count" with the number
-- of its connections. Tasks take connections, use them, are cancelled, run into
-- timeouts, die holding one, break it, or ask for two. At the end, and each
-- second, what the pool has counted has to agree with the server; the process
-- exits with 1 if it does not.
-- @script bench.soak

package.path = "./?.lua;" .. package.path

local covet = require "covet"
local uv = require "luv"

local SERVER = [[
local uv = require "luv"
local server, clients = uv.new_tcp(), 0
server:bind("127.0.0.1", 0)
server:listen(1024, function()
  local client = uv.new_tcp()
  server:accept(client)
  clients = clients + 1
  client:read_start(function(_, data)
    if data == "count" then
      client:write(tostring(clients - 1)) -- without the one who asks
    elseif data then
      client:write(data)
    elseif not client:is_closing() then
      clients = clients - 1
      client:close()
    end
  end)
end)
io.write(server:getsockname().port, "\n")
io.flush()
]]

local function start_server()
  local out = uv.new_pipe()
  local port
  local process = uv.spawn(uv.exepath(), { args = { "-e", SERVER },
    stdio = { nil, out, 2 } }, function() end)
  out:read_start(function(_, data) port = port or tonumber(data) end)
  while not port do covet.sleep(0.01) end
  out:close()
  return process, port
end

local function talk(socket, text)
  return covet.await(function(done)
    socket:read_start(function(err, data)
      socket:read_stop()
      done(err or (not data and "closed") or nil, data)
    end)
    socket:write(text)
  end)
end

local function new_factory(port)
  return function()
    local socket = uv.new_tcp()
    covet.await(uv.tcp_connect, socket, "127.0.0.1", port)
    local connection = { socket = socket }
    function connection.close() socket:close() end
    function connection.ping() return talk(socket, "ping") == "ping" end
    return connection
  end
end

local random = math.random

local DIED = {}

-- One use of the pool, with some misfortune.
local function use(pool)
  local chance = random()
  local connection = pool:acquire { timeout = chance < 0.2 and random() * 0.01 or 5 }
  if chance > 0.97 then
    return DIED
  end
  local fine, answer = pcall(talk, connection.socket, "x")
  if not fine then
    pool:release(connection, "broken") -- interrupted amid an answer
    error(answer, 0)
  end
  pool:release(connection, chance > 0.95 and "broken" or nil)
end

local function agree(pool, count, label)
  local deadline = covet.now() + 5
  local counted, stats
  repeat
    counted, stats = tonumber(count()), pool:get_stats()
    if counted == stats.total_connections + stats.opening + stats.closing then
      return true
    end
    covet.sleep(0.01)
  until covet.now() > deadline
  io.stderr:write(("%s: the server has %d connections, the pool %d + %d opening + %d closing\n")
    :format(label, counted, stats.total_connections, stats.opening, stats.closing))
  return false
end

local function main(seconds, tasks, connections)
  seconds, tasks = tonumber(seconds or 60), tonumber(tasks or 10000)
  local process, port = start_server()
  local observer = new_factory(port)()
  local function count() return talk(observer.socket, "count") end
  local pool = covet.pool.new(new_factory(port), { min_size = 5,
    max_size = tonumber(connections or 50), max_waiting = math.huge,
    acquire_timeout = 5, max_lifetime = 2 }, "soak")
  pool:on("leak", function() end) -- tasks that die holding one are meant to
  pool:initialize()
  local started, running, done, live = covet.now(), true, 0, {}
  local function work()
    while running do
      local _, ended = pcall(use, pool)
      done = done + 1
      if ended == DIED then return end -- with the connection in its hands
      covet.sleep(random() * 0.2)
    end
  end
  for i = 1, tasks do
    live[i] = covet.spawn(work)
  end
  local function replace(i)
    if live[i]:status() ~= "waiting" and live[i]:status() ~= "ready" then
      live[i] = covet.spawn(work)
    end
  end
  local fine = true
  while covet.now() - started < seconds do
    covet.sleep(0.05)
    for _ = 1, 20 do live[random(tasks)]:cancel() end
    for _ = 1, 200 do replace(random(tasks)) end
  end
  running = false
  for i = 1, tasks do pcall(live[i].join, live[i]) end
  fine = agree(pool, count, "after the load") and fine
  local stats = pool:get_stats()
  fine = fine and stats.total_checkouts == stats.total_checkins
    and stats.active_connections == 0 and stats.waiting == 0
  print(("%d uses in %.0f s by %d tasks: %d loans, %d back, %d failed (%d timeouts), %d taken back, "
    .. "%d opened, %d closed, most waited %.3f s"):format(done, covet.now() - started, tasks,
    stats.total_checkouts, stats.total_checkins, stats.failed_checkouts, stats.timeouts,
    stats.reclaimed, stats.created_connections, stats.destroyed_connections,
    stats.max_checkout_time))
  pool:close()
  covet.sleep(0.1)
  fine = tonumber(count()) == 0 and fine
  print(fine and "the counters agree" or "the counters do NOT agree")
  observer.close()
  process:kill "sigterm"
  os.exit(fine and 0 or 1)
end

main(...)
