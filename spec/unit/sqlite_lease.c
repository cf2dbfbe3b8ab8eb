/* Leases and transactions. */
#include "support/support.h"

#include <string.h>

enum { WAITERS = 20 };

static void init(unit *u)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, "");
  unit_script(u, "CREATE TABLE t (x)");
}

static covet_op *release(unit *u, covet_lease lease)
{
  return covet_op_release(u->adapter, lease);
}

static void test_release_twice(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  unit_release(&u, lease);
  for (int i = 0; i < 2; i++) {
    slot = unit_run(&u, release(&u, lease));
    unit_assert_kind(&slot, COVET_ERROR_USAGE);
  }
  unit_deinit(&u);
}

static void test_use_after_release(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  unit_release(&u, lease);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  /* nor when another has the connection */
  (void) unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void test_leases_that_never_were(void **state)
{
  static const covet_lease wrong[] = {1,       2,       0xFFFF,
                                      0x10000, 0x10005, UINT64_MAX};
  unit u;

  (void) state;
  init(&u);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    unit_slot slot = unit_leased(&u, wrong[i], "SELECT 1", 0);

    unit_assert_kind(&slot, COVET_ERROR_USAGE);
    slot = unit_run(&u, release(&u, wrong[i]));
    unit_assert_kind(&slot, COVET_ERROR_USAGE);
  }
  unit_release(&u, unit_acquire(&u, 0));
  unit_deinit(&u);
}

/* --- Without an operation ------------------------------------------------------------- */

static void test_a_free_connection_at_once(void **state)
{
  covet_lease lease;
  covet_adapter_stats stats;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  unit_release(&u, unit_acquire(&u, 0));
  lease = covet_try_acquire(u.adapter, 0, 7);
  assert_int_not_equal(lease, 0);
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.used, 1);
  assert_int_equal(covet_try_acquire(u.adapter, 0, 7), 0); /* the only writer */
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_NONE);
  assert_int_equal(covet_try_release(u.adapter, lease), 1);
  assert_int_equal(covet_try_release(u.adapter, lease), 0);
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.used, 0);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (2)", 0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_not_at_once_with_a_transaction_open(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  unit_release(&u, unit_acquire(&u, 0));
  lease = covet_try_acquire(u.adapter, 0, 0);
  slot = unit_leased(&u, lease, "BEGIN", 0);
  unit_assert_kind(&slot, COVET_ERROR_NONE);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_NONE);
  assert_int_equal(covet_try_release(u.adapter, lease), 0);
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

/* Somebody waits: who asks at once is not served before him, and what comes back is
 * his. */
static void test_not_at_once_before_others(void **state)
{
  covet_lease lease;
  unit_slot waiter = {0};
  unit u;

  (void) state;
  init(&u);
  unit_release(&u, unit_acquire(&u, 0));
  lease = covet_try_acquire(u.adapter, 0, 1);
  unit_start(&waiter, covet_op_acquire(u.adapter, 0));
  assert_int_equal(covet_try_release(u.adapter, lease), 1);
  assert_int_equal(covet_try_acquire(u.adapter, 0, 1), 0);
  unit_wait(&u, &waiter);
  unit_assert_kind(&waiter, COVET_ERROR_NONE);
  assert_int_not_equal(waiter.result.lease, 0);
  assert_int_not_equal(waiter.result.lease, lease);
  unit_release(&u, waiter.result.lease);
  unit_deinit(&u);
}

static void test_never_at_once_on_an_own_thread(void **state)
{
  covet_lease lease;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  lease = unit_acquire(&u, 0);
  assert_int_equal(covet_try_release(u.adapter, lease), 0);
  unit_release(&u, lease);
  assert_int_equal(covet_try_acquire(u.adapter, 0, 0), 0);
  unit_deinit(&u);
}

/* --- Ends of leases -------------------------------------------------------------------- */

