/**
 * The command's Lua state: standard libraries, module paths, the runtime's
 * binding, luv on the same loop, the line editor.
 */
#ifndef COVET_HOST_STATE_H
#define COVET_HOST_STATE_H

#include <lua.h>
#include <uv.h>

#include "covet.h"

/**
 * Fill `L`. `loop` and `runtime` are borrowed until the state is closed;
 * `runtime` must stand on `loop`. Call it in the main thread of the state, for
 * luv runs its callbacks in the thread that opened it.
 *
 * May raise a Lua error: call it in protected mode.
 */
void covetL_open_state(lua_State *L, uv_loop_t *loop, covet_runtime *runtime);

/** Key in the registry of the function that is told of an error in a callback
 *  of luv: a message with a traceback, or the error object. */
#define COVET_CALLBACK_ERROR "covet.callback_error"

/** Message handler for lua_pcall: adds a traceback to messages, and leaves
 *  error objects as they are. */
int covetL_traceback(lua_State *L);

/** `luaopen_` of `covet.editline`, the line editor of the REPL (repl.c). */
int luaopen_covet_editline(lua_State *L);

#endif
