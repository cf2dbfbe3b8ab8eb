/* COPY from the caller, with back-pressure: data as they are, or rows. */
#include "../core/error.h"
#include "postgres_copy.h"
#include "postgres_input.h"

#include <stdlib.h>
#include <string.h>

enum {
  SLICE = 64 * 1024, /* handed to libpq at a time */
  ABORT_US = 100000  /* for the server to see that it was given up */
};

covet_step pg_copy_begin(pg_connection *connection, covet_op *op)
{
  return pg_copy_start(connection, op, PG_MODE_COPY_IN);
}

static covet_step finish(pg_connection *connection, covet_op *op,
                         const char *why);

/* The server has refused the data and drops what still comes: the step that would
 * send more ends the COPY, and is told why. */
static bool is_refused(pg_connection *connection)
{
  return connection->knows_input && PQconsumeInput(connection->pq) == 1 &&
         pg_input_has_error(connection->pq);
}

/* --- Data in ------------------------------------------------------------------------------ */

/* False: it waits for the socket, or is lost. */
static bool put_end(pg_connection *connection)
{
  pg_copy *copy = connection->copy;
  int put = PQputCopyEnd(connection->pq, copy->abort);

  if (put < 0) {
    pg_lose(connection);
    return false;
  }
  copy->ended = put == 1;
  return copy->ended;
}

/* Whether the socket has taken all that libpq was given: it would grow without a
 * bound else. */
static bool flush(pg_connection *connection)
{
  int left = PQflush(connection->pq);

  if (left < 0) {
    pg_flush(connection);
  } else if (left > 0) {
    connection->flushing = true;
    pg_poll(connection);
  }
  return left == 0;
}

/* Hand libpq what it takes, and the socket what libpq has. */
static void push(pg_connection *connection)
{
  pg_copy *copy = connection->copy;

  while (copy->offset < copy->length) {
    size_t left = copy->length - copy->offset;
    int size = left > SLICE ? SLICE : (int) left;
    int put = PQputCopyData(connection->pq, copy->bytes + copy->offset, size);

    if (put < 0) {
      pg_lose(connection);
      return;
    }
    copy->offset += put > 0 ? (size_t) size : 0;
    if (put == 0 || !flush(connection)) {
      return; /* pg_copy_writable goes on */
    }
  }
  if (copy->ending && !copy->ended && !put_end(connection) &&
      connection->lost) {
    return;
  }
  if (!connection->flushing) {
    pg_flush(connection);
  }
}

/* All of it has gone out: who gave it may give more. The end is answered by the
 * server. */
void pg_copy_writable(pg_connection *connection)
{
  pg_copy *copy = connection->copy;

  if (copy == NULL || connection->simple == NULL) {
    return;
  }
  if (copy->offset < copy->length || (copy->ending && !copy->ended)) {
    push(connection);
    return;
  }
  if (copy->bytes != NULL && !copy->ending) {
    copy->bytes = NULL;
    pg_copy_end_step(connection);
  } else if (copy->ended) {
    pg_read(connection); /* the answer may have come before the end was sent */
  }
}

static covet_step send_bytes(pg_connection *connection, covet_op *op,
                             const char *bytes, size_t length)
{
  pg_copy *copy = connection->copy;

  copy->bytes = bytes == NULL ? "" : bytes;
  copy->length = length;
  copy->offset = 0;
  connection->simple = op;
  push(connection);
  return COVET_STEP_PENDING;
}

static bool is_open(const pg_connection *connection)
{
  return connection->mode == PG_MODE_COPY_IN && connection->copy != NULL &&
         connection->simple == NULL;
}

covet_step pg_copy_data(pg_connection *connection, covet_op *op)
{
  if (!is_open(connection)) {
    return pg_misused(op, "no COPY is open on this connection");
  }
  if (op->param_count != 1 ||
      (op->params[0].kind != COVET_TEXT && op->params[0].kind != COVET_BLOB)) {
    return pg_misused(op, "COPY takes its data as strings");
  }
  if (is_refused(connection)) {
    return finish(connection, op, NULL);
  }
  return send_bytes(connection, op, op->params[0].bytes,
                    (size_t) op->params[0].length);
}

/* --- Rows in -------------------------------------------------------------------------------- */

static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";

static int add_int16(pg_buffer *buffer, int value)
{
  char bytes[2] = {(char) (value >> 8), (char) value};

  return pg_buffer_add(buffer, bytes, sizeof(bytes));
}

