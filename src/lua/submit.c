#include "binding.h"

#include "../core/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  BORROWED = 64 * 1024, /* longer strings are not copied but kept alive */
  TAG_INT64 = 1,
  TAG_BLOB = 2,
  TAG_TEXT = 3,
  TAG_UINT64 = 4,
  LUA_CDATA = 10
};

static const double EXACT = 9007199254740992.0; /* 2^53 */

/* --- Errors and completions -------------------------------------------------------- */

static void set_text(lua_State *L, const char *name, const char *text)
{
  if (text != NULL && text[0] != '\0') {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
  }
}

void covetL_push_error(lua_State *L, const covet_error *error)
{
  lua_createtable(L, 0, 12);
  set_text(L, "kind", covet_error_kind_name(error->kind));
  set_text(L, "message", error->message);
  set_text(L, "sqlstate", error->sqlstate);
  set_text(L, "constraint", error->constraint);
  set_text(L, "table", error->table);
  set_text(L, "column", error->column);
  set_text(L, "hint", error->hint);
  set_text(L, "detail", error->detail);
  set_text(L, "phase", covet_phase_name(error->phase));
  set_text(L, "retry", covet_retry_name(error->retry));
  set_text(L, "code", error->sqlstate); /* where there is one, it is native */
  if (error->code != 0) {
    lua_pushinteger(L, error->code);
    lua_setfield(L, -2, "code");
  }
  if (error->position > 0) {
    lua_pushnumber(L, (lua_Number) error->position);
    lua_setfield(L, -2, "position");
  }
}

/* A number where it is exact, else its digits. */
static void push_integer(lua_State *L, int64_t value)
{
  if (value <= (int64_t) EXACT && value >= -(int64_t) EXACT) {
    lua_pushnumber(L, (lua_Number) value);
  } else {
    char digits[24];

    (void) snprintf(digits, sizeof(digits), "%lld", (long long) value);
    lua_pushstring(L, digits);
  }
}

static void push_insert_id(lua_State *L, const covet_result *result)
{
  char digits[24];

  if (!result->has_insert_id) {
    lua_pushnil(L);
  } else if (result->insert_id_is_unsigned) {
    (void) snprintf(digits, sizeof(digits), "%llu",
                    (unsigned long long) result->last_insert_id);
    lua_pushstring(L, digits);
  } else {
    push_integer(L, result->last_insert_id);
  }
}

/* A list with a table for each column of a shape; without one it is empty. */
static void push_columns(lua_State *L, const covet_shape *shape, int named)
{
  uint32_t count = shape == NULL ? 0 : shape->column_count;

  lua_createtable(L, (int) count, 0);
  for (uint32_t i = 0; i < count; i++) {
    const covet_column *column = &shape->columns[i];

    lua_createtable(L, 0, 4);
    if (named) {
      lua_pushlstring(L, column->name, column->name_length);
      lua_setfield(L, -2, "name");
    }
    lua_pushlstring(L, column->type, column->type_length);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer) column->kind);
    lua_setfield(L, -2, "kind");
    lua_pushnumber(L, (lua_Number) column->type_id);
    lua_setfield(L, -2, "type_id");
    lua_rawseti(L, -2, (int) i + 1);
  }
}

static void push_description(lua_State *L, const covet_result *result)
{
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer) result->parameter_count);
  lua_setfield(L, -2, "parameters");
  lua_pushboolean(L, result->read_only);
  lua_setfield(L, -2, "read_only");
  push_columns(L, result->parameters, 0);
  lua_setfield(L, -2,
               "parameter_types"); /* empty: the database does not tell */
  push_columns(L, result->shape, 1);
  lua_setfield(L, -2, "columns");
}

static void push_batch(lua_State *L, covet_batch *batch)
{
  if (batch != NULL) {
    /* as a number: LuaJIT compiles its cast to a pointer, that of a light
     * userdata it does not; addresses have 47 bits */
    lua_pushnumber(L, (lua_Number) (uintptr_t) batch);
  } else {
    lua_pushnil(L);
  }
}

