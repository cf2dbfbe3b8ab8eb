/* Queries: in legs, each of which a Sync ends. The first leg of a statement that
 * nobody knows yet asks what it is like, one for types may follow, then it runs.
 * Where nothing stands against it, one leg does all. */
#include "../core/error.h"
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARAMS = 65535, FETCH_ROWS = 1000 };

/* --- Life of a request ------------------------------------------------------------------ */

static pg_request *new_request(pg_connection *connection, covet_op *op)
{
  covet_node *node = queue_pop(&connection->spare);
  pg_request *request = node == NULL ? malloc(sizeof(*request))
                                     : COVET_CONTAINER(node, pg_request, node);

  if (request != NULL) {
    memset(request, 0, sizeof(*request));
    request->connection = connection;
    request->op = op;
  }
  return request;
}

static void drop_request(pg_request *request)
{
  pg_connection *connection = request->connection;

  if (request->statement != NULL) {
    pg_statement_end(request->statement, !request->stale);
  }
  pg_drop_rows(request);
  free(request->held);
  queue_push(&connection->spare, &request->node);
}

void pg_requests_free(pg_connection *connection)
{
  covet_node *node;

  while ((node = queue_pop(&connection->requests)) != NULL) {
    drop_request(COVET_CONTAINER(node, pg_request, node));
  }
  while ((node = queue_pop(&connection->spare)) != NULL) {
    free(COVET_CONTAINER(node, pg_request, node));
  }
}

pg_request *pg_request_of(const pg_connection *connection, const covet_op *op)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->op == op) {
      return request;
    }
  }
  return NULL;
}

/* A stream that is ahead of its reader: it is not what the connection runs. */
static bool is_suspended(const pg_request *request)
{
  return request->op != NULL && request->op->state != COVET_OP_RUNNING;
}

/* The next request that the connection runs for somebody. */
static pg_request *first_running(const pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->op != NULL && !is_suspended(request)) {
      return request;
    }
  }
  return NULL;
}

/* Whether answers are to come that nobody waits for. */
static bool is_draining(const pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  if (node == NULL) {
    return connection->command_count > 0;
  }
  while (node != NULL &&
         is_suspended(COVET_CONTAINER(node, pg_request, node))) {
    node = queue_after(&connection->requests, node);
  }
  return node != NULL;
}

/* The operation of a request ends, and is not what the connection runs. */
static void finish_beside(pg_connection *connection, covet_op *op)
{
  if (op->state == COVET_OP_SUSPENDED && node_queued(&op->node)) {
    queue_remove(&connection->base.suspended, &op->node);
  }
  covet_op_finish(op);
}

/* --- Telling ------------------------------------------------------------------------------- */

void pg_conclude(pg_connection *connection, covet_op *op)
{
  covet_connection *base = &connection->base;
  pg_request *next = first_running(connection);

  if (op != NULL && op != base->running) {
    finish_beside(connection, op);
  } else if (op != NULL && next != NULL) {
    covet_connection_hand_over(base, op, next->op);
  } else if (op != NULL &&
             (is_draining(connection) || pg_is_canceling(connection))) {
    covet_connection_quarantine(base, op);
  } else if (op != NULL && base->state == COVET_CONNECTION_BUSY &&
             pg_needs_reset(connection)) {
    (void) pg_reset(connection, op); /* nobody leased it to change it */
  } else if (op != NULL) {
    pg_settle(connection, op, COVET_STEP_DONE);
  }
}

/* --- Legs ----------------------------------------------------------------------------------- */

