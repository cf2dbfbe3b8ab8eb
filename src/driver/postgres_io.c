/* The socket: what is wanted of it, what it brings. */
#include "postgres.h"

enum {
  READ_US = 1000, /* how long one turn goes on with one connection */
  READS = 8       /* looks at the socket in one turn */
};

/* --- Handles ---------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
  pg_connection *connection = handle->data;

  connection->runtime->open_handles--;
  if (--connection->handles > 0) {
    return;
  }
  if (connection->freed) {
    pg_connection_deinit(connection);
  } else {
    covet_connection_closed(&connection->base);
  }
}

bool pg_io_init(pg_connection *connection, covet_runtime *runtime)
{
  if (uv_timer_init(runtime->loop, &connection->timer) != 0 ||
      uv_timer_init(runtime->loop, &connection->clock) != 0) {
    return false;
  }
  connection->runtime = runtime;
  connection->timer.data = connection;
  uv_unref((uv_handle_t *) &connection->timer);
  pg_watch_init(connection);
  connection->handles = 2;
  runtime->open_handles += 2;
  return true;
}

/* For good, and at once: libpq closes a socket that has ended. Its number may be
 * another connection's soon, and libuv forgets whatever has the number when it is told
 * to stop. */
void pg_io_unwatch(pg_connection *connection)
{
  if (connection->has_poll) {
    connection->has_poll = false;
    connection->events = 0;
    uv_close((uv_handle_t *) &connection->poll, on_handle_closed);
  }
}

void pg_io_stop(pg_connection *connection)
{
  connection->closing = true;
  pg_io_unwatch(connection); /* before its descriptor goes */
  uv_close((uv_handle_t *) &connection->timer, on_handle_closed);
  uv_close((uv_handle_t *) &connection->clock, on_handle_closed);
}

void pg_io_free(pg_connection *connection)
{
  connection->freed = true;
  if (connection->handles == 0) {
    pg_connection_deinit(connection);
  } else if (!connection->closing) {
    pg_io_stop(connection);
  }
}

void pg_timer(pg_connection *connection, uint64_t us, uv_timer_cb run)
{
  if (connection->closing) {
    return;
  }
  if (us == 0) {
    (void) uv_timer_stop(&connection->timer);
  } else {
    (void) uv_timer_start(&connection->timer, run, (us + 999) / 1000, 0);
  }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  pg_connection *connection = poll->data;
  covet_runtime *runtime = connection->runtime;

  runtime->polled = true;
  if (status < 0) {
    pg_lose(connection);
  } else {
    if (events & UV_WRITABLE) {
      pg_flush(connection);
    }
    if (events & UV_READABLE) {
      pg_read(connection);
    }
  }
  runtime->polled = false;
}

int pg_io_start(pg_connection *connection)
{
  uv_loop_t *loop = connection->base.adapter->runtime->loop;

  if (uv_poll_init(loop, &connection->poll, PQsocket(connection->pq)) != 0) {
    return -1;
  }
  connection->poll.data = connection;
  uv_unref((uv_handle_t *) &connection->poll);
  connection->has_poll = true;
  connection->handles++;
  connection->runtime->open_handles++;
  pg_poll(connection);
  return 0;
}

void pg_poll(pg_connection *connection)
{
  int wanted = (connection->paused ? 0 : UV_READABLE) |
               (connection->flushing ? UV_WRITABLE : 0);

  if (!connection->has_poll || connection->lost ||
      wanted == connection->events) {
    return;
  }
  connection->events = wanted;
  if (wanted == 0) {
    (void) uv_poll_stop(&connection->poll);
  } else {
    (void) uv_poll_start(&connection->poll, wanted, on_poll);
  }
}

/* --- Writing ---------------------------------------------------------------------- */

void pg_flush(pg_connection *connection)
{
  int left = PQflush(connection->pq);

  if (left < 0) {
    connection->flushing = false;
    pg_read(connection); /* what the server said last; libpq has closed it */
    return;
  }
  connection->flushing = left > 0;
  pg_poll(connection);
  if (left == 0 && connection->mode == PG_MODE_COPY_IN) {
    pg_copy_writable(connection);
  }
}

