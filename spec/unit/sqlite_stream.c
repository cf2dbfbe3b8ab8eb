/* Streams: what is delivered ahead of the reader is bounded, and a stream that
 * is left in the middle leaves nothing behind. */
#include "support/support.h"

#include <string.h>

enum { CHUNK = 10, AHEAD_MOST = 8, ROWS = 20000 };

static const char *const numbers =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 20000) SELECT i FROM n";

static covet_op *stream(unit *u, covet_lease lease)
{
  covet_op *op = unit_op(u, numbers, COVET_QUERY_ROWS | COVET_QUERY_STREAM);

  covet_op_set_chunk(op, CHUNK);
  covet_op_set_lease(op, lease);
  return op;
}

/* Take what stands ready; answers the rows. */
static uint64_t take(unit_slot *slot, unsigned *batches, int *more)
{
  covet_batch *batch = covet_op_take(slot->op, more);
  uint64_t rows = 0;

  *batches = 0;
  while (batch != NULL) {
    covet_batch *next = batch->next;

    rows += batch->row_count;
    ++*batches;
    covet_batch_free(batch);
    batch = next;
  }
  return rows;
}

/* A reader that dawdles finds a few batches each time, never all of them. */
static void walk_slowly(covet_mode mode)
{
  unit_slot slot = {.manual = 1};
  uint64_t rows = 0;
  int more = 1;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_start(&slot, stream(&u, 0));
  while (more) {
    unsigned batches;

    while (covet_op_next(slot.op) == 0) {
      unit_wait_news(&u, &slot);
    }
    for (int i = 0; i < 3; i++) { /* time enough for the worker to run ahead */
      unit_slot pause = unit_run(&u, covet_op_sleep(u.runtime, 100));

      unit_assert_ok(&pause);
    }
    rows += take(&slot, &batches, &more);
    assert_in_range(batches, 0, AHEAD_MOST);
  }
  assert_int_equal(rows, ROWS);
  assert_null(covet_op_error(slot.op));
  covet_op_free(slot.op);
  unit_deinit(&u);
}

static void test_back_pressure(void **state)
{
  (void) state;
  walk_slowly(COVET_CALLER_LOOP);
}

static void test_back_pressure_on_an_own_thread(void **state)
{
  (void) state;
  walk_slowly(COVET_OWN_THREAD);
}

/* Start a stream and run the loop until it rests for want of a reader. */
static void start_and_rest(unit *u, unit_slot *slot, covet_lease lease)
{
  slot->manual = 1;
  unit_start(slot, stream(u, lease));
  unit_wait_news(u, slot);
  for (int i = 0; i < 20; i++) {
    unit_slot pause = unit_run(u, covet_op_sleep(u->runtime, 500));

    unit_assert_ok(&pause);
  }
  assert_false(covet_op_finished(slot->op));
}

static void test_freed_in_the_middle(void **state)
{
  covet_adapter_stats stats;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "readers=1");
  for (int i = 0; i < 5; i++) {
    unit_slot slot = {0};

    start_and_rest(&u, &slot, 0);
    covet_op_free(slot.op);
    assert_int_equal(unit_integer(&u, "SELECT 1 FROM sqlite_schema UNION ALL "
                                      "SELECT 8 ORDER BY 1 DESC"),
                     8);
  }
  while (covet_runtime_pending(u.runtime) > 0) {
    unit_step(&u, 1000);
  }
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.used, 0);
  unit_deinit(&u);
}

static void test_cancelled_while_suspended(void **state)
{
  unit_slot slot = {0};
  unsigned batches;
  int more = 1;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "readers=1");
  start_and_rest(&u, &slot, 0);
  covet_cancel(slot.op);
  while (more) {
    (void) take(&slot, &batches, &more);
    if (more && covet_op_next(slot.op) == 0) {
      unit_wait_news(&u, &slot);
    }
  }
  assert_non_null(covet_op_error(slot.op));
  assert_int_equal(covet_op_error(slot.op)->kind, COVET_ERROR_CANCELLED);
  assert_int_equal(covet_op_error(slot.op)->phase, COVET_PHASE_FETCH);
  covet_op_free(slot.op);
  assert_int_equal(unit_integer(&u, "SELECT 3"), 3);
  unit_deinit(&u);
}

/* On a lease other statements run while a stream rests, and the stream goes on
 * where it was. */
