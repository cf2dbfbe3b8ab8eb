-- Write the generated parts of the documentation anew:
-- build/covet spec/docs/update.lua
local script = arg[0]
local root = script:match("^(.*)/spec/docs/[^/]*$") or "."
package.path = root .. "/?.lua;" .. package.path

local pages = require "spec.docs.pages"

for _, path in ipairs(pages.list(root)) do
  local name = root .. "/" .. path
  local old = pages.read(name)
  local new = pages.generate(old)
  if new ~= old then
    local file = assert(io.open(name, "wb"))
    file:write(new)
    file:close()
    print("wrote " .. path)
  end
end
