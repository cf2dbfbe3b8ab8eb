#include "opening.h"

#include "adapter.h"
#include "error.h"
#include "event.h"

#include <string.h>

static covet_connection *waiting_at(covet_node *node)
{
  return COVET_CONTAINER(node, covet_connection, waiting);
}

/* --- Those that are not opened ------------------------------------------------------ */

static covet_connection *next_to_fail(covet_openings *openings)
{
  covet_node *node = queue_first(&openings->waiting);

  while (node != NULL && !waiting_at(node)->unwanted &&
         waiting_at(node)->refusal == NULL) {
    node = queue_after(&openings->waiting, node);
  }
  return node == NULL ? NULL : waiting_at(node);
}

static void set_closed(covet_error *error)
{
  covet_error_set(error, COVET_ERROR_POOL_CLOSED,
                  "the adapter is disconnected");
  error->phase = COVET_PHASE_CONNECT;
  error->retry = COVET_RETRY_SAFE;
}

/* `posted` keeps the adapter until this has ended. */
static void on_sweep(covet_post *post)
{
  covet_adapter *adapter = COVET_CONTAINER(post, covet_adapter, openings.sweep);
  covet_openings *openings = &adapter->openings;
  covet_connection *connection;
  covet_error closed;

  set_closed(&closed);
  while ((connection = next_to_fail(openings)) != NULL) {
    queue_remove(&openings->waiting, &connection->waiting);
    adapter->driver->fail_opening(connection, connection->refusal != NULL
                                                  ? connection->refusal
                                                  : &closed);
  }
  openings->posted = false;
  covet_adapter_settle(adapter);
}

/* Never from within: who stops or refuses an opening is in the middle of
 * something. */
static void sweep_soon(covet_adapter *adapter)
{
  if (!adapter->openings.posted) {
    adapter->openings.posted = true;
    covet_runtime_post(adapter->runtime, &adapter->openings.sweep);
  }
}

static void refuse_all(covet_adapter *adapter)
{
  covet_openings *openings = &adapter->openings;
  covet_node *node = queue_first(&openings->waiting);

  openings->asked = false;
  for (; node != NULL; node = queue_after(&openings->waiting, node)) {
    waiting_at(node)->refusal = &openings->refusal;
  }
  sweep_soon(adapter);
}

/* --- Waiting ------------------------------------------------------------------------- */

void covet_openings_init(covet_adapter *adapter)
{
  queue_init(&adapter->openings.waiting);
  adapter->openings.sweep.run = on_sweep;
}

int covet_adapter_hold_openings(covet_adapter *adapter)
{
  if (adapter->driver->fail_opening == NULL) {
    return COVET_EUNSUPPORTED;
  }
  atomic_store(&adapter->openings.held, true);
  return 0;
}

static void wait_for_answer(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;
  covet_openings *openings = &adapter->openings;

  queue_push(&openings->waiting, &connection->waiting);
  if (adapter->abandoned) {
    covet_openings_forsake(adapter);
  } else if (!openings->asked) {
    openings->asked = true;
    covet_adapter_ask(adapter);
  }
}

void covet_opening_start(covet_connection *connection)
{
  covet_connection_set_state(connection, COVET_CONNECTION_OPENING);
  if (atomic_load(&connection->adapter->openings.held)) {
    wait_for_answer(connection);
  } else {
    connection->adapter->driver->open(connection);
  }
}

void covet_opening_stop(covet_connection *connection)
{
  const covet_driver *driver = connection->adapter->driver;

  connection->unwanted = true;
  if (node_queued(&connection->waiting)) {
    sweep_soon(connection->adapter);
  } else if (driver->stop_opening != NULL) {
    driver->stop_opening(connection);
  }
}

bool covet_opening_repeat(covet_connection *connection,
                          const covet_error *error)
{
  covet_openings *openings = &connection->adapter->openings;

  if (!atomic_load(&openings->held) || connection->repeated ||
      connection->unwanted ||
      error->kind != COVET_ERROR_AUTHENTICATION_FAILED) {
    return false;
  }
  connection->repeated = true;
  openings->rejected = *error;
  wait_for_answer(connection);
  return true;
}

/* --- Answers --------------------------------------------------------------------------- */

bool covet_openings_is_answer(const covet_op *op)
{
  return strcmp(op->sql, "set_password") == 0 ||
         strcmp(op->sql, "refuse_openings") == 0;
}

void covet_openings_answered(covet_adapter *adapter, bool is_new)
{
  covet_openings *openings = &adapter->openings;
  covet_node *node = queue_first(&openings->waiting);

  openings->asked = false;
  openings->answers += is_new;
  while (node != NULL) {
    covet_connection *connection = waiting_at(node);

    node = queue_after(&openings->waiting, node);
    if (connection->unwanted || connection->refusal != NULL) {
      continue; /* until the sweep */
    }
    if (connection->repeated && connection->answer == openings->answers) {
      connection->refusal = &openings->rejected;
      sweep_soon(adapter);
    } else {
      queue_remove(&openings->waiting, &connection->waiting);
      connection->answer = openings->answers;
      adapter->driver->open(connection);
    }
  }
}

static const char *text_of(covet_op *op, uint32_t index)
{
  const covet_cell *cell = index < op->param_count ? &op->params[index] : NULL;
  const char *text = NULL;

  if (cell != NULL && cell->kind == COVET_TEXT) {
    text = covet_arena_copy(&op->arena, cell->bytes, (size_t) cell->length);
  }
  return text == NULL ? "" : text;
}

void covet_openings_refuse(covet_adapter *adapter, covet_op *op)
{
  covet_error *error = &adapter->openings.refusal;
  covet_error_kind kind = covet_error_kind_find(text_of(op, 0));

  covet_error_set(
      error, kind == COVET_ERROR_NONE ? COVET_ERROR_CONNECTION_FAILED : kind,
      "%s", text_of(op, 1));
  error->phase = COVET_PHASE_CONNECT;
  error->retry = COVET_RETRY_SAFE;
  error->code = COVET_CODE_REFUSED;
  refuse_all(adapter);
}

void covet_openings_forsake(covet_adapter *adapter)
{
  if (!queue_empty(&adapter->openings.waiting)) {
    set_closed(&adapter->openings.refusal);
    refuse_all(adapter);
  }
}
