/* The runtime in both modes, by the public header only: every test here runs
 * once with the caller's loop and once with the runtime's own thread. */
#include "support/support.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 2000 };

static const covet_mode caller_loop = COVET_CALLER_LOOP;
static const covet_mode own_thread = COVET_OWN_THREAD;

static void init(unit *u, void **state)
{
  unit_init(u, *(const covet_mode *) *state);
}

static void test_nothing_to_do(void **state)
{
  unit u;

  init(&u, state);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  assert_null(covet_reap(u.runtime));
  assert_int_equal(covet_runtime_step(u.runtime, 0), 0);
  assert_int_equal(covet_runtime_has_handles(u.runtime), 0);
  assert_true(covet_runtime_fd(u.runtime) >= 0);
  unit_deinit(&u);
}

static void test_sleep_is_not_too_short(void **state)
{
  uint64_t start;
  unit_slot slot;
  unit u;

  init(&u, state);
  start = covet_now_us();
  slot = unit_run(&u, covet_op_sleep(u.runtime, 20000));
  unit_assert_ok(&slot);
  assert_true(covet_now_us() - start >= 20000);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  unit_deinit(&u);
}

/* The shorter one is told first, whatever the order of submission. */
static void test_sleeps_end_in_order(void **state)
{
  unit_slot late = {0};
  unit_slot early = {0};
  unit u;

  init(&u, state);
  unit_start(&late, covet_op_sleep(u.runtime, 3600000000));
  unit_start(&early, covet_op_sleep(u.runtime, 1000));
  unit_wait(&u, &early);
  assert_false(late.done);
  assert_int_equal(covet_runtime_pending(u.runtime), 1);
  covet_cancel(late.op);
  unit_wait(&u, &late);
  unit_assert_kind(&late, COVET_ERROR_CANCELLED);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  unit_deinit(&u);
}

static void test_the_longest_sleep(void **state)
{
  static const uint64_t longest[] = {UINT64_MAX, UINT64_MAX - 1,
                                     UINT64_MAX / 1000, UINT64_C(1) << 53};
  unit u;

  init(&u, state);
  for (size_t i = 0; i < sizeof(longest) / sizeof(longest[0]); i++) {
    unit_slot slot = {0};
    unit_slot mark;

    unit_start(&slot, covet_op_sleep(u.runtime, longest[i]));
    mark = unit_run(&u, covet_op_sleep(u.runtime, 2000));
    unit_assert_ok(&mark);
    assert_false(slot.done);
    covet_cancel(slot.op);
    unit_wait(&u, &slot);
    unit_assert_kind(&slot, COVET_ERROR_CANCELLED);
  }
  unit_deinit(&u);
}

static void test_no_sleep_at_all(void **state)
{
  unit_slot slot;
  unit u;

  init(&u, state);
  slot = unit_run(&u, covet_op_sleep(u.runtime, 0));
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

static void test_cancel_twice_and_too_late(void **state)
{
  unit_slot slot = {.manual = 1};
  unit u;

  init(&u, state);
  unit_start(&slot, covet_op_sleep(u.runtime, 3600000000));
  covet_cancel(slot.op);
  covet_cancel(slot.op);
  unit_wait_news(&u, &slot);
  assert_true(covet_op_finished(slot.op));
  covet_cancel(slot.op); /* does nothing */
  assert_non_null(covet_op_error(slot.op));
  assert_int_equal(covet_op_error(slot.op)->kind, COVET_ERROR_CANCELLED);
  covet_op_free(slot.op);
  assert_null(covet_reap(u.runtime));
  unit_deinit(&u);
}

static void test_many(void **state)
{
  static unit_slot slots[MANY];
  unit u;

  init(&u, state);
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < MANY; i++) {
    unit_start(&slots[i], covet_op_sleep(u.runtime, (uint64_t) (i * 7 % 5000)));
  }
  for (int i = 0; i < MANY; i += 3) {
    if (!slots[i].done) {
      covet_cancel(slots[i].op);
    }
  }
  for (int i = 0; i < MANY; i++) {
    unit_wait(&u, &slots[i]);
    if (i % 3 != 0) {
      unit_assert_ok(&slots[i]);
    }
  }
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  assert_null(covet_reap(u.runtime));
  unit_deinit(&u);
}

/* What was freed while it ran is never told, and what comes after is. */
static void test_free_of_running_ones(void **state)
{
  unit u;

  init(&u, state);
  for (int i = 0; i < MANY; i++) {
    covet_op *op = covet_op_sleep(u.runtime, i % 2 ? 0 : 3600000000);

    (void) covet_submit(op);
    if (i % 4 < 2) {
      covet_cancel(op);
    }
    covet_op_free(op);
    if (i % 50 == 0) {
      unit_slot slot = unit_run(&u, covet_op_sleep(u.runtime, 100));

      unit_assert_ok(&slot);
    }
  }
  while (covet_runtime_pending(u.runtime) > 0) {
    unit_step(&u, 1000);
  }
  assert_null(covet_reap(u.runtime));
  unit_deinit(&u);
}

