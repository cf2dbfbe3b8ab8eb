/* Lanes: the runtime as the carrier of a pool. */
#include "adapter.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

enum {
  CARRY_US = 1000, /* how long one pass may go on */
  CARRY_CHECK = 16
};

static covet_op *op_of(covet_pool_waiter *waiter)
{
  return COVET_CONTAINER(waiter, covet_op, waiter);
}

static covet_connection *connection_at(const covet_lane *lane,
                                       covet_pool_slot_id slot)
{
  return covet_pool_data(lane->pool, slot);
}

static void on_go_on(covet_post *post)
{
  covet_lane *lane = COVET_CONTAINER(post, covet_lane, go_on);

  lane->posted = false;
  covet_lane_carry_out(lane);
  covet_adapter_settle(lane->adapter);
}

void covet_lane_init(covet_lane *lane, covet_adapter *adapter, unsigned index)
{
  lane->adapter = adapter;
  lane->index = index;
  lane->go_on.run = on_go_on;
  queue_init(&lane->gathered);
}

void covet_lane_deinit(covet_lane *lane)
{
  covet_runtime_set_alarm(lane->adapter->runtime, &lane->alarm, UINT64_MAX);
  covet_pool_free(lane->pool);
  lane->pool = NULL;
}

/* A connection is made as new while it is still its borrower's. */
int covet_lane_set_pool(covet_lane *lane, const covet_pool_config *config)
{
  covet_pool_config own = *config;

  lane->fixed = (lane->adapter->driver->fixed_lanes >> lane->index) & 1;
  own.can_ping = lane->adapter->driver->ping != NULL;
  own.can_reset = false;
  lane->pool = covet_pool_new(&own);
  return lane->pool == NULL ? COVET_ENOMEM : 0;
}

/* --- Opening and closing ------------------------------------------------------------ */

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

static covet_connection *new_connection(covet_lane *lane)
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
  return connection;
}

covet_connection *covet_lane_open(covet_lane *lane)
{
  covet_connection *connection = new_connection(lane);

  if (connection != NULL) {
    covet_opening_start(connection);
  }
  return connection;
}

static void start_closing(covet_connection *connection)
{
  covet_connection_set_state(connection, COVET_CONNECTION_CLOSING);
  connection->adapter->driver->close(connection);
}

static void remove_connection(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;

  connection->lane->count--;
  adapter->connections[connection->index] = NULL;
  adapter->driver->connection_free(connection);
}

/* A connection that the pool wants no more. One that is being opened can only
 * be closed afterwards. */
static void close_slot(covet_lane *lane, covet_pool_slot_id slot,
                       covet_pool_reason reason)
{
  covet_connection *connection = connection_at(lane, slot);

  if (connection->unwanted) {
    return;
  }
  covet_adapter_tell(lane->adapter, COVET_EVENT_CLOSE, 0, 0,
                     covet_pool_reason_name(reason));

  if (connection->state == COVET_CONNECTION_OPENING) {
    covet_opening_stop(connection);
  } else {
    start_closing(connection);
  }
}

static void abandon_slot(covet_lane *lane, covet_pool_slot_id slot,
                         covet_pool_reason reason)
{
  covet_connection *connection = connection_at(lane, slot);

  connection->abandoned = true;
  if (connection->state != COVET_CONNECTION_CLOSING) {
    close_slot(lane, slot, reason);
  }
}

static void open_slot(covet_lane *lane, covet_pool_slot_id slot)
{
  covet_connection *connection = new_connection(lane);

  if (connection == NULL) {
    covet_pool_connect_failed(lane->pool, covet_now_us(), slot, false,
                              &lane->adapter->runtime->out_of_memory);
    return;
  }
  connection->slot = slot;
  covet_pool_set_data(lane->pool, slot, connection);
  covet_opening_start(connection);
}

