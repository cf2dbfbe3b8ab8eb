/* The heap of deadlines against the plainest thing that does the same. */
#include "deadline.h"

#include "support/support.h"

#include <stdlib.h>
#include <string.h>

enum { OPS = 400, ROUNDS = 20000 };

/* A generator of our own: the same numbers everywhere. */
static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525U + 1013904223U;
  return *seed >> 8;
}

static uint64_t earliest(covet_op *ops, const int *inside)
{
  uint64_t least = UINT64_MAX;

  for (int i = 0; i < OPS; i++) {
    if (inside[i] && ops[i].deadline_us < least) {
      least = ops[i].deadline_us;
    }
  }
  return least;
}

static void check(const covet_deadlines *heap, covet_op *ops, const int *inside)
{
  size_t count = 0;

  for (int i = 0; i < OPS; i++) {
    count += (size_t) inside[i];
    assert_int_equal(ops[i].heap_index != 0, inside[i]);
    if (inside[i]) {
      assert_ptr_equal(heap->ops[ops[i].heap_index], &ops[i]);
    }
  }
  assert_int_equal(heap->count, count);
}

static void test_random_against_search(void **state)
{
  covet_deadlines heap = {0};
  covet_op *ops = calloc(OPS, sizeof(*ops));
  int inside[OPS] = {0};
  uint32_t seed = 20240607;

  (void) state;
  assert_non_null(ops);
  for (int round = 0; round < ROUNDS; round++) {
    uint32_t index = next_random(&seed) % OPS;
    covet_op *first;

    if (inside[index]) {
      covet_deadlines_remove(&heap, &ops[index]);
    } else {
      ops[index].deadline_us = next_random(&seed) % 1000; /* many equal ones */
      assert_int_equal(covet_deadlines_add(&heap, &ops[index]), 0);
    }
    inside[index] = !inside[index];
    first = covet_deadlines_first(&heap);
    assert_int_equal(first == NULL ? UINT64_MAX : first->deadline_us,
                     earliest(ops, inside));
    if (round % 500 == 0) {
      check(&heap, ops, inside);
    }
  }
  check(&heap, ops, inside);
  covet_deadlines_deinit(&heap);
  free(ops);
}

static int by_value(const void *a, const void *b)
{
  const uint64_t *x = a;
  const uint64_t *y = b;

  return (*x > *y) - (*x < *y);
}

static void test_comes_out_sorted(void **state)
{
  covet_deadlines heap = {0};
  covet_op *ops = calloc(OPS, sizeof(*ops));
  uint64_t sorted[OPS];
  uint32_t seed = 7;

  (void) state;
  assert_non_null(ops);
  for (int i = 0; i < OPS; i++) {
    sorted[i] = ops[i].deadline_us = (uint64_t) next_random(&seed)
                                     << (i % 2 ? 30 : 0);
    assert_int_equal(covet_deadlines_add(&heap, &ops[i]), 0);
  }
  qsort(sorted, OPS, sizeof(sorted[0]), by_value);
  for (int i = 0; i < OPS; i++) {
    covet_op *first = covet_deadlines_first(&heap);

    assert_non_null(first);
    assert_int_equal(first->deadline_us, sorted[i]);
    covet_deadlines_remove(&heap, first);
    covet_deadlines_remove(&heap, first); /* one that is not there */
  }
  assert_null(covet_deadlines_first(&heap));
  covet_deadlines_deinit(&heap);
  free(ops);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_against_search),
      cmocka_unit_test(test_comes_out_sorted),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
