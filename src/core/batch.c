#include "batch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { INLINE_BYTES = 256 }; /* for the texts of a batch of few rows */

/* One allocation holds the batch, its first cells and, of a small batch, its
 * texts; only what does not fit is allocated beside it. */
typedef struct owned_batch {
  covet_batch base; /* first: one pointer serves both */
  uint32_t capacity;
  bool cells_apart; /* they have outgrown their first place */
  size_t bytes;
  void *memo;
  char *text; /* free room behind the cells */
  char *text_end;
  covet_arena arena;
  covet_cell cells[];
} owned_batch;

static owned_batch *owned(covet_batch *batch)
{
  return (owned_batch *) (void *) batch;
}

covet_batch *covet_batch_new(const covet_shape *shape, uint32_t capacity)
{
  size_t cells = (size_t) capacity * shape->column_count;
  size_t size = sizeof(owned_batch) + sizeof(covet_cell) * cells + INLINE_BYTES;
  owned_batch *batch = malloc(size);

  if (batch == NULL) {
    return NULL;
  }
  memset(batch, 0, sizeof(*batch));
  batch->capacity = capacity;
  batch->base.cells = batch->cells;
  batch->base.shape = covet_shape_retain(shape);
  batch->text = (char *) (batch->cells + cells);
  batch->text_end = (char *) batch + size;
  return &batch->base;
}

static bool grow(owned_batch *own)
{
  size_t size = sizeof(covet_cell) * own->base.shape->column_count;
  uint32_t capacity = own->capacity < 8 ? 16 : own->capacity * 2;
  covet_cell *cells = own->cells_apart
                          ? realloc(own->base.cells, size * capacity)
                          : malloc(size * capacity);

  if (cells == NULL) {
    return false;
  }
  if (!own->cells_apart) {
    memcpy(cells, own->cells, size * own->capacity);
    own->cells_apart = true;
  }
  own->base.cells = cells;
  own->capacity = capacity;
  return true;
}

covet_cell *covet_batch_add_row(covet_batch *batch)
{
  owned_batch *own = owned(batch);

  if (batch->row_count == own->capacity && !grow(own)) {
    return NULL;
  }
  return batch->cells +
         (size_t) batch->shape->column_count * batch->row_count++;
}

const char *covet_batch_copy(covet_batch *batch, const void *bytes,
                             size_t length)
{
  owned_batch *own = owned(batch);
  char *copy = own->text;

  if ((size_t) (own->text_end - own->text) >= length) {
    own->text += length;
  } else {
    copy = covet_arena_bytes(&own->arena, length);
  }
  if (copy != NULL && length > 0) {
    memcpy(copy, bytes, length);
    own->bytes += length;
  }
  return copy;
}

void *covet_batch_alloc(covet_batch *batch, size_t size)
{
  owned_batch *own = owned(batch);
  void *memory = covet_arena_alloc(&own->arena, size);

  if (memory != NULL) {
    own->bytes += size;
  }
  return memory;
}

void **covet_batch_memo(covet_batch *batch)
{
  return &owned(batch)->memo;
}

size_t covet_batch_bytes(const covet_batch *batch)
{
  return ((const owned_batch *) (const void *) batch)->bytes;
}

void covet_batch_free(covet_batch *batch)
{
  if (batch == NULL) {
    return;
  }
  covet_arena_deinit(&owned(batch)->arena);
  covet_shape_release(batch->shape);
  if (owned(batch)->cells_apart) {
    free(batch->cells);
  }
  free(batch);
}

void covet_batch_free_all(covet_batch *batch)
{
  while (batch != NULL) {
    covet_batch *next = batch->next;

    covet_batch_free(batch);
    batch = next;
  }
}
