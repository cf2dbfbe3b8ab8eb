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
#include "opening.h"
#include "runtime.h"

typedef struct covet_lane {
  covet_adapter *adapter;
  unsigned index;
  covet_pool *pool;        /* NULL: the driver's own, never lent */
  bool fixed;              /* its connections stay: no sizes, no eviction */
  covet_heap_node alarm;   /* in the runtime's alarms: the pool wants a tick */
  covet_pool_waiter hasty; /* of covet_lane_try: never in the pool's queue */
  unsigned count;          /* connections that exist */
  covet_queue gathered;    /* operations that wait for the end of the turn */
  bool carrying;           /* the pool's actions are being carried out */
  bool posted;             /* `go_on` is on its way */
  covet_post go_on;        /* with the actions, in the next turn */
} covet_lane;

typedef enum covet_connection_state {
  COVET_CONNECTION_NEW,
  COVET_CONNECTION_OPENING,
  COVET_CONNECTION_IDLE,
  COVET_CONNECTION_BUSY, /* one operation of the adapter has it */
  COVET_CONNECTION_LENT, /* leased; `lease` is valid */
  COVET_CONNECTION_CLOSING
} covet_connection_state;

/** Embedded by the driver at the start of its connection. */
struct covet_connection {
  covet_adapter *adapter;
  covet_lane *lane;
  covet_connection_state state;
  uint32_t index; /* in the adapter's table */
  covet_pool_slot_id slot;
  covet_lease loan;      /* the pool's */
  covet_lease lease;     /* the borrower's; 0: not lent */
  covet_lease leaked;    /* the last one that was reported as such */
  covet_op *owner;       /* BUSY: the operation that has it */
  covet_op *running;     /* what the driver is at */
  covet_queue queue;     /* LENT: operations that come next */
  covet_queue suspended; /* LENT: streams that wait for their reader */
  bool broken;           /* close it instead of using it again */
  bool quarantined;      /* nothing runs, and nothing may yet */
  bool overdue;          /* it is since its server does not answer in time */
  bool unwanted;         /* OPENING: close it as soon as it is open */
  bool abandoned;        /* the pool has forgotten it */

  covet_node waiting;         /* OPENING: in the adapter's openings */
  const covet_error *refusal; /* the same: it will fail with that */
  bool repeated;              /* the same: the server refused it before */
  uint64_t answer;            /* the number of that with which it was opened */
};

