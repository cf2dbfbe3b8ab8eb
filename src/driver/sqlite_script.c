/* Several statements in one go: scripts, lists of parameters, group commits. */
#include "../core/batch.h"
#include "../core/error.h"
#include "sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Scripts ------------------------------------------------------------------------ */

typedef struct script {
  sqlite_connection *connection;
  covet_op *op;
  bool ours; /* the open transaction is the script's own */
} script;

/* These end or cannot stand in a transaction. */
static bool is_barrier(sqlite_verb verb)
{
  return verb == SQLITE_VERB_BEGIN || verb == SQLITE_VERB_COMMIT ||
         verb == SQLITE_VERB_ROLLBACK || verb == SQLITE_VERB_SAVEPOINT ||
         verb == SQLITE_VERB_PRAGMA || verb == SQLITE_VERB_ATTACH ||
         verb == SQLITE_VERB_VACUUM;
}

/* Statements between two barriers are one transaction: all or nothing. */
static int keep_together(script *s, const sqlite_statement *statement)
{
  sqlite3 *db = s->connection->db;

  if (is_barrier(statement->verb)) {
    if (s->ours) {
      s->ours = false;
      return sqlite_do(s->connection, "COMMIT");
    }
    return SQLITE_OK;
  }
  if (!statement->read_only && sqlite3_get_autocommit(db)) {
    int code = sqlite_do(s->connection, "BEGIN IMMEDIATE");

    s->ours = code == SQLITE_OK;
    return code;
  }
  return SQLITE_OK;
}

static int run_statement(script *s, sqlite_statement *statement)
{
  sqlite_connection *connection = s->connection;
  int code = keep_together(s, statement);

  if (code != SQLITE_OK) {
    return code;
  }
  statement->total_before = sqlite3_total_changes64(connection->db);
  statement->id_before = sqlite3_last_insert_rowid(connection->db);
  code = sqlite_worker_enter(connection) ? SQLITE_ROW : SQLITE_INTERRUPT;
  while (code == SQLITE_ROW) {
    code = sqlite_step(connection, statement);
    statement->rows += code == SQLITE_ROW;
  }
  sqlite_worker_leave(connection);
  if (code != SQLITE_DONE) {
    return code;
  }
  s->op->result.has_insert_id = 0;
  sqlite_note_changes(connection, s->op, statement);
  return SQLITE_OK;
}

static void end_script(script *s, int code, size_t offset)
{
  if (code == SQLITE_OK && s->ours && s->op->error == NULL) {
    code = sqlite_do(s->connection, "COMMIT");
  }
  if (code != SQLITE_OK && s->op->error == NULL) {
    sqlite_fault(s->connection, s->op, code, offset);
  }
  if (s->op->error != NULL && s->ours &&
      !sqlite3_get_autocommit(s->connection->db)) {
    (void) sqlite_do(s->connection, "ROLLBACK");
  }
}

static const char no_parameters[] =
    "several statements in one text take no parameters";

/* One statement that was prepared. Returns SQLite's code; the operation's error
 * may be set. */
static int run_prepared(script *s, sqlite_statement *statement, const char *at,
                        size_t length)
{
  char *sql = strndup(at, length);
  int code = SQLITE_OK;

  if (sql == NULL) {
    return SQLITE_NOMEM;
  }
  statement->read_only = sqlite3_stmt_readonly(statement->handle);
  statement->verb = sqlite_verb_of(at, length);
  if (sqlite3_bind_parameter_count(statement->handle) > 0) {
    sqlite_refuse(s->op, COVET_ERROR_USAGE, no_parameters);
  } else if (sqlite_may_run(s->connection, s->op, statement, sql)) {
    code = run_statement(s, statement);
  }
  free(sql);
  return code;
}

/* On a connection that is anybody's nothing may stay open. */
static void end_transaction(script *s)
{
  if (s->op->lease != 0 || sqlite3_get_autocommit(s->connection->db)) {
    return;
  }
  (void) sqlite_do(s->connection, "ROLLBACK");
  if (s->op->error == NULL) {
    sqlite_refuse(s->op, COVET_ERROR_USAGE,
                  "the script left a transaction open, which was rolled back");
  }
}

