/* What is known of connections and waiters, noted as it becomes known. */
#include "sim.h"

#include <math.h>
#include <string.h>

/* --- Leases ------------------------------------------------------------------- */

/* Note a lease; false when it was given before. */
static bool add_lease(simulation *sim, covet_lease lease)
{
  uint32_t at = (uint32_t) (lease * UINT64_C(0x9E3779B97F4A7C15) >> 52);

  if (++sim->seen_count > SIM_LEASES / 2) { /* of a long run only the last */
    memset(sim->seen, 0, sizeof(sim->seen));
    sim->seen_count = 1;
  }
  while (sim->seen[at % SIM_LEASES] != 0) {
    if (sim->seen[at % SIM_LEASES] == lease) {
      return false;
    }
    at++;
  }
  sim->seen[at % SIM_LEASES] = lease;
  return lease != 0;
}

static void add_stale(simulation *sim, covet_lease lease)
{
  sim->stale[sim->stale_count++ % SIM_STALE] = lease;
}

sim_slot *sim_find(simulation *sim, covet_lease lease)
{
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    if (sim->slots[i].shares > 0 && sim->slots[i].lease == lease) {
      return &sim->slots[i];
    }
  }
  return NULL;
}

/* --- The queue ------------------------------------------------------------------ */

void sim_enqueue(simulation *sim, sim_waiter *waiter, bool first)
{
  if (first) {
    for (uint32_t i = sim->queue_count; i > 0; i--) {
      sim->queue[i] = sim->queue[i - 1];
    }
    sim->queue[0] = waiter;
    waiter->order = --sim->front;
  } else {
    sim->queue[sim->queue_count] = waiter;
    waiter->order = ++sim->back;
  }
  sim->queue_count++;
  waiter->state = SIM_QUEUED;
}

void sim_dequeue(simulation *sim, sim_waiter *waiter)
{
  uint32_t kept = 0;

  for (uint32_t i = 0; i < sim->queue_count; i++) {
    if (sim->queue[i] != waiter) {
      sim->queue[kept++] = sim->queue[i];
    }
  }
  sim->queue_count = kept;
  waiter->state = SIM_IDLE;
}

/* --- Loans ----------------------------------------------------------------------- */

bool sim_is_idle(const sim_slot *slot)
{
  return slot->place == SIM_OPEN && slot->shares == 0 &&
         slot->work == SIM_NO_WORK;
}

/* With fresh_us 0 only what answered this very moment needs no ping. */
bool sim_needs_ping(const simulation *sim, const sim_slot *slot)
{
  const covet_pool_config *config = &sim->config;
  uint64_t age_us = sim->now_us - slot->sure_us;

  if (!config->can_ping || slot->liveness == COVET_POOL_CERTAIN ||
      age_us == 0 || age_us < config->fresh_us) {
    return false;
  }
  return config->test_on_borrow ||
         (config->pre_ping && slot->liveness == COVET_POOL_UNKNOWN);
}

static void begin_loan(simulation *sim, sim_slot *slot,
                       const sim_waiter *waiter)
{
  if (!add_lease(sim, waiter->w.lease)) {
    sim_fail(sim, "a lease is given twice");
  } else if (slot->needs_reset) {
    sim_fail(sim, "a dirty connection is lent without a reset");
  } else if (slot->dies_us <= sim->now_us) {
    sim_fail(sim, "a connection is lent beyond max_lifetime");
  } else if (sim_needs_ping(sim, slot)) {
    sim_fail(sim, "a connection is lent without the ping that it needs");
  }
  slot->lease = waiter->w.lease;
  slot->passing = waiter->w.passing;
  slot->owner = slot->passing ? 0 : waiter->w.owner;
  slot->shareable = waiter->w.shareable && sim->config.share_depth > 1;
  slot->since_us = sim->now_us;
  slot->leaked = false;
  slot->dirty = false;
}

static void join_loan(simulation *sim, const sim_slot *slot,
                      const sim_waiter *waiter)
{
  if (!slot->shareable || !waiter->w.shareable) {
    sim_fail(sim, "granted twice: a connection is lent to one who wants it for "
                  "himself and to another");
  } else if (slot->shares >= sim->config.share_depth) {
    sim_fail(sim, "more shares than share_depth");
  } else if (slot->lease != waiter->w.lease) {
    sim_fail(sim, "shares of one loan have several leases");
  } else if (sim->stats.idle_connections > 0) {
    sim_fail(sim, "a connection is shared while another one is idle");
  } else if (slot->dirty && sim->config.reset != COVET_POOL_RESET_NEVER) {
    sim_fail(sim, "a dirty connection is shared");
  }
}

