/* Parameters, as the library takes them. */
#include "../core/error.h"
#include "mysql_connection.h"
#include "mysql_error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void bind_bytes(MYSQL_BIND *bind, const covet_cell *cell,
                       enum enum_field_types type)
{
  bind->buffer_type = type;
  bind->buffer = (void *) cell->bytes;
  bind->buffer_length = (unsigned long) cell->length;
}

static void bind_whole(MYSQL_BIND *bind, covet_cell *cell, bool is_unsigned)
{
  bind->buffer_type = MYSQL_TYPE_LONGLONG;
  bind->buffer = &cell->integer;
  bind->is_unsigned = (my_bool) is_unsigned;
}

static void bind_cell(MYSQL_BIND *bind, covet_cell *cell)
{
  memset(bind, 0, sizeof(*bind));
  switch (cell->kind) {
  case COVET_INTEGER:
  case COVET_BOOLEAN:
    bind_whole(bind, cell, false);
    break;
  case COVET_UNSIGNED:
    bind_whole(bind, cell, true);
    break;
  case COVET_FLOAT:
    bind->buffer_type = MYSQL_TYPE_DOUBLE;
    bind->buffer = &cell->number;
    break;
  case COVET_TEXT:
    bind_bytes(bind, cell, MYSQL_TYPE_VAR_STRING);
    break;
  case COVET_BLOB:
    bind_bytes(bind, cell, MYSQL_TYPE_BLOB);
    break;
  default:
    bind->buffer_type = MYSQL_TYPE_NULL;
    break;
  }
}

static bool reserve(my_connection *connection, uint32_t count)
{
  MYSQL_BIND *binds;

  if (count <= connection->bind_capacity) {
    return true;
  }
  binds = realloc(connection->binds, count * sizeof(*binds));
  if (binds == NULL) {
    return false;
  }
  connection->binds = binds;
  connection->bind_capacity = count;
  return true;
}

int my_bind(my_connection *connection, covet_op *op, uint32_t first,
            uint32_t count)
{
  if (count == 0) {
    return 0;
  }
  if (!reserve(connection, count)) {
    my_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  for (uint32_t i = 0; i < count; i++) {
    bind_cell(&connection->binds[i], &op->params[first + i]);
  }
  if (mysql_stmt_bind_param(connection->request.statement->handle,
                            connection->binds) != 0) {
    my_fault(connection, op);
    return COVET_EUSAGE;
  }
  return 0;
}

bool my_bind_nothing(my_connection *connection)
{
  MYSQL_STMT *handle = connection->request.statement->handle;
  uint32_t count = (uint32_t) mysql_stmt_param_count(handle);

  if (count == 0) {
    return true;
  }
  if (!reserve(connection, count)) {
    return false;
  }
  memset(connection->binds, 0, count * sizeof(*connection->binds));
  for (uint32_t i = 0; i < count; i++) {
    connection->binds[i].buffer_type = MYSQL_TYPE_NULL;
  }
  return mysql_stmt_bind_param(handle, connection->binds) == 0;
}

/* --- What cannot be sent ----------------------------------------------------------------- */

/* Parameters of a list are named by their column. */
static void refuse_number(covet_op *op, uint32_t index, double value)
{
  uint32_t width = op->flags & COVET_QUERY_MANY ? op->width : op->param_count;

  my_refuse(op, COVET_ERROR_INVALID_VALUE, "parameter %u: MySQL has no %s",
            (unsigned) (index % width + 1), isnan(value) ? "NaN" : "infinity");
  if (op->flags & COVET_QUERY_MANY) {
    my_name_row(op->error, index / width + 1);
  }
}

static void refuse_size(my_connection *connection, covet_op *op, uint64_t size)
{
  my_refuse(op, COVET_ERROR_INVALID_VALUE,
            "the statement takes a packet of %llu bytes; the server takes no "
            "more than %llu",
            (unsigned long long) size,
            (unsigned long long) connection->facts.max_packet);
  covet_error_text(op->error->hint, sizeof(op->error->hint),
                   "the server's max_allowed_packet is the limit",
                   sizeof(op->error->hint));
}

bool my_check_params(my_connection *connection, covet_op *op)
{
  uint64_t most = connection->facts.max_packet;
  bool is_list = (op->flags & COVET_QUERY_MANY) != 0;
  uint64_t size = 64;
  uint64_t text = op->sql_length + 1;

  for (uint32_t i = 0; i < op->param_count; i++) {
    const covet_cell *cell = &op->params[i];

    if (is_list && i % op->width == 0) {
      size = 64; /* rows go in as many packets as they need */
    }
    if (cell->kind == COVET_FLOAT && !isfinite(cell->number)) {
      refuse_number(op, i, cell->number);
      return false;
    }
    size += 16 + (cell->length > 0 ? (uint64_t) cell->length : 0);
    if (most > 0 && size > most) {
      refuse_size(connection, op, size);
      return false;
    }
  }
  if (most > 0 && text > most) {
    refuse_size(connection, op, text);
    return false;
  }
  return true;
}
