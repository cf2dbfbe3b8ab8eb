/* Loans of a pool for Lua: who asks, who waits, where that was. A *ticket* is a
 * waiter's number. */
#include "pool_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* There may be thousands: they are made by the block, and kept small. */
enum { BLOCK = 64 };

struct ticket {
  covet_pool_waiter waiter;
  uint32_t number; /* from 1 */
  union {
    int line;      /* of who waits, -1: not noted */
    uint32_t next; /* the number of the next one that is free, 0: none */
  };
};

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

static bool grow_table(lua_pool *self)
{
  uint32_t capacity = self->block_capacity == 0 ? 4 : self->block_capacity * 2;
  ticket **blocks;

  if (self->block_count < self->block_capacity) {
    return true;
  }
  blocks = realloc(self->blocks, sizeof(ticket *) * capacity);
  if (blocks == NULL) {
    return false;
  }
  self->blocks = blocks;
  self->block_capacity = capacity;
  return true;
}

static ticket *ticket_at(const lua_pool *self, uint32_t number)
{
  return &self->blocks[(number - 1) / BLOCK][(number - 1) % BLOCK];
}

static void put_ticket(lua_pool *self, ticket *given)
{
  given->next = self->unused;
  self->unused = given->number;
}

static bool add_block(lua_pool *self)
{
  ticket *block = grow_table(self) ? calloc(BLOCK, sizeof(*block)) : NULL;

  if (block == NULL) {
    return false;
  }
  self->blocks[self->block_count++] = block;
  for (uint32_t i = BLOCK; i-- > 0;) { /* the lowest number comes first */
    block[i].number = (self->block_count - 1) * BLOCK + i + 1;
    put_ticket(self, &block[i]);
  }
  return true;
}

static ticket *covetL_take_ticket(lua_State *L, lua_pool *self)
{
  ticket *taken;

  if (self->unused == 0 && !add_block(self)) {
    luaL_error(L, "out of memory");
    return NULL;
  }
  taken = ticket_at(self, self->unused);
  self->unused = taken->next;
  return taken;
}

static ticket *ticket_of(covet_pool_waiter *waiter)
{
  return COVET_CONTAINER(waiter, ticket, waiter);
}

void covet_lua_pool_free_tickets(lua_pool *self)
{
  for (uint32_t i = 0; i < self->block_count; i++) {
    free(self->blocks[i]);
  }
  free(self->blocks);
  self->blocks = NULL;
  self->block_count = 0;
  self->unused = 0;
}

/* Whether Lua has something to do: carry out actions, or set its timer. */
static void push_attention(lua_State *L, const lua_pool *self)
{
  lua_pushboolean(L, covet_pool_has_next(self->pool) ||
                         covet_pool_due_us(self->pool) < self->armed_us);
}

/* --- Asking and giving back ------------------------------------------------------------ */

static const char *const failures[] = {
    "none", "timeout",      "exhausted",      "deadlock",
    "shut", "breaker_open", "connect_failed", "no_memory"};

/* What is called for every loan has the pool and its places as upvalues: to check
 * an argument would cost as much as the rest. */
enum { PLACES_UPVALUE = 2 };

static lua_pool *covetL_pool_upvalue(lua_State *L)
{
  lua_pool *self = lua_touserdata(L, lua_upvalueindex(1));

  if (self->pool == NULL) { /* a finalizer's call, after the pool's own */
    luaL_error(L, "the pool was freed");
  }
  return self;
}

/* try(owner, level) -> slot, lease, attention; nil when that needs a wait.
 * `level` is whose call it is, counted from the caller; 0: not noted. */
static int l_try(lua_State *L)
{
  lua_pool *self = covetL_pool_upvalue(L);
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
  covetL_note_place(L, lua_upvalueindex(PLACES_UPVALUE), waiter->slot,
                    (int) lua_tointeger(L, 2));
  lua_pushinteger(L, (lua_Integer) waiter->slot + 1);
  lua_pushnumber(L, (lua_Number) waiter->lease);
  push_attention(L, self);
  return 3;
}

static uint64_t deadline_in(lua_State *L, int index)
{
  if (lua_isnoneornil(L, index)) {
    return 0; /* the pool's own */
  }
  return covet_lua_deadline(covet_now_us(), lua_tonumber(L, index));
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
  if (!covetL_push_place(L, level, &place)) {
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
  switch (covet_pool_acquire(self->pool, covet_lua_pool_now(self), waiter)) {
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

  luaL_argcheck(
      L, number >= 1 && number <= (lua_Integer) self->block_count * BLOCK,
      index, "no such ticket");
  return ticket_at(self, (uint32_t) number);
}

/* pool_cancel(pool, ticket): only for one that was not told of. */
static int l_cancel(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  ticket *given = covetL_check_ticket(L, self, 2);

  covet_pool_cancel(self->pool, covet_lua_pool_now(self), &given->waiter);
  put_ticket(self, given);
  return 0;
}

/* release(lease, verdict) -> attention; nil when it is not lent. */
static int l_release(lua_State *L)
{
  lua_pool *self = covetL_pool_upvalue(L);
  covet_lease lease = (covet_lease) lua_tonumber(L, 1);
  int verdict = (int) lua_tointeger(L, 2);
  uint64_t now_us = covet_pool_first_waiter(self->pool) == NULL
                        ? roughly_now(self)
                        : covet_lua_pool_now(self);

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

  lua_pushboolean(
      L, covet_pool_reclaim(self->pool, covet_lua_pool_now(self), lease) == 0);
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
  double seconds = luaL_checknumber(L, 4);
  uint64_t waited_us = (uint64_t) (luaL_checknumber(L, 5) * 1e6);
  uint64_t now_us = covet_lua_pool_now(self);
  ticket *taken = covetL_take_ticket(L, self);

  taken->waiter.owner = (uint64_t) lua_tonumber(L, 3);
  taken->waiter.since_us = waited_us < now_us ? now_us - waited_us : 0;
  taken->waiter.deadline_us =
      covet_lua_deadline(taken->waiter.since_us, seconds);
  note_waiter(L, taken, (int) lua_tointeger(L, 6));
  if (covet_pool_reject(self->pool, now_us, lease, &taken->waiter) != 0) {
    put_ticket(self, taken);
    return 0;
  }
  lua_pushinteger(L, (lua_Integer) taken->number);
  return 1;
}

int covetL_push_answer(lua_State *L, lua_pool *self,
                       const covet_pool_action *action)
{
  ticket *given = ticket_of(action->waiter);

  lua_pushstring(L, action->type == COVET_POOL_GRANT ? "grant" : "fail");
  lua_pushinteger(L, (lua_Integer) given->number);
  if (action->type == COVET_POOL_FAIL) {
    put_ticket(self, given);
    lua_pushstring(L, failures[action->waiter->failure]);
    return 3;
  }
  move_place(L, given);
  put_ticket(self, given);
  lua_pushinteger(L, (lua_Integer) action->slot + 1);
  lua_pushnumber(L, (lua_Number) action->lease);
  return 4;
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

const luaL_Reg covet_lua_pool_loans[] = {
    {"pool_wait", l_wait},
    {"pool_cancel", l_cancel},
    {"pool_hands", l_hands},
    {"pool_reclaim", l_reclaim},
    {"pool_reject", l_reject},
    {"pool_lent", l_lent},
    {NULL, NULL},
};
