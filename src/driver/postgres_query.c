/* Queries as the core hands them over: checked, sent alone or together, gone on
 * with. */
#include "../core/error.h"
#include "postgres_request.h"

#include <stdio.h>
#include <string.h>

/* A statement that is asked to read only does so in a transaction of that kind,
 * unless one is open already. */
static bool check_read_only(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (!(op->flags & COVET_QUERY_READ_ONLY) ||
      (op->flags & (COVET_QUERY_TRANSACTION | COVET_QUERY_DESCRIBE))) {
    return true;
  }
  if (!pg_in_transaction(connection)) {
    request->wrapped = true;
    return true;
  }
  if (connection->read_only || request->statement->reads) {
    return true;
  }
  pg_refuse(op, COVET_ERROR_READ_ONLY, "the statement may write");
  return false;
}

static bool is_control(pg_verb verb)
{
  return verb == PG_VERB_BEGIN || verb == PG_VERB_COMMIT ||
         verb == PG_VERB_ROLLBACK || verb == PG_VERB_SAVEPOINT;
}

/* What cannot run on a connection that is anybody's, NULL if this can.
 * Transactions of PREPARE TRANSACTION belong to no connection. */
static const char *needs_lease(const pg_request *request)
{
  const covet_op *op = request->op;

  if (op->lease != 0 || (op->flags & COVET_QUERY_DESCRIBE)) {
    return NULL;
  }
  if (request->statement->verb == PG_VERB_LISTEN) {
    return "nobody would hear what LISTEN on this connection brings: use "
           "db:listen";
  }
  if (is_control(request->statement->verb) &&
      !pg_mentions(op->sql, op->sql_length, "prepared")) {
    return "a transaction needs a connection of its own: use db:transaction, "
           "db:begin or db:acquire";
  }
  return NULL;
}

static bool check_lease(pg_request *request)
{
  const char *text = needs_lease(request);

  if (text != NULL) {
    pg_refuse(request->op, COVET_ERROR_USAGE, "%s", text);
  }
  return text == NULL;
}

/* COPY's data have calls of their own. */
static bool copies_here(const covet_op *op)
{
  return pg_mentions(op->sql, op->sql_length, "stdin") ||
         pg_mentions(op->sql, op->sql_length, "stdout");
}

/* Streams that rest on this connection with their rows still to come: they take
 * all of them now, since other answers stand behind them. */
static void let_streams_run(pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    COVET_CONTAINER(node, pg_request, node)->greedy = true;
  }
  if (connection->paused) {
    connection->paused = false;
    pg_poll(connection);
  }
}

static bool check_op(pg_connection *connection, covet_op *op)
{
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return false;
  }
  if ((op->flags & COVET_QUERY_INSIDE) && !pg_in_transaction(connection)) {
    pg_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
              "the transaction was rolled back by an earlier error");
    return false;
  }
  if ((op->flags & COVET_QUERY_MANY) &&
      (op->width == 0 || op->param_count % op->width != 0)) {
    pg_refuse(op, COVET_ERROR_USAGE,
              op->width == 0 ? "a list of rows takes a parameter in each"
                             : "the list's last row is incomplete");
    return false;
  }
  if ((op->flags & COVET_QUERY_MANY ? op->width : op->param_count) >
      PG_MOST_PARAMS) {
    pg_refuse(op, COVET_ERROR_USAGE,
              "a statement takes at most %d parameters, %u were given",
              PG_MOST_PARAMS, (unsigned) op->param_count);
    return false;
  }
  if ((op->flags & (COVET_QUERY_DESCRIBE | COVET_QUERY_MANY)) &&
      pg_has_many_params(op->sql, op->sql_length)) {
    pg_refuse(op, COVET_ERROR_UNSUPPORTED,
              "a statement of more than %d parameters cannot be described",
              PG_MOST_DESCRIBED);
    return false;
  }
  if (op->sql_length > PG_MOST_BYTES) {
    pg_refuse(op, COVET_ERROR_USAGE,
              "the SQL takes %llu bytes: PostgreSQL takes less than 1 GB",
              (unsigned long long) op->sql_length);
    return false;
  }
  if (memchr(op->sql, '\0', op->sql_length) != NULL) {
    pg_refuse(op, COVET_ERROR_USAGE, "the SQL holds a NUL byte");
    return false;
  }
  if (!queue_empty(&connection->base.suspended)) {
    let_streams_run(connection);
  }
  return true;
}

pg_request *pg_request_for(pg_connection *connection, covet_op *op)
{
  pg_request *request;

  if (!check_op(connection, op)) {
    return NULL;
  }
  request = pg_request_new(connection, op);
  if (request != NULL) {
    request->statement = pg_statement_get(connection, op);
  }
  if (request == NULL || request->statement == NULL) {
    pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  } else if (request->statement->verb == PG_VERB_COPY && copies_here(op)) {
    pg_refuse(op, COVET_ERROR_UNSUPPORTED,
              "COPY from or to the caller: use copy_to_table, "
              "copy_from_table, copy_from_query or copy_records_to_table");
  } else if (check_lease(request) && check_read_only(request)) {
    return request;
  }
  if (request != NULL) {
    pg_request_drop(request);
  }
  return NULL;
}

