/* What must hold after every event. */
#include "sim.h"

#include <string.h>

/* --- Sums -------------------------------------------------------------------- */

static uint32_t larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

static void check_sums(simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  const covet_pool_stats *before = &sim->before;

  if (sim_taken(stats) > larger(stats->max_size, sim_taken(before))) {
    sim_fail(sim, "open + opening + closing > max_size: %u + %u + %u > %u",
             stats->total_connections, stats->opening, stats->closing,
             stats->max_size);
  } else if (stats->opening >
             larger(sim->config.connect_parallel, before->opening)) {
    sim_fail(sim, "more than connect_parallel are being opened: %u",
             stats->opening);
  } else if (stats->waiting != sim->queue_count) {
    sim_fail(sim, "%u waiters in the queue, not %u", stats->waiting,
             sim->queue_count);
  } else if (covet_pool_first_waiter(sim->pool) !=
             (sim->queue_count == 0 ? NULL : &sim->queue[0]->w)) {
    sim_fail(sim, "unfair: another waiter is first in the queue");
  } else if (stats->oldest_wait_us !=
             (sim->queue_count == 0 ? 0
                                    : sim->now_us - sim->queue[0]->since_us)) {
    sim_fail(sim, "oldest_wait is wrong");
  } else if (stats->min_size != sim->config.min_size ||
             stats->max_size != sim->config.max_size) {
    sim_fail(sim, "the sizes are not those that were configured");
  }
}

/* --- Slots ---------------------------------------------------------------------- */

typedef struct tally {
  uint32_t idle, active, work, opening, closing;
} tally;

static void count_slots(const simulation *sim, tally *count)
{
  memset(count, 0, sizeof(*count));
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    count->opening += slot->place == SIM_OPENING;
    count->closing += slot->place == SIM_CLOSING;
    count->active += slot->shares > 0;
    count->work += slot->place == SIM_OPEN && slot->work != SIM_NO_WORK;
    count->idle += sim_is_idle(slot);
  }
}

static void check_slots(simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  tally count;

  count_slots(sim, &count);
  if (stats->active_connections != count.active) {
    sim_fail(sim, "%u connections are lent, not %u", stats->active_connections,
             count.active);
  }
  if (covet_pool_has_next(sim->pool)) {
    return;
  }
  if (stats->idle_connections != count.idle) {
    sim_fail(sim, "%u connections are idle, not %u", stats->idle_connections,
             count.idle);
  } else if (stats->opening != count.opening ||
             stats->closing != count.closing) {
    sim_fail(sim, "%u opening and %u closing, not %u and %u: a slot is lost",
             stats->opening, stats->closing, count.opening, count.closing);
  } else if (stats->total_connections !=
             count.idle + count.active + count.work) {
    sim_fail(sim, "%u connections in all, not %u", stats->total_connections,
             count.idle + count.active + count.work);
  }
}

/* What came back and cannot be lent again is closed or reset at once. */
static void check_returned(simulation *sim)
{
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (slot->place != SIM_OPEN || slot->shares > 0) {
      continue;
    }
    if (slot->doom != 0) {
      sim_fail(sim, "s%u has to be closed (%s), but stays", i,
               covet_pool_reason_name(
                   (covet_pool_reason) __builtin_ctz(slot->doom)));
    } else if (slot->needs_reset && slot->work != SIM_RESET) {
      sim_fail(sim, "s%u is dirty, but is not reset", i);
    } else if (sim->life == SIM_CLOSES && slot->work == SIM_NO_WORK) {
      sim_fail(sim, "s%u stays open in a pool that closes", i);
    } else if (slot->over_due || slot->reclaimed_due) {
      sim_fail(sim, "the end of a loan on s%u is not reported", i);
    }
  }
}

/* --- Waiters --------------------------------------------------------------------- */

/* A waiter and an idle connection at the same time: only for as long as as many
 * as wait are being pinged or reset. */
static void check_idle_wait(simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  uint32_t work = sim_coming(sim) - stats->opening;

  if (stats->waiting == 0 || stats->idle_connections == 0) {
    return;
  }
  if (stats->waiting > work) {
    sim_fail(sim, "lost waiter: %u wait, %u are idle, %u pinged or reset",
             stats->waiting, stats->idle_connections, work);
  }
  for (uint32_t i = 0; sim->eager && i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (sim_is_idle(slot) && slot->doom == 0 && slot->ages_us > sim->now_us &&
        !sim_needs_ping(sim, slot)) {
      sim_fail(sim, "lost waiter: s%u is idle and needs no ping", i);
    }
  }
}

/* One who shares need not wait where all are lent and one has room. */
static void check_share_wait(simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;

  if (sim->queue_count == 0 || !sim->queue[0]->w.shareable ||
      sim_coming(sim) > 0 || sim_taken(stats) < stats->max_size) {
    return;
  }
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (slot->shares > 0 && slot->shareable && slot->doom == 0 &&
        !slot->dirty && slot->shares < sim->config.share_depth &&
        slot->ages_us > sim->now_us &&
        sim_taken(stats) - stats->closing <= stats->max_size) {
      sim_fail(sim, "lost waiter: s%u has room for one share more", i);
    }
  }
}

static void check_waiters(simulation *sim)
{
  check_idle_wait(sim);
  check_share_wait(sim);
  if (sim_is_deadlocked(sim)) {
    sim_fail(sim, "deadlock: each holder waits, and none is told");
  }
  if (sim->life == SIM_CLOSES && sim->queue_count > 0) {
    sim_fail(sim, "somebody waits for a pool that closes");
  }
  if (sim->eager && sim->life != SIM_RUNS && !sim->ended &&
      sim_taken(&sim->stats) == 0 && sim->queue_count == 0 &&
      covet_pool_due_us(sim->pool) > sim->now_us) {
    sim_fail(sim, "nothing is left, but the end is not told");
  }
}

void sim_check(simulation *sim)
{
  const char *text = covet_pool_check(sim->pool);

  if (text != NULL) {
    sim_fail(sim, "covet_pool_check: %s", text);
  }
  check_sums(sim);
  check_slots(sim);
  check_waiters(sim);
  sim_check_breaker(sim);
  sim_check_counters(sim);
  if (sim->eager) {
    check_returned(sim);
  }
  sim_check_time(sim);
}
