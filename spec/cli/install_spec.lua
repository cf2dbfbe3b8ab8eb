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

-- A program that embeds LuaJIT; with an argument, on a runtime with a thread.
local EMBEDDING = [[
#include <covet.h>
#include <lauxlib.h>
#include <stdio.h>

int main(int argc, char **argv)
{
  covet_runtime_options options = {
      argc > 1 ? COVET_OWN_THREAD : COVET_CALLER_LOOP, NULL};
  covet_runtime *runtime;
  covet_error error;
  lua_State *L = luaL_newstate();

  (void) argv;
  if (covet_runtime_new(&options, &runtime, &error) != 0 ||
      covet_open_lua(L, runtime) != 0) {
    return 2;
  }
  if (luaL_dostring(L,
          "local covet = require 'covet'\n"
          "local db = covet.sqlite ':memory:'\n"
          "db:create_function('twice', function(x) return x * 2 end)\n"
          "print(covet.all { function() covet.sleep(0.001) return 1 end,\n"
          "  function() return db:fetch_value 'select twice(21)' end })\n"
          "covet.sqlite ':memory:'") != 0) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  lua_close(L);
  covet_runtime_free(runtime, 1000);
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

  -- Compile a program by covet.pc, and run it.
  local function compiled(text, packages, arguments)
    local source = prefix .. "/program.c"
    local file = assert(io.open(source, "w"))
    file:write(text)
    file:close()
    return shell(([[cd %s && export PKG_CONFIG_PATH=$(dirname $(find . \
      -name covet.pc)) && cc -o program program.c $(pkg-config --cflags --libs \
      %s) && LD_LIBRARY_PATH=$(pkg-config --variable=libdir covet) ./program %s]])
      :format(prefix, packages, arguments))
  end

  it("has the C library, header and pkg-config file", function()
    assert.equal("42\n", compiled(PROGRAM, "covet", ""))
  end)

  it("gives a program's own LuaJIT everything, its modules too", function()
    for _, argument in ipairs { "", "thread" } do
      assert.equal("1\t42\n", compiled(EMBEDDING, "covet luajit", argument))
    end
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
