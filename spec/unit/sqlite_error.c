/* What SQLite complains about, in covet's vocabulary. */
#include "support/support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const schema =
    "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
    "age INT CONSTRAINT adult CHECK (age >= 18)); "
    "CREATE TABLE c (p INT REFERENCES p (id), a, b, UNIQUE (a, b)); "
    "CREATE TABLE l (w); CREATE UNIQUE INDEX lower_w ON l (lower(w)); "
    "INSERT INTO l VALUES ('ann'); "
    "CREATE TABLE s (n INT) STRICT; "
    "INSERT INTO p VALUES (1, 'ann', 30); INSERT INTO c VALUES (1, 2, 3)";

typedef struct fault {
  const char *sql;
  covet_error_kind kind;
  const char *table;
  const char *column;
  const char *constraint;
  int64_t position;
} fault;

static const fault faults[] = {
    {"INSERT INTO p VALUES (1, 'bob', 20)", COVET_ERROR_UNIQUE_VIOLATION, "p",
     "id", "p.id", 0},
    {"INSERT INTO p VALUES (2, 'ann', 20)", COVET_ERROR_UNIQUE_VIOLATION, "p",
     "name", "p.name", 0},
    {"INSERT INTO l VALUES ('ANN')", COVET_ERROR_UNIQUE_VIOLATION, "", "",
     "lower_w", 0},
    {"INSERT INTO c VALUES (1, 2, 3)", COVET_ERROR_UNIQUE_VIOLATION, "c", "a",
     "c.a, c.b", 0},
    {"INSERT INTO p VALUES (2, NULL, 20)", COVET_ERROR_NOT_NULL_VIOLATION, "p",
     "name", "p.name", 0},
    {"INSERT INTO p VALUES (2, 'bob', 17)", COVET_ERROR_CHECK_VIOLATION, "", "",
     "adult", 0},
    {"INSERT INTO c VALUES (9, 1, 1)", COVET_ERROR_FOREIGN_KEY_VIOLATION, "",
     "", "", 0},
    {"DELETE FROM p", COVET_ERROR_FOREIGN_KEY_VIOLATION, "", "", "", 0},
    {"INSERT INTO s VALUES ('x')", COVET_ERROR_DATATYPE_MISMATCH, "s", "n", "",
     0},
    {"INSERT INTO p (id, name) VALUES ('x', 'y')",
     COVET_ERROR_DATATYPE_MISMATCH, "", "", "", 0},
    {"SELECT 1 FRM p", COVET_ERROR_SYNTAX_ERROR, "", "", "", 14},
    {"SELECT * FROM \n", COVET_ERROR_SYNTAX_ERROR, "", "", "", 14},
    {"SELECT (SELECT 1, 2)", COVET_ERROR_SYNTAX_ERROR, "", "", "", 0},
    {"SELECT 1 UNION SELECT 1, 2", COVET_ERROR_SYNTAX_ERROR, "", "", "", 0},
    {"DELETE FROM sqlite_schema", COVET_ERROR_PERMISSION_DENIED, "", "", "", 0},
    {"SELECT load_extension('x')", COVET_ERROR_PERMISSION_DENIED, "", "", "",
     0},
    {"SELECT 'open", COVET_ERROR_SYNTAX_ERROR, "", "", "", 8},
    {"SELECT * FROM absent", COVET_ERROR_UNDEFINED_TABLE, "absent", "", "", 15},
    {"SELECT 'absent' FROM absent", COVET_ERROR_UNDEFINED_TABLE, "absent", "",
     "", 0},
    {"DROP INDEX absent", COVET_ERROR_UNDEFINED_TABLE, "", "", "", 12},
    {"SELECT a.absent FROM p a", COVET_ERROR_UNDEFINED_COLUMN, "", "absent", "",
     8},
    {"SELECT absent FROM p", COVET_ERROR_UNDEFINED_COLUMN, "", "absent", "", 8},
    {"SELECT \"absent\" FROM p", COVET_ERROR_UNDEFINED_COLUMN, "", "absent", "",
     8},
    {"INSERT INTO p (absent) VALUES (1)", COVET_ERROR_UNDEFINED_COLUMN, "p",
     "absent", "", 16},
    {"SELECT absent(1)", COVET_ERROR_UNDEFINED_FUNCTION, "", "", "", 8},
    {"SELECT lower()", COVET_ERROR_UNDEFINED_FUNCTION, "", "", "", 8},
    {"SELECT x FROM (SELECT 1 x) a, (SELECT 2 x) b",
     COVET_ERROR_AMBIGUOUS_COLUMN, "", "x", "", 8},
    {"SELECT abs(-9223372036854775808)", COVET_ERROR_NUMERIC_OUT_OF_RANGE, "",
     "", "", 0},
    {"SELECT json('{')", COVET_ERROR_INVALID_VALUE, "", "", "", 0},
    {"SELECT randomblob(2000000000)", COVET_ERROR_STRING_TOO_LONG, "", "", "",
     0},
};

