/* Writes that share a commit: each has its own result, as if alone. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

enum { WRITES = 300, BAD = 123 };

static void init(unit *u, covet_mode mode, const char *options)
{
  unit_init(u, mode);
  unit_open(u, options);
  unit_script(u, "CREATE TABLE t (x INTEGER PRIMARY KEY, y UNIQUE ON CONFLICT "
                 "ROLLBACK); INSERT INTO t VALUES (100000, 'taken')");
}

static covet_op *insert(unit *u, const char *sql, int64_t value)
{
  covet_op *op = unit_op(u, sql, 0);

  assert_int_equal(covet_op_add_integer(op, value), 0);
  return op;
}

/* The same text some times: groups are made of statements that are known. */
static void make_known(unit *u, const char *sql)
{
  for (int i = 0; i < 5; i++) {
    unit_slot slot = unit_run(u, insert(u, sql, 200000 + i));

    unit_assert_ok(&slot);
  }
}

static void wait_all(unit *u, unit_slot *slots, int bad, covet_error_kind kind)
{
  for (int i = 0; i < WRITES; i++) {
    unit_wait(u, &slots[i]);
    unit_assert_kind(&slots[i], i == bad ? kind : COVET_ERROR_NONE);
    if (i != bad) {
      assert_int_equal(slots[i].result.affected_rows, 1);
      assert_true(slots[i].result.has_insert_id);
      assert_int_equal(slots[i].result.last_insert_id, i);
    }
  }
}

static void check_rows(unit *u, int bad)
{
  int64_t sum = (int64_t) WRITES * (WRITES - 1) / 2 - (bad < 0 ? 0 : bad);

  assert_int_equal(unit_integer(u, "SELECT count(*) FROM t WHERE x < 100000"),
                   WRITES - (bad >= 0));
  assert_int_equal(unit_integer(u, "SELECT sum(x) FROM t WHERE x < 100000"),
                   sum);
}

/* 300 at once, one of which is not like the others. */
static void run_group(covet_mode mode, const char *options, const char *odd,
                      int64_t odd_value, covet_error_kind kind)
{
  static unit_slot slots[WRITES];
  const char *sql = "INSERT INTO t (x) VALUES (?)";
  unit u;

  init(&u, mode, options);
  make_known(&u, sql);
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < WRITES; i++) {
    unit_start(&slots[i], i == BAD && odd != NULL ? insert(&u, odd, odd_value)
                                                  : insert(&u, sql, i));
  }
  wait_all(&u, slots, odd == NULL ? -1 : BAD, kind);
  check_rows(&u, odd == NULL ? -1 : BAD);
  unit_deinit(&u);
}

static const char *const group = "group_commit=true";
static const char *const group_full = "group_commit=true&synchronous=full";

static void test_all_go_well(void **state)
{
  (void) state;
  run_group(COVET_CALLER_LOOP, group, NULL, 0, COVET_ERROR_NONE);
  run_group(COVET_CALLER_LOOP, group_full, NULL, 0, COVET_ERROR_NONE);
  run_group(COVET_OWN_THREAD, group_full, NULL, 0, COVET_ERROR_NONE);
}

static void test_one_fails(void **state)
{
  (void) state;
  run_group(COVET_CALLER_LOOP, group, "INSERT INTO t (x) VALUES (?)", 100000,
            COVET_ERROR_UNIQUE_VIOLATION);
  run_group(COVET_CALLER_LOOP, group_full, "INSERT INTO t (x) VALUES (?)",
            100000, COVET_ERROR_UNIQUE_VIOLATION);
  run_group(COVET_OWN_THREAD, group_full, "INSERT INTO t (x) VALUES (?)",
            100000, COVET_ERROR_UNIQUE_VIOLATION);
}

static void test_one_fails_to_prepare(void **state)
{
  (void) state;
  run_group(COVET_CALLER_LOOP, group_full, "INSERT INTO none VALUES (?)", 1,
            COVET_ERROR_UNDEFINED_TABLE);
}

/* One that rolls the whole transaction back takes nobody with it. */
static void roll_back(const char *options)
{
  static unit_slot slots[WRITES];
  const char *sql = "INSERT INTO t (x, y) VALUES (?, ?)";
  unit u;

  init(&u, COVET_CALLER_LOOP, options);
  for (int round = -5; round < WRITES; round++) {
    covet_op *op = insert(&u, sql, round < 0 ? 200000 - round : round);
    char text[16];

    (void) snprintf(text, sizeof(text), "y%d", round);
    assert_int_equal(covet_op_add_text(op, round == BAD ? "taken" : text,
                                       round == BAD ? 5 : strlen(text)),
                     0);
    if (round < 0) {
      slots[0] = unit_run(&u, op);
      unit_assert_ok(&slots[0]);
      memset(slots, 0, sizeof(slots));
    } else {
      unit_start(&slots[round], op);
    }
  }
  wait_all(&u, slots, BAD, COVET_ERROR_UNIQUE_VIOLATION);
  check_rows(&u, BAD);
  unit_deinit(&u);
}

static void test_one_rolls_back(void **state)
{
  (void) state;
  roll_back(group);
  roll_back(group_full);
  roll_back("");
}

/* What is told is there: another connection sees each as soon as it is told. */
static void test_told_means_done(void **state)
{
  const char *sql = "INSERT INTO t (x) VALUES (?)";
  unit_slot slots[50];
  unit u;

  (void) state;
  init(&u, COVET_CALLER_LOOP, group_full);
  make_known(&u, sql);
  memset(slots, 0, sizeof(slots));
  for (int i = 0; i < 50; i++) {
    unit_start(&slots[i], insert(&u, sql, i));
  }
  unit_wait(&u, &slots[0]);
  for (int i = 0; i < 50; i++) {
    int told = 0;

    for (int j = 0; j < 50; j++) {
      told += slots[j].done;
    }
    assert_true(unit_integer(&u, "SELECT count(*) FROM t WHERE x < 100000") >=
                told);
  }
  for (int i = 0; i < 50; i++) {
    unit_wait(&u, &slots[i]);
    unit_assert_ok(&slots[i]);
  }
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_all_go_well),
      cmocka_unit_test(test_one_fails),
      cmocka_unit_test(test_one_fails_to_prepare),
      cmocka_unit_test(test_one_rolls_back),
      cmocka_unit_test(test_told_means_done),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
