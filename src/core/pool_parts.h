/** The pool's inside: what its files share. See pool.h for what it does. */
#ifndef COVET_CORE_POOL_PARTS_H
#define COVET_CORE_POOL_PARTS_H

#include "pool.h"

typedef enum covet_slot_state {
  COVET_SLOT_FREE,
  COVET_SLOT_OPENING,
  COVET_SLOT_IDLE,
  COVET_SLOT_PINGING,
  COVET_SLOT_RESETTING,
  COVET_SLOT_LENT,
  COVET_SLOT_CLOSING,
  COVET_SLOT_STATES
} covet_slot_state;

typedef struct covet_slot {
  covet_node node;  /* in the list of its state */
  covet_node todo;  /* in the pool's `todo` while `actions` is not 0 */
  unsigned actions; /* not told yet: bits, 1 << covet_pool_action_type */
  covet_slot_state state;
  covet_pool_slot_id id;
  uint32_t generation; /* of the pool when it was opened */
  uint32_t round;      /* of connecting when it was opened */
  covet_pool_liveness liveness;
  covet_pool_reason reason;    /* LENT: close it for this when it comes back;
                               CLOSING: why */
  covet_pool_reason abandoned; /* what ABANDON tells */
  bool created;                /* it was open once */
  bool dirty;                  /* LENT: a borrower said so */
  bool shareable;              /* LENT: to several */
  bool passing;                /* LENT: comes back by itself */
  bool leaked;                 /* LENT: that was reported */
  uint32_t shares;             /* LENT: to so many */
  uint64_t serial;             /* of its loans */
  covet_lease lease;           /* LENT, else 0 */
  uint64_t owner;
  uint64_t since_us;    /* when it was lent */
  uint64_t used_us;     /* when it was last lent or made */
  uint64_t checked_us;  /* when it last answered */
  uint64_t expires_us;  /* the end of its lifetime */
  uint64_t deadline_us; /* of the carrier's answer */
  uint64_t leak_us;     /* what LEAK tells */
  covet_lease over;     /* what LEAK_OVER and RECLAIMED tell of */
  uint64_t over_owner;
  uint64_t over_us;
  void *data;
} covet_slot;

typedef enum covet_pool_state {
  COVET_POOL_RUNS,
  COVET_POOL_DRAINS,
  COVET_POOL_CLOSES
} covet_pool_state;

struct covet_pool {
  covet_pool_config config;
  covet_pool_state state;
  bool warm;     /* the minimum is kept open */
  bool ended;    /* DRAINED or CLOSED was told */
  unsigned news; /* about the pool as a whole: bits as a slot's `actions` */
  uint64_t close_deadline_us;
  uint64_t due_us;
  uint32_t generation;
  uint64_t random;

  covet_slot **slots;
  uint32_t slot_count;
  uint32_t slot_capacity;
  covet_queue lists[COVET_SLOT_STATES]; /* IDLE: the last used at the end;
                                           LENT: the oldest loan first */
  covet_queue todo;
  covet_queue waiters;
  covet_heap deadlines; /* of the waiters */
  covet_queue answers;  /* waiters that are to be told */

  /* connecting */
  uint32_t round;           /* counts failures: those opened together are one */
  uint32_t failures_in_row; /* rounds, for the backoff */
  uint32_t attempts;        /* rounds since waiters were last told of failure */
  bool permanent;           /* the last failure was */
  uint64_t open_after_us;   /* the backoff's end */
  covet_error last_error;

  covet_breaker_state breaker;
  uint64_t breaker_times_us[COVET_POOL_BREAKER_MOST]; /* of failures, a ring */
  uint32_t breaker_next;     /* the place of the next one */
  uint32_t breaker_count;    /* those since the last success or trip */
  uint64_t breaker_until_us; /* OPEN: then it may be tried again */

  uint32_t warm_at; /* lent ones at which one more is opened ahead */

  covet_pool_stats stats; /* the counters only */
  covet_histogram checkout_times;
};

static inline uint32_t count_of(const covet_pool *pool, covet_slot_state state)
{
  return (uint32_t) pool->lists[state].count;
}

/** Connections that are there or on their way; those being closed too. */
static inline uint32_t slots_taken(const covet_pool *pool)
{
  return pool->slot_count - count_of(pool, COVET_SLOT_FREE);
}

/** The same without those being closed. */
static inline uint32_t slots_kept(const covet_pool *pool)
{
  return slots_taken(pool) - count_of(pool, COVET_SLOT_CLOSING);
}

/** Slots that become idle without anybody's giving one back. */
static inline uint32_t slots_coming(const covet_pool *pool)
{
  return count_of(pool, COVET_SLOT_OPENING) +
         count_of(pool, COVET_SLOT_PINGING) +
         count_of(pool, COVET_SLOT_RESETTING);
}

