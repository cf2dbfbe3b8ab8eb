--- The pages of documentation: their blocks of code, and what is generated.
--
-- - ```` ```lua ````: run; `lua noexec: why` is not
-- - ```` ```text output ````: what the block of Lua before it prints
-- - ```` ```console ````: `$ command` and its output; a line `...` stands for
--   any lines; `console noexec: why` is not run
-- - ```` ```c ````: compiled, linked and run
-- - `<!-- setup ... -->`: Lua that runs before each later block of the page
-- - `<!-- generated: NAME -->` to `<!-- end -->`: written by update.lua
-- @module spec.docs.pages
local options = require "covet.options"
local uv = require "luv"

local M = {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

M.read = read

--- The pages, by path from the root of the repository.
-- @tparam string root
-- @treturn {string,...}
function M.list(root)
  local paths = { "README.md" }
  local scan = assert(uv.fs_scandir(root .. "/docs"))
  local name = uv.fs_scandir_next(scan)
  while name do
    if name:find "%.md$" then
      paths[#paths + 1] = "docs/" .. name
    end
    name = uv.fs_scandir_next(scan)
  end
  table.sort(paths)
  return paths
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

-- Lines from `first` to the one that matches `last`, and its number.
local function collect(lines, first, last)
  local i = first
  while lines[i] and not lines[i]:find(last) do
    i = i + 1
  end
  assert(lines[i], "line " .. first - 1 .. ": the block has no end")
  return table.concat(lines, "\n", first, i - 1), i
end

--- The blocks of a page.
-- @tparam string text
-- @treturn table a list of { language =, info =, text =, line =, setup = }
function M.blocks(text)
  local lines, blocks, setup, i = lines_of(text), {}, "", 1
  while lines[i] do
    local language, info = lines[i]:match "^```(%a+)%s*(.-)%s*$"
    if language then
      local body, last = collect(lines, i + 1, "^```$")
      blocks[#blocks + 1] = { language = language, info = info, text = body,
        line = i + 1, setup = setup }
      i = last
    elseif lines[i] == "<!-- setup" then
      setup, i = collect(lines, i + 1, "^%-%->$")
    end
    i = i + 1
  end
  return blocks
end

-- What stands between `generated` and `end`, by name.
local sources = {}

function sources.sqlite_options()
  return options.reference(require "covet.adapter.sqlite".OPTIONS)
end

function sources.postgresql_options()
  return options.reference(require "covet.adapter.postgresql".OPTIONS)
end

function sources.mysql_options()
  return options.reference(require "covet.adapter.mysql".OPTIONS)
end

function sources.call_options()
  return options.reference(require "covet.call".OPTIONS)
end

function sources.types()
  return options.reference(require "covet.decode.plan".TYPES)
end

function sources.transaction_options()
  return options.reference(require "covet.transaction".OPTIONS)
end

function sources.pool_options()
  return options.reference(require "covet.pool.config".OPTIONS)
end

-- A column for each preset, a row for each option that one of them sets.
function sources.presets()
  local config = require "covet.pool.config"
  local lines = { "| option | default | web | worker | pipeline |",
    "|---|---|---|---|---|" }
  local plain = config.config()
  for _, entry in ipairs(config.OPTIONS) do
    local name, cells, differs = entry[1], {}, false
    for i, preset in ipairs { "web", "worker", "pipeline" } do
      local value = config.config { preset = preset }[name]
      differs = differs or value ~= plain[name] and type(value) ~= "table"
      cells[i] = tostring(value)
    end
    if differs then
      lines[#lines + 1] = ("| `%s` | %s | %s |"):format(name,
        tostring(plain[name]), table.concat(cells, " | "))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- A page with its generated parts made anew.
-- @tparam string text
-- @treturn string
function M.generate(text)
  return (text:gsub("(<!%-%- generated: ([%w_]+) %-%->\n).-(<!%-%- end %-%->)",
    function(head, name, tail)
      local source = assert(sources[name], "nothing generates " .. name)
      return head .. source() .. tail
    end))
end

return M
