/* What is sent, and the ring of what is to be answered. */
#include "../core/error.h"
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The ring ---------------------------------------------------------------------- */

static bool grow(pg_connection *connection)
{
  uint32_t capacity = connection->command_capacity * 2 + 16;
  pg_command *ring = malloc(capacity * sizeof(*ring));

  if (ring == NULL) {
    return false;
  }
  for (uint32_t i = 0; i < connection->command_count; i++) {
    ring[i] = connection->commands[(connection->first_command + i) %
                                   connection->command_capacity];
  }
  free(connection->commands);
  connection->commands = ring;
  connection->first_command = 0;
  connection->command_capacity = capacity;
  return true;
}

static pg_command *command_at(const pg_connection *connection, uint32_t index)
{
  return &connection->commands[(connection->first_command + index) %
                               connection->command_capacity];
}

static bool add(pg_connection *connection, pg_command_kind kind,
                pg_request *request)
{
  pg_command *command;

  if (connection->command_count > 0) {
    command = command_at(connection, connection->command_count - 1);
    if (kind == PG_COMMAND_EXECUTE && command->kind == kind &&
        command->request == request) {
      command->repeat++;
      return true;
    }
  }
  if (connection->command_count == connection->command_capacity &&
      !grow(connection)) {
    return false;
  }
  command = command_at(connection, connection->command_count++);
  command->kind = kind;
  command->request = request;
  command->repeat = 1;
  return true;
}

pg_command *pg_command_first(pg_connection *connection)
{
  return connection->command_count == 0 ? NULL : command_at(connection, 0);
}

/* A command of which nothing has come yet: from here on rows may be read one by
 * one. */
static void begin(pg_connection *connection)
{
  const pg_command *command = pg_command_first(connection);

  if (command == NULL || command->kind != PG_COMMAND_EXECUTE) {
    return;
  }
  if (command->request->single && !command->request->holding) {
    (void) PQsetSingleRowMode(connection->pq);
  }
  pg_cancel_unwanted(connection);
}

void pg_command_done(pg_connection *connection)
{
  pg_command *command = pg_command_first(connection);

  if (command->repeat > 1) {
    command->repeat--;
  } else {
    connection->first_command =
        (connection->first_command + 1) % connection->command_capacity;
    connection->command_count--;
  }
  begin(connection);
}

/* What was sent counts. */
static bool sent(pg_connection *connection, int fine, pg_command_kind kind,
                 pg_request *request)
{
  if (fine != 1) {
    return false;
  }
  if (!add(connection, kind, request)) {
    connection->base.broken = true; /* its answer would have no name */
    return false;
  }
  if (connection->command_count == 1) {
    begin(connection);
  }
  return true;
}

/* --- Parameters --------------------------------------------------------------------- */

static int refuse_value(pg_request *request, uint32_t number,
                        const covet_error *why)
{
  covet_op *op = request->op;

  if (op->flags & COVET_QUERY_MANY) {
    pg_refuse(op, why->kind, "parameter %u: %s",
              (unsigned) ((number - 1) % op->width) + 1, why->message);
    (void) snprintf(op->error->detail, sizeof(op->error->detail),
                    "in row %u of the list",
                    (unsigned) ((number - 1) / op->width) + 1);
  } else {
    pg_refuse(op, why->kind, "parameter %u: %s", (unsigned) number,
              why->message);
  }
  if (op->error != &op->runtime->out_of_memory) {
    op->error->code = why->code;
  }
  return COVET_EUSAGE;
}

static const pg_type *param_type(const pg_statement *statement, uint32_t index)
{
  return statement->resolved && index < statement->param_count
             ? statement->types[index]
             : NULL;
}

static int fail_memory(covet_op *op)
{
  covet_error_set(covet_op_fault(op), COVET_ERROR_OUT_OF_MEMORY,
                  "out of memory");
  return COVET_ENOMEM;
}

