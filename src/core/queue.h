/** An intrusive, doubly linked queue. A node is in at most one queue. */
#ifndef COVET_QUEUE_H
#define COVET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct covet_node {
  struct covet_node *next;
  struct covet_node *prev;
} covet_node;

typedef struct covet_queue {
  covet_node head;
  size_t count;
} covet_queue;

/** The struct of type `type` whose member `member` is `node`. */
#define COVET_CONTAINER(node, type, member)                                    \
  ((type *) (void *) ((char *) (node) -offsetof(type, member)))

static inline void queue_init(covet_queue *queue)
{
  queue->head.next = &queue->head;
  queue->head.prev = &queue->head;
  queue->count = 0;
}

static inline bool queue_empty(const covet_queue *queue)
{
  return queue->count == 0;
}

/** Whether a node is in a queue; it must have been zeroed before its first. */
static inline bool node_queued(const covet_node *node)
{
  return node->next != NULL;
}

static inline void queue_link(covet_queue *queue, covet_node *after,
                              covet_node *node)
{
  node->prev = after;
  node->next = after->next;
  after->next->prev = node;
  after->next = node;
  queue->count++;
}

static inline void queue_push(covet_queue *queue, covet_node *node)
{
  queue_link(queue, queue->head.prev, node);
}

static inline void queue_push_front(covet_queue *queue, covet_node *node)
{
  queue_link(queue, &queue->head, node);
}

static inline void queue_remove(covet_queue *queue, covet_node *node)
{
  /* the analyzer cannot know that a queued node has neighbours */
  node->prev->next = node->next; /* NOLINT(clang-analyzer-core.*) */
  node->next->prev = node->prev;
  node->next = NULL;
  node->prev = NULL;
  queue->count--;
}

/** The first node, NULL when the queue is empty. */
static inline covet_node *queue_first(const covet_queue *queue)
{
  /* the analyzer does not see that a list moves on before a node is freed
     NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
  return queue->count == 0 ? NULL : queue->head.next;
}

/** The node after `node`, NULL at the end. */
static inline covet_node *queue_after(const covet_queue *queue,
                                      const covet_node *node)
{
  return node->next == &queue->head ? NULL : node->next;
}

static inline covet_node *queue_pop(covet_queue *queue)
{
  covet_node *node = queue_first(queue);

  if (node != NULL) {
    queue_remove(queue, node);
  }
  return node;
}

/** The last node (the one pushed most recently), NULL when there is none. */
static inline covet_node *queue_pop_last(covet_queue *queue)
{
  covet_node *node = queue->count == 0 ? NULL : queue->head.prev;

  if (node != NULL) {
    queue_remove(queue, node);
  }
  return node;
}

/** Move everything from `source` to the end of `target`. */
static inline void queue_move(covet_queue *target, covet_queue *source)
{
  if (source->count == 0) {
    return;
  }
  source->head.next->prev = target->head.prev;
  source->head.prev->next = &target->head;
  target->head.prev->next = source->head.next;
  target->head.prev = source->head.prev;
  target->count += source->count;
  queue_init(source);
}

#endif
