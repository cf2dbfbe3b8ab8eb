/* Many rows in one packet, as MariaDB takes them: the rows of a piece have values
 * of the same types. */
#include "mysql_many.h"

#include <mariadb_com.h>
#include <string.h>

enum {
  PIECE_BYTES = 4 * 1024 * 1024,
  CELL_BYTES = 12 /* of a value besides its text */
};

/* As a float the server writes it with the same digits. */
static const double EXACT = 1e15;

/* --- Pieces ----------------------------------------------------------------------------- */

static bool is_exact(const covet_cell *cell)
{
  return (double) cell->integer < EXACT && (double) cell->integer > -EXACT;
}

/* The kind of a column that takes this cell too; COVET_CUSTOM: none does. */
static uint32_t joined(uint32_t kind, const covet_cell *cell)
{
  uint32_t other =
      cell->kind == COVET_BOOLEAN ? (uint32_t) COVET_INTEGER : cell->kind;

  if (other == COVET_NULL || other == kind) {
    return kind;
  }
  if (kind == COVET_NULL) {
    return other;
  }
  if (kind == COVET_FLOAT && other == COVET_INTEGER && is_exact(cell)) {
    return COVET_FLOAT;
  }
  return COVET_CUSTOM;
}

/* Whether the integers in front of a float are floats as well. */
static bool were_exact(const my_request *request, uint32_t column)
{
  const struct my_many *many = request->many;

  for (uint32_t i = 0; i < many->count; i++) {
    const covet_cell *cell = my_many_cell(request, many->first + i, column);

    if (cell->kind == COVET_INTEGER && !is_exact(cell)) {
      return false;
    }
  }
  return true;
}

/* Whether a row has values of the kinds of those before it. */
static bool takes_row(my_request *request, uint32_t row)
{
  struct my_many *many = request->many;

  for (uint32_t i = 0; i < request->op->width; i++) {
    const covet_cell *cell = my_many_cell(request, row, i);
    uint32_t kind = joined(many->kinds[i], cell);

    if (kind == COVET_CUSTOM && many->kinds[i] == COVET_INTEGER &&
        cell->kind == COVET_FLOAT && were_exact(request, i)) {
      kind = COVET_FLOAT;
    }
    if (kind == COVET_CUSTOM) {
      return false;
    }
    many->kinds[i] = kind;
  }
  return true;
}

uint64_t my_many_bytes(const my_request *request, uint32_t row)
{
  uint64_t bytes = 0;

  for (uint32_t i = 0; i < request->op->width; i++) {
    int32_t length = my_many_cell(request, row, i)->length;

    bytes += CELL_BYTES + (length > 0 ? (uint64_t) length : 0);
  }
  return bytes;
}

/* As many rows as go in one packet. */
static void cut_piece(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;
  uint64_t most = connection->facts.max_packet / 2;
  uint64_t bytes = 0;

  most = most == 0 || most > PIECE_BYTES ? PIECE_BYTES : most;
  memset(many->kinds, 0, request->op->width * sizeof(*many->kinds));
  many->count = 0;
  while (many->first + many->count < many->rows) {
    uint32_t row = many->first + many->count;

    bytes += my_many_bytes(request, row);
    if (many->count > 0 && bytes > most) {
      return;
    }
    if (!takes_row(request, row)) {
      return; /* the first one is always taken */
    }
    many->count++;
  }
}

/* --- In bulk ------------------------------------------------------------------------------ */

static enum enum_field_types type_of(uint32_t kind)
{
  switch (kind) {
  case COVET_INTEGER:
  case COVET_UNSIGNED:
    return MYSQL_TYPE_LONGLONG;
  case COVET_FLOAT:
    return MYSQL_TYPE_DOUBLE;
  case COVET_BLOB:
    return MYSQL_TYPE_BLOB;
  case COVET_TEXT:
    return MYSQL_TYPE_VAR_STRING;
  default:
    return MYSQL_TYPE_NULL;
  }
}

static void bind_value(struct my_many *many, uint32_t column, covet_cell *cell,
                       MYSQL_BIND *bind)
{
  many->indicators[column] =
      cell->kind == COVET_NULL ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
  bind->u.indicator = &many->indicators[column];
  bind->length = &bind->buffer_length;
  if (many->kinds[column] == COVET_FLOAT) {
    many->numbers[column] =
        cell->kind == COVET_FLOAT ? cell->number : (double) cell->integer;
    bind->buffer = &many->numbers[column];
  } else if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
    bind->buffer = (void *) cell->bytes;
    bind->buffer_length = (unsigned long) cell->length;
  } else {
    bind->buffer = &cell->integer;
  }
}

/* The library asks for row after row. */
static my_bool give_row(void *data, MYSQL_BIND *binds, unsigned row)
{
  my_connection *connection = data;
  my_request *request = &connection->request;
  struct my_many *many = request->many;

  for (uint32_t i = 0; i < request->op->width; i++) {
    bind_value(many, i, my_many_cell(request, many->first + row, i), &binds[i]);
  }
  return 0;
}

static void set_array(MYSQL_STMT *handle, unsigned count,
                      ps_param_callback callback)
{
  const void *pointer;

  memcpy(&pointer, &callback, sizeof(pointer));
  (void) mysql_stmt_attr_set(handle, STMT_ATTR_ARRAY_SIZE, &count);
  (void) mysql_stmt_attr_set(handle, STMT_ATTR_CB_PARAM, pointer);
}

static bool bind_types(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;

  if (my_bind(connection, request->op, many->first * request->op->width,
              request->op->width) != 0) {
    return false;
  }
  for (uint32_t i = 0; i < request->op->width; i++) {
    connection->binds[i].buffer_type = type_of(many->kinds[i]);
    connection->binds[i].is_unsigned =
        (my_bool) (many->kinds[i] == COVET_UNSIGNED);
  }
  return mysql_stmt_bind_param(request->statement->handle, connection->binds) ==
         0;
}

bool my_bulk_is_known(const my_connection *connection)
{
  unsigned long capabilities = 0;

  return mariadb_connection(connection->mysql) &&
         mariadb_get_infov(connection->mysql,
                           MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
                           &capabilities) == 0 &&
         (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

bool my_bulk_bind(my_connection *connection)
{
  my_request *request = &connection->request;

  cut_piece(connection);
  if (!bind_types(connection)) {
    return false;
  }
  set_array(request->statement->handle, request->many->count, give_row);
  return true;
}

void my_bulk_leave(my_request *request)
{
  set_array(request->statement->handle, 0, NULL);
}