void sim_note_grant(simulation *sim, sim_waiter *waiter)
{
  sim_slot *slot = &sim->slots[waiter->w.slot % SIM_SLOTS];
  uint64_t wait_us = sim->now_us - waiter->since_us;

  if (slot->place != SIM_OPEN || slot->work != SIM_NO_WORK) {
    sim_fail(sim, "a connection is lent that is not ready");
  } else if (slot->doom != 0) {
    sim_fail(
        sim, "a connection is lent that has to be closed (%s)",
        covet_pool_reason_name((covet_pool_reason) __builtin_ctz(slot->doom)));
  } else if (slot->shares == 0) {
    begin_loan(sim, slot, waiter);
  } else {
    join_loan(sim, slot, waiter);
  }
  slot->shares++;
  waiter->state = waiter == sim->asking ? SIM_HOLDS : SIM_ANSWERED;
  waiter->stamp = sim->event;
  waiter->granted = true;
  sim->granted_now = true;
  sim->expected.total_checkouts++;
  sim->checkout_count++;
  sim->checkout_sum_us += wait_us;
  if (wait_us > sim->expected.max_checkout_us) {
    sim->expected.max_checkout_us = wait_us;
  }
}

static void end_loan(simulation *sim, sim_slot *slot)
{
  slot->over_lease = slot->lease;
  slot->over_owner = slot->owner;
  slot->over_us = sim->now_us - slot->since_us;
  slot->over_due = slot->leaked;
  slot->leaked = false;
  slot->used_us = sim->now_us;
  slot->sure_us = sim->now_us;
  add_stale(sim, slot->lease);
  if (sim->config.reset == COVET_POOL_RESET_NEVER) {
    return;
  }
  if (sim->config.can_reset) {
    slot->needs_reset =
        slot->dirty || sim->config.reset == COVET_POOL_RESET_ALWAYS;
  } else if (slot->dirty) {
    slot->doom |= 1U << COVET_POOL_REASON_RESET;
  }
}

void sim_note_return(simulation *sim, sim_slot *slot,
                     covet_pool_verdict verdict)
{
  if (verdict == COVET_POOL_BROKEN) {
    slot->doom |= 1U << COVET_POOL_REASON_BROKEN;
  }
  slot->dirty = slot->dirty || verdict == COVET_POOL_DIRTY;
  if (--slot->shares == 0) {
    end_loan(sim, slot);
  }
}

void sim_note_taken(simulation *sim, sim_slot *slot)
{
  for (uint32_t i = 0; i < SIM_WAITERS; i++) {
    sim_waiter *waiter = &sim->waiters[i];

    if (waiter->state == SIM_HOLDS && waiter->w.lease == slot->lease) {
      waiter->state = SIM_IDLE;
    }
  }
  sim->expected.total_checkins += slot->shares;
  slot->shares = 0;
  slot->dirty = true;
  end_loan(sim, slot);
}

/* --- Connecting --------------------------------------------------------------------- */

void sim_note_connected(simulation *sim, sim_slot *slot)
{
  slot->place = SIM_OPEN;
  slot->born_us = sim->now_us;
  slot->used_us = sim->now_us;
  slot->sure_us = sim->now_us;
  slot->dies_us = sim_after(sim->now_us, sim->config.max_lifetime_us);
  slot->ages_us = slot->dies_us;
  if (slot->dies_us != UINT64_MAX) {
    slot->ages_us -= (uint64_t) ((double) sim->config.max_lifetime_us *
                                 sim->config.lifetime_jitter) +
                     1;
  }
  slot->needs_reset = false;
  sim->expected.created_connections++;
  sim->failures_in_row = 0;
  sim->attempts = 0;
  sim->permanent = false;
  sim->failure_count = 0;
  sim->connected_now = true;
}

static double backoff(const simulation *sim)
{
  double longest = (double) sim->config.retry_max_backoff_us;
  double wait = ldexp((double) sim->config.retry_backoff_us,
                      (int) sim->failures_in_row - 1);

  return longest > 0 && wait > longest ? longest : wait;
}

static void note_failure_time(simulation *sim)
{
  if (sim->failure_count == SIM_FAILURES) {
    sim->failure_count--;
    memmove(sim->failures_us, sim->failures_us + 1,
            sizeof(uint64_t) * sim->failure_count);
  }
  sim->failures_us[sim->failure_count++] = sim->now_us;
}

/* Those that were being opened when the first of them failed are one attempt. */
void sim_note_connect_failed(simulation *sim, const sim_slot *slot,
                             bool permanent)
{
  sim->expected.connection_errors++;
  sim->permanent = permanent;
  sim->failed_now = true;
  if (slot->round == sim->round) {
    sim->round++;
    sim->failures_in_row++;
    sim->attempts++;
    sim->failed_us = sim->now_us;
    sim->backoff_us = (uint64_t) backoff(sim);
    sim->backoff_jitter = sim->config.retry_jitter;
  }
  if (sim->config.breaker_failures != 0) {
    note_failure_time(sim);
  }
}

uint64_t sim_backoff_least(const simulation *sim)
{
  if (sim->failures_in_row == 0) {
    return 0;
  }
  return sim->failed_us +
         (sim->backoff_jitter ? sim->backoff_us / 2 : sim->backoff_us);
}

uint64_t sim_backoff_most(const simulation *sim)
{
  return sim->failures_in_row == 0 ? 0 : sim->failed_us + sim->backoff_us;
}
