/**
 * The pool's simulator: random schedules of events with faults, on a virtual
 * clock, against the promises of core/pool.h.
 *
 * events.c (with asking.c, giving.c) does what users do, carrier.c and hear.c
 * what the carrier does; each event is one call of the pool. model.c and
 * observe.c note what came of it in the plainest way that there is; check*.c
 * compare. schedule.c makes a whole of it, and brings everything to rest. Nothing here looks behind pool.h, so that it can
 * judge any implementation.
 *
 * The carrier takes actions at once (it is *eager*) or lets them stand, so that
 * events overtake them. Only an eager one knows when a decision was made: all
 * checks of the kind "not yet", and counters of decisions, need one.
 */
#ifndef COVET_POOL_SIM_H
#define COVET_POOL_SIM_H

#include "core/pool.h"
#include "random.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  SIM_SLOTS = 64,
  SIM_WAITERS = 48,
  SIM_OWNERS = 6,
  SIM_STALE = 16,
  SIM_FAILURES = 16, /* more than any breaker counts here */
  SIM_LEASES = 4096,
  SIM_EVENTS = 1000 /* of one schedule, at most */
};

#define SIM_MS UINT64_C(1000)
#define SIM_SECOND UINT64_C(1000000)

typedef enum sim_place {
  SIM_FREE,
  SIM_OPENING,
  SIM_OPEN,
  SIM_CLOSING
} sim_place;

typedef enum sim_work { SIM_NO_WORK, SIM_PING, SIM_RESET } sim_work;

/** A connection as carrier and users see it, and its present loan. */
typedef struct sim_slot {
  sim_place place;
  sim_work work;
  uint64_t started_us;  /* what is under way */
  uint64_t deadline_us; /* its timeout */
  uint64_t answer_us;   /* when the carrier answers; UINT64_MAX: never */
  bool answer_good;
  bool answer_permanent;

  covet_pool_liveness liveness;
  uint64_t born_us;
  uint64_t ages_us; /* max_lifetime, at the earliest that jitter allows */
  uint64_t dies_us; /* and at the latest */
  uint64_t used_us; /* made, given back or reset */
  uint64_t sure_us; /* the same, or answered a ping */
  uint32_t round;   /* of connecting */
  unsigned doom;    /* bits of reasons why it must not be lent again */
  bool needs_reset;

  uint32_t shares; /* 0: not lent */
  covet_lease lease;
  uint64_t owner;
  uint64_t since_us;
  bool shareable;
  bool passing;
  bool leaked; /* that was told */
  bool dirty;

  covet_lease over_lease; /* the last loan that ended */
  uint64_t over_owner, over_us;
  bool over_due;      /* LEAK_OVER must be told */
  bool reclaimed_due; /* RECLAIMED must be told */
} sim_slot;

typedef enum sim_waiter_state {
  SIM_IDLE,     /* wants nothing */
  SIM_QUEUED,   /* the pool has it */
  SIM_ANSWERED, /* and knows the answer */
  SIM_HOLDS
} sim_waiter_state;

typedef struct sim_waiter {
  covet_pool_waiter w;
  sim_waiter_state state;
  uint64_t since_us;
  uint64_t deadline_us;
  int64_t order;  /* in the queue */
  bool granted;   /* answered so */
  uint32_t stamp; /* the event that answered it */
} sim_waiter;

/** What is asked of a run. */
typedef struct sim_options {
  uint64_t seed;
  uint32_t events; /* of each schedule */
  bool trace;
  const bool *skip; /* events to leave out, by number; or NULL */
} sim_options;

typedef struct simulation {
  const sim_options *options;
  uint64_t schedule;
  sim_random random;
  covet_pool *pool;
  covet_pool_config config;
  uint64_t now_us;
  uint32_t event;   /* number of the present one */
  uint64_t calls;   /* of the pool */
  uint32_t spins;   /* ticks in a row that left something due */
  uint64_t spun_us; /* the time of the last one */

  /* how this schedule goes */
  bool eager;    /* actions are always taken at once */
  bool punctual; /* ticks come in time */
  bool database_up;
  bool quiet; /* the end: no faults any more */
  unsigned fault_percent;
  unsigned slow_percent;

  /* the model */
  sim_slot slots[SIM_SLOTS];
  uint32_t slot_count; /* highest number seen, and one */
  sim_waiter waiters[SIM_WAITERS];
  sim_waiter *queue[SIM_WAITERS];
  uint32_t queue_count;
  int64_t front, back; /* orders given */
  uint32_t told_stamp; /* of the grant told last, and its order */
  int64_t told_order;
  covet_lease stale[SIM_STALE]; /* leases that are not good any more */
  uint32_t stale_count;
  covet_lease seen[SIM_LEASES]; /* all there ever were, hashed */
  uint32_t seen_count;
  sim_waiter *asking; /* whose acquire is being answered */
  covet_pool_answer answer;

  enum { SIM_RUNS, SIM_DRAINS, SIM_CLOSES } life;
  bool warm;
  bool ended;
  uint64_t close_deadline_us;
  uint32_t round;           /* of connecting */
  uint32_t failures_in_row; /* rounds */
  uint32_t attempts;        /* rounds since waiters were told */
  bool permanent;           /* the last failure was */
  bool failed_now;          /* connecting has failed in this event */
  bool granted_now;         /* somebody was served */
  bool connected_now;       /* or worked */
  uint64_t failed_us;       /* the first failure of the last round */
  uint64_t backoff_us;      /* after it, without jitter */
  bool backoff_jitter;
  uint64_t failures_us[SIM_FAILURES]; /* the latest since a success or trip */
  uint32_t failure_count;
  uint64_t breaker_until_us;
  bool breaker_told;
  covet_pool_stats expected; /* counters only */
  uint64_t checkout_sum_us, checkout_count;

  covet_pool_stats before; /* the present event */
  covet_pool_stats stats;  /* after it */

  char failure[256];
} simulation;

