-- What stays behind on a connection, and what must not; what is refused before
-- anything is sent; transactions that have failed; scripts.
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("a session of PostgreSQL", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)

  teardown(function()
    database:drop()
  end)

  before_each(function()
    database:clear()
    postgresql.psql(database.url, "create table t (id int primary key, name text)")
    db = postgresql.open({ max_pool_size = 1 }, database.url)
  end)

  local function count()
    return tonumber((postgresql.psql(database.url, "select count(*) from t")))
  end

  local function backend()
    return db:fetch_value "select pg_backend_pid()"
  end

  describe("goes to the next borrower", function()
    local pid

    before_each(function()
      pid = backend()
    end)

    after_each(function()
      assert.equal(pid, backend()) -- it was not closed for that
    end)

    it("without settings, of a single call or of a lease", function()
      for _, text in ipairs { "set work_mem = '9MB'", "select 1; set work_mem = '9MB'",
        "select set_config('work_mem', '9MB', false)" } do
        db:execute(text)
        assert.equal("4MB", db:fetch_value "show work_mem", text)
      end
      db:with(function(held)
        held:execute "set search_path = nowhere"
        held:execute "set default_transaction_read_only = on"
        assert.equal("nowhere", held:fetch_value "show search_path")
      end)
      assert.equal(0, db:fetch_value "select count(*) from t")
      assert.equal("off", db:fetch_value "show default_transaction_read_only")
    end)

    it("without temporary tables", function()
      db:with(function(held)
        held:execute "create temp table t as select 7 as id"
        assert.equal(1, held:fetch_value "select count(*) from t")
        held:execute "create temporary sequence s"
        held:fetch_value "select nextval('s')"
      end)
      assert.equal(0, db:fetch_value "select count(*) from t")
      fails("undefined_table", db, "fetch_value", "select nextval('s')")
      db:execute "select 1 as a into temp other"
      fails("undefined_table", db, "fetch_value", "select * from other")
    end)

    it("without advisory locks, cursors, channels", function()
      db:with(function(held)
        held:fetch_value "select pg_advisory_lock(77)"
        held:execute "listen somewhere"
        held:execute "declare c cursor with hold for select 1"
      end)
      assert.equal("t", postgresql.psql(database.url, "select pg_try_advisory_lock(77)"))
      assert.equal(0, db:fetch_value "select count(*) from pg_listening_channels()")
      assert.equal(0, db:fetch_value "select count(*) from pg_cursors where name <> ''")
      db:fetch_value "select pg_try_advisory_lock_shared(78)"
      assert.equal("t", postgresql.psql(database.url, "select pg_try_advisory_lock(78)"))
    end)

    it("without an open transaction: it is rolled back", function()
      for _, script in ipairs { false, true } do
        db:with(function(held)
          if script then
            held:execute "begin; insert into t values (1, 'a')"
          else
            held:execute "begin"
            held:execute "insert into t values (1, 'a')"
          end
          assert.equal(1, held:fetch_value "select count(*) from t")
        end)
        assert.equal(0, count())
      end
      db:with(function(held)
        held:execute "begin"
        fails("division_by_zero", held, "fetch_value", "select 1 / 0")
      end)
      assert.equal(1, db:execute("insert into t values (1, 'a')").affected_rows)
      assert.equal(1, count())
    end)
  end)

  describe("in a transaction that has failed", function()
    it("tells the first error with all that follow", function()
      db:with(function(held)
        held:execute "begin"
        fails("undefined_column", held, "fetch_value", "select nonsense")
        for _ = 1, 2 do
          local err = fails("transaction_aborted", held, "execute", "insert into t values ($1, $2)", 1, "a")
          assert.equal("25P02", err.sqlstate)
          assert.matches('column "nonsense" does not exist', err.detail, 1, true)
        end
        held:execute "rollback"
        held:execute "begin"
        fails("division_by_zero", held, "fetch_value", "select 1 / 0")
        local err = fails("transaction_aborted", held, "fetch_value", "select 1")
        assert.matches("division by zero", tostring(err), 1, true)
      end)
    end)

    it("has an error for COMMIT, which rolls back", function()
      db:with(function(held)
        for _, text in ipairs { "commit", "end", "commit and chain" } do
          held:execute "begin"
          held:execute "insert into t values (1, 'a')"
          fails("division_by_zero", held, "fetch_value", "select 1 / 0")
          local err = fails("transaction_aborted", held, "execute", text)
          assert.matches("division by zero", tostring(err), 1, true)
          held:execute "rollback"
        end
      end)
      local err = fails("transaction_aborted", db, "transaction", function(tx)
        tx:execute "insert into t values (1, 'a')"
        pcall(tx.fetch_value, tx, "select 1 / 0")
      end)
      assert.matches("division by zero", tostring(err), 1, true)
      fails("unique_violation", db, "transaction", function(tx) -- at the end only
        tx:execute "create table late (a int, constraint l unique (a) deferrable initially deferred)"
        tx:execute "insert into late values (1), (1)"
      end)
      assert.equal(0, count())
    end)
  end)

  describe("asked to read only", function()
    local write = "insert into t values (1, 'a')"

    local function check(session)
      for _, call in ipairs { { write }, { "insert into t values ($1, 'a')", 1 },
        { "create table u (a int)" },
        { "with w as (delete from t returning *) select * from w" }, { "select nextval('s')" },
        { write .. "; select 1" } } do
        call.read_only = true
        assert.equal("25006", fails("read_only", session, "execute", call).sqlstate)
        assert.equal(7, session:fetch_value { "select 7", read_only = true })
      end
      assert.equal(3, #session:fetch_all { "select generate_series(1, $1::int)", 3, read_only = true })
      fails("division_by_zero", session, "fetch_value", { "select 1 / 0", read_only = true })
      fails("syntax_error", session, "fetch_value", { "selec 1", read_only = true })
      local rows = 0
      for _ in session:each { "select generate_series(1, 3000)", read_only = true } do
        rows = rows + 1
      end
      assert.equal(3000, rows)
      assert.equal(0, count())
      session:execute(write) -- it can do so as before
      assert.equal(1, count())
    end

    before_each(function()
      postgresql.psql(database.url, "create sequence s")
    end)

    it("refuses what writes, on the adapter", function()
      check(db)
    end)

    it("refuses what writes, on a lease", function()
      db:with(check)
    end)

    it("refuses in a transaction what may write, which goes on", function()
      db:transaction(function(tx)
        tx:execute(write)
        fails("read_only", tx, "execute", { "insert into t values (2, 'b')", read_only = true })
        assert.equal(1, tx:fetch_value { "select count(*) from t", read_only = true })
      end)
      assert.equal(1, count())
    end)
  end)

  describe("sends nothing of", function()
    -- What `fn(held)` does, the server sees nothing of it.
    local function check_silence(fn)
      db:with(function(held)
        local pid = held:fetch_value "select pg_backend_pid()"
        held:fetch_value "select 1 as mark"
        fn(held)
        assert.equal("select 1 as mark", postgresql.psql(database.url,
          "select query from pg_stat_activity where pid = " .. pid))
      end)
    end

    it("65,536 parameters", function()
      local call, marks = {}, {}
      for i = 1, 65536 do
        call[i + 1], marks[i] = i, "$" .. i .. "::int"
      end
      call[1] = "select array[" .. table.concat(marks, ",") .. "]"
      check_silence(function(held)
        local err = fails("usage", held, "fetch_value", call)
        assert.matches("$65536 is out of range (1 to 65535)", err.message, 1, true)
      end)
    end)

    it("NUL in SQL and in text; bytea takes it", function()
      db:fetch_value("select $1::text", "x")
      check_silence(function(held)
        fails("usage", held, "execute", "select 1 \0")
        fails("usage", held, "execute", "select 1; \0 select 2")
        local err = fails("invalid_value", held, "fetch_value", "select $1::text", "a\0b")
        assert.matches("parameter 1: .*NUL", err.message)
      end)
      assert.equal("a\0b", db:fetch_value("select $1::bytea", "a\0b"))
    end)

    it("values that cannot be of the parameter's type: it is named", function()
      local text = "select $1::text, $2::int, $3::boolean, $4::date, $5::int[]"
      db:fetch_one(text, "a", 1, true, "2020-01-01", { 1 })
      check_silence(function(held)
        for number, expected in pairs { [2] = "integer", [3] = "boolean", [4] = "date" } do
          local values = { "a", 1, true, "2020-01-01", nil }
          values[number] = number == 3 and 7 or true
          local err = fails("usage", held, "fetch_one", text, unpack(values, 1, 5))
          assert.matches("parameter " .. number .. ": expected " .. expected, err.message, 1, true)
        end
        local err = fails("usage", held, "fetch_one", text, "a", 1, true, "2020-01-01", { 1.5 })
        assert.matches("parameter 5: element 1: expected integer", err.message, 1, true)
        assert.matches("takes 2 parameters, 1 was given",
          fails("usage", held, "fetch_one", "select $1, $2", 1).message)
        assert.matches("takes 1 parameter, 2 were given",
          fails("usage", held, "fetch_one", "select $1", 1, 2).message)
      end)
    end)
  end)

  it("takes 65,535 parameters, which cannot be described", function()
    for _, number in ipairs { 7000, 7500, 65535 } do
      local call, marks = {}, {}
      for i = 1, number do
        call[i + 1], marks[i] = i, "$" .. i .. "::int"
      end
      call[1] = "select array[" .. table.concat(marks, ",") .. "]"
      for _ = 1, 2 do
        local list = db:fetch_value(call)
        assert.equal(number, #list)
        assert.equal(number, list[number])
      end
      if number > 7000 then
        fails("unsupported", db, "prepare", call[1])
      end
    end
  end)

  describe("runs a script", function()
    it("all or nothing, and points at what failed", function()
      db:execute "insert into t values (1, 'a'); insert into t values (2, 'b'); update t set name = 'c'"
      assert.equal(2, count())
      local script = "delete from t;\nselect 'é';\nselect * from nowhere;\ninsert into t values (3, 'c')"
      local err = fails("undefined_table", db, "execute", script)
      assert.equal(script:find("nowhere", 1, true), err.position)
      assert.matches("line 3: select %* from nowhere", tostring(err))
      fails("read_only", db, "execute", { script, read_only = true })
      err = fails("undefined_table", db, "execute", { "select 'é';\nselect * from nowhere; select 1",
        read_only = true })
      assert.matches("line 2: select %* from nowhere", tostring(err))
      fails("unique_violation", db, "execute", "insert into t values (3, 'c'); insert into t values (3, 'c')")
      assert.equal(2, count())
    end)

    it("with transactions of its own, on a lease", function()
      db:with(function(held)
        held:execute("begin; insert into t values (1, 'a'); commit; "
          .. "begin; insert into t values (2, 'b'); rollback")
        assert.equal(1, held:fetch_value "select count(*) from t")
      end)
      assert.equal(1, count())
    end)

    it("without parameters, and without COPY", function()
      fails("usage", db, "execute", "select $1::int; select 2", 1)
      fails("usage", db, "fetch_all", "select 1; select 2")
      fails("unsupported", db, "execute", "select 1; copy t to stdout")
      assert.matches("COPY", select(2, db.try:execute "select 1; copy t from stdin").message)
      assert.equal(7, db:fetch_value "select 7")
    end)
  end)

  it("describes a statement", function()
    local statement = db:prepare("select id, name, id > $1 as more, $2::numeric(5, 2)[] from t "
      .. "where name = $3")
    local function types(list)
      local names = {}
      for i, one in ipairs(list) do
        names[i] = one.type
      end
      return names
    end
    assert.same({ "integer", "numeric[]", "text" }, types(statement.parameters))
    assert.same({ "integer", "text", "boolean", "numeric[]" }, types(statement.columns))
    assert.equal("more", statement.columns[3].name)
    local insert = db:prepare "insert into t values (:id, :name)"
    assert.same({ "integer", "text" }, types(insert.parameters))
    assert.equal("name", insert.parameters[2].name)
    assert.equal(0, #insert.columns)
    insert:execute { params = { id = 1, name = "a" } }
    assert.equal("a", statement:fetch_one(0, { "1.50" }, "a").name)
    fails("datatype_mismatch", db, "prepare", "select $1 is null")
  end)

  it("tells what the server says by the way", function()
    local told = {}
    finally(db:on("notice", function(event)
      told[#told + 1] = event.message
    end))
    db:with(function(held)
      held:execute "drop table if exists nowhere"
      held:execute "do $$ begin raise notice 'one'; raise warning '%', 'two'; raise info 'three'; end $$"
      held:execute "commit"
    end)
    db:fetch_value "select 1"
    assert.same({ 'table "nowhere" does not exist, skipping', "one", "two", "three",
      "there is no transaction in progress" }, told)
  end)
end)