typedef enum covet_adapter_state {
  COVET_ADAPTER_NEW,
  COVET_ADAPTER_CONNECTING,
  COVET_ADAPTER_READY,
  COVET_ADAPTER_CLOSING,
  COVET_ADAPTER_DISCONNECTED /* until somebody connects it again */
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
  covet_queue drains;   /* operations that wait for the end, by node */
  bool draining;
  covet_openings openings;
  covet_lane lanes[COVET_MAX_LANES];
  covet_connection **connections;
  uint32_t connection_count;
  uint32_t connection_capacity;
  bool abandoned;      /* free it when it is empty */
  bool settling;       /* covet_adapter_settle is at work */
  atomic_bool forced;  /* closing is over time: no worker waits for a lock */
  atomic_bool watched; /* its events are kept */
  covet_post attach;
  covet_post detach;

  covet_pool_config wanted; /* what was configured last; the caller's thread */
  covet_post change;        /* of its pools */
  unsigned changes;         /* asked for, as bits; runtime's lock */
  covet_pool_config next;   /* to be taken over; runtime's lock */

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

/** Whether something waits for that. */
bool covet_adapter_awaits_turn_end(const covet_adapter *adapter);

/** See whether a closing adapter is empty now, and finish it. */
void covet_adapter_settle(covet_adapter *adapter);

/** Finish an operation when the connections that are to be kept were opened. */
void covet_adapter_await_filled(covet_adapter *adapter, covet_op *op);

/** Connections were opened, or could not be: whoever connects may go on. */
void covet_adapter_filled(covet_adapter *adapter);

/** Have a message run on the loop's thread: at once where the caller's is it. */
void covet_adapter_post(covet_adapter *adapter, covet_post *message);

/** The pools are there: what they were configured with can be changed. */
void covet_adapter_init_changes(covet_adapter *adapter);

/** Begin a drain. */
void covet_adapter_drain(covet_adapter *adapter, covet_op *op);

/** It takes too long, or nobody waits for it any more; it goes on. */
void covet_adapter_stop_drain(covet_op *op);

/** It is complete: tell those who wait. */
void covet_adapter_drained(covet_adapter *adapter);

/** Close everything and free the adapter as soon as that has ended. */
void covet_adapter_abandon(covet_adapter *adapter);

/* --- Lanes ----------------------------------------------------------------------- */

void covet_lane_init(covet_lane *lane, covet_adapter *adapter, unsigned index);
void covet_lane_deinit(covet_lane *lane);

/** Give the lane a pool: its connections can be lent. For adapter_init. Returns
 *  0 or COVET_ENOMEM. */
int covet_lane_set_pool(covet_lane *lane, const covet_pool_config *config);

/** Open the minimum, and what is asked for from now on. */
void covet_lane_warm(covet_lane *lane);

/** Queue an operation for the next free connection. */
void covet_lane_enqueue(covet_lane *lane, covet_op *op);

/** The same, at the end of the turn, together with others. */
void covet_lane_gather(covet_lane *lane, covet_op *op);

/** The turn ends: queue what was gathered. */
void covet_lane_turn_end(covet_lane *lane);

/** Take an operation out of the lane's queue, if it is there. */
void covet_lane_leave(covet_op *op);

/** The pool's time has come. */
void covet_lane_tick(covet_lane *lane);

/** Carry out what the pool asks for. */
void covet_lane_carry_out(covet_lane *lane);

/** Open a connection of the driver's own. NULL when memory is out. */
covet_connection *covet_lane_open(covet_lane *lane);

/** Close all connections that nobody has, and open no more. */
void covet_lane_close(covet_lane *lane);

/** The connection that would be used next, NULL unless one is idle and nobody
 *  waits: for what the driver runs on the loop's thread in one go. */
covet_connection *covet_lane_idle(covet_lane *lane);

/** Lend a connection that is free at this moment; NULL when there is none, or the pool
 *  has something to do first. */
covet_connection *covet_lane_try(covet_lane *lane, uint64_t owner);

/** See whether the pool asks for something. */
void covet_lane_attend(covet_lane *lane);

/** Whether an operation is one that the driver can run along with another. */
typedef bool covet_accepts(const covet_op *op, void *context);

/** The next operation that waits for a connection of this one's lane, to run on it
 *  beside what it runs; NULL if there is none or `accepts` refuses it. For drivers
 *  that run several in one go. */
covet_op *covet_connection_take(covet_connection *connection,
                                covet_accepts *accepts, void *context);

/* --- Connections ------------------------------------------------------------------- */

/** The only place where a connection's state changes; an illegal move aborts. */
void covet_connection_set_state(covet_connection *connection,
                                covet_connection_state to);

/** Lend the connection to an operation that its lane's pool has granted it to:
 *  run it, or hand out the lease. */
void covet_connection_give(covet_connection *connection, covet_op *op);

/** Nobody has it any more: give it back to the pool. */
void covet_connection_put_back(covet_connection *connection);

/** Run what comes next on a leased connection, if nothing runs. */
void covet_connection_serve(covet_connection *connection);

/** Whether nobody has a connection that was leased, and nothing is to be done on
 *  it. */
bool covet_connection_is_left(const covet_connection *connection);

/** Go on with a suspended stream: it was read, or it is to end. */
void covet_connection_resume(covet_op *op);

/* --- Leases ------------------------------------------------------------------------ */

/** Make a connection that its lane's pool has granted somebody's. */
covet_lease covet_lease_hand_out(covet_connection *connection);

/** Put an operation on the leased connection it names. */
void covet_lease_enqueue(covet_op *op);

/** Take back what is lent, although its borrower did not release it. */
void covet_leases_reclaim(covet_adapter *adapter);

/* --- Figures ----------------------------------------------------------------------- */

/** The figures of all its pools together. On the loop's thread. */
void covet_adapter_sum_pools(const covet_adapter *adapter,
                             covet_pool_stats *stats);

/** The figures of all its pools together, and of its calls, at one moment. On
 *  the caller's thread; in COVET_OWN_THREAD mode the loop's is asked. */
void covet_adapter_get_figures(covet_adapter *adapter, covet_pool_stats *pools,
                               covet_adapter_stats *calls);

/** Set the operation's error from `error` and finish it. */
void covet_op_fail(covet_op *op, const covet_error *error);

#endif
