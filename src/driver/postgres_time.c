/* Readers of dates, times and intervals. */
#include "postgres_calendar.h"
#include "postgres_digits.h"
#include "postgres_read.h"

#include <stdio.h>

static pg_read_status keep(const pg_reader *reader, const char *text,
                           const char *end, covet_cell *cell)
{
  return pg_read_made(reader, text, (size_t) (end - text), cell);
}

pg_read_status pg_date_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  char text[PG_TIME_BYTES];

  (void) type;
  if (length != 4) {
    return PG_READ_MALFORMED;
  }
  return keep(reader, text, pg_date_write(text, (int32_t) pg_get32(bytes)),
              cell);
}

/* 24:00:00 is a time, and nothing after it. */
static bool get_time(const char *bytes, int64_t *us)
{
  *us = (int64_t) pg_get64(bytes);
  return *us >= 0 && *us <= PG_DAY;
}

pg_read_status pg_time_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  char text[PG_TIME_BYTES];
  int64_t us;

  (void) type;
  if (length != 8 || !get_time(bytes, &us)) {
    return PG_READ_MALFORMED;
  }
  return keep(reader, text, pg_time_write(text, us), cell);
}

/* The wire counts the offset to the west. */
pg_read_status pg_timetz_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  char text[PG_TIME_BYTES];
  int64_t us;
  int32_t west;

  (void) type;
  if (length != 12 || !get_time(bytes, &us)) {
    return PG_READ_MALFORMED;
  }
  west = (int32_t) pg_get32(bytes + 8);
  if (west == INT32_MIN) {
    return PG_READ_MALFORMED;
  }
  return keep(reader, text, pg_zone_write(pg_time_write(text, us), -west),
              cell);
}

static pg_read_status read_timestamp(const pg_reader *reader, bool zone,
                                     const char *bytes, uint32_t length,
                                     covet_cell *cell)
{
  char text[PG_TIME_BYTES];
  char *end;

  if (length != 8) {
    return PG_READ_MALFORMED;
  }
  end = pg_timestamp_write(text, (int64_t) pg_get64(bytes), zone);
  return keep(reader, text, end, cell);
}

pg_read_status pg_timestamp_binary(pg_reader *reader, const pg_type *type,
                                   const char *bytes, uint32_t length,
                                   covet_cell *cell)
{
  (void) type;
  return read_timestamp(reader, false, bytes, length, cell);
}

pg_read_status pg_timestamptz_binary(pg_reader *reader, const pg_type *type,
                                     const char *bytes, uint32_t length,
                                     covet_cell *cell)
{
  (void) type;
  return read_timestamp(reader, true, bytes, length, cell);
}

/* The server writes it in the session's time zone. */
pg_read_status pg_timestamptz_text(pg_reader *reader, const pg_type *type,
                                   const char *bytes, uint32_t length,
                                   covet_cell *cell)
{
  char text[PG_TIME_BYTES];
  int64_t us;

  (void) type;
  if (!pg_timestamptz_parse(bytes, length, &us)) {
    return pg_read_as_text(reader, bytes, length, cell);
  }
  return keep(reader, text, pg_timestamp_write(text, us, true), cell);
}

/* --- Intervals -------------------------------------------------------------------- */

/* IntervalStyle postgres: each unit has a sign of its own; after a negative
 * unit a positive one shows it. */
typedef struct interval_text {
  char *to;
  bool empty;
  bool negative; /* the unit before */
} interval_text;

static void write_unit(interval_text *text, int32_t value, const char *name)
{
  size_t length = strlen(name);

  if (value == 0) {
    return;
  }
  if (!text->empty) {
    *text->to++ = ' ';
  }
  if (text->negative && value > 0) {
    *text->to++ = '+';
  }
  text->to = pg_put_integer(text->to, value);
  memcpy(text->to, name, length);
  text->to += length;
  if (value != 1) {
    *text->to++ = 's';
  }
  text->negative = value < 0;
  text->empty = false;
}

static void write_clock(interval_text *text, int64_t us)
{
  uint64_t left = us < 0 ? UINT64_C(0) - (uint64_t) us : (uint64_t) us;
  uint64_t hour = (uint64_t) PG_SECOND * 3600;
  char clock[PG_TIME_BYTES]; /* within the hour: "00:04:05.6" */
  char *end = pg_time_write(clock, (int64_t) (left % hour));

  if (us == 0 && !text->empty) {
    return;
  }
  if (!text->empty) {
    *text->to++ = ' ';
  }
  if (us < 0 || text->negative) {
    *text->to++ = us < 0 ? '-' : '+';
  }
  text->to = pg_put_unsigned(text->to, left / hour, 2);
  memcpy(text->to, clock + 2, (size_t) (end - clock) - 2);
  text->to += end - clock - 2;
}

pg_read_status pg_interval_binary(pg_reader *reader, const pg_type *type,
                                  const char *bytes, uint32_t length,
                                  covet_cell *cell)
{
  char text[160];
  interval_text out = {text, true, false};
  int64_t us;
  int32_t days;
  int32_t months;

  (void) type;
  if (length != 16) {
    return PG_READ_MALFORMED;
  }
  us = (int64_t) pg_get64(bytes);
  days = (int32_t) pg_get32(bytes + 8);
  months = (int32_t) pg_get32(bytes + 12);
  /* PostgreSQL 17 and later; no earlier one made much use of the farthest */
  if (us == INT64_MAX && days == INT32_MAX && months == INT32_MAX) {
    return pg_read_made(reader, "infinity", 8, cell);
  }
  if (us == INT64_MIN && days == INT32_MIN && months == INT32_MIN) {
    return pg_read_made(reader, "-infinity", 9, cell);
  }
  write_unit(&out, months / 12, " year");
  write_unit(&out, months % 12, " mon");
  write_unit(&out, days, " day");
  write_clock(&out, us);
  return keep(reader, text, out.to, cell);
}
