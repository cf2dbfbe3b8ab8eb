#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_error.h"
#include "mysql_session.h"

#include "../core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { FRESH_US = 20000 /* used so shortly ago, it is not looked at first */ };

/* --- Adapters ------------------------------------------------------------------------ */

static void adapter_deinit(covet_adapter *base)
{
  my_adapter *adapter = my_of(base);

  free(adapter->password);
  free(adapter);
}

static int adapter_init(covet_adapter *base, const covet_url *url,
                        const covet_option *options, size_t count,
                        covet_error *error)
{
  my_adapter *adapter = calloc(1, sizeof(*adapter));
  int status = COVET_ENOMEM;

  covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  if (adapter == NULL || mysql_library_init(0, NULL, NULL) != 0) {
    free(adapter);
    return COVET_ENOMEM;
  }
  adapter->base = base;
  base->driver_data = adapter;
  status = my_options_read(&adapter->options, &base->arena, url, options, count,
                           error);
  if (status == 0) {
    status = covet_lane_set_pool(&base->lanes[MY_MAIN], &adapter->options.pool);
  }
  if (status != 0) {
    adapter_deinit(base);
  }
  return status;
}

/* The first connection tells whether the server can be used; the others are the
 * pool's business. */
static void connect_adapter(covet_adapter *base)
{
  covet_lane *lane = &base->lanes[MY_MAIN];

  my_of(base)->connecting = true;
  covet_pool_warm(lane->pool, covet_now_us());
  covet_lane_carry_out(lane);
  if (lane->count == 0) {
    my_of(base)->connecting = false;
    covet_adapter_connected(base, &base->runtime->out_of_memory);
  }
}

static unsigned choose_lane(covet_adapter *base, const covet_op *op)
{
  (void) base;
  (void) op;
  return MY_MAIN;
}

static unsigned lease_lane(covet_adapter *base, bool read_only)
{
  (void) base;
  (void) read_only;
  return MY_MAIN;
}

/* --- Calls ----------------------------------------------------------------------------- */

/* The password that a function has given, for connections from now on. */
static void set_password(my_adapter *adapter, covet_op *op)
{
  const covet_cell *cell = &op->params[0];
  char *copy = NULL;
  bool is_new;

  if (op->param_count > 0 && cell->kind == COVET_TEXT &&
      memchr(cell->bytes, '\0', (size_t) cell->length) == NULL) {
    copy = strndup(cell->bytes, (size_t) cell->length);
  }
  if (copy == NULL) {
    my_refuse(op, COVET_ERROR_USAGE,
              "the password must be a string without NUL bytes");
    return;
  }
  is_new = adapter->password == NULL || strcmp(adapter->password, copy) != 0;
  free(adapter->password);
  adapter->password = copy;
  covet_openings_answered(adapter->base, is_new);
}

static covet_step call_apart(covet_adapter *base, covet_op *op)
{
  if (strcmp(op->sql, "set_password") == 0) {
    set_password(my_of(base), op);
  } else {
    my_refuse(op, COVET_ERROR_UNSUPPORTED, "MySQL has no call %.60s", op->sql);
  }
  return COVET_STEP_DONE;
}

/* --- Connections ----------------------------------------------------------------------- */

static covet_connection *connection_new(covet_adapter *base, unsigned lane)
{
  my_adapter *adapter = my_of(base);
  const my_options *options = &adapter->options;
  my_connection *connection = calloc(1, sizeof(*connection));

  (void) lane;
  if (connection == NULL) {
    return NULL;
  }
  if (covet_stmt_cache_init(&connection->statements, options->cache_size,
                            options->cache_max_length,
                            options->cache_lifetime_us,
                            my_statement_destroy) != 0) {
    free(connection);
    return NULL;
  }
  connection->adapter = adapter;
  queue_init(&connection->unwanted);
  if (!my_io_init(connection, base->runtime)) {
    covet_stmt_cache_deinit(&connection->statements);
    free(connection);
    return NULL;
  }
  return &connection->base;
}

/* The library forgets the statements with the connection; so nothing is sent for
 * them, and nothing but a farewell for the connection. */
