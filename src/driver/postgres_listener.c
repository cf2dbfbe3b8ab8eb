/* The connection that listens: opened again when it is lost, checked while nothing
 * comes. */
#include "postgres_listener.h"
#include "../core/batch.h"
#include "../core/error.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BACKOFF_MS = 100, LONGEST_BACKOFF_MS = 5000 };

static void free_listener(pg_listener *listener)
{
  covet_node *node;

  while ((node = queue_pop(&listener->channels)) != NULL) {
    pg_channel_free(pg_channel_at(node));
  }
  free(listener);
}

static void on_timer_closed(uv_handle_t *handle)
{
  free_listener(handle->data);
}

void pg_listener_free(pg_adapter *adapter)
{
  pg_listener *listener = adapter->listener;

  adapter->listener = NULL;
  if (listener != NULL && listener->has_timer) {
    uv_close((uv_handle_t *) &listener->timer, on_timer_closed);
  } else if (listener != NULL) {
    free_listener(listener);
  }
}

/* --- Telling ---------------------------------------------------------------------------- */

static const covet_shape *row_shape(pg_adapter *adapter)
{
  static const covet_column columns[] = {{.name = "channel",
                                          .type = "text",
                                          .name_length = 7,
                                          .type_length = 4,
                                          .kind = COVET_TEXT},
                                         {.name = "payload",
                                          .type = "text",
                                          .name_length = 7,
                                          .type_length = 4,
                                          .kind = COVET_TEXT},
                                         {.name = "pid",
                                          .type = "integer",
                                          .name_length = 3,
                                          .type_length = 7,
                                          .kind = COVET_INTEGER},
                                         {.name = "gap",
                                          .type = "boolean",
                                          .name_length = 3,
                                          .type_length = 7,
                                          .kind = COVET_BOOLEAN}};

  return covet_shape_intern(&adapter->base->runtime->shapes, columns, 4);
}

static void set_text(covet_batch *batch, covet_cell *cell, const char *text)
{
  cell->kind = text == NULL ? COVET_NULL : COVET_TEXT;
  cell->length = text == NULL ? -1 : (int32_t) strlen(text);
  cell->integer = 0;
  if (text != NULL) {
    cell->bytes = covet_batch_copy(batch, text, strlen(text));
    if (cell->bytes == NULL) {
      cell->kind = COVET_NULL;
      cell->length = -1;
    }
  }
}

static void deliver(pg_listener *listener, const char *name,
                    const char *payload, int pid, bool gap)
{
  const covet_shape *shape;
  covet_batch *batch;
  covet_cell *cells;

  if (listener->stream == NULL) {
    return;
  }
  shape = row_shape(listener->adapter);
  batch = shape == NULL ? NULL : covet_batch_new(shape, 1);
  covet_shape_release(shape);
  cells = batch == NULL ? NULL : covet_batch_add_row(batch);
  if (cells == NULL) {
    covet_batch_free(batch);
    return;
  }
  set_text(batch, &cells[0], name);
  set_text(batch, &cells[1], payload);
  cells[2] = (covet_cell){.integer = pid, .kind = COVET_INTEGER};
  cells[3] = (covet_cell){.integer = gap, .kind = COVET_BOOLEAN};
  (void) covet_op_deliver(listener->stream, batch);
}

void pg_listener_notified(pg_connection *connection, const PGnotify *notify)
{
  pg_listener *listener = connection->adapter->listener;

  if (listener != NULL) {
    deliver(listener, notify->relname, notify->extra, notify->be_pid, false);
  }
}

/* End those for which the server was told, or all. */
static void end_calls(pg_listener *listener, const covet_error *error, bool all)
{
  covet_node *node = queue_first(&listener->calls);

  while (node != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);

    node = queue_after(&listener->calls, node);
    if (!all && op->driver == NULL) {
      continue;
    }
    queue_remove(&listener->calls, &op->node);
    op->driver = NULL;
    if (error != NULL) {
      covet_op_fail(op, error);
    } else {
      covet_op_finish(op);
    }
  }
}

