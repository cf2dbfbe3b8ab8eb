/**
 * The connection pool: a state machine without I/O, clock or Lua.
 *
 * Events go in (acquire, release with a verdict, connected, connect failed,
 * lost, time has come...), each with the present time; actions come out by
 * covet_pool_next (open, close, ping, reset, grant, fail, report a leak...).
 * Whoever carries them out is called the *carrier*: the runtime for databases,
 * Lua for factories of a user's, a simulator in the tests.
 *
 * A *slot* is the place of one connection. Each of its moves goes through one
 * function, and each close has a reason:
 *
 *   OPENING -> IDLE -> LENT -> IDLE     (or RESETTING, PINGING in between)
 *   anything -> CLOSING -> free         (a lent one only when it comes back)
 *
 * A *waiter* asks for a connection. Waiters are served strictly first come,
 * first served, and each has a deadline. A *lease* names a slot and its loan:
 * it is never given twice, so that an old one never reaches the next borrower.
 *
 * Nothing here allocates but the making of slots. Times are microseconds of a
 * monotonic clock; a duration of 0 means "never" or "no limit".
 */
#ifndef COVET_CORE_POOL_H
#define COVET_CORE_POOL_H

#include "../covet.h"
#include "heap.h"
#include "histogram.h"
#include "queue.h"

#include <stdbool.h>

typedef struct covet_pool covet_pool;

/** A slot's number: below covet_pool_slots(pool), used again after a close. */
typedef uint32_t covet_pool_slot_id;

/* --- Configuration ---------------------------------------------------------- */

/** When a connection is made as new before the next borrower gets it. */
typedef enum covet_pool_reset_mode {
  COVET_POOL_RESET_AUTO,   /* when its borrower says that it is dirty */
  COVET_POOL_RESET_ALWAYS, /* after each loan */
  COVET_POOL_RESET_NEVER
} covet_pool_reset_mode;

/** What breaker_failures can be at most: the pool keeps the time of each. */
enum { COVET_POOL_BREAKER_MOST = 128 };

typedef struct covet_pool_config {
  uint32_t min_size; /* connections that are kept */
  bool min_given;    /* else it follows max_size down: see driver.h */
  uint32_t max_size;
  uint64_t acquire_timeout_us; /* of a waiter without a deadline of its own */
  uint64_t idle_timeout_us;    /* then a connection above the minimum goes */
  uint64_t max_lifetime_us;    /* then any goes, when it is not lent */
  double lifetime_jitter;      /* 0.1: up to a tenth of the lifetime earlier */

  bool pre_ping;       /* before a grant, where nothing else tells that the
                          connection lives */
  bool test_on_borrow; /* before a grant, even where something else does */
  uint64_t fresh_us;   /* neither, when it was used less than this ago */
  uint64_t health_check_interval_us; /* pings of idle ones, likewise */

  bool auto_scale;           /* the two thresholds count */
  double scale_up_threshold; /* at this share lent, one more is opened ahead */
  double scale_down_threshold; /* idle ones go only at or below this share */

  bool leak_detection;
  uint64_t leak_timeout_us;

  uint32_t max_waiting;      /* for others to give back; 0: any number */
  uint32_t connect_parallel; /* connections being opened at a time */
  uint32_t share_depth;      /* grants on one connection at a time; 1: none */
  bool fifo;                 /* idle ones: the least recently used first */
  covet_pool_reset_mode reset;

  uint32_t retry_attempts; /* of connecting, before waiters are told */
  uint64_t retry_backoff_us;
  uint64_t retry_max_backoff_us;
  bool retry_jitter;

  uint32_t breaker_failures;    /* in a row that open it; 0: no breaker */
  uint64_t breaker_window_us;   /* all within the last so many */
  uint64_t breaker_cooldown_us; /* 0: open until something has connected */

  uint64_t connect_timeout_us; /* how long the carrier may take to open, */
  uint64_t check_timeout_us;   /* to ping or reset, */
  uint64_t close_timeout_us;   /* and to close */

  bool can_ping;  /* what the carrier is able to do */
  bool can_reset; /* if not, a dirty connection is closed */
  uint64_t seed;  /* of jitter */
} covet_pool_config;

/** Set every field to its default. */
void covet_pool_config_init(covet_pool_config *config);

/** 0, or COVET_EUSAGE with an error that names the options that contradict
 *  each other. */
int covet_pool_config_check(const covet_pool_config *config,
                            covet_error *error);

/* --- Life of a pool ---------------------------------------------------------- */

