/* Ending a query before its time: the server is asked to, by a connection of
 * PQcancel's own on a helper thread, and asked again, for a cancel that comes
 * between two statements hits none; who asked for it is told after a short while
 * in any case; and what does not end within the grace time is closed. Until both
 * the query and the cancel have ended nobody gets the connection: a cancel that
 * comes late would hit the next query. */
#include "../core/error.h"
#include "postgres.h"

#include <pthread.h>
#include <stdlib.h>

/* While something is to end, a clock ticks: */
enum {
  TICK_MS = 125,
  PATIENCE = 2, /* ticks until who is to end is told, come what may, */
  AGAIN = 4,    /* between two cancels, */
  GRACE = 40    /* and until the connection is closed, if nothing moves */
};

/* The thread and the loop have one half each; whoever comes last frees it. */
struct pg_canceling {
  covet_post post;
  uv_mutex_t lock;
  covet_runtime *runtime;
  pg_connection *connection; /* NULL: given up */
  bool done;
  PGcancel *cancel;
};

static void free_canceling(pg_canceling *canceling)
{
  PQfreeCancel(canceling->cancel);
  uv_mutex_destroy(&canceling->lock);
  free(canceling);
}

static void run(void *argument)
{
  pg_canceling *canceling = argument;
  char text[256];
  bool wanted;

  (void) PQcancel(canceling->cancel, text, sizeof(text));
  uv_mutex_lock(&canceling->lock);
  canceling->done = true;
  wanted = canceling->connection != NULL;
  if (wanted) {
    covet_runtime_post(canceling->runtime, &canceling->post);
  }
  uv_mutex_unlock(&canceling->lock);
  if (!wanted) {
    free_canceling(canceling);
  }
}

bool pg_is_canceling(const pg_connection *connection)
{
  return connection->canceling != NULL;
}

void pg_end_canceled(pg_connection *connection, covet_op *op)
{
  if (op->type != COVET_OP_RELEASE) {
    covet_connection_quarantine(&connection->base, op);
  }
}

/* A release has waited for this. */
static void end_release(pg_connection *connection, covet_op *op)
{
  if (pg_needs_reset(connection)) {
    (void) pg_reset(connection, op);
  } else {
    pg_settle(connection, op, COVET_STEP_DONE);
  }
}

void pg_cancel_settled(pg_connection *connection)
{
  covet_op *running = connection->base.running;

  if (connection->command_count > 0 || connection->simple != NULL ||
      pg_is_canceling(connection)) {
    return;
  }
  if (running != NULL && running->type == COVET_OP_RELEASE &&
      connection->mode == PG_MODE_PIPELINE) {
    end_release(connection, running);
    return;
  }
  if (!connection->base.quarantined) {
    return;
  }
  if (connection->base.state == COVET_CONNECTION_BUSY &&
      pg_needs_reset(connection)) {
    connection->base.broken = true;
  }
  covet_connection_recovered(&connection->base);
}

static void on_done(covet_post *post)
{
  pg_canceling *canceling = COVET_CONTAINER(post, pg_canceling, post);
  pg_connection *connection = canceling->connection;

  uv_mutex_lock(&canceling->lock); /* the thread has left it */
  uv_mutex_unlock(&canceling->lock);
  free_canceling(canceling);
  if (connection == NULL) {
    return;
  }
  connection->canceling = NULL;
  connection->cancel_sync = connection->sync_number; /* any of them was hit */
  connection->looked_sync = 0;
  pg_cancel_unwanted(connection); /* the next one, while this was on its way */
  pg_cancel_settled(connection);
}

void pg_cancel_forget(pg_connection *connection)
{
  pg_canceling *canceling = connection->canceling;

  if (canceling == NULL) {
    return;
  }
  connection->canceling = NULL;
  uv_mutex_lock(&canceling->lock);
  canceling->connection = NULL; /* the thread, or its post, frees the rest */
  uv_mutex_unlock(&canceling->lock);
}

static bool start_thread(pg_connection *connection)
{
  pg_canceling *canceling = calloc(1, sizeof(*canceling));
  uv_thread_t thread;

  if (canceling == NULL) {
    return false;
  }
  canceling->cancel = PQgetCancel(connection->pq);
  if (canceling->cancel == NULL || uv_mutex_init(&canceling->lock) != 0) {
    PQfreeCancel(canceling->cancel);
    free(canceling);
    return false;
  }
  canceling->runtime = connection->base.adapter->runtime;
  canceling->connection = connection;
  canceling->post.run = on_done;
  connection->canceling = canceling;
  if (uv_thread_create(&thread, run, canceling) != 0) {
    connection->canceling = NULL;
    free_canceling(canceling);
    return false;
  }
  (void) pthread_detach(thread);
  return true;
}

/* --- What is unwanted ---------------------------------------------------------------- */

static bool is_stopped(covet_op *op)
{
  return op != NULL && covet_op_stop_reason(op) != COVET_STOP_NONE;
}

static bool is_unwanted(const pg_request *request)
{
  return request->op == NULL || is_stopped(request->op);
}

/* The Sync that ends what the server is at; 0: what it is at is nobody's request,
 * or nothing. */
static uint64_t sync_at(pg_connection *connection)
{
  const pg_command *first = pg_command_first(connection);

  return first == NULL || first->request == NULL ? 0 : first->request->sync;
}

/* Whether something that ends with this Sync is for nobody; `statements`: of
 * callers, for ours are short. */
