-- What errors of PostgreSQL say, and what they keep to themselves.
local errors = require "covet.error"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("PostgreSQL, errors:", function()
  local db

  before_each(function()
    db = postgresql.open()
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
