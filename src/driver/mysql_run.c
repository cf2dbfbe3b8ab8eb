/* The legs of a statement: prepared, bound, executed and read, or sent as text. */
#include "../core/error.h"
#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_error.h"
#include "mysql_many.h"
#include "mysql_session.h"

#include <stdio.h>
#include <string.h>

enum { ER_UNSUPPORTED_PS = 1295, ER_MAX_PREPARED_STMT_COUNT_REACHED = 1461 };

/* --- What the server says by the way -------------------------------------------------- */

/* What ended a transaction that nobody has ended. */
static void note_implicit_commit(my_connection *connection)
{
  const my_request *request = &connection->request;
  my_token word;

  if (!request->was_inside || connection->in_transaction ||
      connection->undone || request->wrapped ||
      request->verb == MY_VERB_COMMIT || request->verb == MY_VERB_ROLLBACK ||
      !my_first_word(request->sql, request->sql_length, &word)) {
    return;
  }
  (void) my_token_text(&word, connection->committed_by,
                       sizeof(connection->committed_by));
}

void my_note_status(my_connection *connection)
{
  unsigned status = connection->mysql->server_status;

  connection->in_transaction = (status & SERVER_STATUS_IN_TRANS) != 0;
  if (status & SERVER_SESSION_STATE_CHANGED) {
    connection->dirty = true;
  }
  note_implicit_commit(connection);
}

bool my_is_gone(const my_connection *connection)
{
  return connection->mysql->net.pvio == NULL;
}

/* --- Results ---------------------------------------------------------------------------- */

static bool has_more(const my_connection *connection)
{
  return mysql_more_results(connection->mysql) != 0;
}

void my_take_figures(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;
  my_ulonglong affected = mysql_affected_rows(connection->mysql);
  my_ulonglong id = mysql_insert_id(connection->mysql);

  if (op == NULL) {
    return;
  }
  if (affected != MYSQL_COUNT_ERROR) {
    op->result.affected_rows = (int64_t) affected;
  }
  if (id != 0) {
    op->result.last_insert_id = (int64_t) id;
    op->result.has_insert_id = 1;
    op->result.insert_id_is_unsigned = id > INT64_MAX;
  }
}

/* The status in the packet that ends a statement's rows tells whether other results
 * follow, and whether a transaction is open. The library reads its first byte only, and
 * leaves it in its buffer: so do all of 3.0 to 3.4 (stmt_unbuffered_fetch), which never
 * ask for the packets without it (CLIENT_DEPRECATE_EOF). Returns false when this is
 * another packet: then what is still to come is not known. */
static bool take_end(my_connection *connection)
{
  enum { END = 254, NO_EOF = 1 << 24 };
  MYSQL *mysql = connection->mysql;
  const unsigned char *packet = mysql->net.read_pos;

  _Static_assert(MARIADB_PACKAGE_VERSION_ID >= 30000 &&
                     MARIADB_PACKAGE_VERSION_ID < 40000,
                 "where does this library leave the end of a result?");
  if (packet == NULL || packet[0] != END || (mysql->client_flag & NO_EOF)) {
    return false;
  }
  mysql->server_status = (unsigned) packet[3] | (unsigned) packet[4] << 8;
  return true;
}

static void end_rows(my_connection *connection)
{
  my_request *request = &connection->request;

  my_rows_finish(request);
  if (request->op != NULL) {
    request->op->result.affected_rows =
        (int64_t) (request->rows - request->rows_before);
  }
  request->rows_before = request->rows;
  my_note_status(connection);
}

static void go_on(my_connection *connection);

static void on_rows(my_connection *connection)
{
  if (connection->answer != MYSQL_NO_DATA) {
    my_request_fail(connection);
    connection->ran(connection);
    return;
  }
  if (!take_end(connection)) {
    my_lose(connection);
    return;
  }
  end_rows(connection);
  go_on(connection);
}

static void on_text_rows(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != MYSQL_NO_DATA) {
    my_request_fail(connection);
  }
  mysql_free_result(request->result); /* which is at its end */
  request->result = NULL;
  if (connection->answer != MYSQL_NO_DATA) {
    connection->ran(connection);
    return;
  }
  end_rows(connection);
  go_on(connection);
}

/* A result has come, with rows or without. */
static void take_result(my_connection *connection)
{
  my_request *request = &connection->request;
  bool has_rows = connection->mysql->field_count > 0;

  if (!has_rows) {
    my_take_figures(connection);
    my_note_status(connection);
    go_on(connection);
    return;
  }
  if (request->text) {
    request->result = mysql_use_result(connection->mysql);
    if (request->result == NULL) {
      my_request_fail(connection);
      connection->ran(connection);
      return;
    }
  }
  if (!request->text && request->shared && request->statement->outdated &&
      request->tries < MY_MOST_TRIES && !my_request_is_stopped(request)) {
    request->stale = true; /* the columns were told to another one */
    connection->ran(connection);
    return;
  }
  if (!my_rows_begin(connection)) {
    my_lose(connection); /* there is no memory to read the rows with */
    return;
  }
  request->stage = MY_STAGE_ROWS;
  my_make(connection, request->text ? &my_call_text_rows : &my_call_rows,
          request->text ? on_text_rows : on_rows);
}

