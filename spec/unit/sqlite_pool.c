/* An adapter's pools seen and changed from the caller's thread. */
#include "support/support.h"

#include <string.h>

/* Asked while the loop is at work, in a thread of its own or not. */
static void figures(covet_mode mode)
{
  enum { QUERIES = 200 };
  unit_slot slots[QUERIES] = {{0}};
  covet_adapter_stats before = {0};
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  for (int i = 0; i < QUERIES; i++) {
    covet_adapter_stats stats;

    unit_start(&slots[i], unit_op(&u,
                                  i % 2 ? "INSERT INTO t VALUES (1)"
                                        : "SELECT count(*) FROM t",
                                  0));
    covet_adapter_get_stats(u.adapter, &stats);
    assert_int_equal(stats.free + stats.used, stats.size);
    assert_true(stats.size <= 5);
    assert_true(stats.queries >= before.queries);
    assert_true(stats.p50_us <= stats.p95_us && stats.p99_us <= stats.max_us);
    before = stats;
  }
  for (int i = 0; i < QUERIES; i++) {
    unit_wait(&u, &slots[i]);
    unit_assert_ok(&slots[i]);
  }
  covet_adapter_get_stats(u.adapter, &before);
  assert_int_equal(before.queries, QUERIES + 1);
  assert_int_equal(before.waiting, 0);
  unit_deinit(&u);
}

static void test_figures_on_the_callers_loop(void **state)
{
  (void) state;
  figures(COVET_CALLER_LOOP);
}

static void test_figures_on_an_own_thread(void **state)
{
  (void) state;
  figures(COVET_OWN_THREAD);
}

/* --- Changes ----------------------------------------------------------------------- */

static int configure(unit *u, const char *name, const char *value,
                     covet_error *error)
{
  covet_option option = {name, value};

  memset(error, 0, sizeof(*error));
  return covet_adapter_configure(u->adapter, &option, 1, error);
}

static void expect_usage(unit *u, const char *name, const char *value,
                         const char *text)
{
  covet_error error;

  assert_int_equal(configure(u, name, value, &error), COVET_EUSAGE);
  assert_int_equal(error.kind, COVET_ERROR_USAGE);
  assert_non_null(strstr(error.message, text));
}

/* Wait until the figures say so, and nothing is on its way. */
static void wait_for_size(unit *u, uint32_t size)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * UINT64_C(1000);
  covet_adapter_stats stats;

  for (;;) {
    covet_adapter_get_stats(u->adapter, &stats);
    if (stats.size == size && stats.opening == 0) {
      return;
    }
    assert_true(covet_now_us() < end);
    unit_step(u, 1);
  }
}

static void resize(covet_mode mode)
{
  covet_lease leases[3];
  covet_error error;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "readers=1");
  unit_script(&u, "CREATE TABLE t (x)");
  leases[0] = unit_acquire(&u, 1);
  assert_int_equal(covet_adapter_resize(u.adapter, 0, 3, &error), 0);
  leases[1] = unit_acquire(&u, 1);
  leases[2] = unit_acquire(&u, 1);
  wait_for_size(&u, 4); /* with the one that writes */
  assert_int_equal(covet_adapter_resize(u.adapter, 1, 1, &error), 0);
  for (int i = 0; i < 3; i++) {
    unit_release(&u, leases[i]);
  }
  wait_for_size(&u, 2);
  assert_int_equal(covet_adapter_resize(u.adapter, 2, 3, &error), 0);
  wait_for_size(&u, 3); /* the minimum is opened by itself */
  unit_deinit(&u);
}

static void test_resize_on_the_callers_loop(void **state)
{
  (void) state;
  resize(COVET_CALLER_LOOP);
}

static void test_resize_on_an_own_thread(void **state)
{
  (void) state;
  resize(COVET_OWN_THREAD);
}

/* Before anything was opened, many times, and nothing waits for it. */
static void test_changes_add_up(void **state)
{
  covet_error error;
  covet_place place;
  unit_slot slot = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  for (uint32_t i = 1; i <= 100; i++) {
    assert_int_equal(covet_adapter_resize(u.adapter, 0, i, &error), 0);
    assert_int_equal(configure(&u, "max_waiting", "7", &error), 0);
    assert_int_equal(covet_adapter_evict(u.adapter, &error), 0);
  }
  assert_int_equal(unit_integer(&u, "SELECT 1"), 1);
  unit_start(&slot, unit_op(&u, unit_endless, COVET_QUERY_ROWS));
  assert_int_equal(covet_op_place(slot.op, &place), 0);
  assert_int_equal(place.size, 100);
  covet_cancel(slot.op);
  unit_wait(&u, &slot);
  unit_deinit(&u);
}

static void test_bad_changes(void **state)
{
  covet_option missing = {"max_waiting", NULL};
  covet_error error;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  expect_usage(&u, "max_pool_sise", "3", "max_pool_size");
  expect_usage(&u, "max_pool_size", "many", "max_pool_size");
  expect_usage(&u, "max_pool_size", "0", "max_pool_size must");
  expect_usage(&u, "min_pool_size", "5", "larger than max_pool_size (4)");
  expect_usage(&u, "path", "x.db", "path");
  assert_int_equal(covet_adapter_configure(u.adapter, &missing, 1, &error),
                   COVET_EUSAGE);
  assert_int_equal(covet_adapter_resize(u.adapter, 9, 3, &error), COVET_EUSAGE);
  assert_int_equal(configure(&u, "min_pool_size", "4", &error), 0);
  unit_deinit(&u);
}

static void test_changes_in_memory(void **state)
{
  covet_error error;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  unit_script(&u, "CREATE TABLE t (x)");
  expect_usage(&u, "max_pool_size", "2", "in memory");
  assert_int_equal(covet_adapter_resize(u.adapter, 0, 3, &error), COVET_EUSAGE);
  assert_int_equal(covet_adapter_evict(u.adapter, &error), COVET_EUSAGE);
  assert_int_equal(configure(&u, "leak_timeout", "1", &error), 0);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void evict(covet_mode mode)
{
  covet_adapter_stats before, after;
  covet_lease lease;
  covet_error error;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  lease = unit_acquire(&u, 1);
  covet_adapter_get_stats(u.adapter, &before);
  assert_int_equal(covet_adapter_evict(u.adapter, &error), 0);
  covet_adapter_get_stats(u.adapter, &after);
  assert_int_equal(after.destroyed, before.destroyed);
  unit_release(&u, lease);
  do {
    unit_step(&u, 1);
    covet_adapter_get_stats(u.adapter, &after);
  } while (after.destroyed == before.destroyed);
  assert_int_equal(after.destroyed, before.destroyed + 1);
  assert_int_equal(after.size, 1); /* the one that writes */
  unit_release(&u, unit_acquire(&u, 1));
  unit_deinit(&u);
}

static void test_evict_on_the_callers_loop(void **state)
{
  (void) state;
  evict(COVET_CALLER_LOOP);
}

static void test_evict_on_an_own_thread(void **state)
{
  (void) state;
  evict(COVET_OWN_THREAD);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_figures_on_the_callers_loop),
      cmocka_unit_test(test_figures_on_an_own_thread),
      cmocka_unit_test(test_resize_on_the_callers_loop),
      cmocka_unit_test(test_resize_on_an_own_thread),
      cmocka_unit_test(test_changes_add_up),
      cmocka_unit_test(test_bad_changes),
      cmocka_unit_test(test_changes_in_memory),
      cmocka_unit_test(test_evict_on_the_callers_loop),
      cmocka_unit_test(test_evict_on_an_own_thread),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
