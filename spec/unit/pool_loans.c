/* How loans of a pool end: resets, verdicts, leaks, owners that die. */
#include "support/pool_bed.h"

/* One connection that was lent and given back. */
static void lend_once(void)
{
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
}

/* --- Resets ------------------------------------------------------------------------ */

static void test_reset_auto(void **state)
{
  (void) state;
  lend_once();
  assert_int_equal(bed.count[COVET_POOL_RESET], 0);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_DIRTY);
  assert_int_equal(bed.count[COVET_POOL_RESET], 1);
  assert_int_equal(bed_stats(&bed).idle_connections, 1);
}

static void test_reset_always(void **state)
{
  (void) state;
  bed.config.reset = COVET_POOL_RESET_ALWAYS;
  lend_once();
  assert_int_equal(bed.count[COVET_POOL_RESET], 1);
}

static void test_reset_never(void **state)
{
  (void) state;
  bed.config.reset = COVET_POOL_RESET_NEVER;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_DIRTY);
  assert_int_equal(bed.count[COVET_POOL_RESET], 0);
  assert_int_equal(bed_stats(&bed).idle_connections, 1);
}

static void test_reset_that_cannot_be_done(void **state)
{
  (void) state;
  bed.config.can_reset = false;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_DIRTY);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_RESET], 1);
}

static void test_reset_when_any_of_several_made_it_dirty(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.share_depth = 2;
  bed_start(&bed);
  bed.waiters[0].shareable = true;
  bed.waiters[1].shareable = true;
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  bed_give(&bed, 0, COVET_POOL_DIRTY);
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  assert_int_equal(bed.count[COVET_POOL_RESET], 1);
}

/* --- Loans ---------------------------------------------------------------------------- */

static void test_broken(void **state)
{
  (void) state;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_BROKEN);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_BROKEN], 1);
  assert_int_equal(bed_stats(&bed).recycled_connections, 1);
}

static void test_lost(void **state)
{
  (void) state;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  covet_pool_lost(bed.pool, bed.now_us, 0);
  assert_true(bed_has(&bed, 0));
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_LOST], 1);
}

static void test_given_back_twice(void **state)
{
  covet_lease lease;

  (void) state;
  lend_once();
  lease = bed.waiters[0].lease;
  (void) bed_ask(&bed, 1); /* has the same connection now */
  assert_int_equal(
      covet_pool_release(bed.pool, bed.now_us, lease, COVET_POOL_CLEAN),
      COVET_EUSAGE);
  assert_true(bed_has(&bed, 1));
}

static void test_reject(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  assert_int_equal(covet_pool_reject(bed.pool, bed.now_us, bed.waiters[0].lease,
                                     &bed.waiters[0]),
                   0);
  bed_run(&bed);
  assert_true(bed_has(&bed, 0) && !bed_has(&bed, 1));
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_REJECTED], 1);
}

static void test_reject_keeps_the_deadline(void **state)
{
  covet_error error;

  (void) state;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed.config.acquire_timeout_us = BED_MS;
  assert_int_equal(
      covet_pool_configure(bed.pool, bed.now_us, &bed.config, &error), 0);
  bed.slow_open = true;
  assert_int_equal(covet_pool_reject(bed.pool, bed.now_us, bed.waiters[0].lease,
                                     &bed.waiters[0]),
                   0);
  bed_run(&bed);
  bed_pass(&bed, 2 * BED_MS);
  assert_int_equal(bed_stats(&bed).waiting, 1);
}

static void test_reject_after_the_deadline(void **state)
{
  (void) state;
  bed.waiters[0].deadline_us = bed.now_us + BED_MS;
  bed_start(&bed);
  (void) bed_ask(&bed, 1);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 1, COVET_POOL_CLEAN); /* one is idle all the time */
  bed_pass(&bed, 2 * BED_MS);
  assert_int_equal(covet_pool_reject(bed.pool, bed.now_us, bed.waiters[0].lease,
                                     &bed.waiters[0]),
                   0);
  bed_run(&bed);
  assert_int_equal(bed.waiters[0].failure, COVET_POOL_TIMEOUT);
  assert_int_equal(bed_stats(&bed).timeouts, 1);
  assert_int_equal(bed_stats(&bed).failed_checkouts, 1);
  assert_int_equal(bed_stats(&bed).total_checkouts, 1); /* the other's */
}

static void test_leak_detection_leak_timeout(void **state)
{
  (void) state;
  bed.config.leak_timeout_us = 3 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 3 * BED_SECOND);
  assert_int_equal(bed.count[COVET_POOL_LEAK], 1);
  assert_int_equal(bed.last[COVET_POOL_LEAK].owner, 1);
  bed_pass(&bed, BED_SECOND);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_int_equal(bed.count[COVET_POOL_LEAK], 1);
  assert_int_equal(bed.last[COVET_POOL_LEAK_OVER].us, 4 * BED_SECOND);
  assert_int_equal(bed_stats(&bed).leaks, 1);
}

static void test_leak_detection_off(void **state)
{
  (void) state;
  bed.config.leak_detection = false;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 2 * bed.config.leak_timeout_us);
  assert_int_equal(bed_stats(&bed).leaks, 0);
}

static void test_leak_that_follows_another(void **state)
{
  covet_pool_action action;

  (void) state;
  bed.config.max_size = 1;
  bed.config.leak_timeout_us = BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  bed_pass(&bed, 3 * BED_SECOND);
  assert_int_equal(covet_pool_release(bed.pool, bed.now_us,
                                      bed.waiters[0].lease, COVET_POOL_CLEAN),
                   0);
  bed.now_us += BED_SECOND; /* nothing was told of the first one's end */
  covet_pool_tick(bed.pool, bed.now_us);
  do {
    assert_true(covet_pool_next(bed.pool, &action));
  } while (action.type != COVET_POOL_LEAK_OVER);
  assert_int_equal(action.us, 3 * BED_SECOND);
  bed_run(&bed);
  assert_int_equal(bed.last[COVET_POOL_LEAK].us, BED_SECOND);
}

static void test_owner_died(void **state)
{
  (void) state;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  assert_int_equal(covet_pool_owner_died(bed.pool, bed.now_us, 1), 1);
  bed_run(&bed);
  assert_int_equal(bed.count[COVET_POOL_RECLAIMED], 1);
  assert_int_equal(bed.count[COVET_POOL_RESET], 1);
  assert_int_equal(bed_stats(&bed).reclaimed, 1);
  assert_int_equal(bed_stats(&bed).total_checkins, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      pool_test(reset_auto),
      pool_test(reset_always),
      pool_test(reset_never),
      pool_test(reset_that_cannot_be_done),
      pool_test(reset_when_any_of_several_made_it_dirty),
      pool_test(broken),
      pool_test(lost),
      pool_test(given_back_twice),
      pool_test(reject),
      pool_test(reject_keeps_the_deadline),
      pool_test(reject_after_the_deadline),
      pool_test(leak_detection_leak_timeout),
      pool_test(leak_detection_off),
      pool_test(leak_that_follows_another),
      pool_test(owner_died),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
