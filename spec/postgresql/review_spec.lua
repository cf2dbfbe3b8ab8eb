-- What a review found: each of these failed once.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"
local task = require "covet.task"
local uv = require "luv"

postgresql.describe("PostgreSQL, what a review found:", function()
  local db

  local function open(options)
    local given = postgresql.options(postgresql.url)
    given.min_pool_size, given.max_pool_size = 1, 1
    for name, value in pairs(options or {}) do
      given[name] = value
    end
    db = covet.postgresql(given):connect()
  end

  after_each(function()
    db:disconnect(2)
  end)

  local function kind_of(fn, ...)
    local fine, err = pcall(fn, ...)
    return fine and "fine" or type(err) == "table" and err.kind or err
  end

  local function count(sql, ...)
    return tonumber(postgresql.psql(postgresql.url, sql, ...))
  end

  local function sessions()
    return count("select count(*) from pg_stat_activity where application_name = 'review'")
  end

  describe("a session that was changed", function()
    local LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and objid = :1"

    it("is reset when its statement was cancelled", function()
      open()
      assert.equal("timeout", kind_of(function()
        db:fetch_value { "select pg_advisory_lock(47110)::text, pg_sleep(10)", timeout = 0.2 }
      end))
      task.sleep(0.5)
      assert.equal(0, count(LOCKS, 47110))
    end)

    it("is reset when its statement failed", function()
      open()
      assert.equal("division_by_zero", kind_of(function()
        db:fetch_value "select pg_advisory_lock(47111)::text, 1 / (random() * 0)::int"
      end))
      assert.equal(0, count(LOCKS, 47111))
    end)

    it("is reset behind a script on the adapter", function()
      open()
      local before = db:fetch_value "select current_setting('search_path')"
      assert.equal("usage", kind_of(db.execute, db,
        "set search_path = pg_catalog; begin; create temp table review_temporary (a int)"))
      assert.equal(before, db:fetch_value "select current_setting('search_path')")
      assert.is_nil(db:fetch_value "select to_regclass('review_temporary')::text")
    end)
  end)

  describe("statements", function()
    it("are prepared anew where others were dropped", function()
      open()
      db:with(function(connection)
        local function ask()
          return connection:fetch_value("select 1 + $1::int", 1)
        end
        ask()
        connection:execute "prepare review_s as select 1"
        connection:execute "deallocate review_s"
        assert.equal(2, ask())
        connection:execute "discard temp"
        assert.equal(2, ask())
        connection:execute "select 1; deallocate all"
        assert.equal(2, connection:transaction(ask))
      end)
    end)

    it("of read-only calls are made anew when the table has changed", function()
      open()
      db:execute "drop table if exists review_t; create table review_t (a int)"
      local call = { "select * from review_t where a > $1", 0, read_only = true }
      db:fetch_all(call)
      db:execute "alter table review_t add column b int"
      assert.same({}, db:fetch_all(call))
      db:execute "drop table review_t"
    end)
  end)

  describe("a pipeline", function()
    it("is all or nothing from its first run on", function()
      open()
      db:execute "drop table if exists review_t; create table review_t (a int primary key)"
      for i = 1, 2 do
        assert.equal("unique_violation", kind_of(db.pipeline, db, function(p)
          p:execute("insert into review_t values ($1)", i)
          p:execute("insert into review_t values ($1::int)", i)
        end))
      end
      assert.equal(0, db:fetch_value "select count(*) from review_t")
      db:execute "drop table review_t"
    end)

    it("ends on the server when one of it is out of time", function()
      open()
      db:execute "drop table if exists review_t; create table review_t (a int primary key)"
      for _ = 1, 2 do
        assert.equal("timeout", kind_of(db.pipeline, db, function(p)
          p:execute("insert into review_t values ($1)", 1)
          p:execute { "insert into review_t select $1::int from pg_sleep(5)", 2, timeout = 0.3 }
        end))
        task.sleep(0.1)
        assert.equal(0, db:fetch_value { "select count(*) from review_t", timeout = 2 })
      end
      db:execute "drop table review_t"
    end)

    it("of several new statements runs in a transaction", function()
      open()
      db:transaction(function(tx)
        local one, two = tx:pipeline(function(p)
          return p:fetch_value("select 1 + $1::int", 1), p:fetch_value("select 2 + $1::int", 1)
        end)
        assert.same({ 2, 3 }, { one:result(), two:result() })
      end)
    end)
  end)

  describe("a write whose rows wait for their types", function()
    it("is not said to be safe to repeat when the connection is lost", function()
      open()
      db:execute "drop table if exists review_e; drop type if exists review_enum"
      db:execute "create type review_enum as enum ('a')"
      db:execute "create table review_e (e review_enum)"
      local pid = db:fetch_value "select pg_backend_pid()"
      local admin = covet.postgresql(postgresql.change_url(postgresql.admin_url,
        { database = "covet" })):connect()
      local err
      admin:transaction(function(tx)
        tx:execute "lock table pg_catalog.pg_range in access exclusive mode"
        local writer = task.spawn(function()
          return select(2, pcall(db.fetch_value, db, "insert into review_e values ('a') returning e"))
        end)
        task.sleep(0.3)
        tx:execute("select pg_terminate_backend($1)", pid)
        err = writer:join()
      end)
      assert.equal(1, admin:fetch_value "select count(*) from review_e")
      assert.equal("connection_lost", err.kind)
      assert.equal("idempotent_only", err.retry)
      admin:disconnect(2)
      db:execute "drop table review_e; drop type review_enum"
    end)
  end)

  describe("COPY", function()
    it("has no place in a script, and blocks nothing there", function()
      open()
      assert.equal("unsupported", kind_of(db.execute, db, "select 1; copy (select 1) to stdout"))
      assert.equal(1, db:fetch_value "select 1")
    end)

    it("tells of an error that came between two pieces", function()
      open()
      db:execute "create table if not exists review_c (a int)"
      local pieces = { "bad\n", "2\n" }
      assert.equal("invalid_value", kind_of(db.copy_to_table, db, "review_c", { from = function()
        local piece = table.remove(pieces, 1)
        if piece == "2\n" then
          task.sleep(0.2)
        end
        return piece
      end, timeout = 5 }))
      assert.equal("invalid_value", kind_of(db.copy_to_table, db, "review_c",
        { from = { "bad\n" .. ("1\n"):rep(5e6) }, timeout = 5 }))
      assert.equal(0, db:fetch_value "select count(*) from review_c")
      db:execute "drop table review_c"
    end)
  end)

  describe("a stream on a lease", function()
    local SQL = "select g, repeat('x', 1000) from generate_series(1, 20000) g"

    it("goes on beside a call that was refused", function()
      open()
      db:with(function(connection)
        local stream, rows = connection:each(SQL), 1
        stream()
        assert.equal("usage", kind_of(connection.execute, connection, "select 1\0"))
        for _ in stream do
          rows = rows + 1
        end
        assert.equal(20000, rows)
        assert.equal(5, connection:fetch_value "select 5")
      end)
    end)

    it("goes on beside a script, which is refused", function()
      open()
      db:with(function(connection)
        local stream, rows = connection:each(SQL), 1
        stream()
        assert.equal("usage", kind_of(connection.execute, connection, "select 1; select 2"))
        for _ in stream do
          rows = rows + 1
        end
        assert.equal(20000, rows)
      end)
    end)

    it("fails with its connection beside another call", function()
      open()
      db:with(function(connection)
        local pid = connection:fetch_value "select pg_backend_pid()"
        local stream = connection:each(SQL)
        stream()
        local other = task.spawn(function()
          return kind_of(connection.fetch_value, connection, "select 1 from pg_sleep(10)")
        end)
        task.sleep(0.2)
        postgresql.psql(postgresql.admin_url, "select pg_terminate_backend(:1)", pid)
        assert.equal("connection_lost", other:join())
        kind_of(function()
          for _ in stream do end -- the rows that had come, and its error
        end)
      end)
      assert.equal(1, db:fetch_value "select 1")
    end)

    it("in a transaction does not hide that it is one", function()
      open()
      db:execute "drop table if exists review_t; create table review_t (a int)"
      db:transaction(function(tx)
        local stream = tx:each("insert into review_t select generate_series(1, 20000) "
          .. "returning a, repeat('x', 1000)")
        stream()
        assert.equal(2, tx:fetch_value("select 1 + $1::int", 1))
        assert.equal(2, tx:fetch_value { "select 1 + $1::int", 1, read_only = true })
        tx:rollback()
      end)
      assert.equal(0, db:fetch_value "select count(*) from review_t")
      db:execute "drop table review_t"
    end)
  end)

  describe("calls that share a connection", function()
    it("get their rows once when a neighbour fails", function()
      open { pipeline = "group" }
      local results, tasks = {}, {}
      for i = 1, 6 do
        tasks[i] = task.spawn(function()
          results[i] = i == 5 and kind_of(db.fetch_all, db, "select 1 / (random() * 0)::int")
            or #db:fetch_all("select g from generate_series(1, 3000) g -- " .. i)
        end)
      end
      for i = 1, 6 do
        tasks[i]:join()
      end
      assert.same({ 3000, 3000, 3000, 3000, "division_by_zero", 3000 }, results)
    end)

    it("outlive the grace time of a neighbour's cancel", function()
      open { pipeline = "each" }
      db:execute [[
        create or replace function review_slow(seconds float8) returns int language plpgsql as
        $$ begin perform pg_sleep(seconds); return 1; end $$]]
      local first = task.spawn(function()
        return kind_of(db.fetch_value, db, "select review_slow(0.2)")
      end)
      local cancelled = task.spawn(function()
        return kind_of(db.fetch_value, db, { "select review_slow(10)", timeout = 0.5 })
      end)
      local slow = task.spawn(function()
        return kind_of(db.fetch_value, db, { "select review_slow(6)", timeout = 20 })
      end)
      assert.equal("fine", first:join())
      assert.equal("timeout", cancelled:join())
      assert.equal("fine", slow:join())
      db:execute "drop function review_slow"
    end)
  end)

  describe("LISTEN", function()
    local function listen_on(channels)
      local got = {}
      for _, channel in ipairs(channels) do
        db:listen(channel, function(_, name)
          got[name] = true
        end)
      end
      return got
    end

    it("hears what was asked for while the server was being told", function()
      open()
      local got = listen_on { "review_0" }
      local tasks = {}
      for i = 1, 2 do
        tasks[i] = task.spawn(function()
          db:listen("review_" .. i, function(_, name)
            got[name] = true
          end)
        end)
      end
      tasks[1]:join()
      tasks[2]:join()
      for i = 0, 2 do
        db:notify("review_" .. i)
      end
      task.sleep(0.3)
      assert.same({ review_0 = true, review_1 = true, review_2 = true }, got)
    end)

    it("does not come back after a disconnect", function()
      open { application_name = "review" }
      listen_on { "review_0" }
      postgresql.psql(postgresql.admin_url, "select pg_terminate_backend(pid) from pg_stat_activity "
        .. "where application_name = 'review' and query like 'LISTEN%'")
      task.sleep(0.03)
      db:disconnect(2)
      task.sleep(0.5)
      assert.equal(0, sessions())
    end)

    it("ends with a drain", function()
      open { application_name = "review" }
      listen_on { "review_0" }
      db:drain { timeout = 2 }
      task.sleep(0.3)
      assert.equal(0, sessions())
    end)

    it("does not keep a disconnect waiting while it connects", function()
      local silent, clients = uv.new_tcp(), {}
      assert(silent:bind("127.0.0.1", 0))
      assert(silent:listen(8, function()
        clients[#clients + 1] = uv.new_tcp()
        silent:accept(clients[#clients])
      end))
      db = covet.postgresql { host = "127.0.0.1", port = silent:getsockname().port, user = "x",
        password = "x", database = "x", acquire_timeout = 0.2 }
      assert.equal("timeout", kind_of(db.listen, db, "review", print))
      local since = uv.hrtime()
      db:disconnect(1)
      assert.is_true(uv.hrtime() - since < 3e9)
      for _, client in ipairs(clients) do
        client:close()
      end
      silent:close()
    end)
  end)
end)