static int encode_one(pg_request *request, uint32_t index, uint32_t width)
{
  pg_connection *connection = request->connection;
  pg_buffer *buffer = &connection->buffer;
  const covet_cell *cell = &request->op->params[index];
  pg_param *param = &connection->params[index];
  pg_format format = PG_FORMAT_TEXT;
  covet_error error = {0};
  int status;

  param->offset = buffer->length;
  param->length = -1;
  if (cell->kind == COVET_NULL) {
    return 0;
  }
  status = pg_value_write(param_type(request->statement, index % width), cell,
                          buffer, &format, &error);
  if (status == COVET_EUSAGE) {
    return refuse_value(request, index + 1, &error);
  }
  param->length = (int) (buffer->length - param->offset);
  param->format = format;
  if (status != 0 || pg_buffer_add(buffer, "", 1) != 0) {
    return fail_memory(request->op);
  }
  return 0;
}

static uint32_t width_of(const covet_op *op)
{
  return op->flags & COVET_QUERY_MANY ? op->width : op->param_count;
}

/* Room for `count` parameters, and to hand `width` of them to libpq. */
static bool make_room(pg_connection *connection, uint32_t count, uint32_t width)
{
  size_t each = sizeof(char *) + 2 * sizeof(int);

  if (count > connection->param_capacity) {
    pg_param *params = realloc(connection->params, count * sizeof(*params));

    if (params == NULL) {
      return false;
    }
    connection->params = params;
    connection->param_capacity = count;
  }
  if (width > connection->argument_capacity) {
    void *arguments = realloc(connection->arguments, width * each);

    if (arguments == NULL) {
      return false;
    }
    connection->arguments = arguments;
    connection->argument_capacity = width;
  }
  return true;
}

/* The server takes no message of 1 GB, it would close the connection; and libpq
 * sends no more than 2 GB at a time. */
static int check_size(pg_request *request)
{
  size_t length = request->connection->buffer.length;

  if (length <= PG_MOST_BYTES) {
    return 0;
  }
  pg_refuse(request->op, COVET_ERROR_INVALID_VALUE,
            "the parameters take %llu bytes: PostgreSQL takes less than 1 GB "
            "at a time",
            (unsigned long long) length);
  return COVET_EUSAGE;
}

int pg_encode(pg_request *request)
{
  pg_connection *connection = request->connection;
  const covet_op *op = request->op;
  uint32_t width = width_of(op);

  connection->buffer.length = 0;
  if (!make_room(connection, op->param_count, width)) {
    return fail_memory(request->op);
  }
  for (uint32_t i = 0; i < op->param_count; i++) {
    int status = encode_one(request, i, width);

    if (status != 0) {
      return status;
    }
  }
  return check_size(request);
}

static bool send_row(pg_request *request, const char *name,
                     const pg_param *params, uint32_t width, int format,
                     pg_command_kind kind)
{
  pg_connection *connection = request->connection;
  const char **values = connection->arguments;
  int *lengths = (int *) (values + connection->argument_capacity);
  int *formats = lengths + connection->argument_capacity;

  for (uint32_t i = 0; i < width; i++) {
    bool is_null = params[i].length < 0;

    values[i] = is_null ? NULL : connection->buffer.bytes + params[i].offset;
    lengths[i] = is_null ? 0 : params[i].length;
    formats[i] = is_null ? 0 : (int) params[i].format;
  }
  return sent(connection,
              PQsendQueryPrepared(connection->pq, name, (int) width, values,
                                  lengths, formats, format),
              kind, request);
}

bool pg_send_execute(pg_request *request)
{
  const covet_op *op = request->op;
  uint32_t width = width_of(op);
  uint32_t rows = op->flags & COVET_QUERY_MANY ? op->param_count / width : 1;
  char name[24];

  pg_statement_name(request->statement, name);
  for (uint32_t row = 0; row < rows; row++) {
    if (!send_row(request, name,
                  request->connection->params + (size_t) row * width, width,
                  (int) request->format, PG_COMMAND_EXECUTE)) {
      return false;
    }
  }
  return true;
}

/* --- The other commands --------------------------------------------------------------- */

