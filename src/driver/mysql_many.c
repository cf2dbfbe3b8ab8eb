/* A list of rows for one statement. MariaDB takes many in one packet; elsewhere an
 * INSERT is written anew for several rows. Which row was at fault neither tells:
 * then the rows are run one by one, after what was done has been undone, if it can
 * be. */
#include "mysql_many.h"
#include "mysql_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void my_many_leave(my_request *request)
{
  if (request->many != NULL && request->many->narrow == request->statement) {
    request->many->narrow = NULL;
  }
}

static void send_piece(my_connection *connection);

static void fail_memory(my_connection *connection)
{
  my_refuse(connection->request.op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  connection->request.has_error = true;
  my_request_after(connection);
}

static void forget_error(my_request *request)
{
  covet_op *op = request->op;

  if (op->error != &op->runtime->out_of_memory) {
    free(op->error);
  }
  op->error = NULL;
  request->has_error = false;
}

static void say_kept(covet_op *op)
{
  if (op->error != &op->runtime->out_of_memory) {
    (void) snprintf(op->error->hint, sizeof(op->error->hint),
                    "rows of the list may have been kept: a table of the "
                    "statement knows no transactions");
  }
}

/* What was done of the list is undone, and it begins anew row by row; unless the
 * server warns that some of it stays. */
static void on_undone(my_connection *connection)
{
  my_request *request = &connection->request;
  struct my_many *many = request->many;
  bool goes_on = false;

  if (connection->answer != 0) {
    my_request_fail(connection);
  } else if (request->op != NULL && connection->own_warnings > 0) {
    say_kept(request->op);
  } else if (request->op != NULL) {
    forget_error(request);
    goes_on = !my_request_is_stopped(request);
  }
  if (!goes_on) {
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
  my_own(connection,
         connection->request.savepoint ? "ROLLBACK TO covet_statement"
                                       : "ROLLBACK; START TRANSACTION",
         on_undone);
}

/* Whether the rows are worth being looked at one by one. */
static bool is_of_a_row(const my_connection *connection)
{
  const my_request *request = &connection->request;

  return request->many->mode != MANY_SINGLE && request->many->rows > 1 &&
         request->wrapped && !request->stale && !connection->undone &&
         !connection->base.broken && !my_request_is_stopped(request) &&
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
    my_bulk_leave(request);
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
    return my_bulk_bind(connection);
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
  struct my_many *many = request->many;

  if (my_is_server_full(connection) && !my_request_is_stopped(request)) {
    many->mode = MANY_SINGLE;
    send_piece(connection);
    return;
  }
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
  if (mysql_stmt_param_count(request->statement->handle) !=
      (unsigned long) many->count * request->op->width) {
    many->mode = MANY_SINGLE; /* the server reads the text otherwise */
    send_piece(connection);
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
  char *text = my_rewrite(request, rows, &length);

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
    many->count = my_rewrite_rows(connection);
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

  if (wanted == MY_BULK_AUTO && my_bulk_is_known(connection) &&
      (connection->request.verb == MY_VERB_INSERT ||
       connection->request.verb == MY_VERB_CHANGE)) {
    return MANY_BULK;
  }
  return wanted != MY_BULK_OFF && my_rewrite_fits(&connection->request)
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