static void on_result(my_connection *connection)
{
  if (connection->answer != 0) {
    my_request_fail(connection);
    connection->ran(connection);
    return;
  }
  take_result(connection);
}

static void go_on(my_connection *connection)
{
  my_request *request = &connection->request;

  if (!has_more(connection)) {
    connection->ran(connection);
    return;
  }
  request->stage = MY_STAGE_NEXT;
  my_make(connection, request->text ? &my_call_text_next : &my_call_next,
          on_result);
}

/* --- Executing -------------------------------------------------------------------------- */

void my_run_execute(my_connection *connection, my_done done)
{
  my_request *request = &connection->request;

  connection->ran = done;
  request->stage = MY_STAGE_RUN;
  request->ran = true;
  if (request->text) {
    connection->text = request->sql;
    connection->text_length = request->sql_length;
  }
  my_make(connection, request->text ? &my_call_query : &my_call_execute,
          on_result);
}

/* --- Parameters --------------------------------------------------------------------------- */

static void send_long(my_connection *connection);

static void on_sent(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->flag != 0) {
    my_request_fail(connection);
    my_request_after(connection);
    return;
  }
  if (my_request_is_stopped(request)) {
    request->stale = true; /* the server has a part of them */
    my_request_after(connection);
    return;
  }
  request->long_offset += connection->text_length;
  if (request->long_offset >=
      (size_t) request->op->params[request->long_param].length) {
    request->long_offset = 0;
    request->long_param++;
  }
  send_long(connection);
}

/* Long values go ahead, piece by piece, so that no turn takes long. */
static void send_long(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;
  const covet_cell *cell;

  while (request->long_param < op->param_count &&
         op->params[request->long_param].length <= MY_LONG_PARAM) {
    request->long_param++;
  }
  if (request->long_param == op->param_count) {
    my_ahead_gather(connection);
    my_run_execute(connection, my_request_after);
    return;
  }
  cell = &op->params[request->long_param];
  connection->text = cell->bytes + request->long_offset;
  connection->text_length = (size_t) cell->length - request->long_offset;
  if (connection->text_length > MY_LONG_PARAM) {
    connection->text_length = MY_LONG_PARAM;
  }
  my_make(connection, &my_call_long_data, on_sent);
}

static void run_prepared(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (op->flags & COVET_QUERY_MANY) {
    my_many_begin(connection);
    return;
  }
  if (my_bind(connection, op, 0, op->param_count) != 0) {
    request->has_error = true;
    my_request_after(connection);
    return;
  }
  request->stage = MY_STAGE_SEND;
  send_long(connection);
}

/* --- Preparing ---------------------------------------------------------------------------- */

static void run_text(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (op->param_count > 0 || (op->flags & COVET_QUERY_DESCRIBE)) {
    my_refuse(op, COVET_ERROR_UNSUPPORTED,
              "the server does not prepare this statement, so that it %s",
              op->param_count > 0 ? "takes no parameters" : "is not described");
    request->has_error = true;
    my_request_after(connection);
    return;
  }
  request->text = true;
  my_run_execute(connection, my_request_after);
}

/* For COVET_QUERY_DESCRIBE. */
static void describe(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;
  covet_result *result = &request->op->result;
  MYSQL_STMT *handle = statement->handle;
  const my_options *options = &connection->adapter->options;

  result->described = 1;
  result->parameter_count = (uint32_t) mysql_stmt_param_count(handle);
  result->read_only =
      request->verb == MY_VERB_SELECT || request->verb == MY_VERB_SHOW;
  if (handle->field_count > 0 &&
      my_columns_fit(&statement->columns, handle->fields, handle->field_count,
                     &connection->runtime->shapes, options->zero_dates,
                     connection->facts.is_utc)) {
    result->shape = covet_shape_retain(statement->columns.shape);
  }
  my_request_after(connection);
}

/* A function as the pointer to data that the library wants. */
static void set_callback(MYSQL_STMT *handle, ps_result_callback callback)
{
  const void *pointer;

  memcpy(&pointer, &callback, sizeof(pointer));
  (void) mysql_stmt_attr_set(handle, STMT_ATTR_CB_RESULT, pointer);
}

static bool has_right_count(my_request *request)
{
  covet_op *op = request->op;
  uint32_t given = op->flags & COVET_QUERY_MANY ? op->width : op->param_count;
  unsigned long wanted = mysql_stmt_param_count(request->statement->handle);

  if (given == wanted) {
    return true;
  }
  my_refuse(op, COVET_ERROR_USAGE,
            "the statement takes %lu parameter%s, %u %s given", wanted,
            wanted == 1 ? "" : "s", (unsigned) given,
            given == 1 ? "was" : "were");
  return false;
}

static void use_statement(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;

  if (request->op->flags & COVET_QUERY_DESCRIBE) {
    describe(connection);
    return;
  }
  if (!has_right_count(request)) {
    request->has_error = true;
    my_request_after(connection);
    return;
  }
  (void) mysql_stmt_attr_set(statement->handle, STMT_ATTR_CB_USER_DATA,
                             connection);
  run_prepared(connection);
}

