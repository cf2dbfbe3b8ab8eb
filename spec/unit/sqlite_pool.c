/* An adapter's pools seen from the caller's thread. */
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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_figures_on_the_callers_loop),
      cmocka_unit_test(test_figures_on_an_own_thread),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
