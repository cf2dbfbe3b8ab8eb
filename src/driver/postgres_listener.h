/** What the files about LISTEN have in common: postgres_listen.c (its calls) and
 *  postgres_listener.c (its connection, and what comes there). */
#ifndef COVET_DRIVER_POSTGRES_LISTENER_H
#define COVET_DRIVER_POSTGRES_LISTENER_H

#include "postgres.h"

typedef struct pg_channel {
  covet_node node;
  char *name;
  char *text; /* LISTEN "name" */
  bool told;  /* the server knows */
  bool sent;  /* `text` is on its way */
  bool unwanted;
} pg_channel;

/* Operations wait in `calls` until the server has been told of what they ask for;
 * `driver` marks those for which it is being told. */
typedef struct pg_listener {
  pg_adapter *adapter;
  pg_connection *connection; /* open */
  bool opening;
  bool talking; /* statements are under way */
  bool was_lost;
  bool has_timer;
  uv_timer_t timer; /* of the next attempt, or of the next check */
  unsigned backoff_ms;
  covet_queue channels;
  covet_queue calls;
  covet_op *stream;
  covet_error error; /* what the server said to the last statements */
  bool freed;
} pg_listener;

static inline pg_channel *pg_channel_at(covet_node *node)
{
  return COVET_CONTAINER(node, pg_channel, node);
}

void pg_channel_free(pg_channel *one);

/** Tell the server what it does not know yet; without a connection one is opened
 *  first. */
void pg_listener_go_on(pg_listener *listener);

#endif
