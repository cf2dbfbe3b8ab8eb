#include "number.h"

#include <stdlib.h>

bool covet_number_unsigned(const char *text, size_t length, uint64_t most,
                           uint64_t *value)
{
  uint64_t sum = 0;

  for (size_t i = 0; i < length; i++) {
    uint64_t digit = (uint64_t) (unsigned char) text[i] - '0';

    if (digit > 9 || sum > most / 10 || sum * 10 > most - digit) {
      return false;
    }
    sum = sum * 10 + digit;
  }
  *value = sum;
  return length > 0;
}

bool covet_number_integer(const char *text, size_t length, int64_t *value)
{
  bool negative = length > 0 && text[0] == '-';
  size_t sign = negative || (length > 0 && text[0] == '+') ? 1 : 0;
  uint64_t most = (uint64_t) INT64_MAX + (negative ? 1 : 0);
  uint64_t sum;

  if (!covet_number_unsigned(text + sign, length - sign, most, &sum)) {
    return false;
  }
  *value = (int64_t) (negative ? UINT64_C(0) - sum : sum);
  return true;
}

/* --- Floats ------------------------------------------------------------------------ */

enum {
  /* A double never depends on more digits than this, but for whether there is
     anything but zeros beyond them. */
  SIGNIFICANT_DIGITS = 800,
  MOST_EXPONENT = 100000
};

/* A decimal number as digits and a power of ten. */
typedef struct decimal {
  char digits[SIGNIFICANT_DIGITS + 16]; /* with room for the exponent */
  int count;
  int64_t exponent;
  bool negative;
} decimal;

static void add_digit(decimal *number, char digit, bool fraction)
{
  if (number->count == SIGNIFICANT_DIGITS) {
    if (digit != '0') {
      number->digits[SIGNIFICANT_DIGITS - 1] = '1'; /* not exactly half way */
    }
    number->exponent += !fraction;
    return;
  }
  if (number->count > 0 || digit != '0') {
    number->digits[number->count++] = digit;
  }
  number->exponent -= fraction;
}

static const char *read_digits(const char *at, const char *end, bool fraction,
                               decimal *number)
{
  while (at < end && *at >= '0' && *at <= '9') {
    add_digit(number, *at, fraction);
    at++;
  }
  return at;
}

static bool read_exponent(const char *at, const char *end, decimal *number)
{
  int64_t exponent;

  if (!covet_number_integer(at, (size_t) (end - at), &exponent)) {
    return false;
  }
  if (exponent > MOST_EXPONENT) {
    exponent = MOST_EXPONENT;
  } else if (exponent < -MOST_EXPONENT) {
    exponent = -MOST_EXPONENT;
  }
  number->exponent += exponent;
  return true;
}

static bool read_decimal(const char *at, const char *end, decimal *number)
{
  const char *start;
  const char *stop;

  number->count = 0;
  number->exponent = 0;
  number->negative = at < end && *at == '-';
  at += at < end && (*at == '-' || *at == '+');
  start = at;
  at = read_digits(at, end, false, number);
  stop = at;
  if (at < end && *at == '.') {
    at = read_digits(at + 1, end, true, number);
    stop = at - 1;
  }
  if (start == stop) {
    return false; /* no digit at all */
  }
  return at == end ||
         ((*at == 'e' || *at == 'E') && read_exponent(at + 1, end, number));
}

/* strtod rounds rightly, but what it takes for the point depends on the locale:
 * it gets digits and an exponent only. */
static double to_double(decimal *number, bool single)
{
  char *at = number->digits + number->count;
  char reversed[8];
  int count = 0;
  double value;
  int64_t exponent = number->exponent;

  if (number->count == 0) {
    return 0.0;
  }
  *at++ = 'e';
  if (exponent < 0) {
    *at++ = '-';
    exponent = -exponent;
  }
  if (exponent > MOST_EXPONENT * 2) {
    exponent = MOST_EXPONENT * 2;
  }
  do {
    reversed[count++] = (char) ('0' + exponent % 10);
    exponent /= 10;
  } while (exponent > 0);
  while (count > 0) {
    *at++ = reversed[--count];
  }
  *at = '\0';
  value = single ? (double) strtof(number->digits, NULL)
                 : strtod(number->digits, NULL);
  return value;
}

bool covet_number_float(const char *text, size_t length, bool single,
                        double *value)
{
  static const double powers[] = {
      1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  decimal number;
  uint64_t digits = 0;

  if (!read_decimal(text, text + length, &number)) {
    return false;
  }
  /* Both exact, and so one rounding: the usual case without strtod. */
  if (!single && number.count > 0 && number.count <= 15 &&
      number.exponent >= -22 && number.exponent <= 22) {
    covet_number_unsigned(number.digits, (size_t) number.count, UINT64_MAX,
                          &digits);
    *value = number.exponent < 0 ? (double) digits / powers[-number.exponent]
                                 : (double) digits * powers[number.exponent];
  } else {
    *value = to_double(&number, single);
  }
  if (number.negative) {
    *value = -*value;
  }
  return true;
}
