#include "../core/batch.h"
#include "../core/error.h"
#include "sqlite.h"

#include <string.h>

enum {
  AHEAD = 4,                 /* deliveries that may stand untaken */
  FIRST_ROOM = 1000,         /* rows, however large a chunk was asked for */
  FIRST_ROWS = 256,          /* so that the reader starts early */
  CHUNK_ROWS = 500,          /* decoded in less than a millisecond */
  CHUNK_BYTES = 1024 * 1024, /* a delivery is complete at this size too */
  LOOP_ROWS = 16,            /* first size of a batch on the loop's thread */
  LOOP_BYTES = 256 * 1024    /* more of them than this go to the worker */
};

sqlite_outcome sqlite_refuse(covet_op *op, covet_error_kind kind,
                             const char *text)
{
  covet_error_set(covet_op_fault(op), kind, "%s", text);
  op->error->phase = op->phase;
  return SQLITE_RAN;
}

/* --- Rows ------------------------------------------------------------------------- */

static int copy_bytes(covet_batch *batch, covet_cell *cell, covet_kind kind,
                      const void *bytes, int length)
{
  cell->kind = kind;
  cell->length = length;
  cell->bytes = covet_batch_copy(batch, bytes, (size_t) length);
  return cell->bytes == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int fill_cell(covet_batch *batch, covet_cell *cell, sqlite3_stmt *handle,
                     int column)
{
  const void *bytes;

  switch (sqlite3_column_type(handle, column)) {
  case SQLITE_INTEGER:
    cell->kind = COVET_INTEGER;
    cell->length = 0;
    cell->integer = sqlite3_column_int64(handle, column);
    return SQLITE_OK;
  case SQLITE_FLOAT:
    cell->kind = COVET_FLOAT;
    cell->length = 0;
    cell->number = sqlite3_column_double(handle, column);
    return SQLITE_OK;
  case SQLITE_TEXT:
    bytes = sqlite3_column_text(handle, column);
    return copy_bytes(batch, cell, COVET_TEXT, bytes,
                      sqlite3_column_bytes(handle, column));
  case SQLITE_BLOB:
    bytes = sqlite3_column_blob(handle, column);
    return copy_bytes(batch, cell, COVET_BLOB, bytes,
                      sqlite3_column_bytes(handle, column));
  default:
    cell->kind = COVET_NULL;
    cell->length = -1;
    cell->integer = 0;
    return SQLITE_OK;
  }
}

int sqlite_add_row(covet_batch *batch, sqlite3_stmt *handle, size_t most)
{
  int count = (int) batch->shape->column_count;
  covet_cell *cells = covet_batch_add_row(batch);

  if (cells == NULL) {
    return SQLITE_NOMEM;
  }
  for (int i = 0; i < count; i++) {
    int code = fill_cell(batch, &cells[i], handle, i);

    if (code == SQLITE_OK && covet_batch_bytes(batch) > most) {
      code = SQLITE_TOOBIG;
    }
    if (code != SQLITE_OK) {
      batch->row_count--;
      return code;
    }
  }
  return SQLITE_ROW;
}

static uint32_t rows_wanted(const sqlite_connection *connection,
                            const covet_op *op,
                            const sqlite_statement *statement)
{
  if (op->flags & COVET_QUERY_ONE) {
    return 1;
  }
  if (connection->on_loop) {
    return LOOP_ROWS;
  }
  if (op->chunk != 0) {
    return op->chunk;
  }
  return statement->rows == 0 ? FIRST_ROWS : CHUNK_ROWS;
}

static covet_batch *new_batch(sqlite_connection *connection, const covet_op *op,
                              sqlite_statement *statement)
{
  uint32_t wanted;

  if (!sqlite_statement_shape(connection, statement)) {
    return NULL;
  }
  wanted = rows_wanted(connection, op, statement);
  return covet_batch_new(statement->shape,
                         wanted < CHUNK_ROWS ? wanted : CHUNK_ROWS);
}

/* A batch that is handed over before the statement has ended. On the loop's
 * thread there is none: the rows of a run that goes over its budget are dropped
 * and read again on the worker. */
static bool is_full(const sqlite_connection *connection, const covet_op *op,
                    const sqlite_statement *statement, const covet_batch *batch)
{
  return !connection->on_loop && !(op->flags & COVET_QUERY_ONE) &&
         (batch->row_count >= rows_wanted(connection, op, statement) ||
          covet_batch_bytes(batch) >= CHUNK_BYTES);
}

/* One more row. SQLITE_ROW: go on. */
static int take_row(sqlite_connection *connection, covet_op *op,
                    sqlite_statement *statement, covet_batch **batch)
{
  /* SQLite counts steps, not bytes */
  bool bounded = connection->on_loop && statement->read_only;
  int code;

  if (!(op->flags & COVET_QUERY_ROWS) ||
      ((op->flags & COVET_QUERY_ONE) && statement->rows > 0)) {
    statement->rows++;
    return SQLITE_ROW;
  }
  if (*batch == NULL) {
    *batch = new_batch(connection, op, statement);
    if (*batch == NULL) {
      return SQLITE_NOMEM;
    }
  }
  code = sqlite_add_row(*batch, statement->handle,
                        bounded ? LOOP_BYTES : SIZE_MAX);
  statement->rows += code == SQLITE_ROW;
  return code;
}

static bool enough(const covet_op *op, const sqlite_statement *statement)
{
  /* a statement that writes is never left in the middle */
  return (op->flags & COVET_QUERY_ONE) && statement->read_only &&
         statement->rows > 0;
}

int sqlite_step(sqlite_connection *connection, sqlite_statement *statement)
{
  int code;

  connection->stepping = statement->handle;
  code = sqlite3_step(statement->handle);
  connection->stepping = NULL;
  return code;
}

/* A stream is far enough ahead: its statement stays open, but not when it was
 * stopped by now. */
static sqlite_outcome pause_rows(sqlite_connection *connection, covet_op *op,
                                 sqlite_statement *statement)
{
  sqlite_worker_leave(connection);
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    return sqlite_run_end(connection, op, statement, SQLITE_INTERRUPT);
  }
  connection->resting++;
  return SQLITE_PAUSED;
}

