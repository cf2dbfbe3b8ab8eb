/* The end of a leg: the next one, the same once more, or the answer. */
#include "../core/error.h"
#include "postgres_request.h"

#include <stdio.h>
#include <stdlib.h>

/* Nobody else is to be misled. */
static void drop_knowledge(pg_request *request)
{
  pg_adapter *adapter = request->connection->adapter;

  pg_habit_forget(adapter, request->op);
  adapter->stale += request->outdated;
}

/* Once more, as if nothing had been: the server did nothing of it. */
static void send_again(pg_request *request)
{
  covet_op *op = request->op;

  request->has_error = false;
  request->refused = false;
  request->canceled = false;
  request->retried |= request->stale;
  request->holding = false;
  request->executed = 0;
  pg_drop_rows(request);
  if (op->error != NULL && op->error != &op->runtime->out_of_memory) {
    free(op->error);
  }
  op->error = NULL;
  op->result.affected_rows = 0;
  if (request->stale) {
    drop_knowledge(request);
    request->stale = false;
    request->outdated = false;
    pg_statement_end(request->statement, false);
    request->statement = pg_statement_get(request->connection, op);
    if (request->statement == NULL) {
      pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
      request->has_error = true;
      pg_request_finish(request);
      return;
    }
  }
  pg_request_go_on(request);
}

/* Whether the request is to be sent once more, and may be. */
static bool is_worth_another(const pg_request *request, bool group_failed)
{
  const pg_connection *connection = request->connection;

  if (request->op == NULL || connection->lost || request->together ||
      (request->holding && request->stage == PG_STAGE_TYPES) || /* it has run */
      covet_op_stop_reason(request->op) != COVET_STOP_NONE ||
      (pg_in_transaction(connection) && !request->wrapped)) {
    return false;
  }
  if (request->canceled) {
    return true; /* the cancel was meant for a neighbour */
  }
  if (request->stale) {
    return !request->retried;
  }
  return !request->has_error && (request->refused || group_failed);
}

static void note_session(pg_connection *connection, const pg_request *request)
{
  const pg_statement *statement = request->statement;

  if (statement == NULL || request->refused) {
    return;
  }
  if (statement->changes) {
    connection->dirty = true; /* not all is undone by an error: locks are not */
  }
  if (request->has_error) {
    return;
  }
  if (statement->verb == PG_VERB_BEGIN) {
    connection->read_only =
        pg_mentions(statement->base.sql, statement->base.length, "read only");
    connection->first_error[0] = '\0';
  }
}

/* The caller's pipeline stops at its first error. */
static void tell_refused(pg_request *request)
{
  if (request->op == NULL || !request->refused || request->has_error) {
    return;
  }
  if (covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(request->op);
  } else {
    pg_refuse(request->op, COVET_ERROR_TRANSACTION_ABORTED,
              "not run: a statement before it in the pipeline failed");
  }
  request->has_error = true;
}

/* A transaction of ours that failed is still open. */
static void roll_back(pg_request *request)
{
  static const char *const rollback[] = {"ROLLBACK"};
  pg_connection *connection = request->connection;
  PGTransactionStatusType status = PQtransactionStatus(connection->pq);

  if (request->wrapped && request->has_error &&
      (status == PQTRANS_INERROR || status == PQTRANS_ACTIVE) &&
      !pg_send_own(connection, rollback, 1)) {
    pg_lose(connection);
  }
}

/* Nothing stands against reading once more what text does not tell. */
static bool has_to_reread(pg_request *request)
{
  const pg_statement *statement = request->statement;

  return !request->reread && request->format == PG_FORMAT_TEXT &&
         (request->op->flags & COVET_QUERY_ROWS) && statement->resolved &&
         statement->binary && !statement->text && statement->reads;
}

static void reread(pg_request *request)
{
  request->reread = true;
  request->holding = false;
  request->executed = 0;
  pg_drop_rows(request);
  pg_request_go_on(request);
}

/* In a transaction it cannot run once more alone. */
static void tell_stale(pg_request *request)
{
  covet_error *error = request->op->error;

  drop_knowledge(request);
  if (error->kind != COVET_ERROR_UNSUPPORTED ||
      error == &request->op->runtime->out_of_memory) {
    return;
  }
  error->kind = COVET_ERROR_SERIALIZATION_FAILURE;
  error->retry = COVET_RETRY_SAFE;
  (void) snprintf(error->message, sizeof(error->message), "%s",
                  "the statement is out of date: a table was altered since it "
                  "was prepared; run the transaction again");
}

/* The rows have waited for this. */
static void end_types(pg_request *request)
{
  pg_connection *connection = request->connection;
  char *oids = NULL;

  pg_statement_give_up(request->statement);
  if (!request->holding) {
    pg_request_go_on(request);
    return;
  }
  (void) pg_statement_resolve(request->statement, &oids);
  free(oids);
  if (has_to_reread(request)) {
    reread(request);
    return;
  }
  request->holding = false;
  request->stage = PG_STAGE_RUN;
  request->has_error = !pg_take_held(request);
  note_session(connection, request);
  pg_request_finish(request);
}

/* Rows of a cursor have come: the last ones, or the stream rests. */
static void end_fetch(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (request->rows - request->fetched < pg_rows_of_fetch(request) ||
      covet_op_stop_reason(op) != COVET_STOP_NONE) {
    pg_close_cursor(request);
    if (!connection->lost) {
      pg_request_finish(request);
    }
    return;
  }
  (void) covet_op_deliver(op, request->batch);
  request->batch = NULL;
  request->stage = PG_STAGE_REST;
  queue_remove(&connection->requests, &request->node);
  op->driver = request;
  pg_settle(connection, op, COVET_STEP_SUSPENDED);
}

static void end_run(pg_request *request)
{
  pg_connection *connection = request->connection;
  char *oids = NULL;

  if (request->holding &&
      pg_statement_resolve(request->statement, &oids) == 1) {
    if (pg_send_types_leg(request, oids)) {
      pg_flush(connection);
    } else {
      pg_lose(connection);
    }
    return;
  }
  if (has_to_reread(request)) {
    reread(request);
    return;
  }
  if (request->cursor != 0) {
    end_fetch(request);
    return;
  }
  note_session(connection, request);
  pg_request_finish(request);
}

/* What this request is to do now that its leg has ended. */
void pg_end_leg(pg_request *request, bool group_failed)
{
  pg_connection *connection = request->connection;

  if (request->op == NULL) {
    note_session(connection, request);
    roll_back(request);
    if (!connection->lost) {
      pg_request_finish(request);
    }
    return;
  }
  if (is_worth_another(request, group_failed)) {
    roll_back(request);
    if (!connection->lost) {
      send_again(request);
    }
    return;
  }
  if (request->has_error) {
    note_session(connection, request);
  }
  tell_refused(request);
  if (request->has_error) {
    if (request->stale) {
      tell_stale(request);
    }
    roll_back(request);
    if (!connection->lost) {
      pg_request_finish(request);
    }
    return;
  }
  switch (request->stage) {
  case PG_STAGE_TYPES:
    end_types(request);
    break;
  case PG_STAGE_RUN:
    end_run(request);
    break;
  default:
    pg_request_go_on(request);
    break;
  }
}
