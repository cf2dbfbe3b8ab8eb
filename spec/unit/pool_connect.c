/* What a pool does when connecting fails or takes long, and its figures. */
#include "support/pool_bed.h"

static int set_up_down(void **state)
{
  int status = bed_set_up(state);

  bed.down = true;
  return status;
}

/* --- Retry -------------------------------------------------------------------- */

static void test_retry_attempts(void **state)
{
  (void) state;
  bed.config.retry_attempts = 3;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, BED_SECOND);
  assert_int_equal(bed.waiters[0].failure, COVET_POOL_CONNECT_FAILED);
  assert_int_equal(bed_stats(&bed).connection_errors, 3);
  assert_int_equal(covet_pool_last_error(bed.pool)->kind,
                   COVET_ERROR_CONNECTION_LOST);
}

static void test_retry_is_no_use_after_a_permanent_failure(void **state)
{
  (void) state;
  bed.permanent = true;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  assert_int_equal(bed.waiters[0].failure, COVET_POOL_CONNECT_FAILED);
  assert_int_equal(bed_stats(&bed).connection_errors, 1);
}

static void test_retry_backoff_doubles_to_max_backoff(void **state)
{
  (void) state;
  bed.config.retry_attempts = 100;
  bed.config.retry_backoff_us = 100 * BED_MS;
  bed.config.retry_max_backoff_us = 250 * BED_MS;
  bed.config.breaker_failures = 0;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 1);
  bed_pass(&bed, 100 * BED_MS - 1);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 1);
  bed_pass(&bed, 1);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 2);
  bed_pass(&bed, 200 * BED_MS);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 3);
  bed_pass(&bed, 250 * BED_MS);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 4);
}

static void test_retry_jitter_takes_half_at_most(void **state)
{
  (void) state;
  bed.config.retry_jitter = true;
  bed.config.retry_backoff_us = 100 * BED_MS;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 50 * BED_MS - 1);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 1);
  bed_pass(&bed, 50 * BED_MS + 1);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 2);
}

static void test_failure_leaves_those_that_are_lent_alone(void **state)
{
  (void) state;
  bed.down = false;
  bed.config.max_size = 2;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed.down = true;
  (void) bed_ask(&bed, 1);
  bed_pass(&bed, 5 * BED_SECOND);
  assert_int_equal(bed_stats(&bed).waiting, 1); /* for what comes back */
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(bed_has(&bed, 1));
}

static void test_connect_timeout(void **state)
{
  (void) state;
  bed.slow_open = true;
  bed.config.connect_timeout_us = BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, BED_SECOND);
  assert_int_equal(bed.last[COVET_POOL_CLOSE].reason,
                   COVET_POOL_REASON_CONNECT);
  assert_int_equal(bed_stats(&bed).connection_errors, 1);
  assert_int_equal(covet_pool_last_error(bed.pool)->kind, COVET_ERROR_TIMEOUT);
}

static void test_close_timeout(void **state)
{
  (void) state;
  bed.down = false;
  bed.slow_close = true;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_BROKEN);
  bed_pass(&bed, bed.config.close_timeout_us - 1);
  assert_int_equal(bed_stats(&bed).closing, 1);
  bed_pass(&bed, 1);
  assert_int_equal(bed.count[COVET_POOL_ABANDON], 1);
  assert_int_equal(bed.last[COVET_POOL_ABANDON].reason,
                   COVET_POOL_REASON_BROKEN);
  assert_int_equal(bed_stats(&bed).closing, 0);
}

static void test_abandoned_slot_is_used_again(void **state)
{
  covet_pool_action action;

  (void) state;
  bed.down = false;
  bed.slow_close = true;
  bed.config.max_size = 1;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  bed_give(&bed, 0, COVET_POOL_BROKEN);
  bed.now_us += bed.config.close_timeout_us;
  covet_pool_tick(bed.pool, bed.now_us);
  covet_pool_connected(bed.pool, bed.now_us, 0, COVET_POOL_UNKNOWN); /* old */
  assert_int_equal(bed_stats(&bed).opening, 1);
  assert_true(covet_pool_next(bed.pool, &action));
  assert_int_equal(action.type, COVET_POOL_ABANDON);
  assert_int_equal(action.reason, COVET_POOL_REASON_BROKEN);
  bed_run(&bed);
  assert_true(bed_has(&bed, 1));
}

