/** numeric as it goes over the wire: groups of four decimal digits. */
#ifndef COVET_DRIVER_POSTGRES_NUMERIC_H
#define COVET_DRIVER_POSTGRES_NUMERIC_H

#include "postgres_value.h"

enum {
  PG_NUMERIC_NEGATIVE = 0x4000,
  PG_NUMERIC_NAN = 0xC000,
  PG_NUMERIC_INFINITY = 0xD000,
  PG_NUMERIC_MINUS_INFINITY = 0xF000,
  PG_NUMERIC_MOST_SCALE = 0x3FFF
};

/** Append the binary form of a number's text ("1.50", "-2e3", "NaN"). Returns 0,
 *  COVET_ENOMEM, or COVET_EUSAGE for what is no number or too large for the
 *  type. */
int pg_numeric_write(const char *text, uint32_t length, pg_buffer *buffer);

#endif
