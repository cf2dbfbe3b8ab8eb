local batches = require "spec.support.batch"

local ffi = require "ffi"
local columns = require "covet.columns"
local decode = require "covet.decode"
local error_module = require "covet.error"

local cell, NULL = batches.cell, batches.NULL

-- A result of one column `v`; values are given batch by batch.
local function column(declared, ...)
  local shape = batches.shape { { "v", declared[1], declared[2] } }
  local builder = columns.new(shape, declared.plan)
  for _, values in ipairs { ... } do
    local rows = {}
    for i, value in ipairs(values) do
      rows[i] = { value }
    end
    builder:append(batches.batch(shape, rows))
  end
  local result = builder:finish()
  return result.v, result
end

local function refused(...)
  local ok, err = pcall(column, ...)
  assert.is_false(ok)
  assert.is_true(error_module.is(err, "datatype_mismatch"))
  assert.equal("v", err.column)
  return err.message
end

describe("covet.columns", function()
  batches.without_binding(before_each, after_each)

  it("gives columns by position and by name", function()
    local shape = batches.shape {
      { "id", "integer" }, { "n", "text" }, { "a" }, { "a" },
    }
    local builder = columns.new(shape)
    builder:append(batches.batch(shape, { { 1, "x", 1, 2 }, { 2, "y", 3, 4 } }))
    builder:append(batches.batch(shape, {}))
    builder:append(batches.batch(shape, { { 3, NULL, 5, 6 } }))
    local result = builder:finish()
    assert.equal(3, result.n)
    assert.same({ "id", "n", "a", "a" }, result.names)
    assert.same({ 1, 2, 3 }, result.id:table())
    assert.equal(result[1], result.id)
    assert.equal(result[4], result.a)
    assert.equal(result[2], result:column "n")
    assert.same({ "x", "y" }, result[2]:table())
    assert.is_nil(result:column "b")
  end)

  it("has a kind without a value", function()
    for declared, kind in pairs {
      integer = "int64", float = "double", text = "string", blob = "blob",
      boolean = "bool", json = "string", timestamp = "string", null = "null",
    } do
      assert.equal(kind, column({ declared }).kind)
      local nulls = column({ declared }, { NULL, NULL })
      assert.equal(kind, nulls.kind)
      assert.equal(2, nulls.null_count)
      assert.same({}, nulls:table())
      assert.is_nil(nulls:get(2))
    end
  end)

  it("fills int64 arrays", function()
    local big = 9223372036854775807LL
    local v = column({ "integer" }, { 1, NULL, big }, { -2 ^ 53 })
    assert.equal("int64", v.kind)
    assert.equal(1LL, v.data[0])
    assert.equal(big, v.data[2])
    assert.equal(1, v.null_count)
    assert.equal(2, v.nulls[0])
    assert.equal(1, v:get(1))
    assert.is_nil(v:get(2))
    assert.equal(big, v:get(3))
    assert.equal(-2 ^ 53, v:get(4))
    assert.same({ [1] = 1, [3] = big, [4] = -2 ^ 53 }, v:table())
  end)

  it("fills double arrays", function()
    local v = column({ "float" }, { 0.5, cell("float", -0.0), 3, NULL })
    assert.equal("double", v.kind)
    assert.equal(-math.huge, 1 / v:get(2))
    assert.equal(3, v:get(3))
    assert.is_nil(v:get(4))
  end)

  it("fills strings", function()
    local v = column({ "text" }, { "", "a\0b", NULL }, { "end" })
    assert.equal("string", v.kind)
    assert.same({ "", "a\0b", nil, "end" }, v:table())
    assert.equal("a\0bend", ffi.string(v.bytes, v.offsets[4]))
    assert.equal(0, v.offsets[0])
    assert.equal(3, v.offsets[3])
  end)

  it("fills booleans and blobs", function()
    local v = column({ "boolean" }, { 1, 0, true, NULL, false })
    assert.equal("bool", v.kind)
    assert.same({ true, false, true, nil, false }, v:table())
    assert.equal("blob", column({ "null" }, { cell("blob", "\255") }).kind)
  end)

  it("grows through many batches", function()
    local shape = batches.shape { { "i" }, { "t" }, { "f" } }
    local builder, total = columns.new(shape), 0
    for size = 0, 130 do
      local rows = {}
      for r = 1, size do
        local id = total + r
        rows[r] = { id, id % 3 == 0 and NULL or ("row "):rep(id % 9) .. id,
          id % 7 == 0 and NULL or id + 0.5 }
      end
      builder:append(batches.batch(shape, rows))
      total = total + size
    end
    local result = builder:finish()
    collectgarbage()
    assert.equal(total, result.n)
    assert.equal(math.floor(total / 3), result.t.null_count)
    assert.equal(math.floor(total / 7), result.f.null_count)
    for id = 1, total do
      assert.equal(id, result.i:get(id))
      assert.equal(id % 3 ~= 0 and ("row "):rep(id % 9) .. id or nil,
        result.t:get(id))
      assert.equal(id % 7 ~= 0 and id + 0.5 or nil, result.f:get(id))
    end
  end)

  describe("mixed columns", function()
    it("take integers and floats as double if exact", function()
      for _, kind in ipairs { "integer", "null", "float" } do
        local v = column({ kind }, { 1, NULL, 2.5 }, { 3, 2 ^ 60 })
        assert.equal("double", v.kind)
        assert.same({ 1, nil, 2.5, 3, 2 ^ 60 }, v:table())
        assert.equal(1, v.null_count)
      end
    end)

    it("refuse what a double cannot hold", function()
      local odd = 9007199254740993LL
      assert.matches("row 3", refused({ "integer" }, { 1, odd }, { 0.5 }))
      assert.matches("row 2", refused({ "integer" }, { 1, odd }, { 0.5 }))
      assert.matches("row 2", refused({ "null" }, { 0.5, odd }))
      refused({ "null" }, { 0.5, 9223372036854775807LL })
    end)

    it("refuse text among numbers", function()
      assert.matches('column "v", row 3',
        refused({ "null" }, { 1, 2 }, { "three" }))
      refused({ "integer" }, { 1, "2" })
      refused({ "null" }, { "one", 2 })
      refused({ "boolean" }, { true, "yes" })
      refused({ "null" }, { 1, cell("blob", "x") })
    end)

    it("take the kind of the first value", function()
      assert.equal("string", column({ "integer" }, { NULL, "two" }).kind)
      assert.same({ nil, "two" }, column({ "integer" }, { NULL, "two" }):table())
      assert.same({ nil, "2" }, column({ "text" }, { NULL, 2 }):table())
    end)

    it("write numbers into columns declared as text", function()
      local v = column({ "text" },
        { "a", 9007199254740993LL, 0.1, cell("float", 1 / 0) })
      assert.same({ "a", "9007199254740993", "0.1", "inf" }, v:table())
    end)

    it("turn booleans into integers, texts into blobs", function()
      local v = column({ "boolean" }, { 1, 0, NULL, 7 })
      assert.equal("int64", v.kind)
      assert.same({ 1, 0, nil, 7 }, v:table())
      v = column({ "text" }, { "a", cell("blob", "\255"), "b" })
      assert.equal("blob", v.kind)
      assert.same({ "a", "\255", "b" }, v:table())
    end)

    it("read numeric text when asked", function()
      local declared = { "text", "decimal(8,2)",
        plan = decode.plan { numeric = "number" } }
      local v = column(declared, { "1.50", NULL, 2 })
      assert.equal("double", v.kind)
      assert.same({ 1.5, nil, 2 }, v:table())
      refused(declared, { "1.50", "many" })
      assert.equal("string", column({ "text", "decimal(8,2)" }, { "1" }).kind)
    end)
  end)

  it("refuses rows that are not there", function()
    local v = column({ "integer" }, { 1 })
    for _, i in ipairs { 0, 2, 1.5, -1, "1" } do
      local ok, err = pcall(v.get, v, i)
      assert.is_false(ok)
      assert.is_true(error_module.is(err, "usage"))
    end
  end)

  it("tames every NaN", function()
    local v = column({ "float" }, { 0.5 })
    ffi.cast("int64_t *", v.data)[0] = -1
    assert.equal("number", type(v:get(1)))
    assert.is_true(v:get(1) ~= v:get(1))
    assert.is_true(v:table()[1] ~= v:table()[1])
  end)

  it("needs the binding for Arrow", function()
    local _, result = column({ "integer" }, { 1 })
    local ok, err = pcall(result.to_arrow, result)
    assert.is_false(ok)
    assert.is_true(error_module.is(err, "unsupported"))
  end)

  describe("Arrow", function()
    local functions

    -- The release functions: of the binding, or compiled here without it.
    setup(function()
      local found, core = pcall(require, "covet.core")
      if found and core.arrow then
        functions = core.arrow
        return
      end
      local path = os.tmpname()
      assert(os.execute("cc -shared -fPIC -o " .. path .. " src/lua/arrow.c")
        == 0)
      local library = ffi.load(path)
      os.remove(path)
      pcall(ffi.cdef, "const void *covet_arrow_functions_get(void);")
      functions = ffi.gc(library.covet_arrow_functions_get(), function()
        library = nil -- it stays loaded until then
      end)
    end)

    before_each(function()
      columns.set_release(functions)
    end)

    local function export()
      local shape = batches.shape {
        { "i", "integer" }, { "d", "float" }, { "b", "boolean" },
        { "s", "text" }, { "z", "blob" }, { "x" },
      }
      local builder = columns.new(shape)
      local rows = {}
      for r = 1, 11 do
        rows[r] = r == 3 and { NULL, NULL, NULL, NULL, NULL, NULL }
          or { r, r / 2 + 0.25, r % 2 == 0, "s" .. r, cell("blob", "z"), NULL }
      end
      builder:append(batches.batch(shape, rows))
      return builder:finish()
    end

    it("describes the columns", function()
      local schema = export():to_arrow()
      assert.equal("+s", ffi.string(schema.format))
      assert.equal(6, tonumber(schema.n_children))
      local formats, names = {}, {}
      for i = 0, 5 do
        local child = schema.children[i]
        formats[i + 1] = ffi.string(child.format)
        names[i + 1] = ffi.string(child.name)
        assert.equal(2, tonumber(child.flags))
        assert.equal(0, tonumber(child.n_children))
      end
      assert.same({ "l", "g", "b", "u", "z", "n" }, formats)
      assert.same({ "i", "d", "b", "s", "z", "x" }, names)
    end)

    it("shows the values after the result is gone", function()
      local result = export()
      local _, array = result:to_arrow()
      local _, again = result:to_arrow()
      assert.equal(4, result.i:get(4))
      result = nil -- luacheck: ignore
      again.release(again)
      collectgarbage()
      collectgarbage()
      assert.is_true(again.release == nil)
      assert.equal(11, tonumber(array.length))
      local function buffer(child, at, type)
        return ffi.cast(type, array.children[child].buffers[at])
      end
      for child = 0, 4 do
        assert.equal(1, tonumber(array.children[child].null_count))
        assert.equal(0xfb, buffer(child, 0, "uint8_t *")[0])
      end
      assert.equal(11LL, buffer(0, 1, "int64_t *")[10])
      assert.equal(5.75, buffer(1, 1, "double *")[10])
      assert.equal(0xaa, buffer(2, 1, "uint8_t *")[0])
      assert.equal(0x02, buffer(2, 1, "uint8_t *")[1])
      local offsets = buffer(3, 1, "int32_t *")
      assert.equal("s11", ffi.string(buffer(3, 2, "char *") + offsets[10],
        offsets[11] - offsets[10]))
      assert.equal(0, tonumber(array.children[5].n_buffers))
      assert.equal(11, tonumber(array.children[5].null_count))
    end)

    it("lets children be moved out", function()
      local schema, array = export():to_arrow()
      local moved = ffi.new("struct ArrowArray", array.children[3][0])
      array.children[3].release = nil
      array.release(array)
      schema.release(schema)
      assert.is_true(array.release == nil)
      collectgarbage()
      local bytes = ffi.cast("char *", moved.buffers[2])
      assert.equal("s1s2s4", ffi.string(bytes, 6))
      moved.release(moved)
      assert.is_true(moved.release == nil)
    end)

    it("exports no rows", function()
      local _, result = column({ "text" })
      local _, array = result:to_arrow()
      assert.equal(0, tonumber(array.length))
      assert.equal(0,
        ffi.cast("int32_t *", array.children[0].buffers[1])[0])
    end)
  end)
end)