/* --- The breaker ------------------------------------------------------------------ */

static void trip(void)
{
  bed.config.retry_attempts = 100;
  bed.config.retry_backoff_us = BED_MS;
  bed.config.retry_max_backoff_us = BED_MS;
  bed.config.breaker_failures = 3;
  bed.config.breaker_cooldown_us = 5 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 10 * BED_MS);
}

static void test_breaker_failures(void **state)
{
  (void) state;
  trip();
  assert_int_equal(bed.waiters[0].failure, COVET_POOL_BREAKER_OPEN);
  assert_int_equal(bed_stats(&bed).breaker, COVET_BREAKER_OPEN);
  assert_int_equal(bed.count[COVET_POOL_BREAKER], 1);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 3);
  assert_int_equal(bed_ask(&bed, 1), COVET_POOL_REFUSED);
  assert_true(bed_stats(&bed).retry_after_us > 4 * BED_SECOND);
}

static void test_breaker_cooldown(void **state)
{
  (void) state;
  trip();
  bed_pass(&bed, 5 * BED_SECOND);
  bed.slow_open = true;
  (void) bed_ask(&bed, 1);
  (void) bed_ask(&bed, 2);
  assert_int_equal(bed_stats(&bed).breaker, COVET_BREAKER_HALF_OPEN);
  assert_int_equal(bed_stats(&bed).opening, 1); /* the probe */
  covet_pool_connected(bed.pool, bed.now_us, bed.last[COVET_POOL_OPEN].slot,
                       COVET_POOL_UNKNOWN);
  bed_run(&bed);
  assert_int_equal(bed_stats(&bed).breaker, COVET_BREAKER_CLOSED);
  assert_true(bed_has(&bed, 1));
}

static void test_breaker_whose_probe_fails(void **state)
{
  (void) state;
  trip();
  bed_pass(&bed, 5 * BED_SECOND);
  (void) bed_ask(&bed, 1);
  assert_int_equal(bed_stats(&bed).breaker, COVET_BREAKER_OPEN);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_BREAKER_OPEN);
}

static void test_breaker_window(void **state)
{
  (void) state;
  bed.config.breaker_window_us = 50 * BED_MS; /* the backoff is longer */
  bed.config.breaker_failures = 2;
  bed.config.retry_attempts = 100;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 3 * BED_SECOND);
  assert_int_equal(bed_stats(&bed).breaker, COVET_BREAKER_CLOSED);
}

/* A window of a second, and somebody for whom an attempt is always under way. */
static void open_window(uint32_t failures)
{
  bed.config.breaker_window_us = BED_SECOND;
  bed.config.breaker_failures = failures;
  bed.config.retry_attempts = 1000;
  bed.config.retry_backoff_us = 0;
  bed.config.retry_max_backoff_us = 0;
  bed.config.acquire_timeout_us = 0;
  bed.config.connect_timeout_us = 0;
  bed.slow_open = true;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
}

/* After so long the attempt fails. */
static covet_breaker_state fail_after(uint64_t us)
{
  bed_pass(&bed, us);
  covet_pool_connect_failed(bed.pool, bed.now_us,
                            bed.last[COVET_POOL_OPEN].slot, false, NULL);
  bed_run(&bed);
  return bed_stats(&bed).breaker;
}

static void test_breaker_window_slides(void **state)
{
  (void) state;
  open_window(3);
  assert_int_equal(fail_after(0), COVET_BREAKER_CLOSED);
  assert_int_equal(fail_after(900 * BED_MS), COVET_BREAKER_CLOSED);
  assert_int_equal(fail_after(200 * BED_MS), COVET_BREAKER_CLOSED);
  assert_int_equal(fail_after(799 * BED_MS), COVET_BREAKER_OPEN);
}

static void test_breaker_window_leaves_out_its_begin(void **state)
{
  (void) state;
  open_window(2);
  assert_int_equal(fail_after(0), COVET_BREAKER_CLOSED);
  assert_int_equal(fail_after(BED_SECOND), COVET_BREAKER_CLOSED);
  assert_int_equal(fail_after(BED_SECOND - 1), COVET_BREAKER_OPEN);
}

