#include "state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <luv/luv.h>
#include <stdio.h>
#include <string.h>

#include "covet.h"
#include "interrupt.h"
#include "lua/path.h"

/* Set by the build; a `;` may stand between several folders. */
#ifndef COVET_BUILD_LUADIR
#define COVET_BUILD_LUADIR "lua"
#endif
#ifndef COVET_INSTALL_LUADIR
#define COVET_INSTALL_LUADIR "/usr/local/share/lua/5.1"
#endif
#ifndef COVET_RELATIVE_LUADIR
#define COVET_RELATIVE_LUADIR "../share/lua/5.1"
#endif

#define PATH_SIZE 4096

int covetL_traceback(lua_State *L)
{
  if (lua_type(L, 1) == LUA_TSTRING) {
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
  }
  return 1;
}

/* --- Where modules are ----------------------------------------------------- */

/* The folder of this executable, without a slash at the end. 0, or -1. */
static int executable_folder(char *folder, size_t size)
{
  char *slash;

  if (uv_exepath(folder, &size) != 0) {
    return -1;
  }
  slash = strrchr(folder, '/');
  if (slash == NULL) {
    return -1;
  }
  *slash = '\0';
  return 0;
}

/* covet's own modules come first: a script's folder must not hide them. Those of
   the build tree that this executable stands in, else those it was installed
   with. */
static void set_module_path(lua_State *L)
{
  char folder[PATH_SIZE];

  if (executable_folder(folder, sizeof(folder)) != 0) {
    lua_pushliteral(L, COVET_INSTALL_LUADIR);
  } else {
    covetL_push_folders(L, folder, COVET_BUILD_LUADIR, COVET_RELATIVE_LUADIR,
                        COVET_INSTALL_LUADIR);
  }
  covetL_add_folders(L, lua_tostring(L, -1), 0);
  lua_pop(L, 1);
}

/* --- luv ------------------------------------------------------------------- */

/* Hand the error on top of the stack to whoever reports errors of callbacks;
   say it here when there is no one. Leaves the stack as it was. */
static void report_callback_error(lua_State *L)
{
  lua_getfield(L, LUA_REGISTRYINDEX, COVET_CALLBACK_ERROR);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 0, 0) != 0) {
    const char *message = lua_tostring(L, -2);

    fprintf(stderr, "covet: error in a callback: %s\n",
            message != NULL ? message : luaL_typename(L, -2));
    lua_pop(L, 1);
  }
}

/* How luv calls Lua: an error is reported, and the loop goes on. Returns the
   number of results left on the stack, or minus the status of lua_pcall. */
static int call_back(lua_State *L, int nargs, int nresults, int flags)
{
  int base = lua_gettop(L) - nargs;
  int status;

  (void) flags;
  covet_interrupt_seen();
  lua_pushcfunction(L, covetL_traceback);
  lua_insert(L, base);
  status = lua_pcall(L, nargs, nresults, base);
  if (status != 0) {
    report_callback_error(L);
    lua_settop(L, base - 1);
    return -status;
  }
  lua_remove(L, base);
  return lua_gettop(L) - base + 1;
}

/* Opened now and not when a script asks for it: luv keeps the thread it was
   opened in, and a coroutine's would be collected under it. Costs 0.2 ms. */
static void open_luv(lua_State *L, uv_loop_t *loop)
{
  luv_set_loop(L, loop);
  luv_set_callback(L, call_back);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  lua_pushcfunction(L, luaopen_luv);
  lua_call(L, 0, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "luv");
  lua_setfield(L, -2, "uv");
  lua_pop(L, 2);
}

/* --- The whole ------------------------------------------------------------- */

/* Modules that only the command has. */
static void set_modules(lua_State *L)
{
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_covet_editline);
  lua_setfield(L, -2, "covet.editline");
  lua_pushcfunction(L, luaopen_covet_interrupt);
  lua_setfield(L, -2, "covet.interrupt");
  lua_getfield(L, -2, "loaded");
  lua_pushliteral(L, COVET_VERSION);
  lua_setfield(L, -2, "covet.version");
  lua_pop(L, 3);
}

void covetL_open_state(lua_State *L, uv_loop_t *loop, covet_runtime *runtime)
{
  luaL_openlibs(L);
  set_module_path(L);
  open_luv(L, loop);
  if (covet_open_lua(L, runtime) != 0) {
    luaL_error(L, "cannot open covet in this state");
  }
  set_modules(L);
}