/** A new pool, which opens nothing by itself before covet_pool_warm or the
 *  first waiter. `config` was checked. NULL when memory is out. */
covet_pool *covet_pool_new(const covet_pool_config *config);

/** Free a pool. Its slots are forgotten, its waiters are the caller's. */
void covet_pool_free(covet_pool *pool);

/** After a drain or a close: open again what is asked for. */
void covet_pool_start(covet_pool *pool, uint64_t now_us);

/** Start, and from now on keep the minimum open. */
void covet_pool_warm(covet_pool *pool, uint64_t now_us);

/** Change sizes, timeouts and thresholds while it runs; nothing that is lent is
 *  touched. Returns as covet_pool_config_check. */
int covet_pool_configure(covet_pool *pool, uint64_t now_us,
                         const covet_pool_config *config, covet_error *error);

/** Close what is idle, and what is lent when it comes back: connections of a
 *  new generation take their place. */
void covet_pool_evict(covet_pool *pool, uint64_t now_us);

/** Refuse new waiters, serve those that are there, close what comes back.
 *  COVET_POOL_DRAINED tells when nothing is left. */
void covet_pool_drain(covet_pool *pool, uint64_t now_us);

/** Drain, and fail the waiters too. At the deadline what is lent is taken back
 *  and what does not close is abandoned; COVET_POOL_CLOSED tells the end. */
void covet_pool_close(covet_pool *pool, uint64_t now_us, uint64_t deadline_us);

/* --- Waiters ------------------------------------------------------------------ */

/** Why a waiter gets nothing. */
typedef enum covet_pool_failure {
  COVET_POOL_NO_FAILURE,
  COVET_POOL_TIMEOUT,      /* its deadline has passed */
  COVET_POOL_EXHAUSTED,    /* too many wait already */
  COVET_POOL_DEADLOCK,     /* every holder waits, this one too */
  COVET_POOL_SHUT,         /* the pool drains or is closed */
  COVET_POOL_BREAKER_OPEN, /* connecting has failed too often just now */
  COVET_POOL_CONNECT_FAILED,
  COVET_POOL_NO_MEMORY
} covet_pool_failure;

typedef enum covet_pool_waiter_state {
  COVET_WAITER_NONE,    /* not with the pool */
  COVET_WAITER_QUEUED,  /* waits */
  COVET_WAITER_ANSWERED /* granted or failed; covet_pool_next has not told yet */
} covet_pool_waiter_state;

/** A request; embedded in what it is about. Zeroed before its first use, then
 *  the first four fields are the caller's to set. *Borrowed* from
 *  covet_pool_acquire until it is granted, failed or cancelled. */
typedef struct covet_pool_waiter {
  uint64_t owner;       /* who asks: a task; 0: somebody who holds nothing */
  uint64_t deadline_us; /* 0: the pool's acquire_timeout */
  bool shareable;       /* a busy connection will do, behind others; those that
                           share have one lease: set `passing` too */
  bool passing; /* it gives back by itself: it cannot leak nor block others */

  covet_pool_waiter_state state;
  covet_pool_failure failure;
  covet_pool_slot_id slot; /* granted */
  covet_lease lease;
  covet_node node; /* of the waiters, then of the answers */
  covet_heap_node deadline;
  uint64_t since_us;
} covet_pool_waiter;

typedef enum covet_pool_answer {
  COVET_POOL_GRANTED, /* `slot` and `lease` are set */
  COVET_POOL_QUEUED,  /* covet_pool_next will tell */
  COVET_POOL_REFUSED  /* `failure` is set */
} covet_pool_answer;

covet_pool_answer covet_pool_acquire(covet_pool *pool, uint64_t now_us,
                                     covet_pool_waiter *waiter);

/** The waiter gives up. What it was granted and not told of goes to the next.
 *  One that is not with the pool is left alone. */
void covet_pool_cancel(covet_pool *pool, uint64_t now_us,
                       covet_pool_waiter *waiter);

/** The head of the queue, NULL if none: for who serves several in one go. */
covet_pool_waiter *covet_pool_first_waiter(const covet_pool *pool);

/** Take a waiter out of the queue as served, without a connection of its own.
 *  Those behind it are seen to by the next tick, which is due at once. */
void covet_pool_take_waiter(covet_pool *pool, covet_pool_waiter *waiter);

/* --- Leases -------------------------------------------------------------------- */

/** What a borrower knows of the connection that it gives back. */
typedef enum covet_pool_verdict {
  COVET_POOL_CLEAN,
  COVET_POOL_DIRTY, /* its session was changed */
  COVET_POOL_BROKEN /* close it */
} covet_pool_verdict;