/* A lease of a connection that was closed is not that of the one after it. */
static void test_a_lease_does_not_outlive_a_disconnect(void **state)
{
  covet_lease before;
  covet_lease after;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  before = unit_acquire(&u, 0);
  unit_release(&u, before);
  unit_disconnect(&u);
  unit_connect(&u);
  after = unit_acquire(&u, 0);
  assert_true(before != after);
  slot = unit_leased(&u, before, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  unit_release(&u, after);
  unit_deinit(&u);
}

/* What was asked before the release is done, what comes after it is refused. */
static void test_release_behind_queries(void **state)
{
  unit_slot before = {0};
  unit_slot given = {0};
  unit_slot after = {0};
  covet_lease lease;
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  op = unit_op(&u, "INSERT INTO t VALUES (1)", 0);
  covet_op_set_lease(op, lease);
  unit_start(&before, op);
  unit_start(&given, release(&u, lease));
  op = unit_op(&u, "INSERT INTO t VALUES (2)", 0);
  covet_op_set_lease(op, lease);
  unit_start(&after, op);
  unit_wait(&u, &before);
  unit_wait(&u, &given);
  unit_wait(&u, &after);
  unit_assert_ok(&before);
  unit_assert_ok(&given);
  unit_assert_kind(&after, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT sum(x) FROM t"), 1);
  unit_deinit(&u);
}

/* First come, first served: the writer has one connection. */
static void test_waiters_in_order(void **state)
{
  static unit_slot slots[WAITERS];
  covet_adapter_stats stats;
  covet_lease lease;
  unit u;

  (void) state;
  init(&u);
  memset(slots, 0, sizeof(slots));
  lease = unit_acquire(&u, 0);
  for (int i = 0; i < WAITERS; i++) {
    unit_start(&slots[i], covet_op_acquire(u.adapter, 0));
    assert_false(slots[i].done);
  }
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.waiting, WAITERS);
  assert_int_equal(stats.used, 1);
  for (int i = 0; i < WAITERS; i++) {
    unit_release(&u, lease);
    unit_wait(&u, &slots[i]);
    unit_assert_ok(&slots[i]);
    for (int j = i + 1; j < WAITERS; j++) {
      assert_false(slots[j].done);
    }
    lease = slots[i].result.lease;
  }
  unit_release(&u, lease);
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.waiting, 0);
  assert_int_equal(stats.used, 0);
  unit_deinit(&u);
}

/* Where a call stands: in a queue, at work, over. */
static void places(covet_mode mode)
{
  unit_slot waiting = {0};
  unit_slot working = {0};
  covet_place place;
  covet_lease lease;
  covet_op *op;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  lease = unit_acquire(&u, 0);
  unit_start(&waiting, covet_op_acquire(u.adapter, 0));
  assert_int_equal(covet_op_place(waiting.op, &place), 0);
  assert_int_equal(place.lane, 0);
  assert_int_equal(place.size, 1);
  assert_true(place.queued);
  assert_int_equal(unit_integer(&u, "SELECT 1"), 1); /* opens a reader */
  unit_start(&working, unit_op(&u, unit_endless, COVET_QUERY_ROWS));
  assert_int_equal(covet_op_place(working.op, &place), 0);
  assert_int_equal(place.lane, 1);
  assert_int_equal(place.size, 4);
  assert_false(place.queued);
  covet_cancel(working.op);
  unit_wait(&u, &working);
  op = unit_op(&u, unit_endless, 0);
  covet_op_set_lease(op, lease);
  unit_start(&working, op);
  assert_int_equal(covet_op_place(op, &place), COVET_EUNSUPPORTED);
  covet_cancel(op);
  unit_wait(&u, &working);
  unit_release(&u, lease);
  unit_wait(&u, &waiting);
  unit_release(&u, waiting.result.lease);
  op = unit_op(&u, "SELECT 1", COVET_QUERY_ROWS);
  assert_int_equal(covet_op_place(op, &place), COVET_EUNSUPPORTED);
  covet_op_free(op);
  unit_deinit(&u);
}

static void test_places_on_the_callers_loop(void **state)
{
  (void) state;
  places(COVET_CALLER_LOOP);
}

static void test_places_on_an_own_thread(void **state)
{
  (void) state;
  places(COVET_OWN_THREAD);
}

/* A stream that a worker is at tells the lane of its connection, and its end;
 * one that waits on its reader does so too. */
static void test_places_of_a_stream(void **state)
{
  unit_slot slot = {0};
  covet_place place;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  unit_start(&slot,
             unit_op(&u, unit_endless, COVET_QUERY_ROWS | COVET_QUERY_STREAM));
  for (int i = 0; i < 200; i++) {
    if (covet_op_place(slot.op, &place) == 0) {
      assert_int_equal(place.lane, 1);
    }
  }
  covet_cancel(slot.op);
  unit_wait(&u, &slot);
  assert_true(slot.error.kind == COVET_ERROR_CANCELLED);
  unit_deinit(&u);
}

