-- Results out of the ordinary: large ones, ones without columns, ones that are
-- other than they were, and parameters beyond what the server takes.
local covet = require "covet"
local postgresql = require "spec.support.postgresql"

postgresql.describe("Results of PostgreSQL", function()
  local database

  setup(function()
    database = postgresql.fresh_database()
  end)

  teardown(function()
    database:drop()
  end)

  local function open(options)
    return postgresql.open(options, database.url)
  end

  local function admin(sql)
    postgresql.psql(database.url, sql)
  end

  describe("without columns", function()
    it("are rows all the same", function()
      local db = open()
      assert.same({ {} }, db:fetch_all "select")
      assert.same({ {}, {}, {} }, db:fetch_all "select from generate_series(1, 3)")
      assert.same({}, db:fetch_all "select where false")
      assert.same({}, db:fetch_one "select")
      assert.is_nil(db:fetch_value "select")
      local count = 0
      for chunk in db:stream_query { "select from generate_series(1, 2500)", chunk_size = 1000 } do
        count = count + #chunk
      end
      assert.equal(2500, count)
      assert.same({ { n = 1 } }, db:fetch_all "select 1 as n")
    end)

    for _, form in ipairs { "array", "record", "lazy" } do
      it("in the form " .. form, function()
        assert.equal(3, #open():fetch_all { "select from generate_series(1, 3)", rows = form })
      end)
    end
  end)

  describe("of a type that was not seen before", function()
    it("are whole, and the connection goes on", function()
      admin "create type mood as enum ('glad', 'sad')"
      local db = open { max_pool_size = 1, query_timeout = 10 }
      local rows = db:fetch_all
        "select i, (array['glad', 'sad'])[1 + i % 2]::mood as m from generate_series(1, 20000) i"
      assert.equal(20000, #rows)
      assert.equal("sad", rows[1].m)
      assert.equal("glad", rows[20000].m)
      assert.equal(42, db:fetch_value "select 42")
    end)

    it("inside a record is asked for when a column has it", function()
      admin "create type pair as (x int, y text)"
      local db = open()
      assert.equal(1, #db:fetch_value "select row(row(1, 'z')::pair)")
      assert.same({ x = 1, y = "z" }, db:fetch_value "select row(1, 'z')::pair")
    end)

    it("made of more domains than anyone needs is refused", function()
      local texts = { "create domain deep_0 as int" }
      for i = 1, 70 do
        texts[#texts + 1] = ("create domain deep_%d as deep_%d"):format(i, i - 1)
      end
      admin(table.concat(texts, ";"))
      local db = open()
      local fine, err = pcall(db.fetch_value, db, "select array[1]::deep_70[]")
      assert.is_true(not fine and err.kind == "protocol_error", tostring(err))
      assert.equal(1, db:fetch_value "select 1")
    end)
  end)

  describe("of a table that was altered", function()
    before_each(function()
      admin [[
        drop table if exists altered; drop type if exists later;
        create type later as (x int, y text);
        create table altered (a int); insert into altered values (1)]]
    end)

    local function grow()
      admin [[
        alter table altered add column price money default 12.34, add column c later;
        update altered set c = row(7, 'q')]]
    end

    local after = { a = 1, price = "$12.34", c = { x = 7, y = "q" } }

    for _, size in ipairs { 0, 100 } do
      it("are read as they are now, with statement_cache_size = " .. size, function()
        local db = open { statement_cache_size = size }
        assert.same({ a = 1 }, db:fetch_one "select * from altered")
        grow()
        assert.same(after, db:fetch_one "select * from altered")
        assert.same(after, db:fetch_one "select * from altered")
        assert.same({ x = 1, y = "z" }, db:fetch_value "select row(1, 'z')::later")
      end)
    end

    it("are so on a connection that knows them from another", function()
      local db = open { min_pool_size = 2, max_pool_size = 2 }
      db:with(function(one)
        db:with(function(other)
          assert.same({ a = 1 }, one:fetch_one "select * from altered")
          grow()
          assert.same(after, other:fetch_one "select * from altered")
          assert.same(after, one:fetch_one "select * from altered")
        end)
      end)
    end)

    it("do not make a write that happened look as if it could be repeated", function()
      admin [[
        create or replace function make_later() returns later language plpgsql as
          $$ declare made later; begin select 1, 'one' into made; return made; end $$]]
      local db = open()
      local insert = "insert into altered values (2) returning make_later()"
      assert.same({ x = 1, y = "one" }, db:fetch_value(insert))
      admin "alter type later add attribute z int"
      local fine, err = pcall(db.fetch_value, db, insert)
      local written = db:fetch_value "select count(*) from altered where a = 2"
      assert.is_true(fine and written == 2 or not fine and (written == 1 or err.retry == "no"))
    end)
  end)

  describe("of a first run", function()
    for name, setting in pairs { DateStyle = "German, DMY", IntervalStyle = "postgres_verbose",
                                 extra_float_digits = "0" } do
      it("are those of later ones, whatever " .. name .. " is", function()
        local db = open { server_settings = { [name] = setting } }
        local text = "select '2024-02-01 12:30:00+00'::timestamptz as t, date '2024-02-01' as d,"
          .. " 1 / 3::float8 as f, interval '1 day 2 hours' as i"
        local first = db:fetch_one(text)
        assert.same({ t = "2024-02-01 12:30:00+00", d = "2024-02-01", f = 1 / 3,
                      i = "1 day 02:00:00" }, first)
        assert.same(first, db:fetch_one(text))
      end)
    end

    it("are so after SET, too", function()
      local db = open()
      db:with(function(connection)
        connection:execute "set datestyle = 'SQL, DMY'"
        assert.equal("2024-02-01", connection:fetch_value "select date '2024-02-01'")
      end)
    end)
  end)

  it("of a cursor: an error points to the caller's text", function()
    local db = open()
    local fine, err = pcall(db.transaction, db, function(tx)
      for _ in tx:stream_query "select 'ü', 1 / (i - 3), nowhere from generate_series(1, 3) i" do
        error "there is no such column"
      end
    end)
    assert.is_false(fine)
    assert.equal("undefined_column", err.kind)
    assert.equal(("select 'ü', 1 / (i - 3), "):len() + 1, err.position)
  end)

  it("of parameters beyond what a message holds: an error, and nothing is lost", function()
    if os.getenv "COVET_SPEC_BUILD" == "asan" then
      pending "takes gigabytes"
      return
    end
    local db = open { max_pool_size = 1 }
    local pid = db:fetch_value "select pg_backend_pid()"
    local half = ("x"):rep(600 * 1024 * 1024)
    local fine, err = pcall(db.fetch_value, db, "select length($1) + length($2)", half, half)
    assert.is_true(not fine and err.kind == "invalid_value", tostring(err))
    assert.matches("1 GB", err.message)
    assert.equal(pid, db:fetch_value "select pg_backend_pid()")
  end)

  describe("of a pipeline", function()
    it("that cannot be sent in its middle: nothing of it is done", function()
      admin "create table piped (id int primary key, note text)"
      local db = open()
      db:execute("insert into piped values ($1, $2)", 0, "known")
      local fine, err = pcall(db.pipeline, db, function(p)
        p:execute("insert into piped values ($1, $2)", 1, "one")
        p:execute("insert into piped values ($1, $2)", 2, {})
        p:execute("insert into piped values ($1, $2)", 3, "three")
      end)
      assert.is_false(fine)
      assert.equal("usage", err.kind)
      assert.equal(1, db:fetch_value "select count(*) from piped")
    end)
  end)

  describe("of calls on one connection that is frozen", function()
    it("are told in time to everyone who shares it", function()
      local server = postgresql.start()
      local db = postgresql.open({ max_pool_size = 1, pipeline = "group" }, server.url)
      local function slow(seconds)
        return db:fetch_value { "select count(*) from generate_series(1, $1::int) i", 3e8,
                                timeout = seconds }
      end
      pcall(slow, 0.05) -- known by now
      server:freeze()
      local started, tasks = covet.now(), {}
      for i = 1, 8 do
        tasks[i] = covet.spawn(function()
          local _, err = pcall(slow, i == 8 and 1 or 0.5)
          return err.kind, covet.now() - started
        end)
      end
      local kinds, last = {}, 0
      for i, one in ipairs(tasks) do
        local kind, took = one:join()
        kinds[i], last = kind, math.max(last, took)
      end
      server:thaw()
      db:disconnect(1)
      server:remove()
      for _, kind in ipairs(kinds) do
        assert.is_true(kind == "timeout" or kind == "pool_timeout", kind)
      end
      assert.is_true(last < 4.5, "the grace time is five seconds, the last was told after " .. last)
    end)
  end)
end)
