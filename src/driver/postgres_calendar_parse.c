#include "postgres_calendar.h"

#include <string.h>

#define MOST_YEAR 5874897 /* of a date; timestamps end before that */
#define MOST_TIMESTAMP_YEAR 294276
#define LEAST_YEAR (-4713) /* 4714 BC: its days from 24 November on */

/* What is left of a text. */
typedef struct scan {
  const char *at;
  const char *end;
} scan;

static bool take(scan *s, char byte)
{
  if (s->at == s->end || *s->at != byte) {
    return false;
  }
  s->at++;
  return true;
}

static int take_digits(scan *s, int most, int64_t *value)
{
  int count = 0;

  *value = 0;
  while (s->at < s->end && count < most && *s->at >= '0' && *s->at <= '9') {
    *value = *value * 10 + (*s->at++ - '0');
    count++;
  }
  return count;
}

static bool take_two(scan *s, int64_t *value)
{
  return take_digits(s, 2, value) == 2;
}

static int days_of(int64_t year, int64_t month)
{
  static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

  return month == 2 && leap ? 29 : days[month - 1];
}

static int64_t count_days(int64_t year, int64_t month, int64_t day)
{
  int64_t shifted = month > 2 ? year : year - 1; /* from 1 March on */
  int64_t era = pg_floor_divide(shifted, PG_ERA_YEARS);
  int64_t of_era = shifted - era * PG_ERA_YEARS;
  int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day;

  return era * PG_ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
         of_year - 1 - PG_MARCH_TO_2000;
}

/* The parts of a date; the year as it is written. */
typedef struct civil {
  int64_t year, month, day;
} civil;

static bool take_date(scan *s, civil *date)
{
  return take_digits(s, 7, &date->year) >= 4 && take(s, '-') &&
         take_two(s, &date->month) && take(s, '-') && take_two(s, &date->day);
}

/* The end of a text that has a date, and the date itself. How early it may be
 * is up to the caller: an offset can still move it. */
static bool end_date(scan *s, const civil *date, int64_t most_year,
                     int64_t *days)
{
  int64_t year = date->year;

  if (s->end - s->at == 3 && memcmp(s->at, " BC", 3) == 0) {
    s->at = s->end;
    year = 1 - year;
  }
  /* there was no year 0 */
  if (s->at != s->end || date->year == 0 || year > most_year ||
      year < LEAST_YEAR || date->month < 1 || date->month > 12 ||
      date->day < 1 || date->day > days_of(year, date->month)) {
    return false;
  }
  *days = count_days(year, date->month, date->day);
  return true;
}

/* Rounded to microseconds, as the server does. */
static bool take_fraction(scan *s, int64_t *us)
{
  int64_t unit = PG_SECOND;
  const char *start = s->at;

  *us = 0;
  for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
    int digit = *s->at - '0';

    if (unit > 1) {
      unit /= 10;
      *us += digit * unit;
    } else if (unit == 1) {
      *us += digit >= 5;
      unit = 0; /* what follows cannot change it */
    }
  }
  return s->at > start;
}

static bool take_time(scan *s, int64_t *us)
{
  int64_t hours;
  int64_t minutes;
  int64_t seconds = 0;
  int64_t fraction = 0;

  if (!take_two(s, &hours) || !take(s, ':') || !take_two(s, &minutes)) {
    return false;
  }
  if (take(s, ':') && (!take_two(s, &seconds) ||
                       (take(s, '.') && !take_fraction(s, &fraction)))) {
    return false;
  }
  *us = ((hours * 60 + minutes) * 60 + seconds) * PG_SECOND + fraction;
  return minutes < 60 && seconds < 60 && *us <= PG_DAY;
}

static bool take_zone(scan *s, int64_t *east)
{
  int64_t hours;
  int64_t minutes = 0;
  int64_t seconds = 0;
  bool west;

  *east = 0;
  if (take(s, 'Z') || take(s, 'z')) {
    return true;
  }
  west = take(s, '-');
  if ((!west && !take(s, '+')) || !take_two(s, &hours)) {
    return false;
  }
  if (take(s, ':')) {
    if (!take_two(s, &minutes) || (take(s, ':') && !take_two(s, &seconds))) {
      return false;
    }
  } else if (s->at < s->end && *s->at != ' ' && !take_two(s, &minutes)) {
    return false;
  }
  *east = (hours * 60 + minutes) * 60 + seconds;
  *east = west ? -*east : *east;
  return hours < 16 && minutes < 60 && seconds < 60;
}

static bool is_word(const char *text, uint32_t length, const char *word)
{
  return length == strlen(word) && memcmp(text, word, length) == 0;
}

bool pg_date_parse(const char *text, uint32_t length, int32_t *days)
{
  scan s = {text, text + length};
  civil date;
  int64_t count;

  if (is_word(text, length, "infinity")) {
    *days = PG_DATE_INFINITY;
    return true;
  }
  if (is_word(text, length, "-infinity")) {
    *days = PG_DATE_MINUS_INFINITY;
    return true;
  }
  if (!take_date(&s, &date) || !end_date(&s, &date, MOST_YEAR, &count)) {
    return false;
  }
  *days = (int32_t) count;
  return count >= count_days(LEAST_YEAR, 11, 24);
}

bool pg_time_parse(const char *text, uint32_t length, int64_t *us)
{
  scan s = {text, text + length};

  return take_time(&s, us) && s.at == s.end;
}

static bool is_infinite(const char *text, uint32_t length, int64_t *us)
{
  *us = length > 0 && text[0] == '-' ? PG_TIMESTAMP_MINUS_INFINITY
                                     : PG_TIMESTAMP_INFINITY;
  return is_word(text, length, "infinity") ||
         is_word(text, length, "-infinity");
}

static bool parse_timestamp(const char *text, uint32_t length, bool zone,
                            int64_t *us)
{
  scan s = {text, text + length};
  civil date;
  int64_t days;
  int64_t east = 0;

  if (is_infinite(text, length, us)) {
    return true;
  }
  *us = 0;
  if (!take_date(&s, &date)) {
    return false;
  }
  if (s.end - s.at > 1 &&
      (s.at[0] == 'T' || (s.at[0] == ' ' && s.at[1] != 'B'))) {
    s.at++;
    if (!take_time(&s, us) || (zone && !take_zone(&s, &east))) {
      return false;
    }
  } else if (zone) {
    return false;
  }
  if (!end_date(&s, &date, MOST_TIMESTAMP_YEAR + 1, &days)) {
    return false;
  }
  *us += days * PG_DAY - east * PG_SECOND;
  return *us < count_days(MOST_TIMESTAMP_YEAR + 1, 1, 1) * PG_DAY &&
         *us >= count_days(LEAST_YEAR, 11, 24) * PG_DAY;
}

bool pg_timestamp_parse(const char *text, uint32_t length, int64_t *us)
{
  return parse_timestamp(text, length, false, us);
}

bool pg_timestamptz_parse(const char *text, uint32_t length, int64_t *us)
{
  return parse_timestamp(text, length, true, us);
}
