/* The end of an adapter: disconnected, or freed, while things run. */
#include "support/support.h"

#include <string.h>
#include <sys/stat.h>

enum { BUSY = 12 };

static void init(unit *u)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, "readers=2");
  unit_script(u, "CREATE TABLE t (x)");
}

static void test_disconnect_waits_for_what_runs(void **state)
{
  unit_slot slots[4];
  unit_slot end = {0};
  unit_slot late;
  unit u;

  (void) state;
  init(&u);
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < 4; i++) {
    unit_start(&slots[i], unit_op(&u, "INSERT INTO t VALUES (1)", 0));
  }
  unit_start(&end, covet_op_disconnect(u.adapter));
  late = unit_query(&u, "INSERT INTO t VALUES (2)", 0);
  unit_assert_kind(&late, COVET_ERROR_POOL_CLOSED);
  unit_wait(&u, &end);
  unit_assert_ok(&end);
  for (int i = 0; i < 4; i++) {
    assert_true(slots[i].done); /* before the disconnect has ended */
    unit_assert_ok(&slots[i]);
  }
  late = unit_query(&u, "SELECT 1", COVET_QUERY_ROWS);
  unit_assert_kind(&late, COVET_ERROR_POOL_CLOSED); /* it stays disconnected */
  unit_connect(&u);
  assert_int_equal(unit_integer(&u, "SELECT sum(x) FROM t"), 4);
  unit_deinit(&u);
}

static void test_disconnect_with_a_deadline(void **state)
{
  unit_slot slots[BUSY];
  covet_adapter_stats stats;
  unit_slot end;
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < BUSY; i++) {
    unit_start(&slots[i], unit_op(&u, unit_endless, COVET_QUERY_ROWS));
  }
  op = covet_op_disconnect(u.adapter);
  covet_op_set_timeout(op, 20);
  end = unit_run(&u, op);
  unit_assert_ok(&end);
  for (int i = 0; i < BUSY; i++) {
    unit_wait(&u, &slots[i]);
    unit_assert_kind(&slots[i], COVET_ERROR_POOL_CLOSED);
  }
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.size, 0);
  assert_int_equal(stats.created, stats.destroyed);
  unit_deinit(&u);
}

