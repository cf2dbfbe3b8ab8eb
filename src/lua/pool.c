/* Pools of a user's own objects: the state machine for Lua, which carries its
 * actions out (lua/covet/pool). A *ticket* is a waiter's number. */
#include "../core/pool.h"

#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL_TYPE "covet.core.pool"

typedef struct ticket {
  covet_pool_waiter waiter;
  uint32_t number;     /* from 1 */
  int line;            /* of who waits, -1: not noted */
  struct ticket *next; /* of those that are free */
} ticket;

typedef struct lua_pool {
  covet_pool *pool;
  uint64_t armed_us; /* the time that Lua waits for already */
  ticket **tickets;
  uint32_t ticket_count;
  uint32_t ticket_capacity;
  ticket *unused;
  covet_pool_waiter hasty; /* of who does not wait */
  uint64_t last_us;        /* the latest time that the pool was told */
} lua_pool;

static lua_pool *covetL_pool(lua_State *L)
{
  lua_pool *self = luaL_checkudata(L, 1, POOL_TYPE);

  luaL_argcheck(L, self->pool != NULL, 1, "the pool was freed");
  return self;
}

/* --- Time ---------------------------------------------------------------------- */

static uint64_t now_of(lua_pool *self)
{
  self->last_us = covet_now_us();
  return self->last_us;
}

/* For loans that nobody waits for: exact to some milliseconds, for a quarter of
 * the price; never before a time that was told already. */
static uint64_t roughly_now(lua_pool *self)
{
  struct timespec now;
  uint64_t us;

  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  us = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
  if (us > self->last_us) {
    self->last_us = us;
  }
  return self->last_us;
}

/* --- Tickets ------------------------------------------------------------------- */

static bool grow_tickets(lua_pool *self)
{
  uint32_t capacity =
      self->ticket_capacity == 0 ? 8 : self->ticket_capacity * 2;
  ticket **tickets;

  if (self->ticket_count < self->ticket_capacity) {
    return true;
  }
  tickets = realloc(self->tickets, sizeof(ticket *) * capacity);
  if (tickets == NULL) {
    return false;
  }
  self->tickets = tickets;
  self->ticket_capacity = capacity;
  return true;
}

static ticket *new_ticket(lua_pool *self)
{
  ticket *made = grow_tickets(self) ? calloc(1, sizeof(*made)) : NULL;

  if (made != NULL) {
    self->tickets[self->ticket_count++] = made;
    made->number = self->ticket_count;
  }
  return made;
}

static ticket *covetL_take_ticket(lua_State *L, lua_pool *self)
{
  ticket *taken = self->unused;

  if (taken == NULL) {
    taken = new_ticket(self);
    if (taken == NULL) {
      luaL_error(L, "out of memory");
      return NULL;
    }
  } else {
    self->unused = taken->next;
  }
  return taken;
}

static void put_ticket(lua_pool *self, ticket *given)
{
  given->next = self->unused;
  self->unused = given;
}

static ticket *ticket_of(covet_pool_waiter *waiter)
{
  return COVET_CONTAINER(waiter, ticket, waiter);
}

/* --- Places ----------------------------------------------------------------------- */

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

/* The function at `level`, and its line in `place`; mostly it is the caller. */
static bool push_place(lua_State *L, int level, lua_Debug *place)
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

/* Where the connection of a slot was taken: the function and its line, in the
 * table at `places`; a text is made of them when somebody asks. */
