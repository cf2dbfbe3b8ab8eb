/* What the pipeline mode cannot do: several statements in one text, and COPY.
 * Resets go this way too. */
#include "../core/error.h"
#include "postgres.h"

#include <stdlib.h>
#include <string.h>

enum { RESET_US = 10000000 };

static const char only_reads[] = "SET TRANSACTION READ ONLY;";

bool pg_check_mode(pg_connection *connection, covet_op *op)
{
  if (connection->command_count == 0) {
    return true;
  }
  pg_refuse(op, COVET_ERROR_USAGE,
            "a stream is open on this connection: read it to its end, or close "
            "it first");
  return false;
}

bool pg_enter_mode(pg_connection *connection, pg_mode mode, covet_op *op,
                   const char *sql)
{
  connection->mode = mode;
  connection->simple = op;
  if (PQexitPipelineMode(connection->pq) != 1 ||
      PQsendQuery(connection->pq, sql) != 1) {
    return false;
  }
  pg_flush(connection);
  return true;
}

void pg_leave_mode(pg_connection *connection)
{
  connection->mode = PG_MODE_PIPELINE;
  connection->simple = NULL;
  connection->was_in_transaction =
      PQtransactionStatus(connection->pq) != PQTRANS_IDLE;
  if (PQenterPipelineMode(connection->pq) != 1) {
    connection->base.broken = true;
  }
}

/* A script on a connection that is anybody's has ended: nothing stays open. */
static void check_ended(pg_connection *connection, covet_op *op)
{
  if (op->error == NULL &&
      PQtransactionStatus(connection->pq) == PQTRANS_INTRANS) {
    pg_refuse(op, COVET_ERROR_USAGE,
              "the script left a transaction open, which was rolled back");
  }
}

/* The operation has ended; the mode with it. */
static void end(pg_connection *connection)
{
  covet_op *op = connection->simple;
  bool is_unleased_script = connection->mode == PG_MODE_SCRIPT &&
                            connection->base.state == COVET_CONNECTION_BUSY;

  pg_timer(connection, 0, NULL);
  pg_leave_mode(connection);
  if (pg_is_canceling(connection)) {
    pg_end_canceled(connection, op);
  } else if (is_unleased_script && pg_needs_reset(connection)) {
    check_ended(connection, op);
    (void) pg_reset(connection, op); /* nobody leased it to change it */
  } else {
    pg_settle(connection, op, COVET_STEP_DONE);
  }
}

/* --- Scripts ----------------------------------------------------------------------------- */

/* The text that is sent for a script: in the operation's arena. */
static const char *script_text(covet_op *op)
{
  size_t before = sizeof(only_reads) - 1;
  char *text;

  if (!(op->flags & COVET_QUERY_READ_ONLY)) {
    return op->sql;
  }
  text = covet_arena_alloc(&op->arena, before + op->sql_length + 1);
  if (text != NULL) {
    memcpy(text, only_reads, before);
    memcpy(text + before, op->sql, op->sql_length);
    text[before + op->sql_length] = '\0';
  }
  return text;
}

covet_step pg_script(pg_connection *connection, covet_op *op)
{
  const char *text = script_text(op);

  if (strlen(op->sql) != op->sql_length) {
    pg_refuse(op, COVET_ERROR_USAGE, "the SQL holds a NUL byte");
    return COVET_STEP_DONE;
  }
  if (text == NULL) {
    pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_STEP_DONE;
  }
  if (!pg_check_mode(connection, op)) {
    return COVET_STEP_DONE;
  }
  connection->dirty = true; /* it is not looked into */
  if (!pg_enter_mode(connection, PG_MODE_SCRIPT, op, text)) {
    pg_lose(connection);
  }
  return COVET_STEP_PENDING;
}

static void take_error(pg_connection *connection, covet_op *op,
                       const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

  if (op->error != NULL) {
    return;
  }
  if (covet_op_stop_reason(op) != COVET_STOP_NONE && state != NULL &&
      strcmp(state, "57014") == 0) {
    covet_op_fault_stopped(op);
    return;
  }
  pg_fault(connection, op, result,
           op->flags & COVET_QUERY_READ_ONLY ? sizeof(only_reads) - 1 : 0);
}

static void take_script(pg_connection *connection, covet_op *op,
                        PGresult *result)
{
  switch (PQresultStatus(result)) {
  case PGRES_FATAL_ERROR:
  case PGRES_BAD_RESPONSE:
    take_error(connection, op, result);
    break;
  case PGRES_COMMAND_OK:
  case PGRES_TUPLES_OK:
    op->result.affected_rows = strtoll(PQcmdTuples(result), NULL, 10);
    pg_statements_note(connection, PQcmdStatus(result));
    break;
  case PGRES_COPY_IN:
    (void) PQputCopyEnd(connection->pq, "COPY has no place in a script");
    break;
  case PGRES_COPY_OUT:
  case PGRES_COPY_BOTH:
    if (op->error == NULL) {
      pg_refuse(op, COVET_ERROR_UNSUPPORTED, "COPY has no place in a script");
    }
    pg_lose(connection); /* its rows would have to be taken */
    break;
  default:
    break;
  }
  PQclear(result);
}

