#include "deadline.h"

#include <stdlib.h>

static void place(covet_deadlines *heap, size_t index, covet_op *op)
{
  heap->ops[index] = op;
  op->heap_index = index;
}

static void sift_up(covet_deadlines *heap, size_t index, covet_op *op)
{
  while (index > 1 && heap->ops[index / 2]->deadline_us > op->deadline_us) {
    place(heap, index, heap->ops[index / 2]);
    index /= 2;
  }
  place(heap, index, op);
}

static void sift_down(covet_deadlines *heap, size_t index, covet_op *op)
{
  while (index * 2 <= heap->count) {
    size_t child = index * 2;

    if (child < heap->count &&
        heap->ops[child + 1]->deadline_us < heap->ops[child]->deadline_us) {
      child++;
    }
    if (heap->ops[child]->deadline_us >= op->deadline_us) {
      break;
    }
    place(heap, index, heap->ops[child]);
    index = child;
  }
  place(heap, index, op);
}

int covet_deadlines_add(covet_deadlines *heap, covet_op *op)
{
  if (heap->count + 1 >= heap->capacity) {
    size_t capacity = heap->capacity == 0 ? 64 : heap->capacity * 2;
    covet_op **ops = realloc(heap->ops, sizeof(covet_op *) * capacity);

    if (ops == NULL) {
      return COVET_ENOMEM;
    }
    heap->ops = ops;
    heap->capacity = capacity;
  }
  sift_up(heap, ++heap->count, op);
  return 0;
}

void covet_deadlines_remove(covet_deadlines *heap, covet_op *op)
{
  size_t index = op->heap_index;
  covet_op *last;

  if (index == 0) {
    return;
  }
  op->heap_index = 0;
  last = heap->ops[heap->count--];
  if (last == op) {
    return;
  }
  if (index > 1 && heap->ops[index / 2]->deadline_us > last->deadline_us) {
    sift_up(heap, index, last);
  } else {
    sift_down(heap, index, last);
  }
}

covet_op *covet_deadlines_first(const covet_deadlines *heap)
{
  return heap->count == 0 ? NULL : heap->ops[1];
}

void covet_deadlines_deinit(covet_deadlines *heap)
{
  free(heap->ops);
  heap->ops = NULL;
}
