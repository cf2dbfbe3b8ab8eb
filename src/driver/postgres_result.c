/* Results of libpq to batches. */
#include "../core/batch.h"
#include "../core/error.h"
#include "postgres.h"
#include "postgres_input.h"

#include <stdlib.h>
#include <string.h>

enum {
  AHEAD = 4,                 /* deliveries that may stand untaken */
  FIRST_ROWS = 256,          /* so that the reader starts early */
  CHUNK_ROWS = 500,          /* decoded in less than a millisecond */
  CHUNK_BYTES = 1024 * 1024, /* a delivery is complete at this size too */
  FEW_ROWS = 64              /* not worth being read row by row */
};

static bool fail(pg_request *request, covet_error_kind kind, const char *text)
{
  if (request->op != NULL && !request->has_error) {
    pg_refuse(request->op, kind, "%s", text);
  }
  request->has_error = true;
  return false;
}

/* --- Batches -------------------------------------------------------------------------- */

static uint32_t rows_wanted(const pg_request *request)
{
  const covet_op *op = request->op;

  if (op->flags & COVET_QUERY_ONE) {
    return 1;
  }
  if (op->chunk != 0) {
    return op->chunk;
  }
  return request->rows < FIRST_ROWS ? FIRST_ROWS : CHUNK_ROWS;
}

static covet_batch *batch_of(pg_request *request, int rows)
{
  if (request->batch == NULL) {
    uint32_t wanted = rows_wanted(request);
    uint32_t room = request->single ? wanted : (uint32_t) rows;

    room = room > CHUNK_ROWS ? CHUNK_ROWS : room;
    request->batch = covet_batch_new(request->statement->shape, room);
  }
  return request->batch;
}

/* Rows in one delivery are complete; in a pipeline that can be rolled back as a
 * whole nothing is handed over before its end. */
static void deliver(pg_request *request)
{
  pg_connection *connection = request->connection;
  uint32_t untaken = covet_op_deliver(request->op, request->batch);

  request->batch = NULL;
  if (untaken >= AHEAD && request->single && !request->greedy &&
      connection->base.running == request->op) {
    connection->paused = true;
  }
}

static bool is_full(const pg_request *request)
{
  return !(request->op->flags & COVET_QUERY_ONE) && request->single &&
         (request->batch->row_count >= rows_wanted(request) ||
          covet_batch_bytes(request->batch) >= CHUNK_BYTES);
}

/* --- Cells ---------------------------------------------------------------------------- */

