-- with_options and try, of adapters, connections and transactions.
local covet = require "covet"
local database = require "spec.support.database"
local fails = require "spec.support.fails"

local function contract(subject, options)
  database.contract(subject, function(d, open)
    local db
    local insert = d:sql "insert into t values (?, ?)"
    before_each(function()
      db = open()
      db:execute(("create table t (id %s primary key, v %s)"):format(d.types.integer, d.types.integer))
    end)

    local function ids()
      return (db:fetch_column "select id from t order by id")
    end

    -- Answers nil and an error of that kind.
    local function check_answer(kind, ...)
      local value, err = ...
      assert.equal(2, select("#", ...))
      assert.is_nil(value)
      assert.is_true(covet.is(err, kind), tostring(err))
      return err
    end

    -- Whatever calls a session has, they use the view's options.
    local function check_rows(view)
      assert.same({ 7 }, view:fetch_one "select 7 as a")
      assert.same({ { 7 } }, view:fetch_all "select 7 as a")
      assert.same({ { 7 } }, view:fetch_all { "select 7 as a" })
      assert.same({ { a = 7 } }, view:fetch_all { "select 7 as a", rows = "named" })
      assert.same({ 7 }, view:prepare("select 7 as a"):fetch_one())
      for row in view:each "select 7 as a" do
        assert.same({ 7 }, row)
      end
      for chunk in view:stream_query "select 7 as a" do
        assert.same({ { 7 } }, chunk)
      end
      assert.same({ 7 }, view.try:fetch_one "select 7 as a")
    end

    it("with_options goes on into leases and transactions", function()
      local view = db:with_options { rows = "array" }
      check_rows(view)
      check_rows(view:with_options { timeout = 5 })
      view:with(check_rows)
      view:transaction(function(tx)
        check_rows(tx)
        tx:transaction(check_rows)
      end)
      local tx = view:begin()
      check_rows(tx)
      tx:rollback()
      assert.same({ a = 7 }, db:fetch_one "select 7 as a")
    end)

    it("views of a transaction are that transaction", function()
      db:transaction(function(tx)
        local view = tx:with_options { rows = "array" }
        check_rows(view)
        view:transaction(check_rows)
        view:execute(insert, 1, 1)
        view:execute_many(insert, { { 2, 2 } })
        view:copy_records_to_table("t", { { 3, 3 } })
        view:savepoint "a"
        view:execute(insert, 4, 4)
        view:rollback_to "a"
        pcall(view.transaction, view, function(inner)
          inner:execute(insert, 5, 5)
          error "undo"
        end)
        assert.same({ a = 7 }, tx:fetch_one "select 7 as a")
      end)
      assert.same({ 1, 2, 3 }, ids())
      local committed = false
      local tx = db:begin()
      local view = tx:with_options { rows = "array" }
      view:execute(insert, 4, 4)
      view:after_commit(function()
        committed = true
      end)
      view:commit()
      assert.is_true(committed)
      fails("usage", tx, "commit")
      fails("usage", view, "execute", insert, 5, 5)
      tx = db:begin()
      view = tx:with_options { rows = "array" }
      view:execute(insert, 5, 5)
      view:rollback()
      fails("usage", tx, "rollback")
      assert.same({ 1, 2, 3, 4 }, ids())
      assert.equal(0, db:get_pool_stats().used)
    end)

    it("views of a lease are that lease", function()
      local held = db:acquire()
      local view = held:with_options { rows = "array" }
      check_rows(view)
      view:transaction(function(tx)
        check_rows(tx)
        tx:execute(insert, 1, 1)
      end)
      local tx = view:begin()
      check_rows(tx)
      tx:rollback()
      view.try:release()
      fails("usage", held, "fetch_one", "select 1")
      assert.same({ 1 }, ids())
      assert.equal(0, db:get_pool_stats().used)
    end)

    it("read_only of a view counts for its leases and transactions", function()
      local view = db:with_options { read_only = true }
      fails("read_only", view, "execute", insert, 1, 1)
      fails("read_only", view, "execute", "delete from t; delete from t")
      fails("read_only", view, "execute_many", insert, { { 1, 1 } })
      fails("read_only", view, "copy_records_to_table", "t", { { 1, 1 } })
      view:with(function(held)
        fails("read_only", held, "execute", insert, 1, 1)
      end)
      view:transaction(function(tx)
        fails("read_only", tx, "execute", insert, 1, 1)
        if d.name == "SQLite in a file" then -- it has taken a reader
          covet.spawn(function()
            db:execute { insert, 9, 9, timeout = 2 }
            db:execute "delete from t"
          end):join()
        end
        tx:rollback()
      end)
      view:execute { insert, 1, 1, read_only = false }
      assert.same({ 1 }, ids())
      db:transaction({ read_only = true }, function(tx)
        fails("read_only", tx:with_options { read_only = false }, "execute", insert, 2, 2)
        tx:rollback()
      end)
      db:transaction({ read_only = true }, function(tx)
        fails("read_only", tx, "execute", { insert, 2, 2, read_only = false })
        tx:rollback()
      end)
    end)

    it("try answers errors, and its views do too", function()
      check_answer("undefined_table", db.try:fetch_all "select * from nonsense")
      local view = db.try:with_options { rows = "array" }
      assert.same({ 7 }, view:fetch_one "select 7 as a")
      check_answer("undefined_table", view:fetch_all "select * from nonsense")
      check_answer("undefined_table", view:with_options({ timeout = 5 }):execute "delete from nonsense")
      check_answer("usage", db.try:with_options { row = "array" })
      check_answer("undefined_table", db.try:stream_query "select * from nonsense")
      check_answer("undefined_table", db.try:each "select * from nonsense")
      check_answer("undefined_table", db.try:prepare "select * from nonsense")
      check_answer("usage", db.try:transaction())
      check_answer("usage", db.try:fetch_one(d:sql "select ?"))
      assert.equal(db.name, db.try.name)
      assert.is_nil(db.try.nonsense)
    end)

    it("try hands results through, nils included", function()
      local function count(...)
        return select("#", ...), ...
      end
      local n, a, b, c = count(db.try:transaction(function()
        return nil, 2, nil
      end))
      assert.equal(3, n)
      assert.same({ nil, 2, nil }, { a, b, c })
      local rows = 0
      for _ in db.try:each "select 1" do
        rows = rows + 1
      end
      assert.equal(1, rows)
    end)

    it("try of transactions: what fn raises", function()
      local err = check_answer("unique_violation", db.try:transaction(function(tx)
        tx:execute(insert, 1, 1)
        tx:transaction(function(inner)
          check_answer("undefined_table", inner.try:execute "delete from nonsense")
          inner:rollback()
        end)
        check_answer("unique_violation", tx.try:transaction(function(inner)
          inner:execute(insert, 2, 2)
          inner:execute(insert, 1, 1)
        end))
        tx:execute(insert, 3, 3)
        tx:execute(insert, 3, 3)
      end))
      assert.equal(insert, err.sql)
      assert.same({}, ids())
      local mine = {}
      local ok, other = pcall(db.try.transaction, db.try, function()
        error(mine)
      end)
      assert.is_false(ok)
      assert.equal(mine, other)
      assert.equal(0, db:get_pool_stats().used)
    end)

    it("an error in a stream of try is raised in the loop", function()
      fails(d.late_kind, function()
        for _ in db.try:each(d.late_error) do end
      end)
    end)

    it("joining keeps the view's options", function()
      db:transaction(function(tx)
        tx:execute(insert, 1, 1)
        local view = db:with_options { rows = "array" }
        if options and d.name == "SQLite in memory" then
          fails("pool_exhausted", view, "fetch_one", "select 7")
          return
        end
        check_rows(view)
        assert.equal(options and 0 or 1, view:fetch_value "select count(*) from t")
        if not options then
          view:transaction(check_rows)
          tx:with_options({ rows = "array" }):transaction(function(inner)
            check_rows(inner)
            assert.same({ a = 7 }, db:fetch_one "select 7 as a")
          end)
        end
      end)
      assert.same({ 1 }, ids())
    end)
  end, options)
end

contract "views"
contract("views that do not join", { ambient = false })
