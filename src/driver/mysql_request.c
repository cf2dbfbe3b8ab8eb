/* How a request ends: well, with an error, given up, or with its connection. */
#include "../core/error.h"
#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_error.h"
#include "mysql_many.h"
#include "mysql_session.h"

#include <errmsg.h>
#include <string.h>

enum {
  ER_QUERY_INTERRUPTED = 1317,
  ER_NEED_REPREPARE = 1615,
  ER_UNKNOWN_STMT_HANDLER = 1243,
  ER_SP_DOES_NOT_EXIST = 1305
};

/* What an operation's `driver` is when all of it has been read for it already. */
static char read_already;

bool my_request_is_read(const covet_op *op)
{
  return op->driver == &read_already;
}

bool my_request_is_stopped(const my_request *request)
{
  return request->op == NULL ||
         covet_op_stop_reason(request->op) != COVET_STOP_NONE;
}

/* Whether nobody knows if the server has committed. */
static bool is_committing(const my_request *request)
{
  return request->ran &&
         ((request->verb == MY_VERB_COMMIT && request->stage == MY_STAGE_RUN) ||
          (request->wrapped && !request->savepoint && !request->has_error &&
           request->stage == MY_STAGE_AFTER &&
           !(request->op->flags & COVET_QUERY_READ_ONLY)));
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

static void start_waiting(my_connection *connection)
{
  covet_op *op = connection->waiting;

  connection->waiting = NULL;
  if (op != NULL && !connection->lost && !connection->closing) {
    my_query_start(connection, op);
  }
}

/* Whatever is unread now would be taken for the next answer. */
static bool is_out_of_step(const my_connection *connection)
{
  return connection->mysql->status != MYSQL_STATUS_READY ||
         mysql_more_results(connection->mysql) || my_ahead_is_torn(connection);
}

/* Tell what the request has come to. */
static void conclude(my_connection *connection, covet_op *op)
{
  covet_connection *base = &connection->base;

  if (my_ahead_is_open(connection) && !is_out_of_step(connection)) {
    my_ahead_go_on(connection, op);
    return;
  }
  if (op != NULL && op != base->running) {
    finish_beside(connection, op);
  }
  if (my_ahead_is_open(connection)) {
    my_lose(connection); /* the other answers cannot be read */
    return;
  }
  if (op == NULL || base->quarantined) {
    my_cancel_settled(connection);
  } else if (op != base->running) {
    /* told, beside what runs */
  } else if (my_is_killing(connection)) {
    covet_connection_quarantine(base, op);
    my_cancel_settled(connection); /* the kill may have ended before */
  } else if (base->state == COVET_CONNECTION_BUSY &&
             my_needs_reset(connection)) {
    my_reset(connection); /* nobody leased it to change it */
    return;
  } else {
    my_clock_stop(connection);
    my_settle(connection, op, COVET_STEP_DONE);
  }
  start_waiting(connection); /* behind a stream, which nobody kills meanwhile */
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
    my_statement_end(request->statement, !request->stale &&
                                             !request->outdated &&
                                             !connection->lost);
  }
  memset(request, 0, sizeof(*request));
}

/* Rows were dropped since its operation was to end. */
static bool is_incomplete(const my_request *request)
{
  return !request->has_error && my_request_is_stopped(request) &&
         ((request->op->flags & COVET_QUERY_ROWS) || !request->ran);
}

static void fault_left_open(my_request *request)
{
  my_refuse(request->op, COVET_ERROR_USAGE,
            "the %s left a transaction open, which was rolled back",
            request->script ? "script" : "statement");
}

/* What was written would be lost without a word: a script that begins with BEGIN, a
 * procedure that does, on a connection that is anybody's. */
static bool is_left_open(const my_connection *connection)
{
  const my_request *request = &connection->request;

  return request->op != NULL && request->op->lease == 0 && request->ran &&
         !request->has_error && request->op->error == NULL &&
         connection->in_transaction && request->verb != MY_VERB_SELECT &&
         request->verb != MY_VERB_SHOW;
}

static void end(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if (request->has_error && op != NULL &&
      (op->flags & COVET_QUERY_TRANSACTION)) {
    connection->dirty = true; /* its isolation level may be left to the next */
  }
  if (is_out_of_step(connection)) {
    connection->base.broken = true;
  }
  if (op != NULL && is_incomplete(request)) {
    my_fault_stopped(request);
  } else if (is_left_open(connection)) {
    fault_left_open(request);
  }
  covet_spin_end(&connection->spin, connection->runtime,
                 connection->adapter->options.busy_poll_us);
  clear(connection);
  if (op != NULL) {
    op->driver = NULL;
  }
  conclude(connection, op);
}

static void on_after(my_connection *connection);

/* A script has begun a transaction of its own, and not ended it. On a connection
 * that is the caller's it stays. */
