/* Random configurations. */
#include "sim.h"

#include <stdio.h>

/* Mostly from `least` to `most`, sometimes 0: never. */
static uint64_t duration(sim_random *random, unsigned never_percent,
                         uint64_t least, uint64_t most)
{
  return random_chance(random, never_percent)
             ? 0
             : random_range(random, least, most);
}

static void make_sizes(sim_random *r, covet_pool_config *config)
{
  config->max_size =
      (uint32_t) random_range(r, 1, random_chance(r, 30) ? 2 : 8);
  config->min_size = random_chance(r, 40)
                         ? 0
                         : (uint32_t) random_range(r, 0, config->max_size);
  config->auto_scale = random_chance(r, 50);
  config->scale_up_threshold = (double) random_range(r, 5, 10) / 10;
  config->scale_down_threshold = (double) random_range(r, 0, 4) / 10;
  config->max_waiting =
      random_chance(r, 60) ? 0 : (uint32_t) random_range(r, 1, 8);
  config->connect_parallel = (uint32_t) random_range(r, 1, 4);
  config->share_depth =
      random_chance(r, 60) ? 1 : (uint32_t) random_range(r, 2, 4);
}

static void make_times(sim_random *r, covet_pool_config *config)
{
  config->acquire_timeout_us = duration(r, 5, 20 * SIM_MS, 3 * SIM_SECOND);
  config->idle_timeout_us = duration(r, 20, SIM_SECOND, 20 * SIM_SECOND);
  config->max_lifetime_us = duration(r, 40, 2 * SIM_SECOND, 60 * SIM_SECOND);
  config->lifetime_jitter = (double) random_range(r, 0, 2) / 4;
  config->fresh_us = duration(r, 20, 10 * SIM_MS, SIM_SECOND);
  config->health_check_interval_us =
      duration(r, 40, 200 * SIM_MS, 10 * SIM_SECOND);
  config->leak_detection = random_chance(r, 60);
  config->leak_timeout_us = duration(r, 10, 50 * SIM_MS, 4 * SIM_SECOND);
  config->connect_timeout_us = duration(r, 5, 100 * SIM_MS, 3 * SIM_SECOND);
  config->check_timeout_us = duration(r, 5, 50 * SIM_MS, SIM_SECOND);
  config->close_timeout_us = duration(r, 5, 50 * SIM_MS, SIM_SECOND);
}

static void make_checks(sim_random *r, covet_pool_config *config)
{
  config->pre_ping = random_chance(r, 50);
  config->test_on_borrow = random_chance(r, 40);
  config->fifo = random_chance(r, 40);
  config->reset = (covet_pool_reset_mode) random_range(r, 0, 2);
  config->can_ping = random_chance(r, 80);
  config->can_reset = random_chance(r, 80);
}

static void make_retry(sim_random *r, covet_pool_config *config)
{
  config->retry_attempts = (uint32_t) random_range(r, 1, 4);
  config->retry_backoff_us = duration(r, 20, 5 * SIM_MS, 300 * SIM_MS);
  config->retry_max_backoff_us =
      config->retry_backoff_us + duration(r, 20, SIM_MS, 2 * SIM_SECOND);
  config->retry_jitter = random_chance(r, 50);
  config->breaker_failures =
      random_chance(r, 40) ? 0 : (uint32_t) random_range(r, 1, 5);
  config->breaker_window_us = duration(r, 20, SIM_SECOND, 10 * SIM_SECOND);
  config->breaker_cooldown_us = random_range(r, 100 * SIM_MS, 4 * SIM_SECOND);
}

void sim_make_config(simulation *sim)
{
  sim_random *r = &sim->random;

  covet_pool_config_init(&sim->config);
  sim->config.seed = random_next(r);
  make_sizes(r, &sim->config);
  make_times(r, &sim->config);
  make_checks(r, &sim->config);
  make_retry(r, &sim->config);
}

static void keep_never(uint64_t *us, uint64_t old_us)
{
  if (old_us == 0 || *us == 0) {
    *us = old_us;
  }
}

/* The carrier leaves out its answer only where there is a timeout: that has to
 * stay so. */
static void change_times(simulation *sim)
{
  covet_pool_config old = sim->config;

  make_times(&sim->random, &sim->config);
  keep_never(&sim->config.connect_timeout_us, old.connect_timeout_us);
  keep_never(&sim->config.check_timeout_us, old.check_timeout_us);
  keep_never(&sim->config.close_timeout_us, old.close_timeout_us);
}

/* What the carrier can do does not change while it runs. */
void sim_change_config(simulation *sim)
{
  sim_random *r = &sim->random;
  covet_pool_config *config = &sim->config;

  switch (random_range(r, 0, 3)) {
  case 0:
    make_sizes(r, config);
    break;
  case 1:
    change_times(sim);
    break;
  case 2:
    make_retry(r, config);
    break;
  default:
    config->pre_ping = !config->pre_ping;
    config->fifo = !config->fifo;
    config->reset = (covet_pool_reset_mode) random_range(r, 0, 2);
    break;
  }
}

static void print_ms(const char *name, uint64_t us)
{
  printf(" %s=%g", name, (double) us / 1e6);
}

void sim_print_config(const simulation *sim)
{
  static const char *const resets[] = {"auto", "always", "never"};
  const covet_pool_config *c = &sim->config;

  printf("configuration (seconds): min_size=%u max_size=%u", c->min_size,
         c->max_size);
  printf(" max_waiting=%u connect_parallel=%u share_depth=%u order=%s",
         c->max_waiting, c->connect_parallel, c->share_depth,
         c->fifo ? "fifo" : "lifo");
  printf(" auto_scale=%d:%g:%g", c->auto_scale, c->scale_up_threshold,
         c->scale_down_threshold);
  print_ms("acquire_timeout", c->acquire_timeout_us);
  print_ms("idle_timeout", c->idle_timeout_us);
  print_ms("max_lifetime", c->max_lifetime_us);
  printf(" jitter=%g pre_ping=%d test_on_borrow=%d", c->lifetime_jitter,
         c->pre_ping, c->test_on_borrow);
  print_ms("fresh", c->fresh_us);
  print_ms("health_check_interval", c->health_check_interval_us);
  printf(" leak_detection=%d", c->leak_detection);
  print_ms("leak_timeout", c->leak_timeout_us);
  printf(" reset=%s can_reset=%d can_ping=%d", resets[c->reset], c->can_reset,
         c->can_ping);
  printf(" retry=%u", c->retry_attempts);
  print_ms("backoff", c->retry_backoff_us);
  print_ms("max_backoff", c->retry_max_backoff_us);
  printf(" retry_jitter=%d breaker=%u", c->retry_jitter, c->breaker_failures);
  print_ms("window", c->breaker_window_us);
  print_ms("cooldown", c->breaker_cooldown_us);
  print_ms("connect_timeout", c->connect_timeout_us);
  print_ms("check_timeout", c->check_timeout_us);
  print_ms("close_timeout", c->close_timeout_us);
  printf("\nactions are taken %s, ticks come %s, faults %u %%, slow %u %%\n",
         sim->eager ? "at once" : "when it pleases",
         sim->punctual ? "in time" : "late", sim->fault_percent,
         sim->slow_percent);
}