sqlite_outcome sqlite_run_rows(sqlite_connection *connection, covet_op *op,
                               sqlite_statement *statement)
{
  covet_batch *batch = NULL;
  int code = sqlite_worker_enter(connection) ? SQLITE_ROW : SQLITE_INTERRUPT;

  while (code == SQLITE_ROW && !enough(op, statement)) {
    code = sqlite_step(connection, statement);
    if (code == SQLITE_ROW) {
      code = take_row(connection, op, statement, &batch);
    }
    if (code == SQLITE_ROW && batch != NULL &&
        is_full(connection, op, statement, batch)) {
      uint32_t untaken = covet_op_deliver(op, batch);

      batch = NULL;
      if (untaken >= AHEAD) {
        return pause_rows(connection, op, statement);
      }
    }
  }
  sqlite_worker_leave(connection);
  if (code == SQLITE_DONE && statement->rows == 0 &&
      (op->flags & COVET_QUERY_ROWS) && !(op->flags & COVET_QUERY_ONE) &&
      statement->shape != NULL) {
    batch = new_batch(connection, op, statement); /* it tells the columns */
  }
  if (batch != NULL && (code == SQLITE_DONE || code == SQLITE_ROW)) {
    if (connection->on_loop) {
      covet_op_append_alone(op, batch);
    } else {
      covet_op_append(op, batch);
    }
  } else {
    covet_batch_free(batch);
  }
  return sqlite_run_end(connection, op, statement, code);
}

/* --- The end ------------------------------------------------------------------------- */

void sqlite_note_changes(sqlite_connection *connection, covet_op *op,
                         const sqlite_statement *statement)
{
  sqlite3 *db = connection->db;
  covet_result *result = &op->result;
  bool changed;
  int64_t id;

  if (statement->read_only) {
    result->affected_rows = statement->rows;
    return;
  }
  changed = sqlite3_total_changes64(db) != statement->total_before;
  id = sqlite3_last_insert_rowid(db);
  result->affected_rows = changed ? sqlite3_changes64(db) : 0;
  if ((statement->verb == SQLITE_VERB_INSERT && result->affected_rows > 0) ||
      (statement->verb == SQLITE_VERB_WITH && id != statement->id_before)) {
    result->last_insert_id = id;
    result->has_insert_id = 1;
  }
}

/* Preparing reads the schema, so that even a wrong answer ("no such table") may
 * come of a lock that was not free. */
bool sqlite_can_run_again(const sqlite_connection *connection)
{
  return connection->on_loop &&
         (connection->over_budget || connection->locked_out);
}

sqlite_outcome sqlite_run_end(sqlite_connection *connection, covet_op *op,
                              sqlite_statement *statement, int code)
{
  sqlite_outcome outcome = SQLITE_RAN;

  op->driver = NULL;
  connection->scanned |=
      !statement->read_only &&
      sqlite3_stmt_status(statement->handle, SQLITE_STMTSTATUS_FULLSCAN_STEP,
                          1) > 0;
  if (code == SQLITE_TOOBIG && connection->on_loop && connection->limited) {
    connection->over_budget = true; /* the limit is the loop's */
  }
  if (code == SQLITE_DONE || code == SQLITE_ROW) {
    sqlite_note_changes(connection, op, statement);
    if (statement->verb == SQLITE_VERB_BEGIN) {
      connection->changes_before = sqlite3_total_changes64(connection->db);
      connection->work_us = 0;
    }
    if (statement->shape != NULL && op->result.shape == NULL) {
      op->result.shape = covet_shape_retain(statement->shape);
    }
  } else if (sqlite_can_run_again(connection)) {
    outcome = SQLITE_ELSEWHERE;
  } else {
    sqlite_fault(connection, op, code, 0);
  }
  sqlite_statement_end(connection, statement);
  return outcome;
}