static inline covet_slot *slot_of(covet_node *node)
{
  return node == NULL ? NULL : COVET_CONTAINER(node, covet_slot, node);
}

static inline covet_pool_waiter *waiter_of(covet_node *node)
{
  return node == NULL ? NULL : COVET_CONTAINER(node, covet_pool_waiter, node);
}

/** A point in time; a duration of 0 lies in eternity. */
static inline uint64_t after(uint64_t now_us, uint64_t duration_us)
{
  return duration_us == 0 || duration_us > UINT64_MAX - now_us
             ? UINT64_MAX
             : now_us + duration_us;
}

static inline void note_due(covet_pool *pool, uint64_t at_us)
{
  if (at_us < pool->due_us) {
    pool->due_us = at_us;
  }
}

/* --- pool_slot.c: the life of a connection --------------------------------- */

/** Have the carrier do something with the slot. */
void covet_slot_act(covet_pool *pool, covet_slot *slot,
                    covet_pool_action_type type);

/** Drop what has not been told yet. */
void covet_slot_drop(covet_pool *pool, covet_slot *slot,
                     covet_pool_action_type type);

/** The only place where a slot's state changes; an illegal move aborts. */
void covet_slot_set_state(covet_pool *pool, covet_slot *slot,
                          covet_slot_state to);

/** Make it idle, and announce what time will bring to it. */
void covet_slot_rest(covet_pool *pool, covet_slot *slot);

/** When an idle slot is to be pinged although nobody wants it. */
uint64_t covet_slot_check_at(const covet_pool *pool, const covet_slot *slot);

/** Open one more connection; false when memory is out. */
bool covet_slot_open(covet_pool *pool, uint64_t now_us);

/** Close a slot that nobody has, or that is taken from its borrower. */
void covet_slot_close(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                      covet_pool_reason reason);

/** Have it pinged or reset. */
void covet_slot_check(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                      covet_slot_state state);

/** Lend an idle slot, or one share more of a shareable one, to a waiter. */
void covet_slot_lend(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                     covet_pool_waiter *waiter);

/** The last borrower has given it back. */
void covet_slot_give_back(covet_pool *pool, uint64_t now_us, covet_slot *slot);

/** Why a slot should not be lent any more, REASON_NONE if it may be. */
covet_pool_reason covet_slot_outlived(const covet_pool *pool, uint64_t now_us,
                                      const covet_slot *slot);

/** Whether it has to answer a ping before it is lent. */
bool covet_slot_needs_ping(const covet_pool *pool, uint64_t now_us,
                           const covet_slot *slot);

/** The idle slot that is lent next, NULL if there is none. */
covet_slot *covet_slot_next(const covet_pool *pool);

/** The slot that a lease names, NULL if it is not good. */
covet_slot *covet_slot_find(const covet_pool *pool, covet_lease lease);

/* --- pool_queue.c: the waiters ----------------------------------------------- */

/** Answer a queued waiter; covet_pool_next tells it. */
void covet_waiter_answer(covet_pool *pool, covet_pool_waiter *waiter,
                         covet_pool_failure failure);

/** Answer all of them with this failure. */
void covet_waiters_fail(covet_pool *pool, covet_pool_failure failure);

/** This lease is taken back: whoever was granted it and not told yet is told of a
 *  failure instead. */
void covet_waiters_disappoint(covet_pool *pool, covet_lease lease);

/** After any event: serve who waits, open what is missing, see whether there is
 *  still hope, and whether a drain or a close is complete. */
void covet_pool_settle(covet_pool *pool, uint64_t now_us);

/* --- pool_grow.c: how many there are ------------------------------------------- */

/** Open what waiters, the minimum and the threshold ask for, as far as maximum,
 *  backoff and breaker allow. */
void covet_pool_grow(covet_pool *pool, uint64_t now_us);

/** The configuration or the number of slots has changed. */
void covet_pool_set_warm_at(covet_pool *pool);

/** Close idle ones that are over their time; answers when to look again. */
uint64_t covet_pool_shrink(covet_pool *pool, uint64_t now_us);

/** Connecting has worked, or not. */
void covet_pool_note_connected(covet_pool *pool);
void covet_pool_note_failure(covet_pool *pool, uint64_t now_us,
                             const covet_slot *slot, bool permanent);

/** When a connection that is made now has lived long enough. */
uint64_t covet_pool_lifetime_end(covet_pool *pool, uint64_t now_us);

/** Whether new connections can be expected. */
bool covet_pool_has_hope(const covet_pool *pool, uint64_t now_us);

#endif
