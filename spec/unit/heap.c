/* The intrusive heap against the plainest thing that does the same. */
#include "core/heap.h"

#include "support/support.h"

#include <stdlib.h>

enum { NODES = 400, ROUNDS = 20000 };

/* A generator of our own: the same numbers everywhere. */
static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525U + 1013904223U;
  return *seed >> 8;
}

static uint64_t least(const covet_heap_node *nodes)
{
  uint64_t key = UINT64_MAX;

  for (int i = 0; i < NODES; i++) {
    if (nodes[i].queued && nodes[i].key < key) {
      key = nodes[i].key;
    }
  }
  return key;
}

/* Count a tree; no key in it is below that of its parent. */
static size_t count_tree(const covet_heap_node *node, uint64_t parent)
{
  size_t count = 0;

  for (; node != NULL; node = node->next) {
    assert_true(node->queued);
    assert_true(node->key >= parent);
    count += 1 + count_tree(node->child, node->key);
  }
  return count;
}

static void test_random_against_search(void **state)
{
  covet_heap heap = {0};
  covet_heap_node *nodes = calloc(NODES, sizeof(*nodes));
  uint32_t seed = 20240607;
  size_t inside = 0;

  (void) state;
  assert_non_null(nodes);
  for (int round = 0; round < ROUNDS; round++) {
    covet_heap_node *node = &nodes[next_random(&seed) % NODES];

    if (node->queued) {
      covet_heap_remove(&heap, node);
      inside--;
    } else {
      covet_heap_add(&heap, node, next_random(&seed) % 1000); /* equal ones */
      inside++;
    }
    assert_int_equal(heap.first == NULL ? UINT64_MAX : heap.first->key,
                     least(nodes));
    if (round % 500 == 0) {
      assert_int_equal(count_tree(heap.first, 0), inside);
    }
  }
  free(nodes);
}

static int by_value(const void *a, const void *b)
{
  const uint64_t *x = a;
  const uint64_t *y = b;

  return (*x > *y) - (*x < *y);
}

static void test_comes_out_sorted(void **state)
{
  covet_heap heap = {0};
  covet_heap_node *nodes = calloc(NODES, sizeof(*nodes));
  uint64_t sorted[NODES];
  uint32_t seed = 7;

  (void) state;
  assert_non_null(nodes);
  for (int i = 0; i < NODES; i++) {
    sorted[i] = (uint64_t) next_random(&seed) << (i % 2 ? 30 : 0);
    covet_heap_add(&heap, &nodes[i], sorted[i]);
  }
  qsort(sorted, NODES, sizeof(sorted[0]), by_value);
  for (int i = 0; i < NODES; i++) {
    covet_heap_node *first = heap.first;

    assert_non_null(first);
    assert_int_equal(first->key, sorted[i]);
    covet_heap_remove(&heap, first);
    covet_heap_remove(&heap, first); /* one that is not there */
  }
  assert_null(heap.first);
  free(nodes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_against_search),
      cmocka_unit_test(test_comes_out_sorted),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
