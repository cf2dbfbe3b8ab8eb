/* Whether a connection was closed for the reason that is given. */
#include "sim.h"

/* After closing this one, as many are left as have to be. */
static bool idle_fits(const simulation *sim, const sim_slot *slot)
{
  const covet_pool_config *config = &sim->config;
  const covet_pool_stats *stats = &sim->stats;
  const covet_pool_stats *before = &sim->before;
  uint32_t kept = stats->total_connections + stats->opening;

  if (!sim_is_idle(slot) ||
      sim_after(slot->used_us, config->idle_timeout_us) > sim->now_us) {
    return false;
  }
  if (sim->warm && kept < config->min_size) {
    return false;
  }
  return !config->auto_scale || before->active_connections == 0 ||
         before->active_connections <=
             config->scale_down_threshold *
                 (before->total_connections + before->opening);
}

static bool reason_fits(const simulation *sim, const sim_slot *slot,
                        covet_pool_reason reason)
{
  bool late = slot->deadline_us <= sim->now_us;

  if (slot->doom & (1U << reason)) {
    return true;
  }
  switch (reason) {
  case COVET_POOL_REASON_IDLE:
    return idle_fits(sim, slot);
  case COVET_POOL_REASON_LIFETIME:
    return slot->ages_us <= sim->now_us;
  case COVET_POOL_REASON_PING:
    return slot->work == SIM_PING && late;
  case COVET_POOL_REASON_RESET:
    return slot->work == SIM_RESET && late;
  case COVET_POOL_REASON_RESIZED:
    return sim->before.total_connections + sim->before.opening >
           sim->config.max_size;
  case COVET_POOL_REASON_CONNECT:
    return slot->place == SIM_OPENING && late;
  case COVET_POOL_REASON_CLOSED:
    return sim->life == SIM_CLOSES ||
           (sim->life == SIM_DRAINS && sim->queue_count == 0);
  default:
    return false; /* the others are in `doom` */
  }
}

void sim_check_close(simulation *sim, const sim_slot *slot,
                     covet_pool_reason reason)
{
  if (reason == COVET_POOL_REASON_NONE ||
      (unsigned) reason >= COVET_POOL_REASON_COUNT) {
    sim_fail(sim, "a connection is closed without a reason");
  } else if (sim->eager && !reason_fits(sim, slot, reason)) {
    sim_fail(sim, "s%u is closed for a reason that it has not: %s",
             sim_slot_id(sim, slot), covet_pool_reason_name(reason));
  } else if (sim->eager && slot->work == SIM_PING &&
             reason == COVET_POOL_REASON_PING &&
             (slot->doom & (1U << COVET_POOL_REASON_PING)) == 0) {
    sim->expected.validation_errors++; /* it never answered */
  }
}
