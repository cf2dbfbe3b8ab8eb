/* Where connections of a pool were taken. */
#include "pool_parts.h"

#include <string.h>

/* The function of the first caller from `level` on that is Lua and no view of
 * covet's: `pcall(pool.acquire, pool)` and `pool.try:acquire()` are calls of
 * whoever wrote them. */
static bool push_caller(lua_State *L, int level, lua_Debug *place)
{
  while (lua_getstack(L, level++, place)) {
    lua_getinfo(L, "Sl", place);
    if (place->currentline >= 0 &&
        strstr(place->source, "covet/session.lua") == NULL) {
      lua_getinfo(L, "f", place);
      return true;
    }
  }
  return false;
}

bool covetL_push_place(lua_State *L, int level, lua_Debug *place)
{
  if (level == 0 || !lua_getstack(L, level, place)) {
    return false;
  }
  lua_getinfo(L, "fl", place);
  if (place->currentline >= 0) {
    return true;
  }
  lua_pop(L, 1);
  return push_caller(L, level + 1, place);
}

void covetL_note_place(lua_State *L, int places, covet_pool_slot_id slot,
                       int level)
{
  lua_Debug place;

  if (!covetL_push_place(L, level, &place)) {
    return;
  }
  lua_rawseti(L, places, (int) slot * 2 + 1);
  lua_pushinteger(L, place.currentline);
  lua_rawseti(L, places, (int) slot * 2 + 2);
}

/* pool_place(pool, slot) -> "file:line" or nil */
static int l_place(lua_State *L)
{
  int slot = luaL_checkint(L, 2) - 1;
  lua_Debug place;

  (void) covetL_pool(L);
  lua_getfenv(L, 1);
  lua_rawgeti(L, -1, slot * 2 + 1);
  if (!lua_isfunction(L, -1)) {
    lua_pushnil(L);
    return 1;
  }
  lua_getinfo(L, ">S", &place);
  lua_rawgeti(L, -1, slot * 2 + 2);
  lua_pushfstring(L, "%s:%d", place.short_src, (int) lua_tointeger(L, -1));
  return 1;
}

const luaL_Reg covet_lua_pool_places[] = {
    {"pool_place", l_place},
    {NULL, NULL},
};
