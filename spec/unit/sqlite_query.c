/* Statements, scripts, lists and descriptions, through the public header. */
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void init(unit *u)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, "");
  unit_script(u, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT)");
}

static void test_connect(void **state)
{
  covet_adapter_stats stats;
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  unit_open(&u, "readers=3");
  assert_string_equal(covet_adapter_database(u.adapter), "sqlite");
  for (int i = 0; i < 2; i++) { /* the second time there is nothing to do */
    slot = unit_run(&u, covet_op_connect(u.adapter));
    unit_assert_ok(&slot);
  }
  covet_adapter_get_stats(u.adapter, &stats);
  assert_int_equal(stats.size, 1); /* the writer; readers come when needed */
  assert_int_equal(stats.free, 1);
  unit_deinit(&u);
}

static void check_cell(const covet_cell *cell, covet_kind kind, int32_t length)
{
  assert_int_equal(cell->kind, kind);
  assert_int_equal(cell->length, length);
}

/* Every kind of value comes back as it went. */
static void test_values_round_trip(void **state)
{
  unit_slot slot = {.manual = 1};
  covet_batch *batch = NULL;
  covet_op *op;
  int more = 1;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "SELECT ?, ?, ?, ?, ?, ?, ?, ?", COVET_QUERY_ROWS);
  assert_int_equal(covet_op_add_null(op), 0);
  assert_int_equal(covet_op_add_integer(op, INT64_MIN), 0);
  assert_int_equal(covet_op_add_integer(op, INT64_MAX), 0);
  assert_int_equal(covet_op_add_number(op, -HUGE_VAL), 0);
  assert_int_equal(covet_op_add_boolean(op, 1), 0);
  assert_int_equal(covet_op_add_text(op, "a\0b", 3), 0);
  assert_int_equal(covet_op_add_text(op, "", 0), 0);
  assert_int_equal(covet_op_add_blob(op, "\xFF\x00", 2), 0);
  unit_start(&slot, op);
  while (batch == NULL) {
    unit_wait_news(&u, &slot);
    batch = covet_op_take(op, &more);
  }
  assert_int_equal(batch->row_count, 1);
  assert_int_equal(batch->shape->column_count, 8);
  check_cell(&batch->cells[0], COVET_NULL, -1);
  check_cell(&batch->cells[1], COVET_INTEGER, 0);
  assert_true(batch->cells[1].integer == INT64_MIN);
  assert_true(batch->cells[2].integer == INT64_MAX);
  check_cell(&batch->cells[3], COVET_FLOAT, 0);
  assert_true(isinf(batch->cells[3].number) && batch->cells[3].number < 0);
  assert_int_equal(batch->cells[4].integer, 1);
  check_cell(&batch->cells[5], COVET_TEXT, 3);
  assert_memory_equal(batch->cells[5].bytes, "a\0b", 3);
  check_cell(&batch->cells[6], COVET_TEXT, 0);
  check_cell(&batch->cells[7], COVET_BLOB, 2);
  assert_memory_equal(batch->cells[7].bytes, "\xFF\x00", 2);
  covet_batch_free(batch);
  covet_op_free(op);
  unit_deinit(&u);
}

static void test_nan_is_refused(void **state)
{
  unit_slot slot;
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "INSERT INTO t (a) VALUES (?)", 0);
  assert_int_equal(covet_op_add_number(op, (double) NAN), 0);
  slot = unit_run(&u, op);
  unit_assert_kind(&slot, COVET_ERROR_INVALID_VALUE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void test_large_values(void **state)
{
  const size_t size = 20 * 1000 * 1000;
  char *bytes = malloc(size);
  unit_slot slot;
  covet_op *op;
  unit u;

  (void) state;
  assert_non_null(bytes);
  memset(bytes, 'v', size);
  init(&u);
  op = unit_op(&u, "INSERT INTO t (a) VALUES (?)", 0);
  assert_int_equal(covet_op_add_borrowed(op, COVET_TEXT, bytes, size), 0);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  assert_int_equal(unit_integer(&u, "SELECT length(a) FROM t"), size);
  slot = unit_query(&u, "SELECT a FROM t", COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 1);
  assert_memory_equal(slot.text, bytes, sizeof(slot.text) - 1);
  unit_deinit(&u);
  free(bytes);
}

static void test_results_of_writes(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u, "INSERT INTO t (id, a) VALUES (41, 1), (42, 2)", 0);
  unit_assert_ok(&slot);
  assert_int_equal(slot.result.affected_rows, 2);
  assert_true(slot.result.has_insert_id);
  assert_int_equal(slot.result.last_insert_id, 42);
  slot = unit_query(&u, "UPDATE t SET a = 3 WHERE id = 41", 0);
  assert_int_equal(slot.result.affected_rows, 1);
  assert_false(slot.result.has_insert_id);
  slot = unit_query(&u, "UPDATE t SET a = 3 WHERE id = 99", 0);
  assert_int_equal(slot.result.affected_rows, 0);
  slot = unit_query(&u, "INSERT OR IGNORE INTO t (id) VALUES (42)", 0);
  assert_int_equal(slot.result.affected_rows, 0);
  assert_false(slot.result.has_insert_id);
  slot = unit_query(&u, "DELETE FROM t RETURNING id", COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 2);
  assert_int_equal(slot.result.affected_rows, 2);
  unit_deinit(&u);
}

