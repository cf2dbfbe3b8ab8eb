--- The installed tree: what a distribution would ship works on its own.
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local BUILD = os.getenv "COVET_BUILD_DIR" or "build"

local PROGRAM = [[
#include <covet.h>
#include <stdio.h>

int main(void)
{
  covet_error error;
  covet_runtime *runtime;
  covet_adapter *adapter;
  covet_op *op;
  covet_batch *batch;

  if (covet_runtime_new(NULL, &runtime, &error) != 0 ||
      covet_adapter_new(runtime, "sqlite::memory:", NULL, 0, &adapter,
                        &error) != 0) {
    return 1;
  }
  op = covet_op_query(adapter, "select 6 * 7", 12, COVET_QUERY_ROWS);
  if (covet_submit(op) == 0) {
    do {
      (void) covet_runtime_step(runtime, 1000);
    } while (covet_reap(runtime) == NULL);
  }
  batch = covet_op_take(op, NULL);
  printf("%d\n", (int) batch->cells[0].integer);
  covet_batch_free(batch);
  covet_op_free(op);
  covet_adapter_free(adapter);
  covet_runtime_free(runtime, 5000);
  return 0;
}
]]

local function run(...)
  local options = { ... }
  options.timeout, options.env = 60, process.foreign
  local result = process.run(options)
  assert(result.status == 0, result.stdout .. result.stderr)
  return result.stdout
end

local function shell(command)
  return run("sh", "-c", command)
end

describe("the installed tree", function()
  local prefix

  setup(function()
    prefix = tmp.dir "install"
    shell(("cmake --install %s --prefix %s"):format(BUILD, prefix))
  end)

  it("has the command, with its modules", function()
    local out = shell(("cd / && env -i %s/bin/covet -e "
      .. "'print(covet.sqlite(\":memory:\"):fetch_value(\"select 6 * 7\"))'")
      :format(prefix))
    assert.equal("42\n", out)
  end)

  it("has the C library, header and pkg-config file", function()
    local source = prefix .. "/program.c"
    local file = assert(io.open(source, "w"))
    file:write(PROGRAM)
    file:close()
    local out = shell(([[cd %s && export PKG_CONFIG_PATH=$(dirname $(find . \
      -name covet.pc)) && cc -o program program.c $(pkg-config --cflags --libs \
      covet) && LD_LIBRARY_PATH=$(pkg-config --variable=libdir covet) ./program]])
      :format(prefix))
    assert.equal("42\n", out)
  end)

  it("has the module for other LuaJIT programs", function()
    local out = shell(([[cd %s && luajit -e '
      package.path = "share/lua/5.1/?.lua;share/lua/5.1/?/init.lua"
      package.cpath = "lib/lua/5.1/?.so"
      local db = require("covet").sqlite ":memory:"
      print(db:fetch_value "select 6 * 7")']]):format(prefix))
    assert.equal("42\n", out)
  end)

  it("has the man page", function()
    assert.truthy(shell(("ls %s/share/man/man1"):format(prefix))
      :find("covet.1", 1, true))
  end)
end)
