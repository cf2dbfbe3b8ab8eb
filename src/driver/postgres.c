#include "postgres.h"

#include "../core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
  HABITS = 2000,
  HABIT_LENGTH = 64 * 1024,
  FRESH_US = 20000 /* used so shortly ago, it is not looked at first */
};

/* --- Adapters ------------------------------------------------------------------------ */

static void adapter_deinit(covet_adapter *base)
{
  pg_adapter *adapter = pg_of(base);

  pg_listener_free(adapter);
  covet_stmt_cache_deinit(&adapter->habits);
  pg_types_free(adapter->types);
  free(adapter->password);
  free(adapter);
}

static int init_parts(covet_adapter *base, pg_adapter *adapter,
                      const covet_url *url, const covet_option *options,
                      size_t count, covet_error *error)
{
  int status = pg_options_read(&adapter->options, &base->arena, url, options,
                               count, error);

  if (status != 0) {
    return status;
  }
  adapter->types = pg_types_new();
  if (adapter->types == NULL ||
      covet_lane_set_pool(&base->lanes[PG_MAIN], &adapter->options.pool) != 0) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  return 0;
}

static int adapter_init(covet_adapter *base, const covet_url *url,
                        const covet_option *options, size_t count,
                        covet_error *error)
{
  pg_adapter *adapter = calloc(1, sizeof(*adapter));
  int status;

  if (adapter == NULL ||
      covet_stmt_cache_init(&adapter->habits, HABITS, HABIT_LENGTH, 0,
                            pg_habit_destroy) != 0) {
    free(adapter);
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  adapter->base = base;
  queue_init(&adapter->collecting);
  base->driver_data = adapter;
  status = init_parts(base, adapter, url, options, count, error);
  if (status != 0) {
    adapter_deinit(base);
  }
  return status;
}

static unsigned choose_lane(covet_adapter *base, const covet_op *op)
{
  (void) base;
  (void) op;
  return PG_MAIN;
}

static unsigned lease_lane(covet_adapter *base, bool read_only)
{
  (void) base;
  (void) read_only;
  return PG_MAIN;
}

/* --- Connections ----------------------------------------------------------------------- */

static covet_connection *connection_new(covet_adapter *base, unsigned lane)
{
  pg_adapter *adapter = pg_of(base);
  const pg_options *options = &adapter->options;
  pg_connection *connection = calloc(1, sizeof(*connection));

  (void) lane;
  if (connection == NULL) {
    return NULL;
  }
  if (covet_stmt_cache_init(&connection->statements, options->cache_size,
                            options->cache_max_length,
                            options->cache_lifetime_us,
                            pg_statement_destroy) != 0) {
    free(connection);
    return NULL;
  }
  connection->adapter = adapter;
  connection->stale_seen = adapter->stale;
  queue_init(&connection->requests);
  queue_init(&connection->spare);
  if (!pg_io_init(connection, base->runtime)) {
    covet_stmt_cache_deinit(&connection->statements);
    free(connection);
    return NULL;
  }
  return &connection->base;
}

void pg_connection_deinit(pg_connection *connection)
{
  pg_cancel_forget(connection);
  pg_copy_free(connection);
  pg_requests_free(connection);
  covet_stmt_cache_deinit(&connection->statements);
  if (connection->pq != NULL) {
    PQfinish(connection->pq);
  }
  pg_buffer_deinit(&connection->buffer);
  free(connection->farewell);
  free(connection->commands);
  free(connection->params);
  free(connection->arguments);
  free(connection->unwanted);
  free(connection);
}

static void connection_free(covet_connection *base)
{
  pg_io_free(pg_connection_of(base));
}

static void open_connection(covet_connection *base)
{
  pg_open(pg_connection_of(base));
}

static void close_connection(covet_connection *base)
{
  pg_connection *connection = pg_connection_of(base);

  if (base->lane->index == PG_LISTENER) {
    pg_listener_lost(connection);
  }
  pg_cancel_forget(connection);
  pg_io_stop(connection);
}

/* --- Operations --------------------------------------------------------------------------- */

/* Whether the other side has closed the socket. What it said before is taken
 * first: a server that ends says why. */
static bool has_ended(pg_connection *connection)
{
  char byte;

  for (int i = 0; i < 3; i++) {
    ssize_t size =
        recv(PQsocket(connection->pq), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (size < 0) {
      return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    }
    if (size == 0 || PQconsumeInput(connection->pq) != 1) {
      return true;
    }
  }
  return PQstatus(connection->pq) == CONNECTION_BAD;
}

/* Whether the server has closed the connection while nobody used it. */
static bool is_dead(pg_connection *connection)
{
  if (connection->lost) {
    return true;
  }
  return connection->base.running != NULL &&
         connection->base.running->driver == NULL &&
         connection->command_count == 0 &&
         connection->mode == PG_MODE_PIPELINE &&
         covet_now_us() - connection->sent_us > FRESH_US &&
         has_ended(connection);
}

/* Nothing was sent: another connection may do it. */
static covet_step refuse_dead(pg_connection *connection, covet_op *op)
{
  connection->base.broken = true;
  connection->lost = true;
  pg_io_unwatch(connection);
  if (op->type == COVET_OP_RELEASE) {
    return COVET_STEP_DONE;
  }
  if (op->lease == 0 && op->driver == NULL) {
    op->lane = PG_MAIN;
    return COVET_STEP_MOVE;
  }
  if (op->type == COVET_OP_QUERY) {
    pg_drop_resting(op);
  }
  op->driver = NULL;
  if (op->error == NULL) {
    pg_error_lost(covet_op_fault(op), connection);
    op->error->phase = op->phase;
    op->error->retry = COVET_RETRY_SAFE;
  }
  return COVET_STEP_DONE;
}

static covet_step release(pg_connection *connection, covet_op *op)
{
  if (connection->mode == PG_MODE_COPY_IN) {
    pg_copy_abort(connection, op);
    return COVET_STEP_PENDING;
  }
  return pg_needs_reset(connection) ? pg_reset(connection, op)
                                    : COVET_STEP_DONE;
}

/* Whether the server is seen to be there, or was just now. Between two calls the loop
 * watches the socket; who keeps the loop from running may be faster. */
static bool is_seen(pg_connection *connection)
{
  uint64_t now_us = covet_now_us();

  if (now_us - connection->sent_us > FRESH_US &&
      now_us - connection->looked_us > FRESH_US) {
    if (has_ended(connection)) {
      return false;
    }
    connection->looked_us = now_us;
  }
  return true;
}

static bool is_clean(covet_connection *base)
{
  pg_connection *connection = pg_connection_of(base);

  return !connection->lost && connection->mode != PG_MODE_COPY_IN &&
         !pg_needs_reset(connection) && is_seen(connection);
}

static bool is_copy_call(const covet_op *op)
{
  return op->type == COVET_OP_CALL && strncmp(op->sql, "copy_", 5) == 0;
}

static covet_step dispatch(pg_connection *connection, covet_op *op)
{
  if (op->type == COVET_OP_RELEASE) {
    return release(connection, op);
  }
  if (connection->mode != PG_MODE_PIPELINE && !is_copy_call(op)) {
    pg_refuse(op, COVET_ERROR_USAGE, "a COPY is under way on this connection");
    return COVET_STEP_DONE;
  }
  return op->type == COVET_OP_CALL ? pg_call(connection, op)
                                   : pg_query(connection, op);
}

static covet_step execute(covet_connection *base, covet_op *op)
{
  pg_connection *connection = pg_connection_of(base);
  covet_op *outer = connection->stepping;
  bool outer_settled = connection->settled;
  covet_step step;

  if (is_dead(connection)) {
    return refuse_dead(connection, op);
  }
  connection->stepping = op;
  connection->settled = false;
  step = dispatch(connection, op);
  if (connection->settled) {
    step = connection->step;
  }
  connection->stepping = outer;
  connection->settled = outer_settled;
  return step;
}

static void cancel(covet_connection *base, covet_op *op)
{
  if (base == NULL) {
    pg_listener_cancel(pg_of(op->adapter), op);
  } else {
    pg_cancel(base, op);
  }
}

static void ping(covet_connection *base)
{
  pg_connection *connection = pg_connection_of(base);

  connection->pinging = true;
  connection->sent_us = covet_now_us();
  if (connection->lost || !pg_send_ping(connection)) {
    pg_lose(connection);
  }
}

const covet_driver covet_postgresql_driver = {
    .name = "postgresql",
    .lane_count = 2,
    .liveness = COVET_POOL_WATCHED,
    .adapter_init = adapter_init,
    .adapter_deinit = adapter_deinit,
    .call = pg_call_apart,
    .choose_lane = choose_lane,
    .lease_lane = lease_lane,
    .connection_new = connection_new,
    .connection_free = connection_free,
    .open = open_connection,
    .stop_opening = pg_stop_opening,
    .fail_opening = pg_fail_opening,
    .close = close_connection,
    .execute = execute,
    .is_clean = is_clean,
    .cancel = cancel,
    .ping = ping,
    .turn_end = pg_turn_end,
    .awaits_turn_end = pg_awaits_turn_end,
};
