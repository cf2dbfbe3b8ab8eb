-- What the documentation says is run: its Lua, its shell sessions, its C.
local errors = require "covet.error"
local pages = require "spec.docs.pages"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local uv = require "luv"

local ROOT = assert(uv.fs_realpath(
  debug.getinfo(1, "S").source:match "^@(.*)/spec/docs/" or "."))
local BIN = process.covet:match "^(.*)/" or "."

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- A folder as a reader of the page would have it.
local function folder()
  local path = tmp.dir "docs"
  assert(uv.fs_symlink(ROOT .. "/examples", path .. "/examples"))
  return path
end

-- The setup in one line, then the block on the lines that it has in the page.
local function script_of(block)
  local setup = block.setup:gsub("\n", " ")
  return setup .. ("\n"):rep(block.line - 1) .. block.text .. "\n"
end

local function report(result)
  return ("status %d%s\n%s%s"):format(result.status,
    result.timed_out and " (killed)" or "", result.stdout, result.stderr)
end

local function run_lua(path, block, expected)
  local place = folder()
  write(place .. "/page.lua", script_of(block))
  local result = process.run { false, "page.lua", cwd = place, limit = 60 }
  assert.is_true(result.status == 0 and result.stderr == "",
    path .. ", the block at line " .. block.line .. ": " .. report(result))
  if expected then
    assert.equal(expected .. "\n", result.stdout)
  end
end

-- Whether `text` is what `expected` says, where a line "..." is any lines.
local function fits(expected, text)
  local pattern = ("\n" .. expected .. "\n"):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]",
    "%%%0"):gsub("\n%%%.%%%.%%%.\n", "\n.-")
  return ("\n" .. text):find("^" .. pattern .. "$") ~= nil
end

-- Commands with what they print.
local function sessions(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local command = line:match "^%$ (.*)$"
    local last = list[#list]
    if command then
      list[#list + 1] = { command = command, output = {} }
    elseif last and last.command:find "\\$" then
      last.command = last.command .. "\n" .. line
    else
      table.insert(last.output, line)
    end
  end
  return list
end

local function run_console(path, block)
  local place = folder()
  if block.setup ~= "" then
    write(place .. "/setup.lua", block.setup)
    assert.equal("", process.run({ false, "setup.lua", cwd = place }).stderr)
  end
  for _, one in ipairs(sessions(block.text)) do
    local result = process.run { "sh", "-c", "{ " .. one.command .. "\n} 2>&1", cwd = place, limit = 60,
      env = { PATH = BIN .. ":" .. os.getenv "PATH", XDG_STATE_HOME = place } }
    local expected = table.concat(one.output, "\n")
    assert.is_true(fits(expected, result.stdout) or expected == "" and result.stdout == "",
      ("%s, line %d: $ %s\n%s"):format(path, block.line, one.command, report(result)))
  end
end

local function run_c(path, block)
  local place = folder()
  local preload = os.getenv "COVET_SPEC_PRELOAD"
  write(place .. "/page.c", block.text)
  local compiled = process.run { "sh", "-c",
    ("cc -std=c11 -Wall -Wextra -Werror -I'%s/src' page.c -o page -L'%s' -lcovet "
      .. "-Wl,-rpath,'%s' -Wl,--unresolved-symbols=ignore-in-shared-libs"):format(ROOT, BIN, BIN),
    cwd = place, limit = 60 }
  assert.is_true(compiled.status == 0, path .. ": " .. report(compiled))
  local result = process.run { place .. "/page", cwd = place, limit = 60,
    env = { LD_PRELOAD = preload or false } }
  assert.is_true(result.status == 0 and result.stderr == "", path .. ": " .. report(result))
end

local RUN = { lua = run_lua, console = run_console, c = run_c }

local function can_run(block)
  if block.language == "c" then
    return uv.fs_stat(BIN .. "/libcovet.so") ~= nil and os.execute "command -v cc >/dev/null" == 0
  end
  return true
end

-- Whether a block can run here: some talk to the server of the tests.
local function lacks_server(block)
  local variable = block.setup:match "COVET_%a+_URL"
  return variable and not os.getenv(variable)
end

local function check_page(path)
  local blocks = pages.blocks(pages.read(ROOT .. "/" .. path))
  for i, block in ipairs(blocks) do
    local run = RUN[block.language]
    local following = blocks[i + 1]
    local expected = following and following.language == "text"
      and following.info == "output" and following.text or nil
    if run and not block.info:find "^noexec" then
      it("line " .. block.line, function()
        if lacks_server(block) then
          pending "no server: scripts/servers starts one"
          return
        elseif not can_run(block) then
          pending "no C compiler, or no shared library in this build"
          return
        end
        run(path, block, expected)
      end)
    end
  end
end

describe("documentation", function()
  for _, path in ipairs(pages.list(ROOT)) do
    describe(path, function()
      check_page(path)
    end)
  end

  it("says why a block is not run", function()
    for _, path in ipairs(pages.list(ROOT)) do
      for _, block in ipairs(pages.blocks(pages.read(ROOT .. "/" .. path))) do
        if block.info:find "^noexec" then
          assert.truthy(block.info:find "^noexec: %S", path .. ":" .. block.line)
        elseif block.language == "lua" then
          assert.equal("", block.info, path .. ":" .. block.line)
        end
      end
    end
  end)

  it("has its generated parts as update.lua writes them", function()
    for _, path in ipairs(pages.list(ROOT)) do
      local text = pages.read(ROOT .. "/" .. path)
      assert.is_true(pages.generate(text) == text,
        path .. " is out of date: build/covet spec/docs/update.lua")
    end
  end)

  it("has links that lead somewhere", function()
    for _, path in ipairs(pages.list(ROOT)) do
      local place = path:match "^(.*/)" or ""
      for link in pages.read(ROOT .. "/" .. path):gmatch "%]%(([^)%s#]+)" do
        if not link:find "^%a+:" then
          assert.truthy(uv.fs_stat(ROOT .. "/" .. place .. link), path .. ": " .. link)
        end
      end
    end
  end)

  it("has every kind of error, and no other, on the page of errors", function()
    local text = pages.read(ROOT .. "/docs/errors.md"):match "\n## Kinds\n.-\n## "
    local documented = {}
    for kind in text:gmatch "\n| `([%l_]+)` |" do
      assert.is_true(errors.KINDS[kind] or false, kind)
      documented[kind] = true
    end
    for kind in pairs(errors.KINDS) do
      assert.is_true(documented[kind] or false, kind .. " is not documented")
    end
  end)
end)
