/* Mistakes of the caller: each is told, and harms nothing. */
#include "support/support.h"

#include <string.h>

static void init(unit *u)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, "");
  unit_script(u, "CREATE TABLE t (x)");
}

static void check_works(unit *u)
{
  assert_int_equal(unit_integer(u, "SELECT 42"), 42);
}

/* --- Making ---------------------------------------------------------------------- */

static void test_runtimes(void **state)
{
  int loop = 0;
  const covet_runtime_options wrong[] = {
      {(covet_mode) 7, NULL},
      {(covet_mode) -1, NULL},
      {COVET_OWN_THREAD, &loop},
  };

  (void) state;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    covet_runtime *runtime = NULL;
    covet_error error = {0};

    assert_int_equal(covet_runtime_new(&wrong[i], &runtime, &error),
                     COVET_EUSAGE);
    assert_int_equal(error.kind, COVET_ERROR_USAGE);
    assert_null(runtime);
    assert_int_equal(covet_runtime_new(&wrong[i], &runtime, NULL),
                     COVET_EUSAGE);
  }
}

static void check_no_adapter(unit *u, const char *url,
                             const covet_option *options, size_t count)
{
  covet_adapter *adapter = NULL;
  covet_error error = {0};

  assert_int_equal(
      covet_adapter_new(u->runtime, url, options, count, &adapter, &error),
      COVET_EUSAGE);
  assert_int_equal(error.kind, COVET_ERROR_USAGE);
  assert_null(adapter);
}

static void test_adapters(void **state)
{
  static const covet_option no_name[] = {{NULL, "1"}};
  static const covet_option no_value[] = {{"readers", NULL}};
  unit u;

  (void) state;
  init(&u);
  check_no_adapter(&u, NULL, NULL, 0);
  check_no_adapter(&u, "sqlite::memory:", NULL, 1);
  check_no_adapter(&u, "sqlite::memory:", no_name, 1);
  check_no_adapter(&u, "sqlite::memory:", no_value, 1);
  check_works(&u);
  unit_deinit(&u);
}

static void *open_state(void *definition, covet_error *error)
{
  (void) error;
  return definition;
}

static int call(void *state, const covet_cell *arguments, int count,
                covet_cell *result, covet_error *error)
{
  (void) state;
  (void) error;
  result->kind = COVET_INTEGER;
  result->length = 0;
  result->integer = count == 1 ? arguments[0].integer + 1 : count;
  return 0;
}

static void nothing(void *state)
{
  (void) state;
}

static void test_functions(void **state)
{
  static char name[300];
  const covet_function whole = {.name = "next",
                                .arity = 1,
                                .definition = name,
                                .open = open_state,
                                .call = call,
                                .close = nothing,
                                .release = nothing};
  covet_function wrong[8];
  covet_error error;
  unit u;

  (void) state;
  init(&u);
  memset(name, 'n', sizeof(name) - 1);
  for (size_t i = 0; i < 8; i++) {
    wrong[i] = whole;
  }
  wrong[0].name = NULL;
  wrong[1].name = name;
  wrong[2].arity = -2;
  wrong[3].arity = 128;
  wrong[4].open = NULL;
  wrong[5].call = NULL;
  wrong[6].aggregate = 1;
  wrong[7].release = NULL;
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(covet_adapter_add_function(u.adapter, &wrong[i], &error),
                     COVET_EUSAGE);
    assert_int_equal(error.kind, COVET_ERROR_USAGE);
  }
  assert_int_equal(covet_adapter_add_function(u.adapter, &whole, &error), 0);
  assert_int_equal(unit_integer(&u, "SELECT next(41)"), 42);
  unit_deinit(&u);
}

/* --- Filling --------------------------------------------------------------------- */

static void test_parameters(void **state)
{
  covet_op *op;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "SELECT length(?)", COVET_QUERY_ROWS);
  assert_int_equal(covet_op_add_text(op, "a", (size_t) INT32_MAX + 1),
                   COVET_EUSAGE);
  assert_int_equal(covet_op_add_text(op, "a", SIZE_MAX), COVET_EUSAGE);
  assert_int_equal(covet_op_add_text(op, NULL, 1), COVET_EUSAGE);
  assert_int_equal(covet_op_add_blob(op, NULL, 1), COVET_EUSAGE);
  assert_int_equal(covet_op_add_borrowed(op, COVET_INTEGER, "a", 1),
                   COVET_EUSAGE);
  assert_int_equal(covet_op_add_borrowed(op, COVET_NULL, NULL, 0),
                   COVET_EUSAGE);
  assert_int_equal(covet_op_add_borrowed(op, COVET_BLOB, NULL, 0), 0);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 1);
  assert_int_equal(slot.integer, 0);
  unit_deinit(&u);
}

