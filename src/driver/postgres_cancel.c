/* Ending a query before its time: the server is asked to, by a connection of
 * PQcancel's own on a helper thread; who asked for it is told after a short while
 * in any case; and what does not end within the grace time is closed. Until both
 * the query and the cancel have ended nobody gets the connection: a cancel that
 * comes late would hit the next query. */
#include "../core/error.h"
#include "postgres.h"

#include <pthread.h>
#include <stdlib.h>

enum {
  PATIENCE_US = 250000, /* for the answer that the query was cancelled */
  GRACE_US = 5000000
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

static bool is_busy(const pg_connection *connection)
{
  return connection->command_count > 0 || connection->simple != NULL;
}

void pg_end_canceled(pg_connection *connection, covet_op *op)
{
  if (op->type != COVET_OP_RELEASE) {
    covet_connection_quarantine(&connection->base, op);
  }
}

void pg_cancel_settled(pg_connection *connection)
{
  covet_op *running = connection->base.running;

  if (is_busy(connection) || pg_is_canceling(connection)) {
    return;
  }
  if (connection->cancel_timed) {
    connection->cancel_timed = false;
    pg_timer(connection, 0, NULL);
  }
  if (running != NULL && running->type == COVET_OP_RELEASE &&
      connection->mode == PG_MODE_PIPELINE) {
    pg_settle(connection, running, COVET_STEP_DONE);
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

static void on_grace_over(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;

  if (connection->simple != NULL || pg_is_canceling(connection) ||
      connection->answered_sync < connection->cancel_target) {
    pg_lose(connection); /* else it is busy for others */
  }
}

void pg_guard(pg_connection *connection)
{
  if (!connection->cancel_timed) {
    connection->cancel_timed = true;
    connection->cancel_target = connection->sync_number;
    pg_timer(connection, GRACE_US, on_grace_over);
  }
}

/* The operation's time is up, whatever the server does. */
static void on_patience_over(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;
  covet_node *node = queue_first(&connection->requests);

  pg_timer(connection, GRACE_US, on_grace_over);
  while (node != NULL) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);
    covet_op *op = request->op;

    node = queue_after(&connection->requests, node);
    if (op != NULL && covet_op_stop_reason(op) != COVET_STOP_NONE) {
      pg_fault_stopped(request);
      pg_disown(connection, op);
      return;
    }
  }
  if (connection->simple != NULL &&
      covet_op_stop_reason(connection->simple) != COVET_STOP_NONE) {
    pg_lose(connection); /* a script or a COPY: its state is not known */
  }
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

void pg_cancel_drained(pg_connection *connection)
{
  const pg_command *first = pg_command_first(connection);

  if (first != NULL && first->request != NULL) {
    connection->cancel_target = first->request->sync;
  }
  if (pg_is_canceling(connection)) {
    return;
  }
  if (first != NULL && first->request != NULL) {
    connection->canceled_sync = first->request->sync;
  }
  connection->cancel_sync = connection->sync_number;
  connection->cancel_timed = true;
  if (start_thread(connection)) {
    pg_timer(connection, PATIENCE_US, on_patience_over);
  } else {
    pg_timer(connection, 1, on_patience_over);
  }
}

static bool is_unwanted(const pg_request *request)
{
  return request->statement != NULL &&
         (request->op == NULL ||
          covet_op_stop_reason(request->op) != COVET_STOP_NONE);
}

/* Looked at once for each Sync, and again when a cancel has ended: whose turn it
 * is within is not known before. */
void pg_cancel_unwanted(pg_connection *connection)
{
  const pg_command *first = pg_command_first(connection);
  covet_node *node = queue_first(&connection->requests);

  if (first == NULL || first->request == NULL ||
      first->request->sync <= connection->canceled_sync ||
      first->request->sync == connection->looked_sync) {
    return;
  }
  connection->looked_sync = first->request->sync;
  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    const pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->sync == first->request->sync && is_unwanted(request)) {
      pg_cancel_drained(connection);
      return;
    }
  }
}

/* Whether the server may be at it. Its answers come with the Sync: which of those
 * that share one runs is not known. All of them fail; of different callers the
 * others are sent once more. */
static bool is_at(pg_connection *connection, const pg_request *request)
{
  const pg_command *first = pg_command_first(connection);

  return first != NULL && first->request != NULL &&
         first->request->sync == request->sync;
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
  if (is_at(connection, request)) {
    pg_cancel_drained(connection);
    return;
  }
  /* one that waits behind others: they are not to be disturbed */
  covet_op_fault_stopped(op);
  pg_disown(connection, op);
}
