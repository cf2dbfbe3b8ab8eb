/* What happens on a connection: operations run, streams rest. */
#include "adapter.h"
#include "error.h"

#include <stdlib.h>

static covet_op *op_of(covet_node *node)
{
  return COVET_CONTAINER(node, covet_op, node);
}

static const covet_driver *driver_of(const covet_connection *connection)
{
  return connection->adapter->driver;
}

static bool legal(covet_connection_state from, covet_connection_state to)
{
  switch (to) {
  case COVET_CONNECTION_NEW:
    return false;
  case COVET_CONNECTION_OPENING:
    return from == COVET_CONNECTION_NEW;
  case COVET_CONNECTION_IDLE:
    return from == COVET_CONNECTION_OPENING || from == COVET_CONNECTION_BUSY ||
           from == COVET_CONNECTION_LENT;
  case COVET_CONNECTION_BUSY:
  case COVET_CONNECTION_LENT:
    return from == COVET_CONNECTION_IDLE;
  case COVET_CONNECTION_CLOSING:
    return from == COVET_CONNECTION_IDLE || from == COVET_CONNECTION_OPENING;
  }
  return false;
}

void covet_connection_set_state(covet_connection *connection,
                                covet_connection_state to)
{
  if (!legal(connection->state, to)) {
    abort();
  }
  connection->state = to;
}

void covet_connection_put_back(covet_connection *connection)
{
  connection->owner = NULL;
  connection->lease = 0;
  connection->overdue = false;
  covet_connection_set_state(connection, COVET_CONNECTION_IDLE);
  (void) covet_pool_release(
      connection->lane->pool, covet_now_us(), connection->loan,
      connection->broken ? COVET_POOL_BROKEN : COVET_POOL_CLEAN);
}

/* --- Running ----------------------------------------------------------------------- */

/* A stream was ahead of its reader; by now the reader may have caught up. */
static bool reader_waits(covet_op *op)
{
  return covet_op_untaken(op) == 0 ||
         covet_op_stop_reason(op) != COVET_STOP_NONE;
}

static void suspend(covet_connection *connection, covet_op *op)
{
  op->state = COVET_OP_SUSPENDED;
  covet_heap_remove(&op->runtime->deadlines, &op->deadline);
  if (connection->state == COVET_CONNECTION_LENT) {
    queue_push(&connection->suspended, &op->node);
    if (connection->lease == 0) { /* on its way back: nobody reads on */
      int none = COVET_STOP_NONE;

      atomic_compare_exchange_strong(&op->stop, &none, COVET_STOP_CANCEL);
    }
  }
  if (reader_waits(op)) {
    covet_connection_resume(op);
  }
}

static void fail_released(covet_connection *connection)
{
  covet_node *node;

  while ((node = queue_pop(&connection->queue)) != NULL) {
    covet_op *op = op_of(node);

    covet_error_set(covet_op_fault(op), COVET_ERROR_USAGE,
                    "the connection was released before");
    covet_op_finish(op);
  }
}

/* What `execute` answered, or the driver reported. */
static void settle(covet_connection *connection, covet_op *op, covet_step step)
{
  if (step == COVET_STEP_PENDING) {
    return; /* it runs on, or the driver has handed over by now */
  }
  connection->running = NULL;
  switch (step) {
  case COVET_STEP_PENDING:
    return;
  case COVET_STEP_SUSPENDED:
    suspend(connection, op);
    return;
  case COVET_STEP_MOVE:
    covet_connection_put_back(connection);
    op->connection = NULL;
    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      covet_op_fault_stopped(op);
      break;
    }
    covet_lane_enqueue(&connection->adapter->lanes[op->lane], op);
    return;
  case COVET_STEP_DONE:
    break;
  }
  if (connection->state == COVET_CONNECTION_BUSY) {
    covet_connection_put_back(connection);
  } else if (op->type == COVET_OP_RELEASE) {
    fail_released(connection);
    covet_connection_put_back(connection);
  }
  covet_op_finish(op);
}

static void run(covet_connection *connection, covet_op *op)
{
  op->connection = connection;
  op->state = COVET_OP_RUNNING;
  op->phase = op->driver == NULL ? COVET_PHASE_QUERY : COVET_PHASE_FETCH;
  connection->running = op;
  covet_op_start_deadline(op);
  settle(connection, op, driver_of(connection)->execute(connection, op));
}

void covet_connection_serve(covet_connection *connection)
{
  while (connection->running == NULL && !connection->quarantined &&
         connection->state == COVET_CONNECTION_LENT) {
    covet_node *node = queue_pop(&connection->queue);

    if (node == NULL) {
      return;
    }
    run(connection, op_of(node));
  }
}

void covet_connection_report(covet_connection *connection, covet_op *op,
                             covet_step step)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  settle(connection, op, step);
  if (connection->state == COVET_CONNECTION_LENT) {
    covet_connection_serve(connection);
  }
  covet_lane_carry_out(lane);
  covet_adapter_settle(adapter);
}

void covet_connection_hand_over(covet_connection *connection, covet_op *op,
                                covet_op *next)
{
  connection->running = next;
  if (connection->state == COVET_CONNECTION_BUSY) {
    connection->owner = next;
  }
  covet_op_finish(op);
}

void covet_connection_quarantine(covet_connection *connection, covet_op *op)
{
  connection->running = NULL;
  connection->owner = NULL;
  connection->quarantined = true;
  covet_op_finish(op);
}

bool covet_connection_is_left(const covet_connection *connection)
{
  return connection->state == COVET_CONNECTION_LENT && connection->lease == 0 &&
         queue_empty(&connection->queue) && queue_empty(&connection->suspended);
}

void covet_connection_recovered(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  connection->quarantined = false;
  connection->overdue = false;
  if (connection->state == COVET_CONNECTION_BUSY ||
      covet_connection_is_left(connection)) {
    covet_connection_put_back(connection);
  } else {
    covet_connection_serve(connection);
  }
  covet_lane_carry_out(lane);
  covet_adapter_settle(adapter);
}

void covet_connection_resume(covet_op *op)
{
  covet_connection *connection = op->connection;

  if (connection->state == COVET_CONNECTION_BUSY) {
    covet_lane *lane = connection->lane;

    run(connection, op);
    covet_lane_carry_out(lane);
    return;
  }
  queue_remove(&connection->suspended, &op->node);
  op->state = COVET_OP_QUEUED;
  if (connection->lease == 0 || covet_op_stop_reason(op) != COVET_STOP_NONE) {
    /* what waits finds it ended: a release, or what was called after its end */
    queue_push_front(&connection->queue, &op->node);
  } else {
    queue_push(&connection->queue, &op->node);
  }
  covet_connection_serve(connection);
}

void covet_connection_give(covet_connection *connection, covet_op *op)
{
  if (op->type == COVET_OP_ACQUIRE) {
    op->result.lease = covet_lease_hand_out(connection);
    covet_op_finish(op);
    return;
  }
  covet_connection_set_state(connection, COVET_CONNECTION_BUSY);
  if (op->type == COVET_OP_CONNECT) { /* that there is one is all */
    covet_connection_put_back(connection);
    covet_adapter_await_filled(connection->adapter, op);
    return;
  }
  connection->owner = op;
  run(connection, op);
}
