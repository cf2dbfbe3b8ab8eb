/** Floats as text, digit for digit as PostgreSQL (12 and later) writes them. */
#ifndef COVET_DRIVER_POSTGRES_FLOAT_H
#define COVET_DRIVER_POSTGRES_FLOAT_H

#include <stdbool.h>
#include <stddef.h>

enum { PG_FLOAT_BYTES = 32 };

/** Write the shortest decimal that is read as `value` again (`single`: as a
 *  float). `text` has room for PG_FLOAT_BYTES; no NUL is written. Returns the
 *  length. Any locale. */
size_t pg_float_write(double value, bool single, char *text);

#endif