static void check_fault(unit *u, const fault *wanted)
{
  unit_slot slot = unit_query(u, wanted->sql, COVET_QUERY_ROWS);
  const covet_error *error = &slot.error;

  if (error->kind != wanted->kind ||
      (wanted->position != 0 && error->position != wanted->position) ||
      strcmp(error->table, wanted->table) != 0 ||
      strcmp(error->column, wanted->column) != 0 ||
      strcmp(error->constraint, wanted->constraint) != 0) {
    fail_msg("%s:\n%s at %lld, table '%s', column '%s', constraint '%s': %s",
             wanted->sql, covet_error_kind_name(error->kind),
             (long long) error->position, error->table, error->column,
             error->constraint, error->message);
  }
  assert_int_equal(error->phase, COVET_PHASE_QUERY);
  assert_int_not_equal(error->code, 0);
  assert_true(strlen(error->message) > 0);
}

static void test_statements(void **state)
{
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u, schema);
  for (int round = 0; round < 6; round++) { /* on the worker, then inline */
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
      check_fault(&u, &faults[i]);
    }
  }
  unit_deinit(&u);
}

/* --- Files ----------------------------------------------------------------------- */

/* The error of connecting to this path. */
static covet_error connect_to(unit *u, const char *path, const char *options)
{
  char url[400];
  covet_adapter *adapter;
  unit_slot slot;

  (void) snprintf(url, sizeof(url), "sqlite:%s%s", path, options);
  adapter = unit_adapter(u, url);
  slot = unit_run(u, covet_op_connect(adapter));
  covet_adapter_free(adapter);
  return slot.error;
}

static void write_file(const char *path, const void *bytes, size_t length,
                       long offset)
{
  FILE *file = fopen(path, offset == 0 ? "wb" : "r+b");

  assert_non_null(file);
  assert_int_equal(fseek(file, offset, SEEK_SET), 0);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  assert_int_equal(fclose(file), 0);
}

static void test_places(void **state)
{
  covet_error error;
  char path[200];
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  error = connect_to(&u, u.folder, "");
  assert_int_equal(error.kind, COVET_ERROR_CONNECTION_FAILED);
  assert_int_equal(error.phase, COVET_PHASE_CONNECT);
  assert_non_null(strstr(error.message, "directory"));
  (void) snprintf(path, sizeof(path), "%s/missing/db", u.folder);
  error = connect_to(&u, path, "");
  assert_int_equal(error.kind, COVET_ERROR_UNKNOWN_DATABASE);
  assert_non_null(strstr(error.message, path));
  error = connect_to(&u, u.path, "?read_only=true"); /* does not exist */
  assert_int_equal(error.kind, COVET_ERROR_UNKNOWN_DATABASE);
  assert_int_not_equal(access(u.path, F_OK), 0);
  error = connect_to(&u, u.path, "?pragmas=SELECT%20absent");
  assert_int_equal(error.kind, COVET_ERROR_UNDEFINED_COLUMN);
  unit_deinit(&u);
}

