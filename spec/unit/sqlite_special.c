/* What only SQLite can do: functions of the caller's, blobs in pieces, copies
 * of a database that is in use. */
#include "error.h"
#include "support/support.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Functions ------------------------------------------------------------------- */

/* Counts what covet does with a definition, from all threads. */
typedef struct definition {
  atomic_int opened;
  atomic_int closed;
  atomic_int released;
  int refuse;
} definition;

typedef struct function_state {
  definition *definition;
  char text[64];
} function_state;

static void *open_state(void *data, covet_error *error)
{
  definition *d = data;
  function_state *state = d->refuse ? NULL : calloc(1, sizeof(*state));

  if (state == NULL) {
    covet_error_set(error, COVET_ERROR_USAGE, "no state for you");
    return NULL;
  }
  state->definition = d;
  atomic_fetch_add(&d->opened, 1);
  return state;
}

static void close_state(void *data)
{
  function_state *state = data;

  atomic_fetch_add(&state->definition->closed, 1);
  free(state);
}

static void release_definition(void *data)
{
  definition *d = data;

  atomic_fetch_add(&d->released, 1);
}

/* shout(text): in capitals; NULL stays NULL, anything else is an error. */
static int shout(void *data, const covet_cell *arguments, int count,
                 covet_cell *result, covet_error *error)
{
  function_state *state = data;
  int length = arguments[0].length;

  if (count != 1 ||
      (arguments[0].kind != COVET_TEXT && arguments[0].kind != COVET_NULL)) {
    covet_error_set(error, COVET_ERROR_USAGE, "shout takes a text");
    return COVET_EUSAGE;
  }
  if (arguments[0].kind == COVET_NULL) {
    return 0;
  }
  length = length < 64 ? length : 64;
  for (int i = 0; i < length; i++) {
    char c = arguments[0].bytes[i];

    state->text[i] = (char) (c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  result->kind = COVET_TEXT;
  result->bytes = state->text;
  result->length = length;
  return 0;
}

static int add(void *data, void **context, const covet_cell *arguments,
               int count, covet_error *error)
{
  (void) data;
  (void) count;
  if (arguments[0].kind != COVET_INTEGER) {
    covet_error_set(error, COVET_ERROR_USAGE, "not a number to add");
    return COVET_EUSAGE;
  }
  *context = (void *) ((intptr_t) *context + (intptr_t) arguments[0].integer);
  return 0;
}

static int total(void *data, void **context, covet_cell *result,
                 covet_error *error)
{
  (void) data;
  (void) error;
  result->kind = COVET_INTEGER;
  result->integer = (intptr_t) *context;
  return 0;
}

static covet_function function_of(definition *d, const char *name)
{
  return (covet_function){.name = name,
                          .arity = 1,
                          .definition = d,
                          .open = open_state,
                          .call = shout,
                          .close = close_state,
                          .release = release_definition};
}

static void add_function(unit *u, const covet_function *function)
{
  covet_error error;

  assert_int_equal(covet_adapter_add_function(u->adapter, function, &error), 0);
}

static void check_shout(unit *u)
{
  unit_slot slot;

  for (int i = 0; i < 5; i++) { /* worker and loop */
    slot = unit_query(u, "SELECT shout('abc')", COVET_QUERY_ROWS);
    unit_assert_ok(&slot);
    assert_string_equal(slot.text, "ABC");
    slot = unit_query(u, "SELECT shout(5)", COVET_QUERY_ROWS);
    unit_assert_kind(&slot, COVET_ERROR_DATABASE_ERROR);
    assert_string_equal(slot.error.message, "shout takes a text");
    assert_int_equal(slot.rows, 0);
  }
  slot = unit_query(u, "SELECT shout()", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_UNDEFINED_FUNCTION);
  assert_int_equal(unit_integer(u, "SELECT shout(NULL) IS NULL"), 1);
}

static void functions(covet_mode mode)
{
  definition d = {0};
  covet_function function = function_of(&d, "shout");
  unit_slot slot;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "readers=2");
  unit_script(&u, "CREATE TABLE t (x)"); /* connections are there already */
  add_function(&u, &function);
  check_shout(&u);
  slot = unit_query(&u, "INSERT INTO t VALUES (shout('x'))", 0);
  unit_assert_ok(&slot);
  slot = unit_run(&u, covet_op_disconnect(u.adapter));
  unit_assert_ok(&slot);
  assert_true(atomic_load(&d.opened) >= 2); /* writer and a reader */
  assert_int_equal(atomic_load(&d.opened), atomic_load(&d.closed));
  assert_int_equal(atomic_load(&d.released), 0);
  unit_connect(&u);
  check_shout(&u); /* the next connections have it too */
  unit_deinit(&u);
  assert_int_equal(atomic_load(&d.opened), atomic_load(&d.closed));
  assert_int_equal(atomic_load(&d.released), 1);
}

static void test_functions(void **state)
{
  (void) state;
  functions(COVET_CALLER_LOOP);
  functions(COVET_OWN_THREAD);
}

static void test_aggregates(void **state)
{
  definition d = {0};
  covet_function function = function_of(&d, "total_of");
  unit_slot slot;
  unit u;

  (void) state;
  function.call = NULL;
  function.aggregate = 1;
  function.step = add;
  function.finish = total;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (g, x); INSERT INTO t VALUES (1, 2), (1, 3), "
                  "(2, 10)");
  add_function(&u, &function);
  slot = unit_query(&u, "SELECT total_of(x) FROM t GROUP BY g ORDER BY g",
                    COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 2);
  assert_int_equal(slot.integer, 5);
  assert_int_equal(slot.sum, 15);
  assert_int_equal(unit_integer(&u, "SELECT total_of(x) FROM t WHERE 0"), 0);
  slot = unit_query(&u, "SELECT total_of('a')", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_DATABASE_ERROR);
  assert_string_equal(slot.error.message, "not a number to add");
  unit_deinit(&u);
  assert_int_equal(atomic_load(&d.opened), atomic_load(&d.closed));
}