static covet_op *many(unit *u, const char *sql, uint32_t width, int values)
{
  covet_op *op = unit_op(u, sql, COVET_QUERY_MANY);

  covet_op_set_width(op, width);
  for (int i = 0; i < values; i++) {
    assert_int_equal(covet_op_add_integer(op, i), 0);
  }
  return op;
}

static void test_widths(void **state)
{
  static const char insert[] = "INSERT INTO t VALUES (?)";
  static const struct {
    const char *sql;
    uint32_t width;
    int values;
  } wrong[] = {
      {insert, 0, 0},
      {insert, 0, 3},
      {insert, 2, 2},
      {insert, UINT32_MAX, 3},
      {"INSERT INTO t VALUES (? + ?)", 2, 3},
      {"INSERT INTO t DEFAULT VALUES", 0, 0},
      {"INSERT INTO t DEFAULT VALUES", 0, 2},
      {"INSERT INTO t DEFAULT VALUES", 1, 2},
  };
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    slot =
        unit_run(&u, many(&u, wrong[i].sql, wrong[i].width, wrong[i].values));
    unit_assert_kind(&slot, COVET_ERROR_USAGE);
  }
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  slot = unit_run(&u, many(&u, insert, 1, 3));
  unit_assert_ok(&slot);
  assert_int_equal(slot.result.affected_rows, 3);
  unit_deinit(&u);
}

static void test_a_script_takes_no_parameters(void **state)
{
  covet_op *op;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "INSERT INTO t VALUES (1)", COVET_QUERY_SCRIPT);
  assert_int_equal(covet_op_add_integer(op, 1), 0);
  slot = unit_run(&u, op);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 0);
  unit_deinit(&u);
}

static void test_texts(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  slot = unit_run(&u, covet_op_query(u.adapter, NULL, 0, 0));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = unit_run(&u, covet_op_call(u.adapter, NULL, 0, 0));
  unit_assert_kind(&slot, COVET_ERROR_UNSUPPORTED);
  assert_int_equal(covet_error_kind_find(NULL), COVET_ERROR_NONE);
  unit_deinit(&u);
}

/* --- Leases -------------------------------------------------------------------------- */

