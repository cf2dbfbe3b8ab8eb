#include "heap.h"

/* Of two trees one; the other becomes the first child of its root. */
static covet_heap_node *meld(covet_heap_node *a, covet_heap_node *b)
{
  if (a == NULL || b == NULL) {
    return a == NULL ? b : a;
  }
  if (b->key < a->key) {
    covet_heap_node *other = a;

    a = b;
    b = other;
  }
  b->prev = a;
  b->next = a->child;
  if (a->child != NULL) {
    a->child->prev = b;
  }
  a->child = b;
  a->next = NULL;
  a->prev = NULL;
  return a;
}

/* Siblings into one tree: by pairs from the first on, then the pairs from the
 * last on. The pairs are linked backwards by `prev` in between. */
static covet_heap_node *meld_siblings(covet_heap_node *node)
{
  covet_heap_node *pairs = NULL;
  covet_heap_node *root = NULL;

  while (node != NULL) {
    covet_heap_node *second = node->next;
    covet_heap_node *rest = second == NULL ? NULL : second->next;

    node->next = NULL;
    node->prev = NULL;
    if (second != NULL) {
      second->next = NULL;
      second->prev = NULL;
    }
    node = meld(node, second);
    node->prev = pairs;
    pairs = node;
    node = rest;
  }
  while (pairs != NULL) {
    covet_heap_node *before = pairs->prev;

    pairs->prev = NULL;
    root = meld(root, pairs);
    pairs = before;
  }
  return root;
}

void covet_heap_add(covet_heap *heap, covet_heap_node *node, uint64_t key)
{
  node->key = key;
  node->child = NULL;
  node->next = NULL;
  node->prev = NULL;
  node->queued = true;
  heap->first = meld(heap->first, node);
}

/* Out of the list of its siblings. */
static void cut(covet_heap_node *node)
{
  if (node->prev->child == node) {
    node->prev->child = node->next;
  } else {
    node->prev->next = node->next;
  }
  if (node->next != NULL) {
    node->next->prev = node->prev;
  }
}

void covet_heap_remove(covet_heap *heap, covet_heap_node *node)
{
  covet_heap_node *children;

  if (!node->queued) {
    return;
  }
  children = meld_siblings(node->child);
  if (heap->first == node) {
    heap->first = children;
  } else {
    cut(node);
    heap->first = meld(heap->first, children);
  }
  node->child = NULL;
  node->next = NULL;
  node->prev = NULL;
  node->queued = false;
}