static void test_rows_only_when_wanted(void **state)
{
  const char *sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                    "FROM n WHERE i < 5000) SELECT i FROM n";
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u, sql, COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 5000);
  assert_int_equal(slot.sum, 5000 * 5001 / 2);
  slot = unit_query(&u, sql, 0);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 0);
  slot = unit_query(&u, sql, COVET_QUERY_ROWS | COVET_QUERY_ONE);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 1);
  assert_int_equal(slot.integer, 1);
  slot = unit_query(&u, "SELECT a, b FROM t", COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 0);
  assert_int_equal(slot.columns, 2); /* no rows, but their columns */
  unit_deinit(&u);
}

static void test_chunks(void **state)
{
  covet_op *op;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
               "WHERE i < 1000) SELECT i FROM n",
               COVET_QUERY_ROWS | COVET_QUERY_STREAM);
  covet_op_set_chunk(op, 7);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 1000);
  assert_int_equal(slot.sum, 500500);
  assert_int_equal(slot.deliveries, (1000 + 6) / 7);
  unit_deinit(&u);
}

/* --- Scripts -------------------------------------------------------------------- */

static void test_script(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u,
                    "-- a comment; with a semicolon\n"
                    "INSERT INTO t (b) VALUES ('x;y');;\n"
                    "/* ; */ CREATE TRIGGER g AFTER INSERT ON t BEGIN "
                    "UPDATE t SET a = 9; END;\n"
                    "INSERT INTO t (b) VALUES ('z')",
                    COVET_QUERY_SCRIPT);
  unit_assert_ok(&slot);
  assert_int_equal(unit_integer(&u, "SELECT sum(a) FROM t"), 18);
  slot = unit_query(&u, "", COVET_QUERY_SCRIPT);
  unit_assert_ok(&slot);
  slot = unit_query(&u, " -- nothing", COVET_QUERY_SCRIPT);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

static void test_script_that_fails_does_nothing(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u,
                    "INSERT INTO t (a) VALUES (1);\n"
                    "INSERT INTO t (a) VALUES (2);\n"
                    "INSERT INTO t (a) VALUE (3);",
                    COVET_QUERY_SCRIPT);
  unit_assert_kind(&slot, COVET_ERROR_SYNTAX_ERROR);
  assert_int_equal(slot.error.position, 60 + 19);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void test_script_with_a_nul(void **state)
{
  static const char sql[] = "SELECT 1; \0 INSERT INTO t (a) VALUES (1)";
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_run(
      &u, covet_op_query(u.adapter, sql, sizeof(sql) - 1, COVET_QUERY_SCRIPT));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = unit_run(&u, covet_op_query(u.adapter, sql, sizeof(sql) - 1, 0));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  unit_deinit(&u);
}

/* --- Misuse ----------------------------------------------------------------------- */

static void test_wrong_use(void **state)
{
  static const struct {
    const char *sql;
    unsigned flags;
    covet_error_kind kind;
  } wrong[] = {
      {"", 0, COVET_ERROR_USAGE},
      {" ; -- nothing", 0, COVET_ERROR_USAGE},
      {"SELECT 1; SELECT 2", COVET_QUERY_ROWS, COVET_ERROR_USAGE},
      {"SELECT ?", COVET_QUERY_ROWS, COVET_ERROR_USAGE},
      {"SELECT ?2", COVET_QUERY_ROWS, COVET_ERROR_USAGE},
      {"SELECT 1; SELECT ?", COVET_QUERY_SCRIPT, COVET_ERROR_USAGE},
      {"BEGIN", 0, COVET_ERROR_USAGE},
      {"SAVEPOINT s", 0, COVET_ERROR_USAGE},
      {"SELECT 1; BEGIN", COVET_QUERY_SCRIPT, COVET_ERROR_USAGE},
      {"ATTACH ':memory:' AS x", 0, COVET_ERROR_USAGE},
      {"DELETE FROM t", COVET_QUERY_READ_ONLY, COVET_ERROR_READ_ONLY},
      {"SELECT 1", COVET_QUERY_INSIDE, COVET_ERROR_TRANSACTION_ABORTED},
  };
  unit u;

  (void) state;
  init(&u);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    unit_slot slot = unit_query(&u, wrong[i].sql, wrong[i].flags);

    unit_assert_kind(&slot, wrong[i].kind);
    assert_int_equal(slot.rows, 0);
  }
  unit_deinit(&u);
}