/* While answers are to come libpq does not say. */
static bool in_transaction(const pg_connection *connection)
{
  PGTransactionStatusType status = PQtransactionStatus(connection->pq);

  return status == PQTRANS_ACTIVE
             ? connection->was_in_transaction
             : status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/* What was sent since the last Sync belongs to the next one. */
static void join(pg_request *request)
{
  pg_connection *connection = request->connection;

  request->sync = connection->sync_number + 1;
  if (node_queued(&request->node)) {
    queue_remove(&connection->requests, &request->node);
  }
  queue_push(&connection->requests, &request->node);
}

static bool send_describe_leg(pg_request *request)
{
  request->stage = PG_STAGE_DESCRIBE;
  join(request);
  return (request->statement->prepared || pg_send_prepare(request)) &&
         pg_send_describe(request) && pg_send_sync(request->connection);
}

static bool send_types_leg(pg_request *request, char *oids)
{
  bool fine;

  request->stage = PG_STAGE_TYPES;
  join(request);
  fine = pg_send_types(request, oids) && pg_send_sync(request->connection);
  free(oids);
  return fine;
}

static bool wants_rows_singly(const pg_request *request)
{
  const covet_op *op = request->op;

  if (op->flags & COVET_QUERY_STREAM) {
    return true;
  }
  return (op->flags & COVET_QUERY_ROWS) && !(op->flags & COVET_QUERY_ONE) &&
         !request->statement->few_rows && !request->shared;
}

static bool only_reads(const pg_statement *statement)
{
  const covet_stmt *text = &statement->base;

  switch (statement->verb) {
  case PG_VERB_SELECT:
  case PG_VERB_SHOW:
  case PG_VERB_EXPLAIN:
    return true;
  case PG_VERB_WITH:
    return !pg_mentions(text->sql, text->length, "insert") &&
           !pg_mentions(text->sql, text->length, "update") &&
           !pg_mentions(text->sql, text->length, "delete") &&
           !pg_mentions(text->sql, text->length, "merge");
  default:
    return false;
  }
}

/* In a transaction a stream that ends early must not end it, which a cancel would:
 * its rows come from a cursor, chunk by chunk. */
static bool wants_cursor(const pg_request *request)
{
  return (request->op->flags & COVET_QUERY_STREAM) && !request->wrapped &&
         PQtransactionStatus(request->connection->pq) == PQTRANS_INTRANS &&
         (request->statement->verb == PG_VERB_SELECT ||
          (request->statement->verb == PG_VERB_WITH &&
           only_reads(request->statement)));
}

static uint32_t rows_of_fetch(const pg_request *request)
{
  return request->op->chunk == 0 ? FETCH_ROWS : request->op->chunk;
}

/* Everything of the leg that runs the statement but its Sync. */
static bool send_run(pg_request *request)
{
  pg_statement *statement = request->statement;

  request->stage = PG_STAGE_RUN;
  request->format = statement->resolved && statement->binary ? PG_FORMAT_BINARY
                                                             : PG_FORMAT_TEXT;
  request->single = wants_rows_singly(request);
  join(request);
  if (wants_cursor(request)) {
    request->single = false;
    request->cursor = ++request->connection->cursor_number;
    return pg_send_declare(request) &&
           pg_send_fetch(request, rows_of_fetch(request));
  }
  if (request->wrapped &&
      !pg_send_control(request, "BEGIN TRANSACTION READ ONLY")) {
    return false;
  }
  if (!statement->prepared) {
    if (!pg_send_prepare(request) ||
        (!statement->described && !pg_send_describe(request))) {
      return false;
    }
  }
  return pg_send_execute(request) &&
         (!request->wrapped || pg_send_control(request, "COMMIT"));
}

static bool check_counts(pg_request *request)
{
  covet_op *op = request->op;
  const pg_statement *statement = request->statement;
  uint32_t given = op->flags & COVET_QUERY_MANY ? op->width : op->param_count;

  if ((op->flags & COVET_QUERY_DESCRIBE) || !statement->described ||
      given == statement->param_count) {
    return true;
  }
  pg_refuse(
      op, COVET_ERROR_USAGE, "the statement takes %u parameter%s, %u %s given",
      (unsigned) statement->param_count, statement->param_count == 1 ? "" : "s",
      (unsigned) given, given == 1 ? "was" : "were");
  return false;
}

static bool runs_blind(const pg_request *request)
{
  const covet_op *op = request->op;
  unsigned known = COVET_QUERY_STREAM | COVET_QUERY_MANY | COVET_QUERY_DESCRIBE;

  return op->param_count == 0 && (op->flags & known) == 0;
}

/* What the server is asked next about this request. */
typedef enum leg { LEG_FAILED, LEG_NONE, LEG_SENT, LEG_RUN } leg;

/* Send what has to be known before it can run. LEG_RUN: nothing has; the
 * parameters are encoded. LEG_NONE: the description was all. LEG_FAILED: its error
 * is set, or the connection is lost. */
static leg send_first(pg_request *request)
{
  pg_statement *statement = request->statement;
  covet_op *op = request->op;
  char *oids = NULL;
  int status;

  if (!pg_statement_known(statement, op) && !runs_blind(request)) {
    return send_describe_leg(request) ? LEG_SENT : LEG_FAILED;
  }
  if (!check_counts(request)) {
    return LEG_FAILED;
  }
  if (statement->described) {
    status = pg_statement_resolve(statement, &oids);
    if (status == 1) {
      return send_types_leg(request, oids) ? LEG_SENT : LEG_FAILED;
    }
    if (status != 0) {
      pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
      return LEG_FAILED;
    }
  }
  if (op->flags & COVET_QUERY_DESCRIBE) {
    return LEG_NONE;
  }
  return pg_encode(request) == 0 ? LEG_RUN : LEG_FAILED;
}

static const covet_shape *parameter_shape(const pg_statement *statement)
{
  covet_shape_table *table =
      &statement->connection->base.adapter->runtime->shapes;
  uint32_t count = statement->param_count;
  covet_column *columns = calloc(count + 1, sizeof(*columns));
  const covet_shape *shape = NULL;

  for (uint32_t i = 0; columns != NULL && i < count; i++) {
    columns[i].name = "";
    columns[i].type = statement->types[i]->name;
    columns[i].type_length = (uint32_t) strlen(columns[i].type);
    columns[i].kind = statement->types[i]->kind;
    columns[i].type_id = statement->types[i]->oid;
  }
  if (columns != NULL && count > 0) {
    shape = covet_shape_intern(table, columns, count);
  }
  free(columns);
  return shape;
}

static void tell_description(pg_request *request)
{
  const pg_statement *statement = request->statement;
  covet_result *result = &request->op->result;

  if (statement->shape != NULL) {
    result->shape = covet_shape_retain(statement->shape);
  }
  result->parameters = parameter_shape(statement);
  result->parameter_count = statement->param_count;
  result->read_only =
      statement->verb == PG_VERB_SELECT || statement->verb == PG_VERB_SHOW;
  result->described = 1;
}

/* It ends here; nothing of it is under way. */
static void finish(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (op != NULL && !request->has_error && pg_is_stopped_stream(op)) {
    covet_op_fault_stopped(op);
  } else if (op != NULL && !request->has_error &&
             request->stage == PG_STAGE_RUN) {
    pg_finish_rows(request);
  }
  if (node_queued(&request->node)) {
    queue_remove(&connection->requests, &request->node);
  }
  drop_request(request);
  if (op != NULL) {
    op->driver = NULL;
  }
  pg_conclude(connection, op);
}

/* Go on with a request of which nothing is under way. */
static void go_on(pg_request *request)
{
  pg_connection *connection = request->connection;
  leg next = LEG_FAILED;

  if (!connection->lost) {
    next = send_first(request);
  }
  if (next == LEG_RUN) {
    next =
        send_run(request) && pg_send_sync(connection) ? LEG_SENT : LEG_FAILED;
  }
  if (next == LEG_NONE) {
    tell_description(request);
  }
  if (next == LEG_FAILED && request->op->error == NULL) {
    pg_lose(connection);
    return;
  }
  if (next != LEG_SENT) {
    request->has_error = request->op->error != NULL;
    request->stage = PG_STAGE_DESCRIBE;
    finish(request);
    return;
  }
  pg_flush(connection);
}

/* --- Sending operations ------------------------------------------------------------------ */

/* A statement that is asked to read only does so in a transaction of that kind,
 * unless one is open already. */
static bool check_read_only(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (!(op->flags & COVET_QUERY_READ_ONLY) ||
      (op->flags & (COVET_QUERY_TRANSACTION | COVET_QUERY_DESCRIBE))) {
    return true;
  }
  if (!in_transaction(connection)) {
    request->wrapped = true;
    return true;
  }
  if (connection->read_only || only_reads(request->statement)) {
    return true;
  }
  pg_refuse(op, COVET_ERROR_READ_ONLY, "the statement may write");
  return false;
}

/* COPY's data have calls of their own. */
static bool copies_here(const covet_op *op)
{
  return pg_mentions(op->sql, op->sql_length, "stdin") ||
         pg_mentions(op->sql, op->sql_length, "stdout");
}

/* Streams that rest on this connection with their rows still to come: they take
 * all of them now, since other answers stand behind them. */
static void let_streams_run(pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    COVET_CONTAINER(node, pg_request, node)->greedy = true;
  }
  if (connection->paused) {
    connection->paused = false;
    pg_poll(connection);
  }
}

