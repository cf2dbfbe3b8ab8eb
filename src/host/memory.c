/*
 * LuaJIT's own allocator looks at the neighbours of whatever it frees, which are
 * seldom in the processor's caches when a result's rows go. mimalloc does not:
 * the same rows are made and freed some 1.2 times as fast when all of them are
 * kept and 1.4 times when they go at once (bench/floor.lua, bench/PROFILE.md).
 */
#include "memory.h"

#include <lauxlib.h>
#include <stddef.h>

#ifdef COVET_MIMALLOC
#include <mimalloc.h>
#include <stdio.h>

static void *allocate(void *unused, void *block, size_t old_size, size_t size)
{
  (void) unused;
  (void) old_size;
  if (size == 0) {
    mi_free(block);
    return NULL;
  }
  return block == NULL ? mi_malloc(size) : mi_realloc(block, size);
}

/* What luaL_newstate sets as well; LuaJIT ends the process afterwards. */
static int report_panic(lua_State *L)
{
  const char *message = lua_tostring(L, -1);

  fprintf(stderr, "covet: error outside of protected calls: %s\n",
          message != NULL ? message : "not a string");
  return 0;
}

lua_State *covet_new_state(void)
{
  lua_State *L = lua_newstate(allocate, NULL);

  if (L != NULL) {
    lua_atpanic(L, report_panic);
  }
  return L;
}

#else

lua_State *covet_new_state(void)
{
  return luaL_newstate();
}

#endif
