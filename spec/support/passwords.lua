--- What holds for passwords that a function gives, in each database that has any.
-- @module spec.support.passwords
local covet = require "covet"
local fails = require "spec.support.fails"
local luajit = require "spec.support.luajit"
local wait = require "spec.support.wait"

--- Describe it.
-- @function passwords
-- @tparam table server `open(options)`: an adapter of a user, not connected;
-- `rotate(password)`: the user has another one; `cut()`: end the user's sessions;
-- `refused()`: how many logins the server has refused; `code(options)`: the text of
-- an adapter for plain luajit
return function(server)
  local busted = getfenv(2) -- busted's functions are known to specs only
  local it, before_each = busted.it, busted.before_each
  local assert = busted.assert -- luacheck: ignore 431
  local right, calls

  local function ask()
    calls = calls + 1
    covet.sleep(0.001) -- it may wait
    return right
  end

  local function rotate(password)
    server.rotate(password)
    right = password
  end

  before_each(function()
    rotate "first"
    calls = 0
  end)

  local function open(options)
    local all = { min_pool_size = 1, max_pool_size = 8, retry = { attempts = 1 }, password = ask }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return server.open(all)
  end

  local function opening(db)
    local stats = db:get_pool_stats()
    return stats.opening > 0 or stats.total_connections < stats.min_size
  end

  -- All connections are there that are to be kept.
  local function settle(db)
    assert.truthy(wait.until_true(function() return not opening(db) end, 10))
  end

  -- Calls of the function since the last time.
  local function asked()
    local n = calls
    calls = 0
    return n
  end

  it("is asked for each connection, and by nothing that is connected", function()
    local db = open { max_pool_size = 1 }
    db:connect()
    settle(db)
    assert.equal(1, asked())
    assert.equal(1, db:fetch_value "select 1")
    db:with(function(held) held:fetch_value "select 1" end)
    db:connect()
    assert.equal(0, asked())
    db:evict()
    settle(db)
    assert.equal(1, db:fetch_value "select 1")
    assert.equal(1, asked())
  end)

  it("is asked once for all that wait", function()
    local db = open { min_pool_size = 5, password = function()
      covet.sleep(0.05)
      return ask()
    end }
    db:connect()
    settle(db)
    local n = asked()
    assert.is_true(n >= 2 and n <= 3, n) -- the first connection goes ahead
  end)

  it("is asked when the pool grows", function()
    local db = open()
    db:connect()
    settle(db)
    asked()
    local created = db:get_pool_stats().created
    rotate "second" -- which the sessions that there are outlive
    local held = {}
    for i = 1, 6 do
      held[i] = db:acquire()
      assert.equal(1, held[i]:fetch_value "select 1")
    end
    settle(db)
    local n = asked()
    assert.is_true(n >= 1 and n <= db:get_pool_stats().created - created, n)
    for i = 1, 6 do
      held[i]:close()
    end
  end)

  it("is asked when connections were lost", function()
    local db = open { min_pool_size = 3 }
    db:connect()
    settle(db)
    asked()
    local refused = server.refused()
    rotate "second"
    server.cut()
    assert.truthy(wait.until_true(function() return calls > 0 and not opening(db) end, 20))
    assert.equal(1, db:fetch_value "select 1")
    assert.equal(refused, server.refused())
  end)

  it("is asked before a login can fail", function()
    local db = open { min_pool_size = 2 }
    local refused = server.refused()
    for i = 1, 5 do
      assert.equal(1, db:fetch_value "select 1")
      settle(db)
      asked()
      rotate("number " .. i)
      db:evict()
      assert.equal(1, db:fetch_value "select 1")
      settle(db)
      assert.is_true(asked() >= 1)
    end
    assert.equal(refused, server.refused())
  end)

  it("is asked once more when the server refuses what it said", function()
    local answers = { "old", "first" }
    local db = open { password = function()
      ask()
      return table.remove(answers, 1) or "first"
    end }
    db:connect()
    assert.equal(1, db:fetch_value "select 1")
  end)

  it("that stays wrong is an error, at once", function()
    local db = open { password = function() return "wrong " .. ask() .. calls end }
    fails("authentication_failed", db, "fetch_value", "select 1")
    assert.equal(2, asked())
    local function logins(password)
      local before = server.refused()
      fails("authentication_failed", open { password = password }, "connect")
      return server.refused() - before
    end
    -- the same one is not tried again
    assert.equal(logins "wrong", logins(function() return "wrong" end))
  end)

  it("fails as connecting does when the function raises, with that as the cause", function()
    for _, what in ipairs { "the vault is closed", { reason = "closed" } } do
      local db = open { password = function() error(what, 0) end }
      for _, name in ipairs { "connect", "acquire" } do
        local err = fails("connection_failed", db, name)
        assert.equal(what, err.cause)
        assert.equal("connect", err.phase)
        assert.is_nil(err.code)
      end
    end
    local sqlite = covet.sqlite ":memory:"
    local err = fails("syntax_error", open { password = function()
      return sqlite:fetch_value "this is no statement"
    end }, "connect")
    assert.equal("syntax_error", err.cause.kind)
    sqlite:disconnect()
  end)

  it("is a mistake of usage when it is no string, or none that can be sent", function()
    for _, wrong in ipairs { 7, false, {}, "a\0b" } do
      local err = fails("usage", open { password = function() return wrong end }, "connect")
      assert.matches("password", err.message)
    end
  end)

  it("may raise later: what is connected goes on, and so does the pool", function()
    local broken
    local db = open { min_pool_size = 2, acquire_timeout = 0.5, password = function()
      if broken then
        error("the vault is closed", 0)
      end
      return ask()
    end }
    db:connect()
    settle(db)
    local held = db:acquire()
    broken = true
    db:evict()
    local err = fails("pool_timeout", db, "acquire") -- what is lent could come back
    assert.equal("the vault is closed", err.cause.cause)
    assert.equal(1, held:fetch_value "select 1")
    held:close()
    broken = false
    assert.truthy(wait.until_true(function()
      return (db.try:fetch_value "select 1") == 1
    end, 20))
  end)

  it("is asked for by more adapters at once than events are kept", function()
    local tasks = {}
    for i = 1, 300 do
      local db = open { port = 1 }
      tasks[i] = covet.spawn(function() fails("connection_failed", db, "connect") end)
    end
    for i = 1, 300 do
      tasks[i]:join()
    end
    assert.is_true(calls >= 300)
  end)

  it("may be asked for by a query of another adapter", function()
    local sqlite = covet.sqlite ":memory:"
    local db = open { password = function() return sqlite:fetch_value("select ?", ask()) end }
    assert.equal(1, db:fetch_value "select 1")
    sqlite:disconnect()
  end)

  it("has the time of one attempt to connect", function()
    local db = open { connect_timeout = 1, password = function() covet.sleep(60) end }
    local started = covet.now()
    local err = fails("timeout", db, "connect")
    assert.matches("the function of the password", err.message)
    assert.equal("timeout", err.cause.kind)
    assert.is_true(covet.now() - started < 5)
  end)

  it("is waited for by nobody who disconnects", function()
    local waits, slow
    local db = open { password = function()
      if slow then
        waits = true
        covet.sleep(1)
      end
      return ask()
    end }
    db:connect()
    settle(db)
    slow = true
    db:evict()
    assert.truthy(wait.until_true(function() return waits end))
    local created, started = db:get_pool_stats().created, covet.now()
    db:disconnect()
    assert.is_true(covet.now() - started < 0.5)
    assert.equal(0, db:get_pool_stats().total_connections)
    covet.sleep(1.1)
    assert.equal(created, db:get_pool_stats().created)
    slow = false
    assert.equal(1, db:connect():fetch_value "select 1")
  end)

  it("is waited for by calls that are under way when somebody disconnects", function()
    local waits
    local db = open { max_pool_size = 1, password = function()
      waits = calls > 0
      covet.sleep(0.2)
      return ask()
    end }
    db:connect()
    db:evict()
    local call = covet.spawn(function() return db:fetch_value "select 1" end)
    assert.truthy(wait.until_true(function() return waits end))
    db:disconnect()
    assert.equal(1, call:join())
  end)

  it("gives calls up with the time of a disconnect", function()
    local waits
    local db = open { password = function()
      waits = true
      covet.sleep(1)
      return ask()
    end }
    local call = covet.spawn(function() return db.try:fetch_value "select 1" end)
    assert.truthy(wait.until_true(function() return waits end))
    local started = covet.now()
    db:disconnect(0.1)
    assert.is_true(covet.now() - started < 0.8)
    assert.is_nil((call:join()))
    covet.sleep(1.1)
    assert.equal(1, db:connect():fetch_value "select 1")
  end)

  it("does without an adapter that nobody holds any more", function()
    local result = luajit(([[
      local covet, waits = require "covet", false
      do
        local slow
        local db = %s
        db:connect()
        slow = true
        db:evict()
      end
      collectgarbage() collectgarbage()
      covet.sleep(0.05)
      io.write("fine")
    ]]):format(server.code [[{ min_pool_size = 1, password = function()
      if slow then covet.sleep(30) end
      return "first"
    end }]]))
    assert.equal("fine", result.stdout .. result.stderr)
    assert.equal(0, result.status)
  end)

  for _, host in ipairs { "blocking", "luv" } do
    it("is asked in the host " .. host, function()
      local result = luajit(([[
        local covet, calls = require "covet", 0
        local function main()
          local db = %s
          assert(db:fetch_value "select 1" == 1)
          local n = calls
          db:evict()
          assert(db:fetch_value "select 1" == 1)
          assert(n >= 1 and calls > n)
          db:disconnect()
          io.write("fine")
        end
        if %q == "luv" then
          covet.use_host "luv"
          covet.spawn(main)
          require("luv").run()
        else
          main()
        end
      ]]):format(server.code [[{ min_pool_size = 1, max_pool_size = 1, password = function()
        calls = calls + 1
        covet.sleep(0.001)
        return "first"
      end }]], host))
      assert.equal("fine", result.stdout .. result.stderr)
    end)
  end
end
