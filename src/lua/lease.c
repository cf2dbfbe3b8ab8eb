/* Leases for Lua. */
#include "binding.h"

/* acquire(adapter, read_only, seconds, owner) -> as submitted */
static int l_acquire(lua_State *L)
{
  uint64_t timeout_ms = covetL_duration(L, 3, 1e3);
  covet_op *op = covetL_checked(
      L, covet_op_acquire(covetL_adapter(L, 1), lua_toboolean(L, 2)));

  covet_op_set_timeout(op, timeout_ms);
  covet_op_set_owner(op, (uint64_t) lua_tonumber(L, 4));
  return covetL_submit(L, covetL_binding(L), op);
}

/* release(adapter, lease) -> as submitted */
static int l_release(lua_State *L)
{
  covet_lease lease = covetL_id(L, 2);
  covet_op *op =
      covetL_checked(L, covet_op_release(covetL_adapter(L, 1), lease));

  return covetL_submit(L, covetL_binding(L), op);
}

/* --- Without a wait ---------------------------------------------------------------- */

/* The adapter, of functions that are called for every lease: to check an argument
 * would cost as much as the rest. */
static covet_adapter *covetL_adapter_upvalue(lua_State *L)
{
  covet_adapter **box = lua_touserdata(L, lua_upvalueindex(1));

  if (*box == NULL) { /* a finalizer's call, after the adapter's own */
    luaL_error(L, "the adapter was freed");
  }
  return *box;
}

/* try_acquire(read_only, owner) -> lease, now; nil when that needs a wait */
static int l_try_acquire(lua_State *L)
{
  covet_lease lease =
      covet_try_acquire(covetL_adapter_upvalue(L), lua_toboolean(L, 1),
                        (uint64_t) lua_tonumber(L, 2));

  if (lease == 0) {
    return 0;
  }
  lua_pushnumber(L, (lua_Number) lease);
  lua_pushnumber(L, (lua_Number) covet_now_us() / 1e6);
  return 2;
}

/* try_release(lease) -> whether it was given back; if not, that needs a wait */
static int l_try_release(lua_State *L)
{
  covet_adapter *adapter = covetL_adapter_upvalue(L);

  lua_pushboolean(L,
                  covet_try_release(adapter, (covet_lease) lua_tonumber(L, 1)));
  return 1;
}

/* lending(adapter) -> try_acquire, try_release */
static int l_lending(lua_State *L)
{
  (void) covetL_adapter(L, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_try_acquire, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_try_release, 1);
  return 2;
}

static const luaL_Reg functions[] = {
    {"acquire", l_acquire},
    {"release", l_release},
    {"lending", l_lending},
    {NULL, NULL},
};

void covetL_add_leases(lua_State *L)
{
  for (const luaL_Reg *entry = functions; entry->name != NULL; entry++) {
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, entry->func, 1);
    lua_setfield(L, -2, entry->name);
  }
}
