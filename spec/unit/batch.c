/* Batches, and the shapes that they share. */
#include "batch.h"

#include "support/support.h"

#include <stdio.h>
#include <string.h>

enum { THREADS = 4, SHAPES = 40, TURNS = 400 };

static covet_column column(const char *name, const char *type)
{
  covet_column made = {.name = name, .type = type};

  made.name_length = (uint32_t) strlen(name);
  made.type_length = (uint32_t) strlen(type);
  return made;
}

static void test_equal_columns_are_one_shape(void **state)
{
  covet_shape_table table;
  char name[] = "id";
  covet_column columns[2] = {column(name, "INTEGER"), column("t", "")};
  const covet_shape *first;
  const covet_shape *again;

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  first = covet_shape_intern(&table, columns, 2);
  assert_non_null(first);
  name[0] = 'x'; /* the shape has its own copy */
  assert_string_equal(first->columns[0].name, "id");
  assert_string_equal(first->columns[0].type, "INTEGER");
  name[0] = 'i';
  again = covet_shape_intern(&table, columns, 2);
  assert_ptr_equal(first, again);
  covet_shape_release(first);
  covet_shape_release(again);
  assert_int_equal(table.count, 0);
  covet_shape_table_deinit(&table);
}

static void test_any_difference_is_another_shape(void **state)
{
  covet_shape_table table;
  covet_column base = column("ab", "c");
  covet_column others[6];
  const covet_shape *shapes[6];

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  for (int i = 0; i < 6; i++) {
    others[i] = base;
  }
  others[1] = column("a", "bc");
  others[2] = column("ab", "");
  others[3].kind = COVET_DATE;
  others[4].type_id = 23;
  others[5] = column("AB", "c");
  for (int i = 0; i < 6; i++) {
    shapes[i] = covet_shape_intern(&table, &others[i], 1);
    for (int j = 0; j < i; j++) {
      assert_ptr_not_equal(shapes[i], shapes[j]);
      assert_int_not_equal(shapes[i]->id, shapes[j]->id);
    }
  }
  for (int i = 0; i < 6; i++) {
    covet_shape_release(shapes[i]);
  }
  covet_shape_release(NULL);
  covet_shape_table_deinit(&table);
}

static void test_ids_are_never_used_again(void **state)
{
  covet_shape_table table;
  uint32_t last = 0;
  char name[16];

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  for (int i = 0; i < 300; i++) { /* every other one for the second time */
    covet_column made;
    const covet_shape *shape;

    (void) snprintf(name, sizeof(name), "c%d", i / 2);
    made = column(name, "");
    shape = covet_shape_intern(&table, &made, 1);
    assert_true(shape->id > last);
    last = shape->id;
    covet_shape_release(shape);
  }
  assert_int_equal(table.count, 0);
  covet_shape_table_deinit(&table);
}

typedef struct racer {
  covet_shape_table *table;
  uv_thread_t thread;
  unsigned seed;
  int wrong;
} racer;

static void race(void *argument)
{
  racer *r = argument;

  for (int turn = 0; turn < TURNS; turn++) {
    char name[16];
    covet_column made;
    const covet_shape *shape;
    covet_batch *batch;

    r->seed = r->seed * 1664525U + 1013904223U;
    (void) snprintf(name, sizeof(name), "c%u", (r->seed >> 8) % SHAPES);
    made = column(name, "T");
    shape = covet_shape_intern(r->table, &made, 1);
    batch = shape == NULL ? NULL : covet_batch_new(shape, 2);
    covet_shape_release(shape);
    r->wrong +=
        batch == NULL || strcmp(batch->shape->columns[0].name, name) != 0;
    covet_batch_free(batch);
  }
}

