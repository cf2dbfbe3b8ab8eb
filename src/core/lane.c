#include "adapter.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

enum {
  PUMP_US = 1000, /* how long one pass may serve the queue */
  PUMP_CHECK = 16,
  LEASE_INDEX_BITS = 16
};

static covet_connection *connection_of(covet_node *node)
{
  return COVET_CONTAINER(node, covet_connection, node);
}

static covet_op *op_of(covet_node *node)
{
  return COVET_CONTAINER(node, covet_op, node);
}

static const covet_driver *driver_of(const covet_connection *connection)
{
  return connection->adapter->driver;
}

static void on_pump(covet_post *post)
{
  covet_lane *lane = COVET_CONTAINER(post, covet_lane, pump);

  lane->posted = false;
  covet_lane_pump(lane);
}

void covet_lane_init(covet_lane *lane, covet_adapter *adapter, unsigned index)
{
  lane->adapter = adapter;
  lane->index = index;
  lane->pump.run = on_pump;
  queue_init(&lane->idle);
  queue_init(&lane->waiting);
}

/* --- The life of a connection --------------------------------------------------- */

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
    return from != COVET_CONNECTION_CLOSING;
  }
  return false;
}

/* The only place where a connection's state changes. */
static void set_state(covet_connection *connection, covet_connection_state to)
{
  if (!legal(connection->state, to)) {
    abort();
  }
  if (connection->state == COVET_CONNECTION_IDLE) {
    queue_remove(&connection->lane->idle, &connection->node);
  }
  if (connection->state == COVET_CONNECTION_OPENING) {
    connection->lane->opening--;
  }
  connection->state = to;
  if (to == COVET_CONNECTION_IDLE) {
    queue_push(&connection->lane->idle, &connection->node);
  }
  if (to == COVET_CONNECTION_OPENING) {
    connection->lane->opening++;
  }
}

static int add_to_table(covet_adapter *adapter, covet_connection *connection)
{
  uint32_t index = 0;

  while (index < adapter->connection_count &&
         adapter->connections[index] != NULL) {
    index++;
  }
  if (index == adapter->connection_capacity) {
    uint32_t capacity = index == 0 ? 8 : index * 2;
    covet_connection **table =
        realloc(adapter->connections, sizeof(covet_connection *) * capacity);

    if (table == NULL) {
      return COVET_ENOMEM;
    }
    adapter->connections = table;
    adapter->connection_capacity = capacity;
  }
  adapter->connections[index] = connection;
  connection->index = index;
  if (index == adapter->connection_count) {
    adapter->connection_count++;
  }
  return 0;
}

covet_connection *covet_lane_open(covet_lane *lane)
{
  covet_adapter *adapter = lane->adapter;
  covet_connection *connection =
      adapter->driver->connection_new(adapter, lane->index);

  if (connection == NULL) {
    return NULL;
  }
  connection->adapter = adapter;
  connection->lane = lane;
  queue_init(&connection->queue);
  queue_init(&connection->suspended);
  if (add_to_table(adapter, connection) != 0) {
    adapter->driver->connection_free(connection);
    return NULL;
  }
  lane->count++;
  set_state(connection, COVET_CONNECTION_OPENING);
  adapter->driver->open(connection);
  return connection;
}

static void remove_connection(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;

  connection->lane->count--;
  adapter->connections[connection->index] = NULL;
  adapter->driver->connection_free(connection);
}

void covet_connection_close(covet_connection *connection)
{
  connection->broken = true;
  if (connection->state == COVET_CONNECTION_IDLE) {
    set_state(connection, COVET_CONNECTION_CLOSING);
    driver_of(connection)->close(connection);
  }
}

void covet_connection_closed(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  adapter->destroyed++;
  remove_connection(connection);
  covet_lane_pump(lane);
  covet_adapter_settle(adapter);
}

static void fail_waiting(covet_lane *lane, const covet_error *error)
{
  covet_queue failed;
  covet_node *node;

  queue_init(&failed);
  queue_move(&failed, &lane->waiting);
  while ((node = queue_pop(&failed)) != NULL) {
    covet_op_fail(op_of(node), error);
  }
}