static void test_breaker_failures_at_most(void **state)
{
  covet_error error;

  (void) state;
  bed.config.breaker_failures = COVET_POOL_BREAKER_MOST + 1;
  assert_int_equal(covet_pool_config_check(&bed.config, &error), COVET_EUSAGE);
  open_window(COVET_POOL_BREAKER_MOST);
  for (int i = 0; i < COVET_POOL_BREAKER_MOST; i++) { /* 100 in a second */
    assert_int_equal(fail_after(10 * BED_MS), COVET_BREAKER_CLOSED);
  }
  for (int i = 100; i < COVET_POOL_BREAKER_MOST - 1; i++) {
    assert_int_equal(fail_after(0), COVET_BREAKER_CLOSED);
  }
  assert_int_equal(fail_after(0), COVET_BREAKER_OPEN);
}

static void test_breaker_failures_changed_while_it_counts(void **state)
{
  covet_pool_config config;
  covet_error error;

  (void) state;
  open_window(5);
  (void) fail_after(0);
  (void) fail_after(BED_MS);
  config = *covet_pool_get_config(bed.pool);
  config.breaker_failures = 3;
  assert_int_equal(covet_pool_configure(bed.pool, bed.now_us, &config, &error),
                   0);
  bed_run(&bed);
  assert_int_equal(fail_after(BED_MS), COVET_BREAKER_OPEN);
}

/* --- Figures ------------------------------------------------------------------------ */

static void test_statistics(void **state)
{
  covet_pool_stats stats;

  (void) state;
  bed.down = false;
  bed.config.min_size = 2;
  bed.config.max_size = 2;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  (void) bed_ask(&bed, 2);
  bed.now_us += BED_SECOND;
  stats = bed_stats(&bed);
  assert_int_equal(stats.total_connections, 2);
  assert_int_equal(stats.active_connections, 2);
  assert_int_equal(stats.idle_connections, 0);
  assert_int_equal(stats.waiting, 1);
  assert_int_equal(stats.oldest_wait_us, BED_SECOND);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed_give(&bed, 1, COVET_POOL_BROKEN);
  stats = bed_stats(&bed);
  assert_int_equal(stats.total_checkouts, 3);
  assert_int_equal(stats.total_checkins, 2);
  assert_int_equal(stats.max_checkout_us, BED_SECOND);
  assert_int_equal(stats.avg_checkout_us, BED_SECOND / 3);
  assert_int_equal(stats.p50_checkout_us, 0);
  assert_true(stats.p99_checkout_us >= BED_SECOND);
  assert_int_equal(stats.created_connections, 3);
  assert_int_equal(stats.destroyed_connections, 1);
  assert_int_equal(stats.recycled_connections, 1);
}

static void test_loans(void **state)
{
  covet_pool_loan loans[2];

  (void) state;
  bed.down = false;
  bed_start(&bed);
  (void) bed_ask(&bed, 4);
  bed.now_us += BED_SECOND;
  (void) bed_ask(&bed, 3);
  assert_int_equal(covet_pool_loans(bed.pool, loans, 2), 2);
  assert_int_equal(loans[0].owner, 5); /* the oldest one */
  assert_int_equal(loans[1].owner, 4);
  assert_int_equal(loans[1].since_us, bed.now_us);
}

#define down_test(name)                                                        \
  cmocka_unit_test_setup_teardown(test_##name, set_up_down, bed_tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      down_test(retry_attempts),
      down_test(retry_is_no_use_after_a_permanent_failure),
      down_test(retry_backoff_doubles_to_max_backoff),
      down_test(retry_jitter_takes_half_at_most),
      down_test(failure_leaves_those_that_are_lent_alone),
      down_test(connect_timeout),
      down_test(close_timeout),
      down_test(abandoned_slot_is_used_again),
      down_test(breaker_failures),
      down_test(breaker_cooldown),
      down_test(breaker_whose_probe_fails),
      down_test(breaker_window),
      down_test(breaker_window_slides),
      down_test(breaker_window_leaves_out_its_begin),
      down_test(breaker_failures_at_most),
      down_test(breaker_failures_changed_while_it_counts),
      down_test(statistics),
      down_test(loans),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