bool my_is_server_full(const my_connection *connection)
{
  return mysql_stmt_errno(connection->request.statement->handle) ==
         ER_MAX_PREPARED_STMT_COUNT_REACHED;
}

/* Of the block that an EXECUTE stands in the server tells columns and rows as of a
 * procedure. */
static void on_block_prepared(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;

  if (connection->answer == 0) {
    statement->block = MY_BLOCK_USED;
  } else if (!my_is_server_full(connection)) {
    statement->block = MY_BLOCK_REFUSED;
  }
  if (my_is_gone(connection)) {
    my_request_fail(connection);
    my_request_after(connection);
  } else if (my_request_is_stopped(request)) {
    my_request_after(connection);
  } else if (connection->answer != 0) {
    run_text(connection);
  } else {
    set_callback(statement->handle, my_rows_value);
    use_statement(connection);
  }
}

static void prepare_block(my_connection *connection)
{
  static const char before[] = "BEGIN NOT ATOMIC ";
  static const char behind[] = "\n; END"; /* a comment may be in front */
  my_request *request = &connection->request;
  size_t length = my_bare_length(request->sql, request->sql_length);
  char *text = covet_arena_alloc(&request->op->arena,
                                 length + sizeof(before) + sizeof(behind));

  if (text == NULL) {
    run_text(connection);
    return;
  }
  memcpy(text, before, sizeof(before) - 1);
  memcpy(text + sizeof(before) - 1, request->sql, length);
  memcpy(text + sizeof(before) - 1 + length, behind, sizeof(behind));
  request->stage = MY_STAGE_PREPARE;
  connection->text = text;
  connection->text_length = length + sizeof(before) + sizeof(behind) - 2;
  my_make(connection, &my_call_prepare, on_block_prepared);
}

/* What the server does not prepare. The rows of an EXECUTE would come as text, in which
 * a FLOAT has six digits; inside a block, which MariaDB prepares since 10.6, they come
 * as others do. */
static void run_unprepared(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;

  if (request->verb != MY_VERB_EXECUTE || request->op->param_count > 0 ||
      !(request->op->flags & COVET_QUERY_ROWS) ||
      (request->op->flags & COVET_QUERY_DESCRIBE) ||
      statement->block == MY_BLOCK_REFUSED ||
      !mariadb_connection(connection->mysql)) {
    run_text(connection);
  } else if (statement->block == MY_BLOCK_USED) {
    use_statement(connection);
  } else {
    prepare_block(connection);
  }
}

/* What is in the way of preparing may be this connection's own: it gives back what it
 * keeps, and tries once more. Then only what needs no statement can be run. */
static void make_room(my_connection *connection)
{
  my_request *request = &connection->request;

  if (!request->made_room) {
    request->made_room = true;
    covet_stmt_cache_clear(&connection->statements);
    if (my_statements_close(connection, my_run)) {
      return;
    }
  }
  if (request->op->param_count > 0 ||
      (request->op->flags & (COVET_QUERY_DESCRIBE | COVET_QUERY_MANY))) {
    my_request_fail(connection);
    my_request_after(connection);
    return;
  }
  run_text(connection);
}

static void on_prepared(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;

  if (connection->answer == 0) {
    statement->prepared = true;
    statement->described = statement->handle->field_count > 0;
    statement->shares = my_text_shares(request->sql, request->sql_length);
    set_callback(statement->handle, my_rows_value);
    if (my_request_is_stopped(request)) {
      my_request_after(connection);
      return;
    }
    use_statement(connection);
    return;
  }
  if (mysql_stmt_errno(statement->handle) == ER_UNSUPPORTED_PS &&
      !my_request_is_stopped(request) &&
      !(request->op->flags & (COVET_QUERY_DESCRIBE | COVET_QUERY_MANY))) {
    statement->text_only = true;
    run_unprepared(connection);
    return;
  }
  if (my_is_server_full(connection) && !my_request_is_stopped(request)) {
    make_room(connection);
    return;
  }
  my_request_fail(connection);
  my_request_after(connection);
}

static void prepare(my_connection *connection)
{
  my_request *request = &connection->request;

  request->stage = MY_STAGE_PREPARE;
  connection->text = request->sql;
  connection->text_length = request->sql_length;
  my_make(connection, &my_call_prepare, on_prepared);
}

void my_run(my_connection *connection)
{
  my_request *request = &connection->request;

  if (my_request_is_stopped(request)) {
    my_request_after(connection);
    return;
  }
  if (request->text) {
    run_text(connection);
    return;
  }
  if (request->statement == NULL) {
    request->statement = my_statement_get(
        connection, request->sql, request->sql_length, request->op->sql_hash);
  }
  if (request->statement == NULL) {
    my_refuse(request->op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    request->has_error = true;
    my_request_after(connection);
  } else if (request->statement->text_only) {
    run_unprepared(connection);
  } else if (!request->statement->prepared) {
    prepare(connection);
  } else {
    use_statement(connection);
  }
}
