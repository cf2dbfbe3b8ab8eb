-- Many tasks over few connections: each has a connection for itself, nobody is
-- forgotten, and errors name the place of each holder.
local covet = require "covet"
local errors = require "covet.error"

local TASKS, ROUNDS = 200, 10

-- Connections that notice when two use them at once.
local function new_pool(given)
  local pool = covet.pool.new(function()
    covet.sleep(0.001)
    return { users = 0, close = function(self)
      assert(self.users == 0 or self.lost, "closed under its user")
    end }
  end, given, "load")
  return pool
end

local function use(connection, seconds)
  connection.users = connection.users + 1
  assert.equal(1, connection.users)
  covet.sleep(seconds)
  connection.users = connection.users - 1
end

local function check_end(pool, loans)
  local stats = pool:get_stats()
  assert.equal(0, stats.active_connections)
  assert.equal(0, stats.waiting)
  assert.equal(stats.total_checkouts, stats.total_checkins)
  if loans then
    assert.equal(loans, stats.total_checkouts)
  end
  assert.is_nil((next(pool.requests)))
  assert.is_nil((next(pool.answers)))
  assert.is_nil((next(pool.leases)))
  pool:close { timeout = 1 }
end

describe("a pool under load", function()
  it("lends each connection to one task at a time", function()
    local pool, done = new_pool { max_size = 3 }, 0
    local tasks = {}
    for i = 1, TASKS do
      tasks[i] = covet.spawn(function()
        for round = 1, ROUNDS do
          pool:with(function(connection)
            use(connection, round % 3 == 0 and 0.0005 or 0)
          end)
          done = done + 1
        end
      end)
    end
    for i = 1, TASKS do
      tasks[i]:join()
    end
    assert.equal(TASKS * ROUNDS, done)
    check_end(pool, TASKS * ROUNDS)
  end)

  it("loses nothing when tasks are cancelled and give up", function()
    local pool = new_pool { max_size = 4, acquire_timeout = 5 }
    local tasks, served, gave_up, cancelled = {}, 0, 0, 0
    math.randomseed(7)
    for i = 1, TASKS do
      tasks[i] = covet.spawn(function()
        for _ = 1, ROUNDS do
          local timeout = math.random() < 0.3 and math.random() * 0.01 or nil
          local fine, err = pcall(pool.with, pool, timeout and { timeout = timeout },
            function(connection)
              connection.lost = true -- a cancelled user leaves it as it is
              covet.sleep(math.random() * 0.002)
            end)
          if fine then
            served = served + 1
          elseif errors.is(err, "pool_timeout") then
            gave_up = gave_up + 1
          else
            error(err, 0)
          end
        end
      end)
    end
    local killer = covet.spawn(function()
      for i = 1, TASKS, 4 do
        covet.sleep(0.002)
        tasks[i]:cancel()
      end
    end)
    for i = 1, TASKS do
      local fine, err = pcall(tasks[i].join, tasks[i])
      assert.is_true(fine or errors.is(err, "cancelled"), tostring(err))
      cancelled = cancelled + (fine and 0 or 1)
    end
    killer:join()
    assert.is_true(served > TASKS and gave_up > 0 and cancelled > 0)
    check_end(pool)
  end)

  it("serves those who wait although connecting fails now and then", function()
    local attempts = 0
    local pool = covet.pool.new(function()
      attempts = attempts + 1
      covet.sleep(0.001)
      if attempts % 3 == 0 then
        return nil, "refused"
      end
      return { users = 0, close = function() end }
    end, { max_size = 3, min_size = 0, max_lifetime = 0.02, retry = {
      attempts = 5, backoff = 0.001 }, breaker = false }, "load")
    local items = {}
    for i = 1, TASKS do
      items[i] = i
    end
    covet.each_parallel(items, 50, function()
      pool:with(function(connection)
        use(connection, 0.002)
      end)
    end)
    assert.is_true(attempts > 3)
    check_end(pool, TASKS)
  end)
end)

describe("the place of a loan", function()
  local function line()
    return "pool_load_spec.lua:" .. debug.getinfo(2, "l").currentline
  end

  it("is whoever wrote the call, by whichever way", function()
    local pool = new_pool { max_size = 5 }
    local held, places = {}, {}
    held[1], places[1] = pool:acquire(), line()
    held[2], places[2] = pool.try:acquire(), line()
    held[3], places[3] = select(2, pcall(pool.acquire, pool)), line()
    pool:with(function(connection) held[4] = connection end) places[4] = line()
    held[4], places[4] = pool:acquire(), line() -- not the one before
    held[5], places[5] = pool.try:acquire { timeout = 5 }, line()
    local other = covet.spawn(function()
      return select(2, pool.try:acquire { timeout = 0.01 })
    end)
    local err = other:join()
    for i, holder in ipairs(err.holders) do
      assert.equal(places[i], holder.taken_at:match "[^/]*$")
    end
    assert.equal(3, #err.holders)
    for i = 1, 2 do
      pool:release(held[i])
    end
    err = covet.spawn(function()
      return select(2, pool.try:drain { timeout = 0.01 })
    end):join()
    for i, holder in ipairs(err.holders) do
      assert.equal(places[i + 2], holder.taken_at:match "[^/]*$")
    end
    assert.matches('^pool "load": not drained within .* 3 of 5 in use', err.message)
    for i = 3, 5 do
      pool:release(held[i])
    end
    check_end(pool)
  end)
end)
