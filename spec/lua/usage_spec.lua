-- Mistakes in calls of tasks are told at once, with the caller's place.
local covet = require "covet"
local fails = require "spec.support.fails"
local tmp = require "spec.support.tmp"

describe("a mistake is told where it was made:", function()
  local function check(...)
    assert.matches("fails.lua:%d+", fails("usage", ...).where)
  end

  it("a timeout that is no number of seconds", function()
    local task = covet.spawn(covet.sleep, 0.01)
    for _, wrong in ipairs { "5", 0 / 0, {}, true } do
      check(covet.channel(1), "receive", wrong)
      check(covet.channel(0), "send", 1, wrong)
      check(covet.semaphore(0), "acquire", wrong)
      check(task, "join", wrong)
      check(covet.timeout, wrong, print)
      check(covet.sleep, wrong)
    end
    task:join(math.huge)
    local channel = covet.channel(0)
    covet.spawn(function()
      covet.sleep(0)
      channel:send(7)
    end)
    assert.equal(7, channel:receive(math.huge))
    fails("timeout", channel, "receive", -1)
  end)

  it("sizes", function()
    check(covet.channel, 0 / 0)
    check(covet.channel, "2")
    check(covet.semaphore, 0 / 0)
    check(covet.each_parallel, { 1 }, 0 / 0, print)
    check(covet.each_parallel, { 1 }, "2", print)
    check(covet.each_parallel, function() end, math.huge, print)
    assert.same({ 2, 4 }, covet.each_parallel({ 1, 2 }, math.huge, function(i)
      return i * 2
    end))
  end)

  it("what is no function", function()
    check(covet.spawn, 5)
    check(covet.timeout, 1)
    check(covet.group, 5)
    check(covet.all, 5)
    check(covet.all, { print, 5 })
    check(covet.each_parallel, { 1 }, 1)
    check(covet.each_parallel, 5, 1, print)
    check(covet.await)
    check(covet.on_signal, "SIGUSR1", 5)
  end)

  it("a signal that does not exist", function()
    check(covet.on_signal, "SIGNONE", print)
    check(covet.on_signal, nil, print)
  end)

  it("names that cannot be quoted", function()
    local db = covet.sqlite(tmp.path())
    check(db, "quote_identifier")
    check(db, "quote_literal", {})
    check(db, "copy_records_to_table", "t", { { 1 } }, { columns = {} })
    check(db, "copy_records_to_table", "t", { { 1 } }, { columns = { 5 } })
    local tx = db:begin()
    check(tx, "savepoint")
    check(tx, "rollback_to", 5)
    tx:rollback()
    db:disconnect()
  end)

  it("a URL of another database", function()
    local function refused(name, ...)
      local err = fails("usage", covet[name], ...)
      assert.match("covet%." .. name .. " takes no URL of %l+: covet%.%l+ and covet%.connect do", err.message)
      assert.is_nil(err.message:find("secret", 1, true))
    end
    local urls = { postgresql = { "PostgreSQL://u:secret@h/d", "postgres://h" },
      sqlite = { "sqlite::memory:" }, mysql = { "mysql://u:secret@h/d", "mariadb://h?x=1" } }
    for name in pairs(urls) do
      for other, list in pairs(urls) do
        for _, url in ipairs(other ~= name and covet[name] and list or {}) do
          refused(name, url)
        end
      end
    end
    refused("sqlite", { path = "mysql://h/d" })
  end)

  it("each_parallel takes what can be called, streams too", function()
    local db = covet.sqlite ":memory:"
    local rows = covet.each_parallel(db:each "select 1 as i union all select 2", 2, function(row, at)
      return row.i * 10 + at
    end)
    table.sort(rows)
    assert.same({ 11, 22 }, rows)
    db:disconnect()
  end)
end)

describe("a deadline of no seconds", function()
  it("lets a call be done that needs no wait", function()
    local db = covet.sqlite(tmp.path())
    db:acquire({ timeout = 0.5 }):release()
    db:acquire({ timeout = 0 }):release()
    db:fetch_value "select 1"
    assert.equal(1, db:fetch_value { "select 1", timeout = 0 })
    db:disconnect()
  end)

  it("ends the wait of one that does", function()
    local db = covet.sqlite(tmp.path())
    local held = db:acquire()
    db:acquire({ read_only = true }):release() -- a reader is open
    local start = covet.now()
    covet.spawn(function()
      fails("pool_timeout", db, "acquire", { timeout = 0 })
      fails("pool_timeout", db, "execute", { "create table t (a)", timeout = 0 })
      local _, err = db.try:fetch_value { "with recursive n(i) as (select 1 union all "
        .. "select i + 1 from n) select count(*) from n", timeout = 0 }
      assert.is_true(covet.is(err, "timeout", "pool_timeout"), tostring(err))
    end):join()
    assert.is_true(covet.now() - start < 2)
    held:release()
    db:disconnect(0)
  end)
end)
