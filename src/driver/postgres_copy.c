/* COPY: data in with back-pressure, data out as a stream. */
#include "../core/batch.h"
#include "../core/error.h"
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SLICE = 64 * 1024, /* handed to libpq at a time */
  PIECE = 64 * 1024, /* of the rows of a COPY out */
  AHEAD = 4,         /* pieces that may stand untaken */
  MOST_COLUMNS = 1664,
  ABORT_US = 100000 /* for the server to see that it was given up */
};

/** A COPY that is open on a connection. */
typedef struct pg_copy {
  pg_buffer buffer;  /* encoded rows, or a piece that is being gathered */
  const char *bytes; /* what is being sent: of the buffer, or the operation's */
  size_t length;
  size_t offset;
  bool binary;
  bool begun;            /* the binary header has been sent */
  bool ending;           /* its end is to be sent when `bytes` are */
  bool ended;            /* it was */
  bool done;             /* the server has said so */
  const char *abort;     /* why it is to fail; of the operation */
  const pg_type **types; /* of copy_rows' columns; NULL: not known */
  uint32_t column_count;
  const covet_shape *shape; /* of the pieces */
} pg_copy;

void pg_copy_free(pg_connection *connection)
{
  pg_copy *copy = connection->copy;

  if (copy != NULL) {
    pg_buffer_deinit(&copy->buffer);
    covet_shape_release(copy->shape);
    free(copy->types);
    free(copy);
    connection->copy = NULL;
  }
}

static bool is_text_param(const covet_op *op, uint32_t index)
{
  return index < op->param_count && op->params[index].kind == COVET_TEXT &&
         memchr(op->params[index].bytes, '\0',
                (size_t) op->params[index].length) == NULL;
}

/* A parameter as a string in the operation's arena. */
static const char *text_param(covet_op *op, uint32_t index)
{
  return is_text_param(op, index)
             ? covet_arena_copy(&op->arena, op->params[index].bytes,
                                (size_t) op->params[index].length)
             : NULL;
}

static covet_step refuse(covet_op *op, const char *text)
{
  pg_refuse(op, COVET_ERROR_USAGE, "%s", text);
  return COVET_STEP_DONE;
}

static covet_step fail_memory(covet_op *op)
{
  pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  return COVET_STEP_DONE;
}

/* --- Beginning -------------------------------------------------------------------------- */

/* "23,25". A binary COPY has to know them. */
static bool read_types(pg_copy *copy, const pg_types *types, const char *text)
{
  copy->types = calloc(MOST_COLUMNS, sizeof(*copy->types));
  while (copy->types != NULL && *text != '\0') {
    char *end;
    unsigned long oid = strtoul(text, &end, 10);
    const pg_type *type = pg_types_find(types, (uint32_t) oid);

    if (end == text || copy->column_count == MOST_COLUMNS ||
        (type == NULL && copy->binary)) {
      return false;
    }
    copy->types[copy->column_count++] = type;
    text = *end == ',' ? end + 1 : end;
  }
  return copy->types != NULL;
}

static covet_step begin(pg_connection *connection, covet_op *op, pg_mode mode)
{
  const char *sql = text_param(op, 0);
  const char *format = text_param(op, 1);
  const char *oids = text_param(op, 2);
  pg_copy *copy;

  if (sql == NULL) {
    return refuse(op, "COPY's text must be a string without NUL bytes");
  }
  if (connection->mode != PG_MODE_PIPELINE) {
    return refuse(op, "a COPY is under way on this connection");
  }
  if (!pg_check_mode(connection, op)) {
    return COVET_STEP_DONE;
  }
  copy = calloc(1, sizeof(*copy));
  if (copy == NULL) {
    return fail_memory(op);
  }
  connection->copy = copy;
  copy->binary = format != NULL && strcmp(format, "binary") == 0;
  if (oids != NULL && !read_types(copy, connection->adapter->types, oids)) {
    pg_copy_free(connection);
    return refuse(op, "the list of types cannot be read, or names one that is "
                      "not known");
  }
  if (!pg_enter_mode(connection, mode, op, sql)) {
    pg_lose(connection);
  }
  return COVET_STEP_PENDING;
}