/* --- The beginning --------------------------------------------------------------------- */

/* 0 when the statement may run; else the outcome stands in `*outcome`. */
static int check(sqlite_connection *connection, covet_op *op,
                 const sqlite_statement *statement, sqlite_outcome *outcome)
{
  int wanted = sqlite3_bind_parameter_count(statement->handle);
  uint32_t given = op->flags & COVET_QUERY_MANY ? op->width : op->param_count;

  *outcome = SQLITE_RAN;
  if (!sqlite_may_run(connection, op, statement, op->sql)) {
    return 1;
  }
  if (!statement->read_only && connection->role != SQLITE_WRITER &&
      op->lease == 0 && !connection->adapter->options.read_only) {
    op->lane = SQLITE_WRITER;
    *outcome = SQLITE_TO_WRITER;
    return 1;
  }
  if ((op->flags & COVET_QUERY_MANY) &&
      (given == 0 || op->param_count % given != 0)) {
    sqlite_refuse(op, COVET_ERROR_USAGE,
                  given == 0 ? "a list of rows takes a parameter in each"
                             : "the list's last row is incomplete");
    return 1;
  }
  if (!(op->flags & COVET_QUERY_DESCRIBE) && (uint32_t) wanted != given) {
    covet_error_set(covet_op_fault(op), COVET_ERROR_USAGE,
                    "the statement takes %d parameter%s, %u %s given", wanted,
                    wanted == 1 ? "" : "s", given, given == 1 ? "was" : "were");
    op->error->phase = op->phase;
    return 1;
  }
  return 0;
}

static sqlite_outcome describe(sqlite_connection *connection, covet_op *op,
                               sqlite_statement *statement)
{
  op->result.shape = covet_shape_retain(statement->shape);
  op->result.parameter_count =
      (uint32_t) sqlite3_bind_parameter_count(statement->handle);
  op->result.read_only = statement->read_only;
  op->result.described = 1;
  sqlite_statement_end(connection, statement);
  return SQLITE_RAN;
}

static sqlite_outcome start(sqlite_connection *connection, covet_op *op)
{
  sqlite_statement *statement = sqlite_prepare(connection, op);
  sqlite_outcome outcome;
  int code;

  if (statement == NULL) {
    return op->error == NULL ? SQLITE_ELSEWHERE : SQLITE_RAN;
  }
  connection->ran_known = true;
  connection->ran_read_only = statement->read_only;
  connection->ran_clears = statement->clears;
  if (check(connection, op, statement, &outcome) != 0) {
    sqlite_statement_end(connection, statement);
    return outcome;
  }
  if (op->flags & COVET_QUERY_DESCRIBE) {
    return describe(connection, op, statement);
  }
  if (op->flags & COVET_QUERY_MANY) {
    return sqlite_run_many(connection, op, statement);
  }
  code = sqlite_bind(op, statement, op->params, op->param_count);
  if (code != SQLITE_OK) {
    return sqlite_run_end(connection, op, statement, code);
  }
  if (!statement->read_only) {
    statement->total_before = sqlite3_total_changes64(connection->db);
    statement->id_before = sqlite3_last_insert_rowid(connection->db);
  }
  statement->rows = 0;
  op->driver = statement;
  return sqlite_run_rows(connection, op, statement);
}

static sqlite_outcome run_query(sqlite_connection *connection, covet_op *op)
{
  if (op->driver != NULL) {
    connection->resting--;
    return sqlite_run_rows(connection, op, op->driver);
  }
  if ((op->flags & COVET_QUERY_INSIDE) &&
      sqlite3_get_autocommit(connection->db)) {
    return sqlite_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
                         "the transaction was rolled back by an earlier error");
  }
  if (op->flags & COVET_QUERY_SCRIPT) {
    return sqlite_run_script(connection, op);
  }
  return start(connection, op);
}

sqlite_outcome sqlite_run(sqlite_connection *connection)
{
  covet_op *op = connection->op;

  connection->ran_known = false;
  connection->ran_clears = false;
  connection->scanned = false;
  connection->called = false;
  if (op->type == COVET_OP_RELEASE) {
    if (!sqlite_reset(connection)) { /* else it stays the loop's to set */
      connection->base.broken = true;
    }
    return SQLITE_RAN;
  }
  if (covet_op_stop_reason(op) != COVET_STOP_NONE && op->driver == NULL) {
    covet_op_fault_stopped(op);
    return SQLITE_RAN;
  }
  if (!connection->on_loop &&
      connection->functions !=
          atomic_load(&connection->adapter->function_count) &&
      sqlite_functions_update(connection) != SQLITE_OK) {
    if (connection->error.kind != COVET_ERROR_NONE) {
      return sqlite_refuse(op, connection->error.kind,
                           connection->error.message);
    }
    sqlite_fault(connection, op, sqlite3_extended_errcode(connection->db), 0);
    return SQLITE_RAN;
  }
  return op->type == COVET_OP_CALL ? sqlite_run_call(connection, op)
                                   : run_query(connection, op);
}
