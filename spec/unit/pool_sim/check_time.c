/* What time brings must come in time: done, or announced by covet_pool_due_us. */
#include "sim.h"

static uint64_t sooner(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

/* --- What is due ---------------------------------------------------------------- */

uint64_t sim_leak_due(const simulation *sim, const sim_slot *slot)
{
  const covet_pool_config *config = &sim->config;

  return config->leak_detection && !slot->leaked && !slot->passing &&
                 !slot->shareable
             ? sim_after(slot->since_us, config->leak_timeout_us)
             : UINT64_MAX;
}

static uint64_t idle_due(const simulation *sim, const sim_slot *slot)
{
  const covet_pool_config *config = &sim->config;
  const covet_pool_stats *stats = &sim->stats;
  uint32_t kept = stats->total_connections + stats->opening;
  uint64_t due = slot->dies_us;

  if (config->can_ping && slot->liveness == COVET_POOL_UNKNOWN) {
    due =
        sooner(due, sim_after(slot->sure_us, config->health_check_interval_us));
  }
  if (kept > config->max_size) {
    due = sim->now_us; /* one too many: at the next tick at the latest */
  }
  if (!config->auto_scale && kept > config->min_size) {
    due = sooner(due, sim_after(slot->used_us, config->idle_timeout_us));
  }
  return due;
}

static uint64_t slot_due(const simulation *sim, const sim_slot *slot)
{
  if (slot->shares > 0) {
    return sim_leak_due(sim, slot);
  }
  if (sim_is_idle(slot)) {
    return idle_due(sim, slot);
  }
  return slot->place == SIM_FREE ? UINT64_MAX : slot->deadline_us;
}

/* --- Growth ----------------------------------------------------------------------- */

/* Connections that waiters or the minimum ask for and that nothing brings. */
static uint32_t missing(const simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  uint32_t kept = stats->total_connections + stats->opening;
  uint32_t coming = sim_coming(sim);
  uint32_t count = stats->waiting > coming ? stats->waiting - coming : 0;

  if (sim->life == SIM_CLOSES) {
    return 0;
  }
  if (sim->life == SIM_RUNS && sim->warm && kept < stats->min_size &&
      count < stats->min_size - kept) {
    count = stats->min_size - kept;
  }
  return count;
}

/* When one more must be opened; never, while nothing is missing or something
 * else than time has to happen first. */
static uint64_t growth_due(const simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  bool careful =
      sim->failures_in_row > 0 || stats->breaker != COVET_BREAKER_CLOSED;
  uint32_t most = careful ? 1 : sim->config.connect_parallel;
  uint64_t due = sim_backoff_most(sim);

  if (missing(sim) == 0 || sim_taken(stats) >= stats->max_size ||
      stats->opening >= most) {
    return UINT64_MAX;
  }
  if (stats->breaker == COVET_BREAKER_OPEN && sim->breaker_until_us > due) {
    due = sim->breaker_until_us;
  }
  return due;
}

/* --- All of it ---------------------------------------------------------------------- */

static uint64_t all_due(const simulation *sim)
{
  uint64_t due = UINT64_MAX;

  for (uint32_t i = 0; i < sim->queue_count; i++) {
    due = sooner(due, sim->queue[i]->deadline_us);
  }
  if (sim->life == SIM_CLOSES && sim_taken(&sim->stats) > 0) {
    due = sooner(due, sim->close_deadline_us);
  }
  if (!sim->eager) {
    return due;
  }
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    due = sooner(due, slot_due(sim, &sim->slots[i]));
  }
  return due;
}

void sim_check_time(simulation *sim)
{
  uint64_t announced = covet_pool_due_us(sim->pool);
  uint64_t due;

  if (announced <= sim->now_us) {
    return; /* a tick is due, and will be looked at */
  }
  due = all_due(sim);
  if (sim->eager && growth_due(sim) < announced) {
    sim_fail(sim, "growth: %u more are needed, and none is opened",
             missing(sim));
  } else if (due < announced) {
    sim_fail(sim, "due too late: something is due at %.6f, not at %.6f",
             (double) due / 1e6, (double) announced / 1e6);
  }
}
