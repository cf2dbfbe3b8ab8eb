--- Export of columnar results by the Arrow C data interface.
--
-- Everything that an exported struct points to is malloc'ed, and its release
-- functions are C (src/lua/arrow.c): it may be released by any thread, and
-- outlive the Lua state. The columns' own buffers are not copied: the first
-- export moves them into a store that counts its references, one for the Lua
-- object and one for each exported array.
-- @module covet.columns.arrow

local ffi = require "ffi"
local bit = require "bit"
local error = require "covet.error"

local C = ffi.C
local band, bnot, bor, lshift, rshift = bit.band, bit.bnot, bit.bor,
  bit.lshift, bit.rshift
local ceil, max = math.ceil, math.max

local NULLABLE = 2
local FORMATS = {
  int64 = "l", uint64 = "L", double = "g", bool = "b", string = "u", blob = "z", null = "n",
}

-- The structs may have been declared by another Lua module already.
pcall(ffi.cdef, [[
struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};
]])
pcall(ffi.cdef, [[
struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
]])
if not pcall(ffi.typeof, "covet_arrow_store") then
  ffi.cdef [[
typedef struct covet_arrow_store {
  int32_t references;
  int32_t buffer_count;
  void **buffers;
} covet_arrow_store;
typedef struct covet_arrow_functions {
  void (*release_schema)(struct ArrowSchema *schema);
  void (*release_array)(struct ArrowArray *array);
  void (*retain)(covet_arrow_store *store);
  void (*unref)(covet_arrow_store *store);
} covet_arrow_functions;
]]
end
ffi.cdef "void *calloc(size_t count, size_t size);"

local M = {}

local functions

--- Give the C functions.
-- @tparam userdata|cdata pointer `const covet_arrow_functions *`
function M.set_release(pointer)
  functions = pointer ~= nil
    and ffi.cast("const covet_arrow_functions *", pointer) or nil
end

local function allocate(type, count, size)
  local memory = C.calloc(max(count, 1), size)
  if memory == nil then
    error.raise { kind = "out_of_memory",
      message = "no memory for the export of columns" }
  end
  return ffi.cast(type, memory)
end

-- Arrow's bit is set for values that are there; ours for NULLs.
local function validity_of(column)
  local size = ceil(column.count / 8)
  local bitmap = allocate("uint8_t *", size, 1)
  for i = 0, size - 1 do
    bitmap[i] = band(bnot(column.nulls[i]), 255)
  end
  return bitmap
end

local function packed_bits_of(column)
  local bitmap = allocate("uint8_t *", ceil(column.count / 8), 1)
  for row = 0, column.count - 1 do
    local byte = rshift(row, 3)
    bitmap[byte] = bor(bitmap[byte], lshift(column.data[row], band(row, 7)))
  end
  return bitmap
end

-- The buffers in Arrow's order, `count` of them; the first may be missing.
local function buffers_of(column)
  if column.kind == "null" then
    return { count = 0 }
  end
  local validity = column.null_count > 0 and validity_of(column) or nil
  if column.kind == "bool" then
    return { count = 2, validity, packed_bits_of(column) }
  elseif column.data then
    return { count = 2, validity, column.data }
  end
  return { count = 3, validity, column.offsets, column.bytes }
end

-- Every buffer that the store is to own.
local function owned_buffers(result, exported)
  local list, known = {}, {}
  local function add(pointer)
    local address = pointer and tostring(ffi.cast("void *", pointer))
    if pointer and not known[address] then
      known[address] = true
      list[#list + 1] = pointer
    end
  end
  for i = 1, #result.names do
    local column = result[i]
    add(column.data)
    add(column.offsets)
    add(column.bytes)
    add(column.nulls)
    for b = 1, exported[i].count do
      add(exported[i][b])
    end
  end
  return list
end

-- Move the buffers of a result into a store, once.
local function make_store(result)
  local exported = {}
  for i = 1, #result.names do
    exported[i] = buffers_of(result[i])
  end
  local list = owned_buffers(result, exported)
  local store = allocate("covet_arrow_store *", 1,
    ffi.sizeof "covet_arrow_store")
  store.buffers = allocate("void **", #list, ffi.sizeof "void *")
  store.references, store.buffer_count = 1, #list
  for i, pointer in ipairs(list) do
    store.buffers[i - 1] = ffi.gc(pointer, nil)
  end
  local owner = { store = ffi.gc(store, functions.unref), buffers = exported }
  for i = 1, #result.names do
    result[i].owner = owner
  end
  return owner
end

local function fill_schema(schema, format, name, count)
  local block = allocate("char *", #format + #name + 2, 1)
  ffi.copy(block, format)
  ffi.copy(block + #format + 1, name)
  schema.format, schema.name = block, block + #format + 1
  schema.private_data = block
  schema.n_children = count
  schema.children = allocate("struct ArrowSchema **", count,
    ffi.sizeof "void *")
  schema.release = functions.release_schema
end

local function fill_array(array, store, length, buffers, count)
  array.length, array.n_buffers, array.n_children = length, buffers.count, count
  array.buffers = allocate("const void **", buffers.count,
    ffi.sizeof "void *")
  for i = 1, buffers.count do
    array.buffers[i - 1] = buffers[i]
  end
  array.children = allocate("struct ArrowArray **", count,
    ffi.sizeof "void *")
  functions.retain(store)
  array.private_data = store
  array.release = functions.release_array
end

local function release(struct)
  if struct.release ~= nil then
    struct.release(struct)
  end
end

local function export_schema(result)
  local root = ffi.gc(ffi.new "struct ArrowSchema", release)
  fill_schema(root, "+s", "", #result.names)
  for i, name in ipairs(result.names) do
    local child = allocate("struct ArrowSchema *", 1,
      ffi.sizeof "struct ArrowSchema")
    root.children[i - 1] = child
    fill_schema(child, FORMATS[result[i].kind], name, 0)
    child.flags = NULLABLE
  end
  return root
end

local function export_array(result, owner)
  local root = ffi.gc(ffi.new "struct ArrowArray", release)
  fill_array(root, owner.store, result.n, { count = 1 }, #result.names)
  for i = 1, #result.names do
    local child = allocate("struct ArrowArray *", 1,
      ffi.sizeof "struct ArrowArray")
    root.children[i - 1] = child
    fill_array(child, owner.store, result.n, owner.buffers[i], 0)
    child.null_count = result[i].null_count
  end
  return root
end

--- Export a result; see `Result:to_arrow` of `covet.columns`.
-- @tparam table result
-- @treturn cdata struct ArrowSchema
-- @treturn cdata struct ArrowArray
function M.export(result)
  if not functions then
    error.raise { kind = "unsupported",
      message = "to_arrow needs the module covet.core" }
  end
  local owner = result[1] and result[1].owner or make_store(result)
  return export_schema(result), export_array(result, owner)
end

return M