covet_step pg_copy_begin(pg_connection *connection, covet_op *op)
{
  return begin(connection, op, PG_MODE_COPY_IN);
}

/* --- Data in ------------------------------------------------------------------------------ */

static void end_simple(pg_connection *connection)
{
  covet_op *op = connection->simple;

  connection->simple = NULL;
  pg_settle(connection, op, COVET_STEP_DONE);
}

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
    end_simple(connection);
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
    return refuse(op, "no COPY is open on this connection");
  }
  if (op->param_count != 1 ||
      (op->params[0].kind != COVET_TEXT && op->params[0].kind != COVET_BLOB)) {
    return refuse(op, "COPY takes its data as strings");
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
    (void) fail_memory(op);
  }
  return status;
}

covet_step pg_copy_rows(pg_connection *connection, covet_op *op)
{
  pg_copy *copy = connection->copy;

  if (!is_open(connection)) {
    return refuse(op, "no COPY is open on this connection");
  }
  if (op->width == 0 || op->param_count % op->width != 0 ||
      op->width > MOST_COLUMNS) {
    return refuse(op, "the rows are not complete");
  }
  if (copy->binary && op->width != copy->column_count) {
    return refuse(op, "the rows have other columns than COPY was begun with");
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
    return refuse(op, "no COPY is open on this connection");
  }
  if (op->param_count == 0) {
    return finish(connection, op, NULL);
  }
  why = text_param(op, 0);
  return finish(connection, op, why == NULL ? "its caller gave up" : why);
}

void pg_copy_abort(pg_connection *connection, covet_op *op)
{
  (void) finish(connection, op, "its caller gave up");
}

/* What the server said of the COPY as a whole. */
static void take_end(pg_connection *connection, PGresult *result)
{
  pg_copy *copy = connection->copy;
  covet_op *op = connection->simple;

  if (op->type == COVET_OP_RELEASE) {
    return;
  }
  if (!copy->ending && !copy->begun &&
      PQresultStatus(result) != PGRES_FATAL_ERROR) {
    pg_refuse(op, COVET_ERROR_USAGE,
              "the text is no COPY of the caller's data");
    return;
  }
  if (PQresultStatus(result) == PGRES_COMMAND_OK) {
    op->result.affected_rows = strtoll(PQcmdTuples(result), NULL, 10);
  } else if (copy->abort == NULL && op->error == NULL) {
    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      covet_op_fault_stopped(op);
    } else {
      pg_fault(connection, op, result, 0);
      if (op->error != &op->runtime->out_of_memory) {
        pg_name_copied_row(op->error, result);
      }
    }
  }
}

static void end_copy(pg_connection *connection)
{
  covet_op *op = connection->simple;

  pg_copy_free(connection);
  pg_leave_mode(connection);
  op->driver = NULL;
  pg_timer(connection, 0, NULL);
  if (pg_is_canceling(connection)) {
    pg_end_canceled(connection, op);
  } else if ((op->type == COVET_OP_RELEASE ||
              connection->base.state == COVET_CONNECTION_BUSY) &&
             pg_needs_reset(connection)) {
    (void) pg_reset(connection, op);
  } else {
    pg_settle(connection, op, COVET_STEP_DONE);
  }
}

