/** Deadlines of operations: a heap, the earliest first. */
#ifndef COVET_CORE_DEADLINE_H
#define COVET_CORE_DEADLINE_H

#include "op.h"

typedef struct covet_deadlines {
  covet_op **ops; /* from 1 on */
  size_t count;
  size_t capacity;
} covet_deadlines;

/** Add an operation by its deadline_us. Returns 0 or COVET_ENOMEM. */
int covet_deadlines_add(covet_deadlines *heap, covet_op *op);

/** Remove an operation; one that is not in the heap is left alone. */
void covet_deadlines_remove(covet_deadlines *heap, covet_op *op);

/** The operation with the earliest deadline, or NULL. */
covet_op *covet_deadlines_first(const covet_deadlines *heap);

void covet_deadlines_deinit(covet_deadlines *heap);

#endif
