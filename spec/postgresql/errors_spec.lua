-- What errors of PostgreSQL say, and what they keep to themselves.
local errors = require "covet.error"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"
local wait = require "spec.support.wait"

postgresql.describe("PostgreSQL, errors:", function()
  local db

  before_each(function()
    db = postgresql.open()
  end)

  it("have the SQLSTATE as the database's own code", function()
    local err = fails("division_by_zero", db, "fetch_value", "select 1 / 0")
    assert.equal("22012", err.code)
    assert.equal("22012", err.sqlstate)
  end)

  it("name the parameter whose value only the server refuses", function()
    local err = fails("invalid_value", db, "fetch_value", "select $1::int + $2::int", 1, "x")
    assert.matches("^parameter 2: invalid input syntax", err.message)
    err = fails("invalid_value", db, "fetch_value", "select $1::inet", "nowhere")
    assert.matches("^parameter 1: ", err.message)
  end)

  describe("of connecting", function()
    local function refused(kind, changes)
      return fails(kind, postgresql.adapter(changes), "connect")
    end

    it("have the server's SQLSTATE", function()
      assert.equal("28P01", refused("authentication_failed", { password = "wrong" }).sqlstate)
      assert.equal("28P01", refused("authentication_failed", { user = "nobody" }).code)
      assert.equal("3D000", refused("unknown_database", { database = "nowhere" }).sqlstate)
    end)

    it("say no where the same call fails the same way", function()
      assert.equal("no", refused("authentication_failed", { password = "wrong" }).retry)
      assert.equal("no", refused("unknown_database", { database = "nowhere" }).retry)
      assert.equal("no", refused("usage", { port = 99999 }).retry)
      assert.equal("no", refused("database_error", { server_settings = { nonsense = 1 } }).retry)
      assert.equal("safe", refused("connection_failed", { port = 1, host = "127.0.0.1" }).retry)
    end)

    it("are tried again as the option retry says, counted, and open the breaker", function()
      local given = { host = "127.0.0.1", port = 1, breaker = { failures = 4 },
        retry = { attempts = 3, backoff = 0.05, jitter = false } }
      local lost, told = postgresql.adapter(given), nil
      lost:on("breaker", function(event) told = event end)
      local start = wait.now()
      fails("connection_failed", lost, "connect")
      assert.is_true(wait.now() - start >= 0.15) -- 0.05 + 0.1
      local stats = lost:get_pool_stats()
      assert.equal(3, stats.connection_errors)
      assert.equal("closed", stats.breaker)
      local err = fails("breaker_open", lost, "fetch_value", "select 1")
      assert.is_true(err.retry_after > 0)
      assert.equal("connection_failed", err.cause.kind)
      assert.equal("open", lost:get_pool_stats().breaker)
      assert.is_true(wait.until_true(function() return told ~= nil end, 5))
      assert.equal("open", told.state)
      assert.equal("connection_failed", told.cause.kind)
    end)

    it("leave nothing behind that goes on connecting", function()
      local lost = postgresql.adapter { host = "127.0.0.1", port = 1, min_pool_size = 2,
        retry = { attempts = 1, backoff = 0.01, max_backoff = 0.01 } }
      fails("connection_failed", lost, "connect")
      local errors_so_far = lost:get_pool_stats().connection_errors
      assert.is_false(wait.until_true(function()
        return lost:get_pool_stats().connection_errors > errors_so_far
      end, 0.2))
    end)
  end)

  describe("their text", function()
    for name, call in pairs {
      json = { "select $1::json", "s3cret" },
      ["json within"] = { "select $1::jsonb", '{"a": s3cret}' },
      array = { "select ($1::text)::int[]", 's3"cret' },
      range = { "select ($1::text)::int4range", "s3cret" },
      composite = { "select ($1::text)::pg_catalog.aclitem", "s3cret" },
      regclass = { "select ($1::text)::regclass", "s3cret" },
      regtype = { "select ($1::text)::regtype", "s3cret" },
      query = { "select query_to_xml($1, true, true, '')", "select s3cret" },
      setting = { "select set_config('work_mem', $1, true)", "s3cret" },
      date = { "select to_date($1, 'YYYY')", "s3cret" },
    } do
      it("shows no value of a parameter: " .. name, function()
        local fine, err = pcall(db.fetch_value, db, unpack(call))
        assert.is_false(fine)
        assert.is_true(errors.is_error(err))
        assert.is_nil(tostring(err):find "cret")
      end)
    end

    it("shows names", function()
      local err = fails("undefined_table", db, "execute", "select * from Nowhere where 1 = $1", 1)
      assert.matches('"nowhere"', tostring(err))
    end)
  end)
end)