static bool check_op(pg_connection *connection, covet_op *op)
{
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return false;
  }
  if ((op->flags & COVET_QUERY_INSIDE) && !in_transaction(connection)) {
    pg_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
              "the transaction was rolled back by an earlier error");
    return false;
  }
  if ((op->flags & COVET_QUERY_MANY) &&
      (op->width == 0 || op->param_count % op->width != 0)) {
    pg_refuse(op, COVET_ERROR_USAGE,
              op->width == 0 ? "a list of rows takes a parameter in each"
                             : "the list's last row is incomplete");
    return false;
  }
  if ((op->flags & COVET_QUERY_MANY ? op->width : op->param_count) >
      MOST_PARAMS) {
    pg_refuse(op, COVET_ERROR_USAGE,
              "a statement takes at most %d parameters, %u were given",
              MOST_PARAMS, (unsigned) op->param_count);
    return false;
  }
  if (memchr(op->sql, '\0', op->sql_length) != NULL) {
    pg_refuse(op, COVET_ERROR_USAGE, "the SQL holds a NUL byte");
    return false;
  }
  if (!queue_empty(&connection->base.suspended)) {
    let_streams_run(connection);
  }
  return true;
}

/* The request of an operation, or NULL: its error is set. */
static pg_request *request_for(pg_connection *connection, covet_op *op)
{
  pg_request *request;

  if (!check_op(connection, op)) {
    return NULL;
  }
  request = new_request(connection, op);
  if (request != NULL) {
    request->statement = pg_statement_get(connection, op);
  }
  if (request == NULL || request->statement == NULL) {
    pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  } else if (request->statement->verb == PG_VERB_COPY && copies_here(op)) {
    pg_refuse(op, COVET_ERROR_UNSUPPORTED,
              "COPY from or to the caller: use copy_to_table, "
              "copy_from_table, copy_from_query or copy_records_to_table");
  } else if (check_read_only(request)) {
    return request;
  }
  if (request != NULL) {
    drop_request(request);
  }
  return NULL;
}

