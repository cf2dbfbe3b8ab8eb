local errors = require "covet.error"
local format = require "covet.cli.format"
local null = require "covet.null"
local width = require "covet.cli.width"

local function write_all(name, columns, chunks, options)
  local out = {}
  local writer = format.writer(name, columns, function(text)
    out[#out + 1] = text
  end, options)
  for i = 1, #chunks do
    writer:rows(chunks[i])
  end
  writer:finish()
  return table.concat(out)
end

local function error_of(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(err), tostring(err))
  return err
end

describe("csv", function()
  it("quotes what RFC 4180 says, and nothing else", function()
    local text = write_all("csv", { "id", "a,b" }, {
      { { 1, "plain" }, { 2, 'say "hi"' }, { 3, "two\nlines" }, { 4, " edge" }, { 5, "é" } },
    })
    assert.equal('id,"a,b"\r\n1,plain\r\n2,"say ""hi"""\r\n3,"two\nlines"\r\n4," edge"\r\n5,é\r\n', text)
  end)

  it("tells NULL from the empty string and from the null text", function()
    assert.equal('a\r\n\r\n""\r\n', write_all("csv", { "a" }, { { {}, { "" } } }))
    assert.equal('a,b\r\n\\N,"\\N"\r\n',
      write_all("csv", { "a", "b" }, { { { null, "\\N" } } }, { null = "\\N" }))
  end)

  it("writes numbers exactly", function()
    local rows = { { 9007199254740993LL }, { 0.1 }, { 1e300 }, { -3 }, { 18446744073709551615ULL } }
    assert.equal("9007199254740993\r\n0.1\r\n1e+300\r\n-3\r\n18446744073709551615\r\n",
      write_all("csv", { "n" }, { rows }, { header = false }))
  end)

  it("does not quote a number that reads like the null text", function()
    assert.equal('0\r\n"0"\r\n0\r\n', write_all("csv", { "n" }, { { { 0 }, { "0" }, {} } },
      { header = false, null = "0" }))
  end)

  it("writes the header of a result without rows", function()
    assert.equal("a,b\r\n", write_all("csv", { "a", "b" }, { {} }))
  end)
end)

describe("json", function()
  it("keeps the columns' order, over chunks", function()
    local chunks = { { { 1, "x" } }, {}, { { 2, nil }, { true, { 1, 2 } } } }
    assert.equal('[\n{"z":1,"a":"x"},\n{"z":2,"a":null},\n{"z":true,"a":[1,2]}\n]\n',
      write_all("json", { "z", "a" }, chunks))
    assert.equal('{"z":1,"a":"x"}\n{"z":2,"a":null}\n{"z":true,"a":[1,2]}\n',
      write_all("ndjson", { "z", "a" }, chunks))
  end)

  it("writes an empty result", function()
    assert.equal("[\n]\n", write_all("json", { "a" }, { {} }))
    assert.equal("", write_all("ndjson", { "a" }, { {} }))
  end)

  it("writes integers exactly and escapes text", function()
    assert.equal('{"n":9223372036854775807,"t":"a\\"\\n\\u0001"}\n',
      write_all("ndjson", { "n", "t" }, { { { 9223372036854775807LL, 'a"\n\1' } } }))
  end)

  it("names row and column of bytes that are not UTF-8", function()
    local err = error_of(write_all, "json", { "id", "data" }, { { { 1, "ok" } }, { { 2, "\255" } } })
    assert.equal("invalid_value", err.kind)
    assert.truthy(err.message:find('row 2, column "data"', 1, true), err.message)
    assert.truthy(err.hint:find("hex(data)", 1, true))
  end)

  it("refuses NaN and infinity", function()
    for _, value in ipairs { 0 / 0, math.huge, -math.huge } do
      assert.equal("invalid_value", error_of(write_all, "ndjson", { "n" }, { { { value } } }).kind)
    end
  end)

  it("refuses two columns of one name", function()
    assert.truthy(error_of(write_all, "json", { "a", "a" }, {}).message:find '"a"')
  end)
end)

describe("table", function()
  it("aligns numbers to the right and text to the left", function()
    assert.equal("  n | name\n----+-----\n  1 | a\n200 | bcd\n(2 rows)\n",
      write_all("table", { "n", "name" }, { { { 1, "a" }, { 200, "bcd" } } }))
  end)

  it("shows NULL apart from a string that reads like it", function()
    assert.equal('a\n------\nNULL\n"NULL"\n(2 rows)\n',
      (write_all("table", { "a" }, { { {}, { "NULL" } } }):gsub("%-+", "------")))
  end)

  it("counts cells, not bytes", function()
    assert.equal("a    | b\n-----+--\n日本 | x\né    | y\n(2 rows)\n",
      write_all("table", { "a", "b" }, { { { "日本", "x" }, { "é", "y" } } }))
  end)

  it("says one row for one row", function()
    assert.equal("a\n-\n1\n(1 row)\n", write_all("table", { "a" }, { { { 1 } } }))
  end)

  it("cuts wide values only when asked", function()
    local long = ("x"):rep(100)
    assert.truthy(write_all("table", { "a" }, { { { long } } }):find(long, 1, true))
    local cut = write_all("table", { "a" }, { { { long } } }, { max_width = 10 })
    assert.truthy(cut:find("\nxxxxxxxxx…\n", 1, true), cut)
  end)
end)

describe("text for a terminal", function()
  it("cannot move the cursor", function()
    assert.equal("\\x1b[31m\\n\\t\\x00\\xff", width.printable "\27[31m\n\t\0\255")
    assert.equal("a\\u{202e}b", width.printable "a\226\128\174b")
    assert.equal("é日", width.printable "é日")
  end)

  it("has a width", function()
    assert.equal(3, width.of "abc")
    assert.equal(4, width.of "日本")
    assert.equal(1, width.of "e\204\129")
    assert.equal(2, width.of "😀")
  end)

  it("is cut between characters", function()
    assert.equal("日…", width.cut("日本語", 4))
    assert.equal("日本", width.cut("日本", 4))
    assert.equal("a…", width.cut("abc", 2))
  end)
end)

it("refuses a format that does not exist", function()
  assert.equal("usage", error_of(format.writer, "xml", {}, print).kind)
end)
