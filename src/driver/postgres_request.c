/* Requests: operations on their connection, from sending to the Sync that ends
 * them; and what is sent for nobody. */
#include "postgres_request.h"
#include "../core/error.h"

#include <stdlib.h>
#include <string.h>

pg_request *pg_request_new(pg_connection *connection, covet_op *op)
{
  covet_node *node = queue_pop(&connection->spare);
  pg_request *request = node == NULL ? malloc(sizeof(*request))
                                     : COVET_CONTAINER(node, pg_request, node);

  if (request != NULL) {
    memset(request, 0, sizeof(*request));
    request->connection = connection;
    request->op = op;
  }
  return request;
}

void pg_request_drop(pg_request *request)
{
  pg_connection *connection = request->connection;

  if (request->statement != NULL) {
    pg_statement_end(request->statement, !request->stale);
  }
  pg_drop_rows(request);
  free(request->held);
  queue_push(&connection->spare, &request->node);
}

void pg_requests_free(pg_connection *connection)
{
  covet_node *node;

  while ((node = queue_pop(&connection->requests)) != NULL) {
    pg_request_drop(COVET_CONTAINER(node, pg_request, node));
  }
  while ((node = queue_pop(&connection->spare)) != NULL) {
    free(COVET_CONTAINER(node, pg_request, node));
  }
}

pg_request *pg_request_of(const pg_connection *connection, const covet_op *op)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->op == op) {
      return request;
    }
  }
  return NULL;
}

/* A stream that is ahead of its reader: it is not what the connection runs. */
static bool is_suspended(const pg_request *request)
{
  return request->op != NULL && request->op->state != COVET_OP_RUNNING;
}

/* The next request that the connection runs for somebody. */
static pg_request *first_running(const pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->op != NULL && !is_suspended(request)) {
      return request;
    }
  }
  return NULL;
}

/* Whether answers are to come that nobody waits for. */
static bool is_draining(const pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  if (node == NULL) {
    return connection->command_count > 0;
  }
  while (node != NULL &&
         is_suspended(COVET_CONTAINER(node, pg_request, node))) {
    node = queue_after(&connection->requests, node);
  }
  return node != NULL;
}

/* The operation of a request ends, and is not what the connection runs. */
static void finish_beside(pg_connection *connection, covet_op *op)
{
  if (op->state == COVET_OP_SUSPENDED && node_queued(&op->node)) {
    queue_remove(&connection->base.suspended, &op->node);
  }
  covet_op_finish(op);
}

void pg_conclude(pg_connection *connection, covet_op *op)
{
  covet_connection *base = &connection->base;
  pg_request *next = first_running(connection);

  if (op != NULL && op != base->running) {
    finish_beside(connection, op);
  } else if (op != NULL && next != NULL) {
    covet_connection_hand_over(base, op, next->op);
  } else if (op != NULL &&
             (is_draining(connection) || pg_is_canceling(connection))) {
    covet_connection_quarantine(base, op);
  } else if (op != NULL && base->state == COVET_CONNECTION_BUSY &&
             pg_needs_reset(connection)) {
    (void) pg_reset(connection, op); /* nobody leased it to change it */
  } else if (op != NULL) {
    pg_settle(connection, op, COVET_STEP_DONE);
  }
}

/* What was sent since the last Sync belongs to the next one. */
void pg_request_join(pg_request *request)
{
  pg_connection *connection = request->connection;

  request->sync = connection->sync_number + 1;
  if (node_queued(&request->node)) {
    queue_remove(&connection->requests, &request->node);
  }
  queue_push(&connection->requests, &request->node);
}

/* It ends here; nothing of it is under way. */
void pg_request_finish(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (op != NULL && !request->has_error && pg_is_stopped_stream(op)) {
    covet_op_fault_stopped(op);
  } else if (op != NULL && !request->has_error &&
             request->stage == PG_STAGE_RUN) {
    pg_finish_rows(request);
  }
  if (node_queued(&request->node)) {
    queue_remove(&connection->requests, &request->node);
  }
  pg_request_drop(request);
  if (op != NULL) {
    op->driver = NULL;
  }
  pg_conclude(connection, op);
}

bool pg_send_own(pg_connection *connection, const char *const *statements,
                 size_t count)
{
  pg_request *own = pg_request_new(connection, NULL);
  bool fine = own != NULL;

  if (fine) {
    own->stage = PG_STAGE_DRAIN;
    pg_request_join(own);
  }
  for (size_t i = 0; fine && i < count; i++) {
    fine = pg_send_control(own, statements[i]);
  }
  fine = fine && pg_send_sync(connection);
  if (fine) {
    pg_flush(connection);
    pg_guard(connection);
  }
  return fine;
}

bool pg_send_ping(pg_connection *connection)
{
  bool fine = pg_send_sync(connection);

  if (fine) {
    pg_flush(connection);
  }
  return fine;
}

void pg_disown(pg_connection *connection, covet_op *op)
{
  pg_request *request = pg_request_of(connection, op);

  if (request != NULL) {
    request->op = NULL;
    request->stage = PG_STAGE_DRAIN;
    pg_drop_rows(request);
  }
  op->driver = NULL;
  pg_conclude(connection, op);
}

void pg_fault_stopped(pg_request *request)
{
  covet_op *op = request->op;

  covet_op_fault_stopped(op);
  if (op->error != &op->runtime->out_of_memory && request->statement != NULL &&
      request->statement->verb == PG_VERB_COMMIT &&
      request->stage == PG_STAGE_RUN) {
    op->error->kind = COVET_ERROR_COMMIT_UNKNOWN;
    op->error->retry = COVET_RETRY_UNKNOWN_OUTCOME;
  }
}

static void fault_lost(pg_connection *connection, pg_request *request)
{
  covet_op *op = request->op;
  covet_error *error;

  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    pg_fault_stopped(request);
    return;
  }
  if (request->has_error && op->error->kind != COVET_ERROR_CONNECTION_LOST) {
    return;
  }
  error = covet_op_fault(op);
  if (!request->has_error) {
    pg_error_lost(error, connection);
  }
  if (error == &op->runtime->out_of_memory) {
    return;
  }
  error->phase = op->phase;
  if (request->statement->verb == PG_VERB_COMMIT &&
      request->stage == PG_STAGE_RUN) {
    error->kind = COVET_ERROR_COMMIT_UNKNOWN;
    error->retry = COVET_RETRY_UNKNOWN_OUTCOME;
  } else if (connection->was_in_transaction ||
             (request->stage != PG_STAGE_RUN && !request->holding) ||
             request->wrapped || request->statement->verb == PG_VERB_SHOW) {
    error->retry = COVET_RETRY_SAFE;
  }
}

void pg_requests_lost(pg_connection *connection)
{
  covet_op *last = connection->base.running;
  covet_node *node;

  connection->command_count = 0;
  while ((node = queue_pop(&connection->requests)) != NULL) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);
    covet_op *op = request->op;

    if (op != NULL) {
      fault_lost(connection, request);
      op->driver = NULL;
    }
    pg_request_drop(request);
    if (op != NULL && op != last) {
      finish_beside(connection, op);
    }
  }
}
