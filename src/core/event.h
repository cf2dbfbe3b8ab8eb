/** Events that nobody asked for: a ring that drops the oldest. */
#ifndef COVET_CORE_EVENT_H
#define COVET_CORE_EVENT_H

#include "../covet.h"
#include "queue.h"

enum { COVET_EVENTS_MOST = 256 };

typedef struct covet_events {
  covet_event *ring; /* made with the first event */
  unsigned first;
  unsigned count;
  covet_queue asking; /* adapters with COVET_EVENT_ASK: these are not dropped */
} covet_events;

/** Keep an event of a watched adapter; of others it is dropped. From the loop's
 *  thread. `text` may be NULL. */
void covet_adapter_tell(covet_adapter *adapter, covet_event_type type,
                        covet_lease lease, uint64_t us, const char *text);

/** The same of an event that has an error. */
void covet_adapter_tell_error(covet_adapter *adapter, covet_event_type type,
                              const char *text, const covet_error *error);

/** Tell COVET_EVENT_ASK. */
void covet_adapter_ask(covet_adapter *adapter);

/** An adapter is about to be freed: drop the events of it. */
void covet_events_drop(covet_adapter *adapter);

#endif