/* Send one of several, `*open` telling whether what was sent before waits for its
 * Sync. False: the operation's error is set, or the connection is lost. */
static bool send_one(pg_request *request, pg_pipeline how, bool *open)
{
  pg_connection *connection = request->connection;
  bool shares = how == PG_PIPELINE_GROUP && request->statement->reads;
  bool ready = pg_statement_known(request->statement, request->op) ||
               pg_runs_blind(request);
  pg_leg next;

  if (*open && (!shares || !ready)) {
    *open = false;
    if (!pg_send_sync(connection)) {
      return false;
    }
  }
  next = pg_send_first(request);
  if (next == PG_LEG_RUN) {
    *open = shares;
    return pg_send_run(request) && (shares || pg_send_sync(connection));
  }
  if (next == PG_LEG_NONE) {
    pg_tell_description(request);
  }
  return next == PG_LEG_SENT;
}

void pg_fault_unsent(pg_connection *connection, covet_op *op)
{
  covet_error *error = covet_op_fault(op);

  if (error != &op->runtime->out_of_memory) {
    pg_error_lost(error, connection);
    error->phase = op->phase;
    error->retry = COVET_RETRY_SAFE;
  }
}

/* Send the operations, those that can share it with one Sync at the end. What
 * ends at once is told when all are sent: with the last the connection may go. */
static void send_all(pg_connection *connection, covet_queue *ops,
                     pg_pipeline how)
{
  covet_queue ended;
  covet_node *node;
  bool shared = ops->count > 1;
  bool open = false;

  queue_init(&ended);
  while ((node = queue_pop(ops)) != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);
    pg_request *request =
        connection->lost ? NULL : pg_request_for(connection, op);

    if (request != NULL) {
      request->shared = shared;
      queue_push(&connection->requests, &request->node);
      if (send_one(request, how, &open)) {
        continue;
      }
      if (op->error == NULL && !op->result.described) {
        pg_lose(connection);
        continue;
      }
      queue_remove(&connection->requests, &request->node);
      pg_request_drop(request);
    } else if (op->error == NULL) {
      pg_fault_unsent(connection, op);
    }
    queue_push(&ended, &op->node);
  }
  if (open && !connection->lost && !pg_send_sync(connection)) {
    pg_lose(connection);
  }
  while ((node = queue_pop(&ended)) != NULL) {
    pg_conclude(connection, COVET_CONTAINER(node, covet_op, node));
  }
}

void pg_send_ops(pg_connection *connection, covet_queue *ops, pg_pipeline how)
{
  (void) pg_send_unwanted(connection); /* what fails in it fails again below */
  connection->sent_us = covet_now_us();
  send_all(connection, ops, how);
  if (!connection->lost && connection->command_count > 0) {
    pg_flush(connection);
    pg_spin_start(connection);
  }
}

static void send_alone(pg_connection *connection, covet_op *op)
{
  covet_queue ops;

  queue_init(&ops);
  queue_push(&ops, &op->node);
  pg_send_ops(connection, &ops, PG_PIPELINE_EACH);
}

/* A stream that nobody reads any more leaves its cursor. */
void pg_close_cursor(pg_request *request)
{
  pg_connection *connection = request->connection;
  char sql[48];
  const char *const statements[] = {sql};

  if (PQtransactionStatus(connection->pq) != PQTRANS_INTRANS) {
    return;
  }
  (void) snprintf(sql, sizeof(sql), "CLOSE covet_cursor_%llu",
                  (unsigned long long) request->cursor);
  if (!pg_send_own(connection, statements, 1)) {
    pg_lose(connection);
  }
}

void pg_drop_resting(covet_op *op)
{
  pg_request *request = op->driver;

  if (request != NULL && request->stage == PG_STAGE_REST) {
    pg_request_drop(request);
  }
  op->driver = NULL;
}

static covet_step resume_cursor(pg_connection *connection, pg_request *request)
{
  if (covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    pg_close_cursor(request);
    if (!connection->lost) {
      pg_request_finish(request);
    }
    return COVET_STEP_PENDING;
  }
  request->stage = PG_STAGE_RUN;
  request->fetched = request->rows;
  pg_request_join(request);
  if (!pg_send_fetch(request, pg_rows_of_fetch(request)) ||
      !pg_send_sync(connection)) {
    pg_lose(connection);
  } else {
    pg_flush(connection);
  }
  return COVET_STEP_PENDING;
}

/* A stream goes on, or is to end. */
static covet_step resume(pg_connection *connection, covet_op *op)
{
  pg_request *request = op->driver;

  if (request->stage == PG_STAGE_REST) {
    return resume_cursor(connection, request);
  }
  connection->paused = false;
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    pg_cancel(&connection->base, op); /* and what is there is read away */
  }
  pg_read(connection);
  return pg_has_paused(connection, op) ? COVET_STEP_SUSPENDED
                                       : COVET_STEP_PENDING;
}

covet_step pg_query(pg_connection *connection, covet_op *op)
{
  if (op->driver != NULL) {
    return resume(connection, op);
  }
  if (op->flags & COVET_QUERY_SCRIPT) {
    return pg_script(connection, op);
  }
  if (!pg_collect(connection, op)) {
    send_alone(connection, op);
  }
  return COVET_STEP_PENDING;
}