static void test_the_lease_of_another_adapter(void **state)
{
  covet_adapter *first;
  covet_lease lease;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  first = u.adapter;
  lease = unit_acquire(&u, 0);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  (void) unit_acquire(&u, 0);
  slot = unit_leased(&u, lease, "SELECT 1", COVET_QUERY_ROWS);
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  slot = unit_run(&u, covet_op_release(u.adapter, lease));
  unit_assert_kind(&slot, COVET_ERROR_USAGE);
  covet_adapter_free(u.adapter);
  u.adapter = first;
  slot = unit_leased(&u, lease, "SELECT 1", COVET_QUERY_ROWS);
  unit_assert_ok(&slot);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* Only what runs on a connection takes a lease. */
static void test_leases_where_none_belongs(void **state)
{
  covet_lease lease;
  unit_slot slot = {0};
  covet_op *op;
  unit u;

  (void) state;
  init(&u);
  lease = unit_acquire(&u, 1);
  op = covet_op_acquire(u.adapter, 0);
  covet_op_set_lease(op, lease);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  unit_release(&u, slot.result.lease);
  op = covet_op_release(u.adapter, lease);
  covet_op_set_lease(op, 1);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  op = covet_op_connect(u.adapter);
  covet_op_set_lease(op, lease);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

/* --- The order of things ------------------------------------------------------------------ */

static void test_what_is_never_submitted(void **state)
{
  covet_op *op;
  int more = 0;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "INSERT INTO t VALUES (?)", 0);
  assert_int_equal(covet_op_add_text(op, "a", 1), 0);
  covet_cancel(op);
  assert_int_equal(covet_op_next(op), 0);
  assert_null(covet_op_take(op, &more));
  assert_null(covet_op_error(op));
  assert_non_null(covet_op_result(op));
  assert_int_equal(covet_op_finished(op), 0);
  covet_op_free(op);
  op = covet_op_acquire(u.adapter, 0);
  covet_op_free(op);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  check_works(&u);
  unit_deinit(&u);
}

/* A cancel before the submission is none. */
static void test_cancelled_before_it_is_submitted(void **state)
{
  covet_op *op;
  unit_slot slot;
  unit u;

  (void) state;
  init(&u);
  op = unit_op(&u, "SELECT 1", COVET_QUERY_ROWS);
  covet_cancel(op);
  slot = unit_run(&u, op);
  unit_assert_ok(&slot);
  unit_deinit(&u);
}

static void submit_twice(covet_mode mode)
{
  unit_slot slot = {.manual = 1};
  covet_op *op;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  op = unit_op(&u, "SELECT 1", COVET_QUERY_ROWS);
  unit_start(&slot, op);
  assert_int_equal(covet_submit(op), COVET_EUSAGE);
  assert_int_equal(covet_op_add_integer(op, 1), COVET_EUSAGE);
  assert_int_equal(covet_op_add_text(op, "a", 1), COVET_EUSAGE);
  covet_op_set_timeout(op, 1);
  covet_op_set_width(op, 1);
  covet_op_set_lease(op, 1);
  while (!covet_op_finished(op)) {
    unit_step(&u, 1000);
  }
  assert_int_equal(covet_submit(op), COVET_EUSAGE);
  unit_absorb(&slot);
  unit_assert_ok(&slot);
  assert_int_equal(slot.integer, 1);
  assert_int_equal(covet_runtime_pending(u.runtime), 0);
  check_works(&u);
  unit_deinit(&u);
}

static void test_submitted_twice(void **state)
{
  (void) state;
  submit_twice(COVET_CALLER_LOOP);
  submit_twice(COVET_OWN_THREAD);
}

static void free_twice(covet_mode mode)
{
  covet_op *op;
  covet_op *other;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  op = unit_op(&u, "SELECT 1", COVET_QUERY_ROWS);
  covet_op_free(op);
  covet_op_free(op);
  assert_int_equal(covet_submit(op), COVET_EUSAGE);
  op = covet_op_sleep(u.runtime, 1000);
  other = covet_op_sleep(u.runtime, 1000);
  assert_true(op != other);
  covet_op_free(other);
  (void) covet_submit(op);
  covet_op_free(op); /* under way: it ends by itself */
  covet_op_free(op);
  while (covet_runtime_pending(u.runtime) > 0) {
    unit_step(&u, 1000);
  }
  check_works(&u);
  unit_deinit(&u);
}

static void test_freed_twice(void **state)
{
  (void) state;
  free_twice(COVET_CALLER_LOOP);
  free_twice(COVET_OWN_THREAD);
}

/* While it runs, its error and its result are nobody's to see. */
static void test_nothing_is_seen_before_the_end(void **state)
{
  unit_slot slot = {.manual = 1};
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  unit_open(&u, "");
  op = unit_op(&u,
               "SELECT value FROM json_each('[1, 2, 3]') WHERE 1 / (value "
               "- 3) < 9 OR abs(-9223372036854775808)",
               COVET_QUERY_ROWS | COVET_QUERY_STREAM);
  covet_op_set_chunk(op, 1);
  unit_start(&slot, op);
  while (!covet_op_finished(op)) {
    covet_error copy = {0};
    const covet_error *error = covet_op_error(op);
    covet_result result = *covet_op_result(op);

    if (error != NULL) {
      copy = *error;
    }
    assert_true(copy.kind == COVET_ERROR_NONE || covet_op_finished(op));
    assert_true(result.affected_rows == -1 || covet_op_finished(op));
    unit_step(&u, 0);
    covet_batch *batch = covet_op_take(op, NULL);
    while (batch != NULL) {
      covet_batch *next = batch->next;

      covet_batch_free(batch);
      batch = next;
    }
    (void) covet_op_next(op);
  }
  unit_absorb(&slot);
  unit_assert_kind(&slot, COVET_ERROR_NUMERIC_OUT_OF_RANGE);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_runtimes),
      cmocka_unit_test(test_adapters),
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_parameters),
      cmocka_unit_test(test_widths),
      cmocka_unit_test(test_a_script_takes_no_parameters),
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_the_lease_of_another_adapter),
      cmocka_unit_test(test_leases_where_none_belongs),
      cmocka_unit_test(test_what_is_never_submitted),
      cmocka_unit_test(test_cancelled_before_it_is_submitted),
      cmocka_unit_test(test_submitted_twice),
      cmocka_unit_test(test_freed_twice),
      cmocka_unit_test(test_nothing_is_seen_before_the_end),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