static void test_more_parameters_than_wanted(void **state)
{
  unit_slot slot;
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "SELECT ?", COVET_QUERY_ROWS);
  assert_int_equal(covet_op_add_integer(op, 1), 0);
  assert_int_equal(covet_op_add_integer(op, 2), 0);
  slot = unit_run(&u, op);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_non_null(strstr(slot.error.message, "1 parameter"));
  unit_deinit(&u);
}

/* --- Lists of parameters -------------------------------------------------------------- */

static covet_op *many(unit *u, int cells, uint32_t width)
{
  covet_op *op =
      unit_op(u, "INSERT INTO t (id, a) VALUES (?, ?)", COVET_QUERY_MANY);

  covet_op_set_width(op, width);
  for (int i = 0; i < cells; i++) {
    assert_int_equal(covet_op_add_integer(op, i), 0);
  }
  return op;
}

static void test_many(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_run(&u, many(&u, 2000, 2));
  unit_assert_ok(&slot);
  assert_int_equal(slot.result.affected_rows, 1000);
  assert_int_equal(unit_integer(&u, "SELECT sum(a - id) FROM t"), 1000);
  slot = unit_run(&u, many(&u, 0, 2));
  unit_assert_ok(&slot);
  assert_int_equal(slot.result.affected_rows, 0);
  unit_deinit(&u);
}

static void test_many_is_all_or_nothing(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  unit_script(&u, "INSERT INTO t (id) VALUES (400)");
  slot = unit_run(&u, many(&u, 1000, 2));
  unit_assert_kind(&slot, COVET_ERROR_UNIQUE_VIOLATION);
  assert_string_equal(slot.error.detail, "in row 201 of the list");
  assert_int_equal(slot.result.affected_rows, 0);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_many_with_a_wrong_count(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_run(&u, many(&u, 5, 2)); /* half a row too much */
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = unit_run(&u, many(&u, 6, 3));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = unit_run(&u, many(&u, 6, 0));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void test_describe(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_query(&u, "SELECT id, a, b FROM t WHERE a = ? AND b = ?",
                    COVET_QUERY_DESCRIBE);
  unit_assert_ok(&slot);
  assert_true(slot.result.described);
  assert_int_equal(slot.columns, 3);
  assert_int_equal(slot.result.parameter_count, 2);
  assert_true(slot.result.read_only);
  slot = unit_query(&u, "INSERT INTO t (a) VALUES (?)", COVET_QUERY_DESCRIBE);
  unit_assert_ok(&slot);
  assert_int_equal(slot.columns, 0);
  assert_int_equal(slot.result.parameter_count, 1);
  assert_false(slot.result.read_only);
  slot = unit_query(&u, "DELETE FROM no_table", COVET_QUERY_DESCRIBE);
  unit_assert_kind(&slot, COVET_ERROR_UNDEFINED_TABLE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

/* The same statement after the table has changed: new columns, no old shape. */
static void test_columns_follow_the_schema(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  unit_script(&u, "INSERT INTO t (a) VALUES (1)");
  for (uint32_t columns = 3; columns < 6; columns++) {
    char sql[64] = "ALTER TABLE t ADD COLUMN x0";

    slot = unit_query(&u, "SELECT * FROM t", COVET_QUERY_ROWS);
    unit_assert_ok(&slot);
    assert_int_equal(slot.columns, columns);
    sql[strlen(sql) - 1] = (char) ('0' + columns);
    unit_script(&u, sql);
  }
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_connect),
      cmocka_unit_test(test_values_round_trip),
      cmocka_unit_test(test_nan_is_refused),
      cmocka_unit_test(test_large_values),
      cmocka_unit_test(test_results_of_writes),
      cmocka_unit_test(test_rows_only_when_wanted),
      cmocka_unit_test(test_chunks),
      cmocka_unit_test(test_script),
      cmocka_unit_test(test_script_that_fails_does_nothing),
      cmocka_unit_test(test_script_with_a_nul),
      cmocka_unit_test(test_wrong_use),
      cmocka_unit_test(test_more_parameters_than_wanted),
      cmocka_unit_test(test_many),
      cmocka_unit_test(test_many_is_all_or_nothing),
      cmocka_unit_test(test_many_with_a_wrong_count),
      cmocka_unit_test(test_describe),
      cmocka_unit_test(test_columns_follow_the_schema),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
