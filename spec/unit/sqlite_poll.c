/* A host that knows a descriptor and a timeout only: it polls the one for as long
 * as the other says, and steps. Nothing may need more than that. */
#include "support/support.h"

#include <poll.h>
#include <sqlite3.h>
#include <string.h>

enum { WRITES = 300, KNOWN = 20 };

static void init(unit *u, const char *options)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, options);
}

/* One turn of the host's loop. */
static void turn(unit *u)
{
  struct pollfd set = {.fd = covet_runtime_fd(u->runtime), .events = POLLIN};
  int timeout = covet_runtime_timeout_ms(u->runtime);
  int count = poll(&set, 1, timeout < 0 ? UNIT_LIMIT_MS : timeout);

  assert_true(timeout >= -1);
  assert_true(count >= 0);
  if (count == 0 && timeout < 0) {
    fail_msg("the host hangs");
  }
  unit_step(u, 0);
}

static void turn_until(unit *u, const unit_slot *slot)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;

  while (!slot->done) {
    assert_true(covet_now_us() < end);
    turn(u);
  }
}

static unit_slot run(unit *u, covet_op *op)
{
  unit_slot slot = {0};

  unit_start(&slot, op);
  turn_until(u, &slot);
  return slot;
}

static void run_well(unit *u, const char *sql)
{
  unit_slot slot = run(u, unit_op(u, sql, COVET_QUERY_ROWS));

  unit_assert_ok(&slot);
}

static covet_op *insert(unit *u)
{
  return unit_op(u, "INSERT INTO t VALUES (1)", 0);
}

static void make_known(unit *u)
{
  run_well(u, "CREATE TABLE t (x)");
  for (int i = 0; i < KNOWN; i++) {
    unit_slot slot = run(u, insert(u));

    unit_assert_ok(&slot);
  }
}

/* --- What is put off until the end of the turn --------------------------------------- */

static void test_a_gathering_group(void **state)
{
  static unit_slot slots[WRITES];
  unit u;

  (void) state;
  init(&u, "group_commit=true");
  make_known(&u);
  for (int round = 0; round < 5; round++) {
    memset(slots, 0, sizeof(slots));
    for (int i = 0; i < WRITES; i++) {
      unit_start(&slots[i], insert(&u));
      assert_false(slots[i].done);
      assert_int_equal(covet_runtime_timeout_ms(u.runtime), 0);
    }
    for (int i = 0; i < WRITES; i++) {
      turn_until(&u, &slots[i]);
      unit_assert_ok(&slots[i]);
    }
  }
  unit_deinit(&u);
}

/* Reads that share a transaction have all been answered: it is to be ended
 * nevertheless, or the log cannot begin anew. */
static void test_a_shared_read_transaction(void **state)
{
  int log = -1;
  int copied = -1;
  sqlite3 *other;
  unit u;

  (void) state;
  init(&u, "");
  make_known(&u);
  for (int i = 0; i < KNOWN; i++) {
    run_well(&u, "SELECT count(*) FROM t");
  }
  while (covet_runtime_timeout_ms(u.runtime) == 0) {
    turn(&u);
  }
  assert_int_equal(sqlite3_open(u.path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "SELECT * FROM t", NULL, NULL, NULL),
                   SQLITE_OK);
  assert_int_equal(sqlite3_wal_checkpoint_v2(
                       other, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log, &copied),
                   SQLITE_OK);
  assert_int_equal(log, 0);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  unit_deinit(&u);
}

/* --- Sleeping --------------------------------------------------------------------------- */

static void test_nothing_to_do_is_no_reason_to_turn(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, "");
  assert_int_not_equal(covet_runtime_timeout_ms(u.runtime), 0);
  slot = run(&u, covet_op_connect(u.adapter));
  unit_assert_ok(&slot);
  assert_int_not_equal(covet_runtime_timeout_ms(u.runtime), 0);
  unit_deinit(&u);
}

/* Workers have news although no operation is under way (a checkpoint has ended): one
 * step is enough to take them, and the descriptor is silent again. */
static void test_news_of_workers_are_taken(void **state)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;
  struct pollfd set = {.events = POLLIN};
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, "");
  make_known(&u);
  slot = run(&u, unit_op(&u, "INSERT INTO t VALUES (zeroblob(8000000))", 0));
  unit_assert_ok(&slot);
  slot = run(&u, insert(&u)); /* opens what does the checkpoint */
  unit_assert_ok(&slot);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  set.fd = covet_runtime_fd(u.runtime);
  do {
    assert_true(covet_now_us() < end);
    turn(&u);
  } while (poll(&set, 1, 200) > 0);
  for (int i = 0; i < 3; i++) {
    slot = run(&u, insert(&u));
    unit_assert_ok(&slot);
    while (poll(&set, 1, 200) > 0) {
      assert_true(covet_now_us() < end);
      turn(&u);
    }
  }
  unit_deinit(&u);
}

/* The host was busy for a while: that counts. */
static void test_a_deadline_counts_from_its_start(void **state)
{
  unit_slot slot = {0};
  uint64_t start = covet_now_us();
  int first;
  unit u;

  (void) state;
  init(&u, "");
  unit_start(&slot, covet_op_sleep(u.runtime, 200000));
  first = covet_runtime_timeout_ms(u.runtime);
  assert_in_range(first, 0, 201);
  while (covet_now_us() - start < 50000) {
  }
  assert_true(covet_runtime_timeout_ms(u.runtime) <= 151);
  turn_until(&u, &slot);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

/* --- All of it ----------------------------------------------------------------------------- */

static void run_everything(const char *options)
{
  covet_lease lease;
  unit_slot slot;
  covet_op *op;
  unit u;

  init(&u, options);
  make_known(&u);
  op = unit_op(&u, unit_endless, COVET_QUERY_ROWS);
  covet_op_set_timeout(op, 20);
  slot = run(&u, op);
  unit_assert_kind(&slot, COVET_ERROR_TIMEOUT);
  op = unit_op(&u,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
               "FROM n WHERE i < 20000) SELECT i FROM n",
               COVET_QUERY_ROWS | COVET_QUERY_STREAM);
  covet_op_set_chunk(op, 100);
  slot = run(&u, op);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 20000);
  slot = run(&u, covet_op_acquire(u.adapter, 0));
  unit_assert_ok(&slot);
  lease = slot.result.lease;
  op = covet_op_acquire(u.adapter, 0);
  covet_op_set_timeout(op, 10);
  slot = run(&u, op);
  unit_assert_kind(&slot, COVET_ERROR_POOL_TIMEOUT);
  slot = run(&u, covet_op_release(u.adapter, lease));
  unit_assert_ok(&slot);
  for (int i = 0; i < 200; i++) {
    run_well(&u, i % 3 ? "SELECT sum(x) FROM t" : "UPDATE t SET x = x + 1");
  }
  slot = run(&u, covet_op_disconnect(u.adapter));
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

static void test_everything(void **state)
{
  (void) state;
  run_everything("");
  run_everything("group_commit=true&synchronous=full");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_gathering_group),
      cmocka_unit_test(test_a_shared_read_transaction),
      cmocka_unit_test(test_nothing_to_do_is_no_reason_to_turn),
      cmocka_unit_test(test_news_of_workers_are_taken),
      cmocka_unit_test(test_a_deadline_counts_from_its_start),
      cmocka_unit_test(test_everything),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