/* Whether connecting once more cannot help. */
static bool is_permanent(const covet_error *error)
{
  switch (error->kind) {
  case COVET_ERROR_CONNECTION_FAILED:
  case COVET_ERROR_CONNECTION_LOST:
  case COVET_ERROR_TOO_MANY_CONNECTIONS:
  case COVET_ERROR_TIMEOUT:
  case COVET_ERROR_LOCK_TIMEOUT:
  case COVET_ERROR_OUT_OF_MEMORY:
    return false;
  default:
    return true;
  }
}

/* The first connection tells whether the server can be used: as long as there was
 * none, nothing is opened that nobody asks for. */
static void keep_minimum(covet_lane *lane)
{
  if (lane->adapter->driver->connect == NULL &&
      lane->adapter->state == COVET_ADAPTER_READY) {
    covet_pool_warm(lane->pool, covet_now_us());
  }
}

/* What the pool is told of the end of opening; the connection may be gone. */
static void report_opened(covet_connection *connection,
                          const covet_error *error)
{
  covet_lane *lane = connection->lane;
  covet_pool_slot_id slot = connection->slot;
  bool told = lane->pool != NULL && !connection->abandoned;

  if (error != NULL) {
    bool unwanted = connection->unwanted;

    covet_adapter_tell_error(lane->adapter, COVET_EVENT_CONNECT_FAILED, NULL,
                             error);

    remove_connection(connection);
    if (told && unwanted) {
      covet_pool_closed(lane->pool, covet_now_us(), slot);
    } else if (told) {
      covet_pool_connect_failed(lane->pool, covet_now_us(), slot,
                                is_permanent(error), error);
    }
    return;
  }
  lane->adapter->created++;
  if (lane->pool != NULL && !connection->unwanted) {
    /* else it is nobody's, or the driver's alone */
    covet_adapter_tell(lane->adapter, COVET_EVENT_CONNECT, 0, 0, NULL);
  }
  if (connection->unwanted) {
    start_closing(connection);
    return;
  }
  covet_connection_set_state(connection, COVET_CONNECTION_IDLE);
  if (told) {
    covet_pool_connected(lane->pool, covet_now_us(), slot,
                         lane->adapter->driver->liveness);
    keep_minimum(lane);
  }
}

void covet_connection_opened(covet_connection *connection,
                             const covet_error *error)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  report_opened(connection, error);
  covet_lane_carry_out(lane);
  covet_adapter_filled(adapter);
  covet_adapter_settle(adapter);
}

void covet_connection_closed(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;
  covet_pool_slot_id slot = connection->slot;
  bool told = lane->pool != NULL && !connection->abandoned;

  adapter->destroyed++;
  remove_connection(connection);
  if (told) {
    covet_pool_closed(lane->pool, covet_now_us(), slot);
  }
  covet_lane_carry_out(lane);
  covet_adapter_settle(adapter);
}

void covet_lane_warm(covet_lane *lane)
{
  covet_pool_warm(lane->pool, covet_now_us());
  covet_lane_carry_out(lane);
}

/* The driver's own connections of a lane without a pool. */
static void close_own(covet_lane *lane)
{
  covet_adapter *adapter = lane->adapter;

  for (uint32_t i = 0; i < adapter->connection_count; i++) {
    covet_connection *connection = adapter->connections[i];

    if (connection == NULL || connection->lane != lane) {
      continue;
    }
    if (connection->state == COVET_CONNECTION_IDLE) {
      start_closing(connection);
    } else if (connection->state == COVET_CONNECTION_OPENING &&
               !connection->unwanted) {
      covet_opening_stop(connection);
    }
  }
}

void covet_lane_close(covet_lane *lane)
{
  if (lane->pool == NULL) {
    close_own(lane);
    return;
  }
  covet_pool_close(lane->pool, covet_now_us(), UINT64_MAX);
  covet_lane_carry_out(lane);
}

/* --- The pool's actions -------------------------------------------------------------- */

