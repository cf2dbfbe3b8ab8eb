#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* The public part comes first: one pointer serves both. */
typedef struct owned_batch {
  covet_batch base;
  uint32_t capacity;
  size_t bytes;
  covet_arena arena;
} owned_batch;

static owned_batch *owned(covet_batch *batch)
{
  return (owned_batch *) (void *) batch;
}

covet_batch *covet_batch_new(const covet_shape *shape, uint32_t capacity)
{
  owned_batch *batch = calloc(1, sizeof(*batch));

  if (batch == NULL) {
    return NULL;
  }
  batch->base.cells =
      malloc(sizeof(covet_cell) * capacity * (shape->column_count + 1U));
  if (batch->base.cells == NULL) {
    free(batch);
    return NULL;
  }
  batch->capacity = capacity;
  batch->base.shape = covet_shape_retain(shape);
  return &batch->base;
}

covet_cell *covet_batch_add_row(covet_batch *batch)
{
  owned_batch *own = owned(batch);
  size_t width = batch->shape->column_count;

  if (batch->row_count == own->capacity) {
    uint32_t capacity = own->capacity * 2;
    covet_cell *cells =
        realloc(batch->cells, sizeof(covet_cell) * capacity * (width + 1));

    if (cells == NULL) {
      return NULL;
    }
    batch->cells = cells;
    own->capacity = capacity;
  }
  return batch->cells + width * batch->row_count++;
}

const char *covet_batch_copy(covet_batch *batch, const void *bytes,
                             size_t length)
{
  owned_batch *own = owned(batch);
  char *copy = covet_arena_bytes(&own->arena, length);

  if (copy != NULL && length > 0) {
    memcpy(copy, bytes, length);
    own->bytes += length;
  }
  return copy;
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
  free(batch->cells);
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
