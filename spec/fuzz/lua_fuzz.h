/**
 * What the fuzzers of Lua code share: LuaJIT with covet's modules in it, and a
 * script that answers a function of one string. Anything that this function
 * raises is a finding, and so is a run that takes more instructions than its
 * input can explain. The build gives COVET_LUADIR and LuaJIT to fuzzers whose
 * name begins with `lua_`; without them every input fails.
 */
#ifndef COVET_SPEC_LUA_FUZZ_H
#define COVET_SPEC_LUA_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef COVET_LUADIR

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static lua_State *fuzz_state;

/* Before the leak check, which cannot see into LuaJIT's memory. */
static void fuzz_close(void)
{
  lua_sethook(fuzz_state, NULL, 0, 0);
  lua_close(fuzz_state);
}

static void fuzz_fail(lua_State *L)
{
  fprintf(stderr, "raised: %s\n", lua_tostring(L, -1));
  abort();
}

/* An error object as text, with the way to it. */
static int fuzz_to_text(lua_State *L)
{
  lua_settop(L, 1);
  lua_getglobal(L, "tostring");
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  luaL_traceback(L, L, lua_tostring(L, -1), 1);
  return 1;
}

/* The function that the script answers, at stack index 2. */
static lua_State *fuzz_open(const char *script)
{
  lua_State *L = luaL_newstate();

  if (L == NULL) {
    abort();
  }
  luaL_openlibs(L);
  /* without the compiler: hooks do not fire in compiled code */
  if (luaL_dostring(L, "package.path = '" COVET_LUADIR "/?.lua;" COVET_LUADIR
                       "/?/init.lua;' .. package.path jit.off()") != 0) {
    fuzz_fail(L);
  }
  lua_settop(L, 0);
  lua_pushcfunction(L, fuzz_to_text);
  if (luaL_dostring(L, script) != 0) {
    fuzz_fail(L);
  }
  return L;
}

static void fuzz_stop(lua_State *L, lua_Debug *debug)
{
  (void) debug;
  luaL_traceback(L, L, "too many instructions", 0);
  fuzz_fail(L);
}

static int fuzz_lua(const char *script, const uint8_t *data, size_t size)
{
  lua_State *L = fuzz_state;

  if (L == NULL) {
    L = fuzz_state = fuzz_open(script);
    (void) atexit(fuzz_close);
  }
  lua_sethook(L, fuzz_stop, LUA_MASKCOUNT, 1000000 + 2000 * (int) size);
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *) data, size);
  if (lua_pcall(L, 1, 0, 1) != 0) {
    fuzz_fail(L);
  }
  return 0;
}

#else

static int fuzz_lua(const char *script, const uint8_t *data, size_t size)
{
  (void) script;
  (void) data;
  (void) size;
  fputs("built without LuaJIT: see lua_fuzz.h\n", stderr);
  abort();
}

#endif
#endif
