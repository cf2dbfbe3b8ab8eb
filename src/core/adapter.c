#include "adapter.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

enum {
  SAMPLED = 16,    /* of the operations that end at once, one in so many */
  MOST_NAME = 255, /* bytes, and arguments, of a function: SQLite's limits */
  MOST_ARITY = 127
};

static covet_op *waiting_op(covet_node *node)
{
  return COVET_CONTAINER(node, covet_op, node);
}

/* --- Telling --------------------------------------------------------------------- */

void covet_op_fail(covet_op *op, const covet_error *error)
{
  covet_error *fault = covet_op_fault(op);

  if (fault != error && fault != &op->runtime->out_of_memory) {
    *fault = *error;
  }
  covet_op_finish(op);
}

static void fail_closed(covet_op *op)
{
  covet_error_set(covet_op_fault(op), COVET_ERROR_POOL_CLOSED,
                  "the adapter is disconnected");
  covet_op_finish(op);
}

static void remove_from_queue(covet_op *op)
{
  if (op->state != COVET_OP_QUEUED) {
    return;
  }
  if (op->connection != NULL || op->phase == COVET_PHASE_CONNECT) {
    if (node_queued(&op->node)) {
      queue_remove(op->connection != NULL ? &op->connection->queue
                                          : &op->adapter->waiting,
                   &op->node);
    }
    return;
  }
  covet_lane_leave(op);
}

void covet_adapter_note(covet_op *op)
{
  covet_adapter *adapter = op->adapter;

  remove_from_queue(op);
  if (node_queued(&op->adapter_node)) {
    queue_remove(&adapter->ops, &op->adapter_node);
  }
  if (op->type != COVET_OP_QUERY && op->error == NULL) {
    return;
  }
  adapter->queries++;
  if (op->started_us != 0) {
    covet_histogram_add(&adapter->times, covet_now_us() - op->started_us);
  }
  if (op->error != NULL) {
    adapter->errors++;
    adapter->timeouts += op->error->kind == COVET_ERROR_TIMEOUT ||
                         op->error->kind == COVET_ERROR_POOL_TIMEOUT;
  }
}

/* --- The way in -------------------------------------------------------------------- */

static void wait_for_connect(covet_adapter *adapter, covet_op *op)
{
  op->state = COVET_OP_QUEUED;
  op->phase = COVET_PHASE_CONNECT;
  queue_push(&adapter->waiting, &op->node);
  covet_op_start_deadline(op);
  if (adapter->state == COVET_ADAPTER_CONNECTING) {
    return;
  }
  adapter->state = COVET_ADAPTER_CONNECTING;
  if (adapter->driver->connect != NULL) {
    adapter->driver->connect(adapter);
  } else {
    covet_pool_start(adapter->lanes[0].pool, covet_now_us());
    covet_adapter_connected(adapter, NULL);
  }
}

static unsigned choose_lane(covet_adapter *adapter, const covet_op *op)
{
  return op->type == COVET_OP_ACQUIRE
             ? adapter->driver->lease_lane(
                   adapter, (op->flags & COVET_QUERY_READ_ONLY) != 0)
             : adapter->driver->choose_lane(adapter, op);
}

static bool gathers(covet_adapter *adapter, const covet_op *op)
{
  return adapter->driver->gathers != NULL &&
         adapter->driver->gathers(adapter, op);
}

static bool run_now(covet_adapter *adapter, covet_op *op)
{
  if (adapter->driver->run_now == NULL ||
      !adapter->driver->run_now(adapter, op)) {
    return false;
  }
  adapter->inline_queries++;
  return true;
}

/* Whether connections that are to be kept are still being opened. */
static bool is_filling(const covet_adapter *adapter)
{
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (adapter->lanes[i].pool != NULL &&
        covet_pool_is_filling(adapter->lanes[i].pool)) {
      return true;
    }
  }
  return false;
}

/* Connecting ends when the connections that are to be kept were opened. One that
 * cannot be is tried again by the pool, and nobody waits for that. */
