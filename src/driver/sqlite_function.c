#include "../core/error.h"
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ARGUMENTS = 127 }; /* SQLite's own limit */

/* What one connection has of one function. */
typedef struct bound_function {
  sqlite_connection *connection;
  const covet_function *definition;
  void *state;
} bound_function;

static int is_stopped(const void *data)
{
  const sqlite_connection *connection = data;

  return connection->op != NULL &&
         covet_op_stop_reason(connection->op) != COVET_STOP_NONE;
}

/* Who knows how long the user's function takes: never on the loop's thread. */
static bool may_call(sqlite3_context *context, bound_function *bound)
{
  sqlite_connection *connection = bound->connection;

  connection->called = true;
  if (!connection->on_loop) {
    return true;
  }
  connection->over_budget = true;
  sqlite3_result_error(context, "again, on the worker", -1);
  return false;
}

static void read_argument(sqlite3_value *value, covet_cell *cell)
{
  cell->length = 0;
  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    cell->kind = COVET_INTEGER;
    cell->integer = sqlite3_value_int64(value);
    break;
  case SQLITE_FLOAT:
    cell->kind = COVET_FLOAT;
    cell->number = sqlite3_value_double(value);
    break;
  case SQLITE_TEXT:
    cell->kind = COVET_TEXT;
    cell->bytes = (const char *) sqlite3_value_text(value);
    cell->length = sqlite3_value_bytes(value);
    break;
  case SQLITE_BLOB:
    cell->kind = COVET_BLOB;
    cell->bytes = sqlite3_value_blob(value);
    cell->length = sqlite3_value_bytes(value);
    break;
  default:
    cell->kind = COVET_NULL;
    cell->length = -1;
    cell->integer = 0;
    break;
  }
}

static void give_result(sqlite3_context *context, const covet_cell *cell)
{
  switch (cell->kind) {
  case COVET_INTEGER:
  case COVET_BOOLEAN:
    sqlite3_result_int64(context, cell->integer);
    break;
  case COVET_FLOAT:
    sqlite3_result_double(context, cell->number);
    break;
  case COVET_TEXT:
    sqlite3_result_text(context, cell->bytes, cell->length, SQLITE_TRANSIENT);
    break;
  case COVET_BLOB:
    sqlite3_result_blob(context, cell->bytes, cell->length, SQLITE_TRANSIENT);
    break;
  default:
    sqlite3_result_null(context);
    break;
  }
}

static void on_call(sqlite3_context *context, int count, sqlite3_value **values)
{
  bound_function *bound = sqlite3_user_data(context);
  covet_cell arguments[MOST_ARGUMENTS];
  covet_cell result = {.kind = COVET_NULL, .length = -1};
  covet_error error;

  if (!may_call(context, bound)) {
    return;
  }
  for (int i = 0; i < count; i++) {
    read_argument(values[i], &arguments[i]);
  }
  if (bound->definition->call(bound->state, arguments, count, &result,
                              &error) != 0) {
    sqlite3_result_error(context, error.message, -1);
    return;
  }
  give_result(context, &result);
}

static void on_step(sqlite3_context *context, int count, sqlite3_value **values)
{
  bound_function *bound = sqlite3_user_data(context);
  void **own = sqlite3_aggregate_context(context, sizeof(void *));
  covet_cell arguments[MOST_ARGUMENTS];
  covet_error error;

  if (!may_call(context, bound)) {
    return;
  }
  if (own == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  for (int i = 0; i < count; i++) {
    read_argument(values[i], &arguments[i]);
  }
  if (bound->definition->step(bound->state, own, arguments, count, &error) !=
      0) {
    sqlite3_result_error(context, error.message, -1);
  }
}

static void on_final(sqlite3_context *context)
{
  bound_function *bound = sqlite3_user_data(context);
  void **own = sqlite3_aggregate_context(context, sizeof(void *));
  covet_cell result = {.kind = COVET_NULL, .length = -1};
  covet_error error;

  if (!may_call(context, bound)) {
    return;
  }
  if (own == NULL) {
    sqlite3_result_error_nomem(context);
  } else if (bound->definition->finish(bound->state, own, &result, &error) !=
             0) {
    sqlite3_result_error(context, error.message, -1);
  } else {
    give_result(context, &result);
  }
}

static void on_destroy(void *data)
{
  bound_function *bound = data;

  bound->definition->close(bound->state);
  free(bound);
}

static int bind_function(sqlite_connection *connection,
                         const covet_function *definition)
{
  bound_function *bound = calloc(1, sizeof(*bound));
  int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;

  if (bound == NULL) {
    return SQLITE_NOMEM;
  }
  bound->connection = connection;
  bound->definition = definition;
  bound->state = definition->open(definition->definition, &connection->error);
  if (bound->state == NULL) {
    free(bound);
    return SQLITE_ERROR;
  }
  if (definition->watch != NULL) {
    definition->watch(bound->state, is_stopped, connection);
  }
  if (definition->deterministic) {
    flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  }
  return sqlite3_create_function_v2(
      connection->db, definition->name, definition->arity, flags, bound,
      definition->aggregate ? NULL : on_call,
      definition->aggregate ? on_step : NULL,
      definition->aggregate ? on_final : NULL, on_destroy);
}

/* The list is newest first and only grows: what was found in it stays. */
static const sqlite_function *function_at(sqlite_adapter *adapter,
                                          unsigned index)
{
  const sqlite_function *function;
  unsigned skip;

  uv_mutex_lock(&adapter->functions_lock);
  function = adapter->functions;
  skip = atomic_load(&adapter->function_count) - index - 1;
  uv_mutex_unlock(&adapter->functions_lock);
  for (; skip > 0; skip--) {
    function = function->next;
  }
  return function;
}

/* Making a state takes long: without the lock, for which the loop's thread may
 * wait. */
int sqlite_functions_update(sqlite_connection *connection)
{
  sqlite_adapter *adapter = connection->adapter;
  int code = SQLITE_OK;

  memset(&connection->error, 0, sizeof(connection->error));
  while (code == SQLITE_OK &&
         connection->functions < atomic_load(&adapter->function_count)) {
    const sqlite_function *function =
        function_at(adapter, connection->functions);

    code = bind_function(connection, &function->definition);
    connection->functions += code == SQLITE_OK;
  }
  return code;
}

int sqlite_add_function(covet_adapter *base, const covet_function *definition)
{
  sqlite_adapter *adapter = sqlite_of(base);
  sqlite_function *function = calloc(1, sizeof(*function));
  char *name = strdup(definition->name);

  if (function == NULL || name == NULL) {
    free(function);
    free(name);
    return COVET_ENOMEM;
  }
  function->definition = *definition;
  function->definition.name = name;
  uv_mutex_lock(&adapter->functions_lock);
  function->next = adapter->functions;
  adapter->functions = function;
  atomic_fetch_add(&adapter->function_count, 1);
  uv_mutex_unlock(&adapter->functions_lock);
  return 0;
}

void sqlite_functions_free(sqlite_adapter *adapter)
{
  while (adapter->functions != NULL) {
    sqlite_function *next = adapter->functions->next;
    char *name = (char *) (uintptr_t) adapter->functions->definition.name;

    adapter->functions->definition.release(
        adapter->functions->definition.definition);
    free(name);
    free(adapter->functions);
    adapter->functions = next;
  }
}