static void leave_open(my_connection *connection)
{
  my_request *request = &connection->request;

  request->marked = false;
  if (request->op == NULL || request->op->lease == 0) {
    if (request->op != NULL) {
      fault_left_open(request);
    }
    request->has_error = true;
    my_own(connection, "ROLLBACK", on_after);
    return;
  }
  my_forget_transaction(connection);
  my_note_status(connection);
  end(connection);
}

/* A statement of a script has ended the transaction around it, and its savepoint; not
 * an error of the script's. */
static bool has_lost_savepoint(const my_connection *connection)
{
  const my_request *request = &connection->request;

  return request->script && (request->savepoint || request->marked) &&
         !(connection->undone && request->has_error) &&
         my_last_error(connection) == ER_SP_DOES_NOT_EXIST;
}

/* What was around the script was covet's: what comes next in it is refused, whatever
 * the script has begun since. Else it was the caller's, and so is what is open now. */
static void note_ended(my_connection *connection)
{
  if (connection->request.was_inside) {
    connection->ended_by_script = true;
  } else {
    my_forget_transaction(connection);
  }
}

static void on_after(my_connection *connection)
{
  my_request *request = &connection->request;

  if (connection->answer != 0) {
    connection->savepoint_is_set = false;
    if (my_is_gone(connection)) {
      my_lose(connection);
      return;
    }
    if (!has_lost_savepoint(connection)) {
      if (!request->has_error) {
        my_request_fail(connection);
      }
    } else if (request->savepoint) {
      note_ended(connection);
    } else if (!request->has_error) {
      leave_open(connection);
      return;
    }
  }
  my_note_status(connection);
  end(connection);
}

/* Whether the next statement on the lease is a list too. */
static bool precedes_list(const my_connection *connection)
{
  covet_node *next = queue_first(&connection->base.queue);

  return next != NULL &&
         (COVET_CONTAINER(next, covet_op, node)->flags & COVET_QUERY_MANY) != 0;
}

/* Whether a list could not have ended the transaction, and its savepoint, which only
 * RELEASE would tell. */
static bool keeps_transaction(const my_connection *connection)
{
  my_verb verb = connection->request.verb;

  return connection->in_transaction &&
         (verb == MY_VERB_INSERT || verb == MY_VERB_CHANGE);
}

/* The savepoint of a list, in its transaction. One of the same name takes its place:
 * lists that follow one another wait for one answer less each, and begin as soon as
 * the one before has ended. */
static const char *text_after_list(my_connection *connection)
{
  if (keeps_transaction(connection) && precedes_list(connection)) {
    connection->savepoint_is_set = true;
    return "SAVEPOINT covet_statement";
  }
  return "RELEASE SAVEPOINT covet_statement";
}

/* What ends the transaction or savepoint that was put around a statement. */
static const char *text_after(my_connection *connection)
{
  my_request *request = &connection->request;
  bool undo = request->has_error || my_request_is_stopped(request);

  if (undo && !request->has_error && request->op != NULL) {
    my_fault_stopped(request);
    request->has_error = true;
  }
  if (request->savepoint && undo) {
    return "ROLLBACK TO covet_statement; RELEASE SAVEPOINT covet_statement";
  }
  if (request->savepoint) {
    return text_after_list(connection);
  }
  if (undo) {
    return "ROLLBACK";
  }
  /* the savepoint is gone when the script has begun another transaction */
  return request->marked && connection->in_transaction
             ? "RELEASE SAVEPOINT covet_statement; COMMIT"
             : "COMMIT";
}

static void retry(my_connection *connection)
{
  my_request *request = &connection->request;

  request->tries++;
  request->stale = false;
  my_statement_end(request->statement, false);
  request->statement = NULL;
  if (!my_statements_close(connection, my_run)) {
    my_run(connection);
  }
}

/* Rows that nobody can read are the library's to drop, with their statement unless
 * others use it; nothing else can be sent before. True: that is under way. */
static bool drop_rows(my_connection *connection)
{
  my_request *request = &connection->request;
  my_statement *statement = request->statement;

  if (!request->stale || statement == NULL || request->dropping ||
      connection->mysql->status == MYSQL_STATUS_READY) {
    return false;
  }
  if (request->shared) {
    request->dropping = true;
    my_make(connection, &my_call_drop, my_request_after);
    return true;
  }
  my_many_leave(request);
  request->statement = NULL;
  my_statement_end(statement, false);
  return my_statements_close(connection, my_request_after);
}

/* What is to be run again has to wait until all that was sent is answered. False: it
 * has not. */
static bool put_off(my_connection *connection)
{
  covet_op *op = connection->request.op;

  if (connection->request.again || !my_ahead_delays(connection)) {
    return false;
  }
  if (is_out_of_step(connection)) {
    my_lose(connection); /* neither this answer nor the others can be read */
    return true;
  }
  clear(connection);
  covet_shape_release(op->result.shape);
  op->result.shape = NULL;
  my_ahead_put_off(connection, op);
  return true;
}