static bool read_failed(pg_request *request, pg_read_status status, int column)
{
  const pg_statement *statement = request->statement;
  const char *name = statement->names[column];
  const char *type = statement->types[statement->param_count + column]->name;

  if (status == PG_READ_NO_MEMORY) {
    return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  if (request->op != NULL && !request->has_error) {
    pg_refuse(request->op, COVET_ERROR_PROTOCOL_ERROR,
              status == PG_READ_TOO_DEEP
                  ? "column %.60s: a value of type %.60s is nested too deeply"
                  : "column %.60s: the server sent what is no value of type "
                    "%.60s",
              name, type);
  }
  request->has_error = true;
  return false;
}

/* Whether it can be run again as if nothing had been. */
static bool only_reads_rows(const pg_request *request)
{
  return request->rows == 0 && request->statement->verb == PG_VERB_SELECT;
}

/* What was known is not true any more. If nothing was handed over yet, the
 * statement runs once more with what the server says now. */
static bool once_more(pg_request *request)
{
  bool reads = only_reads_rows(request);

  if (request->op->error != &request->op->runtime->out_of_memory) {
    request->op->error->retry = reads ? COVET_RETRY_SAFE : COVET_RETRY_NO;
  }
  request->stale = reads;
  request->outdated = reads;
  request->has_error = true;
  return false;
}

/* The type was altered since it was asked for. */
static bool altered(pg_request *request, int column)
{
  pg_adapter *adapter = request->connection->adapter;
  const pg_statement *statement = request->statement;

  pg_types_forget(adapter->types);
  adapter->epoch++;
  pg_refuse(request->op, COVET_ERROR_DATATYPE_MISMATCH,
            "column %.60s: its type %.60s was altered meanwhile",
            statement->names[column],
            statement->types[statement->param_count + column]->name);
  return once_more(request);
}

static bool read_cell(pg_request *request, int column, const char *bytes,
                      int32_t length, covet_batch *batch, covet_cell *cell)
{
  const pg_statement *statement = request->statement;
  pg_types *types = request->connection->adapter->types;
  pg_read_status status = pg_value_read(
      types, statement->types[statement->param_count + column], request->format,
      bytes, length, batch, cell, &request->missing);

  if (status == PG_READ_UNKNOWN) { /* a type that only a record has shown */
    if (pg_types_find(types, request->missing) != NULL) {
      return read_failed(request, PG_READ_TOO_DEEP, column); /* its domains */
    }
    return pg_types_guess(types, request->missing) == 0
               ? read_cell(request, column, bytes, length, batch, cell)
               : read_failed(request, PG_READ_NO_MEMORY, column);
  }
  if (status == PG_READ_OUTDATED) {
    return altered(request, column);
  }
  return status == PG_READ_OK || read_failed(request, status, column);
}

/* A cell of a result. */
static bool read_field(pg_request *request, const PGresult *result, int row,
                       int column, covet_batch *batch, covet_cell *cell)
{
  int32_t length = PQgetlength(result, row, column);

  if (length == 0 && PQgetisnull(result, row, column)) {
    length = -1;
  }
  return read_cell(request, column, PQgetvalue(result, row, column), length,
                   batch, cell);
}

static bool take_row(pg_request *request, const PGresult *result, int row,
                     int rows)
{
  covet_batch *batch = batch_of(request, rows - row);
  covet_cell *cells = batch == NULL ? NULL : covet_batch_add_row(batch);
  int count = (int) request->statement->column_count;

  if (cells == NULL) {
    return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  for (int i = 0; i < count; i++) {
    if (!read_field(request, result, row, i, batch, &cells[i])) {
      batch->row_count--;
      return false;
    }
  }
  return true;
}

/* The server says at the end, with the last rows or behind them, what it did. */
static bool is_no_insert(const PGresult *result)
{
  const char *done = PQcmdStatus((PGresult *) result);

  return done[0] != '\0' && strncmp(done, "INSERT", 6) != 0;
}

/* The id that an INSERT ... RETURNING gives to a caller who wants no rows. */
static void note_id(pg_request *request, const PGresult *result)
{
  covet_op *op = request->op;
  covet_cell cell = {0};
  const char *text = PQgetvalue(result, 0, 0);
  covet_batch *batch;

  if (op->result.has_insert_id || is_no_insert(result) ||
      PQnfields(result) == 0 || PQgetisnull(result, 0, 0) || text == NULL) {
    return;
  }
  batch = covet_batch_new(request->statement->shape, 1);
  if (batch != NULL && read_field(request, result, 0, 0, batch, &cell) &&
      cell.kind == COVET_INTEGER) {
    op->result.last_insert_id = cell.integer;
    op->result.has_insert_id = 1;
  }
  covet_batch_free(batch);
}

/* Whether the statement has the result's columns. The table may have been changed
 * since it was asked: then it is asked again, unless the new columns are known
 * well enough to be read in the format that was asked for. */
static bool fit(pg_request *request, const PGresult *result)
{
  pg_statement *statement = request->statement;
  bool described = statement->described;
  char *oids = NULL;
  int status;

  if (!pg_statement_fits(statement, result) &&
      !pg_statement_describe(statement, result, true)) {
    return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  /* Types that were forgotten meanwhile are those that it was sent with. */
  status = statement->resolved ? 0 : pg_statement_resolve(statement, &oids);
  free(oids);
  if (status == 1 && !described) { /* nor can it be */
    pg_statement_give_up(statement);
    status = pg_statement_resolve(statement, &oids);
  }
  if (status == COVET_ENOMEM) {
    return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  if (status == 0 && (statement->binary || request->format == PG_FORMAT_TEXT)) {
    return statement->shape != NULL || pg_statement_has_no_columns(statement) ||
           fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  pg_refuse(request->op, COVET_ERROR_DATATYPE_MISMATCH,
            "the result has other columns than before: a table was altered");
  return once_more(request);
}

bool pg_take_rows(pg_request *request, const PGresult *result)
{
  covet_op *op = request->op;
  int rows = PQntuples(result);

  if (op == NULL || request->has_error || rows == 0 ||
      pg_is_stopped_stream(op)) {
    return !request->has_error;
  }
  if (request->rows == 0 && !fit(request, result)) {
    return false;
  }
  if (!(op->flags & COVET_QUERY_ROWS)) {
    request->rows += (uint64_t) rows;
    note_id(request, result);
    return !request->has_error;
  }
  for (int row = 0; row < rows; row++) {
    if ((op->flags & COVET_QUERY_ONE) && request->rows > 0) {
      request->rows++;
      continue;
    }
    if (!take_row(request, result, row, rows)) {
      return false;
    }
    request->rows++;
    if (is_full(request)) {
      deliver(request);
    }
  }
  return true;
}

/* --- Rows out of libpq's buffer --------------------------------------------------------- */

/* False: the row is no row of this result, or the request has failed. */
static bool take_fields(pg_request *request, pg_wire fields)
{
  covet_batch *batch = batch_of(request, 1);
  covet_cell *cells = batch == NULL ? NULL : covet_batch_add_row(batch);
  int count = (int) request->statement->column_count;
  bool fine = true;

  if (cells == NULL) {
    return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  for (int i = 0; i < count && fine; i++) {
    const char *bytes;
    int32_t length;

    fine = pg_wire_field(&fields, &bytes, &length) &&
           read_cell(request, i, bytes, length, batch, &cells[i]);
  }
  fine = fine && fields.at == fields.end;
  if (!fine) {
    batch->row_count--;
  }
  return fine;
}

/* Take a row, or see that nobody wants it. False: libpq is to tell what is wrong
 * with it. */
static bool take_waiting_row(pg_request *request, const pg_wire *fields)
{
  covet_op *op = request->op;

  if (op == NULL || request->has_error || pg_is_stopped_stream(op)) {
    return true;
  }
  if ((op->flags & COVET_QUERY_ROWS) && !(op->flags & COVET_QUERY_ONE) &&
      !take_fields(request, *fields)) {
    return request->has_error;
  }
  request->rows++;
  return true;
}

void pg_take_waiting_rows(pg_request *request)
{
  pg_connection *connection = request->connection;
  unsigned wanted = request->statement->column_count;
  unsigned count;
  pg_wire fields;

  while (pg_input_row(connection->pq, &fields, &count) && count == wanted &&
         take_waiting_row(request, &fields)) {
    pg_input_pass(connection->pq, &fields);
    if (request->batch != NULL && is_full(request)) {
      deliver(request);
      if (connection->paused) {
        return;
      }
    }
  }
}

/* --- Rows that wait for their types ----------------------------------------------------- */

bool pg_hold_rows(pg_request *request, PGresult *result)
{
  if (request->held_count == request->held_capacity) {
    size_t capacity = request->held_capacity * 2 + 16;
    PGresult **held = realloc(request->held, capacity * sizeof(PGresult *));

    if (held == NULL) {
      PQclear(result);
      return fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    }
    request->held = held;
    request->held_capacity = capacity;
  }
  request->held[request->held_count++] = result;
  return true;
}

bool pg_take_held(pg_request *request)
{
  bool fine = true;

  request->rows = 0;
  request->greedy = true; /* all of it is here already */
  for (size_t i = 0; i < request->held_count; i++) {
    fine = fine && pg_take_rows(request, request->held[i]);
    PQclear(request->held[i]);
  }
  request->held_count = 0;
  return fine;
}

/* --- The end ---------------------------------------------------------------------------- */

void pg_drop_rows(pg_request *request)
{
  covet_batch_free(request->batch);
  request->batch = NULL;
  for (size_t i = 0; i < request->held_count; i++) {
    PQclear(request->held[i]);
  }
  request->held_count = 0;
  request->rows = 0;
}

void pg_finish_rows(pg_request *request)
{
  covet_op *op = request->op;
  pg_statement *statement = request->statement;

  statement->few_rows = request->rows <= FEW_ROWS;
  if (request->cursor != 0) {
    op->result.affected_rows = (int64_t) request->rows;
  }
  if (statement->shape == NULL) {
    return;
  }
  if (request->rows == 0 && (op->flags & COVET_QUERY_ROWS) &&
      !(op->flags & COVET_QUERY_ONE)) {
    request->batch = covet_batch_new(statement->shape, 0); /* its columns */
  }
  if (request->batch != NULL && !request->has_error) {
    covet_op_append(op, request->batch);
    request->batch = NULL;
  }
  if (op->result.shape == NULL) {
    op->result.shape = covet_shape_retain(statement->shape);
  }
}

void pg_note_command(pg_request *request, PGresult *result)
{
  const char *count = PQcmdTuples(result);
  covet_result *figures;

  pg_statements_note(request->connection, PQcmdStatus(result));
  if (request->op == NULL) {
    return;
  }
  figures = &request->op->result;
  if (is_no_insert(result)) {
    figures->last_insert_id = 0; /* what came first in its rows was none */
    figures->has_insert_id = 0;
  }
  if (request->statement->verb == PG_VERB_COMMIT &&
      strcmp(PQcmdStatus(result), "ROLLBACK") == 0) {
    pg_refuse(request->op, COVET_ERROR_TRANSACTION_ABORTED,
              "the transaction was rolled back: a statement in it had failed");
    covet_error_text(request->op->error->detail,
                     sizeof(request->op->error->detail),
                     request->connection->first_error,
                     sizeof(request->connection->first_error));
    request->has_error = true;
    return;
  }
  if (request->op->flags & COVET_QUERY_MANY) {
    figures->affected_rows += strtoll(count, NULL, 10);
  } else {
    figures->affected_rows = count[0] == '\0' ? 0 : strtoll(count, NULL, 10);
    covet_error_text(figures->command, sizeof(figures->command),
                     PQcmdStatus(result), sizeof(figures->command));
  }
}