/** Why a connection was closed. */
#define COVET_POOL_REASONS(X)                                                  \
  X(NONE, "none")                                                              \
  X(IDLE, "idle")           /* idle_timeout */                                 \
  X(LIFETIME, "lifetime")   /* max_lifetime */                                 \
  X(BROKEN, "broken")       /* its borrower said so */                         \
  X(LOST, "lost")           /* the other side closed it */                     \
  X(PING, "ping")           /* it did not answer */                            \
  X(RESET, "reset")         /* it could not be made as new, or not at all */   \
  X(RECLAIMED, "reclaimed") /* its owner has died */                           \
  X(REJECTED, "rejected")   /* a hook refused it */                            \
  X(EVICTED, "evicted")                                                        \
  X(RESIZED, "resized")                                                        \
  X(CONNECT, "connect") /* opening took too long */                            \
  X(CLOSED, "closed")   /* the pool drains or closes */

typedef enum covet_pool_reason {
#define COVET_POOL_REASON_ENUM(name, text) COVET_POOL_REASON_##name,
  COVET_POOL_REASONS(COVET_POOL_REASON_ENUM)
#undef COVET_POOL_REASON_ENUM
      COVET_POOL_REASON_COUNT
} covet_pool_reason;

const char *covet_pool_reason_name(covet_pool_reason reason);

/** Give a connection back. Returns 0, or COVET_EUSAGE when the lease is not
 *  this pool's or was given back before. */
int covet_pool_release(covet_pool *pool, uint64_t now_us, covet_lease lease,
                       covet_pool_verdict verdict);

/** Who got this connection cannot use it: close it, and let the waiter stand
 *  first in the queue again with the deadline it had; when that has passed
 *  meanwhile, covet_pool_next tells it so. */
int covet_pool_reject(covet_pool *pool, uint64_t now_us, covet_lease lease,
                      covet_pool_waiter *waiter);

/** The owner of this lease is gone: take it back, dirty, and report it. */
int covet_pool_reclaim(covet_pool *pool, uint64_t now_us, covet_lease lease);

/** The same for all that this owner holds. Returns how many that were. */
uint32_t covet_pool_owner_died(covet_pool *pool, uint64_t now_us,
                               uint64_t owner);

/** Whether a lease is good, and its slot. */
bool covet_pool_find(const covet_pool *pool, covet_lease lease,
                     covet_pool_slot_id *slot);

/* --- What the carrier tells ------------------------------------------------------ */

/** How the carrier learns that an idle connection has died. */
typedef enum covet_pool_liveness {
  COVET_POOL_UNKNOWN, /* by a ping only */
  COVET_POOL_WATCHED, /* its descriptor is watched: covet_pool_lost */
  COVET_POOL_CERTAIN  /* it cannot die: a library in this process */
} covet_pool_liveness;

void covet_pool_connected(covet_pool *pool, uint64_t now_us,
                          covet_pool_slot_id id, covet_pool_liveness liveness);

/** `permanent`: trying again cannot help (a wrong password). `error` may be
 *  NULL. */
void covet_pool_connect_failed(covet_pool *pool, uint64_t now_us,
                               covet_pool_slot_id id, bool permanent,
                               const covet_error *error);

void covet_pool_pinged(covet_pool *pool, uint64_t now_us, covet_pool_slot_id id,
                       bool alive);
void covet_pool_was_reset(covet_pool *pool, uint64_t now_us,
                          covet_pool_slot_id id, bool clean);

/** The connection is gone, by COVET_POOL_CLOSE. */
void covet_pool_closed(covet_pool *pool, uint64_t now_us,
                       covet_pool_slot_id id);

/** The other side closed it. A lent one stays its borrower's, broken. */
void covet_pool_lost(covet_pool *pool, uint64_t now_us, covet_pool_slot_id id);

/** Let all that is due happen. Call it at covet_pool_due_us at the latest. */
void covet_pool_tick(covet_pool *pool, uint64_t now_us);

/** When something may be due, UINT64_MAX: never. It may be too early. */
uint64_t covet_pool_due_us(const covet_pool *pool);

/* --- What the carrier is to do ----------------------------------------------------- */

