-- Each example is run, and says what it should.
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local uv = require "luv"

local ROOT = assert(uv.fs_realpath(
  debug.getinfo(1, "S").source:match "^@(.*)/spec/docs/" or "."))

-- Patterns of lines that stand in the output, in this order.
local EXPECTED = {
  quickstart = {
    "^loaded 5210 airports in %d+ ms$",
    "^236 tasks asked about 236 countries in %d+ ms$",
    "^   14472 ft  CN  Daocheng Yading Airport %(of 305%)$",
    "^   13355 ft  BO  El Alto International Airport %(of 17%)$",
  },
  nearest = {
    "^461 large airports, 100 tasks; ",
    "^   15%.5 km  ADW .* %- DCA ",
    "^the loneliest: Cape Town International Airport, 1263 km from ",
  },
  distances = {
    "^106953 pairs of 463 airports$",
    "^mean 8090 km, deviation 4367 km, longest 19941 km$",
    "^  8000 km  ################################$",
    "^other tasks ran meanwhile$",
  },
  transfer = {
    "^100 transfers: %d+ moved, %d+ refused$",
    "^crates in all: 2000$",
  },
  pipeline = {
    "^5210 airports in 6 batches$",
    "^  temperate   3712 airports, the highest at 4411 m$",
  },
  import = {
    "^nothing imported: check_violation in row 1 of the list$",
    "^246 countries imported$",
    "^4441 airports imported$",
  },
  pool = {
    "^1000 answers, the last one: WORD 1000$",
    "^connections: %d+ opened, %d+ of %d+ idle$",
    "^loans: 1001, of these failed: 0$",
    "^waited [%d.]+ ms on average, ",
  },
  manager = {
    "^5210 airports, 5210 in the journal$",
    "^40 %+ 2 = 42$",
    '^there is no pool "calculator", did you mean "calculators"%?$',
    "^4 of 4 pools are healthy$",
    "^  airports     healthy, ",
    "^  calculators  healthy, 1 of 1 connections free$",
  },
  monitoring = {
    "^slow: select count%(%*%) from airports",
    "^pairs, one north of the other: 1867618$",
    "^alert: 2 of 2 in use, 1 waiting$",
    "^leak: the connection taken at monitoring%.lua:%d+$",
    "^leak: ",
    "^pool_timeout: 2 holders are named$",
    "^back: the connection taken at monitoring%.lua:%d+$",
    "^back: ",
    "^2 loans, 1 failed, 2 leaks$",
    "^closed: ",
  },
  shutdown = {
    "^SIGTERM: no new requests$",
    "^all requests were answered$",
    "^closed within a second$",
    "^unanswered: 0$",
    "^refused after the end: 1$",
    "^orders stored: all$",
  },
  backup = {
    "^copied %d+ pages in %d+ steps$",
    "^integrity: ok$",
    "^airports: 5210 here, 5210 in the copy$",
    "^the copy is a state that the database was in$",
    "^the writer went on$",
  },
}

local function run(name, ...)
  -- What an example leaves behind shows in a folder of its own.
  local folder = tmp.dir(name)
  return process.run { false, ROOT .. "/examples/" .. name .. ".lua", ...,
    cwd = folder, limit = 120 }
end

local function check_output(patterns, text)
  local at = 1
  for line in text:gmatch "[^\n]+" do
    if patterns[at] and line:find(patterns[at]) then
      at = at + 1
    end
  end
  assert.is_nil(patterns[at], ("no line %s in\n%s"):format(tostring(patterns[at]), text))
end

describe("examples", function()
  for name, patterns in pairs(EXPECTED) do
    it(name .. ".lua", function()
      local result = run(name)
      assert.equal("", result.stderr)
      assert.equal(0, result.status)
      check_output(patterns, result.stdout)
    end)
  end

  it("quickstart.lua leaves the database that it was given", function()
    local path = tmp.path()
    local first, second = run("quickstart", path), run("quickstart", path)
    assert.equal("", first.stderr .. second.stderr)
    local result = process.run { false, "query", "sqlite:" .. path,
      "select count(*) as n from airports", "-f", "ndjson" }
    assert.equal('{"n":5210}\n', result.stdout)
  end)

  it("are all run, and each is short", function()
    local scan = assert(uv.fs_scandir(ROOT .. "/examples"))
    local name = uv.fs_scandir_next(scan)
    while name do
      local example = name:match "^(.*)%.lua$"
      if example then
        assert.truthy(EXPECTED[example], "nothing is expected of " .. name)
        local lines = 0
        for _ in io.lines(ROOT .. "/examples/" .. name) do
          lines = lines + 1
        end
        assert.is_true(lines < 60, name .. " has " .. lines .. " lines")
      end
      name = uv.fs_scandir_next(scan)
    end
  end)
end)
