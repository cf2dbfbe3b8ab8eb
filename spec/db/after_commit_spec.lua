-- tx:after_commit(fn): when it is called.
local database = require "spec.support.database"
local fails = require "spec.support.fails"
local support = require "spec.db.transaction_support"

database.contract("after_commit", function(d, open)
  local db
  before_each(function()
    db = open()
    support.create(db, d)
  end)

  local insert = support.insert(d)

  local function ids()
    return support.ids(db)
  end

  it("after_commit runs in order, after the commit, outside of it", function()
    local order = {}
    db:transaction(function(tx)
      tx:execute(insert, 1, 1)
      tx:after_commit(function()
        order[#order + 1] = "first"
        assert.equal(0, db:get_pool_stats().used)
        assert.same({ 1 }, ids())
      end)
      tx:transaction(function(inner)
        inner:after_commit(function()
          order[#order + 1] = "second"
        end)
      end)
      tx:after_commit(function()
        order[#order + 1] = "third"
      end)
      assert.same({}, order)
    end)
    assert.same({ "first", "second", "third" }, order)
    db:transaction(function(tx)
      fails("usage", tx, "after_commit", 7)
    end)
  end)

  it("after_commit is dropped with what is rolled back", function()
    local ran = {}
    local function note(name)
      return function()
        ran[#ran + 1] = name
      end
    end
    pcall(db.transaction, db, function(tx)
      tx:after_commit(note "outer")
      tx:transaction(function(inner)
        inner:after_commit(note "inner")
      end)
      error "no"
    end)
    db:transaction(function(tx)
      tx:after_commit(note "rolled back")
      tx:rollback()
    end)
    db:transaction(function(tx)
      tx:after_commit(note "kept")
      pcall(tx.transaction, tx, function(inner)
        inner:after_commit(note "lost")
        error "no"
      end)
    end)
    assert.same({ "kept" }, ran)
  end)

  it("an error in after_commit is raised; the work is there", function()
    local _, err = pcall(db.transaction, db, function(tx)
      tx:execute(insert, 1, 1)
      tx:after_commit(function()
        error "in the hook"
      end)
    end)
    assert.matches("in the hook", tostring(err))
    assert.same({ 1 }, ids())
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("after_commit runs once, however often the transaction ran", function()
    local function deadlock()
      return require("covet.error").new { kind = "deadlock", message = "made up" }
    end
    local runs, hooks = 0, {}
    db:transaction({ retries = 3 }, function(tx)
      runs = runs + 1
      local run = runs
      tx:after_commit(function()
        hooks[#hooks + 1] = run
      end)
      if runs < 3 then
        error(deadlock())
      end
    end)
    assert.equal(3, runs)
    assert.same({ 3 }, hooks)
    -- what a hook raises is no reason to commit twice
    runs, hooks = 0, {}
    fails("deadlock", db, "transaction", { retries = 3 }, function(tx)
      runs = runs + 1
      tx:execute(insert, runs, runs)
      tx:after_commit(function()
        hooks[#hooks + 1] = "first"
        error(deadlock())
      end)
      tx:after_commit(function()
        hooks[#hooks + 1] = "second"
      end)
    end)
    assert.equal(1, runs)
    assert.same({ "first", "second" }, hooks)
    assert.same({ 1 }, ids())
  end)
end)