/* Nobody has the lease of an acquire that was given up: it must come back. */
static void give_up_acquires(covet_mode mode)
{
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  for (int i = 0; i < 50; i++) {
    covet_op *op = covet_op_acquire(u.adapter, 0);
    unit_slot slot;

    covet_op_set_data(op, &slot);
    if (covet_submit(op) == 1) { /* told at once: it is the caller's */
      unit_release(&u, covet_op_result(op)->lease);
    } else if (i % 2) {
      covet_cancel(op);
    }
    covet_op_free(op);
    slot = (unit_slot){0};
    op = unit_op(&u, "INSERT INTO t VALUES (1)", 0);
    covet_op_set_timeout(op, UNIT_LIMIT_MS / 10);
    unit_start(&slot, op);
    unit_wait(&u, &slot);
    unit_assert_ok(&slot);
  }
  unit_deinit(&u);
}

static void test_acquire_given_up_on_the_callers_loop(void **state)
{
  (void) state;
  give_up_acquires(COVET_CALLER_LOOP);
}

static void test_acquire_given_up_on_an_own_thread(void **state)
{
  (void) state;
  give_up_acquires(COVET_OWN_THREAD);
}

/* --- Transactions ---------------------------------------------------------------- */

static void control(unit *u, covet_lease lease, const char *sql)
{
  unit_slot slot = unit_leased(u, lease, sql, COVET_QUERY_TRANSACTION);

  unit_assert_ok(&slot);
}

static void test_commit_and_rollback(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  control(&u, lease, "BEGIN IMMEDIATE");
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", COVET_QUERY_INSIDE);
  unit_assert_ok(&slot);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  control(&u, lease, "COMMIT");
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  control(&u, lease, "BEGIN IMMEDIATE");
  slot = unit_leased(&u, lease, "DELETE FROM t", 0);
  unit_assert_ok(&slot);
  control(&u, lease, "ROLLBACK");
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_savepoints(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  control(&u, lease, "BEGIN IMMEDIATE");
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  control(&u, lease, "SAVEPOINT a");
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (2)", 0);
  unit_assert_ok(&slot);
  control(&u, lease, "ROLLBACK TO a");
  control(&u, lease, "RELEASE a");
  control(&u, lease, "COMMIT");
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT sum(x) FROM t"), 1);
  unit_deinit(&u);
}

/* What the borrower left open is rolled back before the next one. */
static void test_left_open(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  control(&u, lease, "BEGIN IMMEDIATE");
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_ok(&slot);
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  slot = unit_query(&u, "INSERT INTO t VALUES (2)", 0);
  unit_assert_ok(&slot);
  assert_int_equal(unit_integer(&u, "SELECT sum(x) FROM t"), 2);
  unit_deinit(&u);
}

/* Session state is not for the next borrower either. */
static void test_session_is_reset(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "CREATE TEMP TABLE mine (x)", 0);
  unit_assert_ok(&slot);
  slot = unit_leased(&u, lease, "PRAGMA foreign_keys = 0", 0);
  unit_assert_ok(&slot);
  slot = unit_leased(&u, lease, "ATTACH ':memory:' AS other", 0);
  unit_assert_ok(&slot);
  unit_release(&u, lease);
  lease = unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "SELECT * FROM mine", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_UNDEFINED_TABLE);
  slot = unit_leased(&u, lease, "PRAGMA foreign_keys", COVET_QUERY_ROWS);
  assert_int_equal(slot.integer, 1);
  slot = unit_leased(&u, lease, "SELECT 1 FROM other.sqlite_schema", 0);
  unit_assert_kind(&slot, COVET_ERROR_UNDEFINED_TABLE);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* One borrower runs `sql`, and the next one finds what a fresh connection has:
 * `asked` answers `fresh`. */