/* A state that cannot be made: the statement fails, and says why. */
static void test_function_without_a_state(void **state)
{
  definition d = {.refuse = 1};
  covet_function function = function_of(&d, "shout");
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  add_function(&u, &function);
  for (int i = 0; i < 3; i++) {
    slot = unit_query(&u, "SELECT shout('a')", COVET_QUERY_ROWS);
    assert_int_not_equal(slot.error.kind, COVET_ERROR_NONE);
    assert_string_equal(slot.error.message, "no state for you");
  }
  unit_deinit(&u);
  assert_int_equal(atomic_load(&d.released), 1);
}

/* --- Blobs --------------------------------------------------------------------------- */

static covet_op *call(unit *u, const char *name, covet_lease lease)
{
  covet_op *op =
      covet_op_call(u->adapter, name, strlen(name), COVET_QUERY_ROWS);

  assert_non_null(op);
  covet_op_set_lease(op, lease);
  return op;
}

static unit_slot open_blob(unit *u, covet_lease lease, int64_t row, int write)
{
  covet_op *op = call(u, "blob_open", lease);

  assert_int_equal(covet_op_add_text(op, "t", 1), 0);
  assert_int_equal(covet_op_add_text(op, "x", 1), 0);
  assert_int_equal(covet_op_add_integer(op, row), 0);
  assert_int_equal(covet_op_add_boolean(op, write), 0);
  return unit_run(u, op);
}

static unit_slot read_blob(unit *u, covet_lease lease, int64_t blob,
                           int64_t offset, int64_t length)
{
  covet_op *op = call(u, "blob_read", lease);

  assert_int_equal(covet_op_add_integer(op, blob), 0);
  assert_int_equal(covet_op_add_integer(op, offset), 0);
  assert_int_equal(covet_op_add_integer(op, length), 0);
  return unit_run(u, op);
}

static unit_slot write_blob(unit *u, covet_lease lease, int64_t blob,
                            int64_t offset, const char *text)
{
  covet_op *op = call(u, "blob_write", lease);

  assert_int_equal(covet_op_add_integer(op, blob), 0);
  assert_int_equal(covet_op_add_integer(op, offset), 0);
  assert_int_equal(covet_op_add_text(op, text, strlen(text)), 0);
  return unit_run(u, op);
}

static void test_blobs(void **state)
{
  covet_lease lease;
  unit_slot slot;
  int64_t blob;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u,
              "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))");
  lease = unit_acquire(&u, 0);
  slot = open_blob(&u, lease, 1, 1);
  unit_assert_ok(&slot);
  assert_int_equal(slot.columns, 2);
  blob = slot.integer;
  slot = write_blob(&u, lease, blob, 99995, "hello");
  unit_assert_ok(&slot);
  slot = read_blob(&u, lease, blob, 99996, 3);
  unit_assert_ok(&slot);
  assert_string_equal(slot.text, "ell");
  slot = read_blob(&u, lease, blob, 100000, 0);
  unit_assert_ok(&slot);
  slot = write_blob(&u, lease, blob, 99996, "hello");
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = read_blob(&u, lease, blob, -1, 5);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = read_blob(&u, lease, blob, INT64_MAX, INT64_MAX);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = read_blob(&u, lease, blob + 1, 0, 1);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = open_blob(&u, lease, 9, 0);
  assert_int_not_equal(slot.error.kind, COVET_ERROR_NONE);
  unit_release(&u, lease); /* closes it */
  lease = unit_acquire(&u, 0);
  slot = read_blob(&u, lease, blob, 0, 1);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  unit_release(&u, lease);
  slot = unit_query(&u, "SELECT substr(x, -5) FROM t", COVET_QUERY_ROWS);
  assert_string_equal(slot.text, "hello");
  unit_deinit(&u);
}

