#include "binding.h"

#include "../core/adapter.h"

#include "arrow.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <luajit.h>
#include <uv.h>

#ifdef COVET_HAVE_SQLITE
const char *sqlite3_libversion(void);
#endif

static const char binding_key = 'b';

#define ADAPTER_TYPE "covet.core.adapter"

binding *covetL_binding(lua_State *L)
{
  return lua_touserdata(L, lua_upvalueindex(1));
}

covet_runtime *covetL_runtime(lua_State *L)
{
  binding *state = covetL_binding(L);

  if (state->runtime == NULL) {
    luaL_error(L, "covet.core.start was not called");
  }
  return state->runtime;
}

uint64_t covetL_duration(lua_State *L, int index, double scale)
{
  double seconds;

  if (lua_isnoneornil(L, index)) {
    return 0;
  }
  seconds = luaL_checknumber(L, index) * scale;
  if (seconds > 9e15) {
    return 0;
  }
  return seconds > 1 ? (uint64_t) ceil(seconds) : 1;
}

/* --- Runtime --------------------------------------------------------------------- */

static int l_start(lua_State *L)
{
  static const char *const modes[] = {"caller", "thread", NULL};
  binding *state = covetL_binding(L);
  int mode = luaL_checkoption(L, 1, "caller", modes);
  covet_runtime_options options = {(covet_mode) mode, NULL};
  covet_error error;

  if (state->runtime != NULL && state->pid == (long) getpid()) {
    lua_pushboolean(L, state->mode == mode);
    return 1;
  }
  /* after a fork the parent's runtime is left alone */
  if (covet_runtime_new(&options, &state->runtime, &error) != 0) {
    return luaL_error(L, "%s", error.message);
  }
  state->owned = 1;
  state->mode = mode;
  state->pid = (long) getpid();
  lua_pushboolean(L, 1);
  return 1;
}

static int l_mode(lua_State *L)
{
  binding *state = covetL_binding(L);

  if (state->runtime == NULL) {
    lua_pushnil(L);
  } else {
    lua_pushstring(L, state->mode == COVET_OWN_THREAD ? "thread" : "caller");
  }
  return 1;
}

static int l_step(lua_State *L)
{
  covet_runtime *runtime = covetL_runtime(L);
  double seconds = luaL_optnumber(L, 1, -1);
  int timeout_ms = -1;

  if (seconds >= 0) {
    timeout_ms = seconds > 1e6 ? 1000000000 : (int) ceil(seconds * 1e3);
  }
  lua_pushinteger(L, covet_runtime_step(runtime, timeout_ms));
  lua_pushboolean(L, covet_runtime_has_handles(runtime));
  return 2;
}

static int l_pending(lua_State *L)
{
  binding *state = covetL_binding(L);

  lua_pushinteger(
      L, state->runtime == NULL ? 0 : covet_runtime_pending(state->runtime));
  return 1;
}

static int l_fd(lua_State *L)
{
  lua_pushinteger(L, covet_runtime_fd(covetL_runtime(L)));
  return 1;
}

static int l_timeout(lua_State *L)
{
  int timeout_ms = covet_runtime_timeout_ms(covetL_runtime(L));

  if (timeout_ms < 0) {
    lua_pushnil(L);
  } else {
    lua_pushnumber(L, timeout_ms / 1e3);
  }
  return 1;
}

static int l_listen(lua_State *L)
{
  covet_error error;

  if (covet_runtime_listen(covetL_runtime(L), luaL_checkstring(L, 1), &error) !=
      0) {
    return luaL_error(L, "%s", error.message);
  }
  return 0;
}

static int l_now(lua_State *L)
{
  lua_pushnumber(L, (double) covet_now_us() / 1e6);
  return 1;
}

/* caller(level) -> function, line: as debug.getinfo(level, "fl") tells them, but
 * without a table for each call. */
static int l_caller(lua_State *L)
{
  lua_Debug place;

  if (!lua_getstack(L, luaL_checkint(L, 1), &place)) {
    return 0;
  }
  lua_getinfo(L, "fl", &place);
  lua_pushinteger(L, place.currentline);
  return 2;
}

/* --- Operations ------------------------------------------------------------------- */

covet_op *covetL_checked(lua_State *L, covet_op *op)
{
  if (op == NULL) {
    luaL_error(L, "out of memory");
  }
  return op;
}

static int l_sleep(lua_State *L)
{
  binding *state = covetL_binding(L);
  double seconds = luaL_checknumber(L, 1);
  uint64_t delay_us = 0;

  luaL_argcheck(L, seconds == seconds, 1, "not a number");
  if (seconds > 0) {
    delay_us = seconds > 9e9 ? 9000000000000000U : (uint64_t) (seconds * 1e6);
  }
  return covetL_submit(
      L, state, covetL_checked(L, covet_op_sleep(covetL_runtime(L), delay_us)));
}

