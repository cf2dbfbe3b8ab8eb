-- What values of PostgreSQL become in Lua, where a call chooses.
local postgresql = require "spec.support.postgresql"

postgresql.describe("PostgreSQL, values:", function()
  local db

  before_each(function()
    db = postgresql.open()
  end)

  describe("intervals", function()
    local TEXTS = {
      "1 year 2 months 3 days 04:05:06.5", "0", "-1 day +02:03:00", "-13 months",
      "1 month -1 day", "-00:00:00.000001", "250000:00:01", "1 day", "-3 years 1 month",
    }

    it("are text, as the server writes it", function()
      for _, text in ipairs(TEXTS) do
        assert.equal(db:fetch_value("select $1::text::interval::text", text),
          db:fetch_value("select $1::text::interval", text))
      end
    end)

    it("are seconds as the server counts them", function()
      for _, text in ipairs(TEXTS) do
        local wanted = db:fetch_value("select extract(epoch from $1::text::interval)::float8", text)
        local got = db:fetch_value { "select $1::text::interval", text, types = { interval = "epoch" } }
        assert.equal(wanted, got, text)
      end
    end)

    it("are tables of fields, each with its sign", function()
      local function fields(text)
        return db:fetch_value { "select $1::text::interval", text, types = { interval = "table" } }
      end
      assert.same({ years = 1, months = 2, days = 3, hours = 4, minutes = 5, seconds = 6,
        usec = 500000 }, fields "1 year 2 months 3 days 04:05:06.5")
      assert.same({ years = 0, months = 0, days = -1, hours = 2, minutes = 3, seconds = 0,
        usec = 0 }, fields "-1 day +02:03:00")
      assert.same({ years = -1, months = -1, days = 0, hours = 0, minutes = 0, seconds = 0,
        usec = 0 }, fields "-13 months")
      for _, text in ipairs(TEXTS) do
        local f = fields(text)
        assert.is_true(db:fetch_value([[select make_interval($2, $3, 0, $4, $5, $6,
          $7::int + $8::int / 1e6::float8) = $1::text::interval]], text, f.years, f.months, f.days,
          f.hours, f.minutes, f.seconds, f.usec), text)
      end
    end)

    it("within others too", function()
      local row = db:fetch_one { "select array['1 day'::interval, null] as list",
        types = { interval = "epoch" } }
      assert.equal(86400, row.list[1])
    end)
  end)
end)
