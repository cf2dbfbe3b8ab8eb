/* How a request begins, and what stands in front of its statement. */
#include "../core/error.h"
#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_error.h"
#include "mysql_session.h"

#include <stdio.h>
#include <string.h>

/* --- Statements of ours ------------------------------------------------------------------------ */

static void on_own(my_connection *connection);

static void next_own(my_connection *connection)
{
  if (connection->answer == 0 && mysql_more_results(connection->mysql)) {
    my_make(connection, &my_call_text_next, on_own);
    return;
  }
  connection->own_done(connection);
}

/* The user's init_command may have rows. */
static void on_own(my_connection *connection)
{
  if (connection->answer == 0 && connection->mysql->field_count > 0) {
    my_make(connection, &my_call_skip, next_own);
    return;
  }
  connection->own_warnings += mysql_warning_count(connection->mysql);
  next_own(connection);
}

void my_own(my_connection *connection, const char *text, my_done done)
{
  connection->own_done = done;
  connection->own_warnings = 0;
  connection->text = text;
  connection->text_length = strlen(text);
  my_make(connection, &my_call_query, on_own);
}

/* --- The beginning ------------------------------------------------------------------------------ */

static void on_before(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != 0) {
    request->wrapped = false;
    my_request_fail(connection);
    my_request_after(connection);
    return;
  }
  connection->in_transaction = true;
  if (my_request_is_stopped(request)) {
    my_request_after(connection);
    return;
  }
  my_run(connection);
}

/* What has to stand in front of a statement, NULL: nothing. */
static const char *text_before(my_connection *connection)
{
  my_request *request = &connection->request;
  const covet_op *op = request->op;
  bool is_own = request->verb == MY_VERB_BEGIN;
  bool is_set = connection->savepoint_is_set;

  connection->savepoint_is_set = false;
  if (op->flags & (COVET_QUERY_TRANSACTION | COVET_QUERY_DESCRIBE)) {
    return NULL;
  }
  if ((op->flags & COVET_QUERY_READ_ONLY) && !connection->in_transaction) {
    request->wrapped = true;
    return "START TRANSACTION READ ONLY";
  }
  if ((request->script && !is_own) || (op->flags & COVET_QUERY_MANY)) {
    request->wrapped = true;
    request->savepoint = connection->in_transaction;
    request->marked = request->script && !request->savepoint;
    if (is_set && request->savepoint && !request->script) {
      return NULL;
    }
    return request->marked      ? "START TRANSACTION; SAVEPOINT covet_statement"
           : request->savepoint ? "SAVEPOINT covet_statement"
                                : "START TRANSACTION";
  }
  if (!connection->adapter->options.autocommit && op->lease != 0 &&
      !connection->in_transaction && request->verb != MY_VERB_BEGIN &&
      request->verb != MY_VERB_COMMIT && request->verb != MY_VERB_ROLLBACK) {
    return "START TRANSACTION";
  }
  return NULL;
}

static void before(my_connection *connection)
{
  const char *text;

  if (my_request_is_stopped(&connection->request)) {
    connection->savepoint_is_set = false;
    my_request_after(connection);
    return;
  }
  text = text_before(connection);
  if (text == NULL) {
    my_run(connection);
    return;
  }
  connection->request.stage = MY_STAGE_BEFORE;
  my_own(connection, text, on_before);
}

/* Whether the transaction in which the statement belongs is there. */
static bool check_inside(my_connection *connection, covet_op *op)
{
  if (!(op->flags & COVET_QUERY_INSIDE) ||
      (connection->in_transaction && !connection->undone &&
       !connection->ended_by_script)) {
    return true;
  }
  if (connection->committed_by[0] != '\0') {
    my_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
              "the transaction was committed by a statement in it that MySQL "
              "commits before and after: %s",
              connection->committed_by);
    return false;
  }
  if (connection->ended_by_script) {
    my_refuse(
        op, COVET_ERROR_TRANSACTION_ABORTED,
        "the transaction was ended by a script in it, with a statement "
        "that MySQL commits before and after, or with COMMIT or ROLLBACK");
    return false;
  }
  my_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
            "the transaction was rolled back by an earlier error");
  if (connection->first_error[0] != '\0') {
    (void) snprintf(op->error->detail, sizeof(op->error->detail),
                    "its first error was: %.220s", connection->first_error);
  }
  return false;
}

static bool check_list(covet_op *op)
{
  if (!(op->flags & COVET_QUERY_MANY)) {
    return true;
  }
  if (op->width == 0 || op->param_count % op->width != 0) {
    my_refuse(op, COVET_ERROR_USAGE,
              op->width == 0 ? "a list of rows takes a parameter in each"
                             : "the list's last row is incomplete");
    return false;
  }
  return true;
}

/* Within a transaction that may write, only what cannot write is let through. */
static bool check_read_only(my_connection *connection, covet_op *op,
                            my_verb verb)
{
  if (!(op->flags & COVET_QUERY_READ_ONLY) || !connection->in_transaction ||
      connection->read_only || verb == MY_VERB_SELECT || verb == MY_VERB_SHOW ||
      (op->flags & COVET_QUERY_TRANSACTION)) {
    return true;
  }
  my_refuse(op, COVET_ERROR_READ_ONLY, "the statement may write");
  return false;
}

