/* Operations: names that are never used again, and what frees what. */
#include "op.h"

#include "runtime.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 3000 };

static void test_tokens_name_one_operation(void **state)
{
  unit u;
  covet_op *a;
  covet_op *b;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  a = covet_op_sleep(u.runtime, 0);
  b = covet_op_sleep(u.runtime, 0);
  assert_true(covet_op_token(a) != 0);
  assert_true(covet_op_token(a) != covet_op_token(b));
  assert_ptr_equal(covet_op_find(u.runtime, covet_op_token(a)), a);
  assert_ptr_equal(covet_op_find(u.runtime, covet_op_token(b)), b);
  covet_op_free(a);
  covet_op_free(b);
  unit_deinit(&u);
}

static void test_a_slot_is_used_again_under_a_new_name(void **state)
{
  covet_token tokens[200];
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  for (int i = 0; i < 200; i++) {
    covet_op *op = covet_op_sleep(u.runtime, 0);

    tokens[i] = covet_op_token(op);
    assert_int_equal(op->slot, 0);
    for (int j = 0; j < i; j++) {
      assert_true(tokens[i] != tokens[j]);
      assert_null(covet_op_find(u.runtime, tokens[j]));
    }
    covet_op_free(op);
    assert_null(covet_op_find(u.runtime, tokens[i]));
  }
  unit_deinit(&u);
}

static void test_names_of_nothing(void **state)
{
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  assert_null(covet_op_find(u.runtime, 0));
  assert_null(covet_op_find(u.runtime, 1));
  assert_null(covet_op_find(u.runtime, UINT64_MAX));
  covet_op_free(NULL);
  unit_deinit(&u);
}

/* More than one growth of the table, and more than are kept for later. */
static void test_many_at_once(void **state)
{
  static covet_op *ops[MANY];
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < MANY; i++) {
      ops[i] = covet_op_sleep(u.runtime, 0);
      assert_non_null(ops[i]);
      covet_op_set_data(ops[i], &ops[i]);
    }
    for (int i = 0; i < MANY; i++) {
      assert_ptr_equal(covet_op_find(u.runtime, covet_op_token(ops[i])),
                       ops[i]);
      assert_ptr_equal(covet_op_data(ops[i]), &ops[i]);
    }
    for (int i = 0; i < MANY; i++) {
      covet_op_free(ops[i]);
    }
  }
  unit_deinit(&u);
}

/* The operation as its maker left it: nothing of the one before. */
static void test_a_used_one_is_as_new(void **state)
{
  unit_slot answer;
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  answer = unit_query(&u, "SELECT no_such_column", COVET_QUERY_ROWS);
  unit_assert_kind(&answer, COVET_ERROR_UNDEFINED_COLUMN);
  op = unit_op(&u, "SELECT 1", COVET_QUERY_ROWS);
  assert_null(covet_op_error(op));
  assert_null(covet_op_data(op));
  assert_int_equal(covet_op_finished(op), 0);
  assert_int_equal(covet_op_result(op)->described, 0);
  assert_null(covet_op_result(op)->shape);
  answer = unit_run(&u, op);
  unit_assert_ok(&answer);
  assert_int_equal(answer.integer, 1);
  unit_deinit(&u);
}

static void test_parameters(void **state)
{
  static const char big[100000];
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  op = unit_op(&u, "SELECT 1", 0);
  assert_int_equal(covet_op_add_null(op), 0);
  assert_int_equal(covet_op_add_boolean(op, 17), 0);
  assert_int_equal(covet_op_add_number(op, 0.5), 0);
  assert_int_equal(covet_op_add_text(op, NULL, 0), 0);
  assert_int_equal(covet_op_add_text(op, big, sizeof(big)), 0);
  for (int i = 5; i < 2000; i++) {
    assert_int_equal(covet_op_add_integer(op, i), 0);
  }
  assert_int_equal(op->param_count, 2000);
  assert_int_equal(op->params[0].kind, COVET_NULL);
  assert_int_equal(op->params[0].length, -1);
  assert_int_equal(op->params[1].integer, 1);
  assert_true(op->params[2].number > 0.4 && op->params[2].number < 0.6);
  assert_int_equal(op->params[3].length, 0);
  assert_int_equal(op->params[4].length, sizeof(big));
  assert_ptr_not_equal(op->params[4].bytes, big);
  for (int i = 5; i < 2000; i++) {
    assert_int_equal(op->params[i].integer, i);
  }
  covet_op_free(op);
  unit_deinit(&u);
}

static void test_too_long_a_parameter(void **state)
{
  covet_op *op;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  op = unit_op(&u, "SELECT ?", 0);
  assert_int_equal(
      covet_op_add_borrowed(op, COVET_TEXT, "", (size_t) INT32_MAX + 1),
      COVET_EUSAGE);
  assert_int_equal(covet_op_add_text(op, "", (size_t) INT32_MAX + 1),
                   COVET_EUSAGE);
  assert_int_equal(op->param_count, 0);
  covet_op_free(op);
  unit_deinit(&u);
}

/* Made, and forgotten: the runtime frees them. */
static void test_what_is_left_goes_with_the_runtime(void **state)
{
  unit_slot slot = {.manual = 1};
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  assert_non_null(unit_op(&u, "SELECT 1", COVET_QUERY_ROWS));
  unit_start(&slot, unit_op(&u, "SELECT 'with rows'", COVET_QUERY_ROWS));
  unit_wait_news(&u, &slot); /* its rows and its end are not taken */
  unit_start(&slot, unit_op(&u, "SELECT broken", 0));
  unit_wait_news(&u, &slot);
  unit_start(&slot, covet_op_sleep(u.runtime, 3600000000));
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tokens_name_one_operation),
      cmocka_unit_test(test_a_slot_is_used_again_under_a_new_name),
      cmocka_unit_test(test_names_of_nothing),
      cmocka_unit_test(test_many_at_once),
      cmocka_unit_test(test_a_used_one_is_as_new),
      cmocka_unit_test(test_parameters),
      cmocka_unit_test(test_too_long_a_parameter),
      cmocka_unit_test(test_what_is_left_goes_with_the_runtime),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
