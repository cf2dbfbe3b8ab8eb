/* The breaker, and the counters of the statistics. */
#include "sim.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

/* --- The breaker ------------------------------------------------------------- */

/* Failures in a row that lie within the window. */
static uint32_t recent_failures(const simulation *sim)
{
  uint32_t count = 0;

  for (uint32_t i = 0; i < sim->failure_count; i++) {
    count += sim_after(sim->failures_us[i], sim->config.breaker_window_us) >
             sim->now_us;
  }
  return count;
}

static void check_trip(simulation *sim)
{
  const covet_pool_config *config = &sim->config;

  if (sim->before.breaker == COVET_BREAKER_CLOSED &&
      (config->breaker_failures == 0 ||
       recent_failures(sim) < config->breaker_failures)) {
    sim_fail(sim, "the breaker opens after too few failures");
  }
  if (!sim->failed_now) {
    sim_fail(sim, "the breaker opens without a failure");
  }
  sim->breaker_until_us = sim_after(sim->now_us, config->breaker_cooldown_us);
  sim->failure_count = 0;
}

static void check_breaker_change(simulation *sim)
{
  covet_breaker_state from = sim->before.breaker;
  covet_breaker_state to = sim->stats.breaker;

  if (!sim->breaker_told) {
    sim_fail(sim, "the breaker changes untold");
  }
  if (to == COVET_BREAKER_OPEN) {
    check_trip(sim);
  } else if (to == COVET_BREAKER_CLOSED) {
    if (!sim->connected_now) {
      sim_fail(sim, "the breaker closes without a connection");
    }
  } else if (from != COVET_BREAKER_OPEN ||
             sim->now_us < sim->breaker_until_us) {
    sim_fail(sim, "the breaker is half open before its cooldown");
  }
}

void sim_check_breaker(simulation *sim)
{
  const covet_pool_stats *stats = &sim->stats;
  const covet_pool_config *config = &sim->config;
  uint32_t most = stats->breaker == COVET_BREAKER_OPEN ? 0 : 1;

  if (stats->breaker != COVET_BREAKER_CLOSED &&
      stats->opening > larger(most, sim->before.opening)) {
    sim_fail(sim, "%u are being opened while the breaker is %s", stats->opening,
             most == 0 ? "open" : "half open");
  }
  if (!sim->eager) {
    return;
  }
  if (stats->breaker != sim->before.breaker) {
    check_breaker_change(sim);
  } else if (sim->failed_now && stats->breaker == COVET_BREAKER_HALF_OPEN &&
             config->breaker_failures != 0) {
    sim_fail(sim, "the probe failed, but the breaker stays half open");
  } else if (sim->failed_now && stats->breaker == COVET_BREAKER_CLOSED &&
             config->breaker_failures != 0 &&
             recent_failures(sim) >= config->breaker_failures) {
    sim_fail(sim, "the breaker stays closed after %u failures",
             recent_failures(sim));
  }
  if (stats->retry_after_us != 0 && stats->waiting > 0 &&
      stats->total_connections == 0 && stats->opening == 0) {
    sim_fail(sim, "somebody waits although the breaker is open");
  }
}

/* --- Counters ---------------------------------------------------------------------- */

static void expect_equal(simulation *sim, const char *name, uint64_t is,
                         uint64_t wanted)
{
  if (is != wanted) {
    sim_fail(sim, "%s is %llu, not %llu", name, (unsigned long long) is,
             (unsigned long long) wanted);
  }
}

static void check_decided(simulation *sim)
{
  const covet_pool_stats *is = &sim->stats;
  const covet_pool_stats *wanted = &sim->expected;
  uint64_t sum = 0;

  expect_equal(sim, "connection_errors", is->connection_errors,
               wanted->connection_errors);
  expect_equal(sim, "validation_errors", is->validation_errors,
               wanted->validation_errors);
  expect_equal(sim, "destroyed_connections", is->destroyed_connections,
               wanted->destroyed_connections);
  expect_equal(sim, "recycled_connections", is->recycled_connections,
               wanted->recycled_connections);
  expect_equal(sim, "leaks", is->leaks, wanted->leaks);
  for (int i = 0; i < COVET_POOL_REASON_COUNT; i++) {
    sum += is->closed_by[i];
    expect_equal(sim, covet_pool_reason_name((covet_pool_reason) i),
                 is->closed_by[i], wanted->closed_by[i]);
  }
  expect_equal(sim, "the sum of closed_by", sum, is->destroyed_connections);
  expect_equal(sim, "created - destroyed",
               is->created_connections - is->destroyed_connections,
               is->total_connections);
}

void sim_check_counters(simulation *sim)
{
  const covet_pool_stats *is = &sim->stats;
  const covet_pool_stats *wanted = &sim->expected;

  expect_equal(sim, "total_checkouts", is->total_checkouts,
               wanted->total_checkouts);
  expect_equal(sim, "total_checkins", is->total_checkins,
               wanted->total_checkins);
  expect_equal(sim, "failed_checkouts", is->failed_checkouts,
               wanted->failed_checkouts);
  expect_equal(sim, "timeouts", is->timeouts, wanted->timeouts);
  expect_equal(sim, "refused", is->refused, wanted->refused);
  expect_equal(sim, "deadlocks", is->deadlocks, wanted->deadlocks);
  expect_equal(sim, "reclaimed", is->reclaimed, wanted->reclaimed);
  expect_equal(sim, "created_connections", is->created_connections,
               wanted->created_connections);
  expect_equal(sim, "max_checkout", is->max_checkout_us,
               wanted->max_checkout_us);
  expect_equal(sim, "avg_checkout", is->avg_checkout_us,
               sim->checkout_count == 0
                   ? 0
                   : sim->checkout_sum_us / sim->checkout_count);
  if (sim->eager) {
    check_decided(sim);
  }
}
