/* What runs on the loop's thread, and what never does: seen by counts, not by
 * the clock. */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

#include <sqlite3.h>
#include <string.h>

static void init(unit *u, const char *options)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, options);
  unit_script(u, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
}

static uint64_t inline_queries(unit *u)
{
  covet_adapter_stats stats;

  covet_adapter_get_stats(u->adapter, &stats);
  return stats.inline_queries;
}

static void test_short_reads_move_to_the_loop(void **state)
{
  const char *preloaded = getenv("LD_PRELOAD");
  uint64_t before;
  unit u;

  (void) state;
  if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL) {
    skip(); /* under valgrind no read is short */
  }
  init(&u, "");
  (void) unit_integer(&u, "SELECT x FROM t");
  before = inline_queries(&u);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), 1);
  }
  assert_true(inline_queries(&u) > before);
  unit_deinit(&u);
}

/* The first time its text is not known, later it is known to be slow: it may be
 * tried, but what is told comes from the worker. */
static void test_long_reads_do_not(void **state)
{
  const char *sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                    "FROM n WHERE i < 300000) SELECT count(*) FROM n";
  uint64_t before;
  unit u;

  (void) state;
  init(&u, "");
  before = inline_queries(&u);
  for (int i = 0; i < 5; i++) {
    unit_slot slot = {0};

    unit_start(&slot, unit_op(&u, sql, COVET_QUERY_ROWS));
    assert_false(slot.done);
    unit_wait(&u, &slot);
    assert_int_equal(slot.integer, 300000);
    assert_int_equal(slot.rows, 1); /* none twice */
  }
  assert_int_equal(inline_queries(&u), before);
  unit_deinit(&u);
}

/* Of a run that was cut short no row is seen; they all come from the next. */
static void test_rows_of_a_cut_run_are_dropped(void **state)
{
  covet_op *op;
  unit u;

  (void) state;
  init(&u, "");
  unit_script(&u, "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 "
                  "FROM n WHERE i < 50000) INSERT INTO t SELECT i FROM n");
  for (int limit = 1; limit <= 50000; limit *= 7) {
    unit_slot slot;

    op = unit_op(&u, "SELECT x FROM t WHERE x <= ?", COVET_QUERY_ROWS);
    assert_int_equal(covet_op_add_integer(op, limit), 0);
    slot = unit_run(&u, op);
    unit_assert_ok(&slot);
    assert_int_equal(slot.rows, limit);
    assert_int_equal(slot.sum, (int64_t) limit * (limit + 1) / 2);
  }
  unit_deinit(&u);
}

/* One step fetches a whole value, and nothing can interrupt it. */
static void large_values_do_not(const char *options, const char *select)
{
  uint64_t before;
  unit u;

  init(&u, options);
  unit_script(&u, "CREATE TABLE big (id INTEGER PRIMARY KEY, v); INSERT INTO "
                  "big VALUES (1, zeroblob(3000000)), (2, 'small')");
  for (int i = 0; i < 5; i++) {
    covet_op *op = unit_op(&u, select, COVET_QUERY_ROWS);
    unit_slot slot;

    assert_int_equal(covet_op_add_integer(op, 2), 0);
    slot = unit_run(&u, op);
    unit_assert_ok(&slot); /* the text is known and short */
  }
  before = inline_queries(&u);
  for (int i = 0; i < 3; i++) {
    covet_op *op = unit_op(&u, select, COVET_QUERY_ROWS);
    unit_slot slot;

    assert_int_equal(covet_op_add_integer(op, 1), 0);
    slot = unit_run(&u, op);
    unit_assert_ok(&slot);
    assert_int_equal(slot.rows, 1);
  }
  assert_int_equal(inline_queries(&u), before);
  unit_deinit(&u);
}

static void test_large_values_do_not(void **state)
{
  (void) state;
  large_values_do_not("", "SELECT v FROM big WHERE id = ?");
  large_values_do_not("", "SELECT hex(v) FROM big WHERE id = ?");
}

/* In full safety a write waits for the disk: never on the loop. */
static void test_safe_writes_do_not(void **state)
{
  uint64_t before;
  unit u;

  (void) state;
  init(&u, "synchronous=full");
  before = inline_queries(&u);
  for (int i = 0; i < 30; i++) {
    unit_slot slot = unit_query(&u, "INSERT INTO t VALUES (1)", 0);

    unit_assert_ok(&slot);
  }
  assert_int_equal(inline_queries(&u), before);
  unit_deinit(&u);
}

static void test_short_writes_do(void **state)
{
  uint64_t before;
  unit u;

  (void) state;
  init(&u, "");
  before = inline_queries(&u);
  for (int i = 0; i < 2000; i++) {
    unit_slot slot = unit_query(&u, "INSERT INTO t VALUES (1)", 0);

    unit_assert_ok(&slot);
  }
  assert_true(inline_queries(&u) > before);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 2001);
  unit_deinit(&u);
}

