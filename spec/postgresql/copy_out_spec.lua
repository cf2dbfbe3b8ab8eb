-- COPY out: what is sent and shown of a query, who holds connections and files.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local tmp = require "spec.support.tmp"
local uv = require "luv"

postgresql.describe("COPY", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
    postgresql.psql(database.url, "create table big as select g as a, repeat('x', 200) as b "
      .. "from generate_series(1, 100000) g; create table items (id int, name text)")
  end)
  teardown(function()
    database:drop()
  end)
  before_each(function()
    db = postgresql.open({ max_pool_size = 1 }, database.url)
  end)

  local function copy(given)
    local out = {}
    given.to = function(piece) out[#out + 1] = piece end
    db:copy_from_query(given)
    return table.concat(out)
  end

  describe("out of a query", function()
    it("takes its values as every call does", function()
      assert.equal("7\n", copy { "select $1::int", 7 })
      assert.equal("7\tx\n", copy { "select :a::int, :b", params = { a = 7, b = "x" } })
      assert.equal("8\n", copy { "select $1::int", params = { 8 } })
      assert.equal("1970-01-02\n", copy { "select $1::date", 86400 })
      assert.equal("{1,2}\t{\"a\": 1}\n", copy { "select $1::int[], $2::jsonb", { 1, 2 }, { a = 1 } })
      assert.equal("\\N\n", copy { "select $1::int", nil })
      fails("usage", db, "copy_from_query", { "select $1::int", params = { id = 7 } })
      fails("usage", db, "copy_from_query", { "select $1::int", params = { 7, 8 } })
      fails("usage", db, "copy_from_query", { "select $1::int", 7, params = { 8 } })
      fails("usage", db, "copy_from_query", { "select :a::int", 7 })
      fails("usage", db, "copy_from_query", { "select 1", 7 })
    end)

    it("takes one statement, whatever stands behind it", function()
      assert.equal("1\n", copy { "select 1; -- done" })
      assert.equal("1\n", copy { "/* a */ select 1 -- ;\n ; " })
      fails("usage", db, "copy_from_query", "select 1; select 2")
      fails("usage", db, "copy_from_query", "")
    end)

    it("shows no value in errors and events", function()
      local told = {}
      db:on("error", function(event) told[#told + 1] = tostring(event.error) .. event.sql end)
      db:on("query", function(event) told[#told + 1] = event.sql end)
      local err = fails("undefined_column", db, "copy_from_query",
        { "select $1, $2::text, nothing", "sécret", "hidden" })
      assert.equal("COPY (select $1, $2::text, nothing\n) TO STDOUT WITH (FORMAT text)", err.sql)
      assert.equal("nothing", err.sql:sub(err.position, err.position + 6))
      copy { "select :name", params = { name = "secret" } }
      assert.equal(2, #told)
      for _, text in ipairs(told) do
        assert.is_nil(text:find("cret", 1, true), text)
        assert.is_nil(text:find("hidden", 1, true), text)
      end
      err = fails("syntax_error", db, "copy_from_query", { "select $1 from", "secret" })
      assert.equal(")", err.sql:sub(err.position, err.position))
    end)
  end)

  describe("as an iterator", function()
    it("is something that the task has of the pool", function()
      local pieces = db:copy_from_table "big"
      assert.equal("string", type(pieces()))
      local err = fails("pool_exhausted", db, "fetch_value", "select 1")
      assert.matches("a COPY begun at .*copy_out_spec", err.message)
      pieces:close()
      fails("usage", pieces)
      assert.equal(1, db:fetch_value "select 1")
    end)

    it("gives its connection back when it is forgotten", function()
      local function begin()
        assert.equal("string", type(db:copy_from_table("big"):read()))
      end
      begin()
      assert.equal(1, db:fetch_value { "select 1", timeout = 10 })
    end)

    it("gives every piece once", function()
      local bytes = 0
      for piece in db:copy_from_table("big", { columns = { "b" } }) do
        bytes = bytes + #piece
      end
      assert.equal(201 * 100000, bytes)
    end)
  end)

  describe("with files", function()
    local function descriptors()
      local n, list = 0, uv.fs_scandir "/proc/self/fd"
      while uv.fs_scandir_next(list) do
        n = n + 1
      end
      return n
    end

    it("leaves none open whatever is refused", function()
      local before = descriptors()
      for _ = 1, 10 do
        fails("usage", db, "copy_to_table", 7, { from = "/etc/passwd" })
        fails("usage", db, "copy_to_table", "items", { from = "/etc/passwd", columns = {} })
        fails("undefined_table", db, "copy_to_table", "nothing", { from = "/etc/passwd" })
        fails("system", db, "copy_to_table", "items", { from = "/nowhere" })
        fails("system", db, "copy_from_table", "items", { to = "/nowhere/else" })
      end
      assert.equal(before, descriptors())
      assert.equal(1, db:fetch_value "select 1")
    end)

    it("leaves none open when the task ends while it is opened", function()
      local before = descriptors()
      local path = tmp.path "out.txt"
      local task = covet.spawn(function()
        db:copy_from_table("big", { to = path })
      end)
      repeat
        covet.sleep(0)
      until uv.fs_stat(path)
      task:cancel()
      pcall(task.join, task)
      assert.equal(1, db:fetch_value { "select 1", timeout = 10 })
      assert.equal(before, descriptors())
    end)

    it("makes a file anew only when the server agrees", function()
      local path = tmp.path "kept.csv"
      local file = io.open(path, "w")
      file:write "precious"
      file:close()
      fails("undefined_table", db, "copy_from_table", "nothing", { to = path })
      file = io.open(path)
      assert.equal("precious", file:read "*a")
      file:close()
    end)

    it("raises what the system says of one that cannot be read", function()
      fails("system", db, "copy_to_table", "items", { from = "/tmp" })
      local files = require "covet.adapter.postgresql.files"
      local read = coroutine.wrap(function() -- no task: by Lua's own library
        local plain = files.open("/tmp", "r")
        fails("system", plain, "read")
        plain:close()
      end)
      read()
      assert.equal(0, db:fetch_value "select count(*) from items")
    end)
  end)

  it("is told once, as what it was", function()
    local told = {}
    db:on("query", function(event) told[#told + 1] = "query " .. event.sql:sub(1, 9) end)
    db:on("error", function(event) told[#told + 1] = "error " .. event.sql:sub(1, 9) end)
    local function check(expected)
      assert.same({ expected }, told)
      told = {}
    end
    pcall(db.copy_from_table, db, "big", { to = function() error "disk full" end })
    check "error COPY \"big"
    pcall(db.copy_from_table, db, "nothing", { to = print })
    check "error COPY \"not"
    db:copy_from_table("items", { to = print })
    check "query COPY \"ite"
    pcall(db.copy_to_table, db, "items", { from = function() error "source broke" end })
    check "error COPY \"ite"
    pcall(db.copy_to_table, db, "items", { from = { "x\tname\n" } })
    check "error COPY \"ite"
    pcall(db.copy_to_table, db, "items", { from = { 7 } })
    check "error COPY \"ite"
    db:copy_to_table("items", { from = { "1\tname\n" } })
    check "query COPY \"ite"
    pcall(db.copy_records_to_table, db, "items", { { {} } })
    check "error COPY \"ite"
    for piece in db:copy_from_table "items" do
      assert.equal("1\tname\n", piece)
    end
    check "query COPY \"ite"
  end)
end)