static void fail_timeout(covet_lane *lane, covet_op *op)
{
  covet_error *error = covet_op_fault(op);
  uint64_t now_us = covet_now_us();
  covet_pool_stats stats;

  covet_pool_get_stats(lane->pool, now_us, &stats);
  covet_error_set(error, COVET_ERROR_POOL_TIMEOUT,
                  "no connection came free within %.3g s: %u of %u in use, "
                  "%u opening, %u waiting",
                  (double) (now_us - op->waiter.since_us) / 1e6,
                  stats.active_connections, stats.max_size, stats.opening,
                  stats.waiting);
  error->retry = COVET_RETRY_SAFE;
}

/* The error of an operation to which the pool has nothing to give. */
static void set_failure(covet_lane *lane, covet_op *op)
{
  covet_error *error = covet_op_fault(op);

  switch (op->waiter.failure) {
  case COVET_POOL_TIMEOUT:
    fail_timeout(lane, op);
    break;
  case COVET_POOL_EXHAUSTED:
    covet_error_set(error, COVET_ERROR_POOL_EXHAUSTED,
                    "%u wait already, more are refused (max_waiting)",
                    covet_pool_get_config(lane->pool)->max_waiting);
    error->retry = COVET_RETRY_SAFE;
    break;
  case COVET_POOL_DEADLOCK:
    covet_error_set(
        error, COVET_ERROR_POOL_EXHAUSTED,
        "every connection that this call could use is held by "
        "somebody who waits for one more; this task is one of them");
    covet_error_text(error->hint, sizeof(error->hint),
                     "use the connection or transaction that it holds",
                     sizeof(error->hint));
    break;
  case COVET_POOL_BREAKER_OPEN:
    covet_error_set(error, COVET_ERROR_BREAKER_OPEN,
                    "connecting failed too often; the last time: %s",
                    covet_pool_last_error(lane->pool)->message);
    error->retry = COVET_RETRY_SAFE;
    break;
  case COVET_POOL_CONNECT_FAILED:
    if (error != &op->runtime->out_of_memory) {
      *error = *covet_pool_last_error(lane->pool);
    }
    return; /* in the phase it names */
  case COVET_POOL_NO_MEMORY:
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    break;
  case COVET_POOL_SHUT:
  case COVET_POOL_NO_FAILURE:
    covet_error_set(error, COVET_ERROR_POOL_CLOSED,
                    "the adapter is disconnected");
    break;
  }
  error->phase = COVET_PHASE_QUEUE;
}

static void fail(covet_lane *lane, covet_op *op)
{
  set_failure(lane, op);
  covet_op_finish(op);
}

static void give(covet_lane *lane, covet_op *op)
{
  covet_connection *connection = connection_at(lane, op->waiter.slot);

  connection->loan = op->waiter.lease;
  covet_connection_give(connection, op);
}

static void tell_leak(covet_lane *lane, const covet_pool_action *action)
{
  covet_connection *connection = connection_at(lane, action->slot);

  connection->leaked = connection->lease;
  covet_adapter_tell(lane->adapter, COVET_EVENT_LEAK, connection->lease,
                     action->us, NULL);
}

static void tell_breaker(covet_lane *lane)
{
  static const char *const states[] = {"closed", "open", "half_open"};
  covet_pool_stats stats;

  covet_pool_get_stats(lane->pool, covet_now_us(), &stats);
  covet_adapter_tell(lane->adapter, COVET_EVENT_BREAKER, 0,
                     stats.retry_after_us, states[stats.breaker]);
}

void covet_connection_pinged(covet_connection *connection, bool alive)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  covet_pool_pinged(lane->pool, covet_now_us(), connection->slot, alive);
  covet_lane_carry_out(lane);
  covet_adapter_settle(adapter);
}

void covet_connection_lost(covet_connection *connection)
{
  covet_adapter *adapter = connection->adapter;
  covet_lane *lane = connection->lane;

  connection->broken = true;
  if (connection->abandoned) {
    return;
  }
  if (lane->pool == NULL) {
    start_closing(connection);
    return;
  }
  covet_pool_lost(lane->pool, covet_now_us(), connection->slot);
  covet_lane_carry_out(lane);
  covet_adapter_settle(adapter);
}

