/* Pools of a user's own objects: the state machine for Lua, which carries its
 * actions out (lua/covet/pool). */
#include "pool_parts.h"

lua_pool *covetL_pool(lua_State *L)
{
  lua_pool *self = luaL_checkudata(L, 1, POOL_TYPE);

  luaL_argcheck(L, self->pool != NULL, 1, "the pool was freed");
  return self;
}

/* --- Time ---------------------------------------------------------------------- */

/* pool_due(pool) -> seconds until it wants a tick, or nil; that time counts as
 * waited for from now on. */
static int l_due(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  uint64_t due_us = covet_pool_due_us(self->pool);
  uint64_t now_us = covet_lua_pool_now(self);

  self->armed_us = due_us;
  if (due_us == UINT64_MAX) {
    lua_pushnil(L);
  } else {
    lua_pushnumber(L, due_us > now_us ? (double) (due_us - now_us) / 1e6 : 0);
  }
  return 1;
}

static int l_tick(lua_State *L)
{
  lua_pool *self = covetL_pool(L);

  covet_pool_tick(self->pool, covet_lua_pool_now(self));
  return 0;
}

/* --- Actions ------------------------------------------------------------------------------ */

/* pool_next(pool) -> what, ...: nothing when there is nothing to do.
     "grant", ticket, slot, lease        "fail", ticket, why
     "open" | "ping" | "reset", slot     "close" | "abandon", slot, reason
     "leak" | "leak_over" | "reclaimed", slot, seconds
     "breaker" | "drained" | "closed" */
static int l_next(lua_State *L)
{
  static const char *const names[] = {
      "nothing",   "grant",   "fail",    "open",  "ping",
      "reset",     "close",   "abandon", "leak",  "leak_over",
      "reclaimed", "breaker", "drained", "closed"};
  lua_pool *self = covetL_pool(L);
  covet_pool_action action;

  if (!covet_pool_next(self->pool, &action)) {
    return 0;
  }
  if (action.waiter != NULL) {
    return covetL_push_answer(L, self, &action);
  }
  lua_pushstring(L, names[action.type]);
  lua_pushinteger(L, (lua_Integer) action.slot + 1);
  if (action.type == COVET_POOL_CLOSE || action.type == COVET_POOL_ABANDON) {
    lua_pushstring(L, covet_pool_reason_name(action.reason));
  } else {
    lua_pushnumber(L, (double) action.us / 1e6);
  }
  return 3;
}

/* pool_report(pool, what, slot, fine[, permanent[, error's message]]) */
static int l_report(lua_State *L)
{
  static const char *const names[] = {"connected", "failed", "pinged", "reset",
                                      "closed",    "lost",   NULL};
  lua_pool *self = covetL_pool(L);
  int what = luaL_checkoption(L, 2, NULL, names);
  covet_pool_slot_id slot = (covet_pool_slot_id) luaL_checkint(L, 3) - 1;
  int flag = lua_toboolean(L, 4);
  uint64_t now_us = covet_lua_pool_now(self);

  switch (what) {
  case 0:
    covet_pool_connected(self->pool, now_us, slot,
                         flag ? COVET_POOL_UNKNOWN : COVET_POOL_CERTAIN);
    break;
  case 1:
    covet_pool_connect_failed(self->pool, now_us, slot, flag, NULL);
    break;
  case 2:
    covet_pool_pinged(self->pool, now_us, slot, flag);
    break;
  case 3:
    covet_pool_was_reset(self->pool, now_us, slot, flag);
    break;
  case 4:
    covet_pool_closed(self->pool, now_us, slot);
    break;
  default:
    covet_pool_lost(self->pool, now_us, slot);
    break;
  }
  return 0;
}

static uint64_t close_deadline(lua_State *L)
{
  return covet_lua_deadline(covet_now_us(), luaL_checknumber(L, 3));
}

/* pool_do(pool, "warm" | "evict" | "drain" | "close"[, seconds]) */
static int l_do(lua_State *L)
{
  static const char *const names[] = {"warm", "evict", "drain", "close", NULL};
  lua_pool *self = covetL_pool(L);
  uint64_t now_us = covet_lua_pool_now(self);

  switch (luaL_checkoption(L, 2, NULL, names)) {
  case 0:
    covet_pool_warm(self->pool, now_us);
    break;
  case 1:
    covet_pool_evict(self->pool, now_us);
    break;
  case 2:
    covet_pool_drain(self->pool, now_us);
    break;
  default:
    covet_pool_close(self->pool, now_us, close_deadline(L));
    break;
  }
  return 0;
}

static int l_pool_gc(lua_State *L)
{
  lua_pool *self = luaL_checkudata(L, 1, POOL_TYPE);

  covet_pool_free(self->pool);
  self->pool = NULL;
  covet_lua_pool_free_tickets(self);
  return 0;
}

/* --- The module ----------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"pool_do", l_do},     {"pool_next", l_next}, {"pool_report", l_report},
    {"pool_tick", l_tick}, {"pool_due", l_due},   {NULL, NULL},
};

static void add(lua_State *L, const luaL_Reg *list)
{
  for (; list->name != NULL; list++) {
    lua_pushcfunction(L, list->func);
    lua_setfield(L, -2, list->name);
  }
}

void covetL_add_pools(lua_State *L)
{
  luaL_newmetatable(L, POOL_TYPE);
  lua_pushcfunction(L, l_pool_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, POOL_TYPE);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
  add(L, functions);
  add(L, covet_lua_pool_config);
  add(L, covet_lua_pool_loans);
  add(L, covet_lua_pool_places);
  add(L, covet_lua_pool_stats);
}
