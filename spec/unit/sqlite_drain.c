/* Draining an adapter. */
#include "support/support.h"

static void drain(covet_mode mode)
{
  unit_slot waiting = {0}, late, drained = {0}, connected;
  covet_lease lease;
  covet_op *op;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  lease = unit_acquire(&u, 0);
  unit_start(&waiting, unit_op(&u, "INSERT INTO t VALUES (1)", 0));
  op = covet_op_drain(u.adapter);
  covet_op_set_timeout(op, 20);
  late = unit_run(&u, op);
  unit_assert_kind(&late, COVET_ERROR_POOL_TIMEOUT);
  assert_int_equal(late.error.retry, COVET_RETRY_SAFE);
  late = unit_run(&u, unit_op(&u, "SELECT 1", COVET_QUERY_ROWS));
  unit_assert_kind(&late, COVET_ERROR_POOL_CLOSED);
  unit_start(&drained, covet_op_drain(u.adapter));
  assert_false(drained.done);
  unit_release(&u, lease);
  unit_wait(&u, &waiting);
  unit_assert_ok(&waiting);
  unit_wait(&u, &drained);
  unit_assert_ok(&drained);
  late = unit_run(&u, unit_op(&u, "SELECT 1", COVET_QUERY_ROWS));
  unit_assert_kind(&late, COVET_ERROR_POOL_CLOSED);
  connected = unit_run(&u, covet_op_connect(u.adapter));
  unit_assert_ok(&connected);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_drain_on_the_callers_loop(void **state)
{
  (void) state;
  drain(COVET_CALLER_LOOP);
}

static void test_drain_on_an_own_thread(void **state)
{
  (void) state;
  drain(COVET_OWN_THREAD);
}

/* What waits for the first connection is served too. */
static void test_drain_while_it_connects(void **state)
{
  unit_slot first = {0}, drained = {0}, again = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_start(&first, unit_op(&u, "CREATE TABLE t (x)", 0));
  unit_start(&drained, covet_op_drain(u.adapter));
  unit_start(&again, unit_op(&u, "SELECT 1", 0));
  unit_wait(&u, &drained);
  unit_assert_ok(&drained);
  unit_wait(&u, &first);
  unit_assert_ok(&first);
  unit_wait(&u, &again);
  unit_assert_kind(&again, COVET_ERROR_POOL_CLOSED);
  unit_deinit(&u);
}

static void test_drain_that_is_given_up(void **state)
{
  unit_slot drained = {0}, disconnected;
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  (void) unit_acquire(&u, 0);
  unit_start(&drained, covet_op_drain(u.adapter));
  covet_cancel(drained.op);
  unit_wait(&u, &drained);
  unit_assert_kind(&drained, COVET_ERROR_CANCELLED);
  drained = (unit_slot){0};
  unit_start(&drained, covet_op_drain(u.adapter));
  op = covet_op_disconnect(u.adapter);
  covet_op_set_timeout(op, 10);
  disconnected = unit_run(&u, op);
  unit_assert_ok(&disconnected); /* it takes the lease back */
  unit_wait(&u, &drained);
  unit_assert_ok(&drained);
  unit_deinit(&u);
}

/* The adapter is freed while it drains: nobody is left waiting. */
static void test_free_while_it_drains(void **state)
{
  unit_slot drained = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  (void) unit_acquire(&u, 0);
  unit_start(&drained, covet_op_drain(u.adapter));
  covet_adapter_free(u.adapter);
  u.adapter = NULL;
  unit_wait(&u, &drained);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_drain_on_the_callers_loop),
      cmocka_unit_test(test_drain_on_an_own_thread),
      cmocka_unit_test(test_drain_while_it_connects),
      cmocka_unit_test(test_drain_that_is_given_up),
      cmocka_unit_test(test_free_while_it_drains),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