/* --- Reading ---------------------------------------------------------------------- */

void pg_settle(pg_connection *connection, covet_op *op, covet_step step)
{
  if (connection->stepping == op) {
    connection->settled = true;
    connection->step = step;
  } else {
    covet_connection_report(&connection->base, op, step);
  }
}

static bool expects_results(const pg_connection *connection)
{
  return connection->mode == PG_MODE_PIPELINE ? connection->command_count > 0
                                              : connection->simple != NULL;
}

/* Of a pool's connection they are for nobody. */
static void take_notifications(pg_connection *connection)
{
  PGnotify *notify;

  while ((notify = PQnotifies(connection->pq)) != NULL) {
    if (connection->base.lane->index == PG_LISTENER) {
      pg_listener_notified(connection, notify);
    }
    PQfreemem(notify);
  }
}

/* Take the results that are there. */
static void take_results(pg_connection *connection)
{
  bool more = true;

  while (more && !connection->closing && !connection->paused &&
         !connection->lost && expects_results(connection)) {
    if (connection->mode != PG_MODE_PIPELINE) {
      more = pg_take_simple(connection);
      continue;
    }
    pg_take_waiting(connection);
    if (connection->paused || connection->lost || connection->closing) {
      return;
    }
    more = !PQisBusy(connection->pq);
    if (more) {
      pg_take_result(connection, PQgetResult(connection->pq));
    }
  }
}

void pg_read(pg_connection *connection)
{
  uint64_t start = 0;

  if (connection->reading || connection->closing || connection->lost) {
    return; /* whoever reads already goes on */
  }
  connection->reading = true;
  for (int reads = 0; reads < READS; reads++) {
    bool alive = PQconsumeInput(connection->pq) == 1;

    take_results(connection);
    take_notifications(connection);
    if (!alive || PQstatus(connection->pq) == CONNECTION_BAD) {
      connection->reading = false;
      pg_lose(connection);
      return;
    }
    if (connection->closing || connection->paused ||
        !expects_results(connection)) {
      break;
    }
    start = start == 0 ? covet_now_us() : start;
    if (reads > 0 && covet_now_us() - start > READ_US) {
      break;
    }
  }
  connection->reading = false;
  if (!connection->closing) {
    if (connection->flushing) {
      pg_flush(connection);
    }
    pg_poll(connection);
  }
}

/* Tell whoever has the connection: with that it may go. */
static void tell_lost(pg_connection *connection)
{
  covet_connection *base = &connection->base;

  if (connection->pinging) {
    connection->pinging = false;
    covet_connection_pinged(base, false);
  } else if (base->running != NULL) {
    pg_settle(connection, base->running, COVET_STEP_DONE);
  } else if (base->quarantined) {
    covet_connection_recovered(base);
  } else if (base->lane->index == PG_LISTENER) {
    pg_listener_lost(connection);
    covet_connection_lost(base);
  } else if (base->state == COVET_CONNECTION_IDLE ||
             base->state == COVET_CONNECTION_LENT) {
    covet_connection_lost(base);
  }
}

void pg_lose(pg_connection *connection)
{
  if (connection->lost || connection->closing) {
    return;
  }
  connection->lost = true;
  connection->base.broken = true;
  connection->flushing = false;
  connection->paused = false;
  pg_io_unwatch(connection);
  pg_timer(connection, 0, NULL);
  (void) uv_timer_stop(&connection->clock);
  if (node_queued(&connection->collecting)) {
    queue_remove(&connection->adapter->collecting, &connection->collecting);
    pg_fault_unsent(connection, connection->base.running);
  }
  pg_cancel_forget(connection);
  pg_requests_lost(connection);
  pg_simple_lost(connection);
  pg_copy_free(connection);
  tell_lost(connection);
}
