#include "queue.h"

#include "support/support.h"

typedef struct item {
  int number;
  covet_node node;
} item;

static int number_of(covet_node *node)
{
  return node == NULL ? -1 : COVET_CONTAINER(node, item, node)->number;
}

static void fill(covet_queue *queue, item *items, int count)
{
  queue_init(queue);
  for (int i = 0; i < count; i++) {
    items[i] = (item){.number = i};
    assert_false(node_queued(&items[i].node));
    queue_push(queue, &items[i].node);
    assert_true(node_queued(&items[i].node));
  }
}

/* The queue holds just these numbers, forwards and backwards. */
static void check(const covet_queue *queue, const int *numbers, size_t count)
{
  covet_node *node = queue_first(queue);
  const covet_node *back = &queue->head;

  assert_int_equal(queue->count, count);
  assert_int_equal(queue_empty(queue), count == 0);
  for (size_t i = 0; i < count; i++) {
    assert_non_null(node);
    assert_int_equal(number_of(node), numbers[i]);
    back = back->prev;
    assert_int_equal(number_of((covet_node *) (uintptr_t) back),
                     numbers[count - 1 - i]);
    node = queue_after(queue, node);
  }
  assert_null(node);
}

static void test_first_in_first_out(void **state)
{
  covet_queue queue;
  item items[5];

  (void) state;
  fill(&queue, items, 5);
  check(&queue, (int[]){0, 1, 2, 3, 4}, 5);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(number_of(queue_pop(&queue)), i);
    assert_false(node_queued(&items[i].node));
  }
  assert_null(queue_pop(&queue));
  assert_null(queue_pop_last(&queue));
  assert_null(queue_first(&queue));
  check(&queue, NULL, 0);
}

static void test_both_ends(void **state)
{
  covet_queue queue;
  item items[4];
  item front = {.number = 9};

  (void) state;
  fill(&queue, items, 4);
  queue_push_front(&queue, &front.node);
  check(&queue, (int[]){9, 0, 1, 2, 3}, 5);
  assert_int_equal(number_of(queue_pop_last(&queue)), 3);
  assert_int_equal(number_of(queue_pop(&queue)), 9);
  check(&queue, (int[]){0, 1, 2}, 3);
}

static void test_remove_anywhere(void **state)
{
  covet_queue queue;
  item items[4];

  (void) state;
  fill(&queue, items, 4);
  queue_remove(&queue, &items[1].node);
  check(&queue, (int[]){0, 2, 3}, 3);
  queue_remove(&queue, &items[0].node);
  queue_remove(&queue, &items[3].node);
  check(&queue, (int[]){2}, 1);
  queue_remove(&queue, &items[2].node);
  check(&queue, NULL, 0);
  queue_push(&queue, &items[1].node);
  check(&queue, (int[]){1}, 1);
}

static void test_move(void **state)
{
  covet_queue target;
  covet_queue source;
  item items[3];
  item more[2];

  (void) state;
  fill(&target, items, 3);
  fill(&source, more, 2);
  queue_move(&target, &source);
  check(&target, (int[]){0, 1, 2, 0, 1}, 5);
  check(&source, NULL, 0);
  queue_move(&target, &source); /* of nothing */
  check(&target, (int[]){0, 1, 2, 0, 1}, 5);
  queue_move(&source, &target); /* into nothing */
  check(&source, (int[]){0, 1, 2, 0, 1}, 5);
  check(&target, NULL, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_first_in_first_out),
      cmocka_unit_test(test_both_ends),
      cmocka_unit_test(test_remove_anywhere),
      cmocka_unit_test(test_move),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
