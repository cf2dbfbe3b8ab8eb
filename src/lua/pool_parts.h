/** Pools of a user's own objects in the binding: what its files share. */
#ifndef COVET_LUA_POOL_PARTS_H
#define COVET_LUA_POOL_PARTS_H

#include "../core/pool.h"

#include "binding.h"

#define POOL_TYPE "covet.core.pool"

/** A waiter's place in a pool: Lua has its number. */
typedef struct ticket ticket;

typedef struct lua_pool {
  covet_pool *pool;
  uint64_t armed_us; /* the time that Lua waits for already */
  ticket **blocks;   /* of tickets */
  uint32_t block_count;
  uint32_t block_capacity;
  uint32_t unused; /* the number of the first ticket that is free, 0: none */
  covet_pool_waiter hasty; /* of who does not wait */
  uint64_t last_us;        /* the latest time that the pool was told */
} lua_pool;

/** The functions of each file, ended by a name of NULL. */
extern const luaL_Reg covet_lua_pool_config[];
extern const luaL_Reg covet_lua_pool_loans[];
extern const luaL_Reg covet_lua_pool_places[];
extern const luaL_Reg covet_lua_pool_stats[];

/** The pool at index 1; raises on anything else. */
lua_pool *covetL_pool(lua_State *L);

/** Push what `pool_next` says of a GRANT or a FAIL. Returns the number of
 *  values. */
int covetL_push_answer(lua_State *L, lua_pool *self,
                       const covet_pool_action *action);

/** Push the function at `level`, and set its line in `place`; mostly it is the
 *  caller that is meant. False, and nothing pushed, for level 0 or if there is
 *  none. */
bool covetL_push_place(lua_State *L, int level, lua_Debug *place);

/** Note where the connection of a slot was taken: the function at `level` and
 *  its line, in the table at `places`; a text is made of them when somebody
 *  asks. */
void covetL_note_place(lua_State *L, int places, covet_pool_slot_id slot,
                       int level);

void covet_lua_pool_free_tickets(lua_pool *self);

/** The time that the pool is told. */
static inline uint64_t covet_lua_pool_now(lua_pool *self)
{
  self->last_us = covet_now_us();
  return self->last_us;
}

/** A point in time; from 1e9 seconds on it lies in eternity. */
static inline uint64_t covet_lua_deadline(uint64_t start_us, double seconds)
{
  return seconds < 1e9 ? start_us + (uint64_t) (seconds * 1e6) : UINT64_MAX;
}

#endif
