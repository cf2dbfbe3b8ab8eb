/*
 * Lua functions in SQL.
 *
 * A statement may run on a connection's worker thread, and a Lua state belongs
 * to one thread at a time: so each connection has a state of its own for each
 * function, made from the function's bytecode. It sees its arguments and Lua's
 * standard library, nothing of the host's state.
 */
#include "binding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <luajit.h>
#include <lualib.h>

typedef struct definition {
  char *code[2]; /* the function, or step and finish */
  size_t length[2];
  int aggregate;
} definition;

enum { SLOT_INT64 = 1, SLOT_DIGITS, SLOT_FIRST, SLOT_SECOND, SLOT_RESULT };

/* Integers that a double cannot hold are cdata in Lua; the C API knows none. */
static const char helpers[] =
    "local ffi = require 'ffi'\n"
    "local int64 = ffi.typeof 'int64_t'\n"
    "local function make(high, low) return int64(high) * 4294967296LL + low "
    "end\n"
    "local function digits(v)\n"
    "  if not ffi.istype(int64, v) then return nil end\n"
    "  return (tostring(v):gsub('LL$', ''))\n"
    "end\n"
    "return make, digits\n";

static int set_error(covet_error *error, const char *text)
{
  memset(error, 0, sizeof(*error));
  error->kind = COVET_ERROR_DATABASE_ERROR;
  strncpy(error->message, text == NULL ? "an error that is not a string" : text,
          sizeof(error->message) - 1);
  return -1;
}

static void close_state(void *state)
{
  lua_close(state);
}

/* How a state learns that its statement was cancelled. */
typedef struct watcher {
  int (*stopped)(const void *data);
  const void *data;
} watcher;

enum { HOOK_STEPS = 10000 };

static const char watcher_key = 'w';

static void on_count(lua_State *L, lua_Debug *info)
{
  const watcher *own;

  (void) info;
  lua_pushlightuserdata(L, (void *) (uintptr_t) &watcher_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  own = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (own->stopped(own->data)) {
    luaL_error(L, "interrupted");
  }
}

/* Compiled code calls no hooks, so these states are interpreted: a function that
 * does not end can be stopped. */
static void watch_state(void *state, int (*stopped)(const void *data),
                        const void *data)
{
  lua_State *L = state;
  watcher *own;

  lua_pushlightuserdata(L, (void *) (uintptr_t) &watcher_key);
  own = lua_newuserdata(L, sizeof(*own));
  own->stopped = stopped;
  own->data = data;
  lua_rawset(L, LUA_REGISTRYINDEX);
  (void) luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  (void) lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_STEPS);
}

static void *open_state(void *data, covet_error *error)
{
  const definition *d = data;
  lua_State *L = luaL_newstate();

  if (L == NULL) {
    set_error(error, "out of memory");
    return NULL;
  }
  luaL_openlibs(L);
  if (luaL_loadstring(L, helpers) != 0 || lua_pcall(L, 0, 2, 0) != 0 ||
      luaL_loadbuffer(L, d->code[0], d->length[0], "=function") != 0 ||
      (d->aggregate &&
       luaL_loadbuffer(L, d->code[1], d->length[1], "=function") != 0)) {
    set_error(error, lua_tostring(L, -1));
    lua_close(L);
    return NULL;
  }
  lua_settop(L, SLOT_SECOND);
  return L;
}

static void push_cell(lua_State *L, const covet_cell *cell)
{
  switch (cell->kind) {
  case COVET_INTEGER:
    if (cell->integer <= 9007199254740992 &&
        cell->integer >= -9007199254740992) {
      lua_pushnumber(L, (lua_Number) cell->integer);
    } else {
      int64_t low = cell->integer & 0xFFFFFFFF;
      int64_t high = (cell->integer - low) / 4294967296;

      lua_pushvalue(L, SLOT_INT64);
      lua_pushnumber(L, (lua_Number) high);
      lua_pushnumber(L, (lua_Number) low);
      lua_call(L, 2, 1);
    }
    break;
  case COVET_FLOAT:
    lua_pushnumber(L, cell->number);
    break;
  case COVET_TEXT:
  case COVET_BLOB:
    lua_pushlstring(L, cell->bytes, (size_t) cell->length);
    break;
  default:
    lua_pushnil(L);
    break;
  }
}