static void test_two_on_one_lease(void **state)
{
  unit_slot slots[2] = {{0}, {0}};
  covet_lease lease;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  lease = unit_acquire(&u, 1);
  start_and_rest(&u, &slots[0], lease);
  start_and_rest(&u, &slots[1], lease);
  for (int i = 0; i < 2; i++) {
    unit_slot other = unit_leased(&u, lease, "SELECT 6", COVET_QUERY_ROWS);

    unit_assert_ok(&other);
    assert_int_equal(other.integer, 6);
    slots[i].manual = 0;
    unit_absorb(&slots[i]);
    unit_wait(&u, &slots[i]);
    unit_assert_ok(&slots[i]);
    assert_int_equal(slots[i].rows, ROWS);
    assert_int_equal(slots[i].sum, (int64_t) ROWS * (ROWS + 1) / 2);
  }
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* Cancelling one of them must not touch the other, nor what runs between. */
static void test_cancel_one_of_two(void **state)
{
  unit_slot slots[2] = {{0}, {0}};
  unit_slot other;
  covet_lease lease;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  lease = unit_acquire(&u, 1);
  start_and_rest(&u, &slots[0], lease);
  start_and_rest(&u, &slots[1], lease);
  slots[0].manual = 0;
  covet_cancel(slots[0].op);
  unit_absorb(&slots[0]);
  unit_wait(&u, &slots[0]);
  unit_assert_kind(&slots[0], COVET_ERROR_CANCELLED);
  other = unit_leased(&u, lease, "SELECT 6", COVET_QUERY_ROWS);
  unit_assert_ok(&other);
  slots[1].manual = 0;
  unit_absorb(&slots[1]);
  unit_wait(&u, &slots[1]);
  unit_assert_ok(&slots[1]);
  assert_int_equal(slots[1].rows, ROWS);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* One is asked for more and stands in the queue, its statement open, while
 * another statement runs: stopping that must not touch it either. */
static void test_cancel_while_one_is_queued(void **state)
{
  unit_slot resting = {0};
  unit_slot running = {0};
  unit_slot pause;
  covet_lease lease;
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  lease = unit_acquire(&u, 1);
  start_and_rest(&u, &resting, lease);
  op = unit_op(&u, unit_endless, COVET_QUERY_ROWS);
  covet_op_set_lease(op, lease);
  unit_start(&running, op);
  resting.manual = 0;
  unit_absorb(&resting);
  pause = unit_run(&u, covet_op_sleep(u.runtime, 5000));
  unit_assert_ok(&pause);
  covet_cancel(running.op);
  unit_wait(&u, &running);
  unit_assert_kind(&running, COVET_ERROR_CANCELLED);
  unit_wait(&u, &resting);
  unit_assert_ok(&resting);
  assert_int_equal(resting.rows, ROWS);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* The loop of a caller does not turn meanwhile. */
static void dawdle(uint64_t us)
{
  uint64_t end = covet_now_us() + us;

  while (covet_now_us() < end) {
  }
}

/* Given up while its worker runs, or has just come to rest: the statement after
 * it on the lease finds the connection as if there had been none. Half of those
 * could not run while the other's is open. */
static void given_up_before_another(covet_mode mode)
{
  enum { ROUNDS = 300 };
  covet_lease lease;
  unit_slot slot;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  lease = unit_acquire(&u, 0);
  for (int i = 0; i < ROUNDS; i++) {
    unit_slot given_up = {.manual = 1};
    covet_op *op = stream(&u, lease);

    covet_op_set_chunk(op, ROWS / 40);
    unit_start(&given_up, op);
    unit_wait_news(&u, &given_up);
    dawdle((uint64_t) i / 2 % 3 * 400);
    covet_op_free(given_up.op);
    slot = unit_leased(&u, lease, i % 2 ? "VACUUM" : "INSERT INTO t VALUES (1)",
                       0);
    unit_assert_ok(&slot);
  }
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), ROUNDS / 2);
  unit_deinit(&u);
}

static void test_given_up_before_another(void **state)
{
  (void) state;
  given_up_before_another(COVET_CALLER_LOOP);
}

static void test_given_up_before_another_on_an_own_thread(void **state)
{
  (void) state;
  given_up_before_another(COVET_OWN_THREAD);
}

/* The lease goes back while its stream rests: the stream ends with an error. */
static void test_released_under_a_stream(void **state)
{
  unit_slot slot = {0};
  covet_lease lease;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "readers=1");
  lease = unit_acquire(&u, 1);
  start_and_rest(&u, &slot, lease);
  unit_release(&u, lease);
  slot.manual = 0;
  unit_absorb(&slot);
  unit_wait(&u, &slot);
  unit_assert_kind(&slot, COVET_ERROR_CANCELLED);
  assert_true(slot.rows < ROWS);
  lease = unit_acquire(&u, 1);
  unit_release(&u, lease);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_back_pressure),
      cmocka_unit_test(test_back_pressure_on_an_own_thread),
      cmocka_unit_test(test_freed_in_the_middle),
      cmocka_unit_test(test_cancelled_while_suspended),
      cmocka_unit_test(test_two_on_one_lease),
      cmocka_unit_test(test_cancel_one_of_two),
      cmocka_unit_test(test_cancel_while_one_is_queued),
      cmocka_unit_test(test_given_up_before_another),
      cmocka_unit_test(test_given_up_before_another_on_an_own_thread),
      cmocka_unit_test(test_released_under_a_stream),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