/* Send one of several, `*open` telling whether what was sent before waits for its
 * Sync. False: the operation's error is set, or the connection is lost. */
static bool send_one(pg_request *request, pg_pipeline how, bool *open)
{
  pg_connection *connection = request->connection;
  bool shares = request->together ||
                (how == PG_PIPELINE_GROUP && only_reads(request->statement));
  bool ready = pg_statement_known(request->statement, request->op) ||
               runs_blind(request);
  leg next;

  if (*open && (!shares || !ready)) {
    *open = false;
    if (!pg_send_sync(connection)) {
      return false;
    }
  }
  next = send_first(request);
  if (next == LEG_RUN) {
    *open = shares;
    return send_run(request) && (shares || pg_send_sync(connection));
  }
  if (next == LEG_NONE) {
    tell_description(request);
  }
  return next == LEG_SENT;
}

/* Send the operations, those that can share it with one Sync at the end. What
 * ends at once is told when all are sent: with the last the connection may go. */
static void send_all(pg_connection *connection, covet_queue *ops,
                     pg_pipeline how, bool together)
{
  covet_queue ended;
  covet_node *node;
  bool shared = together || ops->count > 1;
  bool open = false;

  queue_init(&ended);
  while ((node = queue_pop(ops)) != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);
    pg_request *request = connection->lost ? NULL : request_for(connection, op);

    if (request != NULL) {
      request->together = together;
      request->shared = shared;
      queue_push(&connection->requests, &request->node);
      if (send_one(request, how, &open)) {
        continue;
      }
      if (op->error == NULL && !op->result.described) {
        pg_lose(connection);
        continue;
      }
      queue_remove(&connection->requests, &request->node);
      drop_request(request);
    } else if (op->error == NULL) {
      pg_error_lost(covet_op_fault(op), connection->pq);
    }
    queue_push(&ended, &op->node);
  }
  if (open && !connection->lost && !pg_send_sync(connection)) {
    pg_lose(connection);
  }
  while ((node = queue_pop(&ended)) != NULL) {
    pg_conclude(connection, COVET_CONTAINER(node, covet_op, node));
  }
}

/* Whether an operation may be sent behind another caller's. */
static bool is_shareable(const covet_op *op)
{
  const unsigned alone = COVET_QUERY_SCRIPT | COVET_QUERY_DESCRIBE |
                         COVET_QUERY_STREAM | COVET_QUERY_MANY |
                         COVET_QUERY_READ_ONLY | COVET_QUERY_TRANSACTION |
                         COVET_QUERY_INSIDE;
  pg_verb verb;

  if (op->type != COVET_OP_QUERY || op->lease != 0 || (op->flags & alone)) {
    return false;
  }
  verb = pg_verb_of(op->sql, op->sql_length);
  return (verb == PG_VERB_SELECT || verb == PG_VERB_WITH ||
          verb == PG_VERB_CHANGE) &&
         !pg_changes_session(op->sql, op->sql_length, verb) &&
         !pg_mentions(op->sql, op->sql_length, "for update") &&
         !pg_mentions(op->sql, op->sql_length, "for share") &&
         !pg_mentions(op->sql, op->sql_length, "for no key") &&
         !pg_mentions(op->sql, op->sql_length, "pg_sleep");
}

/* Those that wait for a connection come along. */
static void take_others(pg_connection *connection, covet_queue *ops)
{
  uint32_t depth = connection->adapter->options.pipeline_depth;

  while (ops->count < depth) {
    covet_op *other = covet_lane_take(connection->base.lane, is_shareable);

    if (other == NULL) {
      return;
    }
    other->state = COVET_OP_RUNNING;
    other->phase = COVET_PHASE_QUERY;
    other->connection = &connection->base;
    queue_push(ops, &other->node);
  }
}

/* --- Busy polling ------------------------------------------------------------------------ */

enum { MOST_SPINS = 8, SPIN_AGAIN = 64 };

/* Look for the answer without sleeping, where that has paid lately, and try again
 * after a while where it has not. */
static void start_spin(pg_connection *connection)
{
  const pg_adapter *adapter = connection->adapter;

  connection->spinning = false;
  if (adapter->options.busy_poll_us == 0 || adapter->base->ops.count > 1) {
    return; /* others are there to be seen to */
  }
  if (connection->spins < 0 && ++connection->unspun < SPIN_AGAIN) {
    return;
  }
  connection->unspun = 0;
  connection->spinning = true;
  connection->runtime->spin_us =
      connection->sent_us + adapter->options.busy_poll_us;
}

static void end_spin(pg_connection *connection)
{
  uint64_t took;

  if (!connection->spinning) {
    return;
  }
  connection->spinning = false;
  connection->runtime->spin_us = 0;
  took = covet_now_us() - connection->sent_us;
  if (took > connection->adapter->options.busy_poll_us) {
    connection->spins = connection->spins > 0 ? connection->spins - 2 : -1;
  } else if (connection->spins < MOST_SPINS) {
    connection->spins++;
  }
}