/* An abandoned operation that borrows from Lua: drop what it has; it is freed as
 * soon as it has ended, else it stands on the completion queue again. */
static void drain_abandoned(lua_State *L, binding *state, covet_op *op)
{
  int more;

  do {
    covet_batch *batch = covet_op_take(op, &more);

    while (batch != NULL) {
      covet_batch *next = batch->next;

      covet_batch_free(batch);
      batch = next;
    }
    if (!more) {
      covetL_drop_anchor(L, state, op);
      covet_op_free(op);
      return;
    }
  } while (covet_op_next(op) != 0);
}

/* The next operation with news that somebody wants, and its token on the stack;
 * or NULL. */
static covet_op *next_news(lua_State *L, binding *state)
{
  covet_op *op = NULL;

  while (state->runtime != NULL && (op = covet_reap(state->runtime)) != NULL &&
         covet_op_data(op) == (void *) ANCHORED_ABANDONED) {
    drain_abandoned(L, state, op);
  }
  if (op != NULL) {
    lua_pushnumber(L, (lua_Number) covet_op_token(op));
  }
  return op;
}

static int l_reap(lua_State *L)
{
  binding *state = covetL_binding(L);
  covet_op *op = next_news(L, state);

  return op == NULL ? 0 : 1 + covetL_push_completion(L, state, op);
}

/* reap_token() -> token: the news stand until `take`. Until then the operation's
 * owner does not know of them: given up, it leaves nothing behind. */
static int l_reap_token(lua_State *L)
{
  covet_op *op = next_news(L, covetL_binding(L));

  if (op == NULL) {
    return 0;
  }
  op->seen = false;
  return 1;
}

uint64_t covetL_id(lua_State *L, int index)
{
  double value = lua_isnoneornil(L, index) ? 0 : luaL_checknumber(L, index);

  return value >= 0 && value < 9007199254740992.0 ? (uint64_t) value
                                                  : UINT64_MAX;
}

static covet_op *op_at(lua_State *L, int index)
{
  return covet_op_find(covetL_runtime(L), covetL_id(L, index));
}

/* take(token) -> the completion that reap_token has told of */
static int l_take(lua_State *L)
{
  covet_op *op = op_at(L, 1);

  if (op == NULL) {
    return luaL_error(L, "the operation has ended");
  }
  op->seen = op->finished;
  return covetL_push_completion(L, covetL_binding(L), op);
}

static int l_next(lua_State *L)
{
  covet_op *op = op_at(L, 1);

  if (op == NULL) {
    return luaL_error(L, "the operation has ended");
  }
  if (covet_op_next(op) == 0) {
    lua_settop(L, 1);
    return 1;
  }
  lua_pushnil(L);
  return 1 + covetL_push_completion(L, covetL_binding(L), op);
}

/* place(token): lane, size of the lane, whether it waits there; or nothing */
static int l_place(lua_State *L)
{
  covet_op *op = op_at(L, 1);
  covet_place place;

  if (op == NULL || covet_op_place(op, &place) != 0) {
    return 0;
  }
  lua_pushinteger(L, (lua_Integer) place.lane);
  lua_pushinteger(L, (lua_Integer) place.size);
  lua_pushboolean(L, place.queued);
  return 3;
}

static int l_cancel(lua_State *L)
{
  covet_op *op = op_at(L, 1);

  if (op != NULL) {
    covet_cancel(op);
  }
  lua_pushboolean(L, op != NULL);
  return 1;
}

static int l_abandon(lua_State *L)
{
  covet_op *op = op_at(L, 1);

  if (op == NULL) {
    return 0;
  }
  if (covet_op_data(op) == NULL) {
    covet_op_free(op);
    return 0;
  }
  /* it still reads strings that Lua owns: they stay until its end is reaped */
  covet_op_set_data(op, (void *) ANCHORED_ABANDONED);
  covet_cancel(op);
  drain_abandoned(L, covetL_binding(L), op);
  return 0;
}

/* --- Adapters ---------------------------------------------------------------------- */

covet_adapter *covetL_adapter(lua_State *L, int index)
{
  covet_adapter **box = luaL_checkudata(L, index, ADAPTER_TYPE);

  if (*box == NULL) {
    luaL_argerror(L, index, "the adapter was freed");
    return NULL;
  }
  return *box;
}