static int add_field(pg_copy *copy, const covet_cell *cell, uint32_t column,
                     covet_error *error)
{
  const pg_type *type =
      column < copy->column_count ? copy->types[column] : NULL;
  int status = 0;

  if (copy->binary) {
    return pg_value_write_binary(type, cell, &copy->buffer, error);
  }
  if (column > 0) {
    status = pg_buffer_add(&copy->buffer, "\t", 1);
  }
  return status == 0
             ? pg_value_write_copy_text(type, cell, &copy->buffer, error)
             : status;
}

static int add_row(pg_copy *copy, const covet_op *op, uint32_t row,
                   uint32_t *column, covet_error *error)
{
  int status = copy->binary ? add_int16(&copy->buffer, (int) op->width) : 0;

  for (*column = 0; status == 0 && *column < op->width; (*column)++) {
    status =
        add_field(copy, &op->params[row * op->width + *column], *column, error);
    if (status != 0) {
      return status;
    }
  }
  return status != 0 || copy->binary ? status
                                     : pg_buffer_add(&copy->buffer, "\n", 1);
}

static int encode_rows(pg_connection *connection, covet_op *op)
{
  pg_copy *copy = connection->copy;
  uint32_t column = 0;
  covet_error error = {0};
  int status = 0;

  copy->buffer.length = 0;
  if (copy->binary && !copy->begun) {
    status = pg_buffer_add(&copy->buffer, header, 19);
  }
  for (uint32_t row = 0; status == 0 && row < op->param_count / op->width;
       row++) {
    status = add_row(copy, op, row, &column, &error);
    if (status == COVET_EUSAGE) {
      pg_refuse(op, COVET_ERROR_INVALID_VALUE, "row %u, column %u: %s",
                (unsigned) row + 1, (unsigned) column + 1, error.message);
    }
  }
  if (status == COVET_ENOMEM) {
    (void) pg_no_memory(op);
  }
  return status;
}

covet_step pg_copy_rows(pg_connection *connection, covet_op *op)
{
  pg_copy *copy = connection->copy;

  if (!is_open(connection)) {
    return pg_misused(op, "no COPY is open on this connection");
  }
  if (op->width == 0 || op->param_count % op->width != 0 ||
      op->width > PG_COPY_MOST_COLUMNS) {
    return pg_misused(op, "the rows are not complete");
  }
  if (copy->binary && op->width != copy->column_count) {
    return pg_misused(op,
                      "the rows have other columns than COPY was begun with");
  }
  if (is_refused(connection)) {
    return finish(connection, op, NULL);
  }
  if (encode_rows(connection, op) != 0) {
    return COVET_STEP_DONE;
  }
  copy->begun = true;
  op->result.affected_rows = op->param_count / op->width;
  return send_bytes(connection, op, copy->buffer.bytes, copy->buffer.length);
}

/* --- The end --------------------------------------------------------------------------------- */

/* It is at a row that takes long. */
static void on_abort_overdue(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;

  if (connection->mode == PG_MODE_COPY_IN) {
    pg_cancel_drained(connection);
  }
}

static covet_step finish(pg_connection *connection, covet_op *op,
                         const char *why)
{
  pg_copy *copy = connection->copy;
  const char *trailer = "\377\377";

  copy->abort = why;
  copy->ending = true;
  if (why != NULL) {
    pg_timer(connection, ABORT_US, on_abort_overdue);
  }
  copy->buffer.length = 0;
  if (copy->binary && why == NULL && copy->types != NULL) {
    if ((!copy->begun && pg_buffer_add(&copy->buffer, header, 19) != 0) ||
        pg_buffer_add(&copy->buffer, trailer, 2) != 0) {
      copy->abort = "out of memory";
      copy->buffer.length = 0;
    }
  }
  return send_bytes(connection, op, copy->buffer.bytes, copy->buffer.length);
}

covet_step pg_copy_end(pg_connection *connection, covet_op *op)
{
  const char *why;

  if (!is_open(connection)) {
    return pg_misused(op, "no COPY is open on this connection");
  }
  if (op->param_count == 0) {
    return finish(connection, op, NULL);
  }
  why = pg_text_param(op, 0);
  return finish(connection, op, why == NULL ? "its caller gave up" : why);
}

void pg_copy_abort(pg_connection *connection, covet_op *op)
{
  (void) finish(connection, op, "its caller gave up");
}