void covet_connection_opened(covet_connection *connection,
                             const covet_error *error)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  if (error != NULL) {
    lane->opening--;
    remove_connection(connection);
    if (lane->count == 0) {
      fail_waiting(lane, error);
    }
    covet_adapter_settle(adapter);
    return;
  }
  adapter->created++;
  set_state(connection, COVET_CONNECTION_IDLE);
  covet_lane_pump(lane);
  covet_adapter_settle(adapter);
}

/* --- Running ----------------------------------------------------------------------- */

/* Nobody has the connection any more. */
static void put_back(covet_connection *connection)
{
  connection->owner = NULL;
  connection->lease = 0;
  if (connection->broken) {
    set_state(connection, COVET_CONNECTION_CLOSING);
    driver_of(connection)->close(connection);
    return;
  }
  set_state(connection, COVET_CONNECTION_IDLE);
}

/* A stream was ahead of its reader; by now the reader may have caught up. */
static bool reader_waits(covet_op *op)
{
  return covet_op_untaken(op) == 0 ||
         covet_op_stop_reason(op) != COVET_STOP_NONE;
}

static void suspend(covet_connection *connection, covet_op *op)
{
  op->state = COVET_OP_SUSPENDED;
  covet_deadlines_remove(&op->runtime->deadlines, op);
  if (connection->state == COVET_CONNECTION_LENT) {
    queue_push(&connection->suspended, &op->node);
    if (connection->lease == 0) { /* on its way back: nobody reads on */
      int none = COVET_STOP_NONE;

      atomic_compare_exchange_strong(&op->stop, &none, COVET_STOP_CANCEL);
    }
  }
  if (reader_waits(op)) {
    covet_lane_resume(op);
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
  connection->running = NULL;
  switch (step) {
  case COVET_STEP_PENDING:
    connection->running = op;
    return;
  case COVET_STEP_SUSPENDED:
    suspend(connection, op);
    return;
  case COVET_STEP_MOVE:
    put_back(connection);
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
    put_back(connection);
  } else if (op->type == COVET_OP_RELEASE) {
    fail_released(connection);
    put_back(connection);
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

static void serve_lease(covet_connection *connection)
{
  while (connection->running == NULL &&
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
    serve_lease(connection);
  }
  covet_lane_pump(lane);
  covet_adapter_settle(adapter);
}

void covet_lane_resume(covet_op *op)
{
  covet_connection *connection = op->connection;

  if (connection->state == COVET_CONNECTION_BUSY) {
    covet_lane *lane = connection->lane;

    run(connection, op);
    covet_lane_pump(lane);
    return;
  }
  queue_remove(&connection->suspended, &op->node);
  op->state = COVET_OP_QUEUED;
  if (connection->lease == 0) { /* it ends before the release that waits */
    queue_push_front(&connection->queue, &op->node);
  } else {
    queue_push(&connection->queue, &op->node);
  }
  serve_lease(connection);
}

/* --- The lane's queue ---------------------------------------------------------------- */

static covet_lease new_lease(covet_connection *connection)
{
  uint64_t loan = ++connection->adapter->runtime->loans;

  return (loan << LEASE_INDEX_BITS) | (connection->index + 1);
}

static void give(covet_connection *connection, covet_op *op)
{
  if (op->type == COVET_OP_ACQUIRE) {
    set_state(connection, COVET_CONNECTION_LENT);
    connection->lease = new_lease(connection);
    op->result.lease = connection->lease;
    covet_op_finish(op);
    return;
  }
  set_state(connection, COVET_CONNECTION_BUSY);
  connection->owner = op;
  run(connection, op);
}

static void open_more(covet_lane *lane)
{
  while (lane->waiting.count > lane->opening && lane->count < lane->max &&
         lane->adapter->state != COVET_ADAPTER_CONNECTING) {
    if (covet_lane_open(lane) == NULL) {
      return; /* memory is out; a connection that comes back pumps again */
    }
  }
}

void covet_lane_pump(covet_lane *lane)
{
  uint64_t start = 0;

  if (lane->pumping || lane->gathering) {
    return;
  }
  lane->pumping = true;
  for (unsigned served = 1; !queue_empty(&lane->waiting); served++) {
    covet_node *node = lane->idle.count == 0 ? NULL : lane->idle.head.prev;

    if (node == NULL) {
      break;
    }
    if (served % PUMP_CHECK == 0) {
      start = start == 0 ? covet_now_us() : start;
      if (covet_now_us() - start > PUMP_US && !lane->posted) {
        lane->posted = true;
        covet_runtime_post(lane->adapter->runtime, &lane->pump);
        break;
      }
    }
    give(connection_of(node), op_of(queue_pop(&lane->waiting)));
  }
  lane->pumping = false;
  open_more(lane);
}

void covet_lane_enqueue(covet_lane *lane, covet_op *op)
{
  op->lane = lane->index;
  op->state = COVET_OP_QUEUED;
  op->phase = COVET_PHASE_QUEUE;
  covet_op_start_deadline(op);
  queue_push(&lane->waiting, &op->node);
  covet_lane_pump(lane);
}

covet_connection *covet_lane_idle(covet_lane *lane)
{
  if (lane->idle.count == 0 || lane->waiting.count != 0) {
    return NULL;
  }
  return connection_of(lane->idle.head.prev);
}

covet_op *covet_lane_take(covet_lane *lane, bool (*accepts)(const covet_op *))
{
  covet_node *node = queue_first(&lane->waiting);

  if (node == NULL || !accepts(op_of(node))) {
    return NULL;
  }
  queue_remove(&lane->waiting, node);
  return op_of(node);
}

/* --- Leases ---------------------------------------------------------------------------- */

static covet_connection *find_lease(covet_adapter *adapter, covet_lease lease)
{
  uint32_t index = (uint32_t) (lease & ((1U << LEASE_INDEX_BITS) - 1)) - 1;
  covet_connection *connection =
      index < adapter->connection_count ? adapter->connections[index] : NULL;

  if (connection == NULL || connection->lease != lease) {
    return NULL;
  }
  return connection;
}

/* Streams that are still open end before the connection goes back. */
static void end_suspended(covet_connection *connection)
{
  covet_node *node;

  while ((node = queue_pop(&connection->suspended)) != NULL) {
    covet_op *op = op_of(node);

    atomic_store(&op->stop, COVET_STOP_CANCEL);
    op->state = COVET_OP_QUEUED;
    queue_push(&connection->queue, node);
  }
}

void covet_lease_enqueue(covet_op *op)
{
  covet_connection *connection = find_lease(op->adapter, op->lease);
  covet_lane *lane;

  if (connection == NULL) {
    covet_error_set(covet_op_fault(op), COVET_ERROR_USAGE,
                    "the connection was released before");
    covet_op_finish(op);
    return;
  }
  lane = connection->lane;
  if (op->type == COVET_OP_RELEASE) {
    connection->lease = 0; /* nothing new from its borrower */
    end_suspended(connection);
  }
  op->state = COVET_OP_QUEUED;
  op->phase = COVET_PHASE_QUEUE;
  op->connection = connection;
  if (connection->running != NULL) {
    covet_op_start_deadline(op);
  }
  queue_push(&connection->queue, &op->node);
  serve_lease(connection);
  covet_lane_pump(lane);
}

void covet_lanes_reclaim(covet_adapter *adapter)
{
  for (uint32_t i = 0; i < adapter->connection_count; i++) {
    covet_connection *connection = adapter->connections[i];

    if (connection == NULL || connection->state != COVET_CONNECTION_LENT) {
      continue;
    }
    connection->lease = 0;
    connection->broken = true;
    if (connection->running == NULL && queue_empty(&connection->queue) &&
        queue_empty(&connection->suspended)) {
      put_back(connection);
    }
  }
}
