/** What the binding's files share. */
#ifndef COVET_LUA_BINDING_H
#define COVET_LUA_BINDING_H

#include "../core/pool.h"
#include "../covet.h"

#include <lauxlib.h>
#include <lua.h>

/** One for each Lua state: the first upvalue of every function. */
typedef struct binding {
  covet_runtime *runtime;
  int owned;   /* the runtime is this state's own */
  int mode;    /* of the runtime, covet_mode */
  long pid;    /* of the process that made it */
  int anchors; /* registry: token -> strings that an operation borrows */
} binding;

/** Also holds what an operation borrows from Lua, as its `data`. */
enum { ANCHORED = 1, ANCHORED_ABANDONED = 2 };

/** The state's binding, from the first upvalue. */
binding *covetL_binding(lua_State *L);

/** Push the state's binding, made at the first call. */
binding *covetL_push_binding(lua_State *L);

/** The runtime; raises when there is none (core.start was not called). */
covet_runtime *covetL_runtime(lua_State *L);

/** The adapter at `index`; raises on anything else and after it was freed. */
covet_adapter *covetL_adapter(lua_State *L, int index);

/** The number of a token or a lease at `index`, nil: 0. What was never one is
 *  UINT64_MAX, which names nothing. */
uint64_t covetL_id(lua_State *L, int index);

/** Seconds at `index` as the unit given by `scale`, 0 when absent or infinite: no
 *  deadline. No seconds are a deadline, the shortest there is. */
uint64_t covetL_duration(lua_State *L, int index, double scale);

/** A new operation; raises when it is NULL. */
covet_op *covetL_checked(lua_State *L, covet_op *op);

/** Push a table of an error's fields. */
void covetL_push_error(lua_State *L, const covet_error *error);

/** Push `ok, more, ...` of an operation with news; free it when it has ended.
 *  Returns the number of values. */
int covetL_push_completion(lua_State *L, binding *state, covet_op *op);

/** Submit and push `token` or `nil` and the completion. */
int covetL_submit(lua_State *L, binding *state, covet_op *op);

/** Push `nil, false, false, error` for an operation that is not submitted. */
int covetL_refuse(lua_State *L, binding *state, covet_op *op,
                  const covet_error *error);

/** Append the value at `index` as a parameter, `number` in messages. Returns 0,
 *  or fills in the error. */
int covetL_add_param(lua_State *L, binding *state, covet_op *op, int index,
                     int number, covet_error *error);

/** Forget what the operation borrowed. */
void covetL_drop_anchor(lua_State *L, binding *state, covet_op *op);

/** Push a pool's figures as a table, times in seconds. */
void covetL_push_pool_stats(lua_State *L, const covet_pool_stats *stats);

/** Add the functions of events; the binding stands below the module. */
void covetL_add_events(lua_State *L);

/** Add the functions of leases; the binding stands below the module. */
void covetL_add_leases(lua_State *L);

/** Add the functions of pools to the module on top of the stack. */
void covetL_add_pools(lua_State *L);

int covetL_query(lua_State *L);
int covetL_query_list(lua_State *L);
int covetL_call_list(lua_State *L);
int covetL_call(lua_State *L);
int covetL_create_function(lua_State *L);

#endif