void my_connection_deinit(my_connection *connection)
{
  my_cancel_forget(connection);
  my_worker_stop(connection);
  if (connection->mysql != NULL) {
    mysql_close(connection->mysql);
  }
  my_ahead_free(connection);
  my_statements_free(connection);
  free(connection->reset_text);
  free(connection->binds);
  free(connection);
}

static void connection_free(covet_connection *base)
{
  my_io_free(my_connection_of(base));
}

static void open_connection(covet_connection *base)
{
  my_open(my_connection_of(base));
}

static void close_connection(covet_connection *base)
{
  my_connection *connection = my_connection_of(base);

  my_cancel_forget(connection);
  my_io_stop(connection);
}

/* --- Operations --------------------------------------------------------------------------- */

/* Whether the other side has closed the socket, or said that it will. */
static bool has_ended(const my_connection *connection)
{
  char byte;
  ssize_t size = recv((int) mysql_get_socket(connection->mysql), &byte, 1,
                      MSG_PEEK | MSG_DONTWAIT);

  return size >= 0 ||
         (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool is_dead(const my_connection *connection, const covet_op *op)
{
  if (connection->lost) {
    return true;
  }
  return op->driver == NULL && connection->request.op == NULL &&
         !my_is_calling(connection) &&
         covet_now_us() - connection->sent_us > FRESH_US &&
         has_ended(connection);
}

/* Nothing was sent: another connection may do it. */
static covet_step refuse_dead(my_connection *connection, covet_op *op)
{
  connection->base.broken = true;
  connection->lost = true;
  my_io_unwatch(connection);
  if (op->type == COVET_OP_RELEASE) {
    return COVET_STEP_DONE;
  }
  if (op->lease == 0 && op->driver == NULL) {
    op->lane = MY_MAIN;
    return COVET_STEP_MOVE;
  }
  op->driver = NULL;
  if (op->error == NULL) {
    my_error_lost(covet_op_fault(op), connection);
    op->error->phase = op->phase;
    op->error->retry = COVET_RETRY_SAFE;
  }
  return COVET_STEP_DONE;
}

/* Whether the server is seen to be there, or was just now. Between two calls the loop
 * watches the socket; who keeps the loop from running may be faster. */
static bool is_seen(my_connection *connection)
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
  my_connection *connection = my_connection_of(base);

  return !connection->lost && !my_needs_reset(connection) &&
         is_seen(connection);
}

static covet_step dispatch(my_connection *connection, covet_op *op)
{
  if (op->type == COVET_OP_RELEASE) {
    if (!my_needs_reset(connection)) {
      return COVET_STEP_DONE;
    }
    my_reset(connection);
    return COVET_STEP_PENDING;
  }
  return my_query(connection, op);
}

static covet_step execute(covet_connection *base, covet_op *op)
{
  my_connection *connection = my_connection_of(base);
  covet_op *outer = connection->stepping;
  bool outer_settled = connection->settled;
  covet_step step;

  if (is_dead(connection, op)) {
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

static void on_pinged(my_connection *connection)
{
  bool alive = connection->answer == 0;

  if (!alive) {
    my_lose(connection);
    return;
  }
  connection->pinging = false;
  covet_connection_pinged(&connection->base, true);
}

static void ping(covet_connection *base)
{
  my_connection *connection = my_connection_of(base);

  connection->pinging = true;
  connection->sent_us = covet_now_us();
  if (connection->lost) {
    connection->pinging = false;
    covet_connection_pinged(base, false);
  } else {
    my_make(connection, &my_call_ping, on_pinged);
  }
}

const covet_driver covet_mysql_driver = {
    .name = "mysql",
    .lane_count = 1,
    .liveness = COVET_POOL_WATCHED,
    .takes_unsigned = true,
    .adapter_init = adapter_init,
    .adapter_deinit = adapter_deinit,
    .connect = connect_adapter,
    .call = call_apart,
    .choose_lane = choose_lane,
    .lease_lane = lease_lane,
    .connection_new = connection_new,
    .connection_free = connection_free,
    .open = open_connection,
    .stop_opening = my_stop_opening,
    .fail_opening = my_fail_opening,
    .close = close_connection,
    .execute = execute,
    .is_clean = is_clean,
    .cancel = my_cancel,
    .ping = ping,
};
