/* Users give connections back: well, badly, twice, or not at all. */
#include "events.h"

void sim_release(simulation *sim, sim_waiter *waiter,
                 covet_pool_verdict verdict)
{
  sim_slot *slot = sim_find(sim, waiter->w.lease);
  covet_pool_slot_id id = 0;

  sim_trace(sim, "w%u gives s%u back, verdict %d", sim_waiter_id(sim, waiter),
            waiter->w.slot, (int) verdict);
  if (!covet_pool_find(sim->pool, waiter->w.lease, &id) ||
      id != waiter->w.slot) {
    sim_fail(sim, "a good lease is not found");
  }
  if (covet_pool_release(sim->pool, sim->now_us, waiter->w.lease, verdict) !=
      0) {
    sim_fail(sim, "a good lease is not taken back");
  }
  waiter->state = SIM_IDLE;
  sim->expected.total_checkins++;
  sim_note_return(sim, slot, verdict);
  sim_settle(sim);
}

void event_release(simulation *sim)
{
  sim_waiter *waiter = sim_any_waiter(sim, SIM_HOLDS);
  sim_random *r = &sim->random;
  covet_pool_verdict verdict = COVET_POOL_CLEAN;

  if (random_chance(r, 30)) {
    verdict = random_chance(r, 70) ? COVET_POOL_DIRTY : COVET_POOL_BROKEN;
  }
  if (waiter != NULL) {
    sim_release(sim, waiter, verdict);
  }
}

void event_release_stale(simulation *sim)
{
  sim_random *r = &sim->random;
  covet_lease lease = sim->stale[random_range(r, 0, SIM_STALE - 1)];
  covet_pool_slot_id id = 0;
  covet_pool_waiter waiter = {0};

  if (random_chance(r, 20)) {
    lease = random_next(r) >> random_range(r, 0, 63);
  }
  if (sim_find(sim, lease) != NULL) {
    return;
  }
  sim_trace(sim, "a bad lease is given back");
  if (covet_pool_find(sim->pool, lease, &id) ||
      covet_pool_release(sim->pool, sim->now_us, lease, COVET_POOL_CLEAN) !=
          COVET_EUSAGE ||
      covet_pool_reclaim(sim->pool, sim->now_us, lease) != COVET_EUSAGE ||
      covet_pool_reject(sim->pool, sim->now_us, lease, &waiter) !=
          COVET_EUSAGE) {
    sim_fail(sim, "a lease that is not good is accepted");
  }
  sim_settle(sim);
}

void event_reject(simulation *sim)
{
  sim_waiter *waiter = sim_any_waiter(sim, SIM_HOLDS);
  sim_slot *slot;

  if (waiter == NULL) {
    return;
  }
  slot = sim_find(sim, waiter->w.lease);
  sim_trace(sim, "w%u rejects s%u", sim_waiter_id(sim, waiter), waiter->w.slot);
  if (covet_pool_reject(sim->pool, sim->now_us, waiter->w.lease, &waiter->w) !=
      0) {
    sim_fail(sim, "a good lease is not taken back");
  }
  slot->doom |= 1U << COVET_POOL_REASON_REJECTED;
  sim->expected.total_checkouts--;
  sim->expected.validation_errors++;
  sim_note_return(sim, slot, COVET_POOL_CLEAN);
  sim_enqueue(sim, waiter, true);
  if (waiter->deadline_us <= sim->now_us &&
      waiter->w.failure == COVET_POOL_NO_FAILURE) {
    sim_fail(sim, "w%u is let in again after its deadline",
             sim_waiter_id(sim, waiter));
  }
  sim_settle(sim);
}

/* A loan that is its borrower's alone. */
static sim_slot *any_loan(simulation *sim)
{
  sim_waiter *waiter = sim_any_waiter(sim, SIM_HOLDS);
  sim_slot *slot = waiter == NULL ? NULL : sim_find(sim, waiter->w.lease);

  return slot != NULL && !slot->shareable ? slot : NULL;
}

static void note_reclaimed(simulation *sim, sim_slot *slot)
{
  sim->expected.reclaimed++;
  slot->doom |=
      sim->config.can_reset && sim->config.reset != COVET_POOL_RESET_NEVER
          ? 0
          : 1U << COVET_POOL_REASON_RECLAIMED;
  sim_note_taken(sim, slot);
  slot->reclaimed_due = true;
}

void event_reclaim(simulation *sim)
{
  sim_slot *slot = any_loan(sim);

  if (slot == NULL) {
    return;
  }
  sim_trace(sim, "s%u is reclaimed", sim_slot_id(sim, slot));
  if (covet_pool_reclaim(sim->pool, sim->now_us, slot->lease) != 0) {
    sim_fail(sim, "a good lease is not reclaimed");
  }
  note_reclaimed(sim, slot);
  sim_settle(sim);
}

/* Who dies does not wait any more: the carrier cancels that before. */
void event_owner_dies(simulation *sim)
{
  uint64_t owner = random_range(&sim->random, 1, SIM_OWNERS);
  uint32_t count = 0;
  uint32_t dead;

  for (uint32_t i = 0; i < SIM_WAITERS; i++) {
    if (sim->waiters[i].w.owner == owner &&
        (sim->waiters[i].state == SIM_QUEUED ||
         sim->waiters[i].state == SIM_ANSWERED)) {
      return;
    }
  }
  sim_trace(sim, "owner %u dies", (unsigned) owner);
  dead = covet_pool_owner_died(sim->pool, sim->now_us, owner);
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    if (sim->slots[i].shares > 0 && sim->slots[i].owner == owner) {
      note_reclaimed(sim, &sim->slots[i]);
      count++;
    }
  }
  if (dead != count) {
    sim_fail(sim, "%u loans of a dead owner are taken back, not %u", dead,
             count);
  }
  sim_settle(sim);
}

void event_lose(simulation *sim)
{
  uint32_t id = (uint32_t) random_range(&sim->random, 0, sim->slot_count);
  sim_slot *slot = &sim->slots[id % SIM_SLOTS];

  sim_trace(sim, "s%u is lost", id);
  covet_pool_lost(sim->pool, sim->now_us, id);
  if (slot->place == SIM_OPEN) {
    slot->doom |= 1U << COVET_POOL_REASON_LOST;
  }
  sim_settle(sim);
}
