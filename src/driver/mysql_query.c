/* Requests: operations on their connection, from the first call to the last. */
#include "../core/error.h"
#include "mysql.h"

#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ER_QUERY_INTERRUPTED = 1317, ER_NEED_REPREPARE = 1615,
       ER_UNKNOWN_STMT_HANDLER = 1243 };

/* What an operation's `driver` is when all of it has been read for it already. */
static char read_already;

bool my_request_is_stopped(const my_request *request)
{
  return request->op == NULL ||
         covet_op_stop_reason(request->op) != COVET_STOP_NONE;
}

/* Whether nobody knows if the server has committed. */
static bool is_committing(const my_request *request)
{
  return request->ran && ((request->verb == MY_VERB_COMMIT &&
                           request->stage == MY_STAGE_RUN) ||
                          (request->wrapped && !request->savepoint &&
                           !request->has_error &&
                           request->stage == MY_STAGE_AFTER));
}

static void make_unknown(my_request *request)
{
  covet_error *error = request->op->error;

  if (error != &request->op->runtime->out_of_memory) {
    error->kind = COVET_ERROR_COMMIT_UNKNOWN;
    error->retry = COVET_RETRY_UNKNOWN_OUTCOME;
  }
}

void my_fault_stopped(my_request *request)
{
  covet_op_fault_stopped(request->op);
  if (is_committing(request)) {
    make_unknown(request);
  }
}

/* --- The end ---------------------------------------------------------------------------- */

/* The operation of a request ends, and is not what the connection runs: a stream
 * that was read to its end for another. */
static void finish_beside(my_connection *connection, covet_op *op)
{
  if (op->state == COVET_OP_QUEUED) {
    op->driver = &read_already; /* told when its turn comes */
    return;
  }
  if (node_queued(&op->node)) {
    queue_remove(&connection->base.suspended, &op->node);
  }
  covet_op_finish(op);
}

static void start(my_connection *connection, covet_op *op);

static void start_waiting(my_connection *connection)
{
  covet_op *op = connection->waiting;

  connection->waiting = NULL;
  if (op != NULL && !connection->lost && !connection->closing) {
    start(connection, op);
  }
}

/* Tell what the request has come to. */
static void conclude(my_connection *connection, covet_op *op)
{
  covet_connection *base = &connection->base;

  if (op == NULL) {
    my_cancel_settled(connection);
  } else if (op != base->running) {
    finish_beside(connection, op);
  } else if (my_is_killing(connection)) {
    covet_connection_quarantine(base, op);
    my_cancel_settled(connection); /* the kill may have ended before */
  } else if (base->state == COVET_CONNECTION_BUSY &&
             my_needs_reset(connection)) {
    my_reset(connection, op); /* nobody leased it to change it */
    return;
  } else {
    my_timer(connection, 0, NULL);
    my_settle(connection, op, COVET_STEP_DONE);
  }
  start_waiting(connection);
}

/* What is left of it. */
static void clear(my_connection *connection)
{
  my_request *request = &connection->request;

  my_rows_drop(request);
  if (request->result != NULL) {
    mysql_free_result(request->result);
  }
  my_columns_deinit(&request->columns);
  my_many_free(request);
  if (request->statement != NULL) {
    my_statement_end(request->statement, !request->stale && !connection->lost);
  }
  memset(request, 0, sizeof(*request));
}

/* Rows were dropped since its operation was to end. */
static bool is_incomplete(const my_request *request)
{
  return !request->has_error && my_request_is_stopped(request) &&
         ((request->op->flags & COVET_QUERY_ROWS) || !request->ran);
}

static void end(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (op != NULL && is_incomplete(request)) {
    my_fault_stopped(request);
  }
  covet_spin_end(&connection->spin, connection->runtime,
                 connection->adapter->options.busy_poll_us);
  clear(connection);
  if (op != NULL) {
    op->driver = NULL;
  }
  conclude(connection, op);
}

