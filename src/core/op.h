/** Operations: what is asked of the runtime, from submission to the reaping. */
#ifndef COVET_CORE_OP_H
#define COVET_CORE_OP_H

#include "../covet.h"
#include "arena.h"
#include "heap.h"
#include "pool.h"
#include "queue.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct covet_connection covet_connection;

typedef enum covet_op_type {
  COVET_OP_SLEEP,
  COVET_OP_CONNECT,
  COVET_OP_DISCONNECT,
  COVET_OP_DRAIN,
  COVET_OP_QUERY,
  COVET_OP_ACQUIRE,
  COVET_OP_RELEASE,
  COVET_OP_CALL /* something only one database can do, found by its name */
} covet_op_type;

typedef enum covet_op_state {
  COVET_OP_NEW,
  COVET_OP_QUEUED,    /* in an adapter's, a pool's or a connection's queue */
  COVET_OP_RUNNING,   /* the driver has it */
  COVET_OP_SUSPENDED, /* a stream that waits until its rows are taken */
  COVET_OP_FINISHED
} covet_op_state;

/** Why an operation should end before its time; the first reason stays. */
typedef enum covet_stop {
  COVET_STOP_NONE = 0,
  COVET_STOP_CANCEL,
  COVET_STOP_TIMEOUT,
  COVET_STOP_CLOSE
} covet_stop;

/** What the caller's thread asks of the loop's thread. */
enum { COVET_ASK_SUBMIT = 1, COVET_ASK_NEXT = 2, COVET_ASK_CANCEL = 4 };

struct covet_op {
  covet_node node;         /* in an adapter's or a connection's queue */
  covet_node adapter_node; /* among its adapter's operations */
  covet_node ready_node;   /* on the completion queue; runtime's lock */
  covet_node inbox_node;   /* in the loop's inbox; runtime's lock */
  unsigned asked;          /* COVET_ASK_...; runtime's lock */

  covet_runtime *runtime;
  covet_adapter *adapter;
  covet_connection *connection; /* that runs it */
  void *data;                   /* the caller's */
  void *driver; /* the driver's, while it runs or is suspended */

  covet_op_type type;
  covet_op_state state;
  unsigned flags;
  unsigned lane;
  covet_phase phase;
  atomic_int stop;

  uint32_t slot;
  uint32_t generation;
  uint64_t timeout_us;      /* 0: never */
  covet_heap_node deadline; /* in the runtime's deadlines */
  covet_pool_waiter waiter; /* in a lane's pool */
  uint64_t owner;           /* who asked: covet_op_set_owner */
  uint64_t started_us;

  covet_arena arena;
  const char *sql;
  size_t sql_length;
  uint32_t sql_hash;
  uint32_t chunk;
  covet_cell *params;
  uint32_t param_count;
  uint32_t param_capacity;
  uint32_t width;
  covet_lease lease;

  /* What the consumer sees: under the runtime's lock while not finished. */
  covet_batch *first;
  covet_batch *last;
  uint32_t batch_count;
  bool live; /* made, and not recycled yet */
  bool submitted;
  bool told;    /* it ended within covet_submit */
  bool seen;    /* its owner knows of its end, and of its lease */
  bool reaped;  /* its owner was told of news and has not taken them */
  bool orphan;  /* a release that nobody asked for: see give_back_unseen */
  bool counted; /* among the runtime's pending ones */
  bool carried; /* the loop's thread is at what was asked */
  bool armed;   /* somebody waits for news */
  atomic_bool finished; /* told */
  bool abandoned;       /* freed by its owner: nobody takes the news */
  covet_result result;
  covet_error *error; /* NULL: none */
};

/** A new operation, or NULL. On the caller's thread. */
covet_op *covet_op_new(covet_runtime *rt, covet_op_type type);

/** Free what the operation holds and keep it for the next one. On the caller's
 *  thread, when it has finished or was never submitted. */
void covet_op_recycle(covet_op *op);

/** The operation's error to fill in; a shared one when memory is out. */
covet_error *covet_op_fault(covet_op *op);

/** Set the error that `op->stop` stands for, in the operation's phase. */
void covet_op_fault_stopped(covet_op *op);

static inline covet_stop covet_op_stop_reason(covet_op *op)
{
  return (covet_stop) atomic_load_explicit(&op->stop, memory_order_relaxed);
}

#endif
