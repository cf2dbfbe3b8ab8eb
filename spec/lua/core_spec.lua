-- The binding: what it is handed is looked at before it is used.
local core = require "covet.core"
local ffi = require "ffi"

local ROWS = core.flags.ROWS

describe("core", function()
  local handle

  before_each(function()
    require "covet"
    handle = assert(core.adapter "sqlite::memory:")
  end)

  after_each(function()
    local token = core.disconnect(handle)
    if token then
      require("covet.task").wait(token)
    end
    handle = nil
  end)

  it("takes no other handle for an adapter", function()
    local calls = {
      connect = {}, disconnect = {}, drain = {}, configure = { {} }, evict = {},
      acquire = { false, 1 }, release = { 1 },
      stats = {}, query = { 0, ROWS, 1, 0, "select 1" },
      query_list = { 0, ROWS, 1, 0, "select 1", {}, 0 },
      call = { 0, 0, 1, 0, "backup" },
      create_function = { "f", 0, false, "code" },
    }
    for name, arguments in pairs(calls) do
      for _, wrong in ipairs { newproxy(), newproxy(true), io.stdout, 1, "handle", {}, false, core.null } do
        local ok, err = pcall(core[name], wrong, unpack(arguments))
        assert.is_false(ok, name .. " takes " .. tostring(wrong))
        assert.matches("bad argument #1", tostring(err))
      end
    end
  end)

  it("tells a caller's function and line", function()
    local function ask()
      return core.caller(1), select(2, core.caller(2))
    end
    local fn, line = ask()
    assert.equal(ask, fn)
    assert.equal(debug.getinfo(1, "l").currentline - 2, line)
    assert.equal(0, select("#", core.caller(1000)))
  end)

  it("takes no nonsense for a token or a lease", function()
    for _, wrong in ipairs { -1, 0, 0.5, 2 ^ 53, 2 ^ 64, 1e300, -1e300, 1 / 0, -1 / 0, 0 / 0 } do
      assert.is_false(core.cancel(wrong))
      core.abandon(wrong)
      assert.is_false((pcall(core.next, wrong)))
    end
    for _, wrong in ipairs { -1, 2 ^ 53, 1e300, -1 / 0, 0 / 0 } do
      local token, ok, more, fields = core.query(handle, wrong, ROWS, 5, 0, "select 1")
      if token then
        ok, more, fields = require("covet.task").wait(token)
      end
      assert.is_false(ok)
      assert.is_false(more)
      assert.equal("usage", fields.kind)
    end
    for _, wrong in ipairs { "lease", {}, true } do
      assert.is_false((pcall(core.query, handle, wrong, ROWS, 5, 0, "select 1")))
      assert.is_false((pcall(core.release, handle, wrong)))
    end
  end)

  -- The collector frees what dies together in an order of its own: a finalizer
  -- may still call what is gone.
  it("takes no pool that was freed", function()
    local pool = core.pool("freed", {})
    local take, give_back = core.pool_hands(pool)
    local free = getmetatable(pool).__gc
    free(pool)
    free(pool)
    local calls = { try = take, release = give_back }
    for name, fn in pairs(core) do
      if name:match "^pool_" then
        calls[name] = function(...) return fn(pool, ...) end
      end
    end
    assert.is_function(calls.pool_tick)
    for name, fn in pairs(calls) do
      local ok, err = pcall(fn, 1, 1, 1)
      assert.is_false(ok, name)
      assert.matches("the pool was freed", err, nil, nil, name)
    end
  end)

  it("refuses a function whose parts do not fit", function()
    for _, arity in ipairs { -2, 128 } do
      local made, fields = core.create_function(handle, "f", arity, false, string.dump(function() end))
      assert.is_nil(made)
      assert.equal("usage", fields.kind)
    end
    assert.is_false((pcall(core.create_function, handle, "f", 0, false, {})))
    assert.is_false((pcall(core.create_function, handle, "f", 0, false, "", {})))
  end)

  -- A Lua state unloads its modules when it closes; this one's threads go on.
  it("stays loaded", function()
    ffi.cdef [[
      void *dlopen(const char *path, int flags);
      int dlclose(void *module);
    ]]
    local LAZY, NOLOAD = 1, 4
    local build = os.getenv "COVET_BUILD_DIR"
    local path = build .. "/lua/covet/core.so"
    local module = ffi.C.dlopen(path, LAZY)
    assert.is_true(module ~= nil, "cannot load " .. path)
    ffi.C.dlclose(module)
    assert.is_true(ffi.C.dlopen(path, LAZY + NOLOAD) ~= nil)
  end)
end)
