#include "arrow.h"

#include <stddef.h>
#include <stdlib.h>

/* Lua sees a plain integer, so the compiler's atomics instead of C11's. */
void covet_arrow_store_retain(covet_arrow_store *store)
{
  __atomic_add_fetch(&store->references, 1, __ATOMIC_RELAXED);
}

void covet_arrow_store_unref(covet_arrow_store *store)
{
  int32_t i;

  if (store == NULL ||
      __atomic_sub_fetch(&store->references, 1, __ATOMIC_ACQ_REL) > 0) {
    return;
  }
  for (i = 0; i < store->buffer_count; i++) {
    free(store->buffers[i]);
  }
  free(store->buffers);
  free(store);
}

/* A child whose `release` is NULL was moved out by the consumer: only its
 * struct is still the parent's. */
void covet_arrow_release_schema(struct ArrowSchema *schema)
{
  int64_t i;

  for (i = 0; i < schema->n_children; i++) {
    struct ArrowSchema *child = schema->children[i];

    if (child != NULL && child->release != NULL) {
      child->release(child);
    }
    free(child);
  }
  free(schema->children);
  free(schema->private_data);
  schema->release = NULL;
}

void covet_arrow_release_array(struct ArrowArray *array)
{
  int64_t i;

  for (i = 0; i < array->n_children; i++) {
    struct ArrowArray *child = array->children[i];

    if (child != NULL && child->release != NULL) {
      child->release(child);
    }
    free(child);
  }
  free(array->children);
  free((void *) array->buffers);
  covet_arrow_store_unref(array->private_data);
  array->release = NULL;
}

static const covet_arrow_functions functions = {
    covet_arrow_release_schema,
    covet_arrow_release_array,
    covet_arrow_store_retain,
    covet_arrow_store_unref,
};

const covet_arrow_functions *covet_arrow_functions_get(void)
{
  return &functions;
}
