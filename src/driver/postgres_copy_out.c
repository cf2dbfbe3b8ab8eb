/* COPY to the caller: a stream of pieces. */
#include "../core/batch.h"
#include "../core/error.h"
#include "postgres_copy.h"

#include <stdlib.h>
#include <string.h>

enum {
  PIECE = 64 * 1024, /* of the rows */
  AHEAD = 4          /* pieces that may stand untaken */
};

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
  step = pg_copy_start(connection, op, PG_MODE_COPY_OUT);
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
    (void) pg_no_memory(op);
  }
  return true;
}