void covet_adapter_await_filled(covet_adapter *adapter, covet_op *op)
{
  if (is_filling(adapter)) {
    op->state = COVET_OP_QUEUED;
    op->phase = COVET_PHASE_CONNECT;
    queue_push(&adapter->waiting, &op->node);
    covet_op_start_deadline(op);
  } else {
    covet_op_finish(op);
  }
}

/* Where connections are kept the first one tells whether the server can be
 * used. */
static void connect_op(covet_adapter *adapter, covet_op *op)
{
  covet_lane *lane = &adapter->lanes[0];

  if (adapter->driver->connect == NULL &&
      covet_pool_get_config(lane->pool)->min_size > 0 &&
      !covet_pool_has_live(lane->pool)) {
    covet_lane_enqueue(lane, op);
  } else {
    covet_adapter_await_filled(adapter, op);
  }
}

/* An operation for a connected adapter. */
static void route(covet_adapter *adapter, covet_op *op)
{
  if (op->type == COVET_OP_CONNECT) {
    connect_op(adapter, op);
    return;
  }
  if (op->lease != 0 || op->type == COVET_OP_RELEASE) {
    covet_lease_enqueue(op);
    return;
  }
  op->lane = choose_lane(adapter, op);
  if (gathers(adapter, op)) {
    covet_lane_gather(&adapter->lanes[op->lane], op);
  } else {
    covet_lane_enqueue(&adapter->lanes[op->lane], op);
  }
}

static void disconnect(covet_adapter *adapter, covet_op *op)
{
  op->state = COVET_OP_RUNNING;
  if (adapter->disconnect != NULL || adapter->abandoned) {
    fail_closed(op);
    return;
  }
  adapter->disconnect = op;
  if (adapter->state == COVET_ADAPTER_READY) {
    adapter->state = COVET_ADAPTER_CLOSING;
    covet_adapter_filled(adapter);
  }
  adapter->state = COVET_ADAPTER_CLOSING;
  covet_op_start_deadline(op);
  covet_adapter_settle(adapter);
}

static bool hears(const covet_adapter *adapter, const covet_op *op)
{
  return !adapter->abandoned && (adapter->state != COVET_ADAPTER_CLOSING ||
                                 covet_openings_is_answer(op));
}

static covet_step run_apart(covet_adapter *adapter, covet_op *op)
{
  if (strcmp(op->sql, "refuse_openings") == 0) {
    covet_openings_refuse(adapter, op);
    return COVET_STEP_DONE;
  }
  return adapter->driver->call(adapter, op);
}

/* A call that needs none of the connections. */
static bool call_apart(covet_adapter *adapter, covet_op *op)
{
  covet_step step;

  if (op->type != COVET_OP_CALL || op->lease != 0 ||
      adapter->driver->call == NULL || !hears(adapter, op)) {
    return false;
  }
  queue_push(&adapter->ops, &op->adapter_node);
  op->state = COVET_OP_RUNNING;
  covet_op_start_deadline(op); /* pending, it may have ended by then */
  step = run_apart(adapter, op);
  if (step == COVET_STEP_DONE) {
    covet_op_finish(op);
  } else if (step == COVET_STEP_MOVE) {
    op->state = COVET_OP_NEW;
    covet_heap_remove(&op->runtime->deadlines, &op->deadline);
    queue_remove(&adapter->ops, &op->adapter_node);
  }
  return step != COVET_STEP_MOVE;
}