/* The loop ends them at the moment when their owner gives them up. */
static void test_free_of_those_about_to_end(void **state)
{
  unit u;

  init(&u, state);
  for (int i = 0; i < 2 * MANY; i++) {
    covet_op *ops[4];

    for (int j = 0; j < 4; j++) {
      ops[j] = covet_op_sleep(u.runtime, (uint64_t) (i * 13 % 50));
      (void) covet_submit(ops[j]);
    }
    (void) covet_runtime_step(u.runtime, 0);
    for (int j = 0; j < 4; j++) {
      covet_op_free(ops[j]);
    }
    (void) covet_reap(u.runtime);
  }
  while (covet_runtime_pending(u.runtime) > 0) {
    unit_step(&u, 1000);
  }
  assert_null(covet_reap(u.runtime));
  unit_deinit(&u);
}

static void test_free_of_running_queries(void **state)
{
  unit_slot unread = {.manual = 1};
  unit u;

  init(&u, state);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  for (int i = 0; i < 300; i++) {
    covet_op *op = unit_op(&u,
                           i % 3 == 0   ? "SELECT 1"
                           : i % 3 == 1 ? "INSERT INTO t VALUES (1)"
                                        : unit_endless,
                           COVET_QUERY_ROWS);

    covet_op_set_data(op, &unread);
    (void) covet_submit(op);
    if (i % 5 == 0) {
      unit_step(&u, 0);
    }
    covet_op_free(op);
  }
  while (covet_runtime_pending(u.runtime) > 0) {
    unit_step(&u, 1000);
  }
  assert_int_equal(unit_integer(&u, "SELECT 5"), 5);
  unit_deinit(&u);
}

/* The runtime goes while operations of every sort are under way. */
static void test_free_of_a_busy_runtime(void **state)
{
  static unit_slot slots[40];
  unit u;

  init(&u, state);
  memset(slots, 0, sizeof(slots));
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  for (int i = 0; i < 40; i++) {
    slots[i].manual = 1;
    unit_start(&slots[i], i % 4 == 0   ? covet_op_sleep(u.runtime, 3600000000)
                          : i % 4 == 1 ? unit_op(&u, unit_endless, 0)
                          : i % 4 == 2 ? covet_op_acquire(u.adapter, 0)
                                       : unit_op(&u, "DELETE FROM t", 0));
  }
  unit_deinit(&u);
}

/* --- The descriptor ------------------------------------------------------------ */

static int readable(int fd, int timeout_ms)
{
  struct pollfd set = {.fd = fd, .events = POLLIN};

  return poll(&set, 1, timeout_ms);
}

/* Own thread: readable from the first completion until a step has seen it. */
static void test_descriptor_tells_of_completions(void **state)
{
  unit_slot slot = {0};
  covet_op *op;
  unit u;

  init(&u, state);
  assert_int_equal(readable(covet_runtime_fd(u.runtime), 0), 0);
  for (int i = 0; i < 50; i++) {
    op = covet_op_sleep(u.runtime, 200);
    covet_op_set_data(op, &slot);
    assert_int_equal(covet_submit(op), 0);
    assert_int_equal(readable(covet_runtime_fd(u.runtime), UNIT_LIMIT_MS), 1);
    assert_int_equal(covet_runtime_timeout_ms(u.runtime), 0);
    assert_int_equal(covet_runtime_step(u.runtime, 0), 1);
    assert_ptr_equal(covet_reap(u.runtime), op);
    assert_true(covet_op_finished(op));
    covet_op_free(op);
    assert_int_equal(readable(covet_runtime_fd(u.runtime), 0), 0);
    assert_int_equal(covet_runtime_timeout_ms(u.runtime), -1);
  }
  unit_deinit(&u);
}

/* A step that finds completions standing ready does not wait for more. */
static void test_step_with_completions_returns(void **state)
{
  unit_slot first = {.manual = 1};
  unit u;

  init(&u, state);
  unit_start(&first, covet_op_sleep(u.runtime, 0));
  if (first.news == 0) {
    int pending = 0;

    do {
      pending = covet_runtime_step(u.runtime, 1000);
    } while (!covet_op_finished(first.op));
    assert_int_equal(pending, 1);
    assert_int_equal(covet_runtime_step(u.runtime, -1), 1);
    assert_ptr_equal(covet_reap(u.runtime), first.op);
  }
  covet_op_free(first.op);
  unit_deinit(&u);
}

#define in_both_modes(test)                                                    \
  {#test " (caller's loop)", test, NULL, NULL, (void *) &caller_loop},         \
  {                                                                            \
#test " (own thread)", test, NULL, NULL, (void *) &own_thread              \
  }

int main(void)
{
  const struct CMUnitTest tests[] = {
      in_both_modes(test_nothing_to_do),
      in_both_modes(test_sleep_is_not_too_short),
      in_both_modes(test_sleeps_end_in_order),
      in_both_modes(test_the_longest_sleep),
      in_both_modes(test_no_sleep_at_all),
      in_both_modes(test_cancel_twice_and_too_late),
      in_both_modes(test_many),
      in_both_modes(test_free_of_running_ones),
      in_both_modes(test_free_of_those_about_to_end),
      in_both_modes(test_free_of_running_queries),
      in_both_modes(test_free_of_a_busy_runtime),
      in_both_modes(test_step_with_completions_returns),
      cmocka_unit_test_prestate(test_descriptor_tells_of_completions,
                                (void *) &own_thread),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
