-- A pool of TCP connections, to a small server in the same script: loans from
-- many tasks, checks, and what the pool has counted: covet examples/pool.lua
local uv = require "luv"

-- The server answers in capitals. Its port is any that is free.
local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(128, function()
  local client = uv.new_tcp()
  server:accept(client)
  client:read_start(function(_, data)
    if data then client:write(data:upper()) else client:close() end
  end)
end)

-- The factory makes whatever is to be shared: an object with close(). Where
-- there are ping() and reset(), the pool checks with the one and cleans up with
-- the other. All of them may wait.
local function connect()
  local socket = uv.new_tcp()
  covet.await(uv.tcp_connect, socket, "127.0.0.1", server:getsockname().port)
  local connection = {}
  function connection.ask(_, text)
    socket:write(text)
    return (covet.await(function(done)
      socket:read_start(function(err, data)
        socket:read_stop()
        done(err, data)
      end)
    end))
  end
  function connection:ping() return self:ask "ping" == "PING" end
  function connection.close() socket:close() end
  return connection
end

local pool = covet.pool.new(connect, covet.pool.config {
  min_size = 10, max_size = 50, acquire_timeout = 10,
  idle_timeout = 300, max_lifetime = 1800, pre_ping = true,
}, "capitals")
pool:initialize() -- opens the ten, or raises why that fails

local words = {}
for i = 1, 1000 do words[i] = "word " .. i end
local answers = covet.each_parallel(words, 200, function(word)
  return pool:with(function(connection) return connection:ask(word) end)
end)
print(("%d answers, the last one: %s"):format(#answers, answers[#answers]))

local stats = pool:get_stats()
print(("connections: %d opened, %d of %d idle"):format(
  stats.created_connections, stats.idle_connections, stats.total_connections))
print(("loans: %d, of these failed: %d"):format(stats.total_checkouts,
  stats.failed_checkouts))
print(("waited %.1f ms on average, %.1f ms at most"):format(
  stats.avg_checkout_time * 1000, stats.max_checkout_time * 1000))
pool:close()
server:close()
