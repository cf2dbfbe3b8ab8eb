/** The types that every PostgreSQL server has, under the same numbers. */
#ifndef COVET_DRIVER_POSTGRES_BUILTIN_H
#define COVET_DRIVER_POSTGRES_BUILTIN_H

#include "postgres_type.h"

typedef struct pg_builtin {
  pg_type type;        /* `name` as format_type() has it */
  const char *catalog; /* as pg_type.typname has it */
} pg_builtin;

/** By ascending oid. */
extern const pg_builtin pg_builtins[];
extern const uint32_t pg_builtin_count;

/** The built-in type of that oid, or NULL. */
const pg_type *pg_builtin_find(uint32_t oid);

#endif
