/* The WAL stays bounded however much is written. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
  INSERTS = 50000,
  AT_ONCE = 100,
  LARGE = 100000,             /* bytes of a large row */
  WAL_MOST = 48 * 1024 * 1024 /* without checkpoints: 200 MB */
};

static off_t wal_size(const unit *u)
{
  char path[200];
  struct stat info;

  (void) snprintf(path, sizeof(path), "%s-wal", u->path);
  return stat(path, &info) == 0 ? info.st_size : 0;
}

static covet_op *insert(unit *u)
{
  static const char text[400] = {'x'};
  covet_op *op = unit_op(u, "INSERT INTO t VALUES (?)", 0);

  assert_int_equal(covet_op_add_borrowed(op, COVET_BLOB, text, sizeof(text)),
                   0);
  return op;
}

static void finish(unit *u)
{
  assert_true(wal_size(u) <= WAL_MOST);
  assert_int_equal(unit_integer(u, "SELECT count(*) FROM t"), INSERTS);
  unit_deinit(u);
}

static void init(unit *u, covet_mode mode, const char *options)
{
  unit_init(u, mode);
  unit_open(u, options);
  unit_script(u, "CREATE TABLE t (x)");
}

/* One after the other: most run on the loop's thread. */
static void test_one_by_one(void **state)
{
  unit u;

  (void) state;
  init(&u, COVET_CALLER_LOOP, "");
  for (int i = 0; i < INSERTS; i++) {
    unit_slot slot = unit_run(&u, insert(&u));

    unit_assert_ok(&slot);
    if (i % 1000 == 0) {
      assert_true(wal_size(&u) <= WAL_MOST);
    }
  }
  finish(&u);
}

static void run_many(covet_mode mode, const char *options)
{
  static unit_slot slots[AT_ONCE];
  unit u;

  init(&u, mode, options);
  for (int round = 0; round < INSERTS / AT_ONCE; round++) {
    memset(slots, 0, sizeof(slots));
    for (int i = 0; i < AT_ONCE; i++) {
      unit_start(&slots[i], insert(&u));
    }
    for (int i = 0; i < AT_ONCE; i++) {
      unit_wait(&u, &slots[i]);
      unit_assert_ok(&slots[i]);
    }
    if (round % 10 == 0) {
      assert_true(wal_size(&u) <= WAL_MOST);
    }
  }
  finish(&u);
}

static void test_many_at_once(void **state)
{
  (void) state;
  run_many(COVET_CALLER_LOOP, "");
}

static void test_many_at_once_on_an_own_thread(void **state)
{
  (void) state;
  run_many(COVET_OWN_THREAD, "");
}

static void test_grouped(void **state)
{
  (void) state;
  run_many(COVET_CALLER_LOOP, "group_commit=true");
}

/* Large rows as fast as they can be written: faster than a checkpoint beside the
 * writer copies them. */
static void test_at_full_pace(void **state)
{
  unit u;

  (void) state;
  init(&u, COVET_CALLER_LOOP, "");
  for (int i = 0; i < 500; i++) {
    covet_op *op =
        unit_op(&u, "INSERT INTO t VALUES (zeroblob(?))", COVET_QUERY_MANY);
    unit_slot slot;

    covet_op_set_width(op, 1);
    for (int row = 0; row < 4; row++) {
      assert_int_equal(covet_op_add_integer(op, LARGE), 0);
    }
    slot = unit_run(&u, op);
    unit_assert_ok(&slot);
    assert_true(wal_size(&u) <= WAL_MOST);
  }
  assert_int_equal(unit_integer(&u, "SELECT sum(length(x)) FROM t"),
                   (int64_t) 2000 * LARGE);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_by_one),
      cmocka_unit_test(test_many_at_once),
      cmocka_unit_test(test_many_at_once_on_an_own_thread),
      cmocka_unit_test(test_grouped),
      cmocka_unit_test(test_at_full_pace),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