static void check_reset(unit *u, const char *sql, unsigned flags,
                        const char *asked, int64_t fresh)
{
  covet_lease lease = unit_acquire(u, 0);
  unit_slot slot = unit_leased(u, lease, sql, flags);

  unit_release(u, lease);
  lease = unit_acquire(u, 0);
  slot = unit_leased(u, lease, asked, COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  if (slot.integer != fresh) {
    fail_msg("%s left %s", sql, asked);
  }
  unit_release(u, lease);
}

/* However it is written, and even where SQLite does it before it is run. */
static void test_every_change_of_the_session_is_seen(void **state)
{
  static const char keys[] = "PRAGMA foreign_keys";
  static const char temps[] = "SELECT count(*) FROM temp.sqlite_schema";
  static const char files[] = "SELECT count(*) FROM pragma_database_list";
  unit u;

  (void) state;
  init(&u);
  check_reset(&u, "PRAGMA foreign_keys(0)", 0, keys, 1);
  check_reset(&u, "/* a */ PRAGMA /* b */ main.foreign_keys /* c */ (off)", 0,
              keys, 1);
  check_reset(&u, "PRAGMA foreign_keys(0)", COVET_QUERY_DESCRIBE, keys, 1);
  check_reset(&u, "PRAGMA foreign_keys(0); SELECT 1", 0, keys, 1);
  check_reset(&u, "PRAGMA foreign_keys(0)", COVET_QUERY_SCRIPT, keys, 1);
  check_reset(&u, "SELECT 1; -- a\nPRAGMA foreign_keys(0)", COVET_QUERY_SCRIPT,
              keys, 1);
  check_reset(&u, "CREATE TABLE temp.mine (x)", 0, temps, 0);
  check_reset(&u, "CREATE VIEW temp.mine AS SELECT 1", 0, temps, 0);
  check_reset(&u, "-- a\nATTACH ':memory:' AS other", 0, files, 1);
  unit_deinit(&u);
}

/* A statement that SQLite kept prepared alters the session as a new one does. */
static void test_a_known_statement_alters_the_session_again(void **state)
{
  static const char keys[] = "PRAGMA foreign_keys";
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u, "PRAGMA foreign_keys(1)", 0);
  unit_assert_ok(&slot);
  check_reset(&u, "PRAGMA foreign_keys(1)", 0, keys, 1);
  check_reset(&u, "PRAGMA foreign_keys(0)", 0, keys, 1);
  check_reset(&u, "PRAGMA foreign_keys(0)", 0, keys, 1);
  unit_deinit(&u);
}

/* An error that ends the transaction is told to what comes inside it. */
static void test_inside_after_it_is_gone(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  unit_script(&u, "CREATE TABLE k (x PRIMARY KEY ON CONFLICT ROLLBACK); "
                  "INSERT INTO k VALUES (1)");
  lease = unit_acquire(&u, 0);
  control(&u, lease, "BEGIN IMMEDIATE");
  slot = unit_leased(&u, lease, "INSERT INTO k VALUES (1)", COVET_QUERY_INSIDE);
  unit_assert_kind(&slot, COVET_ERROR_UNIQUE_VIOLATION);
  slot = unit_leased(&u, lease, "INSERT INTO k VALUES (2)", COVET_QUERY_INSIDE);
  unit_assert_kind(&slot, COVET_ERROR_TRANSACTION_ABORTED);
  unit_release(&u, lease);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM k"), 1);
  unit_deinit(&u);
}

static void test_a_reader_does_not_write(void **state)
{
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 1);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (1)", 0);
  unit_assert_kind(&slot, COVET_ERROR_READ_ONLY);
  unit_release(&u, lease);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_release_twice),
      cmocka_unit_test(test_use_after_release),
      cmocka_unit_test(test_leases_that_never_were),
      cmocka_unit_test(test_a_free_connection_at_once),
      cmocka_unit_test(test_not_at_once_with_a_transaction_open),
      cmocka_unit_test(test_not_at_once_before_others),
      cmocka_unit_test(test_never_at_once_on_an_own_thread),
      cmocka_unit_test(test_a_lease_does_not_outlive_a_disconnect),
      cmocka_unit_test(test_release_behind_queries),
      cmocka_unit_test(test_waiters_in_order),
      cmocka_unit_test(test_places_on_the_callers_loop),
      cmocka_unit_test(test_places_on_an_own_thread),
      cmocka_unit_test(test_places_of_a_stream),
      cmocka_unit_test(test_acquire_given_up_on_the_callers_loop),
      cmocka_unit_test(test_acquire_given_up_on_an_own_thread),
      cmocka_unit_test(test_commit_and_rollback),
      cmocka_unit_test(test_savepoints),
      cmocka_unit_test(test_left_open),
      cmocka_unit_test(test_session_is_reset),
      cmocka_unit_test(test_every_change_of_the_session_is_seen),
      cmocka_unit_test(test_a_known_statement_alters_the_session_again),
      cmocka_unit_test(test_inside_after_it_is_gone),
      cmocka_unit_test(test_a_reader_does_not_write),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
