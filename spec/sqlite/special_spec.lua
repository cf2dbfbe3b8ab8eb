-- Backups, functions in Lua, blobs in pieces.
local covet = require "covet"
local fails = require "spec.support.fails"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

describe("SQLite's own", function()
  local db, path
  before_each(function()
    path = tmp.path()
    db = covet.sqlite(path):connect()
    db:execute "create table t (id integer primary key, a)"
  end)
  after_each(function()
    db:disconnect(2)
  end)

  local function fill(n)
    local list = {}
    for i = 1, n do
      list[i] = { i, ("x"):rep(500) }
    end
    db:execute_many("insert into t values (?, ?)", list)
  end

  describe("backup", function()
    it("copies the database", function()
      fill(1000)
      local copy = tmp.path "copy.db"
      db:backup(copy)
      local result = process.run { "sqlite3", copy,
        "pragma integrity_check; select count(*) from t", limit = 10 }
      assert.equal("ok\n1000\n", result.stdout)
    end)

    it("tells its progress", function()
      fill(5000)
      local calls, least, total = 0, math.huge, 0
      db:backup(tmp.path(), { progress = function(remaining, all)
        calls = calls + 1
        assert(remaining <= all and remaining >= 0)
        assert(remaining <= least)
        least, total = remaining, all
      end })
      assert.is_true(calls >= 2, calls)
      assert.equal(0, least)
      assert.is_true(total > 500)
    end)

    it("goes on while others write", function()
      fill(5000)
      local copy = tmp.path "copy.db"
      local stop, written = false, 0
      local writer = covet.spawn(function()
        while not stop do
          db:execute("insert into t (a) values (?)", "while copying")
          written = written + 1
          covet.sleep(0)
        end
      end)
      db:backup(copy, { progress = function() end })
      stop = true
      writer:join()
      assert.is_true(written > 0)
      local other = covet.sqlite(copy)
      assert.equal("ok", other:fetch_value "pragma integrity_check")
      local count = other:fetch_value "select count(*) from t"
      assert.is_true(count >= 5000 and count <= 5000 + written)
      other:disconnect()
      assert.equal(5000 + written, db:fetch_value "select count(*) from t")
    end)

    it("tells why it cannot be", function()
      local _, err = db.try:backup(tmp.dir() .. "/none/copy.db")
      assert.is_true(covet.is(err, "unknown_database", "connection_failed"), tostring(err))
      fails("usage", db, "backup")
      fails("usage", db, "backup", 7)
      fails("usage", db, "backup", "")
      fails("usage", db, "backup", tmp.path(), { progres = print })
      local no_database = tmp.file(("text\n"):rep(1000))
      local _, other = db.try:backup(no_database)
      assert.is_table(other)
      assert.equal(0, db:get_pool_stats().used)
      assert.equal(0, db:fetch_value "select count(*) from t")
    end)

    it("an error in progress is raised and ends it", function()
      fill(3000)
      local _, err = pcall(db.backup, db, tmp.path(), { progress = function()
        error "enough"
      end })
      assert.matches("enough", tostring(err))
      assert.equal(3000, db:fetch_value "select count(*) from t")
    end)

    it("of a database in memory, and on a lease", function()
      local memory = covet.sqlite()
      memory:execute "create table m (a); insert into m values (7)"
      local copy = tmp.path()
      memory:backup(copy)
      memory:with(function(held)
        held:backup(tmp.path())
      end)
      memory:disconnect()
      local other = covet.sqlite(copy)
      assert.equal(7, other:fetch_value "select a from m")
      other:disconnect()
    end)
  end)

  describe("create_function", function()
    it("makes a function known on every connection", function()
      db:create_function("twice", function(x)
        return x * 2
      end)
      assert.equal(14, db:fetch_value "select twice(7)")
      db:with(function(held)
        assert.equal(6, held:fetch_value "select twice(3)")
      end)
      db:with({ read_only = true }, function(held)
        assert.equal(8, held:fetch_value "select twice(4)")
      end)
      covet.each_parallel({ 1, 2, 3, 4, 5, 6 }, 6, function(i)
        assert(db:fetch_value("with recursive n(i) as (select 1 union all select i + 1 from n "
          .. "where i < 3000) select sum(twice(i)) + ? from n", i) == 3000 * 3001 + i)
      end)
      db:execute "insert into t select i, twice(i) from (select 1 as i union select 2)"
      assert.equal(6, db:fetch_value "select sum(a) from t")
      db:create_function("thrice", { arguments = 1 }, function(x)
        return x * 3
      end)
      assert.equal(9, db:fetch_value "select thrice(3)")
      local _, err = db.try:fetch_value "select thrice(3, 4)"
      assert.is_true(covet.is(err, "undefined_function"))
    end)

    it("passes all values both ways", function()
      db:create_function("same", function(...)
        return (...)
      end)
      db:create_function("kind", function(v)
        return type(v)
      end)
      for _, value in ipairs { 0, -1, 0.5, "", "text", "a\0b", 2 ^ 53, 9007199254740993LL,
        -9223372036854775807LL - 1LL } do
        assert.equal(tostring(value), tostring(db:fetch_value("select same(?)", value)))
      end
      assert.is_nil(db:fetch_value "select same(null)")
      assert.equal("nil", db:fetch_value "select kind(null)")
      assert.equal("number", db:fetch_value "select kind(1)")
      assert.equal("string", db:fetch_value "select kind('x')")
      assert.equal("\0\255", db:fetch_value("select same(?)", covet.bytes "\0\255"))
      db:create_function("truth", function()
        return true
      end)
      assert.equal(1, db:fetch_value "select truth()")
      db:create_function("no_value", function() end)
      assert.is_nil(db:fetch_value "select no_value()")
    end)

    it("errors in it are errors of the statement", function()
      db:create_function("bad", function()
        error "in the function"
      end)
      local _, err = db.try:fetch_value "select bad()"
      assert.matches("in the function", tostring(err))
      assert.matches("bad", err.sql)
      _, err = db.try:execute "insert into t values (1, 2), (2, bad())"
      assert.matches("in the function", tostring(err))
      assert.equal(0, db:fetch_value "select count(*) from t")
      db:create_function("odd", function()
        return {}
      end)
      _, err = db.try:fetch_value "select odd()"
      assert.is_table(err)
      db:create_function("thrown", function()
        error { code = 7 }
      end)
      _, err = db.try:fetch_value "select thrown()"
      assert.is_table(err)
      assert.equal(1, db:fetch_value "select 1")
    end)

    it("a function that does not end can be stopped", function()
      local result = process.run { false, "-e", [[
        local db = covet.sqlite()
        db:create_function("forever", function()
          while true do end
        end)
        local _, err = db.try:fetch_value { "select forever()", timeout = 0.1 }
        print(err.kind, db:fetch_value "select 1")
        db:disconnect()
      ]], limit = 5 }
      assert.is_false(result.timed_out)
      assert.equal("timeout\t1\n", result.stdout)
    end)

    it("what is outside of it is refused", function()
      local outside = 7
      local err = fails("usage", db, "create_function", "f", function()
        return outside
      end)
      assert.matches("outside", err.message)
      fails("usage", db, "create_function", "f", print)
      fails("usage", db, "create_function", "f")
      fails("usage", db, "create_function", 7, function() end)
      fails("usage", db, "create_function", "", function() end)
      fails("usage", db, "create_function", "f", { arguments = 500 }, function() end)
      fails("usage", db, "create_function", "f", { step = function() end })
      fails("usage", db, "create_function", "f", { argumnets = 1 }, function() end)
    end)

    it("it sees Lua's library, not covet", function()
      db:create_function("see", function(name)
        return type(_G[name])
      end)
      assert.equal("table", db:fetch_value "select see('string')")
      assert.equal("nil", db:fetch_value "select see('covet')")
      db:create_function("reversed", { deterministic = true }, function(s)
        return s:reverse()
      end)
      db:execute "create index t_reversed on t (reversed(a))"
      db:execute "insert into t values (1, 'abc')"
      assert.equal(1, db:fetch_value "select id from t where reversed(a) = 'cba'")
    end)

    it("aggregates", function()
      db:create_function("product", { step = function(state, x)
        return (state or 1) * x
      end, finish = function(state)
        return state
      end })
      fill(5)
      assert.equal(120, db:fetch_value "select product(id) from t")
      assert.is_nil(db:fetch_value "select product(id) from t where id > 99")
      assert.same({ { p = 8 }, { p = 15 } },
        db:fetch_all "select product(id) as p from t where id > 1 group by id % 2 order by 1")
      db:create_function("joined", { step = function(state, x)
        state = state or {}
        state[#state + 1] = x
        return state
      end, finish = function(state)
        return table.concat(state or {}, "-")
      end })
      assert.equal("1-2-3-4-5", db:fetch_value "select joined(id) from t")
      assert.equal("", db:fetch_value "select joined(id) from t where id > 99")
      db:create_function("broken", { step = function()
        error "in step"
      end, finish = function() end })
      local _, err = db.try:fetch_value "select broken(id) from t"
      assert.matches("in step", tostring(err))
    end)

    it("a new one takes the place of the old one", function()
      db:create_function("v", function()
        return 1
      end)
      assert.equal(1, db:fetch_value "select v()")
      db:create_function("v", function()
        return 2
      end)
      assert.equal(2, db:fetch_value "select v()")
      db:disconnect()
      db:connect()
      assert.equal(2, db:fetch_value "select v()")
    end)
  end)

  describe("open_blob", function()
    before_each(function()
      db:execute("insert into t values (1, ?)", covet.bytes(("0123456789"):rep(1000)))
      db:execute "insert into t values (2, zeroblob(5))"
    end)

    it("reads in pieces", function()
      local blob = db:open_blob("t", "a", 1)
      assert.equal(10000, blob.size)
      assert.equal("01234", blob:read(0, 5))
      assert.equal("9", blob:read(9999, 1))
      assert.equal("56789", blob:read(9995))
      assert.equal(10000, #blob:read())
      assert.equal("", blob:read(10000, 0))
      blob:close()
      blob:close()
      fails("usage", blob, "read", 0, 1)
      assert.equal(0, db:get_pool_stats().used)
    end)

    it("writes in pieces, within its size", function()
      local blob = db:open_blob("t", "a", 2, { write = true })
      blob:write(0, "ab")
      blob:write(3, "\0\255")
      local _, err = pcall(blob.write, blob, 4, "too long")
      assert.is_table(err)
      fails("usage", blob, "write", 0, 7)
      blob:close()
      assert.equal("ab\0\0\255", db:fetch_value "select a from t where id = 2")
    end)

    it("refuses what is not there", function()
      for _, place in ipairs { { "t", "a", 99 }, { "t", "nonsense", 1 }, { "nonsense", "a", 1 } } do
        local blob, err = db.try:open_blob(unpack(place))
        assert.is_nil(blob)
        assert.is_table(err)
      end
      local blob = db:open_blob("t", "a", 2)
      local ok, err = pcall(blob.write, blob, 0, "x")
      assert.is_false(ok)
      assert.is_true(covet.is(err, "read_only"), tostring(err))
      for _, range in ipairs { { -1, 1 }, { 0, 6 }, { 6, 1 }, { 0, -1 }, { 2 ^ 40, 1 } } do
        assert.is_false((pcall(blob.read, blob, unpack(range))))
      end
      assert.equal("\0\0\0\0\0", blob:read())
      blob:close()
      fails("usage", db, "open_blob", "t", "a", 1, { writ = true })
      assert.equal(0, db:get_pool_stats().used)
    end)

    it("ends with its transaction, lease or task", function()
      db:transaction(function(tx)
        local blob = tx:open_blob("t", "a", 2, { write = true })
        blob:write(0, "zz")
        blob:close()
      end)
      assert.equal("zz\0\0\0", db:fetch_value "select a from t where id = 2")
      db:with(function(held)
        held:open_blob("t", "a", 1):read(0, 1)
      end)
      covet.spawn(function()
        db:on("leak", function() end)
        db:open_blob("t", "a", 1):read(0, 1)
      end):join()
      assert.equal(0, db:get_pool_stats().used)
      assert.equal(1, db:execute("update t set a = 'x' where id = 1").affected_rows)
    end)

    it("a row that changes makes it stale", function()
      local blob = db:open_blob("t", "a", 2)
      blob.connection:execute "update t set a = 'changed' where id = 2"
      local _, err = pcall(blob.read, blob, 0, 1)
      assert.is_true(covet.is(err, "transaction_aborted", "database_error", "usage"), tostring(err))
      blob:close()
      assert.equal(0, db:get_pool_stats().used)
    end)
  end)

  describe("scripts", function()
    it("are all or nothing", function()
      for _, script in ipairs {
        "insert into t values (1, 1); insert into t values (1, 1)",
        "insert into t values (1, 1); create table u (a); insert into nonsense values (1)",
        "insert into t values (1, 1); select json('{')",
        "create table u (a); insert into u values (1); insert into u values (1, 2)",
      } do
        local result, err = db.try:execute(script)
        assert.is_nil(result)
        assert.is_table(err)
        assert.equal(0, db:fetch_value "select count(*) from t")
        assert.is_false(db:table_exists "u")
      end
    end)

    it("may hold triggers and their own transactions", function()
      db:execute [[
        create table log (a);
        create trigger t_log after insert on t begin
          insert into log values (new.id);
          insert into log values (-new.id);
        end;
        insert into t values (7, 'it''s; fine');
      ]]
      assert.same({ 7, -7 }, (db:fetch_column "select a from log"))
      db:execute "begin; insert into t values (10, 10); commit"
      fails("unique_violation", db, "execute",
        "begin; insert into t values (11, 11); insert into t values (11, 11); commit")
      fails("usage", db, "execute", "begin; insert into t values (12, 12)")
      fails("usage", db, "execute", "/* */ begin")
      assert.same({ 7, 10 }, db:fetch_column "select id from t order by id")
      db:execute "delete from t where id = 10"
      db:with(function(held)
        held:execute "begin; insert into t values (8, 8); commit"
        fails("unique_violation", held, "execute",
          "begin; insert into t values (9, 9); insert into t values (9, 9); commit")
      end)
      assert.equal(2, db:fetch_value "select count(*) from t")
    end)

    it("that may not write do not, wherever they run", function()
      local memory = covet.sqlite ":memory:"
      memory:execute "create table t (id, n)"
      for _, one in ipairs { db, memory } do
        fails("read_only", one, "execute", { "select 1; insert into t values (1, 1)", read_only = true })
        fails("read_only", one:with_options { read_only = true }, "execute",
          "select 1; /* a */ create table u (a)")
        assert.equal(0, one:fetch_value "select count(*) from t")
        assert.equal(1, one:fetch_value { "select 1", read_only = true })
      end
      memory:disconnect()
    end)

    it("cannot attach to a connection that is anybody's", function()
      fails("usage", db, "execute", "attach ':memory:' as other")
      fails("usage", db, "execute", "select 1; -- a comment\n attach ':memory:' as other")
      assert.equal(1, #db:fetch_all "pragma database_list")
      db:execute "select 1; vacuum"
    end)

    it("a borrower's session is not the next one's", function()
      for _, text in ipairs { "pragma cache_size = -1234", "pragma cache_size(-1234)",
        "/* a */ pragma main.cache_size(-1234)", "attach ':memory:' as other" } do
        db:with(function(held)
          held:execute(text)
        end)
        db:with(function(held)
          assert.not_equal(-1234, held:fetch_value "pragma cache_size", text)
          assert.equal(1, #held:fetch_all "pragma database_list", text)
        end)
      end
    end)

    it("one that leaves a transaction open leaves nothing behind", function()
      db.try:execute "begin; insert into t values (1, 1)"
      db:execute "insert into t values (2, 2)"
      assert.equal(1, db:fetch_value "select count(*) from t where id = 2")
      assert.equal(0, db:get_pool_stats().used)
      db:transaction(function(tx)
        tx:execute "insert into t values (3, 3)"
      end)
    end)

    it("a plain begin on the adapter leaves nothing behind", function()
      db.try:execute "begin"
      db.try:execute "insert into t values (1, 1)"
      db:transaction(function(tx)
        tx:execute "insert into t values (2, 2)"
      end)
      db.try:execute "commit"
      db.try:execute "rollback"
      assert.equal(1, db:fetch_value "select count(*) from t where id = 2")
    end)

    it("pragmas and VACUUM run in scripts of their own", function()
      db:execute "vacuum"
      db:execute "pragma user_version = 3; pragma application_id = 4"
      assert.equal(3, db:fetch_value "pragma user_version")
    end)

    it("after an error that rolled back, statements in the block are refused", function()
      db:execute "create table u (a unique on conflict rollback)"
      db:execute "insert into u values (1)"
      local first
      local err = fails("transaction_aborted", db, "transaction", function(tx)
        tx:execute "insert into t values (1, 1)"
        first = fails("unique_violation", tx, "execute", "insert into u values (1)")
        tx:execute "insert into t values (2, 2)"
      end)
      assert.equal(first, err.cause)
      assert.matches("UNIQUE", tostring(err))
      assert.equal(0, db:fetch_value "select count(*) from t")
      fails("transaction_aborted", db, "transaction", function(tx)
        tx:execute "insert into t values (1, 1)"
        pcall(tx.execute, tx, "insert into u values (1)")
      end)
      assert.equal(0, db:get_pool_stats().used)
    end)
  end)

  it("errors have SQLite's extended codes", function()
    local err = fails("unique_violation", db, "execute", "insert into t values (1, 1), (1, 1)")
    assert.equal(1555, err.code)
    db:execute "create table s (a integer) strict"
    fails("datatype_mismatch", db, "execute", "insert into s values ('text')")
    fails("datatype_mismatch", db, "execute", "insert into t (id) values ('text')")
    db:execute "create table c (a check (a > 0), b, constraint named check (b > 0))"
    assert.equal("named", fails("check_violation", db, "execute", "insert into c values (1, 0)").constraint)
    assert.equal("a > 0", fails("check_violation", db, "execute", "insert into c values (0, 1)").constraint)
    db:execute "create unique index c_ab on c (a, b)"
    db:execute "insert into c values (1, 1)"
    err = fails("unique_violation", db, "execute", "insert into c values (1, 1)")
    assert.equal("c", err.table)
    assert.matches("c.a, c.b", err.constraint, 1, true)
    db:execute "create unique index c_expression on c (a + b)"
    err = fails("unique_violation", db, "execute", "insert into c values (0.5, 1.5)")
    assert.equal("c_expression", err.constraint)
    db:execute "create trigger stop before delete on c begin select raise(abort, 'not this one'); end"
    assert.matches("not this one", tostring(select(2, db.try:execute "delete from c")))
    fails("undefined_table", db, "fetch_all", "select * from other.t")
    fails("undefined_function", db, "fetch_value", "select length()")
    fails("syntax_error", db, "fetch_all", "select * from t where id in (1, 2")
    fails("invalid_value", db, "fetch_value", "select json('{')")
    err = fails("undefined_table", db, "fetch_all", "select 1,\n 2 from nonsense")
    assert.equal("nonsense", err.table)
  end)
end)

describe("events of SQLite's own calls", function()
  it("a backup is told once", function()
    local db = covet.sqlite(tmp.path())
    local told = {}
    db:on("query", function(event)
      told[#told + 1] = event.sql
      assert(event.seconds >= 0)
    end)
    db:on("error", function(event)
      told[#told + 1] = event.error.kind
    end)
    db:backup(tmp.path())
    assert.same({ "backup" }, told)
    local failed = pcall(db.backup, db, tmp.dir())
    assert.is_false(failed)
    assert.equal(2, #told)
    db:disconnect()
  end)
end)
