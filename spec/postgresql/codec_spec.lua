-- Codecs of the user's: `db:set_type_codec`, `db:reload_types`.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

local null = covet.null

postgresql.describe("codecs of PostgreSQL", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    database:clear()
    db = postgresql.open({ max_pool_size = 2 }, database.url)
    db:execute [[create type mood as enum ('sad', 'ok');
      create type person as (name text, feels mood)]]
  end)

  local ok = { mood = "ok" }

  local function set_mood(name)
    db:set_type_codec(name or "mood", {
      encode = function(value) return value.mood end,
      decode = function(text) return { mood = text } end,
    })
  end

  it("read and write values of a type, inside of others too", function()
    set_mood()
    assert.same(ok, db:fetch_value("select $1::mood", ok))
    assert.same({ ok, { mood = "sad" } }, db:fetch_value "select array['ok', 'sad']::mood[]")
    assert.same({ ok, null }, db:fetch_value("select $1::mood[]", { ok, null }))
    assert.same({ name = "a", feels = ok }, db:fetch_value("select $1::person", { name = "a", feels = ok }))
    assert.same({ ok }, db:fetch_column "select 'ok'::mood")
    db:execute "create table moods (id int, feels mood)"
    assert.equal(2, db:copy_records_to_table("moods", { { 1, ok }, { 2 } }))
    assert.same({ { id = 1, feels = ok }, { id = 2 } }, db:fetch_all "select * from moods order by id")
    assert.equal(1, db:execute_many("insert into moods values ($1, $2)", { { 3, { mood = "sad" } } }))
    local err = fails("usage", db, "fetch_value", "select $1::mood", {})
    assert.matches("the codec of mood gave a nil", err.message)
    assert.equal("ok", db:with_options({ rows = "array" }):fetch_one("select 'ok'::mood")[1].mood)
  end)

  it("in binary", function()
    db:set_type_codec("int4", { format = "binary",
      decode = function(bytes) return "bytes " .. #bytes end,
      encode = function(value) return ("\0\0\0%c"):format(value) end })
    assert.equal("5", db:fetch_value("select ($1::int4)::text", 5))
    assert.equal("bytes 4", db:fetch_value("select $1::int4", 7))
  end)

  it("of types that are none are refused", function()
    fails("usage", db, "set_type_codec", "nonsense", { decode = print })
    fails("usage", db, "set_type_codec", "mood", { decod = print })
    fails("usage", db, "set_type_codec", "mood", { encode = tostring })
    fails("usage", db, "set_type_codec", "mood", { format = "hex" })
    assert.equal("ok", db:fetch_value "select 'ok'::mood")
  end)

  it("stay as they are when one cannot be set", function()
    set_mood()
    assert.same(ok, db:fetch_value("select $1::mood", ok))
    fails("usage", db, "set_type_codec", "nope", { decode = tostring })
    assert.same(ok, db:fetch_value("select $1::mood", ok))
  end)

  it("stay in force while types are loaded again and others are set", function()
    set_mood()
    local done, wrong = false, {}
    local other = covet.spawn(function()
      while not done and not wrong[1] do
        local fine, value = pcall(db.fetch_value, db, "select $1::mood", ok)
        if not fine or type(value) ~= "table" or value.mood ~= "ok" then
          wrong[#wrong + 1] = value
        end
      end
    end)
    for _ = 1, 10 do
      db:reload_types()
    end
    covet.all {
      function() db:set_type_codec("uuid", { decode = tostring }) end,
      function() db:set_type_codec("inet", { decode = function(text) return "inet " .. text end }) end,
    }
    done = true
    other:join()
    assert.same({}, wrong)
    assert.equal("inet 10.0.0.1", db:fetch_value "select '10.0.0.1'::inet")
  end)

  it("of a type that is gone stand in nobody's way", function()
    set_mood()
    db:execute "drop type mood cascade; create type mood as enum ('ok', 'new')"
    db:reload_types()
    assert.same({ mood = "new" }, db:fetch_value "select 'new'::mood")
    db:execute "drop type mood cascade"
    db:reload_types()
    db:set_type_codec("uuid", { decode = function() return "id" end })
    assert.equal("id", db:fetch_value "select gen_random_uuid()")
  end)

  it("write plain values of domains", function()
    db:execute "create domain state as mood"
    db:set_type_codec("mood", { decode = tostring, encode = function(value)
      return value == 1 and "ok" or "sad"
    end })
    assert.equal("ok", db:fetch_value("select $1::state", 1))
    assert.same({ "ok", "sad" }, db:fetch_value("select $1::state[]", { 1, 0 }))
  end)

  it("that raise leave nothing behind", function()
    local function memory()
      local file = io.open "/proc/self/status"
      local kilobytes = file:read("*a"):match "VmRSS:%s*(%d+)"
      file:close()
      return tonumber(kilobytes)
    end
    db:set_type_codec("mood", { decode = function() error "no such mood" end })
    local function run(n)
      for _ = 1, n do
        local fine, err = pcall(db.fetch_one, db, "select 'ok'::mood, repeat('x', 200000)")
        assert.is_false(fine)
        assert.matches("no such mood", tostring(err))
      end
      collectgarbage()
      collectgarbage()
    end
    run(20)
    local before = memory()
    run(300) -- 60 MB
    if os.getenv "COVET_SPEC_BUILD" ~= "asan" then -- which keeps what is freed
      assert.is_true(memory() - before < 20000)
    end
    assert.equal(0, db:get_pool_stats().used)
  end)

  it("write records too, of types that the driver could write in binary", function()
    db:execute "create table numbers (a int, b text, c uuid)"
    db:set_type_codec("int4", { decode = function(text) return "n" .. text end,
      encode = function(value) return tostring(value + 1) end })
    assert.equal(2, db:copy_records_to_table("numbers", { { 1, "x" }, { 2, "y" } }))
    assert.same({ { a = "n2", b = "x" }, { a = "n3", b = "y" } },
      db:fetch_all "select * from numbers order by 1")
    db:set_type_codec("int4", { format = "binary", decode = function(bytes) return #bytes end,
      encode = function(value) return ("\0\0\0%c"):format(value) end })
    assert.equal(1, db:copy_records_to_table("numbers", { { 7, "z" } }))
    assert.equal(1, db:fetch_value "select count(*) from numbers where a::text = '7'")
  end)
end)
