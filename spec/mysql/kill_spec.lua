-- Kills that come late, or not at all.
local fails = require "spec.support.fails"
local mysql = require "spec.support.mysql"
local proxy = require "spec.support.proxy"
local wait = require "spec.support.wait"

mysql.describe("kills of MariaDB", function()
  local server_port = mysql.options(mysql.url).port
  local front, db

  local function open(port, on_request)
    front = proxy.start(port, on_request)
    db = mysql.open { host = "127.0.0.1", port = front.port, max_pool_size = 1 }
  end

  after_each(function()
    db:disconnect(2)
    front:stop()
  end)

  local function kills()
    return tonumber((mysql.administer "show global status like 'Com_kill'"):match "%d+$")
  end

  it("one that cannot connect is followed by another, and the connection is kept", function()
    open(function(number)
      return (number == 2 or number == 3) and 1 or server_port
    end)
    local id = db:fetch_value "select connection_id()"
    local started = wait.now()
    fails("timeout", db, "fetch_value", { "select sleep(30)", timeout = 0.3 })
    assert.is_true(wait.now() - started < 1.5)
    assert.equal(id, db:fetch_value { "select connection_id()", timeout = 4 })
    assert.equal(4, front.accepted)
  end)

  it("one that finds its query not yet begun is followed by another", function()
    open(server_port, function(data)
      return nil, nil, data:find("sleep(30)", 1, true) and 0.6 or nil
    end)
    local id, sent = db:fetch_value "select connection_id()", kills()
    fails("timeout", db, "execute", { "do 1; do sleep(30)", timeout = 0.3 })
    assert.equal(id, db:fetch_value { "select connection_id()", timeout = 4 })
    assert.is_true(kills() - sent >= 2)
  end)

  it("one whose password is not taken any more is not repeated", function()
    local user = ("changing_%d"):format(require "luv".os_getpid())
    mysql.administer(("create user %s identified by 'pw'"):format(user))
    front = proxy.start(server_port)
    db = mysql.open { host = "127.0.0.1", port = front.port, max_pool_size = 1, user = user,
      database = false }
    mysql.administer(("alter user %s identified by 'other'"):format(user))
    fails("timeout", db, "fetch_value", { "select sleep(2)", timeout = 0.3 })
    assert.equal(1, db:fetch_value { "select 1", timeout = 4 })
    assert.equal(2, front.accepted)
    mysql.administer("drop user " .. user)
  end)
end)