/* What begins or ends a transaction needs a connection that stays the caller's. */
static bool check_lease(covet_op *op, my_verb verb)
{
  bool is_control = verb == MY_VERB_BEGIN || verb == MY_VERB_COMMIT ||
                    verb == MY_VERB_ROLLBACK || verb == MY_VERB_SAVEPOINT;

  if (!is_control || op->lease != 0 ||
      (op->flags & (COVET_QUERY_SCRIPT | COVET_QUERY_DESCRIBE))) {
    return true;
  }
  my_refuse(op, COVET_ERROR_USAGE,
            "a transaction needs a connection of its own: use db:transaction, "
            "db:begin or db:acquire");
  return false;
}

static bool check_op(my_connection *connection, covet_op *op, my_verb verb)
{
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return false;
  }
  if (memchr(op->sql, '\0', op->sql_length) != NULL) {
    my_refuse(op, COVET_ERROR_USAGE, "the SQL holds a NUL byte");
    return false;
  }
  return check_lease(op, verb) && check_inside(connection, op) &&
         check_list(op) && check_read_only(connection, op, verb) &&
         my_check_params(connection, op);
}

void my_forget_transaction(my_connection *connection)
{
  connection->committed_by[0] = '\0';
  connection->ended_by_script = false;
  connection->first_error[0] = '\0';
  connection->undone = false;
}

static void note_beginning(my_connection *connection, const covet_op *op,
                           my_verb verb)
{
  if (verb == MY_VERB_BEGIN || (op->flags & COVET_QUERY_TRANSACTION &&
                                !(op->flags & COVET_QUERY_INSIDE))) {
    connection->read_only = my_begins_read_only(op->sql, op->sql_length);
    my_forget_transaction(connection);
  }
}

static covet_step begin(my_connection *connection, covet_op *op, bool again)
{
  my_request *request = &connection->request;
  my_verb verb = my_verb_of(op->sql, op->sql_length);

  if (!check_op(connection, op, verb)) {
    return COVET_STEP_DONE;
  }
  memset(request, 0, sizeof(*request));
  request->op = op;
  request->again = again;
  request->greedy =
      again; /* beside what the connection runs, or nothing does */
  request->verb = verb;
  request->sql = op->sql;
  request->sql_length = op->sql_length;
  request->script = (op->flags & COVET_QUERY_SCRIPT) != 0;
  request->text =
      (op->flags & (COVET_QUERY_SCRIPT | COVET_QUERY_TRANSACTION)) != 0;
  request->was_inside = (op->flags & COVET_QUERY_INSIDE) != 0;
  note_beginning(connection, op, verb);
  if (!(op->flags & COVET_QUERY_TRANSACTION) &&
      my_changes_session(op->sql, op->sql_length)) {
    connection->dirty = true;
  }
  connection->sent_us = covet_now_us();
  if (!my_statements_close(connection, before)) {
    before(connection);
  }
  if (my_is_calling(connection) && connection->adapter->base->ops.count <= 1) {
    covet_spin_start(&connection->spin, connection->runtime,
                     connection->sent_us,
                     connection->adapter->options.busy_poll_us);
  }
  return COVET_STEP_PENDING;
}

void my_query_again(my_connection *connection, covet_op *op)
{
  if (begin(connection, op, true) == COVET_STEP_DONE) {
    my_ahead_go_on(connection, op);
  }
}

void my_query_start(my_connection *connection, covet_op *op)
{
  if (begin(connection, op, false) == COVET_STEP_DONE) {
    my_settle(connection, op, COVET_STEP_DONE);
  }
}

/* --- Streams -------------------------------------------------------------------------------------- */

/* A stream that nobody reads any more is ended by the server. */
static covet_step resume(my_connection *connection, covet_op *op)
{
  if (my_request_is_read(op)) {
    op->driver = NULL;
    return COVET_STEP_DONE;
  }
  connection->paused = false;
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    my_kill(connection);
  }
  my_go_on(connection, 0);
  return COVET_STEP_PENDING;
}

/* What stands behind a stream on the connection: the stream takes all of its rows
 * first. */
static covet_step wait_for_stream(my_connection *connection, covet_op *op)
{
  connection->waiting = op;
  connection->request.greedy = true;
  connection->paused = false;
  my_go_on(connection, 0);
  return COVET_STEP_PENDING;
}

void my_leave_waiting(my_connection *connection, covet_op *op)
{
  connection->waiting = NULL;
  covet_op_fault_stopped(op);
  my_settle(connection, op, COVET_STEP_DONE);
}

covet_step my_query(my_connection *connection, covet_op *op)
{
  if (op->driver != NULL) {
    return resume(connection, op);
  }
  if (connection->request.op != NULL) {
    return wait_for_stream(connection, op);
  }
  return begin(connection, op, false);
}
