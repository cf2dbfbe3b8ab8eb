local ffi = require "ffi"
local covet_error = require "covet.error"
local json = require "covet.json"
local null = require "covet.null"

local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

-- The error of a kind that a call raises.
local function fails(kind, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(covet_error.is(err, kind), tostring(err))
  return err
end

-- A table of one value, nested `depth` deep.
local function nested(depth)
  local value = json.array {}
  for _ = 2, depth do
    value = { value }
  end
  return value
end

describe("covet.json encodes", function()
  local function expect(text, value)
    assert.equal(text, json.encode(value))
  end

  it("scalars", function()
    expect("true", true)
    expect("false", false)
    expect("null", nil)
    expect("null", null)
    expect("null", require("cjson").null)
    expect('""', "")
  end)

  it("integers exactly", function()
    for _, text in ipairs {
      "0", "-1", "123456789012345", "99999999999999", "100000000000000",
      "9007199254740992", "-9007199254740992", "1234567890123456",
    } do
      expect(text, tonumber(text))
    end
    expect("9223372036854775807", int64(2 ^ 62) - 1 + int64(2 ^ 62))
    expect("-9223372036854775808", int64(-2 ^ 63))
    expect("18446744073709551615", uint64(0) - 1)
  end)

  it("doubles so that they read back, and as doubles", function()
    for text, value in pairs {
      ["0.1"] = 0.1, ["0.30000000000000004"] = 0.1 + 0.2, ["-1.5"] = -1.5,
      ["1e+300"] = 1e300, ["4.9406564584125e-324"] = 5e-324,
      ["-0.0"] = tonumber "-0.0",
      ["1e+20"] = 1e20, ["9007199254740994.0"] = 2 ^ 53 + 2,
      ["1.7976931348623157e+308"] = 1.7976931348623157e308,
    } do
      expect(text, value)
    end
  end)

  it("strings with escapes and UTF-8", function()
    expect([["a\"b\\c/\n\t\r\b\f\u0000\u001f]] .. "\127\"",
      "a\"b\\c/\n\t\r\b\f\0\31\127")
    expect('"é€😀\244\143\191\191\237\159\191"',
      "é€😀\244\143\191\191\237\159\191")
  end)

  it("no string that is not UTF-8", function()
    for _, text in ipairs {
      "\128", "\193\129", "\224\128\128", "\237\160\128", "\240\128\128\128",
      "\244\144\128\128", "\245\128\128\128", "\195", "\226\130", "\195\40",
      "\255", "\226\40\161",
    } do
      local err = fails("usage", json.encode, { "ok", "é" .. text })
      assert.matches("not UTF%-8 at byte 3$", err.message)
    end
    fails("usage", json.encode, { ["\255"] = 1 })
  end)

  it("arrays and objects", function()
    expect("{}", {})
    expect("[]", json.array {})
    expect("[1,[2,{}],null]", { 1, { 2, {} }, null })
    expect('{"a":[true]}', { a = { true } })
    expect('{"0":1}', { [0] = 1 })
    expect('{"-5":1}', { [-5] = 1 })
    local mixed = json.decode(json.encode { 1, x = 2 })
    assert.same({ ["1"] = 1, x = 2 }, mixed)
  end)

  it("nothing that would change on the way", function()
    for _, case in ipairs {
      { { 1, nil, 3 }, "holes: 2 values up to index 3" },
      { { [1e15] = 1 }, "holes: 1 values up to index 1000000000000000" },
      { { [1.5] = 1 }, "not a fraction" },
      { { [true] = 1 }, "not a boolean" },
      { { [1] = 1, ["1"] = 2 }, "as a number and as a string" },
      { json.array { a = 1 }, "marked as an array" },
      { { 0 / 0 }, "no number" }, { math.huge, "no number inf" },
      { -math.huge, "no number -inf" }, { print, "no function" },
      { { a = { print } }, "no function" },
      { ffi.new "int[1]", "no cdata" }, { json.bytes "x", "no bytes" },
    } do
      local err = fails("usage", json.encode, case[1])
      assert.matches(case[2], err.message, 1, true)
    end
  end)

  it("up to a depth of 1000", function()
    expect(("["):rep(1000) .. ("]"):rep(1000), nested(1000))
    assert.matches("more than 1000 deep",
      fails("usage", json.encode, nested(1001)).message)
    local loop = {}
    loop[1] = loop
    fails("usage", json.encode, loop)
    fails("usage", json.encode, { a = setmetatable({ loop }, {}) })
  end)

  it("what was wrapped as its text", function()
    local wrapped = json.wrap { a = 1 }
    assert.same({ 3, '{"a":1}' }, wrapped)
    expect('[{"a":1}]', { wrapped })
    expect('[3,"x"]', { 3, "x" })
    assert.same({ 2, "\255" }, json.bytes "\255")
    fails("usage", json.bytes, 1)
    fails("usage", json.wrap, print)
  end)

  it("pointing at the caller", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local err = fails("usage", function() local _ = json.encode(print) end)
    assert.matches("json_spec.lua:" .. line .. "$", err.where)
    line = debug.getinfo(1, "l").currentline + 1
    err = fails("usage", function() local _ = json.wrap(print) end)
    assert.matches("json_spec.lua:" .. line .. "$", err.where)
  end)
end)

describe("covet.json decodes", function()
  it("scalars with blanks around", function()
    assert.is_true(json.decode " \t\r\ntrue ")
    assert.is_false(json.decode "false")
    assert.equal(null, json.decode "null")
    assert.equal("", json.decode '""')
  end)

  it("integers exactly", function()
    for _, case in ipairs {
      { "0", 0 }, { "-7", -7 }, { "9007199254740992", 2 ^ 53 },
      { "-9007199254740992", -2 ^ 53 },
      { "1234567890123456", 1234567890123456 },
      { "9007199254740993", int64(2 ^ 53) + 1 },
      { "-9007199254740993", -int64(2 ^ 53) - 1 },
      { "9223372036854775807", int64(-2 ^ 63) - 1 },
      { "-9223372036854775808", int64(-2 ^ 63) },
      { "9223372036854775808", uint64(2 ^ 63) },
      { "18446744073709551615", uint64(0) - 1 },
      { "18446744073709551616", "18446744073709551616" },
      { "-9223372036854775809", "-9223372036854775809" },
      { ("9"):rep(400), ("9"):rep(400) },
    } do
      local value = json.decode(case[1])
      assert.equal(type(case[2]), type(value))
      assert.is_true(case[2] == value, case[1])
      if type(value) == "cdata" then
        assert.equal(tonumber(ffi.typeof(case[2])),
          tonumber(ffi.typeof(value)))
        assert.equal(case[1], json.encode(value))
      end
    end
    assert.equal(-math.huge, 1 / json.decode "-0")
  end)

  it("doubles", function()
    for _, text in ipairs {
      "0.5", "-1.25e2", "1E5", "1e-5", "0e0", "5e-324", "1e+2", "1e-999",
      "12345678901234567890.0",
    } do
      assert.equal(tonumber(text), json.decode(text))
    end
  end)

  it("strings with every escape", function()
    assert.equal('"\\/\b\f\n\r\t', json.decode [["\"\\\/\b\f\n\r\t"]])
    assert.equal("aé€😀\0z",
      json.decode [["a\u00e9\u20AC\ud83d\uDE00\u0000z"]])
    assert.equal("\244\143\191\191", json.decode [["\udbff\udfff"]])
    assert.equal("é\127", json.decode '"é\127"')
  end)

  it("arrays that stay arrays, objects that stay objects", function()
    local value = json.decode ' [ 1 , [ ] , { } , { "a" : null , "a":[2]} ] '
    assert.same({ 1, {}, {}, { a = { 2 } } }, value)
    assert.is_true(json.is_array(value[2]))
    assert.is_false(json.is_array(value[3]))
    assert.equal('[1,[],{},{"a":[2]}]', json.encode(value))
  end)

  it("nothing that is not JSON, and says where", function()
    for _, case in ipairs {
      { "", 1, "end of text" }, { "  ", 3, "end of text" },
      { "tru", 1, '"tru"' }, { "nullx", 5, '"x"' }, { "True", 1, '"True"' },
      { "[1,]", 4, '"]"' }, { "[1 2]", 4, '"2"' }, { "[", 2, "end of text" },
      { "[1", 3, "end of text" }, { "]", 1, '"]"' }, { "[,1]", 2, '","' },
      { '{"a":1,}', 8, '"}"' }, { '{"a" 1}', 6, '"1"' }, { "{1:2}", 2, '"1"' },
      { '{"a":1 "b":2}', 8, "unexpected" }, { "{", 2, "end of text" },
      { '{"a":}', 6, '"}"' }, { "[1]]", 4, '"]"' },
      { "01", 1, "leading zero" }, { "-01", 1, "leading zero" },
      { "-", 1, "unexpected" }, { "+1", 1, "unexpected" },
      { ".5", 1, "unexpected" }, { "1.", 1, "bad number" },
      { "1.e5", 1, "bad number" }, { "1e", 1, "bad number" },
      { "1e+", 1, "bad number" }, { "0x10", 2, '"x10"' },
      { "NaN", 1, '"NaN"' }, { "-Infinity", 1, '"-Infinity"' },
      { '"abc', 1, "without end" }, { '"abc\\"', 1, "without end" },
      { '"\\u00e9', 1, "without end" }, { '"a\nb"', 3, "control" },
      { '"\\na\0"', 5, "control" }, { '"\\x"', 2, "bad escape" },
      { '"\\', 2, "bad escape" }, { '"\\u12g4"', 2, "bad \\u escape" },
      { '"\\u12', 2, "bad \\u escape" }, { '"\\ud800"', 2, "surrogate" },
      { '"\\udc00"', 2, "surrogate" }, { '"\\ud800\\u0041"', 2, "surrogate" },
      { "\0", 1, "unexpected" }, { "'a'", 1, "unexpected" },
      { "[1] // c", 5, "unexpected" }, { "\239\187\191[]", 1, "unexpected" },
    } do
      local err = fails("invalid_value", json.decode, case[1])
      assert.equal(case[2], err.position, case[1])
      assert.matches(case[3], err.message, 1, true)
    end
    fails("usage", json.decode, nil)
    fails("usage", json.decode, 1)
  end)

  it("up to a depth of 1000", function()
    for _, pair in ipairs { { "[", "]" }, { '{"a":', "}" } } do
      local function deep(n)
        return pair[1]:rep(n) .. "0" .. pair[2]:rep(n)
      end
      assert.is_table(json.decode(deep(1000)))
      assert.matches("nested more than 1000 deep",
        fails("invalid_value", json.decode, deep(1001)).message)
      fails("invalid_value", json.decode, pair[1]:rep(1000000))
    end
  end)

  it("in time linear in the text", function()
    for _, text in ipairs {
      '"' .. ("\\n"):rep(500000) .. '"', '"' .. ("a"):rep(1000000) .. '"',
      "[" .. ("0,"):rep(500000) .. "0]", (" "):rep(1000000) .. "1",
      ("1"):rep(100000), '"' .. ("\\ud83d\\ude00"):rep(80000) .. '"',
    } do
      local start = os.clock()
      json.decode(text)
      assert.is_true(os.clock() - start < 5)
    end
  end)
end)

describe("covet.json round trip", function()
  -- Numbers from a seed, the same everywhere.
  local seed = 4711
  local function random(n)
    seed = (seed * 16807) % 2147483647
    return seed % n + 1
  end

  local function random_double()
    local union = ffi.new "union { uint32_t half[2]; double value; }"
    union.half[0], union.half[1] = random(2 ^ 31), random(2 ^ 31) * 2
    local value = union.value
    return (value ~= value or math.abs(value) == math.huge) and 0.5 or value
  end

  local STRINGS = { "", "a", '"', "\\", "\0", "é", "😀", "\n", "\127", "/" }

  local function random_string()
    local parts = {}
    for i = 1, random(6) - 1 do
      parts[i] = STRINGS[random(#STRINGS)]
    end
    return table.concat(parts)
  end

  local SCALARS = {
    random_double, random_string,
    function() return random(2000) - 1000 end,
    function()
      return int64(random(2 ^ 29)) * 8589934592LL + 9007199254740993LL
    end,
    function()
      return int64(random(2 ^ 29)) * -8589934592LL - 9007199254740993LL
    end,
    function() return uint64(random(2 ^ 30)) + 9223372036854775808ULL end,
    function() return random(2) == 1 end,
    function() return null end,
  }

  local function random_value(depth)
    local pick = random(#SCALARS + (depth > 0 and 4 or 0))
    if pick <= #SCALARS then
      return SCALARS[pick]()
    end
    local value = pick % 2 == 0 and json.array {} or {}
    for i = 1, random(5) - 1 do
      value[json.is_array(value) and i or random_string()] =
        random_value(depth - 1)
    end
    return value
  end

  local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
      return type(a) == type(b) and a == b
        and (type(a) ~= "cdata" or ffi.istype(ffi.typeof(a), b))
    end
    for key, value in pairs(a) do
      if not same(value, b[key]) then
        return false
      end
    end
    for key in pairs(b) do
      if a[key] == nil then
        return false
      end
    end
    return json.is_array(a) == json.is_array(b)
  end

  it("keeps random values", function()
    for _ = 1, 3000 do
      local value = random_value(4)
      local text = json.encode(value)
      assert.is_true(same(value, json.decode(text)), text)
    end
  end)

  it("writes what cjson reads", function()
    local cjson = require "cjson"
    for _ = 1, 500 do
      local object = { [random_string()] = true }
      local value = { random_string(), random(1000), object }
      assert.same(value, cjson.decode(json.encode(value)))
      assert.same(value, json.decode(cjson.encode(value)))
    end
  end)

  it("survives any damage to a text with a clear error", function()
    local text = json.encode { a = { 1, -2.5e-7, "é\n", true, null }, b = {} }
    for at = 1, #text do
      for byte in ("\0\"\\[}9e\255"):gmatch "." do
        local damaged = text:sub(1, at - 1) .. byte .. text:sub(at + 1)
        local ok, err = pcall(json.decode, damaged)
        assert.is_true(ok or covet_error.is(err, "invalid_value"),
          tostring(err))
      end
      fails("invalid_value", json.decode, text:sub(1, at - 1))
    end
  end)
end)

describe("covet.json.exact", function()
  it("writes numbers as text, and nothing else", function()
    assert.equal("1", json.exact(1))
    assert.equal("-9007199254740992", json.exact(-2 ^ 53))
    assert.equal("0.1", json.exact(0.1))
    assert.equal("-5", json.exact(int64(-5)))
    assert.equal("5", json.exact(uint64(5)))
    assert.equal("inf", json.exact(math.huge))
    assert.equal("-inf", json.exact(-math.huge))
    assert.matches("nan", json.exact(0 / 0))
    for _, value in ipairs { "1", {}, true, ffi.new "int[1]" } do
      assert.is_nil(json.exact(value))
    end
  end)
end)
