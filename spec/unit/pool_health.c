/* How a pool's connections stay good: ages and checks. */
#include "support/pool_bed.h"

/* One connection, lent and given back, and so old since. */
static void rest(uint64_t us)
{
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed.now_us += us;
}

/* --- Ages --------------------------------------------------------------------- */

static void test_idle_timeout(void **state)
{
  (void) state;
  bed.config.min_size = 1;
  bed.config.idle_timeout_us = 10 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  (void) bed_ask(&bed, 1);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  bed_pass(&bed, 10 * BED_SECOND - 1);
  assert_int_equal(bed_stats(&bed).idle_connections, 2);
  bed_pass(&bed, 1);
  assert_int_equal(bed_stats(&bed).idle_connections, 1); /* the minimum */
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_IDLE], 1);
}

static void test_max_lifetime(void **state)
{
  (void) state;
  bed.config.max_lifetime_us = 10 * BED_SECOND;
  rest(0);
  bed_pass(&bed, 10 * BED_SECOND);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_LIFETIME], 1);
}

static void test_max_lifetime_waits_for_the_borrower(void **state)
{
  (void) state;
  bed.config.max_lifetime_us = 10 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 20 * BED_SECOND);
  assert_true(bed_has(&bed, 0));
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_LIFETIME], 1);
}

static void test_max_lifetime_of_one_given_back_in_time(void **state)
{
  (void) state;
  bed.config.max_lifetime_us = 10 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 9 * BED_SECOND);
  covet_pool_tick(bed.pool, bed.now_us); /* has nothing to announce */
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed_pass(&bed, BED_SECOND);
  assert_int_equal(bed_stats(&bed).total_connections, 0);
}

static void test_lifetime_jitter(void **state)
{
  (void) state;
  bed.config.min_size = 4;
  bed.config.connect_parallel = 4;
  bed.config.max_lifetime_us = 100 * BED_SECOND;
  bed.config.lifetime_jitter = 0.5;
  bed_start(&bed);
  bed_pass(&bed, 50 * BED_SECOND - 1);
  assert_int_equal(bed_stats(&bed).destroyed_connections, 0);
  bed_pass(&bed, 25 * BED_SECOND);
  assert_true(bed_stats(&bed).destroyed_connections < 4);
  bed_pass(&bed, 25 * BED_SECOND + 1);
  assert_true(bed_stats(&bed).destroyed_connections >= 4);
}

/* --- Checks --------------------------------------------------------------------- */

static void test_pre_ping(void **state)
{
  (void) state;
  bed.config.test_on_borrow = false;
  rest(bed.config.fresh_us);
  (void) bed_ask(&bed, 0);
  assert_int_equal(bed.count[COVET_POOL_PING], 1);
  assert_true(bed_has(&bed, 0));
}

static void test_pre_ping_finds_a_dead_one(void **state)
{
  (void) state;
  rest(BED_SECOND);
  bed.dead = true;
  (void) bed_ask(&bed, 0);
  assert_true(bed_has(&bed, 0)); /* a new one */
  assert_int_equal(bed_stats(&bed).validation_errors, 1);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_PING], 1);
}

static void test_pre_ping_leaves_out_what_is_watched(void **state)
{
  (void) state;
  bed.config.test_on_borrow = false;
  bed.liveness = COVET_POOL_WATCHED;
  rest(BED_SECOND);
  assert_int_equal(bed_ask(&bed, 0), COVET_POOL_GRANTED);
}

static void test_test_on_borrow(void **state)
{
  (void) state;
  bed.config.pre_ping = false;
  bed.liveness = COVET_POOL_WATCHED;
  rest(BED_SECOND);
  (void) bed_ask(&bed, 0);
  assert_int_equal(bed.count[COVET_POOL_PING], 1);
}

static void test_test_on_borrow_leaves_out_what_cannot_die(void **state)
{
  (void) state;
  bed.liveness = COVET_POOL_CERTAIN;
  rest(BED_SECOND);
  assert_int_equal(bed_ask(&bed, 0), COVET_POOL_GRANTED);
}

static void test_fresh(void **state)
{
  (void) state;
  rest(bed.config.fresh_us - 1);
  assert_int_equal(bed_ask(&bed, 0), COVET_POOL_GRANTED);
}

static void test_fresh_of_0_pings_once_for_each_loan(void **state)
{
  (void) state;
  bed.config.fresh_us = 0;
  rest(1);
  (void) bed_ask(&bed, 0);
  assert_true(bed_has(&bed, 0));
  assert_int_equal(bed.count[COVET_POOL_PING], 1);
}

static void test_ping_is_not_put_off_by_a_slow_connect(void **state)
{
  (void) state;
  bed.config.min_size = 2;
  bed.config.connect_parallel = 1;
  bed_start(&bed);
  covet_pool_lost(bed.pool, bed.now_us, 0);
  bed.slow_open = true;
  bed_run(&bed);
  bed.now_us += BED_SECOND;
  assert_int_equal(bed_stats(&bed).opening, 1);
  (void) bed_ask(&bed, 0);
  assert_true(bed_has(&bed, 0));
}

static void test_one_that_needs_no_ping_is_lent_at_once(void **state)
{
  (void) state;
  bed.config.fifo = true;
  bed.config.min_size = 3;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed.now_us += BED_SECOND;
  bed.slow_check = true;
  (void) bed_ask(&bed, 1); /* the other one is being pinged */
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(bed_has(&bed, 1));
}

static void test_health_check_interval(void **state)
{
  (void) state;
  bed.config.health_check_interval_us = 5 * BED_SECOND;
  rest(0);
  bed_pass(&bed, 5 * BED_SECOND - 1);
  assert_int_equal(bed.count[COVET_POOL_PING], 0);
  bed_pass(&bed, 1);
  assert_int_equal(bed.count[COVET_POOL_PING], 1);
  bed_pass(&bed, 5 * BED_SECOND);
  assert_int_equal(bed.count[COVET_POOL_PING], 2);
}

static void test_health_check_interval_counts_from_the_return(void **state)
{
  (void) state;
  bed.config.health_check_interval_us = 5 * BED_SECOND;
  bed_start(&bed);
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, 7 * BED_SECOND);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(covet_pool_due_us(bed.pool) <= bed.now_us + 5 * BED_SECOND);
}

static void test_check_timeout(void **state)
{
  (void) state;
  rest(BED_SECOND);
  bed.slow_check = true;
  (void) bed_ask(&bed, 0);
  bed_pass(&bed, bed.config.check_timeout_us);
  assert_int_equal(bed_stats(&bed).closed_by[COVET_POOL_REASON_PING], 1);
  assert_true(bed_has(&bed, 0));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      pool_test(idle_timeout),
      pool_test(max_lifetime),
      pool_test(max_lifetime_waits_for_the_borrower),
      pool_test(max_lifetime_of_one_given_back_in_time),
      pool_test(lifetime_jitter),
      pool_test(pre_ping),
      pool_test(pre_ping_finds_a_dead_one),
      pool_test(pre_ping_leaves_out_what_is_watched),
      pool_test(test_on_borrow),
      pool_test(test_on_borrow_leaves_out_what_cannot_die),
      pool_test(fresh),
      pool_test(fresh_of_0_pings_once_for_each_loan),
      pool_test(ping_is_not_put_off_by_a_slow_connect),
      pool_test(one_that_needs_no_ping_is_lent_at_once),
      pool_test(health_check_interval),
      pool_test(health_check_interval_counts_from_the_return),
      pool_test(check_timeout),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