/* A lease that is not given back holds a disconnect up until its deadline. */
static void test_disconnect_with_a_lease(void **state)
{
  unit_slot end = {0};
  unit_slot slot;
  covet_lease lease;
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  unit_start(&end, covet_op_disconnect(u.adapter));
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_ok(&slot); /* its borrower may finish */
  assert_false(end.done);
  unit_release(&u, lease);
  unit_wait(&u, &end);
  unit_assert_ok(&end);
  unit_connect(&u);
  lease = unit_acquire(&u, 0);
  op = covet_op_disconnect(u.adapter);
  covet_op_set_timeout(op, 20);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
  unit_connect(&u);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_disconnect_twice(void **state)
{
  unit_slot first = {0};
  unit_slot second = {0};
  unit_slot slot = {0};
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  unit_start(&slot, unit_op(&u, unit_endless, 0));
  op = covet_op_disconnect(u.adapter);
  covet_op_set_timeout(op, 30);
  unit_start(&first, op);
  unit_start(&second, covet_op_disconnect(u.adapter));
  unit_wait(&u, &second);
  unit_assert_kind(&second, COVET_ERROR_POOL_CLOSED);
  unit_wait(&u, &first);
  unit_wait(&u, &slot);
  unit_assert_ok(&first);
  first = unit_run(&u, covet_op_disconnect(u.adapter)); /* nothing is open */
  unit_assert_ok(&first);
  unit_deinit(&u);
}

/* Nothing brings a disconnected adapter back but to connect it. */
static void stay_disconnected(covet_mode mode)
{
  covet_adapter_stats stats;
  unit_slot slot;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_disconnect(&u); /* it never was connected */
  slot = unit_query(&u, "SELECT 1", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
  for (int i = 0; i < 2; i++) {
    unit_connect(&u);
    unit_connect(&u);
    assert_int_equal(unit_integer(&u, "SELECT 1"), 1);
    unit_disconnect(&u);
    unit_disconnect(&u);
    slot = unit_query(&u, "SELECT 1", COVET_QUERY_ROWS);
    unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
    slot = unit_run(&u, covet_op_acquire(u.adapter, 0));
    unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
    slot = unit_run(&u, covet_op_release(u.adapter, 1));
    unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
    slot = unit_leased(&u, 1, "SELECT 1", COVET_QUERY_ROWS);
    unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
    covet_adapter_get_stats(u.adapter, &stats);
    assert_int_equal(stats.size + stats.opening, 0);
  }
  unit_deinit(&u);
}

static void test_disconnected_means_closed(void **state)
{
  (void) state;
  stay_disconnected(COVET_CALLER_LOOP);
  stay_disconnected(COVET_OWN_THREAD);
}

/* The last connection leaves no WAL behind. */
static void test_disconnect_leaves_one_file(void **state)
{
  char path[200];
  struct stat info;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u, "INSERT INTO t VALUES (1)", 0);
  unit_assert_ok(&slot);
  (void) strcat(strcpy(path, u.path), "-wal");
  assert_int_equal(stat(path, &info), 0);
  slot = unit_run(&u, covet_op_disconnect(u.adapter));
  unit_assert_ok(&slot);
  assert_int_not_equal(stat(path, &info), 0);
  unit_deinit(&u);
}

/* --- Freed ------------------------------------------------------------------------ */

static void free_while_running(covet_mode mode)
{
  unit_slot slots[BUSY];
  unit u;

  unit_init(&u, mode);
  for (int round = 0; round < 8; round++) {
    unit_open(&u, "readers=2");
    if (round > 0) { /* the first time while it connects */
      unit_script(&u, "CREATE TABLE IF NOT EXISTS t (x)");
    }
    memset(slots, 0, sizeof(slots));
    for (int i = 0; i < BUSY; i++) {
      unit_start(&slots[i],
                 i % 3 == 0   ? unit_op(&u, unit_endless, COVET_QUERY_ROWS)
                 : i % 3 == 1 ? unit_op(&u, "SELECT 1", COVET_QUERY_ROWS)
                              : covet_op_acquire(u.adapter, i % 2));
    }
    if (round % 2) {
      unit_step(&u, 5);
    }
    covet_adapter_free(u.adapter);
    u.adapter = NULL;
    for (int i = 0; i < BUSY; i++) {
      unit_wait(&u, &slots[i]);
      assert_true(slots[i].error.kind == COVET_ERROR_NONE ||
                  slots[i].error.kind == COVET_ERROR_POOL_CLOSED);
    }
  }
  unit_deinit(&u);
}

static void test_free_while_running(void **state)
{
  (void) state;
  free_while_running(COVET_CALLER_LOOP);
}

static void test_free_while_running_on_an_own_thread(void **state)
{
  (void) state;
  free_while_running(COVET_OWN_THREAD);
}

/* The runtime ends while the loop's thread is at the farewell of an adapter:
   that of another one must not come after the adapter is gone. */
static void test_free_adapters_and_runtime_on_an_own_thread(void **state)
{
  (void) state;
  for (int round = 0; round < 200; round++) {
    covet_adapter *idle;
    unit u;

    unit_init(&u, COVET_OWN_THREAD);
    idle = unit_adapter(&u, "sqlite::memory:"); /* it goes at once */
    unit_open(&u, "");
    assert_int_equal(unit_integer(&u, "SELECT 1"), 1);
    covet_adapter_free(u.adapter);
    u.adapter = idle;
    unit_deinit(&u);
  }
}

static void test_free_while_connecting(void **state)
{
  unit_slot slot = {0};
  unit_slot pause;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_start(&slot, covet_op_connect(u.adapter));
  covet_adapter_free(u.adapter);
  u.adapter = NULL;
  unit_wait(&u, &slot);
  unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
  pause = unit_run(&u, covet_op_sleep(u.runtime, 20000));
  unit_assert_ok(&pause);
  unit_deinit(&u);
}

/* ... and it will not connect: the end of the one is the end of the other. */
static void test_free_while_failing_to_connect(void **state)
{
  unit_slot slot = {0};
  unit_slot pause;
  char url[200];
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  (void) strcat(strcpy(url, "sqlite:"), u.folder); /* a directory */
  u.adapter = unit_adapter(&u, url);
  unit_start(&slot, covet_op_connect(u.adapter));
  covet_adapter_free(u.adapter);
  u.adapter = NULL;
  unit_wait(&u, &slot);
  unit_assert_kind(&slot, COVET_ERROR_POOL_CLOSED);
  pause = unit_run(&u, covet_op_sleep(u.runtime, 20000));
  unit_assert_ok(&pause);
  unit_deinit(&u);
}

static void test_disconnect_while_connecting(void **state)
{
  unit_slot opening = {0};
  unit_slot end = {0};
  covet_adapter_stats stats;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_start(&opening, covet_op_connect(u.adapter));
  unit_start(&end, covet_op_disconnect(u.adapter));
  unit_wait(&u, &opening);
  unit_wait(&u, &end);
  unit_assert_kind(&opening, COVET_ERROR_POOL_CLOSED);
  unit_assert_ok(&end);
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.size + stats.opening, 0);
  unit_connect(&u); /* it can connect again */
  assert_int_equal(unit_integer(&u, "SELECT 4"), 4);
  unit_deinit(&u);
}

/* Connecting, and given up at once by the only one who asked. */
static void test_disconnect_after_a_connect_given_up(void **state)
{
  unit_slot end;
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  for (int i = 0; i < 20; i++) {
    op = covet_op_connect(u.adapter);
    (void) covet_submit(op);
    covet_op_free(op);
    end = unit_run(&u, covet_op_disconnect(u.adapter));
    unit_assert_ok(&end);
  }
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_disconnect_waits_for_what_runs),
      cmocka_unit_test(test_disconnect_with_a_deadline),
      cmocka_unit_test(test_disconnect_with_a_lease),
      cmocka_unit_test(test_disconnect_twice),
      cmocka_unit_test(test_disconnected_means_closed),
      cmocka_unit_test(test_disconnect_leaves_one_file),
      cmocka_unit_test(test_free_while_running),
      cmocka_unit_test(test_free_while_running_on_an_own_thread),
      cmocka_unit_test(test_free_adapters_and_runtime_on_an_own_thread),
      cmocka_unit_test(test_free_while_connecting),
      cmocka_unit_test(test_free_while_failing_to_connect),
      cmocka_unit_test(test_disconnect_while_connecting),
      cmocka_unit_test(test_disconnect_after_a_connect_given_up),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