static void test_not_a_database(void **state)
{
  char text[4096];
  covet_error error;
  unit u;

  (void) state;
  memset(text, 'x', sizeof(text));
  unit_init(&u, COVET_CALLER_LOOP);
  write_file(u.path, text, sizeof(text), 0);
  error = connect_to(&u, u.path, "");
  assert_int_equal(error.kind, COVET_ERROR_CORRUPT);
  assert_int_equal(error.code & 0xFF, SQLITE_NOTADB);
  unit_deinit(&u);
}

static void test_corrupt_file(void **state)
{
  char junk[4096];
  unit_slot slot;
  unit u;

  (void) state;
  memset(junk, 0x5A, sizeof(junk));
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "journal_mode=delete");
  unit_script(&u, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION "
                  "ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t "
                  "SELECT hex(randomblob(50)) FROM n");
  slot = unit_run(&u, covet_op_disconnect(u.adapter));
  unit_assert_ok(&slot);
  for (long page = 3; page < 20; page++) {
    write_file(u.path, junk, sizeof(junk), page * 4096);
  }
  unit_connect(&u);
  slot = unit_query(&u, "SELECT sum(length(x)) FROM t", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_CORRUPT);
  assert_int_equal(slot.rows, 0);
  unit_deinit(&u);
}

static void test_read_only(void **state)
{
  static const char *const writes[] = {"INSERT INTO t VALUES (1)",
                                       "CREATE TABLE n (x)", "DROP TABLE t"};
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x); INSERT INTO t VALUES (3)");
  covet_adapter_free(u.adapter);
  unit_open(&u, "read_only=true");
  for (int round = 0; round < 5; round++) {
    for (size_t i = 0; i < 3; i++) {
      slot = unit_query(&u, writes[i], 0);
      unit_assert_kind(&slot, COVET_ERROR_READ_ONLY);
    }
    slot = unit_query(&u, writes[0], COVET_QUERY_SCRIPT);
    unit_assert_kind(&slot, COVET_ERROR_READ_ONLY);
    assert_int_equal(unit_integer(&u, "SELECT sum(x) FROM t"), 3);
  }
  unit_deinit(&u);
}

/* After a failure to connect the next operation tries again. */
static void test_connecting_again(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  assert_int_equal(mkdir(u.path, 0700), 0);
  unit_open(&u, "");
  for (int i = 0; i < 3; i++) {
    slot = unit_query(&u, "CREATE TABLE t (x)", 0);
    unit_assert_kind(&slot, COVET_ERROR_CONNECTION_FAILED);
  }
  assert_int_equal(rmdir(u.path), 0);
  slot = unit_query(&u, "CREATE TABLE t (x)", 0);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

/* A reader's snapshot is too old to write from: not a matter of waiting. */
static void test_stale_snapshot(void **state)
{
  unit_slot slot;
  covet_lease lease;
  sqlite3 *other;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  lease = unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "BEGIN DEFERRED", COVET_QUERY_TRANSACTION);
  unit_assert_ok(&slot);
  slot = unit_leased(&u, lease, "SELECT * FROM t", COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(sqlite3_open(u.path, &other), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(other, "INSERT INTO t VALUES (1)", NULL, NULL, NULL), 0);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  slot = unit_leased(&u, lease, "INSERT INTO t VALUES (2)", 0);
  unit_assert_kind(&slot, COVET_ERROR_SERIALIZATION_FAILURE);
  assert_int_equal(slot.error.retry, COVET_RETRY_SAFE);
  unit_release(&u, lease);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_statements),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_not_a_database),
      cmocka_unit_test(test_corrupt_file),
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_connecting_again),
      cmocka_unit_test(test_stale_snapshot),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
