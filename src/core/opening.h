/**
 * Openings that wait for an answer.
 *
 * What a connection is opened with may have to be asked for: a password that a
 * function gives. An adapter that was told so (covet_adapter_hold_openings) keeps
 * its new connections, in the state OPENING, until somebody has answered the event
 * COVET_EVENT_ASK, which is told once for all that wait: by an answer that opens
 * them all, or by an error with which they all fail.
 */
#ifndef COVET_CORE_OPENING_H
#define COVET_CORE_OPENING_H

#include "driver.h"
#include "runtime.h"

typedef struct covet_openings {
  atomic_bool held;  /* openings wait */
  bool asked;        /* the event was told, and is not answered */
  covet_node asking; /* in the runtime's events */
  bool posted;       /* `sweep` is on its way, or at work */
  uint64_t answers;  /* that differed from the one before */
  covet_queue waiting;
  covet_post sweep;     /* of those that are not opened any more */
  covet_error refusal;  /* the last answer that was one */
  covet_error rejected; /* what a server said to the last answer */
} covet_openings;

void covet_openings_init(covet_adapter *adapter);

/** Open the connection, now or when that is answered. */
void covet_opening_start(covet_connection *connection);

/** Nobody wants the connection any more, which is OPENING. */
void covet_opening_stop(covet_connection *connection);

/** Whether a call answers what waits: those are heard while the adapter is being
 *  closed too. */
bool covet_openings_is_answer(const covet_op *op);

/** The call "refuse_openings": parameters are the kind and the message of the error
 *  with which all fail that wait. */
void covet_openings_refuse(covet_adapter *adapter, covet_op *op);

/** Nobody can answer any more: all fail that wait, and will. */
void covet_openings_forsake(covet_adapter *adapter);

#endif
