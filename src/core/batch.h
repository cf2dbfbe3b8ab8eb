/** Making batches and shapes; reading them needs covet.h only. */
#ifndef COVET_CORE_BATCH_H
#define COVET_CORE_BATCH_H

#include "../covet.h"
#include "arena.h"

#include <uv.h>

/** A shape with its owner count. `covet_shape` comes first. */
typedef struct covet_shape_entry covet_shape_entry;

/** All shapes of a runtime, interned. Safe from any thread. */
typedef struct covet_shape_table {
  uv_mutex_t lock;
  covet_shape_entry **buckets;
  size_t bucket_count;
  size_t count;
  uint32_t last_id;
} covet_shape_table;

int covet_shape_table_init(covet_shape_table *table);
void covet_shape_table_deinit(covet_shape_table *table);

/**
 * The shape of these columns, with one owner more. What `columns` points to is
 * copied when the shape is new. NULL when memory is out.
 */
const covet_shape *covet_shape_intern(covet_shape_table *table,
                                      const covet_column *columns,
                                      uint32_t count);

const covet_shape *covet_shape_retain(const covet_shape *shape);

/** One owner less; the last one frees it. NULL is allowed. */
void covet_shape_release(const covet_shape *shape);

/** An empty batch of this shape with room for `capacity` rows, or NULL. */
covet_batch *covet_batch_new(const covet_shape *shape, uint32_t capacity);

/** The cells of the next row, or NULL when memory is out. They are not set. */
covet_cell *covet_batch_add_row(covet_batch *batch);

/** A copy of these bytes that lives as long as the batch, or NULL. */
const char *covet_batch_copy(covet_batch *batch, const void *bytes,
                             size_t length);

/** `size` bytes, aligned for any type, that live as long as the batch, or
 *  NULL. */
void *covet_batch_alloc(covet_batch *batch, size_t size);

/** A pointer for whoever fills the batch, NULL at first: to what its values share
 *  in its memory. */
void **covet_batch_memo(covet_batch *batch);

/** Bytes copied into it or taken from it. */
size_t covet_batch_bytes(const covet_batch *batch);

/** Free this batch and all that follow it. */
void covet_batch_free_all(covet_batch *batch);

#endif