static void send_ops(pg_connection *connection, covet_queue *ops,
                     pg_pipeline how, bool together)
{
  if (!pg_send_unwanted(connection)) {
    pg_lose(connection);
  }
  connection->sent_us = covet_now_us();
  send_all(connection, ops, how, together);
  if (!connection->lost && connection->command_count > 0) {
    pg_flush(connection);
    start_spin(connection);
  }
}

/* --- Pipelines of a caller's --------------------------------------------------------------- */

/* What the caller has put behind this operation goes with it. */
static void send_collected(pg_connection *connection)
{
  covet_connection *base = &connection->base;
  covet_queue ops;
  covet_node *node = queue_first(&base->queue);

  queue_init(&ops);
  queue_push(&ops, &base->running->node);
  while (node != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);

    if (op->type != COVET_OP_QUERY || !(op->flags & COVET_QUERY_PIPELINE)) {
      break;
    }
    queue_remove(&base->queue, node);
    op->state = COVET_OP_RUNNING;
    op->phase = COVET_PHASE_QUERY;
    queue_push(&ops, node);
    node = queue_first(&base->queue);
  }
  send_ops(connection, &ops, PG_PIPELINE_GROUP, true);
}

void pg_turn_end(covet_adapter *base)
{
  pg_adapter *adapter = pg_of(base);
  covet_node *node;

  while ((node = queue_pop(&adapter->collecting)) != NULL) {
    send_collected(COVET_CONTAINER(node, pg_connection, collecting));
  }
}

bool pg_awaits_turn_end(const covet_adapter *base)
{
  const pg_adapter *adapter = base->driver_data;

  return !queue_empty(&adapter->collecting);
}

static covet_step start(pg_connection *connection, covet_op *op)
{
  const pg_options *options = &connection->adapter->options;
  covet_queue ops;

  queue_init(&ops);
  queue_push(&ops, &op->node);
  if (op->lease == 0 && options->pipeline != PG_PIPELINE_OFF &&
      is_shareable(op)) {
    take_others(connection, &ops);
  }
  send_ops(connection, &ops,
           ops.count > 1 ? options->pipeline : PG_PIPELINE_EACH, false);
  return COVET_STEP_PENDING;
}

/* A stream that nobody reads any more leaves its cursor. */
static void close_cursor(pg_request *request)
{
  pg_connection *connection = request->connection;
  char sql[48];
  const char *const statements[] = {sql};

  if (PQtransactionStatus(connection->pq) != PQTRANS_INTRANS) {
    return;
  }
  (void) snprintf(sql, sizeof(sql), "CLOSE covet_cursor_%llu",
                  (unsigned long long) request->cursor);
  if (!pg_send_own(connection, statements, 1)) {
    pg_lose(connection);
  }
}

void pg_drop_resting(covet_op *op)
{
  pg_request *request = op->driver;

  if (request != NULL && request->stage == PG_STAGE_REST) {
    drop_request(request);
  }
  op->driver = NULL;
}

static covet_step resume_cursor(pg_connection *connection, pg_request *request)
{
  if (covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    close_cursor(request);
    if (!connection->lost) {
      finish(request);
    }
    return COVET_STEP_PENDING;
  }
  request->stage = PG_STAGE_RUN;
  request->fetched = request->rows;
  join(request);
  if (!pg_send_fetch(request, rows_of_fetch(request)) ||
      !pg_send_sync(connection)) {
    pg_lose(connection);
  } else {
    pg_flush(connection);
  }
  return COVET_STEP_PENDING;
}

/* A stream goes on, or is to end. */
static covet_step resume(pg_connection *connection, covet_op *op)
{
  pg_request *request = op->driver;

  if (request->stage == PG_STAGE_REST) {
    return resume_cursor(connection, request);
  }
  connection->paused = false;
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    pg_cancel(&connection->base, op); /* and what is there is read away */
  }
  pg_read(connection);
  return pg_has_paused(connection, op) ? COVET_STEP_SUSPENDED
                                       : COVET_STEP_PENDING;
}

covet_step pg_query(pg_connection *connection, covet_op *op)
{
  if (op->driver != NULL) {
    return resume(connection, op);
  }
  if (op->flags & COVET_QUERY_SCRIPT) {
    return pg_script(connection, op);
  }
  if ((op->flags & COVET_QUERY_PIPELINE) && op->lease != 0) {
    queue_push(&connection->adapter->collecting, &connection->collecting);
    return COVET_STEP_PENDING;
  }
  return start(connection, op);
}

bool pg_send_own(pg_connection *connection, const char *const *statements,
                 size_t count)
{
  pg_request *own = new_request(connection, NULL);
  bool fine = own != NULL;

  if (fine) {
    own->stage = PG_STAGE_DRAIN;
    join(own);
  }
  for (size_t i = 0; fine && i < count; i++) {
    fine = pg_send_control(own, statements[i]);
  }
  fine = fine && pg_send_sync(connection);
  if (fine) {
    pg_flush(connection);
  }
  return fine;
}

