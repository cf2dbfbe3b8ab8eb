/**
 * One database: its lanes of connections and the operations on them.
 *
 * A *lane* is a set of connections that can stand for each other, with the
 * queue of those who wait for one: strictly first come, first served.
 */
#ifndef COVET_CORE_ADAPTER_H
#define COVET_CORE_ADAPTER_H

#include "driver.h"
#include "histogram.h"
#include "runtime.h"

typedef struct covet_lane {
  covet_adapter *adapter;
  unsigned index;
  unsigned max;        /* connections, all states together */
  unsigned count;      /* connections that exist */
  unsigned opening;    /* of these, being opened */
  covet_queue idle;    /* connections; the last used one at the end */
  covet_queue waiting; /* operations */
  bool hidden;         /* the driver's own; never lent, not in statistics */
  bool gathering;      /* something waits for the end of the turn */
  bool pumping;        /* covet_lane_pump is at work */
  bool posted;         /* `pump` is on its way */
  covet_post pump;     /* goes on with a long queue in the next turn */
} covet_lane;

typedef enum covet_connection_state {
  COVET_CONNECTION_NEW,
  COVET_CONNECTION_OPENING,
  COVET_CONNECTION_IDLE, /* in its lane's `idle` */
  COVET_CONNECTION_BUSY, /* one operation of the adapter has it */
  COVET_CONNECTION_LENT, /* leased; `lease` is valid */
  COVET_CONNECTION_CLOSING
} covet_connection_state;

/** Embedded by the driver at the start of its connection. */
struct covet_connection {
  covet_node node; /* in its lane's `idle` */
  covet_adapter *adapter;
  covet_lane *lane;
  covet_connection_state state;
  uint32_t index;        /* in the adapter's table */
  covet_lease lease;     /* 0: not lent */
  covet_op *owner;       /* BUSY: the operation that has it */
  covet_op *running;     /* what the driver is at */
  covet_queue queue;     /* LENT: operations that come next */
  covet_queue suspended; /* LENT: streams that wait for their reader */
  bool broken;           /* close it instead of using it again */
};

typedef enum covet_adapter_state {
  COVET_ADAPTER_NEW,
  COVET_ADAPTER_CONNECTING,
  COVET_ADAPTER_READY,
  COVET_ADAPTER_CLOSING
} covet_adapter_state;

enum { COVET_MAX_LANES = 4 };

struct covet_adapter {
  covet_node node; /* in the runtime's adapters */
  covet_runtime *runtime;
  const covet_driver *driver;
  void *driver_data;
  covet_adapter_state state;
  covet_arena arena;    /* for the driver's options */
  covet_queue ops;      /* all that are under way, by adapter_node */
  covet_queue waiting;  /* until it is connected, by node */
  covet_op *disconnect; /* under way */
  covet_lane lanes[COVET_MAX_LANES];
  covet_connection **connections;
  uint32_t connection_count;
  uint32_t connection_capacity;
  bool abandoned;     /* free it when it is empty */
  bool settling;      /* covet_adapter_settle is at work */
  atomic_bool forced; /* closing is over time: no worker waits for a lock */
  covet_post attach;
  covet_post detach;

  uint64_t created;
  uint64_t destroyed;
  uint64_t queries;
  uint64_t inline_queries;
  uint64_t errors;
  uint64_t timeouts;
  uint64_t cache_hits;
  uint64_t cache_misses;
  covet_histogram times;
};

/** Start an operation: the way in for everything that names an adapter. */
void covet_adapter_dispatch(covet_op *op);

/** Count a finished operation and let its adapter go on. Before it is told. */
void covet_adapter_note(covet_op *op);

/** The loop's turn ends. */
void covet_adapter_turn_end(covet_adapter *adapter);

/** See whether a closing adapter is empty now, and finish it. */
void covet_adapter_settle(covet_adapter *adapter);

/** Close everything and free the adapter as soon as that has ended. */
void covet_adapter_abandon(covet_adapter *adapter);

/* --- Lanes ----------------------------------------------------------------------- */

void covet_lane_init(covet_lane *lane, covet_adapter *adapter, unsigned index);

/** Queue an operation for the next free connection. */
void covet_lane_enqueue(covet_lane *lane, covet_op *op);

/** Give idle connections to those who wait; open more where there is room. */
void covet_lane_pump(covet_lane *lane);

/** Open one more connection. NULL when memory is out. */
covet_connection *covet_lane_open(covet_lane *lane);

/** The connection that would be used next, NULL unless one is idle and nobody
 *  waits: for what the driver runs on the loop's thread in one go. */
covet_connection *covet_lane_idle(covet_lane *lane);

/** Take the next waiting operation out of the lane's queue, NULL if `accepts`
 *  refuses it. For drivers that run several in one go. */
covet_op *covet_lane_take(covet_lane *lane, bool (*accepts)(const covet_op *));

/** Put an operation on the leased connection it names. */
void covet_lease_enqueue(covet_op *op);

/** Take back what is lent, although its borrower did not release it. */
void covet_lanes_reclaim(covet_adapter *adapter);

/** Go on with a suspended stream: it was read, or it is to end. */
void covet_lane_resume(covet_op *op);

/** Close an idle connection, or mark one in use for closing. */
void covet_connection_close(covet_connection *connection);

/** Set the operation's error from `error` and finish it. */
void covet_op_fail(covet_op *op, const covet_error *error);

#endif
