/* Rows of the library to batches. */
#include "../core/batch.h"
#include "../core/error.h"
#include "mysql_connection.h"
#include "mysql_error.h"

#include <string.h>

enum {
  AHEAD = 4,                 /* deliveries that may stand untaken */
  FIRST_ROWS = 256,          /* so that the reader starts early */
  CHUNK_ROWS = 500,          /* decoded in less than a millisecond */
  CHUNK_BYTES = 1024 * 1024, /* a delivery is complete at this size too */
  LOOK_ROWS = 64,            /* between two looks at the clock */
  READ_US = 1000             /* how long one turn goes on with a connection */
};

static void fail(my_request *request, covet_error_kind kind, const char *text)
{
  if (request->op != NULL && !request->has_error) {
    my_refuse(request->op, kind, "%s", text);
  }
  request->has_error = true;
}

/* --- Batches -------------------------------------------------------------------------- */

static uint32_t rows_wanted(const my_request *request)
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

static my_columns *columns_of(my_request *request)
{
  return request->text ? &request->columns : &request->statement->columns;
}

/* Few results have many rows: the first batch grows. */
static covet_cell *next_row(my_request *request)
{
  if (request->batch == NULL) {
    uint32_t room = request->rows == 0 ? 4 : rows_wanted(request);

    request->batch =
        covet_batch_new(columns_of(request)->shape,
                        room > CHUNK_ROWS ? (uint32_t) CHUNK_ROWS : room);
    if (request->batch != NULL) {
      request->batch->set = request->sets - 1;
    }
  }
  return request->batch == NULL ? NULL : covet_batch_add_row(request->batch);
}

static bool is_full(const my_request *request)
{
  return request->batch != NULL && !(request->op->flags & COVET_QUERY_ONE) &&
         (request->batch->row_count >= rows_wanted(request) ||
          covet_batch_bytes(request->batch) >= CHUNK_BYTES);
}

/* A reader that is far behind is waited for, if nobody else waits. */
static void deliver(my_connection *connection)
{
  my_request *request = &connection->request;
  uint32_t untaken = covet_op_deliver(request->op, request->batch);

  request->batch = NULL;
  request->delivered = true;
  if (untaken >= AHEAD && !request->greedy) {
    connection->paused = true;
  }
}

/* --- A row ------------------------------------------------------------------------------ */

static void refuse_value(my_request *request, my_read_status status,
                         unsigned column)
{
  const char *name = columns_of(request)->shape->columns[column].name;

  switch (status) {
  case MY_READ_OK:
    return;
  case MY_READ_NO_MEMORY:
    fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return;
  case MY_READ_ZERO_DATE:
    if (!request->has_error) {
      my_refuse(request->op, COVET_ERROR_INVALID_VALUE,
                "column %.60s: a zero date, which the option zero_dates "
                "refuses",
                name);
    }
    break;
  case MY_READ_MALFORMED:
    if (!request->has_error && request->op != NULL) {
      my_refuse(request->op, COVET_ERROR_PROTOCOL_ERROR,
                "column %.60s: the server sent what is no value of its type",
                name);
    }
    break;
  }
  request->has_error = true;
}

/* Whether the row that is being read is for somebody. */
static bool is_wanted(const my_request *request)
{
  return request->op != NULL && request->keep_rows && !request->has_error &&
         !((request->op->flags & COVET_QUERY_ONE) && request->rows > 0) &&
         covet_op_stop_reason(request->op) == COVET_STOP_NONE;
}

static void begin_row(my_request *request)
{
  request->row = NULL;
  if (is_wanted(request)) {
    request->row = next_row(request);
    if (request->row == NULL) {
      fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    }
  }
}

static void set_null(covet_cell *cell)
{
  cell->integer = 0;
  cell->length = -1;
  cell->kind = COVET_NULL;
}

/* Values that are not wanted are stepped over. */
void my_rows_value(void *data, unsigned column, unsigned char **bytes)
{
  my_connection *connection = data;
  my_request *request = &connection->request;
  const my_column *type = &columns_of(request)->list[column];
  my_source from;
  my_read_status status;

  if (column == 0) {
    begin_row(request);
  }
  if (bytes == NULL) {
    if (request->row != NULL) {
      set_null(&request->row[column]);
    }
    return;
  }
  from.at = *bytes;
  from.end = connection->mysql->net.buff_end;
  status = type->binary(type, &from, request->batch,
                        request->row == NULL ? NULL : &request->row[column]);
  if (status == MY_READ_OK) {
    *bytes = (unsigned char *) from.at;
    return;
  }
  refuse_value(request, status, column);
  if (status != MY_READ_MALFORMED) {
    *bytes = (unsigned char *) from.at;
  }
  if (request->row != NULL) {
    request->row = NULL;
    request->batch->row_count--;
  }
}