bool pg_send_ping(pg_connection *connection)
{
  bool fine = pg_send_sync(connection);

  if (fine) {
    pg_flush(connection);
  }
  return fine;
}

/* --- Results -------------------------------------------------------------------------------- */

static bool is_stale_plan(const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *routine = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

  if (state == NULL) {
    return false;
  }
  return strcmp(state, "26000") == 0 ||
         (strcmp(state, "0A000") == 0 && routine != NULL &&
          strcmp(routine, "RevalidateCachedQuery") == 0);
}

static void name_row(pg_request *request)
{
  covet_op *op = request->op;

  if ((op->flags & COVET_QUERY_MANY) && request->stage == PG_STAGE_RUN) {
    pg_name_row(op->error, request->executed + 1);
  }
}

static void take_error(pg_request *request, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  pg_statement *statement = request->statement;

  if (request->connection->base.lane->index == PG_LISTENER) {
    pg_listener_error(request->connection, result);
  }
  if (request->has_error) {
    return;
  }
  request->has_error = true;
  if (request->op == NULL) {
    return;
  }
  request->canceled = state != NULL && strcmp(state, "57014") == 0 &&
                      (pg_is_canceling(request->connection) ||
                       request->sync <= request->connection->cancel_sync);
  if (request->canceled &&
      covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(request->op);
    return;
  }
  request->stale = statement->prepared && is_stale_plan(result);
  pg_fault(request->connection, request->op, result);
  if (request->op->error != &request->op->runtime->out_of_memory) {
    name_row(request);
  }
}

static void take_types(pg_request *request, const PGresult *result)
{
  pg_types *types = request->connection->adapter->types;

  for (int row = 0; row < PQntuples(result); row++) {
    const char *fields[PG_TYPES_COLUMNS];
    int lengths[PG_TYPES_COLUMNS];

    for (int i = 0; i < PG_TYPES_COLUMNS; i++) {
      bool is_null = i >= PQnfields(result) || PQgetisnull(result, row, i);

      fields[i] = is_null ? NULL : PQgetvalue(result, row, i);
      lengths[i] = is_null ? 0 : PQgetlength(result, row, i);
    }
    (void) pg_types_add(types, fields, lengths);
  }
}

/* The statement is known now; its rows may have to wait for their types. */
static void take_description(pg_request *request, const PGresult *result)
{
  pg_statement *statement = request->statement;
  char *oids = NULL;

  if (request->op == NULL) {
    return;
  }
  if (!pg_statement_describe(statement, result, false)) {
    pg_refuse(request->op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    request->has_error = true;
    return;
  }
  pg_habit_note(request->connection->adapter, request->op, statement);
  if (pg_statement_resolve(statement, &oids) == 1) {
    request->holding = request->stage == PG_STAGE_RUN;
    free(oids);
  }
}

static void take_tuples(pg_request *request, PGresult *result)
{
  if (request->holding && request->op != NULL) {
    (void) pg_hold_rows(request, result);
    return;
  }
  (void) pg_take_rows(request, result);
  PQclear(result);
}

/* A statement that turned out to be a COPY, inside a DO or the like. */
static void take_copy(pg_connection *connection, pg_request *request)
{
  if (request->op != NULL && !request->has_error) {
    pg_refuse(request->op, COVET_ERROR_UNSUPPORTED, "COPY cannot run here");
    request->has_error = true;
  }
  connection->base.broken = true;
}

static void not_prepared(const pg_command *command)
{
  if (command->kind == PG_COMMAND_PREPARE) {
    command->request->statement->prepared = false;
  }
}

static void take_answer(pg_connection *connection, pg_command *command,
                        PGresult *result)
{
  pg_request *request = command->request;

  switch (PQresultStatus(result)) {
  case PGRES_FATAL_ERROR:
  case PGRES_BAD_RESPONSE:
    if (request != NULL) {
      take_error(request, result);
    }
    not_prepared(command);
    break;
  case PGRES_PIPELINE_ABORTED:
    if (request != NULL && !request->has_error) {
      request->refused = true;
    }
    not_prepared(command);
    break;
  case PGRES_SINGLE_TUPLE:
  case PGRES_TUPLES_OK:
    if (command->kind == PG_COMMAND_TYPES) {
      take_types(request, result);
    } else if (command->kind == PG_COMMAND_EXECUTE) {
      if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        pg_note_command(request, result);
      }
      take_tuples(request, result);
      return;
    }
    break;
  case PGRES_COMMAND_OK:
    if (command->kind == PG_COMMAND_DESCRIBE) {
      take_description(request, result);
    } else if (command->kind == PG_COMMAND_EXECUTE) {
      pg_note_command(request, result);
    }
    break;
  case PGRES_COPY_IN:
  case PGRES_COPY_OUT:
  case PGRES_COPY_BOTH:
    take_copy(connection, request);
    break;
  default:
    break;
  }
  PQclear(result);
}