sqlite_outcome sqlite_run_script(sqlite_connection *connection, covet_op *op)
{
  script s = {connection, op, false};
  const char *at = op->sql;
  const char *end = op->sql + op->sql_length;
  size_t offset = 0;
  int code = SQLITE_OK;

  if (memchr(op->sql, '\0', op->sql_length) != NULL) {
    return sqlite_refuse(op, COVET_ERROR_USAGE, "a NUL byte in the SQL text");
  }
  if (op->param_count > 0) {
    return sqlite_refuse(op, COVET_ERROR_USAGE, no_parameters);
  }
  while (code == SQLITE_OK && at < end && op->error == NULL) {
    sqlite_statement statement = {0};
    const char *tail = end;

    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      covet_op_fault_stopped(op); /* SQLite asks only in long statements */
      code = SQLITE_INTERRUPT;    /* nothing of it is committed */
      break;
    }
    offset = (size_t) (at - op->sql);
    code = sqlite_prepare_text(connection, op, at, (size_t) (end - at), 0,
                               &statement.handle, &tail);
    if (code == SQLITE_OK && statement.handle != NULL) {
      code = run_prepared(&s, &statement, at, (size_t) (tail - at));
    }
    if (code != SQLITE_OK) {
      sqlite_fault(connection, op, code, offset);
    }
    (void) sqlite3_finalize(statement.handle);
    at = tail;
  }
  end_script(&s, code, offset);
  end_transaction(&s);
  return SQLITE_RAN;
}

/* --- Lists of parameters ----------------------------------------------------------------- */

static int run_row(sqlite_connection *connection, covet_op *op,
                   sqlite_statement *statement, const covet_cell *cells)
{
  int code = sqlite_bind(op, statement, cells, op->width);

  while (code == SQLITE_OK || code == SQLITE_ROW) {
    code = sqlite_step(connection, statement);
  }
  if (code == SQLITE_DONE) {
    return sqlite3_reset(statement->handle);
  }
  return code;
}

static void fault_row(sqlite_connection *connection, covet_op *op, int code,
                      uint32_t row)
{
  sqlite_fault(connection, op, code, 0);
  if (op->error != &op->runtime->out_of_memory &&
      op->error->detail[0] == '\0') {
    (void) snprintf(op->error->detail, sizeof(op->error->detail),
                    "in row %u of the list", row + 1);
  }
}

static int run_rows(sqlite_connection *connection, covet_op *op,
                    sqlite_statement *statement)
{
  uint32_t rows = op->width == 0 ? 0 : op->param_count / op->width;

  for (uint32_t row = 0; row < rows; row++) {
    int64_t before = sqlite3_total_changes64(connection->db);
    int code = run_row(connection, op, statement,
                       op->params + (size_t) row * op->width);

    if (code != SQLITE_OK) {
      fault_row(connection, op, code, row);
      return code;
    }
    if (sqlite3_total_changes64(connection->db) != before) {
      op->result.affected_rows += sqlite3_changes64(connection->db);
    }
    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      covet_op_fault_stopped(op);
      return SQLITE_INTERRUPT;
    }
  }
  return SQLITE_OK;
}

/* What ends the transaction afterwards is not to be interrupted. */
static int run_rows_or_stop(sqlite_connection *connection, covet_op *op,
                            sqlite_statement *statement)
{
  int code = SQLITE_INTERRUPT;

  if (sqlite_worker_enter(connection)) {
    code = run_rows(connection, op, statement);
  } else {
    covet_op_fault_stopped(op);
  }
  sqlite_worker_leave(connection);
  return code;
}

/* All rows or none: one transaction, or a savepoint inside one. */
sqlite_outcome sqlite_run_many(sqlite_connection *connection, covet_op *op,
                               sqlite_statement *statement)
{
  bool own = sqlite3_get_autocommit(connection->db) && !statement->read_only;
  int code =
      sqlite_do(connection, own ? "BEGIN IMMEDIATE" : "SAVEPOINT covet_many");

  if (code != SQLITE_OK) {
    sqlite_fault(connection, op, code, 0);
    sqlite_statement_end(connection, statement);
    return SQLITE_RAN;
  }
  code = run_rows_or_stop(connection, op, statement);
  if (code == SQLITE_OK) {
    code = sqlite_do(connection, own ? "COMMIT" : "RELEASE covet_many");
    if (code != SQLITE_OK) {
      sqlite_fault(connection, op, code, 0);
    }
  }
  if (code != SQLITE_OK) {
    (void) sqlite3_reset(statement->handle);
    op->result.affected_rows = 0;
    if (!sqlite3_get_autocommit(connection->db)) {
      (void) sqlite_do(connection,
                       own ? "ROLLBACK"
                           : "ROLLBACK TO covet_many; RELEASE covet_many");
    }
  }
  sqlite_statement_end(connection, statement);
  return SQLITE_RAN;
}