void pg_copy_result(pg_connection *connection, PGresult *result)
{
  covet_op *op = connection->simple;

  if (result == NULL) {
    end_copy(connection);
    return;
  }
  switch (PQresultStatus(result)) {
  case PGRES_COPY_IN:
    if (connection->mode != PG_MODE_COPY_IN) {
      pg_refuse(op, COVET_ERROR_USAGE, "the text is no COPY ... TO STDOUT");
      (void) PQputCopyEnd(connection->pq, "not wanted");
      pg_flush(connection);
    } else if (connection->copy->bytes == NULL && !connection->copy->ending) {
      PQclear(result);
      end_simple(connection); /* it takes data now */
      return;
    }
    break;
  case PGRES_COPY_OUT:
    if (connection->mode != PG_MODE_COPY_OUT) {
      pg_refuse(op, COVET_ERROR_USAGE, "the text is no COPY ... FROM STDIN");
      pg_lose(connection);
    } else {
      connection->copy->begun = true;
    }
    break;
  default:
    take_end(connection, result);
    break;
  }
  PQclear(result);
}

/* --- Data out ----------------------------------------------------------------------------------- */

static const covet_shape *piece_shape(pg_connection *connection)
{
  static const covet_column column = {.name = "data",
                                      .type = "bytea",
                                      .name_length = 4,
                                      .type_length = 5,
                                      .kind = COVET_BLOB,
                                      .type_id = 17};

  return covet_shape_intern(&connection->base.adapter->runtime->shapes, &column,
                            1);
}

covet_step pg_copy_out(pg_connection *connection, covet_op *op)
{
  covet_step step;

  if (op->driver != NULL) {
    connection->paused = false;
    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      pg_cancel_drained(connection);
    }
    pg_read(connection);
    return pg_has_paused(connection, op) ? COVET_STEP_SUSPENDED
                                         : COVET_STEP_PENDING;
  }
  step = begin(connection, op, PG_MODE_COPY_OUT);
  if (connection->copy != NULL) {
    connection->copy->shape = piece_shape(connection);
  }
  return step;
}

/* Hand over what was gathered. */
static bool deliver(pg_connection *connection)
{
  pg_copy *copy = connection->copy;
  covet_op *op = connection->simple;
  covet_batch *batch;
  covet_cell *cell;

  if (copy->buffer.length == 0 || covet_op_stop_reason(op) != COVET_STOP_NONE) {
    copy->buffer.length = 0;
    return true;
  }
  batch = copy->shape == NULL ? NULL : covet_batch_new(copy->shape, 1);
  cell = batch == NULL ? NULL : covet_batch_add_row(batch);
  if (cell == NULL) {
    covet_batch_free(batch);
    return false;
  }
  cell->kind = COVET_BLOB;
  cell->length = (int32_t) copy->buffer.length;
  cell->bytes =
      covet_batch_copy(batch, copy->buffer.bytes, copy->buffer.length);
  copy->buffer.length = 0;
  if (cell->bytes == NULL) {
    covet_batch_free(batch);
    return false;
  }
  if (covet_op_deliver(op, batch) >= AHEAD) {
    connection->paused = true;
    op->driver = connection;
    if (connection->stepping != op) {
      covet_connection_report(&connection->base, op, COVET_STEP_SUSPENDED);
    }
  }
  return true;
}

bool pg_copy_is_out(const pg_connection *connection)
{
  const pg_copy *copy = connection->copy;

  return connection->mode == PG_MODE_COPY_OUT && copy != NULL && copy->begun &&
         !copy->done;
}

bool pg_copy_take(pg_connection *connection)
{
  pg_copy *copy = connection->copy;
  covet_op *op = connection->simple;
  char *bytes = NULL;
  bool fine = true;
  int length;

  if (connection->paused) {
    return false;
  }
  length = PQgetCopyData(connection->pq, &bytes, 1);
  if (length == 0) {
    return false;
  }
  if (length > 0) {
    fine = pg_buffer_add(&copy->buffer, bytes, (size_t) length) == 0;
    PQfreemem(bytes);
  } else {
    copy->done = true;
  }
  if (fine && (copy->done || copy->buffer.length >= PIECE)) {
    fine = deliver(connection);
  }
  if (!fine && op->error == NULL) {
    (void) fail_memory(op);
  }
  return true;
}
