/* What a script may do: no more than its statements one by one. */
#include "support/support.h"

#include <string.h>

static const char *const places[] = {NULL, "sqlite::memory:"};

static void init(unit *u, const char *url)
{
  unit_init(u, COVET_CALLER_LOOP);
  if (url == NULL) {
    unit_open(u, "");
  } else {
    u->adapter = unit_adapter(u, url);
  }
  unit_script(u, "CREATE TABLE t (x)");
}

static void check_count(unit *u, int64_t count)
{
  assert_int_equal(unit_integer(u, "SELECT count(*) FROM t"), count);
}

/* --- Calls that are read_only -------------------------------------------------- */

static void check_read_only(unit *u, covet_lease lease, const char *sql,
                            covet_error_kind kind)
{
  unit_slot slot =
      unit_leased(u, lease, sql, COVET_QUERY_SCRIPT | COVET_QUERY_READ_ONLY);

  unit_assert_kind(&slot, kind);
  check_count(u, 0);
}

static void test_read_only(void **state)
{
  static const char *const writing[] = {
      "INSERT INTO t VALUES (1)",
      "SELECT 1; INSERT INTO t VALUES (1)",
      "SELECT 1; /* not; here */ INSERT INTO t VALUES (1); SELECT 2",
      "PRAGMA user_version = 7; SELECT 1",
      "VACUUM",
  };

  (void) state;
  for (size_t place = 0; place < 2; place++) {
    unit u;

    init(&u, places[place]);
    for (size_t i = 0; i < sizeof(writing) / sizeof(writing[0]); i++) {
      check_read_only(&u, 0, writing[i], COVET_ERROR_READ_ONLY);
    }
    check_read_only(&u, 0, "SELECT 1; SELECT count(*) FROM t",
                    COVET_ERROR_NONE);
    assert_int_equal(unit_integer(&u, "PRAGMA user_version"), 0);
    unit_deinit(&u);
  }
}

static void test_read_only_on_a_lease(void **state)
{
  covet_lease lease;
  unit u;

  (void) state;
  init(&u, NULL);
  lease = unit_acquire(&u, 0);
  check_read_only(&u, lease, "SELECT 1; INSERT INTO t VALUES (1)",
                  COVET_ERROR_READ_ONLY);
  check_read_only(&u, lease, "SELECT 1; SELECT 2", COVET_ERROR_NONE);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* --- Without a lease -------------------------------------------------------------- */

/* Nothing of such a script stays, and the connection is as it was. */
static void check_refused(unit *u, const char *sql)
{
  unit_slot slot = unit_query(u, sql, COVET_QUERY_SCRIPT);

  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  check_count(u, 0);
  assert_int_equal(unit_integer(u, "SELECT count(*) FROM pragma_database_list"),
                   1);
  slot = unit_query(u, "INSERT INTO t VALUES (1)", 0);
  unit_assert_ok(&slot);
  slot = unit_query(u, "DELETE FROM t", 0);
  unit_assert_ok(&slot);
}

/* Whatever control a script holds, the connection is everyone's after it: others
 * see what is written next. */
static void test_control_ends_with_the_script(void **state)
{
  static const char *const control[] = {
      "BEGIN; INSERT INTO t VALUES (1); COMMIT",
      "INSERT INTO t VALUES (1); BEGIN; SELECT 1",
      "BEGIN; INSERT INTO t VALUES (1)",
      "INSERT INTO t VALUES (1); COMMIT",
      "INSERT INTO t VALUES (1); END",
      "INSERT INTO t VALUES (1); ROLLBACK",
      "INSERT INTO t VALUES (1); SAVEPOINT a",
      "INSERT INTO t VALUES (1); RELEASE a",
      "INSERT INTO t VALUES (1); /* a */ -- b\n /**/ COMMIT",
      "INSERT INTO t VALUES (1);\xEF\xBB\xBF"
      "BEGIN",
      "COMMIT",
      "ROLLBACK",
  };
  unit u;

  (void) state;
  init(&u, NULL);
  for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++) {
    unit_slot slot = unit_query(&u, control[i], COVET_QUERY_SCRIPT);

    slot = unit_query(&u, "DELETE FROM t", 0);
    unit_assert_ok(&slot);
    check_count(&u, 0); /* as a reader sees it */
    slot = unit_query(&u, "INSERT INTO t VALUES (1)", 0);
    unit_assert_ok(&slot);
    check_count(&u, 1);
  }
  unit_deinit(&u);
}

static void test_attaching_needs_a_lease(void **state)
{
  static const char *const attaching[] = {
      "INSERT INTO t VALUES (1); ATTACH ':memory:' AS other",
      "INSERT INTO t VALUES (1); /* a */ ATTACH ':memory:' AS other",
      ";; ATTACH ':memory:' AS other",
      "\xEF\xBB\xBF"
      "ATTACH ':memory:' AS other",
      "INSERT INTO t VALUES (1); DETACH other",
  };
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, NULL);
  for (size_t i = 0; i < sizeof(attaching) / sizeof(attaching[0]); i++) {
    check_refused(&u, attaching[i]);
  }
  slot = unit_query(&u,
                    "\xEF\xBB\xBF"
                    "ATTACH ':memory:' AS other",
                    0);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  unit_deinit(&u);
}

/* The only connection of a database in memory is everyone's. */
static void test_attaching_in_memory(void **state)
{
  unit u;

  (void) state;
  init(&u, "sqlite::memory:");
  unit_script(&u, "ATTACH ':memory:' AS other; CREATE TABLE other.o (y)");
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM other.o"), 0);
  unit_script(&u, "DETACH other");
  unit_deinit(&u);
}

static void test_vacuum_needs_no_lease(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, NULL);
  unit_script(&u, "INSERT INTO t VALUES (1); VACUUM; SELECT 1");
  slot = unit_query(&u, " /* a */ VACUUM", 0);
  unit_assert_ok(&slot);
  check_count(&u, 1);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_read_only_on_a_lease),
      cmocka_unit_test(test_control_ends_with_the_script),
      cmocka_unit_test(test_attaching_needs_a_lease),
      cmocka_unit_test(test_attaching_in_memory),
      cmocka_unit_test(test_vacuum_needs_no_lease),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
