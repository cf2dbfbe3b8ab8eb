/**
 * An intrusive heap, the least key first: it never allocates, so that adding
 * cannot fail. (A pairing heap: adding is constant, removing logarithmic.)
 */
#ifndef COVET_CORE_HEAP_H
#define COVET_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zeroed before its first use; in at most one heap. */
typedef struct covet_heap_node {
  uint64_t key;
  struct covet_heap_node *child; /* the first one */
  struct covet_heap_node *next;  /* sibling */
  struct covet_heap_node *prev;  /* sibling, or the parent of a first child */
  bool queued;
} covet_heap_node;

typedef struct covet_heap {
  covet_heap_node *first; /* the least, NULL when it is empty */
} covet_heap;

void covet_heap_add(covet_heap *heap, covet_heap_node *node, uint64_t key);

/** Remove a node; one that is not in the heap is left alone. */
void covet_heap_remove(covet_heap *heap, covet_heap_node *node);

#endif