static void test_from_several_threads(void **state)
{
  covet_shape_table table;
  racer racers[THREADS];

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  for (unsigned i = 0; i < THREADS; i++) {
    racers[i] = (racer){.table = &table, .seed = i};
    assert_int_equal(uv_thread_create(&racers[i].thread, race, &racers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    uv_thread_join(&racers[i].thread);
    assert_int_equal(racers[i].wrong, 0);
  }
  assert_int_equal(table.count, 0);
  covet_shape_table_deinit(&table);
}

static void test_rows_grow_and_keep_their_bytes(void **state)
{
  covet_shape_table table;
  covet_column columns[2] = {column("a", ""), column("b", "")};
  const covet_shape *shape;
  covet_batch *batch;

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  shape = covet_shape_intern(&table, columns, 2);
  batch = covet_batch_new(shape, 1);
  covet_shape_release(shape);
  for (int i = 0; i < 3000; i++) {
    covet_cell *row = covet_batch_add_row(batch);
    char text[16];

    (void) snprintf(text, sizeof(text), "%d", i);
    row[0].integer = i;
    row[1].bytes = covet_batch_copy(batch, text, strlen(text) + 1);
    assert_non_null(row[1].bytes);
  }
  assert_int_equal(batch->row_count, 3000);
  for (int i = 0; i < 3000; i++) {
    char text[16];

    (void) snprintf(text, sizeof(text), "%d", i);
    assert_int_equal(batch->cells[i * 2].integer, i);
    assert_string_equal(batch->cells[i * 2 + 1].bytes, text);
  }
  covet_batch_free_all(batch);
  covet_batch_free(NULL);
  covet_batch_free_all(NULL);
  covet_shape_table_deinit(&table);
}

/* One pointer, the batch's own, in which nothing stands at first. */
static void test_a_batch_has_a_memo(void **state)
{
  covet_shape_table table;
  covet_column one = column("n", "");
  const covet_shape *shape;
  covet_batch *batch;
  covet_batch *other;

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  shape = covet_shape_intern(&table, &one, 1);
  batch = covet_batch_new(shape, 1);
  other = covet_batch_new(shape, 1);
  assert_null(*covet_batch_memo(batch));
  *covet_batch_memo(batch) = covet_batch_alloc(batch, 8);
  assert_non_null(*covet_batch_memo(batch));
  assert_null(*covet_batch_memo(other));
  covet_batch_free(batch);
  covet_batch_free(other);
  covet_shape_release(shape);
  covet_shape_table_deinit(&table);
}

static void test_without_room_at_first(void **state)
{
  covet_shape_table table;
  covet_column made = column("a", "");
  const covet_shape *shape;
  covet_batch *batch;

  (void) state;
  assert_int_equal(covet_shape_table_init(&table), 0);
  shape = covet_shape_intern(&table, &made, 1);
  batch = covet_batch_new(shape, 0);
  covet_shape_release(shape);
  for (int i = 0; i < 100; i++) {
    covet_cell *row = covet_batch_add_row(batch);

    assert_non_null(row);
    row->integer = i;
  }
  assert_int_equal(batch->cells[99].integer, 99);
  covet_batch_free(batch);
  covet_shape_table_deinit(&table);
}

static void free_batch(void *batch)
{
  covet_batch_free(batch);
}

/* The rows of a query outlive the runtime, and go on another thread. */
static void test_batches_outlive_the_runtime(void **state)
{
  uv_thread_t thread;
  covet_op *op;
  covet_batch *batch = NULL;
  unit_slot slot = {.manual = 1};
  int more = 1;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  u.adapter = unit_adapter(&u, "sqlite::memory:");
  op = unit_op(&u, "SELECT 'kept' AS word, 7 AS n", COVET_QUERY_ROWS);
  unit_start(&slot, op);
  while (batch == NULL) {
    unit_wait_news(&u, &slot);
    batch = covet_op_take(op, &more);
  }
  covet_op_free(op);
  unit_deinit(&u);
  assert_int_equal(batch->row_count, 1);
  assert_string_equal(batch->shape->columns[0].name, "word");
  assert_memory_equal(batch->cells[0].bytes, "kept", 4);
  assert_int_equal(batch->cells[1].integer, 7);
  assert_int_equal(uv_thread_create(&thread, free_batch, batch), 0);
  uv_thread_join(&thread);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal_columns_are_one_shape),
      cmocka_unit_test(test_any_difference_is_another_shape),
      cmocka_unit_test(test_ids_are_never_used_again),
      cmocka_unit_test(test_from_several_threads),
      cmocka_unit_test(test_rows_grow_and_keep_their_bytes),
      cmocka_unit_test(test_a_batch_has_a_memo),
      cmocka_unit_test(test_without_room_at_first),
      cmocka_unit_test(test_batches_outlive_the_runtime),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
