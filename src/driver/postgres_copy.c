/* COPY: how it begins, and what the server says of it. */
#include "postgres_copy.h"
#include "../core/error.h"

#include <stdlib.h>
#include <string.h>

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

/* --- Beginning -------------------------------------------------------------------------- */

/* "23,25". A binary COPY has to know them. */
static bool read_types(pg_copy *copy, const pg_types *types, const char *text)
{
  copy->types = calloc(PG_COPY_MOST_COLUMNS, sizeof(pg_type *));
  while (copy->types != NULL && *text != '\0') {
    char *end;
    unsigned long oid = strtoul(text, &end, 10);
    const pg_type *type = pg_types_find(types, (uint32_t) oid);

    if (end == text || copy->column_count == PG_COPY_MOST_COLUMNS ||
        (type == NULL && copy->binary)) {
      return false;
    }
    copy->types[copy->column_count++] = type;
    text = *end == ',' ? end + 1 : end;
  }
  return copy->types != NULL;
}

covet_step pg_copy_start(pg_connection *connection, covet_op *op, pg_mode mode)
{
  const char *sql = pg_text_param(op, 0);
  const char *format = pg_text_param(op, 1);
  const char *oids = pg_text_param(op, 2);
  pg_copy *copy;

  if (sql == NULL) {
    return pg_misused(op, "COPY's text must be a string without NUL bytes");
  }
  if (connection->mode != PG_MODE_PIPELINE) {
    return pg_misused(op, "a COPY is under way on this connection");
  }
  if (!pg_check_mode(connection, op)) {
    return COVET_STEP_DONE;
  }
  copy = calloc(1, sizeof(*copy));
  if (copy == NULL) {
    return pg_no_memory(op);
  }
  connection->copy = copy;
  copy->binary = format != NULL && strcmp(format, "binary") == 0;
  if (oids != NULL && !read_types(copy, connection->adapter->types, oids)) {
    pg_copy_free(connection);
    return pg_misused(op,
                      "the list of types cannot be read, or names one that is "
                      "not known");
  }
  if (!pg_enter_mode(connection, mode, op, sql)) {
    pg_lose(connection);
  }
  return COVET_STEP_PENDING;
}

/* --- Answers -------------------------------------------------------------------------- */

void pg_copy_end_step(pg_connection *connection)
{
  covet_op *op = connection->simple;

  connection->simple = NULL;
  pg_settle(connection, op, COVET_STEP_DONE);
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
      pg_copy_end_step(connection); /* it takes data now */
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