void covet_adapter_dispatch(covet_op *op)
{
  covet_adapter *adapter = op->adapter;

  if (op->type == COVET_OP_DISCONNECT) {
    disconnect(adapter, op);
    return;
  }
  if (call_apart(adapter, op)) {
    return;
  }
  if (op->type == COVET_OP_DRAIN) {
    covet_adapter_drain(adapter, op);
    return;
  }
  if (adapter->state == COVET_ADAPTER_READY && op->type == COVET_OP_QUERY &&
      op->lease == 0) {
    if (adapter->queries % SAMPLED == 0) {
      op->started_us = covet_now_us();
    }
    if (run_now(adapter, op)) {
      covet_op_finish(op);
      return;
    }
  }
  if (op->started_us == 0) {
    op->started_us = covet_now_us();
  }
  queue_push(&adapter->ops, &op->adapter_node);
  if (adapter->abandoned ||
      (adapter->state == COVET_ADAPTER_CLOSING && op->lease == 0) ||
      (adapter->state == COVET_ADAPTER_DISCONNECTED &&
       op->type != COVET_OP_CONNECT)) {
    fail_closed(op);
  } else if (adapter->state == COVET_ADAPTER_READY ||
             adapter->state == COVET_ADAPTER_CLOSING) {
    route(adapter, op);
  } else {
    wait_for_connect(adapter, op);
  }
  covet_adapter_settle(adapter);
}

/* --- Connecting ---------------------------------------------------------------------- */

/* Close what nobody has in the lanes from `first` on. */
static void close_lanes(covet_adapter *adapter, unsigned first)
{
  for (unsigned i = first; i < adapter->driver->lane_count; i++) {
    covet_lane_close(&adapter->lanes[i]);
  }
}

void covet_adapter_connected(covet_adapter *adapter, const covet_error *error)
{
  covet_queue waiting;
  covet_node *node;

  queue_init(&waiting);
  queue_move(&waiting, &adapter->waiting);
  if (adapter->state == COVET_ADAPTER_CONNECTING) {
    adapter->state = error == NULL ? COVET_ADAPTER_READY : COVET_ADAPTER_NEW;
  }
  if (error != NULL) {
    close_lanes(adapter, 0);
  }
  while ((node = queue_pop(&waiting)) != NULL) {
    covet_op *op = waiting_op(node);

    if (error != NULL) {
      covet_op_fail(op, error);
    } else if (adapter->state == COVET_ADAPTER_CLOSING && !adapter->draining) {
      fail_closed(op);
    } else {
      route(adapter, op);
    }
  }
  covet_adapter_settle(adapter);
}

void covet_adapter_filled(covet_adapter *adapter)
{
  covet_queue waiting;
  covet_node *node;

  if (queue_empty(&adapter->waiting) ||
      adapter->state == COVET_ADAPTER_CONNECTING ||
      (adapter->state == COVET_ADAPTER_READY && is_filling(adapter))) {
    return;
  }
  queue_init(&waiting);
  queue_move(&waiting, &adapter->waiting);
  while ((node = queue_pop(&waiting)) != NULL) {
    if (adapter->state == COVET_ADAPTER_READY || adapter->draining) {
      covet_op_finish(waiting_op(node));
    } else {
      fail_closed(waiting_op(node));
    }
  }
}

/* --- Disconnecting --------------------------------------------------------------------- */

static bool anything_lent(const covet_adapter *adapter)
{
  for (uint32_t i = 0; i < adapter->connection_count; i++) {
    covet_connection *connection = adapter->connections[i];

    if (connection != NULL && connection->state == COVET_CONNECTION_LENT) {
      return true;
    }
  }
  return false;
}

static bool anything_open(const covet_adapter *adapter, unsigned first)
{
  for (unsigned i = first; i < adapter->driver->lane_count; i++) {
    if (adapter->lanes[i].count > 0) {
      return true;
    }
  }
  return false;
}

static void stop_ops(covet_adapter *adapter)
{
  covet_node *node = queue_first(&adapter->ops);

  while (node != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, adapter_node);

    if (covet_op_stop_reason(op) == COVET_STOP_NONE &&
        op->type != COVET_OP_RELEASE) {
      covet_op_stop(op, COVET_STOP_CLOSE);
      node = queue_first(&adapter->ops); /* the list has changed */
    } else {
      node = queue_after(&adapter->ops, node);
    }
  }
}

