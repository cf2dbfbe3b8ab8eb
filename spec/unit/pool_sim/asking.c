/* Users ask for connections, and give up. */
#include "events.h"

sim_waiter *sim_any_waiter(simulation *sim, sim_waiter_state state)
{
  uint32_t start = (uint32_t) random_range(&sim->random, 0, SIM_WAITERS - 1);

  for (uint32_t i = 0; i < SIM_WAITERS; i++) {
    sim_waiter *waiter = &sim->waiters[(start + i) % SIM_WAITERS];

    if (waiter->state == state) {
      return waiter;
    }
  }
  return NULL;
}

static void make_request(simulation *sim, sim_waiter *waiter)
{
  sim_random *r = &sim->random;
  covet_pool_waiter *w = &waiter->w;

  w->owner = random_chance(r, 30) ? 0 : random_range(r, 1, SIM_OWNERS);
  w->shareable = random_chance(r, 35);
  w->passing = w->shareable || random_chance(r, 20);
  w->deadline_us = 0;
  if (random_chance(r, 30)) {
    w->deadline_us = sim->now_us + random_range(r, 1, 2 * SIM_SECOND);
  }
}

static const sim_slot *best_idle(const simulation *sim)
{
  const sim_slot *best = NULL;

  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (sim_is_idle(slot) &&
        (best == NULL || (sim->config.fifo ? slot->used_us < best->used_us
                                           : slot->used_us > best->used_us))) {
      best = slot;
    }
  }
  return best;
}

/* The idle connection that is lent next, if it can be lent at once; of several
 * used at the same time any may come first. */
static const sim_slot *expected_slot(const simulation *sim)
{
  const sim_slot *best = best_idle(sim);

  if (best == NULL || sim->queue_count > 0 || sim->life != SIM_RUNS ||
      sim->stats.total_connections + sim->stats.opening >
          sim->config.max_size) {
    return NULL;
  }
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    const sim_slot *slot = &sim->slots[i];

    if (sim_is_idle(slot) && slot->used_us == best->used_us &&
        (slot->ages_us <= sim->now_us || sim_needs_ping(sim, slot))) {
      return NULL;
    }
  }
  return best;
}

static void check_order(simulation *sim, const sim_waiter *waiter,
                        const sim_slot *best, bool peeked,
                        covet_pool_slot_id peek)
{
  bool granted = sim->answer == COVET_POOL_GRANTED;
  const sim_slot *slot = &sim->slots[waiter->w.slot % SIM_SLOTS];

  if (peeked && (!granted || waiter->w.slot != peek)) {
    sim_fail(sim, "covet_pool_peek saw s%u, which is not lent", peek);
  }
  if (best == NULL || !sim->eager) {
    return;
  }
  if (!granted || !peeked) {
    sim_fail(sim, "lost waiter: s%u is idle, but is not lent",
             sim_slot_id(sim, best));
  } else if (slot->used_us != best->used_us) {
    sim_fail(sim, "wrong order: s%u is lent, not s%u", waiter->w.slot,
             sim_slot_id(sim, best));
  }
}

void sim_acquire(simulation *sim, sim_waiter *waiter)
{
  const sim_slot *best = expected_slot(sim);
  covet_pool_slot_id peek = 0;
  bool peeked;

  waiter->since_us = sim->now_us;
  waiter->deadline_us =
      waiter->w.deadline_us != 0
          ? waiter->w.deadline_us
          : sim_after(sim->now_us, sim->config.acquire_timeout_us);
  sim_trace(sim, "w%u acquires, owner %u%s%s", sim_waiter_id(sim, waiter),
            (unsigned) waiter->w.owner, waiter->w.shareable ? " shareable" : "",
            waiter->w.passing ? " passing" : "");
  sim_enqueue(sim, waiter, false);
  peeked = covet_pool_peek(sim->pool, sim->now_us, &peek);
  sim->asking = waiter;
  sim->answer = covet_pool_acquire(sim->pool, sim->now_us, &waiter->w);
  sim_trace(sim,
            sim->answer == COVET_POOL_GRANTED  ? ": gets s%u"
            : sim->answer == COVET_POOL_QUEUED ? ": waits"
                                               : ": refused",
            waiter->w.slot);
  check_order(sim, waiter, best, peeked, peek);
  if (sim->answer == COVET_POOL_QUEUED && sim->life != SIM_RUNS) {
    sim_fail(sim, "somebody may wait although the pool is shut");
  }
  sim_settle(sim);
  if (sim->answer == COVET_POOL_QUEUED && waiter->state == SIM_QUEUED &&
      sim->config.max_waiting != 0 &&
      sim->stats.waiting > sim->config.max_waiting + sim_coming(sim)) {
    sim_fail(sim, "more wait than max_waiting");
  }
}

void event_acquire(simulation *sim)
{
  sim_waiter *waiter = sim_any_waiter(sim, SIM_IDLE);

  if (waiter != NULL) {
    make_request(sim, waiter);
    sim_acquire(sim, waiter);
  }
}

void event_cancel(simulation *sim)
{
  sim_waiter *waiter = sim_any_waiter(
      sim, random_chance(&sim->random, 60) ? SIM_QUEUED : SIM_ANSWERED);

  if (waiter == NULL) {
    waiter = sim_any_waiter(sim, SIM_IDLE);
  }
  if (waiter == NULL) {
    return;
  }
  sim_trace(sim, "w%u cancels", sim_waiter_id(sim, waiter));
  covet_pool_cancel(sim->pool, sim->now_us, &waiter->w);
  if (waiter->state == SIM_QUEUED) {
    sim_dequeue(sim, waiter);
  } else if (waiter->state == SIM_ANSWERED && waiter->granted) {
    sim_slot *slot = sim_find(sim, waiter->w.lease);

    sim->expected.total_checkins++;
    sim_note_return(sim, slot, COVET_POOL_CLEAN);
  }
  waiter->state = SIM_IDLE;
  if (waiter->w.state != COVET_WAITER_NONE) {
    sim_fail(sim, "a cancelled waiter stays with the pool");
  }
  sim_settle(sim);
}

void event_take_waiter(simulation *sim)
{
  sim_waiter *waiter;

  if (sim->queue_count == 0) {
    return;
  }
  waiter = sim->queue[0];
  sim_trace(sim, "w%u is served by others", sim_waiter_id(sim, waiter));
  covet_pool_take_waiter(sim->pool, &waiter->w);
  sim_dequeue(sim, waiter);
  if (covet_pool_due_us(sim->pool) > sim->now_us) {
    sim_fail(sim, "nobody sees to those behind a waiter that was taken");
  }
  sim_tick(sim);
}
