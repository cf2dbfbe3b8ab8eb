/* The pool's sizes and its life, option by option. What they do
 * together is the matter of the simulator: pool_sim/. */
#include "support/pool_bed.h"

#include <string.h>

/* --- Sizes ------------------------------------------------------------------- */

static void test_min_size(void **state)
{
  (void) state;
  bed.config.min_size = 3;
  bed_start(&bed);
  assert_int_equal(bed_stats(&bed).idle_connections, 3);
  assert_int_equal(bed_ask(&bed, 0), COVET_POOL_GRANTED);
  bed_give(&bed, 0, COVET_POOL_BROKEN); /* and one takes its place */
  assert_int_equal(bed_stats(&bed).idle_connections, 3);
  assert_int_equal(bed_stats(&bed).created_connections, 4);
}

static void test_max_size(void **state)
{
  (void) state;
  bed.config.max_size = 2;
  bed_start(&bed);
  bed_ask_many(&bed, 3);
  assert_true(bed_has(&bed, 0) && bed_has(&bed, 1) && !bed_has(&bed, 2));
  assert_int_equal(bed_stats(&bed).total_connections, 2);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(bed_has(&bed, 2));
}

static void test_max_size_counts_closing_ones(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.slow_close = true;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  bed_give(&bed, 0, COVET_POOL_BROKEN);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 1);
  covet_pool_closed(bed.pool, bed.now_us, bed.last[COVET_POOL_CLOSE].slot);
  bed_run(&bed);
  assert_true(bed_has(&bed, 1));
}

static void test_connect_parallel(void **state)
{
  (void) state;
  bed.config.connect_parallel = 2;
  bed.slow_open = true;
  bed_start(&bed);
  bed_ask_many(&bed, 4);
  assert_int_equal(bed_stats(&bed).opening, 2);
  covet_pool_connected(bed.pool, bed.now_us, 0, COVET_POOL_UNKNOWN);
  bed_run(&bed);
  assert_int_equal(bed_stats(&bed).opening, 2);
  assert_int_equal(bed.count[COVET_POOL_OPEN], 3);
}

static void test_auto_scale_scale_up_threshold(void **state)
{
  (void) state;
  bed.config.max_size = 10;
  bed.config.min_size = 4;
  bed.config.auto_scale = true;
  bed.config.scale_up_threshold = 0.75;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  assert_int_equal(bed_stats(&bed).total_connections, 4);
  (void) bed_ask(&bed, 2); /* 3 of 4 */
  assert_int_equal(bed_stats(&bed).total_connections, 5);
}

static void test_auto_scale_off(void **state)
{
  (void) state;
  bed.config.min_size = 2;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  assert_int_equal(bed_stats(&bed).total_connections, 2);
}

static void test_auto_scale_scale_down_threshold(void **state)
{
  (void) state;
  bed.config.max_size = 10;
  bed.config.auto_scale = true;
  bed.config.scale_down_threshold = 0.2;
  bed_start(&bed);
  bed_ask_many(&bed, 6);
  for (uint32_t i = 2; i < 6; i++) {
    bed_give(&bed, i, COVET_POOL_CLEAN);
  }
  bed_pass(&bed, 2 * bed.config.idle_timeout_us); /* 2 of 7: between the two */
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_IDLE], 0);
  bed_give(&bed, 1, COVET_POOL_CLEAN); /* 1 of 7 */
  bed_pass(&bed, 2 * bed.config.idle_timeout_us);
  assert_true(bed_stats(&bed).closed_by[COVET_POOL_REASON_IDLE] > 0);
}

static void test_resize_while_it_runs(void **state)
{
  covet_error error;

  (void) state;
  bed_start(&bed);
  bed_ask_many(&bed, 4);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed.config.max_size = 2;
  assert_int_equal(
      covet_pool_configure(bed.pool, bed.now_us, &bed.config, &error), 0);
  bed_run(&bed);
  assert_int_equal(bed_stats(&bed).total_connections, 3); /* those lent stay */
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  assert_int_equal(bed_stats(&bed).total_connections, 2);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_RESIZED], 2);
}

static void test_resize_of_what_is_being_opened(void **state)
{
  covet_error error;

  (void) state;
  bed.slow_open = true;
  bed.config.min_size = 2;
  bed_start(&bed);
  bed.config.min_size = 0;
  bed.config.max_size = 1;
  assert_int_equal(
      covet_pool_configure(bed.pool, bed.now_us, &bed.config, &error), 0);
  covet_pool_connected(bed.pool, bed.now_us, 0, COVET_POOL_UNKNOWN);
  covet_pool_connected(bed.pool, bed.now_us, 1, COVET_POOL_UNKNOWN);
  bed_run(&bed);
  assert_int_equal(bed_stats(&bed).total_connections, 1);
}

