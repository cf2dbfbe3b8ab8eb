/* Who waits for a connection, and which one is lent. */
#include "support/pool_bed.h"

static void test_first_come_first_served(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 4);
  for (uint32_t i = 0; i < 3; i++) {
    bed_give(&bed, i, COVET_POOL_CLEAN);
    assert_true(bed_has(&bed, i + 1));
  }
}

static void test_acquire_timeout(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.acquire_timeout_us = 2 * BED_SECOND;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  bed_pass(&bed, 2 * BED_SECOND - 1);
  assert_int_equal(bed_stats(&bed).waiting, 1);
  bed_pass(&bed, 1);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_TIMEOUT);
  assert_int_equal(bed_stats(&bed).timeouts, 1);
  assert_int_equal(bed_stats(&bed).failed_checkouts, 1);
}

static void test_deadline_of_its_own(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed.waiters[1].deadline_us = bed.now_us + BED_MS;
  bed_ask_many(&bed, 2);
  bed_pass(&bed, BED_MS);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_TIMEOUT);
}

static void test_max_waiting(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.max_waiting = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  assert_int_equal(bed_ask(&bed, 2), COVET_POOL_REFUSED);
  assert_int_equal(bed.waiters[2].failure, COVET_POOL_EXHAUSTED);
  assert_int_equal(bed_stats(&bed).refused, 1);
}

static void test_max_waiting_leaves_out_whom_a_connection_comes_for(
    void **state)
{
  (void) state;
  bed.config.max_size = 3;
  bed.config.max_waiting = 1;
  bed.slow_open = true;
  bed_start(&bed);
  bed_ask_many(&bed, 3);
  assert_int_equal(bed_stats(&bed).waiting, 3);
}

static void test_cancel(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 3);
  covet_pool_cancel(bed.pool, bed.now_us, &bed.waiters[1]);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(!bed_has(&bed, 1) && bed_has(&bed, 2));
  assert_int_equal(bed_stats(&bed).failed_checkouts, 0);
}

static void test_cancel_of_one_answered_and_not_told(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed_start(&bed);
  bed_ask_many(&bed, 3);
  assert_int_equal(covet_pool_release(bed.pool, bed.now_us,
                                      bed.waiters[0].lease, COVET_POOL_CLEAN),
                   0);
  assert_int_equal(bed.waiters[1].state, COVET_WAITER_ANSWERED);
  covet_pool_cancel(bed.pool, bed.now_us, &bed.waiters[1]);
  bed_run(&bed);
  assert_true(!bed_has(&bed, 1) && bed_has(&bed, 2));
}

static void test_taken_waiter_does_not_hold_up_others(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.share_depth = 2;
  bed_start(&bed);
  bed.waiters[0].shareable = true;
  bed.waiters[2].shareable = true;
  bed_ask_many(&bed, 3);
  assert_ptr_equal(covet_pool_first_waiter(bed.pool), &bed.waiters[1]);
  covet_pool_take_waiter(bed.pool, &bed.waiters[1]);
  assert_true(covet_pool_due_us(bed.pool) <= bed.now_us);
  bed_pass(&bed, 1);
  assert_true(bed_has(&bed, 2));
}

static void test_order_lifo(void **state)
{
  (void) state;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed.now_us++;
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  (void) bed_ask(&bed, 2);
  assert_int_equal(bed.waiters[2].slot, bed.waiters[1].slot);
}

static void test_order_fifo(void **state)
{
  (void) state;
  bed.config.fifo = true;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  bed.now_us++;
  bed_give(&bed, 1, COVET_POOL_CLEAN);
  (void) bed_ask(&bed, 2);
  assert_int_equal(bed.waiters[2].slot, bed.waiters[0].slot);
}

static void test_share_depth(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.share_depth = 2;
  bed_start(&bed);
  for (uint32_t i = 0; i < 3; i++) {
    bed.waiters[i].shareable = true;
  }
  bed_ask_many(&bed, 3);
  assert_int_equal(bed.waiters[0].slot, bed.waiters[1].slot);
  assert_true(bed_has(&bed, 1) && !bed_has(&bed, 2));
  bed_give(&bed, 0, COVET_POOL_CLEAN);
  assert_true(bed_has(&bed, 2));
}

static void test_shared_connection_is_never_lent_to_one_alone(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.share_depth = 4;
  bed_start(&bed);
  bed.waiters[0].shareable = true;
  bed.waiters[2].shareable = true;
  bed_ask_many(&bed, 3);
  assert_true(!bed_has(&bed, 1));
  assert_true(!bed_has(&bed, 2)); /* behind the one who wants it alone */
}

static void test_deadlock(void **state)
{
  (void) state;
  bed.config.max_size = 2;
  bed_start(&bed);
  bed_ask_many(&bed, 2);
  bed.waiters[2].owner = 1;
  bed.waiters[3].owner = 2;
  assert_int_equal(bed_ask(&bed, 2), COVET_POOL_QUEUED);
  assert_int_equal(bed_ask(&bed, 3), COVET_POOL_REFUSED);
  assert_int_equal(bed.waiters[3].failure, COVET_POOL_DEADLOCK);
  assert_int_equal(bed_stats(&bed).deadlocks, 1);
}

static void test_deadlock_that_held_up_one_who_shares(void **state)
{
  (void) state;
  bed.config.max_size = 1;
  bed.config.share_depth = 2;
  bed.slow_open = true;
  bed_start(&bed);
  bed.waiters[0].shareable = true;
  bed.waiters[1].owner = 1;
  bed.waiters[2].shareable = true;
  bed_ask_many(&bed, 3);
  covet_pool_connected(bed.pool, bed.now_us, 0, COVET_POOL_UNKNOWN);
  bed_run(&bed);
  assert_int_equal(bed.waiters[1].failure, COVET_POOL_DEADLOCK);
  assert_true(bed_has(&bed, 2));
}

static void test_no_deadlock_where_one_gives_back_by_itself(void **state)
{
  (void) state;
  bed.config.max_size = 2;
  bed_start(&bed);
  bed.waiters[1].passing = true;
  bed_ask_many(&bed, 2);
  bed.waiters[2].owner = 1;
  bed.waiters[3].owner = 2;
  assert_int_equal(bed_ask(&bed, 2), COVET_POOL_QUEUED);
  assert_int_equal(bed_ask(&bed, 3), COVET_POOL_QUEUED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      pool_test(first_come_first_served),
      pool_test(acquire_timeout),
      pool_test(deadline_of_its_own),
      pool_test(max_waiting),
      pool_test(max_waiting_leaves_out_whom_a_connection_comes_for),
      pool_test(cancel),
      pool_test(cancel_of_one_answered_and_not_told),
      pool_test(taken_waiter_does_not_hold_up_others),
      pool_test(order_lifo),
      pool_test(order_fifo),
      pool_test(share_depth),
      pool_test(shared_connection_is_never_lent_to_one_alone),
      pool_test(deadlock),
      pool_test(deadlock_that_held_up_one_who_shares),
      pool_test(no_deadlock_where_one_gives_back_by_itself),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
