/* Statements that one caller wants to go together: in their order with one Sync
 * behind all of them, or not at all. What has to be asked about first would run
 * behind the others. */
#include "../core/error.h"
#include "postgres_request.h"

#include <stdlib.h>

/* Whether it can run with what is known. */
static bool is_known(const pg_request *request)
{
  pg_statement *statement = request->statement;
  char *oids = NULL;

  if (request->wrapped) {
    return false; /* a transaction of its own would part them too */
  }
  if (!pg_statement_known(statement, request->op)) {
    return pg_runs_blind(request);
  }
  if (pg_statement_resolve(statement, &oids) == 1) {
    free(oids);
    return false;
  }
  return true;
}

static void refuse_unknown(const pg_connection *connection, covet_op *op)
{
  pg_refuse(op, COVET_ERROR_UNSUPPORTED,
            "the statements cannot go together: the server has to be asked "
            "about them first");
  if (op->error != &op->runtime->out_of_memory) {
    op->error->code =
        pg_in_transaction(connection) ? PG_CODE_NOT_KNOWN : PG_CODE_NOT_ONE;
  }
}

/* A request whose parameters can be encoded: with the next one they are gone.
 * NULL: the operation's error is set. */
static pg_request *make_ready(pg_connection *connection, covet_op *op)
{
  pg_request *request = pg_request_for(connection, op);

  if (request == NULL) {
    return NULL;
  }
  request->together = true;
  request->shared = true;
  if (!is_known(request)) {
    refuse_unknown(connection, op);
  } else if (pg_send_first(request) == PG_LEG_RUN) {
    return request;
  }
  pg_request_drop(request);
  return NULL;
}

static void refuse(covet_op *op, covet_queue *told)
{
  if (op->error == NULL) {
    pg_refuse(op, COVET_ERROR_TRANSACTION_ABORTED,
              "not run: another statement of the pipeline was refused");
  }
  queue_push(told, &op->node);
}

/* One is not ready: none is sent, neither those before it nor those behind. */
static void give_up(pg_connection *connection, covet_op *failed,
                    covet_queue *ready, covet_queue *behind)
{
  covet_queue told;
  covet_node *node;

  queue_init(&told);
  while ((node = queue_pop(ready)) != NULL) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    refuse(request->op, &told);
    pg_request_drop(request);
  }
  refuse(failed, &told);
  while ((node = queue_pop(behind)) != NULL) {
    refuse(COVET_CONTAINER(node, covet_op, node), &told);
  }
  while ((node = queue_pop(&told)) != NULL) {
    pg_conclude(connection, COVET_CONTAINER(node, covet_op, node));
  }
}

static void send_ready(pg_connection *connection, covet_queue *ready)
{
  covet_node *node;
  bool sent = true;

  (void) pg_send_unwanted(connection); /* what fails in it fails again below */
  connection->sent_us = covet_now_us();
  while ((node = queue_pop(ready)) != NULL) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    queue_push(&connection->requests, &request->node);
    sent = sent && pg_encode(request) == 0 && pg_send_run(request);
  }
  if (!sent || !pg_send_sync(connection)) {
    pg_lose(connection);
    return;
  }
  pg_flush(connection);
  pg_spin_start(connection);
}

void pg_send_whole(pg_connection *connection, covet_queue *ops)
{
  covet_queue ready;
  covet_node *node;

  queue_init(&ready);
  while ((node = queue_pop(ops)) != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);
    pg_request *request = make_ready(connection, op);

    if (request == NULL) {
      give_up(connection, op, &ready, ops);
      return;
    }
    queue_push(&ready, &request->node);
  }
  send_ready(connection, &ready);
}
