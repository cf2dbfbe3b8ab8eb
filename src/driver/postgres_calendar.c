#include "postgres_calendar.h"

#include "postgres_digits.h"

/* The year is the astronomer's: 0 is 1 BC. */
static char *write_day(char *to, int64_t days, int64_t *year)
{
  int64_t shifted = days + PG_MARCH_TO_2000;
  int64_t era = pg_floor_divide(shifted, PG_ERA_DAYS);
  unsigned day = (unsigned) (shifted - era * PG_ERA_DAYS);
  unsigned of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  unsigned of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
  unsigned month = (5 * of_year + 2) / 153; /* from March */
  int64_t shown;

  *year = era * PG_ERA_YEARS + of_era + (month >= 10 ? 1 : 0);
  shown = *year > 0 ? *year : 1 - *year;
  to = shown <= 9999 ? pg_put4(to, (unsigned) shown)
                     : pg_put_unsigned(to, (uint64_t) shown, 4);
  *to++ = '-';
  to = pg_put2(to, month < 10 ? month + 3 : month - 9);
  *to++ = '-';
  return pg_put2(to, of_year - (153 * month + 2) / 5 + 1);
}

static char *write_word(char *to, const char *word)
{
  while (*word != '\0') {
    *to++ = *word++;
  }
  return to;
}

static char *write_era(char *to, int64_t year)
{
  return year <= 0 ? write_word(to, " BC") : to;
}

char *pg_date_write(char *to, int64_t days)
{
  int64_t year;

  if (days == PG_DATE_INFINITY) {
    return write_word(to, "infinity");
  }
  if (days == PG_DATE_MINUS_INFINITY) {
    return write_word(to, "-infinity");
  }
  to = write_day(to, days, &year);
  return write_era(to, year);
}

char *pg_time_write(char *to, int64_t us)
{
  unsigned seconds = (unsigned) (us / PG_SECOND);
  unsigned fraction = (unsigned) (us % PG_SECOND);

  to = pg_put2(to, seconds / 3600);
  *to++ = ':';
  to = pg_put2(to, seconds / 60 % 60);
  *to++ = ':';
  to = pg_put2(to, seconds % 60);
  if (fraction != 0) {
    *to++ = '.';
    to = pg_put2(to, fraction / 10000);
    to = pg_put4(to, fraction % 10000);
    while (to[-1] == '0') {
      to--;
    }
  }
  return to;
}

char *pg_zone_write(char *to, int32_t east)
{
  unsigned seconds = east < 0 ? 0U - (unsigned) east : (unsigned) east;

  *to++ = east < 0 ? '-' : '+';
  to = pg_put_unsigned(to, seconds / 3600, 2);
  if (seconds % 3600 != 0) {
    *to++ = ':';
    to = pg_put2(to, seconds / 60 % 60);
  }
  if (seconds % 60 != 0) {
    *to++ = ':';
    to = pg_put2(to, seconds % 60);
  }
  return to;
}

char *pg_timestamp_write(char *to, int64_t us, bool zone)
{
  int64_t days;
  int64_t year;

  if (us == PG_TIMESTAMP_INFINITY) {
    return write_word(to, "infinity");
  }
  if (us == PG_TIMESTAMP_MINUS_INFINITY) {
    return write_word(to, "-infinity");
  }
  days = pg_floor_divide(us, PG_DAY);
  to = write_day(to, days, &year);
  *to++ = ' ';
  to = pg_time_write(to, us - days * PG_DAY);
  return write_era(zone ? write_word(to, "+00") : to, year);
}