/* A name of a blob that is closed is never that of another one. */
static void test_stale_blobs(void **state)
{
  int64_t stale[50];
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(10))");
  for (int i = 0; i < 50; i++) {
    lease = unit_acquire(&u, 0);
    slot = open_blob(&u, lease, 1, 1);
    unit_assert_ok(&slot);
    stale[i] = slot.integer;
    for (int j = 0; j < i; j++) {
      assert_true(stale[j] != stale[i]);
      slot = write_blob(&u, lease, stale[j], 0, "x");
      unit_assert_kind(&slot, COVET_ERROR_USAGE);
    }
    if (i % 2 == 0) { /* else the release closes it */
      covet_op *op = call(&u, "blob_close", lease);

      assert_int_equal(covet_op_add_integer(op, stale[i]), 0);
      slot = unit_run(&u, op);
      unit_assert_ok(&slot);
    }
    unit_release(&u, lease);
  }
  unit_deinit(&u);
}

static void test_wrong_calls(void **state)
{
  static const char *const names[] = {"",          "blob_",  "blob_open",
                                      "blob_read", "backup", "nothing"};
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    unit_slot slot = unit_run(&u, call(&u, names[i], 0));

    assert_true(slot.error.kind == COVET_ERROR_USAGE ||
                slot.error.kind == COVET_ERROR_UNSUPPORTED);
  }
  unit_deinit(&u);
}

/* --- Backup ---------------------------------------------------------------------------- */

static covet_op *backup(unit *u, const char *path)
{
  covet_op *op = call(u, "backup", 0);

  assert_int_equal(covet_op_add_text(op, path, strlen(path)), 0);
  return op;
}

static void fill(unit *u)
{
  unit_script(u, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION "
                 "ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t "
                 "SELECT randomblob(300) FROM n");
}

static int64_t count_in(const char *path)
{
  sqlite3_stmt *statement;
  int64_t count;
  sqlite3 *db;

  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL),
      SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  count = sqlite3_column_int64(statement, 0);
  assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  return count;
}

static void test_backup_while_writing(void **state)
{
  char path[200];
  unit_slot slot = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  fill(&u);
  (void) snprintf(path, sizeof(path), "%s/copy", u.folder);
  unit_start(&slot, backup(&u, path));
  for (int i = 0; i < 20; i++) {
    unit_slot write = unit_query(&u, "INSERT INTO t VALUES (1)", 0);

    unit_assert_ok(&write);
  }
  unit_wait(&u, &slot);
  unit_assert_ok(&slot);
  assert_true(slot.rows > 1); /* progress was told */
  assert_in_range(count_in(path), 20000, 20020);
  unit_deinit(&u);
}

static void test_backup_of_memory(void **state)
{
  char path[200];
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  fill(&u);
  (void) snprintf(path, sizeof(path), "%s/copy", u.folder);
  slot = unit_run(&u, backup(&u, path));
  unit_assert_ok(&slot);
  assert_int_equal(count_in(path), 20000);
  unit_deinit(&u);
}

static void test_backup_to_a_bad_place(void **state)
{
  char path[200];
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  fill(&u);
  (void) snprintf(path, sizeof(path), "%s/none/copy", u.folder);
  slot = unit_run(&u, backup(&u, path));
  assert_int_not_equal(slot.error.kind, COVET_ERROR_NONE);
  assert_true(strlen(slot.error.message) > 0);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 20000);
  unit_deinit(&u);
}

/* The target is locked: it waits, until it is told not to. */
static void test_backup_cancelled(void **state)
{
  char path[200];
  unit_slot slot = {0};
  unit_slot pause;
  sqlite3 *other;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "");
  fill(&u);
  (void) snprintf(path, sizeof(path), "%s/copy", u.folder);
  assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "CREATE TABLE t (x); BEGIN EXCLUSIVE",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  unit_start(&slot, backup(&u, path));
  pause = unit_run(&u, covet_op_sleep(u.runtime, 10000));
  unit_assert_ok(&pause);
  assert_false(slot.done);
  covet_cancel(slot.op);
  unit_wait(&u, &slot);
  unit_assert_kind(&slot, COVET_ERROR_CANCELLED);
  assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), 0);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  assert_int_equal(count_in(path), 0);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_aggregates),
      cmocka_unit_test(test_function_without_a_state),
      cmocka_unit_test(test_blobs),
      cmocka_unit_test(test_stale_blobs),
      cmocka_unit_test(test_wrong_calls),
      cmocka_unit_test(test_backup_while_writing),
      cmocka_unit_test(test_backup_of_memory),
      cmocka_unit_test(test_backup_to_a_bad_place),
      cmocka_unit_test(test_backup_cancelled),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
