/** The cache of types from the inside: for those that fill it and for the
 *  readers. */
#ifndef COVET_DRIVER_POSTGRES_CACHE_H
#define COVET_DRIVER_POSTGRES_CACHE_H

#include "../core/arena.h"
#include "postgres_type.h"

/** A type that the server told of, or a built-in one that has a codec. */
typedef struct pg_loaded {
  pg_type type; /* first */
  struct pg_loaded *next;
  const char *catalog; /* as pg_type.typname has it */
} pg_loaded;

/** What loaded types and all they point to are allocated from. */
covet_arena *pg_types_arena(pg_types *types);

/** Put it in the place of the type with its oid. 0 or COVET_ENOMEM. */
int pg_types_insert(pg_types *types, pg_loaded *loaded);

/** What a domain's values are; any other type is its own base. NULL, with
 *  `*missing` set, when it is not known. */
const pg_type *pg_types_base(const pg_types *types, const pg_type *type,
                             uint32_t *missing);

#endif