/* --- The end of a leg ------------------------------------------------------------------------ */

/* Once more, as if nothing had been: the server did nothing of it. */
static void send_again(pg_request *request)
{
  covet_op *op = request->op;

  request->has_error = false;
  request->refused = false;
  request->canceled = false;
  request->retried = true;
  request->holding = false;
  request->executed = 0;
  pg_drop_rows(request);
  if (op->error != NULL && op->error != &op->runtime->out_of_memory) {
    free(op->error);
  }
  op->error = NULL;
  op->result.affected_rows = 0;
  if (request->stale) {
    request->stale = false;
    pg_statement_end(request->statement, false);
    request->statement = pg_statement_get(request->connection, op);
    if (request->statement == NULL) {
      pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
      request->has_error = true;
      finish(request);
      return;
    }
  }
  go_on(request);
}

/* Whether the request is to be sent once more, and may be. */
static bool is_worth_another(const pg_request *request, bool group_failed)
{
  const pg_connection *connection = request->connection;

  if (request->op == NULL || connection->lost || request->together ||
      (request->holding && request->stage == PG_STAGE_TYPES) || /* it has run */
      covet_op_stop_reason(request->op) != COVET_STOP_NONE ||
      (in_transaction(connection) && !request->wrapped)) {
    return false;
  }
  if (request->canceled && !request->retried) {
    return true; /* the cancel was meant for a neighbour */
  }
  if (request->stale) {
    return !request->retried;
  }
  return !request->has_error && (request->refused || group_failed);
}

static void note_session(pg_connection *connection, const pg_request *request)
{
  const pg_statement *statement = request->statement;
  const covet_stmt *text;

  if (statement == NULL || request->refused) {
    return;
  }
  text = &statement->base;
  if (statement->changes) {
    connection->dirty = true; /* not all is undone by an error: locks are not */
  }
  if (request->has_error) {
    return;
  }
  if (statement->changes) {
    if (pg_mentions(text->sql, text->length, "discard") ||
        pg_mentions(text->sql, text->length, "deallocate")) {
      pg_statements_forget(connection);
    }
  }
  if (statement->verb == PG_VERB_BEGIN) {
    connection->read_only = pg_mentions(text->sql, text->length, "read only");
    connection->first_error[0] = '\0';
  }
}

/* The caller's pipeline stops at its first error. */
static void tell_refused(pg_request *request)
{
  if (request->op == NULL || !request->refused || request->has_error) {
    return;
  }
  if (covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(request->op);
  } else {
    pg_refuse(request->op, COVET_ERROR_TRANSACTION_ABORTED,
              "not run: a statement before it in the pipeline failed");
  }
  request->has_error = true;
}

/* A transaction of ours that failed is still open. */
static void roll_back(pg_request *request)
{
  static const char *const rollback[] = {"ROLLBACK"};
  pg_connection *connection = request->connection;
  PGTransactionStatusType status = PQtransactionStatus(connection->pq);

  if (request->wrapped && request->has_error &&
      (status == PQTRANS_INERROR || status == PQTRANS_ACTIVE) &&
      !pg_send_own(connection, rollback, 1)) {
    pg_lose(connection);
  }
}

/* The rows have waited for this. */
static void end_types(pg_request *request)
{
  pg_connection *connection = request->connection;
  char *oids = NULL;

  pg_statement_give_up(request->statement);
  if (!request->holding) {
    go_on(request);
    return;
  }
  (void) pg_statement_resolve(request->statement, &oids);
  free(oids);
  request->holding = false;
  request->stage = PG_STAGE_RUN;
  request->has_error = !pg_take_held(request);
  note_session(connection, request);
  finish(request);
}

/* Rows of a cursor have come: the last ones, or the stream rests. */
static void end_fetch(pg_request *request)
{
  pg_connection *connection = request->connection;
  covet_op *op = request->op;

  if (request->rows - request->fetched < rows_of_fetch(request) ||
      covet_op_stop_reason(op) != COVET_STOP_NONE) {
    close_cursor(request);
    if (!connection->lost) {
      finish(request);
    }
    return;
  }
  (void) covet_op_deliver(op, request->batch);
  request->batch = NULL;
  request->stage = PG_STAGE_REST;
  queue_remove(&connection->requests, &request->node);
  op->driver = request;
  pg_settle(connection, op, COVET_STEP_SUSPENDED);
}

static void end_run(pg_request *request)
{
  pg_connection *connection = request->connection;
  char *oids = NULL;

  if (request->holding &&
      pg_statement_resolve(request->statement, &oids) == 1) {
    if (send_types_leg(request, oids)) {
      pg_flush(connection);
    } else {
      pg_lose(connection);
    }
    return;
  }
  if (request->cursor != 0) {
    end_fetch(request);
    return;
  }
  note_session(connection, request);
  finish(request);
}