/* --- Resets ------------------------------------------------------------------------------- */

static bool in_transaction(const pg_connection *connection)
{
  return PQtransactionStatus(connection->pq) != PQTRANS_IDLE;
}

static bool is_wanted(const pg_connection *connection)
{
  const covet_pool *pool = connection->base.lane->pool;
  covet_pool_reset_mode mode = covet_pool_get_config(pool)->reset;

  if (connection->adapter->options.pgbouncer ||
      mode == COVET_POOL_RESET_NEVER) {
    return false;
  }
  return connection->dirty || mode == COVET_POOL_RESET_ALWAYS;
}

bool pg_needs_reset(const pg_connection *connection)
{
  return !connection->lost &&
         (in_transaction(connection) || is_wanted(connection));
}

static bool is_standby(const pg_connection *connection)
{
  const char *value = PQparameterStatus(connection->pq, "in_hot_standby");

  return value != NULL && strcmp(value, "on") == 0;
}

/* Prepared statements stay. A standby knows no LISTEN. */
static const char *reset_text(const pg_connection *connection)
{
#define COVET_RESET_HEAD "SELECT pg_advisory_unlock_all(); CLOSE ALL; "
#define COVET_RESET_TAIL                                                       \
  "RESET ALL; SET SESSION AUTHORIZATION DEFAULT; DISCARD TEMP; "               \
  "DISCARD SEQUENCES"
  bool open = in_transaction(connection);

  if (!is_wanted(connection)) {
    return "ROLLBACK";
  }
  if (is_standby(connection)) {
    return open ? "ROLLBACK; " COVET_RESET_HEAD COVET_RESET_TAIL
                : COVET_RESET_HEAD COVET_RESET_TAIL;
  }
  return open ? "ROLLBACK; " COVET_RESET_HEAD "UNLISTEN *; " COVET_RESET_TAIL
              : COVET_RESET_HEAD "UNLISTEN *; " COVET_RESET_TAIL;
#undef COVET_RESET_HEAD
#undef COVET_RESET_TAIL
}

/* Nobody sets a deadline for it. */
static void on_reset_overdue(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;

  if (connection->mode == PG_MODE_RESET) {
    pg_lose(connection);
  }
}

covet_step pg_reset(pg_connection *connection, covet_op *op)
{
  if (pg_enter_mode(connection, PG_MODE_RESET, op, reset_text(connection))) {
    pg_timer(connection, RESET_US, on_reset_overdue);
    connection->dirty = false;
  } else {
    pg_lose(connection);
  }
  return COVET_STEP_PENDING;
}

static void take_reset(pg_connection *connection, PGresult *result)
{
  ExecStatusType status = PQresultStatus(result);

  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    connection->base.broken = true;
  }
  PQclear(result);
}

/* --- Results -------------------------------------------------------------------------------- */

bool pg_take_simple(pg_connection *connection)
{
  PGresult *result;
  bool is_data;

  if (pg_copy_is_out(connection)) {
    return pg_copy_take(connection);
  }
  if (connection->paused || connection->simple == NULL ||
      PQisBusy(connection->pq)) {
    return false;
  }
  result = PQgetResult(connection->pq);
  switch (connection->mode) {
  case PG_MODE_SCRIPT:
  case PG_MODE_RESET:
    if (result == NULL) {
      end(connection);
    } else if (connection->mode == PG_MODE_SCRIPT) {
      take_script(connection, connection->simple, result);
    } else {
      take_reset(connection, result);
    }
    break;
  case PG_MODE_COPY_IN:
  case PG_MODE_COPY_OUT:
    is_data = connection->mode == PG_MODE_COPY_IN &&
              PQresultStatus(result) == PGRES_COPY_IN;
    pg_copy_result(connection, result);
    if (is_data) {
      return false; /* libpq says so as long as data are to be sent */
    }
    break;
  case PG_MODE_PIPELINE:
    PQclear(result);
    break;
  }
  return connection->mode != PG_MODE_PIPELINE;
}

void pg_simple_lost(pg_connection *connection)
{
  covet_op *op = connection->simple;
  bool is_reset = connection->mode == PG_MODE_RESET;

  connection->mode = PG_MODE_PIPELINE;
  connection->simple = NULL;
  if (op == NULL || is_reset) {
    return; /* whoever was before has its result */
  }
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
  } else if (op->error == NULL ||
             op->error->kind == COVET_ERROR_CONNECTION_LOST) {
    pg_error_lost(covet_op_fault(op), connection);
    op->error->phase = op->phase;
  }
}
