/* Who is sent together: callers that wait for a connection, and statements that
 * one caller wants to go together. Then how their answer is waited for. */
#include "../core/error.h"
#include "postgres_request.h"

bool pg_is_shareable(const covet_op *op)
{
  const unsigned alone = COVET_QUERY_SCRIPT | COVET_QUERY_DESCRIBE |
                         COVET_QUERY_STREAM | COVET_QUERY_MANY |
                         COVET_QUERY_READ_ONLY | COVET_QUERY_TRANSACTION |
                         COVET_QUERY_INSIDE;

  return op->type == COVET_OP_QUERY && op->lease == 0 &&
         (op->flags & alone) == 0 && pg_habit_shareable(pg_of(op->adapter), op);
}

void pg_spin_start(pg_connection *connection)
{
  const pg_adapter *adapter = connection->adapter;
  bool alone =
      adapter->base->ops.count <= 1; /* else others are to be seen to */

  covet_spin_start(&connection->spin, connection->runtime, connection->sent_us,
                   alone ? adapter->options.busy_poll_us : 0);
}

void pg_spin_end(pg_connection *connection)
{
  covet_spin_end(&connection->spin, connection->runtime,
                 connection->adapter->options.busy_poll_us);
}

/* What the caller has put behind this operation goes with it. */
static void take_caller(pg_connection *connection, covet_queue *ops)
{
  covet_connection *base = &connection->base;
  covet_node *node = queue_first(&base->queue);

  while (node != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);

    if (op->type != COVET_OP_QUERY || !(op->flags & COVET_QUERY_PIPELINE)) {
      break;
    }
    queue_remove(&base->queue, node);
    op->state = COVET_OP_RUNNING;
    op->phase = COVET_PHASE_QUERY;
    queue_push(ops, node);
    node = queue_first(&base->queue);
  }
}

static bool comes_along(const covet_op *op, void *context)
{
  (void) context;
  return pg_is_shareable(op);
}

/* Callers that wait for a connection come along: as many as are this one's, of
 * `connections` that go now. */
static void take_others(pg_connection *connection, covet_queue *ops,
                        size_t connections)
{
  covet_lane *lane = connection->base.lane;
  size_t share =
      (covet_pool_waiting(lane->pool) + connections - 1) / connections;
  size_t depth = connection->adapter->options.pipeline_depth;

  share = share + 1 < depth ? share + 1 : depth;
  while (ops->count < share) {
    covet_op *other =
        covet_connection_take(&connection->base, comes_along, NULL);

    if (other == NULL) {
      return;
    }
    queue_push(ops, &other->node);
  }
}

/* The operation that the connection was lent for, and those that go with it. */
static void send_collected(pg_connection *connection, size_t connections)
{
  covet_op *running = connection->base.running;
  pg_pipeline how = connection->adapter->options.pipeline;
  bool together =
      (running->flags & COVET_QUERY_PIPELINE) && running->lease != 0;
  covet_queue ops;

  queue_init(&ops);
  queue_push(&ops, &running->node);
  if (together) {
    take_caller(connection, &ops);
    pg_send_whole(connection, &ops);
    return;
  }
  take_others(connection, &ops, connections);
  pg_send_ops(connection, &ops, ops.count > 1 ? how : PG_PIPELINE_EACH);
}

bool pg_collect(pg_connection *connection, const covet_op *op)
{
  pg_adapter *adapter = connection->adapter;
  bool together = (op->flags & COVET_QUERY_PIPELINE) && op->lease != 0;

  if (!together && (adapter->options.pipeline == PG_PIPELINE_OFF ||
                    adapter->base->ops.count < 2 || !pg_is_shareable(op))) {
    return false;
  }
  queue_push(&adapter->collecting, &connection->collecting);
  return true;
}

void pg_turn_end(covet_adapter *base)
{
  pg_adapter *adapter = pg_of(base);
  covet_node *node;

  while ((node = queue_pop(&adapter->collecting)) != NULL) {
    send_collected(COVET_CONTAINER(node, pg_connection, collecting),
                   adapter->collecting.count + 1);
  }
}

bool pg_awaits_turn_end(const covet_adapter *base)
{
  const pg_adapter *adapter = base->driver_data;

  return !queue_empty(&adapter->collecting);
}