/* --- The connection ---------------------------------------------------------------------- */

static bool is_closed(const covet_adapter *base)
{
  return base->abandoned || base->state == COVET_ADAPTER_CLOSING ||
         base->state == COVET_ADAPTER_DISCONNECTED;
}

/* The adapter is disconnected: nobody listens any more. */
static void give_up(pg_listener *listener)
{
  covet_error error;
  covet_node *node;

  while ((node = queue_pop(&listener->channels)) != NULL) {
    pg_channel_free(pg_channel_at(node));
  }
  covet_error_set(&error, COVET_ERROR_POOL_CLOSED,
                  "the adapter is disconnected");
  end_calls(listener, &error, true);
}

static void open_connection(pg_listener *listener)
{
  covet_adapter *base = listener->adapter->base;

  if (listener->opening || listener->connection != NULL) {
    return;
  }
  if (is_closed(base)) {
    give_up(listener);
    return;
  }
  listener->opening = covet_lane_open(&base->lanes[PG_LISTENER]) != NULL;
  if (!listener->opening) {
    end_calls(listener, &base->runtime->out_of_memory, true);
  }
}

/* Nothing else would tell that the server, or the way to it, is gone. */
static void check_connection(pg_listener *listener)
{
  pg_connection *connection = listener->connection;

  if (!listener->talking && !pg_send_ping(connection)) {
    pg_lose(connection);
  } else if (!listener->talking) {
    pg_guard(connection);
  }
}

static uint64_t check_interval(const pg_listener *listener)
{
  const covet_pool *pool = listener->adapter->base->lanes[PG_MAIN].pool;

  return covet_pool_get_config(pool)->health_check_interval_us;
}

static void on_time(uv_timer_t *timer)
{
  pg_listener *listener = timer->data;

  if (listener->connection == NULL) {
    open_connection(listener);
  } else {
    check_connection(listener);
  }
}

static bool has_timer(pg_listener *listener)
{
  uv_loop_t *loop = listener->adapter->base->runtime->loop;

  if (!listener->has_timer && uv_timer_init(loop, &listener->timer) == 0) {
    listener->timer.data = listener;
    uv_unref((uv_handle_t *) &listener->timer);
    listener->has_timer = true;
  }
  return listener->has_timer;
}

static void check_from_now_on(pg_listener *listener)
{
  uint64_t ms = check_interval(listener) / 1000;

  if (ms > 0 && has_timer(listener)) {
    (void) uv_timer_start(&listener->timer, on_time, ms, ms);
  }
}

static void open_later(pg_listener *listener)
{
  covet_adapter *base = listener->adapter->base;

  if (is_closed(base)) {
    give_up(listener);
    return;
  }
  if (queue_empty(&listener->channels)) {
    return;
  }
  if (!has_timer(listener)) {
    return;
  }
  listener->backoff_ms =
      listener->backoff_ms == 0 ? FIRST_BACKOFF_MS : listener->backoff_ms * 2;
  if (listener->backoff_ms > LONGEST_BACKOFF_MS) {
    listener->backoff_ms = LONGEST_BACKOFF_MS;
  }
  (void) uv_timer_start(&listener->timer, on_time, listener->backoff_ms, 0);
}

