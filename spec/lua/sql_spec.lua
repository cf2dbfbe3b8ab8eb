local ffi = require "ffi"
local covet_error = require "covet.error"
local json = require "covet.json"
local null = require "covet.null"
local sql = require "covet.sql"

-- The error of a kind that a call raises.
local function fails(kind, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(covet_error.is(err, kind), tostring(err))
  return err
end

-- Parse a text and see its native form, count, names and order.
local function expect(dialect, text, native, count, names, order)
  local statement = sql.parse(text, dialect)
  assert.equal(native, statement.text)
  assert.equal(count, statement.count, text)
  assert.same(names, statement.names)
  assert.same(order, statement.order)
end

-- Nothing in a text is a placeholder.
local function untouched(dialect, text)
  expect(dialect, text, text, 0)
end

describe("covet.sql placeholders", function()
  it("in SQLite", function()
    expect("sqlite", "select ?, ?", "select ?, ?", 2)
    expect("sqlite", "select ?2, ?1", "select ?2, ?1", 2)
    expect("sqlite", "select $1, $3, $1", "select ?1, ?3, ?1", 3)
    expect("sqlite", "select :b, :a, :b", "select ?1, ?2, ?1", 2, { "b", "a" })
    expect("sqlite", "a->>?||?", "a->>?||?", 2)
    untouched("sqlite", "select %s, a % s, b::c, d := 1, e$1 from t")
  end)

  it("in PostgreSQL", function()
    expect("postgresql", "select $2, $1", "select $2, $1", 2)
    expect("postgresql", "select :b::int, :a,:b", "select $1::int, $2,$1", 2,
      { "b", "a" })
    expect("postgresql", "select data ? 'a', b ?| c, d ?& e, f @? $1",
      "select data ? 'a', b ?| c, d ?& e, f @? $1", 1)
    expect("postgresql", "select 'a'::text||:b", "select 'a'::text||$1", 1,
      { "b" })
    untouched("postgresql", "select %s, a := b, c::d, id$1, a # b, $a")
  end)

  it("in MySQL", function()
    expect("mysql", "select ?, ?", "select ?, ?", 2)
    expect("mysql", "select %s, 5 %% 2, 'a%%%s', x %sum",
      "select ?, 5 % 2, 'a%%s', x %sum", 1)
    expect("mysql", "select '%%Y-%%', `a%%` /* %%% */ %% %s -- %%s",
      "select '%Y-%', `a%` /* %% */ % ? -- %s", 1)
    for text, count in pairs { ["select '%%Y', 5 %% 2"] = 0, ["select '%%', ? -- %s"] = 1 } do
      expect("mysql", text, text, count)
    end
    expect("mysql", "select :a, :b, :a", "select ?, ?, ?", 2, { "a", "b" },
      { 1, 2, 1 })
    expect("mysql", "select :a, :b", "select ?, ?", 2, { "a", "b" })
    expect("mysql", "select ?2, ?1", "select ?, ?", 2, nil, { 2, 1 })
    expect("mysql", "select $1, $3", "select ?, ?", 3, nil, { 1, 3 })
    expect("mysql", "select ?1, ?2", "select ?, ?", 2)
    untouched("mysql", "set @a := 1")
  end)

  it("have names of letters, digits, underscores and non-ASCII", function()
    expect("sqlite", "select :_a1.:größe:b", "select ?1.?2?3", 3,
      { "_a1", "größe", "b" })
    for _, text in ipairs { "a:=1", "a : b", "a:", ":" } do
      untouched("mysql", text)
      untouched("postgresql", text)
    end
  end)

  it("are not array slices", function()
    untouched("postgresql", "select a[1:2], a[lo:hi], a[f(x):b.c], a[1:]")
    expect("postgresql", "select a[:i], a[1::n], array[:x,:y], b[(:i):n]",
      "select a[$1], a[1::n], array[$2,$3], b[($1):n]", 3, { "i", "x", "y" })
    untouched("postgresql", 'select "a"["b":"c"], x[y[1]:z]')
  end)

  it("are not looked for in quotes", function()
    for name in pairs(sql.dialects) do
      untouched(name, "select '? :a $1 %s', 'it''s :a'")
      untouched(name, "select ':a\0? $1' from \"? :a $1\"")
    end
    untouched("sqlite", "select [? :a], `? :a``$1`, 'a\\'")
    untouched("mysql", "select `? :a``$1`, 'a\\':b', \"a\\\":b\"")
    untouched("postgresql", "select E'\\':a', e'a''\\':a', 'a\\', '$1'")
    untouched("postgresql", "select E'a'\n  '\\':a'")
    expect("postgresql", "select note'\\', :a", "select note'\\', $1", 1,
      { "a" })
  end)

  it("are not looked for in dollar quotes", function()
    untouched("postgresql", "select $$:a 'it$$, $q$ $1 $$ :b $qq$ $q$")
    untouched("postgresql", "select $é$ :a $é$")
    expect("postgresql", "select a$b$, :c, d$b$", "select a$b$, $1, d$b$", 1,
      { "c" })
  end)

  it("are not looked for in comments", function()
    for name in pairs(sql.dialects) do
      untouched(name, "select 1 -- :a ? '\n+ 2 /* :a ' ? $1 */")
      untouched(name, "-- :a")
    end
    untouched("postgresql", "select /* /* :a */ :b */ 1")
    expect("sqlite", "select /* /* :a */ :b", "select /* /* :a */ ?1", 1,
      { "b" })
    expect("mysql", "select 5--?, 1 # ?\n, ? -- ?",
      "select 5--?, 1 # ?\n, ? -- ?", 2)
    expect("mysql", "select /*!50000 :a, */ :b /*M!100 + 1 */",
      "select /*!50000 ?, */ ? /*M!100 + 1 */", 2, { "a", "b" })
  end)
end)

describe("covet.sql mistakes", function()
  it("of two styles in one text", function()
    for dialect, texts in pairs {
      sqlite = { "select ?, :a", "select ?1, ?", "select $1, ?1" },
      mysql = { "select %s, ?", "select :a, %s" },
      postgresql = { "select $1, :a" },
    } do
      for _, text in ipairs(texts) do
        local err = fails("usage", sql.parse, text, dialect)
        assert.matches("two styles", err.message)
        assert.equal(text, err.sql)
      end
    end
  end)

  it("of what has no end, with its position", function()
    for _, case in ipairs {
      { "sqlite", "select 'a''", 8, "string" },
      { "sqlite", 'select "a', 8, "identifier" },
      { "sqlite", "select `a", 8, "identifier" },
      { "sqlite", "select [a", 8, "identifier" },
      { "sqlite", "select /* a", 8, "comment" },
      { "mysql", "select 'a\\'", 8, "string" },
      { "mysql", 'select "a', 8, "string" },
      { "mysql", "select /*! a", 8, "comment" },
      { "postgresql", "select $a$ $b$", 8, "dollar-quoted string" },
      { "postgresql", "select E'\\'", 9, "string" },
      { "postgresql", "/* /* */", 1, "comment" },
    } do
      local err = fails("syntax_error", sql.parse, case[2], case[1])
      assert.equal("unterminated " .. case[4], err.message)
      assert.equal(case[3], err.position)
      assert.equal(case[2], err.sql)
      assert.equal(case[1], err.database)
      assert.is_nil(err.where)
    end
  end)

  it("of placeholder numbers", function()
    for _, text in ipairs { "?0", "$65536", "?" .. ("9"):rep(500) } do
      local err = fails("usage", sql.parse, "select " .. text, "sqlite")
      assert.matches("out of range", err.message)
      assert.is_true(#err.message < 100)
    end
    assert.equal(65535, sql.parse("select $65535", "postgresql").count)
  end)

  it("of names that SQLite would number by itself", function()
    for _, name in ipairs { "@a", "$a", ":1", "@1" } do
      local err = fails("usage", sql.parse, "select " .. name, "sqlite")
      assert.matches(name .. " is no placeholder", err.message, 1, true)
    end
    untouched("mysql", "select @a, @@b")
  end)

  it("of arguments", function()
    fails("usage", sql.parse, nil, "sqlite")
    fails("usage", sql.parse, "select 1", "oracle")
    fails("usage", sql.parse, "select 1")
    local line = debug.getinfo(1, "l").currentline + 2
    local err = fails("usage", function()
      local statement = sql.parse("select ?, :a", "sqlite", 1)
      return statement
    end)
    assert.matches(":" .. line .. "$", err.where)
  end)
end)

describe("covet.sql keywords", function()
  local function words(text)
    local statement = sql.parse(text, "postgresql")
    return { statement.keyword, statement.second, statement.verb }
  end

  it("are those of the first statement", function()
    assert.same({ "INSERT", "INTO", "INSERT" },
      words " -- c\n /* d */ insert /* e */ into t; delete from u")
    assert.same({ "SELECT", "A", "SELECT" }, words "((select a))")
    assert.same({ "BEGIN", nil, "BEGIN" }, words "begin;")
    assert.same({}, words "-- nothing")
  end)

  it("say what is created, and whether it is temporary", function()
    for _, case in ipairs {
      { "create table temp (a)", "TABLE", false },
      { "create temp table t (a)", "TABLE", true },
      { "create or replace temporary view v as select 1", "VIEW", true },
      { "create unique index i on t (a)", "INDEX", false },
      { "create definer=a@b sql security invoker view v as select 1",
        "VIEW", false },
      { "drop table t", "TABLE", false },
    } do
      local statement = sql.parse(case[1], "mysql")
      assert.equal(case[2], statement.second)
      assert.equal(case[3], statement.temporary, case[1])
    end
    assert.is_true(sql.parse("select 1; create temp table t (a)", "sqlite")
      .temporary)
  end)

  it("resolve the verb behind WITH", function()
    for text, verb in pairs {
      ["with a as (select 1) select * from a"] = "SELECT",
      ["with recursive a(x) as (select 1), b as (values (1)) insert into t "
        .. "select * from a"] = "INSERT",
      ["with a as not materialized (delete from t returning *) update t set "
        .. "x = 1"] = "UPDATE",
      ["with a as (select ')' -- )\n) delete from t"] = "DELETE",
      ["with a as (select 1) (select 2)"] = "SELECT",
      ["with replace as (select 1) delete from t"] = "DELETE",
      ["with e1 as (select 1e5) merge into t using e1 on true"] = "MERGE",
    } do
      local actual = words(text)
      assert.equal("WITH", actual[1])
      assert.equal(verb, actual[3], text)
    end
  end)
end)

describe("covet.sql.split", function()
  local function check(dialect, text, ...)
    assert.same({ ... }, sql.split(text, dialect))
  end

  it("gives the statements of a text", function()
    check("sqlite", "select ';'; select 2;", "select ';'", "select 2")
    check("sqlite", "select 1;select 2", "select 1", "select 2")
    check("sqlite", "select ?, ?", "select ?, ?")
    check("postgresql", "select $$;$$; select 'a''; b'", "select $$;$$", "select 'a''; b'")
    check("mysql", "select `;`; select \"\\\";\"", "select `;`", "select \"\\\";\"")
  end)

  it("leaves out what stands between them", function()
    check("sqlite", "-- first;\n ; select 1 ;; /* ; */ ; select 2 -- last;", "select 1 ", "select 2 -- last;")
    check("sqlite", "")
    check("sqlite", " ;; -- nothing")
  end)

  it("keeps a body whole", function()
    local trigger = "create trigger r after insert on t begin delete from u; end"
    check("sqlite", trigger .. "; select 1;", trigger, "select 1")
    check("sqlite", "select 1; " .. trigger, "select 1", trigger)
  end)

  it("raises for what has no end", function()
    local err = fails("syntax_error", sql.split, "select 1; select 'a", "sqlite")
    assert.equal("select 1; select 'a", err.sql)
    assert.matches("sql_spec.lua", fails("usage", sql.split, 1, "sqlite").where)
    assert.matches("sql_spec.lua", fails("usage", sql.split, "", "oracle").where)
  end)
end)

describe("covet.sql statements", function()
  local function count(text, dialect)
    return sql.parse(text, dialect or "sqlite").statements
  end

  it("are counted without empty ones", function()
    for text, expected in pairs {
      [""] = 0, [" ;; -- a\n ; /* b; */"] = 0, ["select 1"] = 1,
      ["select 1;"] = 1, ["select 1; -- more;\n"] = 1,
      ["select 1; select 2"] = 2, ["select ';'; 5;"] = 2,
      ["\0"] = 1, [";a;b;"] = 2,
    } do
      assert.equal(expected, count(text), text)
    end
  end)

  it("take a trigger of SQLite as one", function()
    local trigger = "create temp trigger if not exists x after update of "
      .. "begin on t when new.begin > 1 begin update t set a = case when 1 "
      .. "then 2 end, b = new.end; insert into l values ('; end;', ?, :b); "
      .. "select 1 ; /* ; */ end"
    assert.equal(1, count(trigger))
    assert.equal(1, count(trigger .. ";"))
    assert.equal(3, count("select 1;" .. trigger .. "; select 2"))
    assert.equal(2, count("explain " .. trigger .. "; select 2"))
    assert.equal(0, sql.parse(trigger, "sqlite").count)
    assert.equal(1, sql.parse(trigger .. "; select ?", "sqlite").count)
  end)

  it("take a routine of the servers as one", function()
    assert.equal(2, count([[
      create definer = `a`@`b` procedure p(b int) begin
        declare exit handler for sqlexception begin rollback; end;
        if a then begin select 1; end; end if;
        case a when 1 then select 1; end case;
        while a do select case 1 when 1 then 2 end; end while;
        set end = 1;
      end; select 2]], "mysql"))
    assert.equal(2, count("create function f(int) returns int language sql "
      .. "begin atomic select $1; select 2; end; select 1", "postgresql"))
    assert.equal(1, count("create function f() returns int as $$ begin; "
      .. "end; $$ language plpgsql;", "postgresql"))
    assert.equal(2, count("create rule r as on insert to t do also (delete "
      .. "from a; delete from b); select 1", "postgresql"))
    assert.equal(2, count("begin; commit", "postgresql"))
  end)

  it("count code in MySQL's executable comments", function()
    local statement = sql.parse("/*!40101 SET NAMES utf8 */; select 1", "mysql")
    assert.equal(2, statement.statements)
    assert.equal("SET", statement.keyword)
  end)
end)

describe("covet.sql scanner", function()
  -- Numbers from a seed, the same everywhere.
  local function generator(seed)
    return function(n)
      seed = (seed * 16807) % 2147483647
      return seed % n + 1
    end
  end

  -- Tokens that hold no placeholder.
  local OPAQUE = {
    all = {
      "select", "a.b", "12.5e3", "(", ")", ",", "<=", "+", "' ? :x $1 %s '",
      "'it''s'", '"q ? :x"', "/* ? :x ' */", "-- ? :x '\n", "1", "x1", "::t",
      ":=", "''", "\0", "\255",
    },
    sqlite = { "[? ' :x]", "`? :x`", "'a\\'", "%s", "/* /* */" },
    postgresql = {
      "?", "?|", "$$ ' :x $1 $$", "$t$ $$ :x $t$", "E'\\' :x '", "'a\\'",
      "/* /* :x */ ' */", "a[1:2]", "#", "%s", "id$1",
    },
    mysql = { "`? :x`", "'\\' ? '", '"\\" ?"', "# ? '\n", "@v", "'%s'" },
  }

  -- The forms of placeholders: each gives the text and its native form for
  -- the n-th use, which is parameter n.
  local STYLES = {
    sqlite = {
      function() return "?", "?" end,
      function(n) return "?" .. n, "?" .. n end,
      function(n) return "$" .. n, "?" .. n end,
      function(n) return ":p" .. n, "?" .. n end,
    },
    postgresql = {
      function(n) return "$" .. n, "$" .. n end,
      function(n) return ":p" .. n, "$" .. n end,
    },
    mysql = {
      function() return "?", "?" end, function() return "%s", "?" end,
      function(n) return ":p" .. n, "?" end,
    },
  }

  local function compose(dialect, random)
    local source, native, count = {}, {}, 0
    local style = STYLES[dialect][random(#STYLES[dialect])]
    local own = OPAQUE[dialect]
    for i = 1, random(30) do
      local pick = random(#OPAQUE.all + #own + 8)
      local token = OPAQUE.all[pick] or own[pick - #OPAQUE.all]
      source[i], native[i] = token, token
      if not token then
        count = count + 1
        source[i], native[i] = style(count)
      end
    end
    return table.concat(source, " "), table.concat(native, " "), count
  end

  it("finds the truth about random texts", function()
    for dialect in pairs(sql.dialects) do
      local random = generator(20231)
      for _ = 1, 2000 do
        local source, native, count = compose(dialect, random)
        local statement = sql.parse(source, dialect)
        assert.equal(native, statement.text)
        assert.equal(count, statement.count, source)
      end
    end
  end)

  it("takes any bytes without another error than its own", function()
    local random = generator(99)
    local bytes = "'\"`[]$:?%/*-#;\\ \n\0\255aE1()@!M="
    for _ = 1, 5000 do
      local text = {}
      for i = 1, random(40) do
        local at = random(#bytes)
        text[i] = bytes:sub(at, at)
      end
      text = table.concat(text)
      for dialect in pairs(sql.dialects) do
        local ok, err = pcall(sql.parse, text, dialect)
        assert.is_true(ok or covet_error.is(err, "usage", "syntax_error"),
          tostring(err))
      end
    end
  end)

  it("takes time linear in the text", function()
    for _, piece in ipairs {
      "'", "$a", "[", "/*", "*/", "--\n", "(", "a", ":a ", "E'\\''", "::",
      "$$", " ", ";", "E'a'\n", "begin ", "create trigger begin end; ",
    } do
      for dialect in pairs(sql.dialects) do
        local text = "with " .. piece:rep(200000 / #piece)
        local start = os.clock()
        pcall(sql.parse, text, dialect)
        -- quadratic time would be far more
        assert.is_true(os.clock() - start < 3, piece)
      end
    end
  end)
end)

describe("covet.sql parameters", function()
  it("are put in order by name", function()
    local statement = sql.parse("select :b, :a, :b", "mysql")
    local list, n = sql.bind_named(statement, { a = 1, b = null })
    assert.equal(2, n)
    assert.equal(null, list[1])
    assert.equal(1, list[2])
    assert.same({ null, 1, null }, (sql.arrange(statement, list, n)))
    assert.equal(3, select(2, sql.arrange(statement, list, n)))
  end)

  it("stay the same list where no order is needed", function()
    local statement, list = sql.parse("select ?", "mysql"), { 1 }
    assert.equal(list, (sql.arrange(statement, list, 1)))
  end)

  it("keep false, and nil by position", function()
    local statement = sql.parse("select :a", "sqlite")
    assert.same({ false }, (sql.bind_named(statement, { a = false })))
    statement = sql.parse("select ?2, ?1", "mysql")
    assert.same({ [2] = 7 }, (sql.arrange(statement, { 7 }, 2)))
  end)

  it("must be there, no more and no less", function()
    local statement = sql.parse("select :id, :name", "sqlite")
    local function message(params)
      return fails("usage", sql.bind_named, statement, params).message
    end
    assert.matches("parameter :name is missing", message { id = 1 }, 1, true)
    assert.matches("no parameter :nmae, did you mean :name?",
      message { id = 1, nmae = 2 }, 1, true)
    assert.matches("no parameter :zzz (it has :id, :name)",
      message { id = 1, name = 2, zzz = 3 }, 1, true)
    assert.matches("no parameter :1", message { 1, 2, 3 }, 1, true)
    assert.matches("expected table", message(7))
    fails("usage", sql.bind_named, sql.parse("select ?", "sqlite"), {})
    local line = debug.getinfo(1, "l").currentline + 2
    local err = fails("usage", function()
      local list = sql.bind_named(statement, {}, 1)
      return list
    end)
    assert.matches(":" .. line .. "$", err.where)
  end)
end)

describe("covet.sql quoting", function()
  it("of identifiers", function()
    assert.equal('"a.b"', sql.quote_identifier("a.b", "sqlite"))
    assert.equal('"a""b"', sql.quote_identifier('a"b', "postgresql"))
    assert.equal("`a``%1`", sql.quote_identifier("a`%1", "mysql"))
    assert.equal('"s"."t"', sql.quote_identifier({ "s", "t" }, "sqlite"))
    for _, name in ipairs { "", "a\0b", 1, {}, { "a", "" }, { "a", 1 } } do
      fails("usage", sql.quote_identifier, name, "sqlite")
    end
    fails("usage", sql.quote_identifier, "a", "oracle")
  end)

  it("of literals", function()
    local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
    local nan = 0 / 0
    for _, case in ipairs {
      { "it's", "'it''s'", "'it''s'", "'it''s'" },
      { "a\\b'", "'a\\b'''", " E'a\\\\b'''", "'a\\\\b'''" },
      { "a\0", "CAST(X'6100' AS TEXT)", nil, "'a\\0'" },
      { true, "1", "TRUE", "TRUE" }, { false, "0", "FALSE", "FALSE" },
      { null, "NULL", "NULL", "NULL" },
      { 1, "1", "1", "1" }, { -1, "(-1)", "(-1)", "(-1)" },
      { 0.1, "0.1", "0.1", "0.1" }, { 2 ^ 53, "9007199254740992",
        "9007199254740992", "9007199254740992" },
      { tonumber "-0.0", "(-0.0)", "(-0.0)", "(-0.0)" },
      { int64(2 ^ 62), "4611686018427387904", "4611686018427387904",
        "4611686018427387904" },
      { uint64(0) - 1, nil, "18446744073709551615", "18446744073709551615" },
      { math.huge, "9e999", "'Infinity'::float8", nil },
      { nan, nil, "'NaN'::float8", nil },
      { json.bytes "a\0'", "X'610027'", "'\\x610027'::bytea", "X'610027'" },
      { json.wrap { "it's" }, "'[\"it''s\"]'", "'[\"it''s\"]'",
        "'[\"it''s\"]'" },
      { { 1, "-5" } },
      { { 1, "5; drop" } }, { {} }, { print },
    } do
      for i, dialect in ipairs { "sqlite", "postgresql", "mysql" } do
        local expected = case[i + 1]
        if expected then
          assert.equal(expected, sql.quote_literal(case[1], dialect))
        else
          fails("usage", sql.quote_literal, case[1], dialect)
        end
      end
    end
    assert.equal("NULL", sql.quote_literal(nil, "sqlite"))
  end)

  it("gives text that the scanner sees as one literal", function()
    for dialect in pairs(sql.dialects) do
      for _, value in ipairs { "'", "\\", "\\'", "a'b\\", "?:a$1--/*" } do
        local quoted = sql.quote_literal(value, dialect)
        local statement = sql.parse("select" .. quoted .. ", :a;", dialect)
        assert.equal(1, statement.count)
        assert.equal(1, statement.statements)
      end
    end
  end)
end)