/* Of an operation that has finished: before, the figures are not its owner's. */
static int push_result(lua_State *L, covet_op *op, covet_batch *batch)
{
  const covet_result *result = covet_op_result(op);

  if (result->described) {
    push_description(L, result);
    return 1;
  }
  if (result->lease != 0) {
    lua_pushnumber(L, (lua_Number) result->lease);
    return 1;
  }
  push_batch(L, batch);
  push_integer(L, result->affected_rows);
  push_insert_id(L, result);
  if (batch != NULL || result->command[0] == '\0') {
    return 3;
  }
  lua_pushstring(L, result->command);
  return 4;
}

int covetL_push_completion(lua_State *L, binding *state, covet_op *op)
{
  int more = 0;
  int count = 2;
  covet_batch *batch = covet_op_take(op, &more);

  if (!more && covet_op_error(op) != NULL) {
    while (batch != NULL) {
      covet_batch *next = batch->next;

      covet_batch_free(batch);
      batch = next;
    }
    lua_pushboolean(L, 0);
    lua_pushboolean(L, 0);
    covetL_push_error(L, covet_op_error(op));
    count = 3;
  } else {
    lua_pushboolean(L, 1);
    lua_pushboolean(L, more);
    if (more) {
      push_batch(L, batch);
      count++;
    } else {
      count += push_result(L, op, batch);
    }
  }
  if (!more) {
    covetL_drop_anchor(L, state, op);
    covet_op_free(op);
  }
  return count;
}

int covetL_submit(lua_State *L, binding *state, covet_op *op)
{
  if (covet_submit(op) == 0) {
    lua_pushnumber(L, (lua_Number) covet_op_token(op));
    return 1;
  }
  lua_pushnil(L);
  return 1 + covetL_push_completion(L, state, op);
}

int covetL_refuse(lua_State *L, binding *state, covet_op *op,
                  const covet_error *error)
{
  covetL_drop_anchor(L, state, op);
  covet_op_free(op);
  lua_pushnil(L);
  lua_pushboolean(L, 0);
  lua_pushboolean(L, 0);
  covetL_push_error(L, error);
  return 4;
}

/* --- Strings that an operation borrows ------------------------------------------------ */

static void anchor(lua_State *L, binding *state, covet_op *op, int index)
{
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->anchors);
  lua_pushnumber(L, (lua_Number) covet_op_token(op));
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushnumber(L, (lua_Number) covet_op_token(op));
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    covet_op_set_data(op, (void *) ANCHORED);
  }
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, (int) lua_objlen(L, -2) + 1);
  lua_pop(L, 2);
}

