/* A list of rows for one statement. MariaDB takes many in one packet; elsewhere an
 * INSERT is written anew for several rows. Which row was at fault neither tells:
 * then the rows are run one by one, after what was done has been undone. */
#include "mysql.h"

#include <ctype.h>
#include <mariadb_com.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  PIECE_BYTES = 4 * 1024 * 1024,
  PIECE_ROWS = 500, /* of a text that is written anew */
  MOST_PARAMS = 65535,
  CELL_BYTES = 12 /* of a value besides its text */
};

typedef enum my_many_mode { MANY_BULK, MANY_REWRITE, MANY_SINGLE } my_many_mode;

struct my_many {
  my_many_mode mode;
  uint32_t rows;
  uint32_t first; /* row of the piece that is sent */
  uint32_t count; /* of its rows */
  int64_t affected;
  my_statement *narrow; /* the one that was asked for */
  /* of each column */
  uint32_t *kinds;
  double *numbers;
  char *indicators;
};

static const double EXACT = 9007199254740992.0; /* 2^53 */

static covet_cell *cell_at(const my_request *request, uint32_t row,
                           uint32_t column)
{
  covet_op *op = request->op;

  return &op->params[(size_t) row * op->width + column];
}

void my_many_free(my_request *request)
{
  struct my_many *many = request->many;

  if (many == NULL) {
    return;
  }
  if (many->narrow != NULL && request->statement != many->narrow) {
    my_statement_end(many->narrow, true);
  }
  free(many->kinds);
  free(many->numbers);
  free(many->indicators);
  free(many);
  request->many = NULL;
}

/* --- Pieces ----------------------------------------------------------------------------- */

