--- A queue of waiting tasks: first in, first out, and out from the middle.
--
-- The links stand in the tasks themselves (`prev`, `next`), for a task waits
-- in one place at a time: neither waiting nor giving up allocates.
-- @module covet.task.list

local List = { __name = "covet.task.list" }
List.__index = List

local M = {}

--- Make an empty list.
-- @treturn List
function M.new()
  local list = setmetatable({ size = 0 }, List)
  list.prev, list.next = list, list
  return list
end

--- Add a task at the end.
-- @tparam table node a task that is in no list
function List:push(node)
  local last = self.prev
  last.next, node.prev = node, last
  node.next, self.prev = self, node
  self.size = self.size + 1
end

--- Take a task out, wherever it stands.
-- @tparam table node a task of this list
function List:remove(node)
  local before, after = node.prev, node.next
  before.next, after.prev = after, before
  node.prev, node.next = nil, nil
  self.size = self.size - 1
end

--- Take the first task out.
-- @treturn table|nil
function List:pop()
  local node = self.next
  if node == self then
    return nil
  end
  self:remove(node)
  return node
end

return M
