/* Calls of the library: made one after the other, without waiting inside. */
#include "mysql_connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Each call --------------------------------------------------------------------- */

static MYSQL_STMT *handle_of(my_connection *c)
{
  return c->request.statement->handle;
}

static int start_prepare(my_connection *c)
{
  return mysql_stmt_prepare_start(&c->answer, handle_of(c), c->text,
                                  c->text_length);
}

static int resume_prepare(my_connection *c, int events)
{
  return mysql_stmt_prepare_cont(&c->answer, handle_of(c), events);
}

static void block_prepare(my_connection *c)
{
  c->answer = mysql_stmt_prepare(handle_of(c), c->text, c->text_length);
}

static int start_execute(my_connection *c)
{
  return mysql_stmt_execute_start(&c->answer, handle_of(c));
}

static int resume_execute(my_connection *c, int events)
{
  return mysql_stmt_execute_cont(&c->answer, handle_of(c), events);
}

static void block_execute(my_connection *c)
{
  c->answer = mysql_stmt_execute(handle_of(c));
}

static int start_long_data(my_connection *c)
{
  return mysql_stmt_send_long_data_start(
      &c->flag, handle_of(c), c->request.long_param, c->text, c->text_length);
}

static int resume_long_data(my_connection *c, int events)
{
  return mysql_stmt_send_long_data_cont(&c->flag, handle_of(c), events);
}

static void block_long_data(my_connection *c)
{
  c->flag = mysql_stmt_send_long_data(handle_of(c), c->request.long_param,
                                      c->text, c->text_length);
}

/* Rows that the library holds already are read in one go. */
static int start_rows(my_connection *c)
{
  int waits;

  do {
    waits = mysql_stmt_fetch_start(&c->answer, handle_of(c));
  } while (waits == 0 && my_rows_go_on(c));
  return waits;
}

static int resume_rows(my_connection *c, int events)
{
  int waits = mysql_stmt_fetch_cont(&c->answer, handle_of(c), events);

  return waits == 0 && my_rows_go_on(c) ? start_rows(c) : waits;
}

static void block_rows(my_connection *c)
{
  do {
    c->answer = mysql_stmt_fetch(handle_of(c));
  } while (my_rows_go_on(c));
}

static int start_next(my_connection *c)
{
  return mysql_stmt_next_result_start(&c->answer, handle_of(c));
}

static int resume_next(my_connection *c, int events)
{
  return mysql_stmt_next_result_cont(&c->answer, handle_of(c), events);
}

static void block_next(my_connection *c)
{
  c->answer = mysql_stmt_next_result(handle_of(c));
}

static int start_drop(my_connection *c)
{
  return mysql_stmt_free_result_start(&c->flag, handle_of(c));
}

static int resume_drop(my_connection *c, int events)
{
  return mysql_stmt_free_result_cont(&c->flag, handle_of(c), events);
}

static void block_drop(my_connection *c)
{
  c->flag = mysql_stmt_free_result(handle_of(c));
}

static int start_query(my_connection *c)
{
  return mysql_real_query_start(&c->answer, c->mysql, c->text, c->text_length);
}

static int resume_query(my_connection *c, int events)
{
  return mysql_real_query_cont(&c->answer, c->mysql, events);
}

static void block_query(my_connection *c)
{
  c->answer = mysql_real_query(c->mysql, c->text, c->text_length);
}

/* As the binary rows answer. */
static int take_text_row(my_connection *c)
{
  if (c->text_row != NULL) {
    my_rows_text(c);
    c->answer = 0;
  } else {
    c->answer = mysql_errno(c->mysql) == 0 ? MYSQL_NO_DATA : 1;
  }
  return my_rows_go_on(c);
}

static int start_text_rows(my_connection *c)
{
  int waits;

  do {
    waits = mysql_fetch_row_start(&c->text_row, c->request.result);
  } while (waits == 0 && take_text_row(c));
  return waits;
}

static int resume_text_rows(my_connection *c, int events)
{
  int waits = mysql_fetch_row_cont(&c->text_row, c->request.result, events);

  return waits == 0 && take_text_row(c) ? start_text_rows(c) : waits;
}

static void block_text_rows(my_connection *c)
{
  do {
    c->text_row = mysql_fetch_row(c->request.result);
  } while (take_text_row(c));
}

static int start_text_next(my_connection *c)
{
  return mysql_next_result_start(&c->answer, c->mysql);
}

static int resume_text_next(my_connection *c, int events)
{
  return mysql_next_result_cont(&c->answer, c->mysql, events);
}

static void block_text_next(my_connection *c)
{
  c->answer = mysql_next_result(c->mysql);
}

static void end_skip(my_connection *c)
{
  c->answer = c->skipped == NULL && mysql_errno(c->mysql) != 0;
  mysql_free_result(c->skipped);
  c->skipped = NULL;
}

static int start_skip(my_connection *c)
{
  int waits = mysql_store_result_start(&c->skipped, c->mysql);

  if (waits == 0) {
    end_skip(c);
  }
  return waits;
}

static int resume_skip(my_connection *c, int events)
{
  int waits = mysql_store_result_cont(&c->skipped, c->mysql, events);

  if (waits == 0) {
    end_skip(c);
  }
  return waits;
}

static void block_skip(my_connection *c)
{
  c->skipped = mysql_store_result(c->mysql);
  end_skip(c);
}

static int start_close(my_connection *c)
{
  return mysql_stmt_close_start(&c->flag, c->closing_statement->handle);
}

