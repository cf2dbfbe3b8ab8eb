/* The figures of a pool as tables of Lua. */
#include "pool_parts.h"

static void push_reasons(lua_State *L, const covet_pool_stats *stats)
{
  lua_createtable(L, 0, COVET_POOL_REASON_COUNT);
  for (int i = 1; i < COVET_POOL_REASON_COUNT; i++) {
    lua_pushnumber(L, (lua_Number) stats->closed_by[i]);
    lua_setfield(L, -2, covet_pool_reason_name((covet_pool_reason) i));
  }
}

void covetL_push_pool_stats(lua_State *L, const covet_pool_stats *stats)
{
  static const char *const breakers[] = {"closed", "open", "half_open"};

  lua_createtable(L, 0, 40);
#define COUNT(name)                                                            \
  lua_pushnumber(L, (lua_Number) stats->name);                                 \
  lua_setfield(L, -2, #name)
#define SECONDS(field, name)                                                   \
  lua_pushnumber(L, (lua_Number) stats->field / 1e6);                          \
  lua_setfield(L, -2, name)
  COUNT(min_size);
  COUNT(max_size);
  COUNT(total_connections);
  COUNT(idle_connections);
  COUNT(active_connections);
  COUNT(opening);
  COUNT(closing);
  COUNT(waiting);
  COUNT(total_checkouts);
  COUNT(total_checkins);
  COUNT(failed_checkouts);
  COUNT(timeouts);
  COUNT(refused);
  COUNT(deadlocks);
  COUNT(connection_errors);
  COUNT(validation_errors);
  COUNT(created_connections);
  COUNT(destroyed_connections);
  COUNT(recycled_connections);
  COUNT(leaks);
  COUNT(reclaimed);
  SECONDS(oldest_wait_us, "oldest_wait");
  SECONDS(avg_checkout_us, "avg_checkout_time");
  SECONDS(max_checkout_us, "max_checkout_time");
  SECONDS(p50_checkout_us, "p50_checkout_time");
  SECONDS(p95_checkout_us, "p95_checkout_time");
  SECONDS(p99_checkout_us, "p99_checkout_time");
  SECONDS(retry_after_us, "retry_after");
#undef COUNT
#undef SECONDS
  lua_pushstring(L, breakers[stats->breaker]);
  lua_setfield(L, -2, "breaker");
  push_reasons(L, stats);
  lua_setfield(L, -2, "closed_by");
}

static int l_stats(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_pool_stats stats;

  covet_pool_get_stats(self->pool, covet_lua_pool_now(self), &stats);
  covetL_push_pool_stats(L, &stats);
  return 1;
}

/* pool_loans(pool, most) -> { { slot =, seconds = }, ... }, the oldest first */
static int l_loans(lua_State *L)
{
  enum { MOST = 64 };
  lua_pool *self = covetL_pool(L);
  covet_pool_loan loans[MOST];
  int most = luaL_optint(L, 2, MOST);
  uint64_t now_us = covet_lua_pool_now(self);
  uint32_t count = covet_pool_loans(
      self->pool, loans, most > 0 && most < MOST ? (uint32_t) most : MOST);

  lua_createtable(L, (int) count, 0);
  for (uint32_t i = 0; i < count; i++) {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, (lua_Integer) loans[i].slot + 1);
    lua_setfield(L, -2, "slot");
    lua_pushnumber(L, (double) (now_us - loans[i].since_us) / 1e6);
    lua_setfield(L, -2, "seconds");
    lua_rawseti(L, -2, (int) i + 1);
  }
  return 1;
}

const luaL_Reg covet_lua_pool_stats[] = {
    {"pool_stats", l_stats},
    {"pool_loans", l_loans},
    {NULL, NULL},
};
