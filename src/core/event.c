#include "event.h"

#include "adapter.h"
#include "error.h"
#include "runtime_parts.h"

#include <stdlib.h>
#include <string.h>

/* With the runtime's lock held: the place of one event more, NULL when memory is
 * out. */
static covet_event *place(covet_events *events)
{
  if (events->ring == NULL) {
    events->ring = malloc(sizeof(covet_event) * COVET_EVENTS_MOST);
    if (events->ring == NULL) {
      return NULL;
    }
  }
  if (events->count == COVET_EVENTS_MOST) {
    events->first = (events->first + 1) % COVET_EVENTS_MOST;
    events->count--;
  }
  return &events->ring[(events->first + events->count++) % COVET_EVENTS_MOST];
}

static void keep(const covet_event *given)
{
  covet_runtime *rt = given->adapter->runtime;
  covet_event *event;

  uv_mutex_lock(&rt->lock);
  event = place(&rt->events);
  if (event != NULL) {
    *event = *given;
  }
  uv_mutex_unlock(&rt->lock);
  covet_ready_wake(rt);
}

static void set_text(covet_event *event, const char *text)
{
  if (text != NULL) {
    covet_error_text(event->text, sizeof(event->text), text, strlen(text));
  }
}

void covet_adapter_tell(covet_adapter *adapter, covet_event_type type,
                        covet_lease lease, uint64_t us, const char *text)
{
  covet_event event = {
      .type = type, .adapter = adapter, .lease = lease, .us = us};

  if (atomic_load(&adapter->watched)) {
    set_text(&event, text);
    keep(&event);
  }
}

void covet_adapter_tell_error(covet_adapter *adapter, covet_event_type type,
                              const char *text, const covet_error *error)
{
  covet_event event = {.type = type, .adapter = adapter, .error = *error};

  if (atomic_load(&adapter->watched)) {
    set_text(&event, text);
    keep(&event);
  }
}

void covet_adapter_ask(covet_adapter *adapter)
{
  covet_runtime *rt = adapter->runtime;

  uv_mutex_lock(&rt->lock);
  if (!node_queued(&adapter->openings.asking)) {
    queue_push(&rt->events.asking, &adapter->openings.asking);
  }
  uv_mutex_unlock(&rt->lock);
  covet_ready_wake(rt);
}

void covet_events_drop(covet_adapter *adapter)
{
  covet_events *events = &adapter->runtime->events;
  unsigned kept = 0;

  uv_mutex_lock(&adapter->runtime->lock);
  if (node_queued(&adapter->openings.asking)) {
    queue_remove(&events->asking, &adapter->openings.asking);
  }
  for (unsigned i = 0; i < events->count; i++) {
    covet_event event = events->ring[(events->first + i) % COVET_EVENTS_MOST];

    if (event.adapter != adapter) {
      events->ring[(events->first + kept++) % COVET_EVENTS_MOST] = event;
    }
  }
  events->count = kept;
  uv_mutex_unlock(&adapter->runtime->lock);
}

void covet_adapter_watch(covet_adapter *adapter, int watched)
{
  atomic_store(&adapter->watched, watched != 0);
}

int covet_runtime_next_event(covet_runtime *rt, covet_event *event)
{
  covet_events *events = &rt->events;
  covet_node *asking;
  int found;

  uv_mutex_lock(&rt->lock);
  asking = queue_pop(&events->asking);
  found = asking != NULL || events->count > 0;
  if (asking != NULL) {
    *event = (covet_event){
        .type = COVET_EVENT_ASK,
        .adapter = COVET_CONTAINER(asking, covet_adapter, openings.asking)};
  } else if (found) {
    *event = events->ring[events->first];
    events->count--; /* few wait at a time: few places are ever used */
    events->first =
        events->count == 0 ? 0 : (events->first + 1) % COVET_EVENTS_MOST;
  }
  uv_mutex_unlock(&rt->lock);
  return found;
}
