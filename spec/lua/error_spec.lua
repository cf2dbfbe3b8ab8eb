local error_module = require "covet.error"

describe("covet.error", function()
  local new = error_module.new

  -- The error that a function raises.
  local function caught(fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    return err
  end

  -- The lines of an error's message.
  local function lines_of(err)
    local lines = {}
    for line in (tostring(err) .. "\n"):gmatch "(.-)\n" do
      lines[#lines + 1] = line
    end
    return lines
  end

  it("knows the kinds of covet.h, and no others", function()
    local header = assert(io.open "src/covet.h")
    local list = header:read "*a":match "COVET_ERROR_KINDS%(X%).-\n\n"
    header:close()
    local kinds = {}
    for kind in list:gmatch 'X%([%u_]+, "([%l_]+)"%)' do
      kinds[kind] = true
    end
    assert.same(kinds, error_module.KINDS)
  end)

  it("takes the table of fields, which becomes the error", function()
    local fields = { kind = "deadlock", code = 40001 }
    local err = new(fields)
    assert.equal(fields, err)
    assert.equal("deadlock", err.kind)
    assert.equal(40001, err.code)
    assert.is_nil(err.is)
    assert.equal("database_error", new({}).kind)
  end)

  it("survives error and assert as the very same table", function()
    local err = new { kind = "timeout", message = "late" }
    local lua = getfenv(0) -- busted has its own `error` and `assert`
    assert.equal(err, caught(lua.error, err))
    assert.equal(err, caught(lua.assert, false, err))
    assert.is_false(err == new { kind = "timeout", message = "late" })
  end)

  it("raises what it is given, noting where only when asked", function()
    local err = caught(error_module.raise, { kind = "corrupt" })
    assert.equal("corrupt", err.kind)
    assert.is_nil(err.where)
    err = caught(function() error_module.raise({ kind = "corrupt" }, 1) end)
    assert.matches("error_spec.lua:%d+$", err.where)
    assert.equal(err, caught(error_module.raise, err))
  end)

  it("points at the caller in usage errors", function()
    local function api()
      error_module.usage(2, "bad %s: 100%%", "thing")
    end
    local line = debug.getinfo(1, "l").currentline + 1
    local err = caught(function() api() end)
    assert.equal("usage", err.kind)
    assert.equal("bad thing: 100%", err.message)
    assert.matches("error_spec.lua:" .. line .. "$", err.where)
    assert.equal(err.where .. ": usage: bad thing: 100%", tostring(err))
    -- the nearest Lua function when C calls
    assert.matches("error_spec.lua:%d+$", caught(api).where)
  end)

  it("takes a message without arguments as it is", function()
    assert.equal("50% off",
      caught(error_module.usage, 1, "50% off").message)
  end)

  it("tests the kind", function()
    local err = new { kind = "deadlock" }
    assert.is_true(error_module.is(err, "deadlock"))
    assert.is_false(error_module.is(err, "timeout"))
    assert.is_true(error_module.is(err, "timeout", "deadlock"))
    assert.is_true(error_module.is(err, { "timeout", "deadlock" }))
    assert.is_false(error_module.is({ kind = "deadlock" }, "deadlock"))
    assert.is_false(error_module.is("deadlock", "deadlock"))
    assert.is_false(error_module.is(nil, "deadlock"))
  end)

  it("refuses to test for a kind that does not exist", function()
    local err = caught(error_module.is, new {}, "deadlok")
    assert.equal("usage", err.kind)
    assert.matches('"deadlok"', err.message, 1, true)
    assert.equal("usage", caught(error_module.is, new {}).kind)
    assert.equal("usage", caught(error_module.is, "x", "timeout", "y").kind)
  end)

  it("tells errors from other values", function()
    assert.is_true(error_module.is_error(new {}))
    for _, value in ipairs { 1, "x", {}, true, print } do
      assert.is_false(error_module.is_error(value))
    end
    assert.is_false(error_module.is_error(nil))
  end)

  it("joins texts as its message", function()
    local err = new { kind = "timeout", message = "late" }
    assert.equal("failed: timeout: late.", "failed: " .. err .. ".")
  end)

  describe("message", function()
    it("says kind, message, phase, detail, hint and cause", function()
      assert.same({
        "timeout: no answer within 5 s (in phase query)", "  detail: d",
        "  hint: h", "  cause: connection_lost: gone",
      }, lines_of(new {
        kind = "timeout", message = "no answer within 5 s", phase = "query",
        detail = "d", hint = "h",
        cause = new { kind = "connection_lost", message = "gone" },
      }))
    end)

    it("does without any of them", function()
      assert.equal("database_error", tostring(new {}))
      assert.equal("usage: nil is no message",
        tostring(new { kind = "usage", message = "nil is no message" }))
      assert.equal("usage: true", tostring(new {
        kind = "usage", message = true }))
    end)

    it("says what went wrong after it", function()
      local err = new { kind = "timeout", cause = "a" }
      assert.is_true(error_module.add(err, new { kind = "usage", message = "b" }))
      assert.is_true(error_module.add(err, "c"))
      assert.is_true(error_module.add(err, err))
      assert.equal(2, #err.others)
      assert.same({ "timeout", "  cause: a", "  also: usage: b", "  also: c" },
        lines_of(err))
      assert.is_false(error_module.add("text", err))
      assert.is_false(error_module.add({}, err))
    end)

    it("ends although an error is its own cause", function()
      local err = new { kind = "timeout" }
      err.cause = err
      assert.equal("timeout\n  cause: timeout", tostring(err))
    end)

    local function excerpt(sql, position)
      local lines = lines_of(new {
        kind = "syntax_error", sql = sql, position = position })
      return lines[2], lines[3]
    end

    it("shows the SQL with a caret", function()
      local line, caret = excerpt("select * form users", 10)
      assert.equal("  select * form users", line)
      assert.equal("           ^", caret)
    end)

    it("names the line of a text of several", function()
      local line, caret = excerpt("select *\nfrom t\r\nwere x", 18)
      assert.equal("  line 3: were x", line)
      assert.equal("          ^", caret)
      line, caret = excerpt("a\nb", 2)
      assert.equal("  line 1: a", line)
      assert.equal("           ^", caret)
    end)

    it("shows tabs and control characters as blanks", function()
      local line, caret = excerpt("\tselect\0\27\tx", 11)
      assert.equal("   select   x", line)
      assert.equal(line:find "x", caret:find "%^")
    end)

    it("counts characters, not bytes", function()
      local line, caret = excerpt("select 'äöü', x", 18)
      assert.equal("  select 'äöü', x", line)
      assert.equal("                ^", caret)
    end)

    it("puts the caret behind the end", function()
      local line, caret = excerpt("select", 7)
      assert.equal("  select", line)
      assert.equal("        ^", caret)
    end)

    it("cuts long lines around the caret, between characters", function()
      for pad = 0, 3 do
        local sql = ("a"):rep(pad) .. ("é"):rep(5000) .. "X"
          .. ("é"):rep(5000)
        local line, caret = excerpt(sql, pad + 10001)
        assert.is_true(#line < 160)
        assert.matches("^  %.%.%.é.*X.*é%.%.%.$", line)
        local before = line:match "^(.*)X"
        local _, characters = before:gsub("[^\128-\191]", "")
        assert.equal(characters + 1, caret:find "%^")
      end
    end)

    it("shows no SQL without a position within it", function()
      for _, position in ipairs { 0, -1, 8, 1.5, 0 / 0, "1", 1e300 } do
        assert.is_nil((excerpt("select", position)))
      end
      assert.is_nil((excerpt(nil, 1)))
      assert.is_nil((excerpt("select", nil)))
    end)

    it("never shows a value that the database quotes", function()
      for _, fields in ipairs {
        { kind = "unique_violation", detail = "Key (a)=(secret) is there." },
        { kind = "unique_violation", detail = "Key (a)=(x)secret) is there." },
        { kind = "check_violation",
          detail = "Failing row contains (1, secret)." },
        { kind = "unique_violation",
          message = "Duplicate entry 'it's secret' for key 'users.email'" },
        { kind = "invalid_value",
          message = 'invalid input syntax for type integer: "secret"' },
        { kind = "invalid_value", message = "Incorrect integer value: "
          .. "'secret' for column 'a' at row 1" },
        { kind = "numeric_out_of_range",
          message = 'value "secret" is out of range for type integer' },
        { kind = "invalid_value", sql = "select $1::int[]", parameters = 1, code = "22P02",
          message = 'malformed array literal: "{se"cret, secret"' },
        { kind = "invalid_value", sql = "select $1::json", parameters = 1, code = "22P02",
          message = "invalid input syntax for type json",
          detail = 'Expected "," or "}", but found "secret".' },
        { kind = "invalid_value", sql = "select $1::json as secret",
          parameters = 1, code = "22P02", message = "invalid input syntax for type json",
          detail = 'Token "secret" is invalid.' },
        { kind = "undefined_table", sql = "select $1::regclass",
          parameters = 1, code = "42P01", message = 'relation "my"secret" does not exist' },
        { database = "mysql", kind = "invalid_value", sql = "set a = ?", parameters = 1, code = 1231,
          message = "Variable 'a' can't be set to the value of 'set' secret'" },
        { database = "mysql", kind = "numeric_out_of_range", sql = "select ?", parameters = 1,
          code = 1690, message = "BIGINT value is out of range in '1 + length('secret')'" },
        { database = "mysql", kind = "syntax_error", sql = "call p(?)", parameters = 1, code = 1064,
          message = "check the manual for the right syntax to use near 'secret' at line 1" },
        { database = "mysql", kind = "database_error", sql = "select get_lock(?, 0)", parameters = 1,
          code = 1059, message = "Identifier name 'secret' is too long" },
      } do
        local text = tostring(new(fields))
        assert.is_nil(text:find("secret", 1, true), text)
        assert.matches("%.%.%.", text)
      end
    end)

    it("shows the names that the SQL has, or a field", function()
      for _, fields in ipairs {
        { sql = "select * from Users where id = $1", parameters = 1, code = "42P01",
          message = 'relation "users" does not exist' },
        { sql = "insert into t values ($1)", parameters = 1, code = "23502", table = "t",
          column = "known", message = 'null value in column "known" of '
            .. 'relation "t" violates not-null constraint' },
        { sql = "select $1", parameters = 1, message = 'pool "covet\'s own words" is closed' },
        { sql = "select f()", parameters = 0, code = "42P01",
          message = 'relation "within_f" does not exist' },
        { message = 'role "someone" does not exist' },
        { database = "mysql", kind = "undefined_table", sql = "select ? from t", parameters = 1,
          code = 1146, message = "Table 'd.t' doesn't exist" },
        { database = "mysql", kind = "invalid_value", sql = "insert into t values (?)", parameters = 1,
          code = 1265, message = "Data truncated for column 'a' at row 1" },
        { database = "mysql", kind = "database_error", sql = "create table t (a int)", parameters = 0,
          code = 1050, message = "Table 't' already exists" },
        { sql = "select $1::int[]", parameters = 1, code = "22P02",
          message = "malformed array literal",
          detail = 'Array value must start with "{".' },
      } do
        assert.is_nil(tostring(new(fields)):find("...", 1, true))
      end
    end)

    it("leaves the fields as they are", function()
      local err = new {
        kind = "unique_violation", detail = "Key (a)=(b) is there." }
      assert.equal("unique_violation\n  detail: Key (a)=(...) is there.",
        tostring(err))
      assert.equal("Key (a)=(b) is there.", err.detail)
    end)
  end)

  describe("traceback", function()
    it("is noted once, and is fit for xpcall", function()
      local function fails()
        error_module.raise { kind = "corrupt" }
      end
      local _, err = xpcall(fails, error_module.with_traceback)
      assert.matches("^stack traceback:", err.traceback)
      assert.matches("error_spec.lua", err.traceback)
      local noted = err.traceback
      assert.equal(noted, error_module.with_traceback(err).traceback)
    end)

    it("is that of the coroutine that died", function()
      local function deep_down()
        error_module.raise { kind = "corrupt" }
      end
      local co = coroutine.create(function() deep_down() end)
      local _, err = coroutine.resume(co)
      error_module.with_traceback(err, co)
      assert.matches("deep_down", err.traceback)
    end)

    it("leaves other values alone", function()
      assert.equal("text", error_module.with_traceback("text"))
      assert.is_nil(error_module.with_traceback(nil))
    end)
  end)
end)