typedef enum covet_pool_action_type {
  COVET_POOL_NOTHING,
  COVET_POOL_GRANT,   /* tell the waiter: it has `slot` and `lease` */
  COVET_POOL_FAIL,    /* tell the waiter of its `failure` */
  COVET_POOL_OPEN,    /* answer: connected or connect_failed */
  COVET_POOL_PING,    /* answer: pinged */
  COVET_POOL_RESET,   /* answer: was_reset */
  COVET_POOL_CLOSE,   /* whatever is under way on it; answer: closed */
  COVET_POOL_ABANDON, /* it was closing for too long, or lent when the time for
                           closing was over: end it, no answer is wanted */
  COVET_POOL_LEAK,    /* lent for `us` by now */
  COVET_POOL_LEAK_OVER, /* it came back after `us` */
  COVET_POOL_RECLAIMED, /* taken back from an owner that is gone */
  COVET_POOL_BREAKER,   /* the breaker has changed */
  COVET_POOL_DRAINED,
  COVET_POOL_CLOSED
} covet_pool_action_type;

typedef struct covet_pool_action {
  covet_pool_action_type type;
  covet_pool_slot_id slot;
  covet_pool_waiter *waiter; /* GRANT, FAIL */
  covet_lease lease;         /* GRANT, LEAK, LEAK_OVER, RECLAIMED */
  covet_pool_reason reason;  /* CLOSE, ABANDON */
  uint64_t owner;            /* LEAK, LEAK_OVER, RECLAIMED */
  uint64_t us;               /* LEAK, LEAK_OVER, RECLAIMED */
} covet_pool_action;

/** The next action; false when there is none. An action that was not taken yet
 *  is changed or dropped when an event overtakes it. */
bool covet_pool_next(covet_pool *pool, covet_pool_action *action);

/** Whether there is one. */
bool covet_pool_has_next(const covet_pool *pool);

/* --- What can be seen --------------------------------------------------------------- */

typedef enum covet_breaker_state {
  COVET_BREAKER_CLOSED,
  COVET_BREAKER_OPEN,
  COVET_BREAKER_HALF_OPEN
} covet_breaker_state;

typedef struct covet_pool_stats {
  uint32_t min_size, max_size;
  uint32_t total_connections; /* open: idle, lent, being pinged or reset */
  uint32_t idle_connections;
  uint32_t active_connections; /* lent */
  uint32_t opening, closing, waiting;
  uint64_t oldest_wait_us;

  uint64_t total_checkouts, total_checkins;
  uint64_t failed_checkouts; /* for any reason but a cancel */
  uint64_t timeouts, refused, deadlocks;
  uint64_t connection_errors, validation_errors;
  uint64_t created_connections, destroyed_connections;
  uint64_t
      recycled_connections; /* closed for their age or state, not for size */
  uint64_t closed_by[COVET_POOL_REASON_COUNT];
  uint64_t leaks, reclaimed;

  uint64_t avg_checkout_us, max_checkout_us; /* from acquire to grant */
  uint64_t p50_checkout_us, p95_checkout_us, p99_checkout_us;

  covet_breaker_state breaker;
  uint64_t retry_after_us; /* while it is open */
} covet_pool_stats;

void covet_pool_get_stats(const covet_pool *pool, uint64_t now_us,
                          covet_pool_stats *stats);

/** How many wait. */
uint32_t covet_pool_waiting(const covet_pool *pool);

/** Whether connections are there, in whatever state. */
bool covet_pool_has_live(const covet_pool *pool);

/** Whether connections are being opened for the minimum. */
bool covet_pool_is_filling(const covet_pool *pool);

const covet_pool_config *covet_pool_get_config(const covet_pool *pool);

/** Why connecting failed last; kind NONE if it did not. */
const covet_error *covet_pool_last_error(const covet_pool *pool);

/** One loan. */
typedef struct covet_pool_loan {
  covet_pool_slot_id slot;
  covet_lease lease;
  uint64_t owner;
  uint64_t since_us;
} covet_pool_loan;

/** The `most` oldest loans, the oldest first. Returns how many there are. */
uint32_t covet_pool_loans(const covet_pool *pool, covet_pool_loan *loans,
                          uint32_t most);

/** The slot of the connection that would be lent next without any wait or
 *  check; false if there is none or somebody waits. */
bool covet_pool_peek(const covet_pool *pool, uint64_t now_us,
                     covet_pool_slot_id *id);

/** How many slot numbers are in use. */
uint32_t covet_pool_slots(const covet_pool *pool);

/** What the carrier keeps with a slot; NULL when it opens. */
void covet_pool_set_data(covet_pool *pool, covet_pool_slot_id slot, void *data);
void *covet_pool_data(const covet_pool *pool, covet_pool_slot_id slot);

/** Check every invariant that can be seen from inside: NULL, or which one does
 *  not hold. For tests. */
const char *covet_pool_check(const covet_pool *pool);

#endif