/* A known short write that meets a lock goes to the worker and waits there. */
static void test_a_locked_write_leaves_the_loop(void **state)
{
  unit_slot slot = {0};
  sqlite3 *other;
  unit u;

  (void) state;
  init(&u, "busy_timeout=1000");
  for (int i = 0; i < 50; i++) {
    slot = unit_query(&u, "INSERT INTO t VALUES (1)", 0);
    unit_assert_ok(&slot);
  }
  assert_int_equal(sqlite3_open(u.path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
  memset(&slot, 0, sizeof(slot));
  unit_start(&slot, unit_op(&u, "INSERT INTO t VALUES (1)", 0));
  assert_false(slot.done); /* we are here, so the loop did not wait */
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 51);
  assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
  unit_wait(&u, &slot);
  unit_assert_ok(&slot);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  unit_deinit(&u);
}

/* --- Shared read transactions ------------------------------------------------------- */

/* Whatever was told to us is seen by what we ask next. */
static void sees_own_writes(covet_mode mode, const char *options,
                            const char *url)
{
  unit u;

  unit_init(&u, mode);
  if (url == NULL) {
    unit_open(&u, options);
  } else {
    u.adapter = unit_adapter(&u, url);
  }
  unit_script(&u, "CREATE TABLE t (x); INSERT INTO t VALUES (0)");
  for (int i = 1; i <= 400; i++) {
    unit_slot slot;
    int reads = i % 7;

    for (int j = 0; j < reads; j++) {
      assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i - 1);
    }
    slot = unit_query(&u,
                      i % 2   ? "UPDATE t SET x = x + 1"
                      : i % 4 ? "UPDATE t SET x = x + 1 RETURNING x"
                              : "BEGIN; UPDATE t SET x = x + 1; COMMIT",
                      i % 4 ? COVET_QUERY_ROWS : 0);
    if (i % 4 == 0) { /* a script may not begin without a lease */
      unit_assert_kind(&slot, COVET_ERROR_USAGE);
      slot = unit_query(&u, "UPDATE t SET x = x + 1; SELECT 1",
                        COVET_QUERY_SCRIPT);
    }
    unit_assert_ok(&slot);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i);
  }
  unit_deinit(&u);
}

static void test_own_writes_are_seen(void **state)
{
  (void) state;
  sees_own_writes(COVET_CALLER_LOOP, "", NULL);
  sees_own_writes(COVET_CALLER_LOOP, "synchronous=full", NULL);
  sees_own_writes(COVET_CALLER_LOOP, "group_commit=true", NULL);
  sees_own_writes(COVET_CALLER_LOOP, "journal_mode=delete", NULL);
  sees_own_writes(COVET_CALLER_LOOP, "", "sqlite::memory:");
  sees_own_writes(COVET_OWN_THREAD, "", NULL);
}

/* Writes through a lease: its commit is what makes them seen. */
static void test_own_commits_are_seen(void **state)
{
  unit u;

  (void) state;
  init(&u, "");
  for (int i = 1; i <= 100; i++) {
    covet_lease lease = unit_acquire(&u, 0);
    unit_slot slot =
        unit_leased(&u, lease, "BEGIN IMMEDIATE", COVET_QUERY_TRANSACTION);

    unit_assert_ok(&slot);
    slot = unit_leased(&u, lease, "UPDATE t SET x = x + 1", 0);
    unit_assert_ok(&slot);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i);
    slot = unit_leased(&u, lease, "COMMIT", COVET_QUERY_TRANSACTION);
    unit_assert_ok(&slot);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i + 1);
    unit_release(&u, lease);
  }
  unit_deinit(&u);
}

/* Another's write is seen after the loop has turned, however often we read. */
static void test_writes_of_others_are_seen(void **state)
{
  sqlite3 *other;
  unit u;

  (void) state;
  init(&u, "");
  assert_int_equal(sqlite3_open(u.path, &other), SQLITE_OK);
  for (int i = 1; i <= 100; i++) {
    for (int j = 0; j < 20; j++) {
      assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i);
    }
    assert_int_equal(
        sqlite3_exec(other, "UPDATE t SET x = x + 1", NULL, NULL, NULL),
        SQLITE_OK);
    unit_step(&u, 0);
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), i + 1);
  }
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  unit_deinit(&u);
}

/* Reading without pause must not starve the loop: news come nevertheless. */
static void test_endless_reading_lets_the_loop_run(void **state)
{
  unit_slot sleep = {0};
  unsigned long reads = 0;
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;
  unit u;

  (void) state;
  init(&u, "");
  unit_start(&sleep, covet_op_sleep(u.runtime, 1000));
  while (!sleep.done) {
    assert_int_equal(unit_integer(&u, "SELECT x FROM t"), 1);
    assert_true(covet_now_us() < end);
    reads++;
  }
  assert_true(reads > 0);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_short_reads_move_to_the_loop),
      cmocka_unit_test(test_long_reads_do_not),
      cmocka_unit_test(test_rows_of_a_cut_run_are_dropped),
      cmocka_unit_test(test_large_values_do_not),
      cmocka_unit_test(test_safe_writes_do_not),
      cmocka_unit_test(test_short_writes_do),
      cmocka_unit_test(test_a_locked_write_leaves_the_loop),
      cmocka_unit_test(test_own_writes_are_seen),
      cmocka_unit_test(test_own_commits_are_seen),
      cmocka_unit_test(test_writes_of_others_are_seen),
      cmocka_unit_test(test_endless_reading_lets_the_loop_run),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