void covetL_drop_anchor(lua_State *L, binding *state, covet_op *op)
{
  if (covet_op_data(op) == NULL) {
    return;
  }
  covet_op_set_data(op, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->anchors);
  lua_pushnumber(L, (lua_Number) covet_op_token(op));
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* --- Parameters --------------------------------------------------------------------------- */

static void set_usage(covet_error *error, int number, const char *text)
{
  memset(error, 0, sizeof(*error));
  error->kind = COVET_ERROR_USAGE;
  (void) snprintf(error->message, sizeof(error->message), "parameter %d: %s",
                  number, text);
}

static int add_number(covet_op *op, double value)
{
  /* whole numbers are integers to the database, but for -0 */
  if (value >= -EXACT && value <= EXACT && value == floor(value) &&
      !(value == 0 && signbit(value))) {
    return covet_op_add_integer(op, (int64_t) value);
  }
  return covet_op_add_number(op, value);
}

static int add_string(lua_State *L, binding *state, covet_op *op, int index,
                      covet_kind kind)
{
  size_t length;
  const char *bytes = lua_tolstring(L, index, &length);

  if (length > BORROWED) {
    anchor(L, state, op, index);
    return covet_op_add_borrowed(op, kind, bytes, length);
  }
  return kind == COVET_BLOB ? covet_op_add_blob(op, bytes, length)
                            : covet_op_add_text(op, bytes, length);
}

/* Whether a table's metatable marks it as { tag, string }; a plain one is not. */
static int is_tagged(lua_State *L, int index)
{
  int is;

  if (lua_getmetatable(L, index) == 0) {
    return 0;
  }
  lua_pushliteral(L, "covet_tagged");
  lua_rawget(L, -2);
  is = lua_toboolean(L, -1);
  lua_pop(L, 2);
  return is;
}

/* { tag, string }: what plain Lua values cannot say. */
static int add_tagged(lua_State *L, binding *state, covet_op *op, int index,
                      int number, covet_error *error)
{
  int status = COVET_EUSAGE;
  int tag;

  lua_rawgeti(L, index, 1);
  lua_rawgeti(L, index, 2);
  tag = lua_type(L, -2) == LUA_TNUMBER ? (int) lua_tointeger(L, -2) : 0;
  if (lua_type(L, -1) == LUA_TSTRING && is_tagged(L, index)) {
    if (tag == TAG_INT64) {
      status = covet_op_add_integer(op, strtoll(lua_tostring(L, -1), NULL, 10));
    } else if (tag == TAG_UINT64) {
      status =
          covet_op_add_unsigned(op, strtoull(lua_tostring(L, -1), NULL, 10));
    } else if (tag == TAG_BLOB) {
      status = add_string(L, state, op, lua_gettop(L), COVET_BLOB);
    } else if (tag == TAG_TEXT) {
      status = add_string(L, state, op, lua_gettop(L), COVET_TEXT);
    }
  }
  lua_pop(L, 2);
  if (status == COVET_EUSAGE) {
    set_usage(error, number,
              "a plain table cannot be bound; use covet.json or covet.bytes");
    error->code = COVET_CODE_NEEDS_ENCODING;
  }
  return status;
}

int covetL_add_param(lua_State *L, binding *state, covet_op *op, int index,
                     int number, covet_error *error)
{
  int status = 0;

  switch (lua_type(L, index)) {
  case LUA_TNONE:
  case LUA_TNIL:
    status = covet_op_add_null(op);
    break;
  case LUA_TBOOLEAN:
    status = covet_op_add_boolean(op, lua_toboolean(L, index));
    break;
  case LUA_TNUMBER:
    status = add_number(op, lua_tonumber(L, index));
    break;
  case LUA_TSTRING:
    status = add_string(L, state, op, index, COVET_TEXT);
    if (status == COVET_EUSAGE) {
      set_usage(error, number, "longer than 2 GiB");
      return status;
    }
    break;
  case LUA_TTABLE:
    status = add_tagged(L, state, op, index, number, error);
    break;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index) == NULL) {
      status = covet_op_add_null(op);
      break;
    }
    /* fall through */
  default: {
    char text[128];

    (void) snprintf(text, sizeof(text),
                    "a %s cannot be bound; expected nil, a boolean, a number, "
                    "a string, covet.bytes or covet.json",
                    luaL_typename(L, index));
    set_usage(error, number, text);
    if (lua_type(L, index) == LUA_CDATA) {
      error->code = COVET_CODE_NEEDS_ENCODING;
    }
    return COVET_EUSAGE;
  }
  }
  if (status == COVET_ENOMEM) {
    set_usage(error, number, "out of memory");
    error->kind = COVET_ERROR_OUT_OF_MEMORY;
  }
  return status;
}

/* --- Calls ------------------------------------------------------------------------------------ */

static uint64_t milliseconds(lua_State *L, int index)
{
  double seconds = lua_tonumber(L, index);

  if (lua_isnoneornil(L, index) || seconds > 9e12) {
    return 0; /* without a deadline */
  }
  return seconds > 1e-3 ? (uint64_t) ceil(seconds * 1e3) : 1;
}

/* handle, lease, flags, timeout, chunk, sql: the same in all calls. */
enum { ARG_LEASE = 2, ARG_FLAGS, ARG_TIMEOUT, ARG_CHUNK, ARG_SQL, ARG_PARAMS };

