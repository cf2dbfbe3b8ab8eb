/* What the pool tells: answers to waiters, and reports. */
#include "carrier.h"

static void hear_leak(simulation *sim, sim_slot *slot,
                      const covet_pool_action *action)
{
  if (slot->shares == 0 || slot->lease != action->lease ||
      slot->owner != action->owner) {
    sim_fail(sim, "a leak is reported of a loan that is over");
  } else if (slot->leaked) {
    sim_fail(sim, "a leak is reported twice");
  } else if (slot->passing || slot->shareable) {
    sim_fail(sim, "a leak is reported of a loan that cannot leak");
  } else if (sim->eager && (action->us != sim->now_us - slot->since_us ||
                            action->us < sim->config.leak_timeout_us)) {
    sim_fail(sim, "a leak is reported with a wrong time");
  }
  slot->leaked = true;
  sim->expected.leaks++;
}

static void hear_over(simulation *sim, const sim_slot *slot,
                      const covet_pool_action *action, bool due)
{
  if (sim->eager && !due) {
    sim_fail(sim, "a loan is reported over that was not reported, or twice");
  }
  if (action->lease == slot->over_lease
          ? action->us != slot->over_us || action->owner != slot->over_owner
          : sim->eager) {
    sim_fail(sim, "a loan is reported over with wrong figures");
  }
}

static void hear_answer(simulation *sim, const covet_pool_action *action)
{
  sim_waiter *waiter = COVET_CONTAINER(action->waiter, sim_waiter, w);
  bool granted = action->type == COVET_POOL_GRANT;

  if (waiter->state != SIM_ANSWERED || granted != waiter->granted ||
      granted != (waiter->w.failure == COVET_POOL_NO_FAILURE)) {
    sim_fail(sim, "w%u is told what is not so", sim_waiter_id(sim, waiter));
  } else if (granted && (action->lease != waiter->w.lease ||
                         action->slot != waiter->w.slot ||
                         sim_find(sim, action->lease) == NULL)) {
    sim_fail(sim, "w%u is told of a lease that is not good",
             sim_waiter_id(sim, waiter));
  } else if (granted && (waiter->stamp < sim->told_stamp ||
                         (waiter->stamp == sim->told_stamp &&
                          waiter->order < sim->told_order))) {
    sim_fail(sim, "unfair: w%u is told later than one behind him",
             sim_waiter_id(sim, waiter));
  }
  if (granted) {
    sim->told_stamp = waiter->stamp;
    sim->told_order = waiter->order;
  }
  waiter->state = granted ? SIM_HOLDS : SIM_IDLE;
}

static void hear_end(simulation *sim, covet_pool_action_type type)
{
  bool fits = type == COVET_POOL_DRAINED ? sim->life == SIM_DRAINS
                                         : sim->life == SIM_CLOSES;

  if (!fits || sim->ended || sim->queue_count > 0 ||
      sim_taken(&sim->stats) > 0) {
    sim_fail(sim, "the end is told, but it is not there, or twice");
  }
  sim->ended = true;
}

static void trace_action(const simulation *sim, const covet_pool_action *action)
{
  static const char *const names[] = {
      "nothing",   "grant",   "fail",    "open",  "ping",
      "reset",     "close",   "abandon", "leak",  "leak over",
      "reclaimed", "breaker", "drained", "closed"};

  sim_trace(sim, " | %s", names[action->type]);
  if (action->waiter != NULL) {
    sim_trace(
        sim, " w%u",
        sim_waiter_id(sim, COVET_CONTAINER(action->waiter, sim_waiter, w)));
  }
  if (action->type != COVET_POOL_FAIL && action->type < COVET_POOL_BREAKER) {
    sim_trace(sim, " s%u", action->slot);
  } else if (action->type == COVET_POOL_FAIL) {
    sim_trace(sim, " (%d)", (int) action->waiter->failure);
  }
  if (action->type == COVET_POOL_CLOSE || action->type == COVET_POOL_ABANDON) {
    sim_trace(sim, " (%s)", covet_pool_reason_name(action->reason));
  }
}

static void hear_report(simulation *sim, sim_slot *slot,
                        const covet_pool_action *action)
{
  switch (action->type) {
  case COVET_POOL_GRANT:
  case COVET_POOL_FAIL:
    hear_answer(sim, action);
    return;
  case COVET_POOL_LEAK:
    hear_leak(sim, slot, action);
    return;
  case COVET_POOL_LEAK_OVER:
    hear_over(sim, slot, action, slot->over_due);
    slot->over_due = false;
    return;
  case COVET_POOL_RECLAIMED:
    hear_over(sim, slot, action, slot->reclaimed_due);
    slot->reclaimed_due = false;
    return;
  case COVET_POOL_BREAKER:
    sim->breaker_told = true;
    return;
  case COVET_POOL_DRAINED:
  case COVET_POOL_CLOSED:
    hear_end(sim, action->type);
    return;
  default:
    sim_fail(sim, "an action of an unknown type: %d", (int) action->type);
    return;
  }
}

void sim_carry_out(simulation *sim, const covet_pool_action *action)
{
  sim_slot *slot = &sim->slots[action->slot % SIM_SLOTS];

  trace_action(sim, action);
  if (action->slot >= covet_pool_slots(sim->pool) && action->slot != 0) {
    sim_fail(sim, "an action names a slot that does not exist");
  }
  if (action->slot >= sim->slot_count) {
    sim->slot_count = action->slot + 1;
  }
  switch (action->type) {
  case COVET_POOL_OPEN:
    carry_open(sim, slot, action->slot);
    return;
  case COVET_POOL_PING:
    carry_ping(sim, slot);
    return;
  case COVET_POOL_RESET:
    carry_reset(sim, slot);
    return;
  case COVET_POOL_CLOSE:
    carry_close(sim, slot, action->reason);
    return;
  case COVET_POOL_ABANDON:
    carry_abandon(sim, slot, action->reason);
    return;
  default:
    hear_report(sim, slot, action);
    return;
  }
}