static int l_adapter_gc(lua_State *L)
{
  covet_adapter **box = lua_touserdata(L, 1);
  binding *state;

  lua_pushlightuserdata(L, (void *) (uintptr_t) &binding_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  state = lua_touserdata(L, -1);
  if (box != NULL && *box != NULL && state != NULL && state->runtime != NULL &&
      state->pid == (long) getpid()) {
    covet_adapter_free(*box);
    *box = NULL;
  }
  return 0;
}

enum { MOST_OPTIONS = 64 };

static size_t read_options(lua_State *L, int index, covet_option *options)
{
  size_t count = lua_objlen(L, index);

  if (count > MOST_OPTIONS) {
    luaL_argerror(L, index, "too many options");
  }
  luaL_checkstack(L, (int) count * 2 + 4, "options");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int) i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    options[i].name = luaL_checkstring(L, -2);
    options[i].value = luaL_checkstring(L, -1);
    lua_remove(L, -3); /* the strings stay: the options point to them */
  }
  return count;
}

static int l_adapter(lua_State *L)
{
  covet_runtime *runtime = covetL_runtime(L);
  const char *url = luaL_checkstring(L, 1);
  covet_option options[MOST_OPTIONS];
  size_t count = lua_istable(L, 2) ? read_options(L, 2, options) : 0;
  covet_adapter **box = lua_newuserdata(L, sizeof(void *));
  covet_error error;

  *box = NULL;
  luaL_getmetatable(L, ADAPTER_TYPE);
  lua_setmetatable(L, -2);
  if (covet_adapter_new(runtime, url, options, count, box, &error) != 0) {
    lua_pushnil(L);
    covetL_push_error(L, &error);
    return 2;
  }
  return 1;
}

static int l_connect(lua_State *L)
{
  uint64_t timeout_ms =
      covetL_duration(L, 2, 1e3); /* raises: before there is an op */
  covet_op *op = covetL_checked(L, covet_op_connect(covetL_adapter(L, 1)));

  covet_op_set_timeout(op, timeout_ms);
  return covetL_submit(L, covetL_binding(L), op);
}

static int l_disconnect(lua_State *L)
{
  uint64_t timeout_ms = covetL_duration(L, 2, 1e3);
  covet_op *op = covetL_checked(L, covet_op_disconnect(covetL_adapter(L, 1)));

  covet_op_set_timeout(op, timeout_ms);
  return covetL_submit(L, covetL_binding(L), op);
}

static int l_drain(lua_State *L)
{
  uint64_t timeout_ms = covetL_duration(L, 2, 1e3);
  covet_op *op = covetL_checked(L, covet_op_drain(covetL_adapter(L, 1)));

  covet_op_set_timeout(op, timeout_ms);
  return covetL_submit(L, covetL_binding(L), op);
}

static int push_status(lua_State *L, int status, const covet_error *error)
{
  lua_pushboolean(L, status == 0);
  if (status == 0) {
    return 1;
  }
  covetL_push_error(L, error);
  return 2;
}

/* configure(adapter, options) -> true, or false and the error's fields */
static int l_configure(lua_State *L)
{
  covet_adapter *adapter = covetL_adapter(L, 1);
  covet_option options[MOST_OPTIONS];
  covet_error error;
  size_t count;

  luaL_checktype(L, 2, LUA_TTABLE);
  count = read_options(L, 2, options);
  return push_status(
      L, covet_adapter_configure(adapter, options, count, &error), &error);
}

/* evict(adapter) -> true, or false and the error's fields */
static int l_evict(lua_State *L)
{
  covet_error error;

  return push_status(L, covet_adapter_evict(covetL_adapter(L, 1), &error),
                     &error);
}