static covet_op *new_query(lua_State *L, int is_call)
{
  covet_adapter *adapter = covetL_adapter(L, 1);
  unsigned flags = (unsigned) lua_tointeger(L, ARG_FLAGS);
  covet_lease lease = covetL_id(L, ARG_LEASE);
  lua_Integer chunk = lua_tointeger(L, ARG_CHUNK);
  size_t length;
  const char *sql = luaL_checklstring(L, ARG_SQL, &length);
  covet_op *op = is_call ? covet_op_call(adapter, sql, length, flags)
                         : covet_op_query(adapter, sql, length, flags);

  if (op == NULL) {
    luaL_error(L, "out of memory");
  }
  covet_op_set_lease(op, lease);
  covet_op_set_timeout(op, milliseconds(L, ARG_TIMEOUT));
  covet_op_set_chunk(op, chunk > 0 ? (uint32_t) chunk : 0);
  return op;
}

static int submit_with_arguments(lua_State *L, covet_op *op)
{
  binding *state = covetL_binding(L);
  int top = lua_gettop(L);
  covet_error error;

  for (int index = ARG_PARAMS; index <= top; index++) {
    if (covetL_add_param(L, state, op, index, index - ARG_PARAMS + 1, &error) !=
        0) {
      return covetL_refuse(L, state, op, &error);
    }
  }
  return covetL_submit(L, state, op);
}

int covetL_query(lua_State *L)
{
  return submit_with_arguments(L, new_query(L, 0));
}

int covetL_call(lua_State *L)
{
  return submit_with_arguments(L, new_query(L, 1));
}

/* Rows of `width` parameters: `list` holds one table for each row. */
static int add_rows(lua_State *L, binding *state, covet_op *op, int count,
                    int width, covet_error *error)
{
  for (int row = 1; row <= count; row++) {
    lua_rawgeti(L, ARG_PARAMS, row);
    if (!lua_istable(L, -1)) {
      set_usage(error, row, "each element of the list must be a table");
      return COVET_EUSAGE;
    }
    for (int column = 1; column <= width; column++) {
      int status;

      lua_rawgeti(L, -1, column);
      status = covetL_add_param(L, state, op, lua_gettop(L), column, error);
      lua_pop(L, 1);
      if (status != 0) {
        (void) snprintf(error->detail, sizeof(error->detail),
                        "in row %d of the list", row);
        return status;
      }
    }
    lua_pop(L, 1);
  }
  return 0;
}

static int add_list(lua_State *L, binding *state, covet_op *op, int count,
                    covet_error *error)
{
  for (int i = 1; i <= count; i++) {
    int status;

    lua_rawgeti(L, ARG_PARAMS, i);
    status = covetL_add_param(L, state, op, lua_gettop(L), i, error);
    lua_pop(L, 1);
    if (status != 0) {
      return status;
    }
  }
  return 0;
}

static int submit_with_list(lua_State *L, int is_call)
{
  binding *state = covetL_binding(L);
  int count = luaL_checkint(L, ARG_PARAMS + 1);
  int width = luaL_optint(L, ARG_PARAMS + 2, -1);
  covet_error error = {0};
  covet_op *op;
  int status;

  luaL_checktype(L, ARG_PARAMS, LUA_TTABLE);
  luaL_checkstack(L, 8, "parameters");
  op = new_query(L, is_call);
  if (width >= 0) {
    covet_op_set_width(op, (uint32_t) width);
    status = add_rows(L, state, op, count, width, &error);
  } else {
    status = add_list(L, state, op, count, &error);
  }
  if (status != 0) {
    return covetL_refuse(L, state, op, &error);
  }
  return covetL_submit(L, state, op);
}

int covetL_query_list(lua_State *L)
{
  return submit_with_list(L, 0);
}

int covetL_call_list(lua_State *L)
{
  return submit_with_list(L, 1);
}