/* The value on top as a cell; it stays on the stack, in SLOT_RESULT. */
static int read_result(lua_State *L, covet_cell *result, covet_error *error)
{
  size_t length;

  result->length = 0;
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
    result->kind = COVET_NULL;
    result->length = -1;
    return 0;
  case LUA_TBOOLEAN:
    result->kind = COVET_INTEGER;
    result->integer = lua_toboolean(L, -1);
    return 0;
  case LUA_TNUMBER: {
    double value = lua_tonumber(L, -1);

    if (value == floor(value) && fabs(value) <= 9007199254740992.0) {
      result->kind = COVET_INTEGER;
      result->integer = (int64_t) value;
    } else {
      result->kind = COVET_FLOAT;
      result->number = value;
    }
    return 0;
  }
  case LUA_TSTRING:
    result->kind = COVET_TEXT;
    result->bytes = lua_tolstring(L, -1, &length);
    result->length = (int32_t) length;
    return length > INT32_MAX ? set_error(error, "the result is too long") : 0;
  default:
    break;
  }
  lua_pushvalue(L, SLOT_DIGITS);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) == 0 && lua_isstring(L, -1)) {
    result->kind = COVET_INTEGER;
    result->integer = strtoll(lua_tostring(L, -1), NULL, 10);
    return 0;
  }
  return set_error(error, "a function in SQL returns nil, a boolean, a number "
                          "or a string");
}

static int call_slot(lua_State *L, int slot, int has_context,
                     const covet_cell *arguments, int count, covet_error *error)
{
  lua_pushvalue(L, slot);
  if (has_context) {
    lua_pushvalue(L, -2);
  }
  luaL_checkstack(L, count + 4, NULL);
  for (int i = 0; i < count; i++) {
    push_cell(L, &arguments[i]);
  }
  if (lua_pcall(L, count + has_context, 1, 0) != 0) {
    return set_error(error, lua_tostring(L, -1));
  }
  return 0;
}

static int call_function(void *state, const covet_cell *arguments, int count,
                         covet_cell *result, covet_error *error)
{
  lua_State *L = state;

  lua_settop(L, SLOT_SECOND);
  if (call_slot(L, SLOT_FIRST, 0, arguments, count, error) != 0) {
    return -1;
  }
  return read_result(L, result, error);
}

/* The aggregate's own value lives in the registry under the context's address. */
static void load_context(lua_State *L, void **context)
{
  lua_settop(L, SLOT_SECOND);
  if (*context == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, (int) (intptr_t) *context);
}

static int step_function(void *state, void **context,
                         const covet_cell *arguments, int count,
                         covet_error *error)
{
  lua_State *L = state;

  load_context(L, context);
  if (call_slot(L, SLOT_FIRST, 1, arguments, count, error) != 0) {
    return -1;
  }
  if (*context != NULL && !lua_isnil(L, -1)) {
    lua_rawseti(L, LUA_REGISTRYINDEX, (int) (intptr_t) *context);
    return 0;
  }
  if (*context != NULL) { /* nil has no place of its own in the registry */
    luaL_unref(L, LUA_REGISTRYINDEX, (int) (intptr_t) *context);
    *context = NULL;
  }
  if (!lua_isnil(L, -1)) {
    *context = (void *) (intptr_t) luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return 0;
}

static int finish_function(void *state, void **context, covet_cell *result,
                           covet_error *error)
{
  lua_State *L = state;
  int status;

  load_context(L, context);
  if (*context != NULL) {
    luaL_unref(L, LUA_REGISTRYINDEX, (int) (intptr_t) *context);
    *context = NULL;
  }
  status = call_slot(L, SLOT_SECOND, 1, NULL, 0, error);
  return status != 0 ? status : read_result(L, result, error);
}

static void release_definition(void *data)
{
  definition *d = data;

  free(d->code[0]);
  free(d->code[1]);
  free(d);
}

static char *copy_code(lua_State *L, int index, size_t *length)
{
  const char *code = luaL_checklstring(L, index, length);
  char *copy = malloc(*length + 1);

  if (copy != NULL) {
    memcpy(copy, code, *length + 1);
  }
  return copy;
}

/* create_function(handle, name, arity, deterministic, code [, finish code]) */
int covetL_create_function(lua_State *L)
{
  covet_adapter *adapter = covetL_adapter(L, 1);
  covet_function function = {.open = open_state,
                             .call = call_function,
                             .step = step_function,
                             .finish = finish_function,
                             .watch = watch_state,
                             .close = close_state,
                             .release = release_definition};
  definition *d;
  covet_error error;

  function.name = luaL_checkstring(L, 2);
  function.arity = luaL_checkint(L, 3);
  function.deterministic = lua_toboolean(L, 4);
  function.aggregate = !lua_isnoneornil(L, 6);
  (void) luaL_checkstring(L, 5);
  if (function.aggregate) {
    (void) luaL_checkstring(L, 6);
  }
  d = calloc(1, sizeof(*d)); /* from here on nothing raises */
  if (d == NULL) {
    return luaL_error(L, "out of memory");
  }
  set_error(&error, "out of memory");
  d->aggregate = function.aggregate;
  d->code[0] = copy_code(L, 5, &d->length[0]);
  if (d->aggregate) {
    d->code[1] = copy_code(L, 6, &d->length[1]);
  }
  function.definition = d;
  if (d->code[0] == NULL || (d->aggregate && d->code[1] == NULL) ||
      covet_adapter_add_function(adapter, &function, &error) != 0) {
    release_definition(d);
    lua_pushnil(L);
    covetL_push_error(L, &error);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}
