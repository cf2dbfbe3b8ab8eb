/* Cancelling, and deadlines, in every phase of an operation's life. Each test
 * runs with both: `stop` is how the operation comes to its end. */
#include "support/support.h"

#include <sqlite3.h>
#include <string.h>

typedef struct way {
  int cancel; /* else its time runs out */
  covet_error_kind kind;
  covet_error_kind kind_in_queue;
} way;

static const way by_cancel = {1, COVET_ERROR_CANCELLED, COVET_ERROR_CANCELLED};
static const way by_time = {0, COVET_ERROR_TIMEOUT, COVET_ERROR_POOL_TIMEOUT};

static void init(unit *u, const char *options)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, options);
  unit_script(u, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
}

/* Start, let it come to where it has to be stopped, and stop it. */
static unit_slot stop(unit *u, covet_op *op, const way *w)
{
  unit_slot slot = {0};
  unit_slot pause;

  if (!w->cancel) {
    covet_op_set_timeout(op, 20);
  }
  unit_start(&slot, op);
  pause = unit_run(u, covet_op_sleep(u->runtime, 10000));
  unit_assert_ok(&pause);
  if (w->cancel && !slot.done) {
    covet_cancel(slot.op);
  }
  unit_wait(u, &slot);
  return slot;
}

/* Everything is as before: nothing lent, reading and writing work. */
static void check_unharmed(unit *u)
{
  covet_adapter_stats stats;
  unit_slot slot;

  slot = unit_query(u, "UPDATE t SET x = x + 1", 0);
  unit_assert_ok(&slot);
  assert_int_equal(unit_integer(u, "SELECT x FROM t"), 2);
  covet_adapter_get_stats(u->adapter, &stats);
  assert_int_equal(stats.used, 0);
  assert_int_equal(stats.waiting, 0);
}

