/**
 * Releasing what `fetch_columns():to_arrow()` exported.
 *
 * lua/covet/columns.lua fills the structs of the Arrow C data interface; who
 * imports them releases them from any thread, maybe after the Lua state is
 * gone. So everything they point to comes from malloc, and is released by the
 * functions here. Pure C: no Lua.
 */
#ifndef COVET_LUA_ARROW_H
#define COVET_LUA_ARROW_H

#include <stdint.h>

/* The Arrow C data interface, as its specification has it. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif

/**
 * The buffers of one result, shared by the Lua object and every array that was
 * exported from it. Both `buffers` and the store itself come from malloc.
 */
typedef struct covet_arrow_store {
  int32_t references; /* changed by the functions below only */
  int32_t buffer_count;
  void **buffers;
} covet_arrow_store;

/** What Lua needs of this file, by one pointer. */
typedef struct covet_arrow_functions {
  void (*release_schema)(struct ArrowSchema *schema);
  void (*release_array)(struct ArrowArray *array);
  void (*retain)(covet_arrow_store *store);
  void (*unref)(covet_arrow_store *store);
} covet_arrow_functions;

/** The functions; lives as long as the library is loaded. */
const covet_arrow_functions *covet_arrow_functions_get(void);

/**
 * Release a schema that columns.lua made: its children, then what it owns
 * (`children` and each child, and `private_data`, the block of its texts).
 */
void covet_arrow_release_schema(struct ArrowSchema *schema);

/**
 * Release an array that columns.lua made: its children, then what it owns
 * (`children` and each child, and `buffers`, the list alone), then its
 * reference to the store in `private_data`. From any thread.
 */
void covet_arrow_release_array(struct ArrowArray *array);

/** Take one reference more. From any thread. */
void covet_arrow_store_retain(covet_arrow_store *store);

/** Drop a reference; the last one frees the store and its buffers. From any
 *  thread. NULL is allowed. */
void covet_arrow_store_unref(covet_arrow_store *store);

#endif
