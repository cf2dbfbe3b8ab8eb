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

ngx.say(routes[ngx.var.uri:sub(2)]())