static void carry_out_one(covet_lane *lane, const covet_pool_action *action)
{
  switch (action->type) {
  case COVET_POOL_GRANT:
    give(lane, op_of(action->waiter));
    break;
  case COVET_POOL_FAIL:
    fail(lane, op_of(action->waiter));
    break;
  case COVET_POOL_OPEN:
    open_slot(lane, action->slot);
    break;
  case COVET_POOL_CLOSE:
    close_slot(lane, action->slot, action->reason);
    break;
  case COVET_POOL_ABANDON:
    abandon_slot(lane, action->slot, action->reason);
    break;
  case COVET_POOL_LEAK:
    tell_leak(lane, action);
    break;
  case COVET_POOL_LEAK_OVER:
    covet_adapter_tell(lane->adapter, COVET_EVENT_LEAK_OVER,
                       connection_at(lane, action->slot)->leaked, action->us,
                       NULL);
    break;
  case COVET_POOL_BREAKER:
    tell_breaker(lane);
    break;
  case COVET_POOL_PING:
    lane->adapter->driver->ping(connection_at(lane, action->slot));
    break;
  case COVET_POOL_RESET: /* not asked for: see covet_lane_set_pool */
  case COVET_POOL_RECLAIMED:
  case COVET_POOL_DRAINED:
  case COVET_POOL_CLOSED:
  case COVET_POOL_NOTHING:
    break;
  }
}

static void set_alarm(covet_lane *lane)
{
  covet_runtime_set_alarm(lane->adapter->runtime, &lane->alarm,
                          covet_pool_due_us(lane->pool));
}

void covet_lane_carry_out(covet_lane *lane)
{
  covet_pool_action action;
  uint64_t start = 0;

  if (lane->pool == NULL || lane->carrying) {
    return; /* whoever carries already goes on */
  }
  lane->carrying = true;
  for (unsigned done = 1; covet_pool_next(lane->pool, &action); done++) {
    carry_out_one(lane, &action);
    if (done % CARRY_CHECK == 0) {
      start = start == 0 ? covet_now_us() : start;
      if (covet_now_us() - start > CARRY_US && !lane->posted) {
        lane->posted = true;
        covet_runtime_post(lane->adapter->runtime, &lane->go_on);
        break;
      }
    }
  }
  lane->carrying = false;
  set_alarm(lane);
}

void covet_lane_tick(covet_lane *lane)
{
  if (lane->pool != NULL) {
    covet_pool_tick(lane->pool, covet_now_us());
    covet_lane_carry_out(lane);
    covet_adapter_settle(lane->adapter);
  }
}

void covet_lane_attend(covet_lane *lane)
{
  uint64_t armed_us = lane->alarm.queued ? lane->alarm.key : UINT64_MAX;

  if (covet_pool_has_next(lane->pool) ||
      covet_pool_due_us(lane->pool) < armed_us) {
    covet_lane_carry_out(lane);
  }
}

/* --- The queue ------------------------------------------------------------------------ */

static void join(covet_lane *lane, covet_op *op)
{
  op->lane = lane->index;
  op->state = COVET_OP_QUEUED;
  op->phase = COVET_PHASE_QUEUE;
  op->connection = NULL;
  covet_op_start_deadline(op);
}

/* Until when it waits: a call has a deadline for all that it does, and waits no longer
 * than who names no time at all; others say how long they wait. 0: as the pool has
 * it. */
static uint64_t wait_end_us(const covet_lane *lane, const covet_op *op,
                            uint64_t now_us)
{
  uint64_t longest_us = covet_pool_get_config(lane->pool)->acquire_timeout_us;
  uint64_t own_us = op->deadline.queued ? op->deadline.key : 0;
  bool is_call = op->type == COVET_OP_QUERY || op->type == COVET_OP_CALL;

  return is_call && longest_us != 0 && own_us > now_us &&
                 own_us - now_us > longest_us
             ? 0
             : own_us;
}

