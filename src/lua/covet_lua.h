/** The Lua binding: libcovet's operations as plain C functions. */
#ifndef COVET_LUA_H
#define COVET_LUA_H

#include "../covet.h"

#include <lua.h>

/** Load the module `covet.core` for this state. */
COVET_EXPORT int luaopen_covet_core(lua_State *L);

/**
 * Give a state the runtime that it shall use (*borrowed* until the state is
 * closed) and make `require "covet.core"` work in it without a file. NULL: the
 * state makes a runtime of its own when it needs one.
 */
COVET_EXPORT int covet_open_lua(lua_State *L, covet_runtime *runtime);

#endif
