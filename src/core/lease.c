/* Leases: connections that are lent to somebody for as long as he likes. */
#include "adapter.h"
#include "error.h"
#include "runtime_parts.h"

/* Exact as a double. lua/covet/adapter/leases.lua knows of the lower bits. */
enum { LEASE_INDEX_BITS = 16, LEASE_LOAN_BITS = 36 };

static covet_op *op_of(covet_node *node)
{
  return COVET_CONTAINER(node, covet_op, node);
}

/* Numbers of loans come again after a long time only, and never 0. */
static covet_lease new_lease(covet_connection *connection)
{
  covet_runtime *rt = connection->adapter->runtime;

  rt->loans = (rt->loans + 1) & ((UINT64_C(1) << LEASE_LOAN_BITS) - 1);
  if (rt->loans == 0) {
    rt->loans = 1;
  }
  return (rt->loans << LEASE_INDEX_BITS) | (connection->index + 1);
}

covet_lease covet_lease_hand_out(covet_connection *connection)
{
  covet_connection_set_state(connection, COVET_CONNECTION_LENT);
  connection->lease = new_lease(connection);
  return connection->lease;
}

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
    if (connection->quarantined && connection->overdue &&
        covet_connection_is_left(connection)) {
      connection->broken =
          true; /* who knows when: its borrower does not wait */
      covet_op_finish(op);
      return;
    }
  }
  op->state = COVET_OP_QUEUED;
  op->phase = COVET_PHASE_QUEUE;
  op->connection = connection;
  if (connection->running != NULL) {
    covet_op_start_deadline(op);
  }
  queue_push(&connection->queue, &op->node);
  covet_connection_serve(connection);
  covet_lane_carry_out(lane);
}

void covet_leases_reclaim(covet_adapter *adapter)
{
  for (uint32_t i = 0; i < adapter->connection_count; i++) {
    covet_connection *connection = adapter->connections[i];

    if (connection == NULL || connection->state != COVET_CONNECTION_LENT) {
      continue;
    }
    connection->lease = 0;
    connection->broken = true;
    if (connection->running == NULL && !connection->quarantined &&
        queue_empty(&connection->queue) &&
        queue_empty(&connection->suspended)) {
      covet_lane *lane = connection->lane;

      covet_connection_put_back(connection);
      covet_lane_carry_out(lane);
    }
  }
}

/* --- Without an operation ---------------------------------------------------------- */

/* Whether what the caller asks for can be done while he waits. */
static bool is_at_hand(covet_adapter *adapter)
{
  return adapter->runtime->mode == COVET_CALLER_LOOP &&
         adapter->state == COVET_ADAPTER_READY && !adapter->abandoned &&
         !covet_runtime_forked(adapter->runtime);
}

covet_lease covet_try_acquire(covet_adapter *adapter, int read_only,
                              uint64_t owner)
{
  covet_lane *lane;
  covet_connection *connection;

  if (!is_at_hand(adapter) || covet_caller_should_submit(adapter->runtime)) {
    return 0;
  }
  lane = &adapter->lanes[adapter->driver->lease_lane(adapter, read_only != 0)];
  connection = covet_lane_try(lane, owner);
  return connection == NULL ? 0 : covet_lease_hand_out(connection);
}

int covet_try_release(covet_adapter *adapter, covet_lease lease)
{
  covet_connection *connection =
      is_at_hand(adapter) ? find_lease(adapter, lease) : NULL;

  if (connection == NULL || connection->running != NULL ||
      connection->quarantined || !queue_empty(&connection->queue) ||
      !queue_empty(&connection->suspended) ||
      !adapter->driver->is_clean(connection)) {
    return 0;
  }
  covet_connection_put_back(connection);
  covet_lane_attend(connection->lane);
  return 1;
}