/* Tell the server what it does not know yet. */
static void talk(pg_listener *listener)
{
  const char **texts;
  size_t count = 0;
  covet_node *node = queue_first(&listener->channels);
  covet_node *call = queue_first(&listener->calls);

  texts = calloc(listener->channels.count + 1, sizeof(*texts));
  if (texts == NULL) {
    end_calls(listener, &listener->adapter->base->runtime->out_of_memory, true);
    return;
  }
  for (; node != NULL; node = queue_after(&listener->channels, node)) {
    pg_channel *one = pg_channel_at(node);

    if (one->unwanted || !one->told) {
      texts[count++] = one->text;
      one->sent = true;
    }
  }
  for (; call != NULL; call = queue_after(&listener->calls, call)) {
    COVET_CONTAINER(call, covet_op, node)->driver = listener;
  }
  if (count == 0) {
    end_calls(listener, NULL, true);
  } else {
    memset(&listener->error, 0, sizeof(listener->error));
    listener->talking = true;
    if (!pg_send_own(listener->connection, texts, count)) {
      pg_lose(listener->connection);
    }
  }
  free(texts);
}

void pg_listener_opened(pg_connection *connection)
{
  pg_listener *listener = connection->adapter->listener;
  covet_node *node;

  if (listener == NULL) {
    return;
  }
  listener->opening = false;
  listener->connection = connection;
  check_from_now_on(listener);
  for (node = queue_first(&listener->channels); node != NULL;
       node = queue_after(&listener->channels, node)) {
    pg_channel_at(node)->told = false;
    pg_channel_at(node)->sent = false;
  }
  talk(listener);
}

static bool has_news(const pg_listener *listener)
{
  covet_node *node = queue_first(&listener->channels);

  while (node != NULL && pg_channel_at(node)->told &&
         !pg_channel_at(node)->unwanted) {
    node = queue_after(&listener->channels, node);
  }
  return node != NULL || !queue_empty(&listener->calls);
}

/* Calls wait as long as they want to, unless there is no point in that. */
void pg_listener_failed(pg_adapter *adapter, const covet_error *error)
{
  pg_listener *listener = adapter->listener;

  if (listener == NULL) {
    return;
  }
  listener->opening = false;
  if (error != NULL && (error->kind == COVET_ERROR_AUTHENTICATION_FAILED ||
                        error->code == COVET_CODE_REFUSED)) {
    end_calls(listener, error, true);
  }
  open_later(listener);
}

void pg_listener_lost(pg_connection *connection)
{
  pg_listener *listener = connection->adapter->listener;

  if (listener != NULL && listener->connection == connection) {
    listener->connection = NULL;
    listener->talking = false;
    listener->was_lost = true;
    open_later(listener);
  }
}

void pg_listener_error(pg_connection *connection, const PGresult *result)
{
  pg_listener *listener = connection->adapter->listener;

  if (listener != NULL && listener->error.kind == COVET_ERROR_NONE) {
    pg_error_fill(&listener->error, result);
  }
}

/* The server has heard. */
void pg_listener_rest(pg_connection *connection)
{
  pg_listener *listener = connection->adapter->listener;
  bool failed;
  covet_node *node;

  if (listener == NULL || !listener->talking) {
    return;
  }
  listener->talking = false;
  failed = listener->error.kind != COVET_ERROR_NONE;
  if (failed && listener->was_lost) {
    pg_lose(connection); /* a standby, perhaps: the channels are kept */
    return;
  }
  listener->backoff_ms = 0;
  node = queue_first(&listener->channels);
  while (node != NULL) {
    pg_channel *one = pg_channel_at(node);

    node = queue_after(&listener->channels, node);
    if (!one->sent) {
      continue; /* asked for since */
    }
    one->sent = false;
    if (one->unwanted || (failed && !one->told)) {
      queue_remove(&listener->channels, &one->node);
      pg_channel_free(one);
    } else {
      one->told = true;
    }
  }
  if (listener->was_lost && !failed) {
    listener->was_lost = false;
    deliver(listener, NULL, NULL, 0, true);
  }
  end_calls(listener, failed ? &listener->error : NULL, false);
  if (has_news(listener)) {
    talk(listener);
  }
}

void pg_listener_go_on(pg_listener *listener)
{
  if (listener->connection == NULL) {
    open_connection(listener);
  } else if (!listener->talking) {
    talk(listener);
  }
}