static bool anything_posted(const covet_adapter *adapter)
{
  bool posted = adapter->openings.posted;

  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    posted |= adapter->lanes[i].posted;
  }
  return posted;
}

static bool disconnect_is_over_time(const covet_adapter *adapter)
{
  return adapter->abandoned ||
         (adapter->disconnect != NULL &&
          covet_op_stop_reason(adapter->disconnect) != COVET_STOP_NONE);
}

static void free_adapter(covet_adapter *adapter)
{
  covet_events_drop(adapter);
  queue_remove(&adapter->runtime->adapters, &adapter->node);
  for (unsigned i = 0; i < COVET_MAX_LANES; i++) {
    covet_lane_deinit(&adapter->lanes[i]);
  }
  adapter->driver->adapter_deinit(adapter);
  covet_arena_deinit(&adapter->arena);
  free(adapter->connections);
  free(adapter);
}

static void finish_disconnect(covet_adapter *adapter)
{
  covet_op *op = adapter->disconnect;

  adapter->state = COVET_ADAPTER_DISCONNECTED;
  adapter->disconnect = NULL;
  atomic_store(&adapter->forced, false);
  covet_adapter_drained(adapter);
  if (op != NULL) {
    covet_op_finish(op);
  }
  if (adapter->abandoned) {
    free_adapter(adapter);
  }
}

void covet_adapter_settle(covet_adapter *adapter)
{
  bool forced = disconnect_is_over_time(adapter);

  if ((adapter->disconnect == NULL && !adapter->abandoned &&
       !adapter->draining) ||
      adapter->settling) {
    return;
  }
  adapter->settling = true;
  if (forced) {
    atomic_store(&adapter->forced, true);
    stop_ops(adapter);
    covet_leases_reclaim(adapter);
  }
  if (queue_empty(&adapter->ops) && !anything_lent(adapter)) {
    /* the first lane last: SQLite's writer then tidies up behind the others */
    close_lanes(adapter, 1);
    if (!anything_open(adapter, 1)) {
      covet_lane_close(&adapter->lanes[0]);
    }
  }
  adapter->settling = false;
  if (queue_empty(&adapter->ops) && !anything_open(adapter, 0) &&
      !anything_posted(adapter)) {
    finish_disconnect(adapter);
  }
}

void covet_adapter_abandon(covet_adapter *adapter)
{
  adapter->abandoned = true;
  covet_openings_forsake(adapter);
  if (adapter->state == COVET_ADAPTER_READY) {
    adapter->state = COVET_ADAPTER_CLOSING;
    covet_adapter_filled(adapter);
  }
  covet_adapter_settle(adapter);
}

bool covet_adapter_awaits_turn_end(const covet_adapter *adapter)
{
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (!queue_empty(&adapter->lanes[i].gathered)) {
      return true;
    }
  }
  return adapter->driver->turn_end != NULL &&
         adapter->driver->awaits_turn_end(adapter);
}

void covet_adapter_turn_end(covet_adapter *adapter)
{
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (!queue_empty(&adapter->lanes[i].gathered)) {
      covet_lane_turn_end(&adapter->lanes[i]);
    }
  }
  if (adapter->driver->turn_end != NULL) {
    adapter->driver->turn_end(adapter);
  }
}

/* --- Making and freeing ------------------------------------------------------------------ */

static void on_attach(covet_post *post)
{
  covet_adapter *adapter = COVET_CONTAINER(post, covet_adapter, attach);

  queue_push(&adapter->runtime->adapters, &adapter->node);
}

static void on_detach(covet_post *post)
{
  covet_adapter_abandon(COVET_CONTAINER(post, covet_adapter, detach));
}

void covet_adapter_post(covet_adapter *adapter, covet_post *message)
{
  if (adapter->runtime->mode == COVET_OWN_THREAD) {
    covet_runtime_post(adapter->runtime, message);
  } else {
    message->run(message);
  }
}