/* --- schedule.c ----------------------------------------------------------------- */

/** Run one schedule; false when an invariant did not hold (`failure` says
 *  which). */
bool sim_run(simulation *sim, const sim_options *options, uint64_t schedule);

/* --- config.c ------------------------------------------------------------------ */

void sim_make_config(simulation *sim);
void sim_change_config(simulation *sim);
void sim_print_config(const simulation *sim);

/* --- events.c ------------------------------------------------------------------ */

/** One random event. */
void sim_step(simulation *sim);

/** Before each event. */
void sim_begin(simulation *sim);

/** Each is one call of the pool and what follows from it. */
void sim_acquire(simulation *sim, sim_waiter *waiter);
void sim_release(simulation *sim, sim_waiter *waiter,
                 covet_pool_verdict verdict);
void sim_warm(simulation *sim);
void sim_close(simulation *sim, uint64_t deadline_us);

/** Let the clock go on, and have the answer or the tick that is due. */
void sim_pass_time(simulation *sim, uint64_t until_us);

/** What came of an event: answers noted, actions taken, all checked. */
void sim_settle(simulation *sim);

/** Take the first `most` actions that stand. */
void sim_take_actions(simulation *sim, uint32_t most);

/* --- carrier.c, hear.c ----------------------------------------------------------------- */

/** Carry one action out: the answer comes later. */
void sim_carry_out(simulation *sim, const covet_pool_action *action);

/** The slot whose answer comes first, NULL if none will. */
sim_slot *sim_next_answer(simulation *sim);

/** Tell the pool this answer. */
void sim_answer(simulation *sim, sim_slot *slot);

/* --- model.c ------------------------------------------------------------------- */

/** Note which waiters the pool has answered. */
void sim_observe(simulation *sim);
void sim_enqueue(simulation *sim, sim_waiter *waiter, bool first);
void sim_dequeue(simulation *sim, sim_waiter *waiter);
void sim_note_grant(simulation *sim, sim_waiter *waiter);
void sim_note_failure(simulation *sim, sim_waiter *waiter);

/** A loan's share was given back, `verdict` said. */
void sim_note_return(simulation *sim, sim_slot *slot,
                     covet_pool_verdict verdict);

/** A loan was taken from its borrowers. */
void sim_note_taken(simulation *sim, sim_slot *slot);
void sim_note_connected(simulation *sim, sim_slot *slot);
void sim_note_connect_failed(simulation *sim, const sim_slot *slot,
                             bool permanent);

/** When the backoff after the last failure is over at the earliest, and at the
 *  latest. */
uint64_t sim_backoff_least(const simulation *sim);
uint64_t sim_backoff_most(const simulation *sim);

/** Connections that are on their way without anybody's giving one back. */
static inline uint32_t sim_coming(const simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;

  return stats->opening + stats->total_connections - stats->idle_connections -
         stats->active_connections;
}

static inline uint32_t sim_taken(const covet_pool_stats *stats)
{
  return stats->total_connections + stats->opening + stats->closing;
}

/** Whether the time for closing is over. */
static inline bool sim_is_forced(const simulation *sim)
{
  return sim->life == SIM_CLOSES && sim->close_deadline_us <= sim->now_us;
}

/** The slot of a good lease, NULL else. */
sim_slot *sim_find(simulation *sim, covet_lease lease);
bool sim_needs_ping(const simulation *sim, const sim_slot *slot);
bool sim_is_idle(const sim_slot *slot);

/* --- observe.c and check*.c ---------------------------------------- */

/** Everything that must hold after an event. */
void sim_check(simulation *sim);

void sim_check_breaker(simulation *sim);
void sim_check_counters(simulation *sim);

/** Whether holders wait for each other only. */
bool sim_is_deadlocked(const simulation *sim);
bool sim_owner_holds(const simulation *sim, uint64_t owner);

/** What must have happened by now, or be announced by covet_pool_due_us. */
void sim_check_time(simulation *sim);

/** When a loan counts as a leak. */
uint64_t sim_leak_due(const simulation *sim, const sim_slot *slot);

/** Whether this close has its reason. */
void sim_check_close(simulation *sim, const sim_slot *slot,
                     covet_pool_reason reason);

/* --- steady.c -------------------------------------------------------------------- */

/** Instead of random events: a load step, then a steady load. */
void sim_steady(simulation *sim);

/* --- trace.c ------------------------------------------------------------------- */

/** Note the first invariant that does not hold. */
__attribute__((format(printf, 2, 3))) void sim_fail(simulation *sim,
                                                    const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_trace(const simulation *sim,
                                                     const char *format, ...);

/** Begin the line of an event. */
void sim_trace_event(const simulation *sim);

static inline bool sim_failed(const simulation *sim)
{
  return sim->failure[0] != '\0';
}

static inline uint32_t sim_slot_id(const simulation *sim, const sim_slot *slot)
{
  return (uint32_t) (slot - sim->slots);
}

static inline uint32_t sim_waiter_id(const simulation *sim,
                                     const sim_waiter *waiter)
{
  return (uint32_t) (waiter - sim->waiters);
}

/** A point in time; a duration of 0 lies in eternity. */
static inline uint64_t sim_after(uint64_t from_us, uint64_t duration_us)
{
  return duration_us == 0 || duration_us > UINT64_MAX - from_us
             ? UINT64_MAX
             : from_us + duration_us;
}

#endif
