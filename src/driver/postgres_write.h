/** What the three writers share: which cells a type takes, and their text. */
#ifndef COVET_DRIVER_POSTGRES_WRITE_H
#define COVET_DRIVER_POSTGRES_WRITE_H

#include "postgres_value.h"

/** What a parameter of a type can be. */
typedef enum pg_takes {
  PG_TAKES_ANYTHING, /* not known: a type of an extension, a domain */
  PG_TAKES_BOOLEAN,
  PG_TAKES_INTEGER,
  PG_TAKES_FLOAT,
  PG_TAKES_NUMERIC,
  PG_TAKES_TEXT,
  PG_TAKES_JSON,
  PG_TAKES_BYTES,
  PG_TAKES_FORMAT, /* a text of a form of its own: date, uuid, arrays... */
  PG_TAKES_CODEC   /* what a codec of the user's has made */
} pg_takes;

pg_takes pg_write_takes(const pg_type *type);

/** Whether the type takes the cell, as far as the server need not be asked. 0, or
 *  COVET_EUSAGE. */
int pg_write_check(const pg_type *type, const covet_cell *cell,
                   covet_error *error);

/** Append the text of a checked cell; bytes are \x and digits where the type is
 *  bytes. 0 or COVET_ENOMEM. */
int pg_write_text(const pg_type *type, const covet_cell *cell,
                  pg_buffer *buffer);

/** Append a checked cell in binary: a boolean for a boolean; a number for an
 *  integer or float. 0 or COVET_ENOMEM. */
int pg_write_fixed(const pg_type *type, const covet_cell *cell,
                   pg_buffer *buffer);

/** Append the low `size` bytes of `bits`, the highest first. */
int pg_write_bits(pg_buffer *buffer, uint64_t bits, int size);

/** Whether integers of this form have that value. */
bool pg_write_fits(pg_form form, int64_t value);

/** "expected <type>, got <what>". Returns COVET_EUSAGE. */
int pg_write_refuse(const pg_type *type, covet_error_kind kind,
                    const char *what, covet_error *error);

#endif
