local datetime = require "covet.types.datetime"

describe("covet.types.datetime", function()
  describe("to_epoch", function()
    local cases = {
      ["1970-01-01"] = 0,
      ["1970-01-01 00:00:00+00"] = 0,
      ["1969-12-31 23:59:59.5"] = -0.5,
      ["2026-11-23 08:24:29.125+00"] = 1795422269.125,
      ["2026-11-23T08:24:29Z"] = 1795422269,
      ["2026-11-23 13:54:29+05:30"] = 1795422269,
      ["2026-11-23 04:54:29-0330"] = 1795422269,
      ["2026-11-23 08:24"] = 1795422240,
      ["2000-02-29"] = 951782400,
      ["2024-02-29 24:00:00"] = 1709251200,
      -- As strftime("%s") of sqlite3 and, shifted by 400 years, Python say.
      ["0001-01-01"] = -62135596800,
      ["0001-12-31 BC"] = -62135683200,
      ["0044-03-15 BC"] = -63517824000,
      ["-0043-03-15"] = -63517824000,
      ["0001-02-29 00:00:00+00 BC"] = -62162121600,
      ["4713-11-24 12:00:00+00 BC"] = -210835137600,
      ["10000-01-01"] = 253402300800,
      ["294276-12-31 23:59:59+00"] = 9224318015999,
      ["08:24:29"] = 30269,
      ["24:00:00"] = 86400,
      ["08:24:29.000001"] = 30269.000001,
      ["01:00:00+02"] = -3600,
      ["01:00:00+00:19:32"] = 2428,
      ["838:59:59"] = 3020399,
      ["-00:00:30"] = -30,
      ["-838:59:59"] = -3020399,
    }

    for text, expected in pairs(cases) do
      it("reads " .. text, function()
        assert.is_true(math.abs(datetime.to_epoch(text) - expected) < 1e-9,
          tostring(datetime.to_epoch(text)))
      end)
    end

    for _, text in ipairs {
      "", "infinity", "-infinity", "0000-00-00", "0000-00-00 00:00:00",
      "2026-00-10", "2026-13-01", "2026-02-29", "1900-02-29", "2026-04-31",
      "2026-11-23 ", "2026-11-23 25:00:00", "2026-11-23 24:00:01",
      "2026-11-23 08:60:00", "2026-11-23 08:24:60", "2026-11-23 08:24:29.",
      "2026-11-23 08:24:29+", "2026-11-23 08:24:29+0", "2026-11-23x",
      "26-11-23", "2026-1-3", "2026", "-", "0000-01-01 BC", "-0044-01-01 BC",
      "0002-02-29 BC", "839:00:00", "8:24", "1 day", "P1Y", "1 mon 02:00:00",
      "20261123", "2026-11-23 08:24:29 UTC", "2026-11-23\0",
    } do
      it(("leaves %q"):format(text), function()
        assert.is_nil(datetime.to_epoch(text))
        assert.is_nil(datetime.to_table(text))
      end)
    end
  end)

  describe("to_table", function()
    it("has the fields of os.date and more", function()
      local epoch = 1795422269
      local expected = os.date("!*t", epoch)
      expected.usec, expected.offset = 125000, 0
      assert.same(expected,
        datetime.to_table "2026-11-23 08:24:29.125+00")
    end)

    it("agrees with os.date through four centuries", function()
      for epoch = -3e9, 9e9, 86400 * 97 + 3607 do
        local expected = os.date("!*t", epoch)
        expected.usec = 0
        assert.same(expected,
          datetime.to_table(os.date("!%Y-%m-%d %H:%M:%S", epoch)))
        assert.equal(epoch,
          datetime.to_epoch(os.date("!%Y-%m-%d %H:%M:%S", epoch)))
      end
    end)

    it("keeps the text's own clock", function()
      local fields = datetime.to_table "2026-11-23 13:54:29-05:30"
      assert.equal(13, fields.hour)
      assert.equal(-19800, fields.offset)
      assert.is_nil(datetime.to_table("2026-11-23").offset)
    end)

    it("reads dates and times alone", function()
      local date = datetime.to_table "0044-03-15 BC"
      assert.equal(-43, date.year)
      assert.equal(0, date.hour)
      assert.equal(74, date.yday)
      assert.same({ hour = 24, min = 0, sec = 0, usec = 0 },
        datetime.to_table "24:00:00")
      assert.same({ hour = 8, min = 24, sec = 29, usec = 1, offset = 3600 },
        datetime.to_table "08:24:29.000001+01")
      assert.is_nil(datetime.to_table "-01:00:00")
    end)
  end)

  describe("text", function()
    it("comes from epoch seconds", function()
      assert.equal("1970-01-01 00:00:00+00", datetime.from_epoch(0))
      assert.equal("2026-11-23 08:24:29.125+00",
        datetime.from_epoch(1795422269.125))
      assert.equal("1969-12-31 23:59:59.5+00", datetime.from_epoch(-0.5))
      assert.equal("1970-01-01 00:00:01+00", datetime.from_epoch(0.9999999))
      assert.equal("0044-03-15 00:00:00+00 BC",
        datetime.from_epoch(-63517824000))
      assert.equal("10000-01-01 00:00:00+00",
        datetime.from_epoch(253402300800))
      assert.is_nil(datetime.from_epoch(math.huge))
      assert.is_nil(datetime.from_epoch(0 / 0))
    end)

    it("comes back the same", function()
      for epoch = -2e11, 2e11, 86400 * 9973 + 7.25 do
        assert.equal(epoch, datetime.to_epoch(datetime.from_epoch(epoch)))
      end
      for _, text in ipairs {
        "2026-11-23 08:24:29.125+00", "2026-11-23 08:24:29-05:30",
        "0044-03-15 12:00:00+00 BC", "08:24:29.000001", "24:00:00",
        "01:00:00+00:19:32", "12345-01-31 00:00:00",
      } do
        assert.equal(text, datetime.from_table(datetime.to_table(text)))
      end
      assert.equal("2026-11-23",
        datetime.from_table { year = 2026, month = 11, day = 23 })
    end)
  end)
end)
