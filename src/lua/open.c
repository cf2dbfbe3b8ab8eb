#include "binding.h"
#include "path.h"

#include <dlfcn.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set by the build for the copy in libcovet; see src/host/state.c. */
#ifndef COVET_BUILD_LUADIR
#define COVET_BUILD_LUADIR "lua"
#endif
#ifndef COVET_INSTALL_LUADIR
#define COVET_INSTALL_LUADIR "/usr/local/share/lua/5.1"
#endif
#ifndef COVET_RELATIVE_LUADIR
#define COVET_RELATIVE_LUADIR "../share/lua/5.1"
#endif

/* Whether `require "covet"` would find it. */
static int is_found(lua_State *L)
{
  int found = 0;

  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "covet");
  lua_getfield(L, -3, "path");
  if (lua_pcall(L, 2, 1, 0) == 0) {
    found = lua_toboolean(L, -1);
  }
  lua_pop(L, 2);
  return found;
}

/* The modules that were built or installed with this library. */
static void add_own_folders(lua_State *L)
{
  Dl_info info;
  char *file, *slash;

  if (dladdr((void *) (uintptr_t) &is_found, &info) == 0 ||
      (file = realpath(info.dli_fname, NULL)) == NULL) {
    return;
  }
  slash = strrchr(file, '/');
  if (slash != NULL) {
    *slash = '\0';
    lua_pushstring(L, file);
  }
  free(file);
  if (slash != NULL) {
    covetL_push_folders(L, lua_tostring(L, -1), COVET_BUILD_LUADIR,
                        COVET_RELATIVE_LUADIR, COVET_INSTALL_LUADIR);
    covetL_add_folders(L, lua_tostring(L, -1), 1);
    lua_pop(L, 2);
  }
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
  lua_pop(L, 2);
}

int covet_open_lua(lua_State *L, covet_runtime *runtime)
{
#ifdef COVET_WEAK_LUA
  if (lua_getfield == NULL) {
    return COVET_EUNSUPPORTED;
  }
#endif
  lua_getglobal(L, "package");
  if (lua_isnil(L, -1)) {
    luaL_openlibs(L);
  }
  lua_pop(L, 1);
  if (runtime != NULL) {
    binding *state = covetL_push_binding(L);

    state->runtime = runtime;
    state->owned = 0;
    state->mode = COVET_CALLER_LOOP;
    state->pid = (long) getpid();
    lua_pop(L, 1);
  }
  preload(L, "covet.core", luaopen_covet_core);
  if (!is_found(L)) {
    add_own_folders(L);
  }
  return COVET_OK;
}
