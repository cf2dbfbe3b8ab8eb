/* The socket: what is wanted of it, what it brings. */
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_session.h"

#include <fcntl.h>

/* --- Handles ---------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
  my_connection *connection = handle->data;

  connection->runtime->open_handles--;
  if (--connection->handles > 0) {
    return;
  }
  if (connection->freed) {
    my_connection_deinit(connection);
  } else {
    covet_connection_closed(&connection->base);
  }
}

bool my_io_init(my_connection *connection, covet_runtime *runtime)
{
  if (uv_timer_init(runtime->loop, &connection->timer) != 0) {
    return false;
  }
  connection->runtime = runtime;
  connection->timer.data = connection;
  uv_unref((uv_handle_t *) &connection->timer);
  connection->handles = 1;
  runtime->open_handles++;
  return true;
}

/* For good, and at once: libmariadb closes a socket that has ended. Its number may be
 * another connection's soon, and libuv forgets whatever has the number when it is told
 * to stop. */
void my_io_unwatch(my_connection *connection)
{
  if (connection->has_poll) {
    connection->has_poll = false;
    connection->events = 0;
    uv_close((uv_handle_t *) &connection->poll, on_handle_closed);
  }
}

/* The poll handle goes before its descriptor; a worker's call before both. */
static void close_handles(my_connection *connection)
{
  my_io_unwatch(connection);
  uv_close((uv_handle_t *) &connection->timer, on_handle_closed);
}

/* What is on its way to the connection comes first. */
void my_io_close(my_connection *connection)
{
  if (!my_worker_is_busy(connection) && !connection->posted) {
    close_handles(connection);
  }
}

void my_io_stop(my_connection *connection)
{
  if (!connection->closing) {
    connection->closing = true;
    my_abort(connection);
    my_io_close(connection);
  }
}

void my_io_free(my_connection *connection)
{
  connection->freed = true;
  if (connection->handles == 0) {
    my_connection_deinit(connection);
  } else {
    my_io_stop(connection);
  }
}

static void on_clock(uv_timer_t *timer)
{
  my_connection *connection = timer->data;
  my_clock clock = connection->clock;

  connection->clock = MY_CLOCK_NONE;
  switch (clock) {
  case MY_CLOCK_OPENING:
    my_open_overdue(connection);
    break;
  case MY_CLOCK_ENDING:
    my_cancel_tick(connection);
    break;
  case MY_CLOCK_LEFT:
    if (connection->request.op == NULL && my_is_calling(connection)) {
      my_kill(connection);
    }
    break;
  case MY_CLOCK_RESET:
    my_reset_overdue(connection);
    break;
  case MY_CLOCK_NONE:
    break;
  }
}

void my_clock_start(my_connection *connection, my_clock clock, uint64_t us)
{
  if (!connection->closing) {
    connection->clock = clock;
    (void) uv_timer_start(&connection->timer, on_clock, (us + 999) / 1000, 0);
  }
}

void my_clock_stop(my_connection *connection)
{
  connection->clock = MY_CLOCK_NONE;
  if (!connection->closing) {
    (void) uv_timer_stop(&connection->timer);
  }
}

/* --- Events ------------------------------------------------------------------------ */

static int library_events(int events)
{
  return (events & UV_READABLE ? MYSQL_WAIT_READ : 0) |
         (events & UV_WRITABLE ? MYSQL_WAIT_WRITE : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  my_connection *connection = poll->data;
  covet_runtime *runtime = connection->runtime;

  runtime->polled = true;
  if (status == 0 && my_is_calling(connection)) {
    my_go_on(connection, library_events(events));
  } else {
    my_lose(connection); /* where nobody asked it is the server's last word */
  }
  runtime->polled = false;
}

/* libuv has made the socket such that nothing waits in it. That is right for calls
 * that do not block; others would give up at once where TLS is used. */
static void let_block(int socket_number)
{
  int flags = fcntl(socket_number, F_GETFL);

  if (flags >= 0) {
    (void) fcntl(socket_number, F_SETFL, flags & ~O_NONBLOCK);
  }
}

int my_io_start(my_connection *connection)
{
  uv_loop_t *loop = connection->runtime->loop;
  int socket_number = (int) mysql_get_socket(connection->mysql);

  if (uv_poll_init(loop, &connection->poll, socket_number) != 0) {
    return -1;
  }
  if (connection->adapter->options.threads) {
    let_block(socket_number);
  }
  connection->poll.data = connection;
  uv_unref((uv_handle_t *) &connection->poll);
  connection->has_poll = true;
  connection->handles++;
  connection->runtime->open_handles++;
  my_poll(connection);
  return 0;
}

/* Between calls the socket is watched for its end. */
static int wanted_events(const my_connection *connection)
{
  if (connection->worker != NULL && my_is_calling(connection)) {
    return 0; /* the worker's */
  }
  if (!my_is_calling(connection)) {
    return UV_READABLE;
  }
  return (connection->waits & MYSQL_WAIT_READ ? UV_READABLE : 0) |
         (connection->waits & MYSQL_WAIT_WRITE ? UV_WRITABLE : 0);
}

void my_poll(my_connection *connection)
{
  int wanted = wanted_events(connection);

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

/* --- Operations --------------------------------------------------------------------- */

/* How a connection is lost. That may be noticed inside a call of the library's, with
 * frames of the driver below it, and whoever is told of it may free all there is. So
 *
 * - my_lose marks it, once: nothing begins on it any more, and who is on the stack
 *   goes no further. It takes away what could still come (events, the clock, a kill),
 *   and has the call that is suspended run to its error, which frees what that holds.
 *   A worker's call cannot be ended from here: its socket is shut down, and the rest
 *   waits for its report;
 * - my_end_lost follows when no call is left. my_request_lost gives the operations of
 *   the request and of what waits behind it their errors, takes the request apart, and
 *   ends the one that the core does not run here;
 * - tell_lost is last, and nothing comes behind it: it reports the operation that the
 *   core does run, or the ping, or the end of the quarantine, or tells the pool. */

void my_settle(my_connection *connection, covet_op *op, covet_step step)
{
  if (connection->stepping == op) {
    connection->settled = true;
    connection->step = step;
  } else {
    covet_connection_report(&connection->base, op, step);
  }
}

/* Tell whoever has the connection: with that it may go. */
static void tell_lost(my_connection *connection)
{
  covet_connection *base = &connection->base;

  if (connection->pinging) {
    connection->pinging = false;
    covet_connection_pinged(base, false);
  } else if (base->running != NULL) {
    my_settle(connection, base->running, COVET_STEP_DONE);
  } else if (base->quarantined) {
    covet_connection_recovered(base);
  } else if (base->state == COVET_CONNECTION_IDLE ||
             base->state == COVET_CONNECTION_LENT) {
    covet_connection_lost(base);
  }
}

void my_lose(my_connection *connection)
{
  if (connection->lost || connection->closing) {
    return;
  }
  connection->lost = true;
  connection->base.broken = true;
  my_io_unwatch(connection);
  my_clock_stop(connection);
  my_cancel_forget(connection);
  my_abort(connection);
  if (!my_worker_is_busy(connection)) {
    my_end_lost(connection);
  }
}

void my_end_lost(my_connection *connection)
{
  connection->paused = false;
  my_request_lost(connection);
  tell_lost(connection);
}
