/**
 * SIGINT and SIGTERM while Lua computes and the loop does not turn.
 *
 * libuv tells of signals in the loop. A script that computes without waiting
 * never gets there, so this stands in front of libuv's handler: when the loop
 * has not taken note of one after two seconds, or before the next one comes, the
 * process ends with status 130 or 143.
 */
#ifndef COVET_HOST_INTERRUPT_H
#define COVET_HOST_INTERRUPT_H

#include <lua.h>

/** The loop has turned: what came so far is taken care of. */
void covet_interrupt_seen(void);

/** `luaopen_` of `covet.interrupt`: `watch()`, to be called when libuv watches
 *  the signals already. */
int luaopen_covet_interrupt(lua_State *L);

#endif