/* stats(adapter) -> the figures of its pools, and of its calls */
static int l_stats(lua_State *L)
{
  covet_adapter *adapter = covetL_adapter(L, 1);
  covet_pool_stats pools;
  covet_adapter_stats stats;

  covet_adapter_get_figures(adapter, &pools, &stats);
  covetL_push_pool_stats(L, &pools);
#define FIELD(name)                                                            \
  lua_pushnumber(L, (lua_Number) stats.name);                                  \
  lua_setfield(L, -2, #name)
  FIELD(size);
  FIELD(free);
  FIELD(used);
  FIELD(created);
  FIELD(destroyed);
  FIELD(queries);
  FIELD(inline_queries);
  FIELD(errors);
  FIELD(timeouts);
  FIELD(cache_hits);
  FIELD(cache_misses);
  FIELD(p50_us);
  FIELD(p95_us);
  FIELD(p99_us);
  FIELD(max_us);
#undef FIELD
  return 1;
}

/* --- The module ----------------------------------------------------------------------- */

static int l_state_gc(lua_State *L)
{
  binding *state = lua_touserdata(L, 1);

  if (state->owned && state->runtime != NULL && state->pid == (long) getpid()) {
    covet_runtime_free(state->runtime, 2000);
  }
  state->runtime = NULL;
  return 0;
}

binding *covetL_push_binding(lua_State *L)
{
  binding *state;

  lua_pushlightuserdata(L, (void *) (uintptr_t) &binding_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  state = lua_touserdata(L, -1);
  if (state != NULL) {
    return state;
  }
  lua_pop(L, 1);
  state = lua_newuserdata(L, sizeof(*state));
  memset(state, 0, sizeof(*state));
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_state_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_newtable(L);
  state->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlightuserdata(L, (void *) (uintptr_t) &binding_key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return state;
}

static void push_flags(lua_State *L)
{
  static const struct {
    const char *name;
    int value;
  } flags[] = {
      {"ROWS", COVET_QUERY_ROWS},
      {"SCRIPT", COVET_QUERY_SCRIPT},
      {"ONE", COVET_QUERY_ONE},
      {"DESCRIBE", COVET_QUERY_DESCRIBE},
      {"STREAM", COVET_QUERY_STREAM},
      {"MANY", COVET_QUERY_MANY},
      {"READ_ONLY", COVET_QUERY_READ_ONLY},
      {"TRANSACTION", COVET_QUERY_TRANSACTION},
      {"INSIDE", COVET_QUERY_INSIDE},
      {"PIPELINE", COVET_QUERY_PIPELINE},
      {"SETS", COVET_QUERY_SETS},
  };

  lua_newtable(L);
  for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
    lua_pushinteger(L, flags[i].value);
    lua_setfield(L, -2, flags[i].name);
  }
}

static void push_versions(lua_State *L)
{
  lua_newtable(L);
  lua_pushliteral(L, COVET_VERSION);
  lua_setfield(L, -2, "covet");
  lua_pushliteral(L, LUAJIT_VERSION);
  lua_setfield(L, -2, "luajit");
  lua_pushstring(L, uv_version_string());
  lua_setfield(L, -2, "libuv");
#ifdef COVET_HAVE_SQLITE
  lua_pushstring(L, sqlite3_libversion());
  lua_setfield(L, -2, "sqlite");
#endif
}

/* has(database) -> whether its driver is in this build */
static int l_has(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  const covet_driver *const *driver = covet_drivers;

  while (*driver != NULL && strcmp((*driver)->name, name) != 0) {
    driver++;
  }
  lua_pushboolean(L, *driver != NULL);
  return 1;
}

/* A function's address as data: what LuaJIT's FFI casts back. */
static void push_function_pointer(lua_State *L, void (*function)(void))
{
  void *address;

  memcpy(&address, &function, sizeof(address));
  lua_pushlightuserdata(L, address);
}

static const luaL_Reg functions[] = {
    {"start", l_start},
    {"mode", l_mode},
    {"step", l_step},
    {"reap", l_reap},
    {"reap_token", l_reap_token},
    {"take", l_take},
    {"next", l_next},
    {"place", l_place},
    {"cancel", l_cancel},
    {"abandon", l_abandon},
    {"pending", l_pending},
    {"fd", l_fd},
    {"timeout", l_timeout},
    {"listen", l_listen},
    {"now", l_now},
    {"caller", l_caller},
    {"sleep", l_sleep},
    {"adapter", l_adapter},
    {"connect", l_connect},
    {"disconnect", l_disconnect},
    {"drain", l_drain},
    {"configure", l_configure},
    {"evict", l_evict},
    {"stats", l_stats},
    {"query", covetL_query},
    {"query_list", covetL_query_list},
    {"call", covetL_call},
    {"call_list", covetL_call_list},
    {"has", l_has},
    {"create_function", covetL_create_function},
};

static void make_adapter_type(lua_State *L)
{
  luaL_newmetatable(L, ADAPTER_TYPE);
  lua_pushcfunction(L, l_adapter_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, ADAPTER_TYPE);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
}

int luaopen_covet_core(lua_State *L)
{
  make_adapter_type(L);
  (void) covetL_push_binding(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, functions[i].func, 1);
    lua_setfield(L, -2, functions[i].name);
  }
  covetL_add_events(L);
  covetL_add_leases(L);
  covetL_add_pools(L);
  push_flags(L);
  lua_setfield(L, -2, "flags");
  push_versions(L);
  lua_setfield(L, -2, "versions");
  lua_pushliteral(L, COVET_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  push_function_pointer(L, (void (*)(void)) covet_batch_free);
  lua_setfield(L, -2, "free_batch");
  lua_pushlightuserdata(L, (void *) (uintptr_t) covet_arrow_functions_get());
  lua_setfield(L, -2, "arrow");
  return 1;
}