static void note_place(lua_State *L, int places, covet_pool_slot_id slot,
                       int level)
{
  lua_Debug place;

  if (!push_place(L, level, &place)) {
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

/* --- Attention ---------------------------------------------------------------------- */

/* Whether Lua has something to do: carry out actions, or set its timer. */
static void push_attention(lua_State *L, const lua_pool *self)
{
  lua_pushboolean(L, covet_pool_has_next(self->pool) ||
                         covet_pool_due_us(self->pool) < self->armed_us);
}

/* pool_due(pool) -> seconds until it wants a tick, or nil; that time counts as
 * waited for from now on. */
static int l_due(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  uint64_t due_us = covet_pool_due_us(self->pool);
  uint64_t now_us = now_of(self);

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

  covet_pool_tick(self->pool, now_of(self));
  return 0;
}

/* --- Asking and giving back ------------------------------------------------------------ */

static const char *const failures[] = {
    "none", "timeout",      "exhausted",      "deadlock",
    "shut", "breaker_open", "connect_failed", "no_memory"};

/* What is called for every loan has the pool and its places as upvalues: to check
 * an argument would cost as much as the rest. */
enum { PLACES_UPVALUE = 2 };

static lua_pool *pool_upvalue(lua_State *L)
{
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* try(owner, level) -> slot, lease, attention; nil when that needs a wait.
 * `level` is whose call it is, counted from the caller; 0: not noted. */
static int l_try(lua_State *L)
{
  lua_pool *self = pool_upvalue(L);
  covet_pool_waiter *waiter = &self->hasty;
  uint64_t now_us = roughly_now(self);
  covet_pool_slot_id slot;

  if (!covet_pool_peek(self->pool, now_us, &slot)) {
    return 0;
  }
  waiter->owner = (uint64_t) lua_tonumber(L, 1);
  if (covet_pool_acquire(self->pool, now_us, waiter) != COVET_POOL_GRANTED) {
    return 0;
  }
  note_place(L, lua_upvalueindex(PLACES_UPVALUE), waiter->slot,
             (int) lua_tointeger(L, 2));
  lua_pushinteger(L, (lua_Integer) waiter->slot + 1);
  lua_pushnumber(L, (lua_Number) waiter->lease);
  push_attention(L, self);
  return 3;
}

static uint64_t deadline_after(uint64_t start_us, double seconds)
{
  return seconds < 1e9 ? start_us + (uint64_t) (seconds * 1e6) : UINT64_MAX;
}

static uint64_t deadline_in(lua_State *L, int index)
{
  if (lua_isnoneornil(L, index)) {
    return 0; /* the pool's own */
  }
  return deadline_after(covet_now_us(), lua_tonumber(L, index));
}

/* The functions that wait stand in a table of their own, at index 0 of the
 * places: by ticket, in its array part, for there may be thousands. */
static void push_waiters(lua_State *L)
{
  lua_getfenv(L, 1);
  lua_rawgeti(L, -1, 0);
  lua_remove(L, -2);
}

static void note_waiter(lua_State *L, ticket *given, int level)
{
  lua_Debug place;

  given->line = -1;
  push_waiters(L);
  if (!push_place(L, level, &place)) {
    lua_pop(L, 1);
    return;
  }
  lua_rawseti(L, -2, (int) given->number);
  given->line = place.currentline;
  lua_pop(L, 1);
}

/* What was noted of the waiter is its slot's now. */
static void move_place(lua_State *L, const ticket *given)
{
  int slot = (int) given->waiter.slot;

  if (given->line < 0) {
    return;
  }
  lua_getfenv(L, 1);
  push_waiters(L);
  lua_rawgeti(L, -1, (int) given->number);
  lua_rawseti(L, -3, slot * 2 + 1);
  lua_pushinteger(L, given->line);
  lua_rawseti(L, -3, slot * 2 + 2);
  lua_pop(L, 2);
}

/* pool_wait(pool, owner, timeout, level) -> "granted", slot, lease; "queued",
 * ticket; "refused", why. Look for actions after it. */
static int l_wait(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  ticket *taken = covetL_take_ticket(L, self);
  covet_pool_waiter *waiter = &taken->waiter;

  waiter->owner = (uint64_t) lua_tonumber(L, 2);
  waiter->deadline_us = deadline_in(L, 3);
  note_waiter(L, taken, (int) lua_tointeger(L, 4));
  switch (covet_pool_acquire(self->pool, now_of(self), waiter)) {
  case COVET_POOL_GRANTED:
    move_place(L, taken);
    put_ticket(self, taken);
    lua_pushliteral(L, "granted");
    lua_pushinteger(L, (lua_Integer) waiter->slot + 1);
    lua_pushnumber(L, (lua_Number) waiter->lease);
    return 3;
  case COVET_POOL_QUEUED:
    lua_pushliteral(L, "queued");
    lua_pushinteger(L, (lua_Integer) taken->number);
    return 2;
  case COVET_POOL_REFUSED:
    break;
  }
  put_ticket(self, taken);
  lua_pushliteral(L, "refused");
  lua_pushstring(L, failures[waiter->failure]);
  return 2;
}

static ticket *covetL_check_ticket(lua_State *L, lua_pool *self, int index)
{
  lua_Integer number = luaL_checkinteger(L, index);

  luaL_argcheck(L, number >= 1 && number <= (lua_Integer) self->ticket_count,
                index, "no such ticket");
  return self->tickets[number - 1];
}

/* pool_cancel(pool, ticket): only for one that was not told of. */
static int l_cancel(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  ticket *given = covetL_check_ticket(L, self, 2);

  covet_pool_cancel(self->pool, now_of(self), &given->waiter);
  put_ticket(self, given);
  return 0;
}

/* release(lease, verdict) -> attention; nil when it is not lent. */
static int l_release(lua_State *L)
{
  lua_pool *self = pool_upvalue(L);
  covet_lease lease = (covet_lease) lua_tonumber(L, 1);
  int verdict = (int) lua_tointeger(L, 2);
  uint64_t now_us = covet_pool_first_waiter(self->pool) == NULL
                        ? roughly_now(self)
                        : now_of(self);

  if (covet_pool_release(self->pool, now_us, lease,
                         (covet_pool_verdict) verdict) != 0) {
    return 0;
  }
  push_attention(L, self);
  return 1;
}

/* pool_reclaim(pool, lease) -> whether it was lent */
static int l_reclaim(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_lease lease = (covet_lease) luaL_checknumber(L, 2);

  lua_pushboolean(L, covet_pool_reclaim(self->pool, now_of(self), lease) == 0);
  return 1;
}

/* pool_lent(pool, lease) -> whether it is lent still */
static int l_lent(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_lease lease = (covet_lease) luaL_checknumber(L, 2);
  covet_pool_slot_id slot;

  lua_pushboolean(L, covet_pool_find(self->pool, lease, &slot));
  return 1;
}

/* pool_reject(pool, lease, owner, timeout, waited, level) -> ticket, or nil when
 * it is not lent any more: the connection is closed, and its waiter stands first
 * in the queue. `waited`: for how many seconds of its timeout it has done so
 * already. */
static int l_reject(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_lease lease = (covet_lease) luaL_checknumber(L, 2);
  ticket *taken = covetL_take_ticket(L, self);
  uint64_t now_us = now_of(self);
  uint64_t waited_us = (uint64_t) (luaL_checknumber(L, 5) * 1e6);

  taken->waiter.owner = (uint64_t) lua_tonumber(L, 3);
  taken->waiter.since_us = waited_us < now_us ? now_us - waited_us : 0;
  taken->waiter.deadline_us =
      deadline_after(taken->waiter.since_us, luaL_checknumber(L, 4));
  note_waiter(L, taken, (int) lua_tointeger(L, 6));
  if (covet_pool_reject(self->pool, now_us, lease, &taken->waiter) != 0) {
    put_ticket(self, taken);
    return 0;
  }
  lua_pushinteger(L, (lua_Integer) taken->number);
  return 1;
}

/* --- Actions ------------------------------------------------------------------------------ */

static int push_answer(lua_State *L, lua_pool *self,
                       const covet_pool_action *action)
{
  ticket *given = ticket_of(action->waiter);

  put_ticket(self, given);
  lua_pushstring(L, action->type == COVET_POOL_GRANT ? "grant" : "fail");
  lua_pushinteger(L, (lua_Integer) given->number);
  if (action->type == COVET_POOL_FAIL) {
    lua_pushstring(L, failures[action->waiter->failure]);
    return 3;
  }
  move_place(L, given);
  lua_pushinteger(L, (lua_Integer) action->slot + 1);
  lua_pushnumber(L, (lua_Number) action->lease);
  return 4;
}

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
    return push_answer(L, self, &action);
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
  uint64_t now_us = now_of(self);

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

/* pool_do(pool, "warm" | "evict" | "drain" | "close"[, seconds]) */
static int l_do(lua_State *L)
{
  static const char *const names[] = {"warm", "evict", "drain", "close", NULL};
  lua_pool *self = covetL_pool(L);
  uint64_t now_us = now_of(self);

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
    covet_pool_close(self->pool, now_us, deadline_in(L, 3));
    break;
  }
  return 0;
}

/* --- Configuration ---------------------------------------------------------------------------- */

static double number_at(lua_State *L, const char *name, double otherwise)
{
  double value;

  lua_getfield(L, 2, name);
  value = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return value;
}

/* Never is 0 for the pool, and infinity in Lua; at once is a microsecond. */
static void set_us(lua_State *L, const char *name, uint64_t *us)
{
  double seconds = number_at(L, name, (double) *us / 1e6);

  if (seconds > 1e9) {
    *us = 0;
  } else {
    *us = seconds * 1e6 < 1 ? 1 : (uint64_t) (seconds * 1e6);
  }
}

static void set_count(lua_State *L, const char *name, uint32_t *count)
{
  double value = number_at(L, name, *count);

  *count = value < 0 ? 0 : value > UINT32_MAX ? 0 : (uint32_t) value;
}

static void set_flag(lua_State *L, const char *name, bool *flag)
{
  lua_getfield(L, 2, name);
  if (!lua_isnil(L, -1)) {
    *flag = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
}

/* The table at index 2, flat, with times in seconds; what is absent keeps its
 * default. */
static void read_config(lua_State *L, covet_pool_config *config)
{
  set_count(L, "min_size", &config->min_size);
  set_count(L, "max_size", &config->max_size);
  set_count(L, "max_waiting", &config->max_waiting);
  set_count(L, "connect_parallel", &config->connect_parallel);
  set_count(L, "retry_attempts", &config->retry_attempts);
  set_count(L, "breaker_failures", &config->breaker_failures);
  set_us(L, "acquire_timeout", &config->acquire_timeout_us);
  set_us(L, "idle_timeout", &config->idle_timeout_us);
  set_us(L, "max_lifetime", &config->max_lifetime_us);
  set_us(L, "health_check_interval", &config->health_check_interval_us);
  set_us(L, "leak_timeout", &config->leak_timeout_us);
  set_us(L, "retry_backoff", &config->retry_backoff_us);
  set_us(L, "retry_max_backoff", &config->retry_max_backoff_us);
  set_us(L, "breaker_window", &config->breaker_window_us);
  set_us(L, "breaker_cooldown", &config->breaker_cooldown_us);
  set_us(L, "connect_timeout", &config->connect_timeout_us);
  set_us(L, "check_timeout", &config->check_timeout_us);
  set_us(L, "close_timeout", &config->close_timeout_us);
  set_flag(L, "pre_ping", &config->pre_ping);
  set_flag(L, "test_on_borrow", &config->test_on_borrow);
  set_flag(L, "auto_scale", &config->auto_scale);
  set_flag(L, "leak_detection", &config->leak_detection);
  set_flag(L, "fifo", &config->fifo);
  set_flag(L, "retry_jitter", &config->retry_jitter);
  config->lifetime_jitter = number_at(L, "lifetime_jitter", 0.1);
  config->scale_up_threshold = number_at(L, "scale_up_threshold", 0.8);
  config->scale_down_threshold = number_at(L, "scale_down_threshold", 0.3);
  config->seed = covet_now_us() | 1;
}

static void read_reset(lua_State *L, covet_pool_config *config)
{
  static const char *const modes[] = {"auto", "always", "never", NULL};

  lua_getfield(L, 2, "reset");
  config->reset =
      (covet_pool_reset_mode) luaL_checkoption(L, -1, "auto", modes);
  lua_pop(L, 1);
}

/* pool(name, config) -> pool, or nil and the error's fields */
static int l_pool(lua_State *L)
{
  covet_pool_config config;
  covet_error error;
  lua_pool *self;

  luaL_checktype(L, 2, LUA_TTABLE);
  covet_pool_config_init(&config);
  read_config(L, &config);
  read_reset(L, &config);
  if (covet_pool_config_check(&config, &error) != 0) {
    lua_pushnil(L);
    covetL_push_error(L, &error);
    return 2;
  }
  self = lua_newuserdata(L, sizeof(*self));
  memset(self, 0, sizeof(*self));
  self->armed_us = UINT64_MAX;
  luaL_getmetatable(L, POOL_TYPE);
  lua_setmetatable(L, -2);
  lua_newtable(L);
  lua_newtable(L);
  lua_rawseti(L, -2, 0);
  lua_setfenv(L, -2);
  self->pool = covet_pool_new(&config);
  if (self->pool == NULL) {
    return luaL_error(L, "out of memory");
  }
  return 1;
}

/* pool_configure(pool, config) -> true, or false and the error's fields */
static int l_configure(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_pool_config config = *covet_pool_get_config(self->pool);
  covet_error error;

  luaL_checktype(L, 2, LUA_TTABLE);
  read_config(L, &config);
  read_reset(L, &config);
  if (covet_pool_configure(self->pool, now_of(self), &config, &error) != 0) {
    lua_pushboolean(L, 0);
    covetL_push_error(L, &error);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int l_pool_gc(lua_State *L)
{
  lua_pool *self = luaL_checkudata(L, 1, POOL_TYPE);

  covet_pool_free(self->pool);
  self->pool = NULL;
  for (uint32_t i = 0; i < self->ticket_count; i++) {
    free(self->tickets[i]);
  }
  free(self->tickets);
  self->tickets = NULL;
  self->ticket_count = 0;
  return 0;
}

/* --- Figures ------------------------------------------------------------------------------------ */

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

  covet_pool_get_stats(self->pool, now_of(self), &stats);
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
  uint64_t now_us = now_of(self);
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

/* pool_hands(pool) -> try, release */
static int l_hands(lua_State *L)
{
  (void) covetL_pool(L);
  lua_pushvalue(L, 1);
  lua_getfenv(L, 1);
  lua_pushcclosure(L, l_try, PLACES_UPVALUE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_release, 1);
  return 2;
}

static const luaL_Reg functions[] = {
    {"pool", l_pool},          {"pool_configure", l_configure},
    {"pool_do", l_do},         {"pool_wait", l_wait},
    {"pool_cancel", l_cancel}, {"pool_place", l_place},
    {"pool_hands", l_hands},   {"pool_reclaim", l_reclaim},
    {"pool_reject", l_reject}, {"pool_next", l_next},
    {"pool_report", l_report}, {"pool_tick", l_tick},
    {"pool_due", l_due},       {"pool_stats", l_stats},
    {"pool_loans", l_loans},   {"pool_lent", l_lent},
};

void covetL_add_pools(lua_State *L)
{
  luaL_newmetatable(L, POOL_TYPE);
  lua_pushcfunction(L, l_pool_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, POOL_TYPE);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    lua_pushcfunction(L, functions[i].func);
    lua_setfield(L, -2, functions[i].name);
  }
}
