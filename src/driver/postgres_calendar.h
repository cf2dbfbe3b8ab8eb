/**
 * PostgreSQL's calendar: days and microseconds since 2000-01-01, the Gregorian
 * rules for all times, the year before 1 is 1 BC. What is written is the ISO
 * style of the server, to the byte.
 */
#ifndef COVET_DRIVER_POSTGRES_CALENDAR_H
#define COVET_DRIVER_POSTGRES_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define PG_SECOND INT64_C(1000000)
#define PG_DAY (INT64_C(86400) * PG_SECOND)

/* The calendar repeats after 400 years. Counted from a 1 March, leap days are the
 * last of their year. */
enum {
  PG_ERA_YEARS = 400,
  PG_ERA_DAYS = 146097,
  PG_MARCH_TO_2000 = 730425 /* from 0000-03-01 to 2000-01-01 */
};

enum {
  PG_TIME_BYTES = 64 /* room for anything that is written here */
};

/** What is written is "infinity" at these two. */
#define PG_TIMESTAMP_INFINITY INT64_MAX
#define PG_TIMESTAMP_MINUS_INFINITY INT64_MIN
#define PG_DATE_INFINITY INT32_MAX
#define PG_DATE_MINUS_INFINITY INT32_MIN

/** Write to `to` and return where the text ends. */
char *pg_date_write(char *to, int64_t days);
char *pg_time_write(char *to, int64_t us);
char *pg_zone_write(char *to, int32_t east);               /* seconds */
char *pg_timestamp_write(char *to, int64_t us, bool zone); /* zone: adds +00 */

/** Read the whole text or answer false: nothing is left over, no day that the
 *  calendar has not, no value out of the server's range. */
bool pg_date_parse(const char *text, uint32_t length, int32_t *days);
bool pg_time_parse(const char *text, uint32_t length, int64_t *us);
bool pg_timestamp_parse(const char *text, uint32_t length, int64_t *us);

/** The same with an offset, which must be there; `*us` is UTC. */
bool pg_timestamptz_parse(const char *text, uint32_t length, int64_t *us);

/** Rounded down, for numbers below 0 as well. */
static inline int64_t pg_floor_divide(int64_t value, int64_t by)
{
  int64_t quotient = value / by;

  return value % by < 0 ? quotient - 1 : quotient;
}

#endif
