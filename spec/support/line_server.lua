--- A small server on a TCP port of this machine, and connections to it: for
-- pools over something that is no database.
--
-- It answers each line with the same line; "sleep N" N milliseconds later.
-- @module spec.support.line_server
local covet = require "covet"
local uv = require "luv"

local M = {}

local Server = {}
Server.__index = Server

local function answer(client, line)
  local pause = tonumber(line:match "^sleep (%d+)")
  if not pause then
    client:write(line .. "\n")
    return
  end
  local timer = uv.new_timer()
  timer:start(pause, 0, function()
    timer:close()
    if not client:is_closing() then
      client:write(line .. "\n")
    end
  end)
end

local function serve(self, client)
  local rest = ""
  self.clients[client] = true
  client:read_start(function(_, data)
    if not data then
      self.clients[client] = nil
      if not client:is_closing() then
        client:close()
      end
      return
    end
    rest = rest .. data
    rest = rest:gsub("([^\n]*)\n", function(line)
      self.lines = self.lines + 1
      answer(client, line)
      return ""
    end)
  end)
end

--- Start a server.
-- @tparam[opt=0] number port 0: any that is free
-- @treturn Server with `port`, `accepted`, `lines`, `clients`
function M.start(port)
  local self = setmetatable({ handle = uv.new_tcp(), clients = {}, accepted = 0,
    lines = 0 }, Server)
  assert(self.handle:bind("127.0.0.1", port or 0))
  self.port = self.handle:getsockname().port
  assert(self.handle:listen(128, function()
    local client = uv.new_tcp()
    self.handle:accept(client)
    self.accepted = self.accepted + 1
    serve(self, client)
  end))
  return self
end

--- How many connections are open.
function Server:open()
  local count = 0
  for _ in pairs(self.clients) do
    count = count + 1
  end
  return count
end

--- Close all connections, as a server that restarts does.
function Server:drop()
  for client in pairs(self.clients) do
    if not client:is_closing() then
      client:close()
    end
    self.clients[client] = nil
  end
end

--- Close the port and all connections.
function Server:stop()
  if not self.handle:is_closing() then
    self.handle:close()
  end
  self:drop()
end

local Connection = {}
Connection.__index = Connection

--- Send a line and wait for the answer; nil when the other side has closed.
function Connection:ask(line)
  self.socket:write(line .. "\n")
  return (covet.await(function(done)
    self.socket:read_start(function(err, data)
      self.socket:read_stop()
      done(err, data and data:gsub("\n$", ""))
    end)
  end))
end

function Connection:ping()
  return self:ask "ping" == "ping"
end

function Connection:close()
  if not self.socket:is_closing() then
    self.socket:close()
  end
end

--- A factory of connections to a port.
-- @tparam number port
-- @treturn function
function M.factory(port)
  return function()
    local socket = uv.new_tcp()
    local fine, err = pcall(covet.await, uv.tcp_connect, socket, "127.0.0.1", port)
    if not fine then
      socket:close()
      error(err, 0)
    end
    return setmetatable({ socket = socket }, Connection)
  end
end

return M