static void test_in_the_queue(void **state)
{
  const way *w = *state;
  unit_slot slot;
  covet_lease lease;
  unit u;

  init(&u, "");
  lease = unit_acquire(&u, 0);
  slot = stop(&u, unit_op(&u, "DELETE FROM t", 0), w);
  unit_assert_kind(&slot, w->kind_in_queue);
  assert_int_equal(slot.error.phase, COVET_PHASE_QUEUE);
  slot = stop(&u, covet_op_acquire(u.adapter, 0), w);
  unit_assert_kind(&slot, w->kind_in_queue);
  assert_int_equal(slot.result.lease, 0);
  unit_release(&u, lease);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* Behind another statement on the same lease. */
static void test_in_the_queue_of_a_lease(void **state)
{
  const way *w = *state;
  unit_slot running = {0};
  unit_slot slot;
  covet_lease lease;
  covet_op *op;
  unit u;

  init(&u, "");
  lease = unit_acquire(&u, 0);
  op = unit_op(&u, unit_endless, COVET_QUERY_ROWS);
  covet_op_set_lease(op, lease);
  unit_start(&running, op);
  op = unit_op(&u, "DELETE FROM t", 0);
  covet_op_set_lease(op, lease);
  slot = stop(&u, op, w);
  unit_assert_kind(&slot, w->kind_in_queue);
  assert_false(running.done);
  covet_cancel(running.op);
  unit_wait(&u, &running);
  unit_release(&u, lease);
  check_unharmed(&u);
  unit_deinit(&u);
}

static void test_running_read(void **state)
{
  const way *w = *state;
  unit_slot slot;
  unit u;

  init(&u, "");
  for (int i = 0; i < 3; i++) { /* also when its text is known */
    slot = stop(&u, unit_op(&u, unit_endless, COVET_QUERY_ROWS), w);
    unit_assert_kind(&slot, w->kind);
    assert_int_equal(slot.error.phase, COVET_PHASE_QUERY);
  }
  check_unharmed(&u);
  unit_deinit(&u);
}

/* A single step of SQLite's machine, in which it does not look at its progress:
 * nothing but its interrupt ends that. */
static void test_running_long_step(void **state)
{
  const way *w = *state;
  unit_slot slot;
  unit u;

  init(&u, "");
  unit_script(&u, "CREATE TABLE long AS WITH RECURSIVE n(i) AS (SELECT 1 UNION "
                  "ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT i, "
                  "i * 7 % 1000003 AS j FROM n; "
                  "CREATE INDEX long_j ON long (j)");
  slot = stop(&u, unit_op(&u, "PRAGMA integrity_check", COVET_QUERY_ROWS), w);
  unit_assert_kind(&slot, w->kind);
  check_unharmed(&u);
  unit_deinit(&u);
}

static const char *const endless_write =
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
    "FROM n WHERE i < 2000000000) SELECT i FROM n";

static void test_running_write(void **state)
{
  const way *w = *state;
  unit_slot slot;
  unit u;

  init(&u, "");
  slot = stop(&u, unit_op(&u, endless_write, 0), w);
  unit_assert_kind(&slot, w->kind);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* A script of many small statements ends between two of them as well. */
static void test_running_script(void **state)
{
  enum { STATEMENTS = 40000 };
  static char sql[STATEMENTS * 26 + 200];
  const way *w = *state;
  char *end = sql;
  unit_slot slot;
  unit u;

  init(&u, "");
  for (int i = 0; i < STATEMENTS; i++) {
    memcpy(end, "INSERT INTO t VALUES (1);\n", 26);
    end += 26;
  }
  (void) strcpy(end, unit_endless);
  slot = stop(&u, unit_op(&u, sql, COVET_QUERY_SCRIPT), w);
  unit_assert_kind(&slot, w->kind);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* In a transaction: SQLite rolls it back, the next call inside is told. */
static void test_running_write_in_a_transaction(void **state)
{
  const way *w = *state;
  unit_slot slot;
  covet_lease lease;
  covet_op *op;
  unit u;

  init(&u, "");
  lease = unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "BEGIN IMMEDIATE", COVET_QUERY_TRANSACTION);
  unit_assert_ok(&slot);
  op = unit_op(&u, endless_write, COVET_QUERY_INSIDE);
  covet_op_set_lease(op, lease);
  slot = stop(&u, op, w);
  unit_assert_kind(&slot, w->kind);
  slot = unit_leased(&u, lease, "DELETE FROM t", COVET_QUERY_INSIDE);
  unit_assert_kind(&slot, COVET_ERROR_TRANSACTION_ABORTED);
  unit_release(&u, lease);
  check_unharmed(&u);
  unit_deinit(&u);
}

static void test_running_list(void **state)
{
  const way *w = *state;
  unit_slot slot;
  covet_op *op;
  unit u;

  init(&u, "");
  op = unit_op(&u,
               "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT ? UNION ALL "
               "SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n",
               COVET_QUERY_MANY);
  covet_op_set_width(op, 1);
  for (int i = 0; i < 20000; i++) {
    assert_int_equal(covet_op_add_integer(op, i), 0);
  }
  slot = stop(&u, op, w);
  unit_assert_kind(&slot, w->kind);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* --- Another's lock ---------------------------------------------------------------- */

/* A second connection, not covet's, with the write lock. */
static sqlite3 *lock(unit *u, const char *begin)
{
  sqlite3 *db = NULL;

  assert_int_equal(sqlite3_open(u->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, begin, NULL, NULL, NULL), SQLITE_OK);
  return db;
}

static void unlock(sqlite3 *db)
{
  assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_waiting_for_a_lock(void **state)
{
  const way *w = *state;
  unit_slot slot;
  sqlite3 *other;
  unit u;

  init(&u, "busy_timeout=1000");
  other = lock(&u, "BEGIN IMMEDIATE");
  slot = stop(&u, unit_op(&u, "DELETE FROM t", 0), w);
  unit_assert_kind(&slot, w->kind);
  slot =
      stop(&u, unit_op(&u, "DELETE FROM t; SELECT 1", COVET_QUERY_SCRIPT), w);
  unit_assert_kind(&slot, w->kind);
  unlock(other);
  check_unharmed(&u);
  unit_deinit(&u);
}

static void test_waiting_for_a_lock_to_begin(void **state)
{
  const way *w = *state;
  covet_lease lease;
  unit_slot slot;
  sqlite3 *other;
  covet_op *op;
  unit u;

  init(&u, "busy_timeout=1000");
  other = lock(&u, "BEGIN IMMEDIATE");
  lease = unit_acquire(&u, 0);
  op = unit_op(&u, "BEGIN IMMEDIATE", COVET_QUERY_TRANSACTION);
  covet_op_set_lease(op, lease);
  slot = stop(&u, op, w);
  unit_assert_kind(&slot, w->kind);
  unit_release(&u, lease);
  unlock(other);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* Opening waits as well: for a file that another has locked exclusively. */
static void test_waiting_to_connect(void **state)
{
  const way *w = *state;
  unit_slot slot;
  sqlite3 *other;
  unit u;

  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "busy_timeout=2");
  other = lock(&u, "CREATE TABLE t (x); INSERT INTO t VALUES (1); "
                   "BEGIN EXCLUSIVE");
  slot = stop(&u, covet_op_connect(u.adapter), w);
  unit_assert_kind(&slot, w->kind);
  assert_int_equal(slot.error.phase, COVET_PHASE_CONNECT);
  unlock(other);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* Two of a group give up while the group waits: the others go on. */
static void test_two_of_a_group(void **state)
{
  const way *w = *state;
  unit_slot slots[10];
  unit_slot pause;
  sqlite3 *other;
  unit u;

  init(&u, "group_commit=true&busy_timeout=1000");
  for (int i = 0; i < 4; i++) { /* a known text: groups are of these */
    pause = unit_query(&u, "INSERT INTO t VALUES (0)", 0);
    unit_assert_ok(&pause);
  }
  other = lock(&u, "BEGIN IMMEDIATE");
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < 10; i++) {
    covet_op *op = unit_op(&u, "INSERT INTO t VALUES (0)", 0);

    if (i % 5 == 0 && !w->cancel) {
      covet_op_set_timeout(op, 20);
    }
    unit_start(&slots[i], op);
  }
  pause = unit_run(&u, covet_op_sleep(u.runtime, 30000));
  if (w->cancel) {
    covet_cancel(slots[0].op);
    covet_cancel(slots[5].op);
    pause = unit_run(&u, covet_op_sleep(u.runtime, 10000));
  }
  unlock(other);
  for (int i = 0; i < 10; i++) {
    unit_wait(&u, &slots[i]);
    unit_assert_kind(&slots[i], i % 5 ? COVET_ERROR_NONE : w->kind);
  }
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1 + 4 + 8);
  unit_deinit(&u);
}

/* busy_timeout is not the operation's deadline: it has a kind of its own. */
static void test_the_lock_is_not_given(void **state)
{
  unit_slot slot;
  sqlite3 *other;
  unit u;

  (void) state;
  init(&u, "busy_timeout=0.02");
  other = lock(&u, "BEGIN IMMEDIATE");
  slot = unit_query(&u, "DELETE FROM t", 0);
  unit_assert_kind(&slot, COVET_ERROR_LOCK_TIMEOUT);
  assert_int_equal(slot.error.retry, COVET_RETRY_SAFE);
  assert_int_equal(slot.error.code & 0xFF, SQLITE_BUSY);
  assert_string_not_equal(slot.error.detail, "");
  unlock(other);
  check_unharmed(&u);
  unit_deinit(&u);
}

/* A lock that comes free in time is no error. */
static void test_the_lock_comes_free(void **state)
{
  unit_slot slot = {0};
  unit_slot pause;
  sqlite3 *other;
  unit u;

  (void) state;
  init(&u, "busy_timeout=1000");
  other = lock(&u, "BEGIN IMMEDIATE");
  unit_start(&slot, unit_op(&u, "INSERT INTO t VALUES (5)", 0));
  pause = unit_run(&u, covet_op_sleep(u.runtime, 20000));
  unit_assert_ok(&pause);
  assert_false(slot.done);
  unlock(other);
  unit_wait(&u, &slot);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

#define in_both_ways(test)                                                     \
  {#test " (cancel)", test, NULL, NULL, (void *) &by_cancel},                  \
  {                                                                            \
#test " (deadline)", test, NULL, NULL, (void *) &by_time                   \
  }

int main(void)
{
  const struct CMUnitTest tests[] = {
      in_both_ways(test_in_the_queue),
      in_both_ways(test_in_the_queue_of_a_lease),
      in_both_ways(test_running_read),
      in_both_ways(test_running_long_step),
      in_both_ways(test_running_write),
      in_both_ways(test_running_script),
      in_both_ways(test_running_write_in_a_transaction),
      in_both_ways(test_running_list),
      in_both_ways(test_waiting_for_a_lock),
      in_both_ways(test_waiting_for_a_lock_to_begin),
      in_both_ways(test_waiting_to_connect),
      in_both_ways(test_two_of_a_group),
      cmocka_unit_test(test_the_lock_is_not_given),
      cmocka_unit_test(test_the_lock_comes_free),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
