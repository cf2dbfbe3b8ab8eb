/* Which waiters have been answered, and whether they should have been. */
#include "sim.h"

/* --- Failures ------------------------------------------------------------------ */

/* What was being opened when the event came, and is not overdue. A new attempt
 * may have begun in the same event, after the waiters were told. */
static bool is_opening(const simulation *sim)
{
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    if (sim->slots[i].place == SIM_OPENING &&
        sim->slots[i].deadline_us > sim->now_us) {
      return true;
    }
  }
  return false;
}

static bool may_be_told_of_connecting(const simulation *sim)
{
  if (sim->stats.total_connections > 0) {
    return false;
  }
  return !sim->eager ||
         (!is_opening(sim) &&
          (sim->permanent || sim->attempts >= sim->config.retry_attempts));
}

static bool failure_fits(const simulation *sim, const sim_waiter *waiter)
{
  const covet_pool_stats *stats = &sim->stats;

  switch (waiter->w.failure) {
  case COVET_POOL_TIMEOUT:
    return waiter->deadline_us <= sim->now_us;
  case COVET_POOL_EXHAUSTED:
    return waiter == sim->asking && sim->config.max_waiting != 0 &&
           stats->waiting + 1 > sim->config.max_waiting + sim_coming(sim);
  case COVET_POOL_SHUT:
    return sim->life == SIM_CLOSES ||
           (sim->life == SIM_DRAINS && waiter == sim->asking);
  case COVET_POOL_BREAKER_OPEN:
    return stats->breaker == COVET_BREAKER_OPEN &&
           stats->total_connections == 0 && stats->opening == 0;
  case COVET_POOL_CONNECT_FAILED:
    return may_be_told_of_connecting(sim);
  case COVET_POOL_DEADLOCK: /* judged before, with the queue as it was */
    return true;
  case COVET_POOL_NO_FAILURE:
  case COVET_POOL_NO_MEMORY:
    break;
  }
  return false;
}

void sim_note_failure(simulation *sim, sim_waiter *waiter)
{
  covet_pool_stats *expected = &sim->expected;
  covet_pool_failure failure = waiter->w.failure;

  if (!failure_fits(sim, waiter)) {
    sim_fail(sim, "w%u fails (%d) without cause", sim_waiter_id(sim, waiter),
             (int) failure);
  }
  expected->failed_checkouts++;
  expected->timeouts += failure == COVET_POOL_TIMEOUT;
  expected->refused += failure == COVET_POOL_EXHAUSTED;
  expected->deadlocks += failure == COVET_POOL_DEADLOCK;
  waiter->state = waiter == sim->asking ? SIM_IDLE : SIM_ANSWERED;
  waiter->stamp = sim->event;
  waiter->granted = false;
}

/* --- Deadlock ------------------------------------------------------------------- */

bool sim_owner_holds(const simulation *sim, uint64_t owner)
{
  for (uint32_t i = 0; i < sim->slot_count && owner != 0; i++) {
    if (sim->slots[i].shares > 0 && sim->slots[i].owner == owner) {
      return true;
    }
  }
  return false;
}

static bool owner_waits(const simulation *sim, uint64_t owner)
{
  for (uint32_t i = 0; i < sim->queue_count; i++) {
    if (sim->queue[i]->w.owner == owner) {
      return true;
    }
  }
  return false;
}

bool sim_is_deadlocked(const simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;

  if (sim->queue_count == 0 || stats->active_connections < stats->max_size ||
      stats->active_connections < sim_taken(stats)) {
    return false;
  }
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (slot->shares > 0 &&
        (slot->owner == 0 || !owner_waits(sim, slot->owner))) {
      return false;
    }
  }
  return true;
}

/* --- The queue ------------------------------------------------------------------- */

typedef enum outcome { WAITS, GRANTED, FAILED, DEADLOCKED, VANISHED } outcome;

static outcome outcome_of(const simulation *sim, const sim_waiter *waiter)
{
  bool at_once = waiter == sim->asking && sim->answer != COVET_POOL_QUEUED;

  if (!at_once && waiter->w.state == COVET_WAITER_QUEUED) {
    return WAITS;
  }
  if (waiter->w.state !=
      (at_once ? COVET_WAITER_NONE : COVET_WAITER_ANSWERED)) {
    return VANISHED;
  }
  if (waiter->w.failure == COVET_POOL_DEADLOCK) {
    return DEADLOCKED;
  }
  if (at_once && (sim->answer == COVET_POOL_GRANTED) !=
                     (waiter->w.failure == COVET_POOL_NO_FAILURE)) {
    return VANISHED;
  }
  return waiter->w.failure == COVET_POOL_NO_FAILURE ? GRANTED : FAILED;
}

/* From the youngest to the oldest: each must be the youngest that holds. */
static void observe_deadlocks(simulation *sim)
{
  for (uint32_t i = sim->queue_count; i-- > 0;) {
    sim_waiter *waiter = sim->queue[i];

    if (outcome_of(sim, waiter) == WAITS) {
      continue;
    }
    if (!sim_is_deadlocked(sim) || !sim_owner_holds(sim, waiter->w.owner)) {
      sim_fail(sim, "w%u fails with DEADLOCK, but there is none",
               sim_waiter_id(sim, waiter));
    }
    for (uint32_t k = i + 1; k < sim->queue_count; k++) {
      if (sim_owner_holds(sim, sim->queue[k]->w.owner)) {
        sim_fail(sim, "not the youngest of those in deadlock fails");
      }
    }
    sim_dequeue(sim, waiter);
    sim_note_failure(sim, waiter);
  }
}

void sim_observe(simulation *sim)
{
  uint32_t kept = 0;
  bool deadlocks = false;
  bool blocked = false;

  for (uint32_t i = 0; i < sim->queue_count; i++) {
    sim_waiter *waiter = sim->queue[i];
    outcome came = outcome_of(sim, waiter);

    if (came == WAITS || came == DEADLOCKED) {
      blocked = blocked || came == WAITS; /* he who gives way blocks nobody */
      deadlocks = deadlocks || came == DEADLOCKED;
      sim->queue[kept++] = waiter;
    } else if (came == GRANTED) {
      if (blocked) {
        sim_fail(sim, "unfair: w%u is served before w%u",
                 sim_waiter_id(sim, waiter),
                 sim_waiter_id(sim, sim->queue[kept - 1]));
      }
      sim_note_grant(sim, waiter);
    } else if (came == FAILED) {
      sim_note_failure(sim, waiter);
    } else {
      sim_fail(sim, "w%u left the queue without an answer",
               sim_waiter_id(sim, waiter));
    }
  }
  sim->queue_count = kept;
  if (deadlocks) {
    observe_deadlocks(sim);
  }
}
