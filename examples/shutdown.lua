-- A service that ends well: at SIGTERM it takes no new requests, finishes those
-- under way and closes its pools. covet examples/shutdown.lua (it sends the
-- signal to itself)
local uv = require "luv"
local path = os.tmpname()

local manager = covet.pool.manager()
local db = manager:create_pool("orders_db", "sqlite:" .. path)
db:execute "create table orders (id integer primary key, amount integer)"
local mail = manager:create_pool("mail", function() -- a stand-in for a server
  return { send = function() covet.sleep(0.02) end, close = function() end }
end, { preset = "worker", min_size = 1, max_size = 4 })

local accepted, answered, refused = 0, 0, 0
local accepting = true

-- One request: an order is stored, then a mail is sent.
local function handle(amount)
  db:execute("insert into orders (amount) values (?)", amount)
  mail:with(function(connection) connection:send("order of " .. amount) end)
  answered = answered + 1
end

-- The requests are a group: whoever waits for it waits for all of them.
local requests = covet.spawn(function()
  covet.group(function(group)
    while accepting do
      accepted = accepted + 1
      group:spawn(handle, accepted)
      covet.sleep(0.002)
    end
  end)
end)

covet.on_signal("SIGTERM", function(name)
  print(name .. ": no new requests")
  accepting = false
  local started = covet.now()
  -- Ten seconds for all that is under way; then the pools take it back.
  local fine = pcall(covet.timeout, 10, function() requests:join() end)
  print(fine and "all requests were answered" or "some took too long")
  manager:close_all { timeout = 5 }
  if not pcall(mail.acquire, mail) then refused = refused + 1 end
  print(("closed within %s second"):format(
    covet.now() - started < 1 and "a" or "more than a"))
  covet.on_signal("SIGTERM", nil) -- as before
end)

covet.sleep(0.1)
uv.kill(uv.os_getpid(), "sigterm")
requests:join()
covet.sleep(0.1)
print("unanswered: " .. accepted - answered)
print("refused after the end: " .. refused)
db:connect() -- what was closed opens again only when it is told to
print("orders stored: " .. (db:fetch_value "select count(*) from orders" == accepted
  and "all" or "not all"))
db:disconnect()
os.remove(path)