static void on_after(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != 0) {
    if (my_is_gone(connection)) {
      my_lose(connection);
      return;
    }
    if (!request->has_error) {
      my_request_fail(connection);
    }
  }
  my_note_status(connection);
  end(connection);
}

/* What ends the transaction or savepoint that was put around a statement. */
static const char *text_after(my_request *request)
{
  bool undo = request->has_error || my_request_is_stopped(request);

  if (undo && !request->has_error && request->op != NULL) {
    my_fault_stopped(request);
    request->has_error = true;
  }
  if (request->savepoint) {
    return undo ? "ROLLBACK TO covet_statement; RELEASE SAVEPOINT "
                  "covet_statement"
                : "RELEASE SAVEPOINT covet_statement";
  }
  return undo ? "ROLLBACK" : "COMMIT";
}

static void retry(my_connection *connection)
{
  my_request *request = &connection->request;

  request->retried = true;
  request->stale = false;
  my_statement_end(request->statement, false);
  request->statement = NULL;
  if (!my_statements_close(connection, my_run)) {
    my_run(connection);
  }
}

void my_request_after(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->lost) {
    return;
  }
  if (request->stale && !request->has_error && !request->retried &&
      !my_request_is_stopped(request)) {
    retry(connection);
    return;
  }
  if (!request->wrapped) {
    end(connection);
    return;
  }
  my_own(connection, text_after(request), on_after);
  request->stage = MY_STAGE_AFTER;
}

/* --- Errors ------------------------------------------------------------------------------ */

/* Once more, with a statement that is prepared anew: the server has none, or not
 * one that fits. */
static bool is_worth_another(const my_connection *connection, unsigned code)
{
  const my_request *request = &connection->request;

  return !request->text && !request->retried && request->sets == 0 &&
         !my_request_is_stopped(request) &&
         !(request->op->flags & COVET_QUERY_MANY) &&
         (code == ER_NEED_REPREPARE || code == ER_UNKNOWN_STMT_HANDLER ||
          (code == CR_NEW_STMT_METADATA && request->verb == MY_VERB_SELECT));
}

void my_request_fail(my_connection *connection)
{
  my_request *request = &connection->request;
  unsigned code = my_last_error(connection);

  if (my_is_gone(connection)) {
    my_lose(connection);
    return;
  }
  my_note_error(connection);
  if (is_worth_another(connection, code)) {
    request->stale = true;
    return;
  }
  if (request->op == NULL || request->has_error) {
    return;
  }
  if (code == ER_QUERY_INTERRUPTED && my_request_is_stopped(request)) {
    my_fault_stopped(request);
  } else {
    my_fault(connection, request->op);
    if (request->op->error->kind == COVET_ERROR_CONNECTION_LOST &&
        is_committing(request)) {
      make_unknown(request);
    }
  }
  request->has_error = true;
}

/* --- Lost and given up ---------------------------------------------------------------------- */

/* What was rolled back with the connection, or never begun, can be tried again. */
static bool is_safe_to_retry(const my_request *request)
{
  return !request->ran || request->was_inside || request->wrapped ||
         request->verb == MY_VERB_SELECT || request->verb == MY_VERB_SHOW;
}

static void fault_lost(my_connection *connection, my_request *request)
{
  covet_op *op = request->op;

  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    my_fault_stopped(request);
    return;
  }
  if (request->has_error) {
    return;
  }
  my_error_lost(covet_op_fault(op), connection);
  op->error->phase = op->phase;
  if (is_committing(request)) {
    make_unknown(request);
  } else if (is_safe_to_retry(request) &&
             op->error != &op->runtime->out_of_memory) {
    op->error->retry = COVET_RETRY_SAFE;
  }
}

/* What waits behind a stream was not sent. */
static void fault_waiting(my_connection *connection)
{
  covet_op *op = connection->waiting;

  connection->waiting = NULL;
  if (op != NULL) {
    my_error_lost(covet_op_fault(op), connection);
    op->error->phase = op->phase;
    if (op->error != &op->runtime->out_of_memory) {
      op->error->retry = COVET_RETRY_SAFE;
    }
  }
}

