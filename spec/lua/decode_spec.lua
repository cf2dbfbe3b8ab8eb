local batches = require "spec.support.batch"

local ffi = require "ffi"
local decode = require "covet.decode"
local result = require "covet.decode.result"
local error_module = require "covet.error"
local null = require "covet.null"

local cell, NULL = batches.cell, batches.NULL

-- Rows of one batch, in a form.
local function read(columns, rows, form, types)
  local shape = batches.shape(columns)
  local batch = batches.batch(shape, rows)
  local out = {}
  local n = decode.reader(shape, form, decode.plan(types))(batch, out, 0)
  assert.equal(#rows, n)
  return out, batch
end

-- The one value of a column.
local function value(column, given, types)
  local columns = { { "v", column[1], column[2] } }
  local named = read(columns, { { given } }, "named", types)[1].v
  local lazy = read(columns, { { given } }, "lazy", types)[1].v
  assert.same(named, lazy)
  return named
end

local COLUMNS = {
  { "id", "integer" }, { "name", "text" }, { "active", "boolean" },
  { "score", "float" }, { "note", "text" },
}

local ROWS = {
  { 1, "ann", cell("boolean", 1), 0.5, NULL },
  { 2, "", cell("boolean", 0), cell("float", 7), "x" },
}

describe("covet.decode", function()
  batches.without_binding(before_each, after_each)

  describe("forms", function()
    it("gives named rows", function()
      assert.same({
        { id = 1, name = "ann", active = true, score = 0.5 },
        { id = 2, name = "", active = false, score = 7, note = "x" },
      }, (read(COLUMNS, ROWS)))
    end)

    it("gives arrays", function()
      assert.same({
        { 1, "ann", true, 0.5 }, { 2, "", false, 7, "x" },
      }, (read(COLUMNS, ROWS, "array")))
    end)

    it("gives the first column", function()
      assert.same({ 1, 2 }, (read(COLUMNS, ROWS, "value")))
    end)

    for _, form in ipairs { "record", "lazy" } do
      it("gives rows by position and by name: " .. form, function()
        local rows = read(COLUMNS, ROWS, form)
        assert.equal(1, rows[1][1])
        assert.equal("ann", rows[1].name)
        assert.is_true(rows[1].active)
        assert.is_false(rows[2][3])
        assert.is_nil(rows[1].note)
        assert.is_nil(rows[1][5])
        assert.is_nil(rows[1].unknown)
        assert.is_nil(rows[1][6])
        assert.equal("x", rows[2].note)
        assert.same({ "id", "name", "active", "score", "note" },
          rows[1]:columns())
        assert.same({ id = 1, name = "ann", active = true, score = 0.5 },
          rows[1]:table())
      end)

      it("lets columns win over methods: " .. form, function()
        local row = read({ { "table" }, { "columns" } }, { { 1, 2 } }, form)[1]
        assert.equal(1, row.table)
        assert.equal(2, row.columns)
        assert.same({ table = 1, columns = 2 }, decode.table(row))
        assert.same({ "table", "columns" }, decode.columns(row))
      end)
    end

    it("assigns to a record by name and position", function()
      local row = read(COLUMNS, ROWS, "record")[1]
      row.name, row.note, row[1] = "bob", "new", 9
      assert.equal("bob", row[2])
      assert.equal("new", row[5])
      assert.equal(9, row.id)
      row.note = nil
      row[5] = "again"
      assert.equal("again", row.note)
      local seen = {}
      for key in pairs(row) do
        seen[#seen + 1] = key
      end
      assert.same({ 1, 2, 3, 4, 5 }, seen)
    end)

    it("refuses what is no column of a record", function()
      local row = read(COLUMNS, ROWS, "record")[1]
      local ok, err = pcall(function()
        row.nmae = 1
      end)
      assert.is_false(ok)
      assert.is_true(error_module.is(err, "usage"))
      assert.matches("name", err.message, 1, true)
      assert.matches("decode_spec", err.where)
      assert.has_error(function()
        row[6] = 1
      end)
      assert.has_error(function()
        decode.table {}
      end)
    end)

    it("does not let lazy rows be written", function()
      local row = read(COLUMNS, ROWS, "lazy")[1]
      assert.has_error(function()
        row.name = "bob"
      end)
    end)

    it("refuses an unknown form", function()
      local shape = batches.shape(COLUMNS)
      assert.has_error(function()
        decode.reader(shape, "nmaed")
      end)
    end)
  end)

  describe("columns", function()
    it("takes any bytes as a name", function()
      local names = {
        "", " ", "end", "nil", "a\"b'c", "back\\slash", "line\nfeed",
        "carriage\rreturn", "zero\0byte", "zero\0009", "]]", "é", "%d%%",
        "\255\254", "v", "k", "C.kind", "out", "[[", "--",
      }
      local columns, row, expected = {}, {}, {}
      for i, name in ipairs(names) do
        columns[i], row[i], expected[name] = { name }, i, i
      end
      for _, form in ipairs { "named", "record", "lazy" } do
        local got = read(columns, { row }, form)[1]
        for name, at in pairs(expected) do
          assert.equal(at, got[name], form .. " " .. name)
        end
      end
      assert.same(expected, read(columns, { row })[1])
    end)

    it("lets the last of equal names win", function()
      local columns = { { "a" }, { "b" }, { "a" } }
      assert.same({ a = 3, b = 2 }, read(columns, { { 1, 2, 3 } })[1])
      assert.same({ b = 2 }, read(columns, { { 1, 2, NULL } })[1])
      for _, form in ipairs { "record", "lazy" } do
        local row = read(columns, { { 1, 2, 3 } }, form)[1]
        assert.equal(3, row.a)
        assert.equal(1, row[1])
        assert.same({ a = 3, b = 2 }, row:table())
      end
    end)

    it("lets it win in whichever order the columns are read", function()
      local columns = {
        { "b", "boolean" }, { "c", "boolean" }, { "a" }, { "a" },
      }
      local rows = {}
      for r = 1, 100 do
        rows[r] = { r % 2, r % 2, r % 2 == 0 and "no" or NULL, r }
      end
      for r, row in ipairs((read(columns, rows))) do
        assert.same({ b = r % 2 == 1, c = r % 2 == 1, a = r }, row)
      end
    end)

    for _, count in ipairs { 1, 8, 9, 17, 150, 151, 1600 } do
      it("reads " .. count .. " columns", function()
        local columns, rows, expected = {}, {}, {}
        for c = 1, count do
          columns[c] = { "c" .. c }
        end
        for r = 1, 3 do
          rows[r], expected[r] = {}, {}
          for c = 1, count do
            local v = (r + c) % 3 > 0 and r * c or nil
            rows[r][c], expected[r]["c" .. c] = v or NULL, v
          end
        end
        assert.same(expected, (read(columns, rows)))
        local records = read(columns, rows, "record")
        for r = 1, 3 do
          assert.same(expected[r], records[r]:table())
        end
      end)
    end
  end)

  describe("values", function()
    it("keeps integers exact", function()
      for _, limit in ipairs { 2 ^ 53, -2 ^ 53 } do
        assert.equal(limit, value({ "integer" }, limit))
        assert.equal("number", type(value({ "integer" }, limit)))
      end
      for _, text in ipairs { "9007199254740993", "-9007199254740993",
        "9223372036854775807" } do
        local integer = loadstring("return " .. text .. "LL")()
        local got = value({ "integer" }, integer)
        assert.equal("cdata", type(got))
        assert.equal(integer, got)
      end
      assert.equal(5, value({}, 5))
    end)

    it("boxes int64 apart from the batch", function()
      local rows, batch = read({ { "v" } }, { { 2 ^ 62 } })
      local got = rows[1].v
      batch.cells[0].integer = 0
      assert.equal(4611686018427387904LL, got)
    end)

    it("takes the user's choice for int8", function()
      local big = 9007199254740993LL
      assert.equal(2 ^ 53, value({ "integer" }, big, { int8 = "number" }))
      assert.equal("5", value({ "integer" }, 5, { int8 = "string" }))
      assert.equal("-9007199254740993",
        value({ "integer" }, -big, { int8 = "string" }))
      assert.is_true(ffi.istype("int64_t",
        value({ "integer" }, 5, { int8 = "cdata" })))
    end)

    it("keeps floats", function()
      assert.equal(0.1, value({ "float" }, 0.1))
      assert.equal(math.huge, value({ "float" }, cell("float", math.huge)))
      assert.equal(-math.huge, 1 / value({ "float" }, cell("float", -0.0)))
    end)

    it("tames every NaN", function()
      local shape = batches.shape { { "v", "float" } }
      local batch = batches.batch(shape, { { 0.5 } })
      for _, bits in ipairs { -1LL, -2251799813685248LL, -140737488355329LL,
        0x7ff8000000000001LL, 0x7fffffffffffffffLL } do
        batch.cells[0].integer = bits
        batch.cells[0].kind = batches.KINDS.float
        local out = {}
        decode.reader(shape)(batch, out, 0)
        assert.equal("number", type(out[1].v))
        assert.is_true(out[1].v ~= out[1].v)
      end
    end)

    it("takes each cell as it is", function()
      local rows = read({ { "v", "integer" } },
        { { 1 }, { "one" }, { 1.5 }, { NULL }, { cell("blob", "\0\1") } },
        "array")
      assert.same({ { 1 }, { "one" }, { 1.5 }, {}, { "\0\1" } }, rows)
    end)

    it("knows booleans by the column", function()
      assert.is_true(value({ "boolean" }, 1))
      assert.is_false(value({ "boolean" }, 0))
      assert.equal(2, value({ "boolean" }, 2))
      assert.is_true(value({ "boolean" }, 1, { int8 = "string" }))
      assert.equal("yes", value({ "boolean" }, "yes"))
      assert.equal(1, value({ "integer" }, 1))
    end)

    it("decodes JSON where it is JSON", function()
      assert.same({ a = { 1, 2 } }, value({ "json" }, '{"a":[1,2]}'))
      assert.equal("{not json", value({ "json" }, "{not json"))
      assert.equal(null, value({ "json" }, "null"))
      assert.equal("[1]", value({ "json" }, "[1]", { json = "string" }))
      assert.equal("[1]", value({ "text" }, "[1]"))
    end)

    it("reads moments when asked", function()
      local text = "1970-01-02 00:00:00+00"
      assert.equal(text, value({ "timestamp" }, text))
      assert.equal(86400,
        value({ "timestamp" }, text, { timestamp = "epoch" }))
      assert.equal(text, value({ "timestamp" }, text, { date = "epoch" }))
      assert.equal("infinity",
        value({ "timestamp" }, "infinity", { timestamp = "epoch" }))
      assert.equal(2, value({ "date" }, "1970-01-02", { date = "table" }).day)
      assert.equal(60, value({ "time" }, "00:01:00", { time = "epoch" }))
    end)

    it("reads numeric as a number when asked", function()
      local column = { "text", "NUMERIC(10,2)" }
      assert.equal("1.50", value(column, "1.50"))
      assert.equal(1.5, value(column, "1.50", { numeric = "number" }))
      assert.equal("x", value(column, "x", { numeric = "number" }))
      assert.equal("1.50", value({ "text" }, "1.50", { numeric = "number" }))
    end)

    it("gives the null value when asked", function()
      local columns = { { "a" }, { "b" } }
      local types = { null = null }
      assert.same({ a = null, b = 1 },
        read(columns, { { NULL, 1 } }, "named", types)[1])
      assert.equal(null, read(columns, { { NULL, 1 } }, "lazy", types)[1].a)
    end)
  end)

  describe("plans", function()
    it("are the same for the same choice", function()
      assert.equal(decode.plan { int8 = "string" },
        decode.plan { int8 = "string", json = "value" })
      assert.not_equal(decode.plan(), decode.plan { json = "string" })
    end)

    it("refuse what they do not know", function()
      for _, types in ipairs { { in8 = "number" }, { int8 = "numbr" },
        { null = 0 }, { date = true } } do
        local ok, err = pcall(decode.plan, types)
        assert.is_false(ok)
        assert.is_true(error_module.is(err, "usage"))
      end
      local _, err = pcall(decode.plan, { in8 = "number" })
      assert.matches('"int8"', err.message, 1, true)
      _, err = pcall(decode.plan, { int8 = "numbr" })
      assert.matches('"number"', err.message, 1, true)
    end)
  end)

  -- What a reader that was fitted to one batch makes of another.
  it("reads batches unlike the first one", function()
    local columns, kinds = {}, 12
    for c = 1, kinds do
      columns[c] = { "c" .. c, c % 4 == 0 and "boolean" or "null" }
    end
    local function random_value(c)
      local pick = math.random(6)
      if pick == 1 then
        return NULL, nil
      elseif c % 4 == 0 then
        return pick % 2, pick % 2 == 1
      elseif pick < 4 then
        return c * 1000 + pick, c * 1000 + pick
      elseif pick == 4 then
        return pick + 0.5, pick + 0.5
      end
      return "text " .. pick, "text " .. pick
    end
    local shape = batches.shape(columns)
    for _, form in ipairs { "named", "array", "record" } do
      local out, n, expected = {}, 0, {}
      for _, size in ipairs { 1, 63, 64, 65, 300, 1000, 0 } do
        local rows = {}
        for r = 1, size do
          rows[r] = {}
          local row = {}
          for c = 1, kinds do
            local given, wanted = random_value(c)
            if size == 64 then
              given, wanted = c, c
              if c % 4 == 0 then
                given, wanted = 1, true
              end
            end
            rows[r][c], row[form == "named" and "c" .. c or c] = given, wanted
          end
          expected[#expected + 1] = row
        end
        n = decode.reader(shape, form)(batches.batch(shape, rows), out, n)
      end
      assert.equal(#expected, n)
      for i = 1, n do
        for c = 1, kinds do
          local key = form == "named" and "c" .. c or c
          assert.equal(expected[i][key], rawget(out[i], key))
        end
      end
    end
  end)

  it("keeps a bounded number of readers", function()
    local first = batches.shape { { "a" } }
    local reader = decode.reader(first)
    assert.equal(reader, decode.reader(first))
    for _ = 1, 600 do
      decode.reader(batches.shape { { "a" } })
    end
    assert.not_equal(reader, decode.reader(first))
  end)

  describe("rows", function()
    local freed

    before_each(function()
      freed = 0
      -- A callback is good enough here: it is called by Lua, not by C.
      decode.set_free(ffi.cast("void (*)(covet_batch *)", function()
        freed = freed + 1
      end))
    end)

    local function chain(count, size)
      local shape, list = batches.shape { { "id" } }, {}
      for b = 1, count do
        local rows = {}
        for r = 1, size do
          rows[r] = { (b - 1) * size + r }
        end
        list[b] = batches.batch(shape, rows)
        if b > 1 then
          list[b - 1].next = list[b]
        end
      end
      return list
    end

    it("reads and frees a delivery", function()
      local list = chain(3, 300)
      local out, n = decode.rows(list[1], "array")
      assert.equal(900, n)
      assert.equal(900, #out)
      assert.same({ 900 }, out[900])
      assert.equal(3, freed)
      local same = select(1, decode.rows(nil, "named", nil, out, n))
      assert.equal(out, same)
    end)

    it("frees a batch of lazy rows with its last row", function()
      local list = chain(2, 10)
      local out = decode.rows(list[1], "lazy")
      collectgarbage()
      assert.equal(0, freed)
      local row = out[15]
      out = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(1, freed)
      assert.equal(15, row.id)
      row = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(2, freed)
    end)

    it("gathers a result of several batches in order", function()
      local list, into = chain(3, 300), result.new(os.clock)
      for b = 1, 3 do
        decode.gather(into, decode.split(list[b]), decode.mode "array")
      end
      local rows = result.join(into)
      assert.equal(900, #rows)
      for i = 1, 900 do
        assert.equal(i, rows[i][1])
      end
      assert.equal(3, freed)
      assert.is_true(into.kilobytes > 0)
    end)

    it("leaves the collector as it was", function()
      local list = chain(1, 1000)
      decode.rows(list[1])
      assert.is_true(collectgarbage "isrunning")
      collectgarbage "stop"
      decode.rows(list[1])
      local running = collectgarbage "isrunning"
      collectgarbage "restart"
      assert.is_false(running)
    end)

    it("keeps the memory of a stream bounded", function()
      local list = chain(1, 1000)
      collectgarbage()
      local before, peak = collectgarbage "count", 0
      -- What other tests had in use is forgotten with the next cycle: the heap
      -- grows, then falls, and grows again.
      local function decode_while(grows)
        local last
        repeat
          last = collectgarbage "count"
          decode.rows(list[1])
        until (collectgarbage "count" > last) ~= grows
      end
      decode_while(true)
      decode_while(false)
      for _ = 1, 500 do
        decode.rows(list[1])
        peak = math.max(peak, collectgarbage "count")
      end
      assert.is_true(peak - before < 8 * 1024 + before, peak)
    end)
  end)

  -- The collector's module over a heap that only counts.
  describe("collector", function()
    local NAME = "covet.decode.collector"
    local heap, collector

    local function pretend(what, size)
      if what == "count" then
        return heap.count
      elseif what == "step" then
        heap.steps = heap.steps + 1
        return heap.steps == heap.steps_of_cycle
      elseif what == "restart" then
        heap.waits = size == -1
      end
      return what == "isrunning"
    end

    before_each(function()
      local globals, loaded = getfenv(0), package.loaded[NAME]
      local real = globals.collectgarbage
      heap = { count = 500, steps = 0, steps_of_cycle = 1 }
      globals.collectgarbage, package.loaded[NAME] = pretend, nil
      collector = require(NAME)
      globals.collectgarbage, package.loaded[NAME] = real, loaded
    end)

    local function decode_batch(size, kept)
      local mark, started = collector.pause(kept)
      heap.count = heap.count + size
      collector.resume(mark, started, kept)
    end

    it("runs when the heap has grown", function()
      decode_batch(400)
      assert.equal(0, heap.steps)
      decode_batch(400)
      assert.equal(1, heap.steps)
      assert.is_true(heap.waits)
      decode_batch(1000)
      assert.equal(1, heap.steps)
      decode_batch(1000)
      assert.equal(2, heap.steps)
    end)

    it("does not run for rows that a result keeps", function()
      local kept = result.new(os.clock)
      for _ = 1, 100 do
        decode_batch(1000, kept)
      end
      assert.equal(0, heap.steps)
      assert.equal(100000, kept.kilobytes)
      heap.count = heap.count + 100000
      decode_batch(1000, kept)
      assert.equal(0, heap.steps)
      heap.count = heap.count + 4000
      decode_batch(1000, kept)
      assert.equal(1, heap.steps)
    end)

    it("goes on with a cycle beside a result in small steps", function()
      local kept = result.new(os.clock)
      heap.steps_of_cycle = 1000
      decode_batch(1000)
      assert.equal(1, heap.steps)
      decode_batch(1000, kept)
      assert.is_true(heap.steps > 1)
      assert.is_false(heap.waits)
    end)

    it("takes no longer than decoding twice", function()
      local time = 0
      local kept = result.new(function()
        time = time + 1
        return time
      end)
      heap.count, heap.steps_of_cycle = 5000, 1000
      decode_batch(1000, kept)
      assert.equal(3, heap.steps)
    end)
  end)
end)