void my_rows_text(my_connection *connection)
{
  my_request *request = &connection->request;
  const my_columns *columns = columns_of(request);
  const unsigned long *lengths = mysql_fetch_lengths(request->result);

  begin_row(request);
  for (unsigned i = 0; request->row != NULL && i < columns->shape->column_count;
       i++) {
    const my_column *type = &columns->list[i];
    const char *text = connection->text_row[i];
    my_read_status status = MY_READ_OK;

    if (text == NULL) {
      set_null(&request->row[i]);
    } else {
      status =
          type->text(type, text, lengths[i], request->batch, &request->row[i]);
    }
    if (status != MY_READ_OK) {
      refuse_value(request, status, i);
      request->row = NULL;
      request->batch->row_count--;
    }
  }
}

/* --- One after the other ------------------------------------------------------------------ */

/* The others' turn has come. */
static bool is_over_time(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->worker != NULL || request->rows % LOOK_ROWS != 0) {
    return false;
  }
  if (request->read_since_us == 0) {
    request->read_since_us = covet_now_us();
    return false;
  }
  if (covet_now_us() - request->read_since_us < READ_US) {
    return false;
  }
  request->read_since_us = 0;
  connection->yielding = true;
  return true;
}

bool my_rows_go_on(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != 0) {
    return false;
  }
  request->rows++;
  request->row = NULL;
  if (request->op != NULL && request->keep_rows && is_full(request)) {
    deliver(connection);
  }
  return !connection->paused && !is_over_time(connection);
}

/* --- Beginnings and ends ------------------------------------------------------------------- */

/* Of a procedure's results the first one is the answer, unless all were asked
 * for. */
static bool keeps(const my_request *request)
{
  return request->op != NULL && (request->op->flags & COVET_QUERY_ROWS) &&
         (request->sets == 1 || (request->op->flags & COVET_QUERY_SETS));
}

/* The statement's own fields tell what the library has left out. */
static void complete_fields(my_connection *connection)
{
  my_request *request = &connection->request;
  const MYSQL_STMT *handle = request->statement->handle;
  MYSQL *mysql = connection->mysql;

  if (request->sets == 1 && request->statement->described &&
      handle->field_count == mysql->field_count &&
      !my_fields_complete(mysql->fields, handle->fields, mysql->field_count)) {
    request->outdated = true;
    request->statement->outdated = true;
  }
}

bool my_rows_begin(my_connection *connection)
{
  my_request *request = &connection->request;
  const my_options *options = &connection->adapter->options;
  const MYSQL_FIELD *fields =
      request->text ? request->result->fields : connection->mysql->fields;
  unsigned count = request->text ? request->result->field_count
                                 : connection->mysql->field_count;

  request->sets++;
  request->read_since_us = 0;
  if (!request->text) {
    complete_fields(connection);
  }
  if (!my_columns_fit(columns_of(request), fields, count,
                      &connection->runtime->shapes, options->zero_dates,
                      connection->facts.is_utc)) {
    fail(request, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return false;
  }
  request->keep_rows = keeps(request);
  if (request->keep_rows && request->op->result.shape == NULL) {
    request->op->result.shape = covet_shape_retain(columns_of(request)->shape);
  }
  return true;
}

/* A result without rows has columns all the same. */
static void add_empty(my_request *request)
{
  request->batch = covet_batch_new(columns_of(request)->shape, 0);
  if (request->batch != NULL) {
    request->batch->set = request->sets - 1;
  }
}

void my_rows_finish(my_request *request)
{
  covet_op *op = request->op;

  if (op == NULL || request->has_error || !request->keep_rows) {
    my_rows_drop(request);
    return;
  }
  if (request->batch == NULL && !(op->flags & COVET_QUERY_ONE) &&
      request->rows == request->rows_before) {
    add_empty(request);
  }
  if (request->batch != NULL) {
    covet_op_append(op, request->batch);
    request->batch = NULL;
  }
}

void my_rows_drop(my_request *request)
{
  covet_batch_free(request->batch);
  request->batch = NULL;
  request->row = NULL;
}