/* --- Group commit -------------------------------------------------------------------------- */

static covet_op *op_at(covet_node *node)
{
  return node == NULL ? NULL : COVET_CONTAINER(node, covet_op, node);
}

static void forget_result(covet_op *op)
{
  if (op->error != &op->runtime->out_of_memory) {
    free(op->error);
  }
  op->error = NULL;
  covet_shape_release(op->result.shape);
  memset(&op->result, 0, sizeof(op->result));
}

static void forget_all(sqlite_connection *connection)
{
  for (covet_op *op = op_at(queue_first(&connection->group)); op != NULL;
       op = op_at(queue_after(&connection->group, &op->node))) {
    forget_result(op);
  }
}

/* Each in a transaction of its own: after something rolled the common one back.
 * None of those was told anything yet. */
static void run_alone(sqlite_connection *connection)
{
  for (covet_op *op = op_at(queue_first(&connection->group)); op != NULL;
       op = op_at(queue_after(&connection->group, &op->node))) {
    if (op->error == NULL) {
      forget_result(op);
      connection->op = op;
      (void) sqlite_run(connection);
    }
  }
}

/* Whether a group on the loop's thread took too long so far. */
static bool is_over_time(sqlite_connection *connection)
{
  connection->over_budget |=
      connection->on_loop && covet_now_us() >= connection->budget_us;
  return connection->on_loop && connection->over_budget;
}

/* True when the common transaction is still open at the end. */
static bool run_together(sqlite_connection *connection)
{
  for (covet_op *op = op_at(queue_first(&connection->group)); op != NULL;
       op = op_at(queue_after(&connection->group, &op->node))) {
    connection->op = op;
    if (sqlite_run(connection) == SQLITE_ELSEWHERE ||
        sqlite3_get_autocommit(connection->db) || is_over_time(connection)) {
      return false;
    }
  }
  return true;
}

bool sqlite_any_stopped(const sqlite_connection *connection)
{
  covet_op *op =
      connection->beginning ? op_at(queue_first(&connection->group)) : NULL;

  while (op != NULL && covet_op_stop_reason(op) == COVET_STOP_NONE) {
    op = op_at(queue_after(&connection->group, &op->node));
  }
  return op != NULL ||
         (connection->op != NULL &&
          covet_op_stop_reason(connection->op) != COVET_STOP_NONE);
}

static void fail_all(sqlite_connection *connection, int code)
{
  for (covet_op *op = op_at(queue_first(&connection->group)); op != NULL;
       op = op_at(queue_after(&connection->group, &op->node))) {
    if (op->error == NULL) {
      sqlite_fault(connection, op, code, 0);
    }
  }
}

/* False when a deferred constraint refuses: only each alone shows whose it is. */
static bool commit_group(sqlite_connection *connection)
{
  int code = sqlite_do(connection, "COMMIT");

  if ((code & 0xFF) == SQLITE_CONSTRAINT) {
    return false;
  }
  if (code != SQLITE_OK) {
    fail_all(connection, code);
    (void) sqlite_do(connection, "ROLLBACK");
  }
  return true;
}

/* A statement that fails undoes its own work only; what undoes all of it (a full
 * disk, ON CONFLICT ROLLBACK, a cancel) is seen by the transaction being gone. */
sqlite_outcome sqlite_run_group(sqlite_connection *connection)
{
  covet_op *first = op_at(queue_first(&connection->group));
  bool given_up;
  int code;

  connection->op = first;
  connection->beginning = true;
  code = sqlite_do(connection, "BEGIN IMMEDIATE");
  given_up = sqlite_any_stopped(connection);
  connection->beginning = false;
  if (code != SQLITE_OK) {
    if (connection->on_loop && connection->locked_out) {
      return SQLITE_ELSEWHERE;
    }
    if (given_up) {
      run_alone(connection); /* one gave up waiting, not all of them */
    } else {
      fail_all(connection, code);
    }
  } else if (!run_together(connection) || !commit_group(connection)) {
    if (!sqlite3_get_autocommit(connection->db)) {
      (void) sqlite_do(connection, "ROLLBACK");
    }
    connection->op = first;
    if (connection->on_loop) {
      forget_all(connection);
      return SQLITE_ELSEWHERE;
    }
    run_alone(connection);
  }
  connection->op = first;
  return SQLITE_RAN;
}
