/* LISTEN and UNLISTEN as callers ask for them. */
#include "../core/error.h"
#include "postgres_listener.h"

#include <stdlib.h>
#include <string.h>

static pg_listener *listener_of(pg_adapter *adapter)
{
  pg_listener *listener = adapter->listener;

  if (listener != NULL) {
    return listener;
  }
  listener = calloc(1, sizeof(*listener));
  if (listener == NULL) {
    return NULL;
  }
  listener->adapter = adapter;
  queue_init(&listener->channels);
  queue_init(&listener->calls);
  adapter->listener = listener;
  return listener;
}

void pg_channel_free(pg_channel *one)
{
  free(one->name);
  free(one->text);
  free(one);
}

static pg_channel *find_channel(const pg_listener *listener, const char *name)
{
  covet_node *node = queue_first(&listener->channels);

  while (node != NULL && strcmp(pg_channel_at(node)->name, name) != 0) {
    node = queue_after(&listener->channels, node);
  }
  return node == NULL ? NULL : pg_channel_at(node);
}

/* LISTEN "na""me" */
static char *statement(const char *verb, const char *name)
{
  char *text = malloc(strlen(verb) + 2 * strlen(name) + 4);
  char *to = text;

  if (text == NULL) {
    return NULL;
  }
  to = stpcpy(to, verb);
  *to++ = ' ';
  *to++ = '"';
  for (; *name != '\0'; name++) {
    if (*name == '"') {
      *to++ = '"';
    }
    *to++ = *name;
  }
  *to++ = '"';
  *to = '\0';
  return text;
}

static covet_step wait(pg_listener *listener, covet_op *op)
{
  op->phase = COVET_PHASE_CONNECT;
  queue_push(&listener->calls, &op->node);
  pg_listener_go_on(listener);
  return COVET_STEP_PENDING;
}

covet_step pg_listen(pg_adapter *adapter, covet_op *op, const char *name)
{
  pg_listener *listener = listener_of(adapter);
  pg_channel *one;

  if (name == NULL || name[0] == '\0' || strlen(name) > 63) {
    pg_refuse(op, COVET_ERROR_USAGE, "a channel's name has 1 to 63 bytes");
    return COVET_STEP_DONE;
  }
  if (listener == NULL) {
    return pg_no_memory(op);
  }
  one = find_channel(listener, name);
  if (one == NULL) {
    one = calloc(1, sizeof(*one));
    if (one == NULL) {
      return pg_no_memory(op);
    }
    queue_push(&listener->channels, &one->node);
    one->name = strdup(name);
  }
  free(one->text);
  one->text = statement("LISTEN", name);
  one->told &= !one->unwanted;
  one->sent &= !one->unwanted;
  one->unwanted = false;
  if (one->name == NULL || one->text == NULL) {
    queue_remove(&listener->channels, &one->node);
    pg_channel_free(one);
    return pg_no_memory(op);
  }
  return wait(listener, op);
}

covet_step pg_unlisten(pg_adapter *adapter, covet_op *op, const char *name)
{
  pg_listener *listener = adapter->listener;
  covet_node *node;

  if (listener == NULL || name == NULL) {
    return COVET_STEP_DONE;
  }
  for (node = queue_first(&listener->channels); node != NULL;
       node = queue_after(&listener->channels, node)) {
    pg_channel *one = pg_channel_at(node);

    if (strcmp(name, "*") == 0 || strcmp(name, one->name) == 0) {
      char *text = statement("UNLISTEN", one->name);

      if (text == NULL) {
        return pg_no_memory(op);
      }
      free(one->text);
      one->text = text;
      one->sent &= one->unwanted;
      one->unwanted = true;
    }
  }
  if (listener->connection == NULL) {
    return COVET_STEP_DONE; /* they go when it is opened */
  }
  return wait(listener, op);
}

covet_step pg_notifications(pg_adapter *adapter, covet_op *op)
{
  pg_listener *listener = listener_of(adapter);

  if (listener == NULL) {
    return pg_no_memory(op);
  }
  if (listener->stream != NULL) {
    pg_refuse(op, COVET_ERROR_USAGE, "notifications are being read already");
    return COVET_STEP_DONE;
  }
  op->phase = COVET_PHASE_FETCH;
  listener->stream = op;
  return COVET_STEP_PENDING;
}

void pg_listener_cancel(pg_adapter *adapter, covet_op *op)
{
  pg_listener *listener = adapter->listener;

  if (listener != NULL && listener->stream == op) {
    listener->stream = NULL;
  } else if (listener != NULL && node_queued(&op->node)) {
    queue_remove(&listener->calls, &op->node);
  }
  covet_op_fault_stopped(op);
  covet_op_finish(op);
}
