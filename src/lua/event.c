/* Events of adapters, for whoever listens: lua/covet/task/events.lua. */
#include "binding.h"

/* watch(adapter, watched) -> a number that stands for the adapter in events */
static int l_watch(lua_State *L)
{
  covet_adapter *adapter = covetL_adapter(L, 1);

  covet_adapter_watch(adapter, lua_toboolean(L, 2));
  lua_pushnumber(L, (lua_Number) (uintptr_t) adapter);
  return 1;
}

/* hold_openings(adapter) */
static int l_hold_openings(lua_State *L)
{
  (void) covet_adapter_hold_openings(covetL_adapter(L, 1));
  return 0;
}

/* next_event() -> number, what, lease, seconds, text, fields of an error or nil;
   nothing when there is no event. */
static int l_next_event(lua_State *L)
{
  static const char *const names[] = {
      "connect",   "connect_failed", "close",  "leak",
      "leak_over", "breaker",        "notice", "ask"};
  covet_event event;

  if (covet_runtime_next_event(covetL_runtime(L), &event) == 0) {
    return 0;
  }
  lua_pushnumber(L, (lua_Number) (uintptr_t) event.adapter);
  lua_pushstring(L, names[event.type]);
  lua_pushnumber(L, (lua_Number) event.lease);
  lua_pushnumber(L, (lua_Number) event.us / 1e6);
  lua_pushstring(L, event.text);
  if (event.type != COVET_EVENT_NOTICE &&
      event.type != COVET_EVENT_CONNECT_FAILED) {
    return 5;
  }
  covetL_push_error(L, &event.error);
  return 6;
}

void covetL_add_events(lua_State *L)
{
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_watch, 1);
  lua_setfield(L, -2, "watch");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_hold_openings, 1);
  lua_setfield(L, -2, "hold_openings");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_next_event, 1);
  lua_setfield(L, -2, "next_event");
}