static int resume_close(my_connection *c, int events)
{
  return mysql_stmt_close_cont(&c->flag, c->closing_statement->handle, events);
}

static void block_close(my_connection *c)
{
  c->flag = mysql_stmt_close(c->closing_statement->handle);
}

static int start_ping(my_connection *c)
{
  return mysql_ping_start(&c->answer, c->mysql);
}

static int resume_ping(my_connection *c, int events)
{
  return mysql_ping_cont(&c->answer, c->mysql, events);
}

static void block_ping(my_connection *c)
{
  c->answer = mysql_ping(c->mysql);
}

static int start_reset(my_connection *c)
{
  return mysql_reset_connection_start(&c->answer, c->mysql);
}

static int resume_reset(my_connection *c, int events)
{
  return mysql_reset_connection_cont(&c->answer, c->mysql, events);
}

static void block_reset(my_connection *c)
{
  c->answer = mysql_reset_connection(c->mysql);
}

#define CALL(name)                                                             \
  const my_call my_call_##name = {start_##name, resume_##name, block_##name}

CALL(prepare);
CALL(execute);
CALL(long_data);
CALL(rows);
CALL(next);
CALL(drop);
CALL(query);
CALL(text_rows);
CALL(text_next);
CALL(skip);
CALL(close);
CALL(ping);
CALL(reset);

#undef CALL

/* --- One after the other -------------------------------------------------------------- */

static void on_go_on(covet_post *post)
{
  my_connection *connection = COVET_CONTAINER(post, my_connection, go_on);

  connection->posted = false;
  if (connection->closing) {
    my_io_close(connection);
  } else if (connection->yielding) {
    my_go_on(connection, 0);
  }
}

/* The others' turn: what is there is read on afterwards. */
static void take_turns(my_connection *connection)
{
  if (!connection->posted) {
    connection->posted = true;
    connection->go_on.run = on_go_on;
    covet_runtime_post(connection->runtime, &connection->go_on);
  }
}

/* A reader has to catch up; it may have done so by the time that it is told. */
static void suspend(my_connection *connection)
{
  covet_op *op = connection->request.op;

  op->driver = &connection->request;
  my_settle(connection, op, COVET_STEP_SUSPENDED);
}

/* The call has come as far as it can now. Whether to make the next one. */
static bool settle(my_connection *connection)
{
  my_done done = connection->done;

  if (connection->yielding) {
    take_turns(connection);
    return false;
  }
  if (connection->paused) {
    if (connection->stepping == connection->request.op) {
      suspend(connection);
      return false; /* `execute` tells it */
    }
    suspend(connection);
    return !connection->paused;
  }
  connection->call = NULL;
  connection->done = NULL;
  done(connection);
  return true;
}

static void loop(my_connection *connection, int events)
{
  if (connection->looping) {
    return; /* whoever is at it goes on */
  }
  connection->looping = true;
  while (!connection->lost && !connection->closing &&
         connection->call != NULL) {
    if (connection->worker != NULL) {
      my_worker_make(connection);
      break;
    }
    connection->yielding = false;
    connection->waits = connection->waits == 0
                            ? connection->call->start(connection)
                            : connection->call->resume(connection, events);
    if (connection->waits != 0 || !settle(connection)) {
      break;
    }
  }
  connection->looping = false;
  if (!connection->closing) {
    my_poll(connection);
  }
}

void my_make(my_connection *connection, const my_call *call, my_done done)
{
  connection->call = call;
  connection->done = done;
  connection->waits = 0;
  loop(connection, 0);
}

void my_go_on(my_connection *connection, int events)
{
  if (my_worker_is_busy(connection)) {
    return;
  }
  loop(connection, events);
}

void my_worker_done(my_connection *connection)
{
  if (connection->closing) {
    connection->call = NULL;
    my_io_close(connection);
    return;
  }
  if (connection->lost) {
    connection->call = NULL;
    my_end_lost(connection);
    return;
  }
  connection->looping = true;
  if (settle(connection)) {
    connection->looping = false;
    loop(connection, 0);
    return;
  }
  connection->looping = false;
  my_poll(connection);
}

/* --- The end ------------------------------------------------------------------------ */

/* From now on the socket's number is that of nothing: what the library has still
 * to write goes nowhere, and what it wants to read is at its end. */
static void cut_off(my_connection *connection)
{
  int socket_number = (int) mysql_get_socket(connection->mysql);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

  if (socket_number >= 0) {
    (void) shutdown(socket_number, SHUT_RDWR);
  }
  if (nothing >= 0) {
    if (socket_number >= 0) {
      (void) dup2(nothing, socket_number);
    }
    (void) close(nothing);
  }
}

void my_abort(my_connection *connection)
{
  if (connection->mysql == NULL || connection->mysql->net.pvio == NULL) {
    connection->call = NULL;
    return;
  }
  if (my_worker_is_busy(connection)) { /* it tells when it has noticed */
    (void) shutdown((int) mysql_get_socket(connection->mysql), SHUT_RDWR);
    return;
  }
  if (!connection->lost && connection->call == NULL) {
    return; /* it is at rest, and says goodbye */
  }
  my_io_unwatch(connection);
  cut_off(connection);
  while (connection->call != NULL && connection->waits != 0) {
    connection->waits = connection->call->resume(
        connection, connection->waits | MYSQL_WAIT_TIMEOUT);
  }
  connection->call = NULL;
}