static void test_options_that_contradict(void **state)
{
  covet_error error;

  (void) state;
  bed_start(&bed);
  bed.config.min_size = 5;
  assert_int_equal(covet_pool_config_check(&bed.config, &error), COVET_EUSAGE);
  assert_non_null(strstr(error.message, "min_pool_size"));
  bed.config.min_size = 0;
  bed.config.scale_down_threshold = bed.config.scale_up_threshold;
  assert_int_equal(
      covet_pool_configure(bed.pool, bed.now_us, &bed.config, &error),
      COVET_EUSAGE);
  assert_non_null(strstr(error.message, "scale_down_threshold"));
}

/* --- Life -------------------------------------------------------------------------- */

static void test_nothing_is_opened_before_warm(void **state)
{
  (void) state;
  bed.config.min_size = 2;
  bed.pool = covet_pool_new(&bed.config);
  covet_pool_tick(bed.pool, bed.now_us);
  assert_false(covet_pool_has_next(bed.pool));
  covet_pool_warm(bed.pool, bed.now_us);
  bed_run(&bed);
  assert_int_equal(bed_stats(&bed).idle_connections, 2);
}

static void test_evict(void **state)
{
  (void) state;
  bed.config.min_size = 2;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  covet_pool_evict(bed.pool, bed.now_us);
  bed_run(&bed);
  assert_true(bed_has(&bed, 0));
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_EVICTED], 2);
  assert_int_equal(bed_stats(&bed).idle_connections, 2);
}

static void test_drain(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  covet_pool_drain(bed.pool, bed.now_us);
  assert_int_equal(bed_ask(&bed, 2), COVET_POOL_REFUSED);
  assert_int_equal(bed.waiters[2].failure, COVET_POOL_SHUT);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(bed_has(&bed, 1)); /* who was there is served */
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  assert_int_equal(bed.count[COVET_POOL_DRAINED], 1);
  covet_pool_warm(bed.pool, bed.now_us);
  (void) bed_ask(&bed, 2);
  assert_true(bed_has(&bed, 2));
}

static void test_close(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  covet_pool_close(bed.pool, bed.now_us, bed.now_us + BED_SECOND);
  bed_run(&bed);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_SHUT);
  assert_int_equal(bed.count[COVET_POOL_CLOSED], 0);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_int_equal(bed.count[COVET_POOL_CLOSED], 1);
}

static void test_close_at_its_deadline(void **state)
{
  (void) state;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  covet_pool_close(bed.pool, bed.now_us, bed.now_us + BED_SECOND);
  bed_pass(&bed, BED_SECOND);
  assert_int_equal(bed.count[COVET_POOL_ABANDON], 2);
  assert_int_equal(bed.last[COVET_POOL_ABANDON].reason,
                   COVET_POOL_REASON_CLOSED);
  assert_int_equal(bed.count[COVET_POOL_CLOSED], 1);
  assert_false(bed_has(&bed, 0));
}

static void test_close_fails_whom_it_takes_the_connection_from(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  assert_int_equal(covet_pool_release(bed.pool, bed.now_us,
                                      bed.waiters[0].lease, COVET_POOL_CLEAN),
                   0); /* the next one is granted it, but not told yet */
  covet_pool_close(bed.pool, bed.now_us, bed.now_us + 1);
  covet_pool_tick(bed.pool, ++bed.now_us);
  bed_forget(&bed);
  bed_run(&bed);
  assert_int_equal(bed.count[COVET_POOL_GRANT], 0);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_SHUT);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      pool_test(min_size),
      pool_test(max_size),
      pool_test(max_size_counts_closing_ones),
      pool_test(connect_parallel),
      pool_test(auto_scale_scale_up_threshold),
      pool_test(auto_scale_off),
      pool_test(auto_scale_scale_down_threshold),
      pool_test(resize_while_it_runs),
      pool_test(resize_of_what_is_being_opened),
      pool_test(options_that_contradict),
      pool_test(nothing_is_opened_before_warm),
      pool_test(evict),
      pool_test(drain),
      pool_test(close),
      pool_test(close_at_its_deadline),
      pool_test(close_fails_whom_it_takes_the_connection_from),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
