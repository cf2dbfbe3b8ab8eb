--- A TCP proxy in front of a server: what it answers comes late, or is another's.
-- @module spec.support.proxy
local uv = require "luv"

local M = {}

local Proxy = {}
Proxy.__index = Proxy
Proxy.__name = "spec.Proxy"

local function close(socket)
  if not socket:is_closing() then
    socket:close()
  end
end

local function later(milliseconds, fn)
  local timer = uv.new_timer()
  timer:start(milliseconds, 0, function()
    timer:close()
    fn()
  end)
end

-- What the server says goes on at once, or after a while.
local function give_back(client, data, delay)
  if client:is_closing() then
    return
  elseif not data then
    close(client)
  elseif delay then
    later(delay * 1000, function()
      give_back(client, data)
    end)
  else
    client:write(data)
  end
end

local function serve(self, client, number)
  local server, delay, first = uv.new_tcp(), nil, {}
  local connected = false
  self.sockets[#self.sockets + 1], self.sockets[#self.sockets + 2] = client, server
  server:connect("127.0.0.1", self.port_of(number), function(err)
    if err then
      close(client)
      return
    end
    connected = true
    for _, data in ipairs(first) do
      server:write(data)
    end
    server:read_start(function(_, data)
      give_back(client, data, delay)
      delay = nil
    end)
  end)
  client:read_start(function(_, data)
    if not data then
      close(server)
      return
    end
    local answer, hold
    if self.on_request then
      answer, delay, hold = self.on_request(data, number)
    end
    if answer then
      client:write(answer)
    elseif hold then
      later(hold * 1000, function()
        if not server:is_closing() then
          server:write(data)
        end
      end)
    elseif not connected then
      first[#first + 1] = data
    elseif not server:is_closing() then
      server:write(data)
    end
  end)
end

--- Start a proxy.
-- @tparam number|function port of the server; or what answers it for the number of a
-- connection
-- @tparam[opt] function on_request called with what a client sends and the number of
-- its connection; what it returns first is answered in the server's place, what
-- second is how many seconds the server's next answer is held back, what third is how
-- many this is held back itself
-- @treturn Proxy `port`, `accepted`
function M.start(port, on_request)
  local self = setmetatable({ handle = uv.new_tcp(), sockets = {}, accepted = 0,
    on_request = on_request }, Proxy)
  self.port_of = type(port) == "function" and port or function()
    return port
  end
  assert(self.handle:bind("127.0.0.1", 0))
  self.port = self.handle:getsockname().port
  assert(self.handle:listen(128, function()
    local client = uv.new_tcp()
    self.handle:accept(client)
    self.accepted = self.accepted + 1
    serve(self, client, self.accepted)
  end))
  return self
end

--- Close the port and all connections.
function Proxy:stop()
  close(self.handle)
  for _, socket in ipairs(self.sockets) do
    close(socket)
  end
end

return M