static bool has_to_run_again(const my_request *request)
{
  return (request->stale || request->hit) && !request->has_error &&
         request->tries < MY_MOST_TRIES && !my_request_is_stopped(request);
}

void my_request_after(my_connection *connection)
{
  my_request *request = &connection->request;
  const char *text;

  if (connection->lost) {
    return;
  }
  if (has_to_run_again(request)) {
    if (request->shared && drop_rows(connection)) {
      return;
    }
    if (!put_off(connection)) {
      retry(connection);
    }
    return;
  }
  if (drop_rows(connection)) {
    return;
  }
  if (!request->wrapped) {
    end(connection);
    return;
  }
  text = text_after(connection); /* which looks at the stage of before */
  request->stage = MY_STAGE_AFTER;
  my_own(connection, text, on_after);
}

/* --- Errors ------------------------------------------------------------------------------ */

/* Once more, with a statement that is prepared anew: the server has none, or not
 * one that fits. */
static bool is_worth_another(const my_connection *connection, unsigned code)
{
  const my_request *request = &connection->request;

  return !request->text && request->tries < MY_MOST_TRIES &&
         request->sets == 0 && !my_request_is_stopped(request) &&
         !(request->op->flags & COVET_QUERY_MANY) &&
         (code == ER_NEED_REPREPARE || code == ER_UNKNOWN_STMT_HANDLER ||
          (code == CR_NEW_STMT_METADATA && request->verb == MY_VERB_SELECT));
}

/* A kill that was meant for the request in front has hit this one, which only
 * reads. */
static bool is_hit_by_chance(const my_connection *connection, unsigned code)
{
  const my_request *request = &connection->request;

  return code == ER_QUERY_INTERRUPTED && request->shared && !request->again &&
         my_is_killing(connection) && !my_request_is_stopped(request);
}

/* What has run is not run again for its rows. */
static void fault_columns(my_request *request)
{
  my_refuse(request->op, COVET_ERROR_DATABASE_ERROR,
            "the columns have changed since the statement was prepared: %s",
            request->wrapped ? "it was rolled back"
                             : "it was done, but its rows cannot be read");
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
  request->stale = request->stale || code == CR_NEW_STMT_METADATA;
  if (is_worth_another(connection, code)) {
    request->stale = true;
    return;
  }
  if (request->op == NULL || request->has_error) {
    return;
  }
  if (is_hit_by_chance(connection, code) && !request->delivered) {
    request->hit = true;
    return;
  }
  if (code == ER_QUERY_INTERRUPTED && my_request_is_stopped(request)) {
    my_fault_stopped(request);
  } else if (code == CR_NEW_STMT_METADATA) {
    fault_columns(request);
  } else {
    my_fault(connection, request->op);
    if (request->op->error->kind == COVET_ERROR_CONNECTION_LOST &&
        is_committing(request)) {
      make_unknown(request);
    } else if (is_hit_by_chance(connection, code) &&
               request->op->error != &request->op->runtime->out_of_memory) {
      request->op->error->retry = COVET_RETRY_SAFE;
    }
  }
  request->has_error = true;
}

/* --- Lost and given up ---------------------------------------------------------------------- */

/* Scripts, procedures and what defines data may have committed, in a transaction
 * too. */
static bool may_have_committed(const my_request *request)
{
  return request->script || request->verb == MY_VERB_OTHER ||
         request->verb == MY_VERB_EXECUTE ||
         !(request->was_inside || request->wrapped);
}

/* What was rolled back with the connection, or never begun, can be tried again. */
static bool is_safe_to_retry(const my_request *request)
{
  return !request->ran || request->verb == MY_VERB_SELECT ||
         request->verb == MY_VERB_SHOW || !may_have_committed(request);
}

static void fault_lost(my_connection *connection, my_request *request)
{
  static const char resting[] =
      "a stream whose consumer rests for longer than the server's "
      "net_write_timeout is ended so";
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
  if (op->error == &op->runtime->out_of_memory) {
    return;
  }
  if (is_committing(request)) {
    make_unknown(request);
  } else if (is_safe_to_retry(request)) {
    op->error->retry = COVET_RETRY_SAFE;
  }
  if ((op->flags & COVET_QUERY_STREAM) && request->stage == MY_STAGE_ROWS) {
    covet_error_text(op->error->hint, sizeof(op->error->hint), resting,
                     sizeof(resting) - 1);
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
  my_ahead_lost(connection);
  fault_waiting(connection);
  if (op != NULL && op != connection->base.running) {
    finish_beside(connection, op);
  }
}

void my_request_disown(my_connection *connection)
{
  my_request *request = &connection->request;
  covet_op *op = request->op;

  if ((connection->waits & MYSQL_WAIT_WRITE) || my_worker_is_busy(connection)) {
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
