/** Numbers as digits, for the readers that write much of them. */
#ifndef COVET_DRIVER_POSTGRES_DIGITS_H
#define COVET_DRIVER_POSTGRES_DIGITS_H

#include <stdint.h>
#include <string.h>

/** "00" to "99". */
extern const char pg_pairs[200];

enum { PG_INTEGER_BYTES = 20 };

/** Write `value` (0 to 99) as two digits; returns where they end. */
static inline char *pg_put2(char *to, unsigned value)
{
  memcpy(to, pg_pairs + value * 2, 2);
  return to + 2;
}

/** 0 to 9999 as four digits. */
static inline char *pg_put4(char *to, unsigned value)
{
  return pg_put2(pg_put2(to, value / 100), value % 100);
}

/** Any number as it is, with `least` digits at least (20 at most). */
char *pg_put_unsigned(char *to, uint64_t value, int least);

/** The same with a sign. */
char *pg_put_integer(char *to, int64_t value);

#endif