void my_request_lost(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (op != NULL) {
    fault_lost(connection, request);
    op->driver = NULL;
  }
  clear(connection);
  fault_waiting(connection);
  if (op != NULL && op != connection->base.running) {
    finish_beside(connection, op);
  }
}

void my_request_disown(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if ((connection->waits & MYSQL_WAIT_WRITE) ||
      my_worker_is_busy(connection)) {
    my_lose(connection); /* the call that is under way needs its operation */
    return;
  }
  my_fault_stopped(request);
  request->op = NULL;
  request->sql = "";
  request->sql_length = 0;
  request->was_inside = false;
  my_rows_drop(request);
  op->driver = NULL;
  if (op == connection->base.running) {
    covet_connection_quarantine(&connection->base, op);
  } else {
    finish_beside(connection, op);
  }
}

/* --- Statements of ours ------------------------------------------------------------------------ */

static void on_own(my_connection *connection)
{
  if (connection->answer == 0 && mysql_more_results(connection->mysql)) {
    my_make(connection, &my_call_text_next, on_own);
    return;
  }
  connection->own_done(connection);
}

void my_own(my_connection *connection, const char *text, my_done done)
{
  connection->own_done = done;
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
    return request->savepoint ? "SAVEPOINT covet_statement"
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
  const char *text = text_before(connection);

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
      (connection->in_transaction && !connection->undone)) {
    return true;
  }
  if (connection->committed_by[0] != '\0') {
    my_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
              "the transaction was committed by a statement in it that MySQL "
              "commits before and after: %s",
              connection->committed_by);
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
      connection->read_only || verb == MY_VERB_SELECT ||
      verb == MY_VERB_SHOW || (op->flags & COVET_QUERY_TRANSACTION)) {
    return true;
  }
  my_refuse(op, COVET_ERROR_READ_ONLY, "the statement may write");
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
  return check_inside(connection, op) && check_list(op) &&
         check_read_only(connection, op, verb) &&
         my_check_params(connection, op);
}

/* A new transaction has nothing of the one before. */
static void note_beginning(my_connection *connection, const covet_op *op,
                           my_verb verb)
{
  if (verb == MY_VERB_BEGIN || (op->flags & COVET_QUERY_TRANSACTION &&
                                !(op->flags & COVET_QUERY_INSIDE))) {
    connection->read_only = my_mentions(op->sql, op->sql_length, "read only");
    connection->committed_by[0] = '\0';
    connection->first_error[0] = '\0';
    connection->undone = false;
  }
}

static covet_step begin(my_connection *connection, covet_op *op)
{
  my_request *request = &connection->request;
  my_verb verb = my_verb_of(op->sql, op->sql_length);

  if (!check_op(connection, op, verb)) {
    return COVET_STEP_DONE;
  }
  memset(request, 0, sizeof(*request));
  request->op = op;
  request->verb = verb;
  request->sql = op->sql;
  request->sql_length = op->sql_length;
  request->script = (op->flags & COVET_QUERY_SCRIPT) != 0;
  request->text =
      (op->flags & (COVET_QUERY_SCRIPT | COVET_QUERY_TRANSACTION)) != 0;
  request->was_inside = (op->flags & COVET_QUERY_INSIDE) != 0;
  note_beginning(connection, op, verb);
  if (my_changes_session(op->sql, op->sql_length, verb)) {
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

static void start(my_connection *connection, covet_op *op)
{
  if (begin(connection, op) == COVET_STEP_DONE) {
    my_settle(connection, op, COVET_STEP_DONE);
  }
}

/* --- Streams -------------------------------------------------------------------------------------- */

/* A stream that nobody reads any more is ended by the server. */
static covet_step resume(my_connection *connection, covet_op *op)
{
  if (op->driver == &read_already) {
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
  return begin(connection, op);
}