/* What this request is to do now that its leg has ended. */
static void end_leg(pg_request *request, bool group_failed)
{
  pg_connection *connection = request->connection;

  if (request->op == NULL) {
    note_session(connection, request);
    roll_back(request);
    if (!connection->lost) {
      finish(request);
    }
    return;
  }
  if (is_worth_another(request, group_failed)) {
    connection->adapter->stale += request->stale;
    roll_back(request);
    if (!connection->lost) {
      send_again(request);
    }
    return;
  }
  if (request->has_error) {
    note_session(connection, request);
  }
  tell_refused(request);
  if (request->has_error) {
    roll_back(request);
    if (!connection->lost) {
      finish(request);
    }
    return;
  }
  switch (request->stage) {
  case PG_STAGE_TYPES:
    end_types(request);
    break;
  case PG_STAGE_RUN:
    end_run(request);
    break;
  default:
    go_on(request);
    break;
  }
}

static pg_request *request_of_sync(const pg_connection *connection,
                                   uint64_t number)
{
  covet_node *node = queue_first(&connection->requests);

  while (node != NULL &&
         COVET_CONTAINER(node, pg_request, node)->sync != number) {
    node = queue_after(&connection->requests, node);
  }
  return node == NULL ? NULL : COVET_CONTAINER(node, pg_request, node);
}

/* All requests that this Sync ends. One of several that share it may have undone
 * the others' work. */
static void on_sync(pg_connection *connection, uint64_t number)
{
  covet_node *node = queue_first(&connection->requests);
  bool failed = false;
  unsigned count = 0;

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->sync == number) {
      failed |= request->has_error;
      count++;
    }
  }
  while (count > 0) {
    pg_request *request = request_of_sync(connection, number);

    if (request == NULL) {
      return; /* the connection was lost meanwhile */
    }
    count--;
    end_leg(request, failed);
  }
}

/* The pipeline is at rest. */
static void on_rest(pg_connection *connection)
{
  if (connection->pinging) {
    connection->pinging = false;
    covet_connection_pinged(&connection->base, true);
    return;
  }
  pg_cancel_settled(connection);
  if (connection->base.lane->index == PG_LISTENER && !connection->lost) {
    pg_listener_rest(connection);
  }
}

void pg_take_result(pg_connection *connection, PGresult *result)
{
  pg_command *command = pg_command_first(connection);

  if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
    PQclear(result);
    connection->answered_sync++;
    connection->was_in_transaction = in_transaction(connection);
    pg_command_done(connection);
    end_spin(connection);
    on_sync(connection, connection->answered_sync);
    if (connection->command_count == 0 && !connection->closing) {
      on_rest(connection);
    }
    return;
  }
  if (result != NULL) {
    take_answer(connection, command, result);
    if (connection->paused) {
      covet_op *op = connection->base.running;

      op->driver = command->request;
      if (connection->stepping != op) {
        covet_connection_report(&connection->base, op, COVET_STEP_SUSPENDED);
      }
    }
    return;
  }
  if (command->kind == PG_COMMAND_EXECUTE) {
    command->request->executed++;
  }
  pg_command_done(connection);
}

/* --- Ends before the end ---------------------------------------------------------------------- */

void pg_disown(pg_connection *connection, covet_op *op)
{
  pg_request *request = pg_request_of(connection, op);

  if (request != NULL) {
    request->op = NULL;
    request->stage = PG_STAGE_DRAIN;
    pg_drop_rows(request);
  }
  op->driver = NULL;
  pg_conclude(connection, op);
}

static void fault_lost(pg_connection *connection, pg_request *request)
{
  covet_op *op = request->op;
  covet_error *error;

  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return;
  }
  if (request->has_error && op->error->kind != COVET_ERROR_CONNECTION_LOST) {
    return;
  }
  error = covet_op_fault(op);
  if (!request->has_error) {
    pg_error_lost(error, connection->pq);
  }
  if (error == &op->runtime->out_of_memory) {
    return;
  }
  error->phase = op->phase;
  if (request->statement->verb == PG_VERB_COMMIT &&
      request->stage == PG_STAGE_RUN) {
    error->kind = COVET_ERROR_COMMIT_UNKNOWN;
    error->retry = COVET_RETRY_UNKNOWN_OUTCOME;
  } else if (connection->was_in_transaction ||
             (request->stage != PG_STAGE_RUN && !request->holding) ||
             request->wrapped || request->statement->verb == PG_VERB_SHOW) {
    error->retry = COVET_RETRY_SAFE;
  }
}

void pg_requests_lost(pg_connection *connection)
{
  covet_op *last = connection->base.running;
  covet_node *node;

  connection->command_count = 0;
  while ((node = queue_pop(&connection->requests)) != NULL) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);
    covet_op *op = request->op;

    if (op != NULL) {
      fault_lost(connection, request);
      op->driver = NULL;
    }
    drop_request(request);
    if (op != NULL && op != last) {
      finish_beside(connection, op);
    }
  }
}
