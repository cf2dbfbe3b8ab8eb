local options = require "covet.options"
local covet_error = require "covet.error"

describe("covet.options", function()
  local SPEC = {
    { "path", "string", nil, "File of the database.", required = true },
    { "readers", "integer", 4, "Reading connections.",
      check = function(value)
        return value > 0, "must be positive"
      end },
    { "busy_timeout", "seconds", 5, "Longest wait for a lock." },
    { "command_timeout", "seconds", math.huge, "Longest wait." },
    { "pragmas", "table", {}, "Set on every connection." },
    { "password", "string|function", nil, "Password | or who gives it." },
    { "foreign_keys", "boolean", true, "Enforce foreign keys." },
    { "read_only", "boolean", false, "Refuse writes." },
    { "ratio", "number", 0.5, "A ratio." },
    { "tag", "any", nil, "Anything." },
  }

  -- The usage error for some options besides the required one.
  local function fault(given, spec)
    if type(given) == "table" and given.path == nil then
      given.path = "x"
    end
    local ok, err = pcall(options.check, spec or SPEC, given, "covet.sqlite")
    assert.is_false(ok)
    assert.is_true(covet_error.is(err, "usage"), tostring(err))
    return err.message
  end

  it("fills in defaults and changes nothing that was given", function()
    local given = { path = "x" }
    local result = options.check(SPEC, given)
    assert.same({ path = "x" }, given)
    assert.same({
      path = "x", readers = 4, busy_timeout = 5, command_timeout = math.huge,
      pragmas = {}, foreign_keys = true, read_only = false, ratio = 0.5,
    }, result)
  end)

  it("does not share a default table", function()
    options.check(SPEC, { path = "x" }).pragmas.a = 1
    assert.same({}, options.check(SPEC, { path = "x" }).pragmas)
  end)

  it("keeps false where the default is true", function()
    assert.is_false(options.check(SPEC, { path = "x", foreign_keys = false })
      .foreign_keys)
  end)

  it("takes every type it should", function()
    local secret = function() end
    for _, given in ipairs {
      { readers = 2 ^ 53 }, { busy_timeout = 0 }, { busy_timeout = math.huge },
      { busy_timeout = 0.25 }, { password = "x" }, { password = secret },
      { ratio = -math.huge }, { tag = true }, { tag = {} },
    } do
      local name, value = next(given)
      given.path = "x"
      assert.equal(value, options.check(SPEC, given)[name])
    end
  end)

  it("refuses wrong types, and shows only numbers", function()
    local nan = 0 / 0
    for _, case in ipairs {
      { { readers = "4" }, '"readers": expected integer, got string' },
      { { readers = 1.5 }, '"readers": expected integer, got 1.5' },
      { { readers = nan }, '"readers": expected integer, got NaN' },
      { { readers = math.huge }, '"readers": expected integer, got inf' },
      { { busy_timeout = -1 }, '"busy_timeout": expected seconds, got -1' },
      { { busy_timeout = nan }, '"busy_timeout": expected seconds, got NaN' },
      { { ratio = nan }, '"ratio": expected number, got NaN' },
      { { ratio = "0.5" }, '"ratio": expected number, got string' },
      { { foreign_keys = 1 }, '"foreign_keys": expected boolean, got number' },
      { { password = 1234 },
        '"password": expected string or function, got number' },
      { { path = false }, '"path": expected string, got boolean' },
      { { readers = 0 }, '"readers" must be positive' },
    } do
      assert.equal("covet.sqlite: option " .. case[2], fault(case[1]))
    end
  end)

  it("says what is required", function()
    local ok, err = pcall(options.check, SPEC, nil, "covet.sqlite")
    assert.is_false(ok)
    assert.equal('covet.sqlite: option "path" is required', err.message)
    assert.equal("covet.sqlite: options: expected table, got string",
      fault "app.db")
  end)

  it("names the nearest option of a misspelt one", function()
    for given, meant in pairs {
      reader = "readers", busy_timout = "busy_timeout",
      tiemout_busy = false, busytimeout = "busy_timeout",
      ["Foreign-Keys"] = "foreign_keys", pasword = "password",
      raito = "ratio", readOnly = "read_only",
    } do
      local message = fault { [given] = 1 }
      if meant then
        assert.equal(('covet.sqlite: unknown option "%s", did you mean "%s"?')
          :format(given, meant), message)
      else
        assert.matches("known: path, readers, busy_timeout", message, 1, true)
      end
    end
  end)

  it("lists all when none is near", function()
    assert.matches('unknown option "zzzz" (known: path, readers, ',
      fault { zzzz = 1 }, 1, true)
    assert.matches("there are no options", fault({ a = 1 }, {}))
    assert.matches("a boolean as its name", fault { [true] = 1 })
    assert.matches("a number as its name", fault { 1 })
    assert.matches("unknown option", fault { [("x"):rep(100000)] = 1 })
  end)

  it("leaves positions alone when the declaration says so", function()
    local spec = { { "timeout", "seconds" }, positional = true }
    assert.same({ timeout = 3 },
      options.check(spec, { "select 1", 7, timeout = 3 }))
    assert.has_error(function() options.check(spec, { timout = 3 }) end)
  end)

  it("points at the caller's caller by default", function()
    local function api(given)
      local result = options.check(SPEC, given, "api")
      return result
    end
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, err = pcall(function()
      local result = api { path = 1 }
      return result
    end)
    assert.is_false(ok)
    assert.matches("options_spec.lua:" .. line .. "$", err.where)
  end)

  describe("with a table of options in it", function()
    local NESTED = {
      { "path", "string", "x", "A file." },
      { "retry", "table|boolean", nil, "Trying again.", fields = {
        { "attempts", "integer", 3, "How often.", check = function(value)
          return value > 0, "must be positive"
        end },
        { "pause", "seconds", 1, "How long." },
      } },
    }

    it("completes it", function()
      assert.same({ path = "x", retry = { attempts = 3, pause = 1 } },
        options.check(NESTED))
      local given = { retry = { pause = 2 } }
      assert.same({ path = "x", retry = { attempts = 3, pause = 2 } },
        options.check(NESTED, given))
      assert.same({ retry = { pause = 2 } }, given)
      assert.is_false(options.check(NESTED, { retry = false }).retry)
    end)

    it("names the option with its way", function()
      for _, case in ipairs {
        { { retry = { attemps = 3 } }, "retry.attemps",
          'unknown option "retry.attemps", did you mean "attempts"?' },
        { { retry = { attempts = "3" } }, "retry.attempts",
          'option "retry.attempts": expected integer, got string' },
        { { retry = { attempts = 0 } }, "retry.attempts",
          'option "retry.attempts" must be positive' },
        { { retry = 5 }, "retry",
          'option "retry": expected table or boolean, got number' },
      } do
        local _, err = pcall(options.check, NESTED, case[1])
        assert.equal(case[3], err.message)
        assert.equal(case[2], err.option)
      end
    end)

    it("documents it", function()
      local text = options.reference(NESTED)
      assert.matches("| `retry` | table\\|boolean |  | Trying again. |\n"
        .. "| `retry.attempts` | integer | `3` | How often. |", text, 1, true)
    end)
  end)

  it("finds the nearest name of a list", function()
    local names = { "timeout", "time", "host" }
    assert.equal("timeout", options.nearest("tiemout", names))
    assert.equal("time", options.nearest("tine", names))
    assert.equal("host", options.nearest("HOST", names))
    assert.is_nil(options.nearest("port", names))
    assert.is_nil(options.nearest("x", names))
    assert.is_nil(options.nearest("", names))
    assert.is_nil(options.nearest(1, names))
    assert.is_nil(options.nearest("x", {}))
  end)

  it("writes the reference", function()
    local text = options.reference({
      { "path", "string", nil, "The file.", required = true },
      { "mode", "string", "wal", "The mode." },
      { "limit", "seconds", math.huge, "A limit." },
      { "ssl", "string|table", nil, "a | b" },
      { "pragmas", "table", {}, "Pragmas." },
      { "on", "boolean", false },
    }, "covet.sqlite")
    assert.equal([[
### covet.sqlite

| option | type | default | meaning |
|---|---|---|---|
| `path` | string | required | The file. |
| `mode` | string | `"wal"` | The mode. |
| `limit` | seconds | no limit | A limit. |
| `ssl` | string\|table |  | a \| b |
| `pragmas` | table | `{}` | Pragmas. |
| `on` | boolean | `false` |  |
]], text)
  end)
end)