bool pg_send_prepare(pg_request *request)
{
  pg_statement *statement = request->statement;
  pg_connection *connection = request->connection;
  int count = statement->described ? (int) statement->param_count : 0;
  char name[24];

  pg_statement_name(statement, name);
  if (!sent(connection,
            PQsendPrepare(connection->pq, name, statement->base.sql, count,
                          statement->oids),
            PG_COMMAND_PREPARE, request)) {
    return false;
  }
  statement->prepared = statement->number != 0; /* for those sent behind it */
  return true;
}

bool pg_send_describe(pg_request *request)
{
  pg_connection *connection = request->connection;
  char name[24];

  pg_statement_name(request->statement, name);
  return sent(connection, PQsendDescribePrepared(connection->pq, name),
              PG_COMMAND_DESCRIBE, request);
}

bool pg_send_types(pg_request *request, const char *oids)
{
  pg_connection *connection = request->connection;

  return sent(connection,
              PQsendQueryParams(connection->pq, pg_types_query, 1, NULL, &oids,
                                NULL, NULL, 0),
              PG_COMMAND_TYPES, request);
}

bool pg_send_control(pg_request *request, const char *sql)
{
  pg_connection *connection = request->connection;

  return sent(
      connection,
      PQsendQueryParams(connection->pq, sql, 0, NULL, NULL, NULL, NULL, 0),
      PG_COMMAND_CONTROL, request);
}

#define COVET_DECLARE "DECLARE covet_cursor_%llu NO SCROLL CURSOR FOR "

size_t pg_sent_before(const pg_request *request)
{
  return request->cursor == 0
             ? 0
             : (size_t) snprintf(NULL, 0, COVET_DECLARE,
                                 (unsigned long long) request->cursor);
}

bool pg_send_declare(pg_request *request)
{
  pg_connection *connection = request->connection;
  const pg_statement *statement = request->statement;
  size_t size = statement->base.length + 80;
  char *text = malloc(size);
  bool fine;

  if (text == NULL) {
    return false;
  }
  (void) snprintf(text, size, COVET_DECLARE "%s",
                  (unsigned long long) request->cursor, statement->base.sql);
  fine = sent(connection,
              PQsendPrepare(connection->pq, "", text,
                            (int) statement->param_count, statement->oids),
              PG_COMMAND_CONTROL, request) &&
         send_row(request, "", connection->params, width_of(request->op), 0,
                  PG_COMMAND_CONTROL);
  free(text);
  return fine;
}

bool pg_send_fetch(pg_request *request, uint32_t rows)
{
  pg_connection *connection = request->connection;
  char sql[80];

  (void) snprintf(sql, sizeof(sql), "FETCH FORWARD %u FROM covet_cursor_%llu",
                  (unsigned) rows, (unsigned long long) request->cursor);
  return sent(connection,
              PQsendQueryParams(connection->pq, sql, 0, NULL, NULL, NULL, NULL,
                                (int) request->format),
              PG_COMMAND_EXECUTE, request);
}

bool pg_send_sync(pg_connection *connection)
{
  if (!sent(connection, PQpipelineSync(connection->pq), PG_COMMAND_SYNC,
            NULL)) {
    return false;
  }
  connection->sync_number++;
  return true;
}

/* An error in one of these must not end a transaction of the caller's. */
bool pg_send_unwanted(pg_connection *connection)
{
  char sql[48];

  if (connection->unwanted_count == 0 ||
      PQtransactionStatus(connection->pq) != PQTRANS_IDLE) {
    return true;
  }
  while (connection->unwanted_count > 0) {
    uint64_t number = connection->unwanted[--connection->unwanted_count];

    (void) snprintf(sql, sizeof(sql), "DEALLOCATE covet_%llu",
                    (unsigned long long) number);
    if (!sent(connection,
              PQsendQueryParams(connection->pq, sql, 0, NULL, NULL, NULL, NULL,
                                0),
              PG_COMMAND_CONTROL, NULL)) {
      return false;
    }
  }
  if (!pg_send_sync(connection)) {
    return false;
  }
  pg_guard(connection);
  return true;
}
