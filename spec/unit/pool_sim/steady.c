/* A load step, then a steady load: the pool grows to what is needed, and then
 * stays as it is. */
#include "sim.h"

static void make_config(simulation *sim)
{
  sim_random *r = &sim->random;
  covet_pool_config *config = &sim->config;

  config->max_size = (uint32_t) random_range(r, 4, 40);
  config->min_size = (uint32_t) random_range(r, 0, 4);
  config->auto_scale = random_chance(r, 75);
  config->scale_up_threshold = (double) random_range(r, 4, 20) / 20;
  config->scale_down_threshold =
      config->scale_up_threshold - (double) random_range(r, 1, 4) / 20;
  config->max_waiting = 0;
  config->share_depth = 1;
  config->acquire_timeout_us = 0;
  config->max_lifetime_us = 0;
  config->idle_timeout_us = random_range(r, 200 * SIM_MS, SIM_SECOND);
  config->leak_detection = false;
  config->connect_timeout_us = SIM_SECOND;
  config->check_timeout_us = SIM_SECOND;
  config->close_timeout_us = SIM_SECOND;
  sim->eager = true;
  sim->punctual = true;
  sim->database_up = true;
  sim->fault_percent = 0;
  sim->slow_percent = 0;
}

/* A step of at most this time. */
static void pass(simulation *sim, uint64_t us)
{
  sim_begin(sim);
  sim_pass_time(sim, sim->now_us + us);
}

static void ask(simulation *sim, sim_waiter *waiter)
{
  sim_begin(sim);
  sim_trace_event(sim);
  sim_acquire(sim, waiter);
}

/* Connections are made in waves of connect_parallel, each within 20 ms. */
static void step_load(simulation *sim, uint32_t load)
{
  uint32_t waves = load / sim->config.connect_parallel + 2;
  uint64_t end_us = sim->now_us + (uint64_t) waves * 21 * SIM_MS;

  for (uint32_t i = 0; i < load; i++) {
    ask(sim, &sim->waiters[i]);
  }
  while (sim->stats.waiting > 0 && sim->now_us < end_us && !sim_failed(sim)) {
    pass(sim, 5 * SIM_MS);
  }
  if (sim->stats.waiting > 0) {
    sim_fail(sim, "growth: %u of %u still wait after %u waves of connecting",
             sim->stats.waiting, load, waves);
  }
}

/* One gives back, the next asks, for so long. */
static void keep_load(simulation *sim, uint32_t load, uint64_t us)
{
  uint64_t end_us = sim->now_us + us;

  while (sim->now_us < end_us && !sim_failed(sim)) {
    sim_waiter *waiter = &sim->waiters[random_range(&sim->random, 0, load - 1)];

    if (waiter->state == SIM_HOLDS) {
      sim_begin(sim);
      sim_trace_event(sim);
      sim_release(sim, waiter, COVET_POOL_CLEAN);
      ask(sim, waiter);
    }
    pass(sim, random_range(&sim->random, 1, 30 * SIM_MS));
  }
}

void sim_steady(simulation *sim)
{
  uint64_t idle_us;
  uint64_t created;
  uint64_t destroyed;
  uint32_t load;
  covet_error error;

  make_config(sim);
  load = (uint32_t) random_range(
      &sim->random, 1,
      random_chance(&sim->random, 50) ? 4 : sim->config.max_size);
  idle_us = sim->config.idle_timeout_us;
  if (covet_pool_configure(sim->pool, sim->now_us, &sim->config, &error) != 0) {
    sim_fail(sim, "a good configuration is not taken");
  }
  covet_pool_get_stats(sim->pool, sim->now_us, &sim->stats);
  step_load(sim, load);
  keep_load(sim, load, 3 * idle_us);
  created = sim->stats.created_connections;
  destroyed = sim->stats.destroyed_connections;
  keep_load(sim, load, 10 * idle_us);
  if (created != sim->stats.created_connections ||
      destroyed != sim->stats.destroyed_connections) {
    sim_fail(sim, "oscillation: %u opened and %u closed under a steady load",
             (unsigned) (sim->stats.created_connections - created),
             (unsigned) (sim->stats.destroyed_connections - destroyed));
  }
}
