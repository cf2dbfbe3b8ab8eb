/* The Lua state of the command, over mimalloc where it was built with it. */
#ifndef COVET_HOST_MEMORY_H
#define COVET_HOST_MEMORY_H

#include <lua.h>

/* A new state, or NULL when memory is out. */
lua_State *covet_new_state(void);

#endif