static const covet_driver *find_driver(const char *scheme)
{
  static const char *const schemes[][2] = {
      {"sqlite", "sqlite"},       {"postgresql", "postgresql"},
      {"postgres", "postgresql"}, {"mysql", "mysql"},
      {"mariadb", "mysql"},
  };

  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
    if (strcmp(schemes[i][0], scheme) != 0) {
      continue;
    }
    for (const covet_driver *const *driver = covet_drivers; *driver; driver++) {
      if (strcmp((*driver)->name, schemes[i][1]) == 0) {
        return *driver;
      }
    }
  }
  return NULL;
}

/* Names and values are all there. */
static bool are_sound(const covet_option *options, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (options == NULL || options[i].name == NULL ||
        options[i].value == NULL) {
      return false;
    }
  }
  return true;
}

static int make(covet_adapter *adapter, const char *text,
                const covet_option *options, size_t count, covet_error *error)
{
  covet_url url;
  int status;

  if (text == NULL || !are_sound(options, count)) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "the URL, or an option's name or value, is missing");
    return COVET_EUSAGE;
  }
  status = covet_url_parse(text, &adapter->arena, &url, error);
  if (status != 0) {
    return status;
  }
  adapter->driver = find_driver(url.scheme);
  if (adapter->driver == NULL) {
    covet_error_set(error, COVET_ERROR_UNSUPPORTED,
                    "no driver for %s:// is in this build of covet",
                    url.scheme);
    return COVET_EUNSUPPORTED;
  }
  for (unsigned i = 0; i < COVET_MAX_LANES; i++) {
    covet_lane_init(&adapter->lanes[i], adapter, i);
  }
  return adapter->driver->adapter_init(adapter, &url, options, count, error);
}

int covet_adapter_new(covet_runtime *runtime, const char *url,
                      const covet_option *options, size_t option_count,
                      covet_adapter **out, covet_error *error)
{
  covet_adapter *adapter = calloc(1, sizeof(*adapter));
  int status;

  *out = NULL;
  if (adapter == NULL) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  adapter->runtime = runtime;
  queue_init(&adapter->ops);
  queue_init(&adapter->waiting);
  queue_init(&adapter->drains);
  covet_openings_init(adapter);
  status = make(adapter, url, options, option_count, error);
  if (status != 0) {
    covet_arena_deinit(&adapter->arena);
    free(adapter);
    return status;
  }
  adapter->attach.run = on_attach;
  adapter->detach.run = on_detach;
  covet_adapter_init_changes(adapter);
  covet_adapter_post(adapter, &adapter->attach);
  *out = adapter;
  return 0;
}

void covet_adapter_free(covet_adapter *adapter)
{
  if (adapter != NULL && !covet_runtime_forked(adapter->runtime)) {
    covet_adapter_post(adapter, &adapter->detach);
  }
}

const char *covet_adapter_database(const covet_adapter *adapter)
{
  return adapter->driver->name;
}

static bool is_complete(const covet_function *function)
{
  bool works = function->aggregate
                   ? function->step != NULL && function->finish != NULL
                   : function->call != NULL;

  return works && function->name != NULL && function->open != NULL &&
         function->close != NULL && function->release != NULL &&
         strlen(function->name) <= MOST_NAME && function->arity >= -1 &&
         function->arity <= MOST_ARITY;
}

int covet_adapter_add_function(covet_adapter *adapter,
                               const covet_function *function,
                               covet_error *error)
{
  int status = COVET_EUNSUPPORTED;

  if (!is_complete(function)) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "a function has a name of at most %d bytes, -1 to %d "
                    "arguments, and all its parts",
                    MOST_NAME, MOST_ARITY);
    return COVET_EUSAGE;
  }
  if (adapter->driver->add_function != NULL) {
    status = adapter->driver->add_function(adapter, function);
  }
  if (status == COVET_EUNSUPPORTED) {
    covet_error_set(error, COVET_ERROR_UNSUPPORTED,
                    "%s takes no functions from outside",
                    adapter->driver->name);
  } else if (status != 0) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  return status;
}