/* Ask the pool. A connection that is free at once is given at once. */
static void ask(covet_lane *lane, covet_op *op)
{
  covet_pool_waiter *waiter = &op->waiter;
  uint64_t now_us = covet_now_us();

  waiter->owner = op->owner;
  waiter->passing = op->type != COVET_OP_ACQUIRE;
  waiter->deadline_us = wait_end_us(lane, op, now_us);
  switch (covet_pool_acquire(lane->pool, now_us, waiter)) {
  case COVET_POOL_GRANTED:
    give(lane, op);
    break;
  case COVET_POOL_REFUSED:
    fail(lane, op);
    break;
  case COVET_POOL_QUEUED:
    break;
  }
}

void covet_lane_enqueue(covet_lane *lane, covet_op *op)
{
  join(lane, op);
  ask(lane, op);
  covet_lane_carry_out(lane);
}

void covet_lane_gather(covet_lane *lane, covet_op *op)
{
  join(lane, op);
  queue_push(&lane->gathered, &op->node);
}

void covet_lane_turn_end(covet_lane *lane)
{
  covet_node *node;

  while ((node = queue_pop(&lane->gathered)) != NULL) {
    ask(lane, COVET_CONTAINER(node, covet_op, node));
  }
  covet_lane_carry_out(lane);
}

void covet_lane_leave(covet_op *op)
{
  covet_lane *lane = &op->adapter->lanes[op->lane];

  if (node_queued(&op->node)) {
    queue_remove(&lane->gathered, &op->node);
  } else if (op->waiter.state != COVET_WAITER_NONE) {
    covet_pool_cancel(lane->pool, covet_now_us(), &op->waiter);
    covet_lane_carry_out(lane);
  }
}

static bool has_idle(const covet_lane *lane, uint64_t now_us,
                     covet_pool_slot_id *slot)
{
  return queue_empty(&lane->gathered) && !lane->carrying &&
         covet_pool_peek(lane->pool, now_us, slot);
}

covet_connection *covet_lane_idle(covet_lane *lane)
{
  covet_pool_slot_id slot;

  return has_idle(lane, covet_now_us(), &slot) ? connection_at(lane, slot)
                                               : NULL;
}

covet_connection *covet_lane_try(covet_lane *lane, uint64_t owner)
{
  uint64_t now_us = covet_now_us();
  covet_pool_slot_id slot;
  covet_connection *connection;

  lane->hasty.owner = owner;
  if (!has_idle(lane, now_us, &slot)) {
    return NULL;
  }
  if (covet_pool_acquire(lane->pool, now_us, &lane->hasty) !=
      COVET_POOL_GRANTED) {
    covet_pool_cancel(lane->pool, now_us, &lane->hasty);
    return NULL;
  }
  connection = connection_at(lane, slot);
  connection->loan = lane->hasty.lease;
  covet_lane_attend(lane);
  return connection;
}

static covet_op *take(covet_lane *lane, covet_accepts *accepts, void *context)
{
  covet_node *node = queue_first(&lane->gathered);
  covet_pool_waiter *waiter = covet_pool_first_waiter(lane->pool);

  if (waiter != NULL && accepts(op_of(waiter), context)) {
    covet_pool_take_waiter(lane->pool, waiter);
    return op_of(waiter);
  }
  if (waiter != NULL || node == NULL ||
      !accepts(COVET_CONTAINER(node, covet_op, node), context)) {
    return NULL;
  }
  queue_remove(&lane->gathered, node);
  return COVET_CONTAINER(node, covet_op, node);
}

covet_op *covet_connection_take(covet_connection *connection,
                                covet_accepts *accepts, void *context)
{
  covet_op *op = take(connection->lane, accepts, context);

  if (op != NULL) {
    op->state = COVET_OP_RUNNING;
    op->phase = COVET_PHASE_QUERY;
    op->connection = connection;
  }
  return op;
}