static bool has_unwanted(const pg_connection *connection, uint64_t sync,
                         bool statements)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    const pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->sync == sync && is_unwanted(request) &&
        (!statements || request->statement != NULL)) {
      return true;
    }
  }
  return false;
}

static void ask_server(pg_connection *connection)
{
  uint64_t sync = sync_at(connection);

  if (pg_is_canceling(connection)) {
    return;
  }
  if (sync != 0) {
    connection->canceled_sync = sync;
  }
  connection->cancel_sync = connection->sync_number;
  (void) start_thread(connection); /* else the clock tries again */
}

/* --- The clock -------------------------------------------------------------------------- */

/* A script, or a COPY that its borrower may have left open. */
static bool is_mode_ending(const pg_connection *connection)
{
  return is_stopped(connection->simple) ||
         (connection->mode == PG_MODE_COPY_IN && connection->simple != NULL &&
          connection->simple->type == COVET_OP_RELEASE);
}

static bool has_to_end(const pg_connection *connection)
{
  return pg_is_canceling(connection) || is_mode_ending(connection) ||
         (connection->mode == PG_MODE_PIPELINE &&
          connection->answered_sync < connection->watch_target);
}

/* Whether what the server is at is all that keeps it from ending. */
static bool is_stuck(pg_connection *connection)
{
  uint64_t sync = sync_at(connection);

  return pg_is_canceling(connection) || connection->simple != NULL ||
         sync == 0 || has_unwanted(connection, sync, false);
}

/* The next request whose time is up, whatever the server does. */
static pg_request *next_overdue(const pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (is_stopped(request->op) && request->overdue >= PATIENCE) {
      return request;
    }
  }
  return NULL;
}

static void tell_overdue(pg_connection *connection)
{
  covet_node *node = queue_first(&connection->requests);
  pg_request *request;

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    request = COVET_CONTAINER(node, pg_request, node);
    request->overdue += is_stopped(request->op);
  }
  while (!connection->lost && !connection->closing &&
         (request = next_overdue(connection)) != NULL) {
    covet_op *op = request->op;

    pg_fault_stopped(request);
    connection->base.overdue = true;
    pg_disown(connection, op);
  }
}

static void ask_again(pg_connection *connection)
{
  uint64_t sync = sync_at(connection);

  if (is_mode_ending(connection) ||
      (sync != 0 && has_unwanted(connection, sync, true))) {
    ask_server(connection);
  }
}

static void on_tick(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;

  if (!has_to_end(connection)) {
    (void) uv_timer_stop(timer);
    return;
  }
  if (connection->watch_seen != connection->answered_sync) {
    connection->watch_seen = connection->answered_sync;
    connection->watch_ticks = 0;
  }
  connection->watch_ticks += is_stuck(connection);
  if (connection->watch_ticks >= GRACE ||
      (is_stopped(connection->simple) &&
       connection->watch_ticks >= PATIENCE)) { /* its state is not known */
    pg_lose(connection);
    return;
  }
  if (connection->watch_ticks > 0 && connection->watch_ticks % AGAIN == 0) {
    ask_again(connection);
  }
  tell_overdue(connection); /* with the last the connection may go */
}

/* See to it that what ends with this Sync does end. */
static void watch(pg_connection *connection, uint64_t sync)
{
  if (sync > connection->watch_target) {
    connection->watch_target = sync;
  }
  if (connection->simple != NULL ||
      !uv_is_active((uv_handle_t *) &connection->clock)) {
    connection->watch_ticks = 0;
    connection->watch_seen = connection->answered_sync;
    (void) uv_timer_start(&connection->clock, on_tick, TICK_MS, TICK_MS);
  }
}

void pg_watch_init(pg_connection *connection)
{
  connection->clock.data = connection;
  uv_unref((uv_handle_t *) &connection->clock);
}

void pg_guard(pg_connection *connection)
{
  watch(connection, connection->sync_number);
}

/* --- Cancels ---------------------------------------------------------------------------- */

void pg_cancel_drained(pg_connection *connection)
{
  uint64_t sync = sync_at(connection);

  watch(connection, sync == 0 ? connection->sync_number : sync);
  ask_server(connection);
}

/* Looked at once for each Sync, and again when a cancel has ended: whose turn it
 * is within is not known before. */
void pg_cancel_unwanted(pg_connection *connection)
{
  uint64_t sync = sync_at(connection);

  if (sync <= connection->canceled_sync || sync == connection->looked_sync) {
    return;
  }
  connection->looked_sync = sync;
  if (has_unwanted(connection, sync, true)) {
    pg_cancel_drained(connection);
  }
}

void pg_cancel(covet_connection *base, covet_op *op)
{
  pg_connection *connection = pg_connection_of(base);
  pg_request *request;

  if (covet_op_stop_reason(op) == COVET_STOP_CLOSE) {
    pg_lose(connection);
    return;
  }
  if (connection->mode != PG_MODE_PIPELINE) {
    pg_cancel_drained(connection);
    return;
  }
  request = pg_request_of(connection, op);
  if (request == NULL) {
    return;
  }
  /* The server may be at it. Its answers come with the Sync: which of those that
   * share one runs is not known. All of them fail; of different callers the
   * others are sent once more. */
  if (sync_at(connection) == request->sync) {
    pg_cancel_drained(connection);
    return;
  }
  /* one that waits behind others: they are not to be disturbed */
  covet_op_fault_stopped(op);
  pg_disown(connection, op);
}
