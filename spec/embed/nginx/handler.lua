-- What the specs ask of the worker, by path.
local task = require "covet.task"

local routes = {}

-- Made in the worker, at the first request that needs it.
local function database()
  local covet = require "covet"
  local db = package.loaded["spec.database"]
  if not db then
    db = covet.sqlite(ngx.var.arg_path or ":memory:")
    package.loaded["spec.database"] = db
  end
  return db
end

function routes.host()
  return task.host()
end

function routes.sleep()
  task.sleep(tonumber(ngx.var.arg_seconds))
  return "slept"
end

function routes.wait()
  local core = require "covet.core"
  local ok, more = task.wait(core.sleep(tonumber(ngx.var.arg_seconds)))
  return tostring(ok) .. tostring(more) .. ngx.var.arg_id
end

-- Waits again and again, with nothing under way between.
function routes.steps()
  local core = require "covet.core"
  for _ = 1, tonumber(ngx.var.arg_count) do
    task.wait(core.sleep(0.01))
    ngx.sleep(0.01)
  end
  return "done"
end

function routes.tasks()
  local channel = task.channel(1)
  local a, b = task.all {
    function()
      for i = 1, 3 do
        channel:send(i)
      end
      channel:close()
      return "a"
    end,
    function()
      local sum = 0
      for value in channel:each() do
        task.sleep(0.001)
        sum = sum + value
      end
      return sum
    end,
  }
  local one = task.spawn(function() return 1, nil, 3 end)
  return a .. b .. select("#", one:join())
end

function routes.timeout()
  local core = require "covet.core"
  local _, first = pcall(task.timeout, 0.02, task.sleep, 5)
  local _, second = pcall(task.timeout, 0.02, function()
    task.wait(core.sleep(5))
  end)
  return first.kind .. " " .. second.kind .. " " .. core.pending()
end

function routes.cancel()
  local one = task.spawn(task.sleep, 5)
  task.sleep(0.001)
  one:cancel()
  local _, err = pcall(one.join, one)
  return err.kind .. " " .. one:status()
end

function routes.error()
  local _, err = pcall(task.all, { function() error("inner", 0) end })
  return err
end

-- A task that fails: joined late, or by nobody.
function routes.fail()
  local one = task.spawn(function() error("spec: " .. ngx.var.arg_how, 0) end)
  if ngx.var.arg_how == "joined" then
    task.sleep(0.1)
    return tostring(select(2, pcall(one.join, one)))
  end
  return "left"
end

function routes.sort()
  local _, err = pcall(table.sort, { 2, 1 }, function() task.sleep(1) end)
  return tostring(err)
end

function routes.pending()
  return tostring(require "covet.core".pending())
end

function routes.select()
  return tostring(database():fetch_value("select ? + 1", tonumber(ngx.var.arg_id)))
end

-- Takes the connection that writes, and keeps it for a time.
function routes.hold()
  local db = database()
  local held = db:acquire()
  task.sleep(tonumber(ngx.var.arg_seconds))
  held:release()
  return "held"
end

-- A collection, and what is lent after it.
function routes.used()
  collectgarbage()
  collectgarbage()
  return tostring(database():get_pool_stats().used)
end

function routes.slow()
  return tostring(database():fetch_value([[
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
    select count(*) from n]], tonumber(ngx.var.arg_rows)))
end

-- A value, a stream and a deadline, on connections that the runtime's thread runs.
function routes.mysql()
  local covet = require "covet"
  local db = package.loaded["spec.mysql"]
  if not db then
    db = covet.mysql(ngx.var.arg_url, { min_pool_size = 1, max_pool_size = 4 })
    package.loaded["spec.mysql"] = db
  end
  local sum = db:fetch_value("select ? + 1", tonumber(ngx.var.arg_id))
  for row in db:each { "select seq from seq_1_to_3000", chunk_size = 100 } do
    sum = sum + row.seq
  end
  local _, err = db.try:fetch_value { "select sleep(5)", timeout = 0.05 }
  return sum .. " " .. err.kind:gsub("^pool_", "")
end

-- The password's function is asked for what replaces the connections too.
function routes.password()
  local covet = require "covet"
  local db = package.loaded["spec.password"]
  if not db then
    local calls = 0
    db = covet.connect(ngx.var.arg_url:gsub(":pw@", "@"), { min_pool_size = 1, max_pool_size = 2,
      password = function()
        calls = calls + 1
        task.sleep(0.002)
        return "pw"
      end })
    package.loaded["spec.password"], package.loaded["spec.asked"] = db, function() return calls end
  end
  if ngx.var.arg_evict then
    db:evict()
  end
  return db:fetch_value "select 1" .. " " .. package.loaded["spec.asked"]()
end

-- An alarm that notes how long after its making it was due each time, in
-- hundredths of a second; `next_in`, if given, is what it sets itself to.
local function new_alarm(next_in)
  local host = require "covet.task.park".host
  local item, started = {}, task.now()
  function item.set(seconds)
    host.alarm(item, seconds, false)
  end
  function item.on_due()
    item[#item + 1] = math.floor((task.now() - started) * 100)
    if next_in and #item == 1 then
      item.set(next_in)
    end
  end
  return item
end

local function fired(...)
  local lists = {}
  for i, item in ipairs { ... } do
    lists[i] = table.concat(item, ",")
  end
  return table.concat(lists, " ")
end

-- Set to each time in turn, then waited for; "off" takes it back.
function routes.alarm()
  local item = new_alarm(tonumber(ngx.var.arg_next_in))
  for text in ngx.var.arg_set:gmatch "[^,]+" do
    item.set(tonumber(text))
  end
  task.sleep(tonumber(ngx.var.arg_wait))
  if ngx.var.arg_again then
    item.set(tonumber(ngx.var.arg_again))
    task.sleep(tonumber(ngx.var.arg_wait))
  end
  return fired(item)
end

function routes.two_alarms()
  local early, late = new_alarm(), new_alarm()
  early.set(0.1)
  late.set(0.4)
  task.sleep(0.6)
  return fired(early, late)
end

-- How many timers of nginx an alarm costs that is moved back again and again.
function routes.alarm_timers()
  local before, item = ngx.timer.pending_count(), new_alarm()
  for i = 1, 100 do
    item.set(0.1 + i / 1000)
  end
  local made = ngx.timer.pending_count() - before
  task.sleep(0.4)
  return ("%d %d"):format(made, #item)
end

-- A pool that nobody asks for anything: its alarm has the connection closed.
function routes.idle_pool()
  local covet, closed = require "covet", {}
  local pool = covet.pool.new(function()
    return { close = function() closed[#closed + 1] = "closed" end }
  end, { min_size = 0, idle_timeout = 0.1, auto_scale = false }, "idle")
  for _ = 1, 2 do -- the second time the alarm has fired before
    pool:with(function() end)
    ngx.sleep(0.5)
  end
  pool:close()
  return fired(closed)
end

ngx.say(routes[ngx.var.uri:sub(2)]())