static bool is_exact(const covet_cell *cell)
{
  return (double) cell->integer <= EXACT && (double) cell->integer >= -EXACT;
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
    const covet_cell *cell = cell_at(request, many->first + i, column);

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
    const covet_cell *cell = cell_at(request, row, i);
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

static uint64_t bytes_of_row(const my_request *request, uint32_t row)
{
  uint64_t bytes = 0;

  for (uint32_t i = 0; i < request->op->width; i++) {
    int32_t length = cell_at(request, row, i)->length;

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

    bytes += bytes_of_row(request, row);
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
    many->numbers[column] = cell->kind == COVET_FLOAT
                                ? cell->number
                                : (double) cell->integer;
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
    bind_value(many, i, cell_at(request, many->first + row, i), &binds[i]);
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
    connection->binds[i].is_unsigned = many->kinds[i] == COVET_UNSIGNED;
  }
  return mysql_stmt_bind_param(request->statement->handle,
                               connection->binds) == 0;
}

static bool can_bulk(const my_connection *connection)
{
  unsigned long capabilities = 0;

  return mariadb_connection(connection->mysql) &&
         mariadb_get_infov(connection->mysql,
                           MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
                           &capabilities) == 0 &&
         (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

/* --- Written anew ------------------------------------------------------------------------- */

/* Behind a string, name or comment that begins here; else one byte on. */
static const char *skip(const char *at, const char *end)
{
  char quote = *at;

  if (strchr("'\"`", quote) == NULL || quote == '\0') {
    return at + 1;
  }
  for (at++; at < end && *at != quote; at++) {
    at += *at == '\\' && quote != '`';
  }
  return at < end ? at + 1 : end;
}

/* The parentheses behind VALUES that hold every parameter. */
static bool find_tuple(const char *sql, size_t length, uint32_t width,
                       const char **from, const char **to)
{
  const char *end = sql + length;
  uint32_t params = 0;
  int depth = 0;

  *from = NULL;
  for (const char *at = sql; at < end; at = skip(at, end)) {
    if (*from == NULL && end - at > 6 && strncasecmp(at, "values", 6) == 0) {
      at += 6;
      while (at < end && isspace((unsigned char) *at)) {
        at++;
      }
      if (at == end || *at != '(') {
        return false;
      }
      *from = at;
    }
    if (*at == '?') {
      if (*from == NULL) {
        return false;
      }
      params++;
    }
    if (*from != NULL) {
      depth += (*at == '(') - (*at == ')');
      if (depth == 0) {
        *to = at + 1;
        return params == width;
      }
    }
  }
  return false;
}

static bool can_rewrite(const my_request *request)
{
  const char *from;
  const char *to;

  return request->verb == MY_VERB_INSERT &&
         find_tuple(request->sql, request->sql_length, request->op->width,
                    &from, &to);
}

static char *write_wide(const my_request *request, uint32_t rows,
                        size_t *length)
{
  const char *from;
  const char *behind;
  char *text;
  char *to;
  size_t before;
  size_t size;

  (void) find_tuple(request->sql, request->sql_length, request->op->width,
                    &from, &behind);
  before = (size_t) (from - request->sql);
  size = (size_t) (behind - from);
  text = covet_arena_alloc(&request->op->arena,
                           request->sql_length + (size + 1) * rows);
  if (text == NULL) {
    return NULL;
  }
  memcpy(text, request->sql, before);
  to = text + before;
  for (uint32_t i = 0; i < rows; i++) {
    if (i > 0) {
      *to++ = ',';
    }
    memcpy(to, from, size);
    to += size;
  }
  size = request->sql_length - (size_t) (behind - request->sql);
  memcpy(to, behind, size);
  *length = (size_t) (to - text) + size;
  return text;
}

/* --- Piece by piece ------------------------------------------------------------------------- */

static void send_piece(my_connection *connection);

static void fail_memory(my_connection *connection)
{
  my_refuse(connection->request.op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  connection->request.has_error = true;
  my_request_after(connection);
}

/* What was done of the list is undone, and it begins anew row by row. */
static void on_undone(my_connection *connection)
{
  struct my_many *many = connection->request.many;

  if (connection->answer != 0) {
    my_request_fail(connection);
    my_request_after(connection);
    return;
  }
  many->mode = MANY_SINGLE;
  many->first = 0;
  many->affected = 0;
  send_piece(connection);
}

static void start_over(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (op->error != &op->runtime->out_of_memory) {
    free(op->error);
  }
  op->error = NULL;
  request->has_error = false;
  my_own(connection,
         request->savepoint ? "ROLLBACK TO covet_statement"
                            : "ROLLBACK; START TRANSACTION",
         on_undone);
}

/* Whether the rows are worth being looked at one by one. */
static bool is_of_a_row(const my_connection *connection)
{
  const my_request *request = &connection->request;

  return request->many->mode != MANY_SINGLE && request->many->rows > 1 &&
         request->wrapped && !connection->undone && !connection->base.broken &&
         !my_request_is_stopped(request) &&
         request->op->error->kind != COVET_ERROR_OUT_OF_MEMORY;
}

static void on_piece(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;

  if (connection->lost) {
    return;
  }
  if (many->mode == MANY_BULK) {
    set_array(request->statement->handle, 0, NULL);
  }
  if (request->has_error && request->op != NULL) {
    if (is_of_a_row(connection)) {
      start_over(connection);
      return;
    }
    if (!my_request_is_stopped(request)) {
      my_name_row(request->op->error, many->first + 1);
    }
  }
  if (request->has_error || my_request_is_stopped(request)) {
    my_request_after(connection);
    return;
  }
  many->affected += request->op->result.affected_rows;
  request->op->result.affected_rows = many->affected;
  many->first += many->count;
  send_piece(connection);
}

static bool bind_piece(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;
  uint32_t width = request->op->width;

  if (many->mode == MANY_BULK) {
    cut_piece(connection);
    if (!bind_types(connection)) {
      return false;
    }
    set_array(request->statement->handle, many->count, give_row);
    return true;
  }
  return my_bind(connection, request->op, many->first * width,
                 many->count * width) == 0;
}

static void execute_piece(my_connection *connection)
{
  if (!bind_piece(connection)) {
    fail_memory(connection);
    return;
  }
  my_run_execute(connection, on_piece);
}

static void on_wide_prepared(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != 0) {
    my_request_fail(connection);
    my_request_after(connection);
    return;
  }
  request->statement->prepared = true;
  if (my_request_is_stopped(request)) {
    my_request_after(connection);
    return;
  }
  execute_piece(connection);
}

/* The statement for this number of rows, prepared if it is not. */
static void use_wide(my_connection *connection, uint32_t rows)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;
  size_t length = 0;
  char *text = write_wide(request, rows, &length);

  if (request->statement != many->narrow) {
    my_statement_end(request->statement, true);
    request->statement = NULL;
  }
  if (text != NULL) {
    request->statement = my_statement_get(connection, text, length,
                                          covet_stmt_hash(text, length));
  }
  if (text == NULL || request->statement == NULL) {
    fail_memory(connection);
    return;
  }
  if (request->statement->prepared) {
    execute_piece(connection);
    return;
  }
  request->stage = MY_STAGE_PREPARE;
  connection->text = text;
  connection->text_length = length;
  my_make(connection, &my_call_prepare, on_wide_prepared);
}

static uint32_t rows_of_wide(const my_connection *connection)
{
  const my_request *request = &connection->request;
  const struct my_many *many = request->many;
  uint64_t most_bytes = connection->facts.max_packet / 2;
  uint64_t bytes = 0;
  uint32_t most = MOST_PARAMS / request->op->width;
  uint32_t rows = 0;

  most = most > PIECE_ROWS ? (uint32_t) PIECE_ROWS : most;
  while (rows < most && many->first + rows < many->rows) {
    bytes += bytes_of_row(request, many->first + rows);
    if (rows > 0 && most_bytes > 0 && bytes > most_bytes) {
      break;
    }
    rows++;
  }
  return rows;
}

static void use_narrow(my_request *request)
{
  struct my_many *many = request->many;

  if (request->statement != many->narrow) {
    my_statement_end(request->statement, true);
    request->statement = many->narrow;
  }
}

static void send_piece(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;

  if (many->first >= many->rows) {
    my_request_after(connection);
    return;
  }
  if (many->mode == MANY_REWRITE) {
    many->count = rows_of_wide(connection);
    if (many->count > 1) {
      use_wide(connection, many->count);
      return;
    }
  }
  use_narrow(request);
  many->count = 1;
  execute_piece(connection);
}

static my_many_mode choose_mode(const my_connection *connection)
{
  my_bulk wanted = connection->adapter->options.bulk;

  if (wanted == MY_BULK_AUTO && can_bulk(connection) &&
      (connection->request.verb == MY_VERB_INSERT ||
       connection->request.verb == MY_VERB_CHANGE)) {
    return MANY_BULK;
  }
  return wanted != MY_BULK_OFF && can_rewrite(&connection->request)
             ? MANY_REWRITE
             : MANY_SINGLE;
}

void my_many_begin(my_connection *connection)
{
  my_request *request = &connection->request;
  uint32_t width = request->op->width;
  struct my_many *many = calloc(1, sizeof(*many));

  request->many = many;
  if (many == NULL) {
    fail_memory(connection);
    return;
  }
  many->narrow = request->statement;
  many->rows = request->op->param_count / width;
  many->kinds = calloc(width, sizeof(*many->kinds));
  many->numbers = calloc(width, sizeof(*many->numbers));
  many->indicators = calloc(width, 1);
  if (many->kinds == NULL || many->numbers == NULL ||
      many->indicators == NULL) {
    fail_memory(connection);
    return;
  }
  many->mode = choose_mode(connection);
  request->op->result.affected_rows = 0;
  send_piece(connection);
}
