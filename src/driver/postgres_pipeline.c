/* Who is sent together: callers that wait for a connection, and statements that
 * one caller wants to go together. Then how their answer is waited for. */
#include "../core/error.h"
#include "postgres_request.h"

enum { MOST_SPINS = 8, SPIN_AGAIN = 64 };

/* Whether an operation may be sent behind another caller's. */
bool pg_is_shareable(const covet_op *op)
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
void pg_take_others(pg_connection *connection, covet_queue *ops)
{
  uint32_t depth = connection->adapter->options.pipeline_depth;

  while (ops->count < depth) {
    covet_op *other = covet_lane_take(connection->base.lane, pg_is_shareable);

    if (other == NULL) {
      return;
    }
    other->state = COVET_OP_RUNNING;
    other->phase = COVET_PHASE_QUERY;
    other->connection = &connection->base;
    queue_push(ops, &other->node);
  }
}

/* Look for the answer without sleeping, where that has paid lately, and try again
 * after a while where it has not. */
void pg_spin_start(pg_connection *connection)
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

void pg_spin_end(pg_connection *connection)
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
  pg_send_ops(connection, &ops, PG_PIPELINE_GROUP, true);
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
