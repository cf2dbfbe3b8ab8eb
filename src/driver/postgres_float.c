#include "postgres_float.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = 17 };

/* `count` digits, the first of which stands for ones times 10^exponent. */
typedef struct shortest {
  char digits[MOST_DIGITS + 1];
  int count;
  int exponent;
} shortest;

/* The digits of printf's %e. What stands between the first and the second
 * depends on the locale. */
static void round_to(double value, int count, shortest *number)
{
  char text[64];
  char *exponent;

  snprintf(text, sizeof(text), "%.*e", count - 1, value);
  exponent = strchr(text, 'e');
  number->count = 0;
  for (char *at = text; at < exponent && number->count < MOST_DIGITS; at++) {
    if (*at >= '0' && *at <= '9') {
      number->digits[number->count++] = *at;
    }
  }
  number->digits[number->count] = '\0';
  number->exponent = (int) strtol(exponent + 1, NULL, 10);
}

static double read_back(const shortest *number, bool single)
{
  char text[64];

  snprintf(text, sizeof(text), "%se%d", number->digits,
           number->exponent - (number->count - 1));
  return single ? (double) strtof(text, NULL) : strtod(text, NULL);
}

static uint64_t odd_part(uint64_t value)
{
  while (value != 0 && value % 2 == 0) {
    value /= 2;
  }
  return value;
}

/* Whether `value` times 5^power is `wanted`, without overflow. */
static bool times_five(uint64_t value, int power, uint64_t wanted)
{
  for (; power > 0 && value <= wanted; power--) {
    value *= 5;
  }
  return power == 0 && value == wanted;
}

/* Whether the decimal is exactly half way between `value` and its neighbour. It
 * is read as `value` then only because that is the even one; the server does not
 * rely on that and writes a digit more. All three share their power of two but
 * for a factor, so that odd parts tell. */
static bool is_half_way(const shortest *number, double value, bool single)
{
  int digits = single ? FLT_MANT_DIG : DBL_MANT_DIG;
  int binary;
  uint64_t mantissa = (uint64_t) ldexp(frexp(value, &binary), digits);
  uint64_t odd = odd_part(strtoull(number->digits, NULL, 10));
  int power = number->exponent - (number->count - 1);
  bool closer = (mantissa & (mantissa - 1)) == 0; /* the neighbour below */
  const uint64_t halves[] = {closer ? mantissa * 4 - 1 : mantissa * 2 - 1,
                             mantissa * 2 + 1};

  for (int i = 0; i < 2; i++) {
    if (power >= 0 ? times_five(odd, power, halves[i])
                   : times_five(halves[i], -power, odd)) {
      return true;
    }
  }
  return false;
}

static bool stands_for(const shortest *number, double value, bool single)
{
  return read_back(number, single) == value &&
         !is_half_way(number, value, single);
}

/* One more in the last digit; false when that is a digit more. */
static bool step_up(shortest *number)
{
  for (int i = number->count; i-- > 0;) {
    if (number->digits[i] < '9') {
      number->digits[i]++;
      return true;
    }
    number->digits[i] = '0';
  }
  return false;
}

/* Below a power of two numbers lie closer than above it: the nearest decimal of
 * so many digits may be too far below where the next one above is not. */
static bool found(double value, bool single, int count, shortest *number)
{
  int binary;

  round_to(value, count, number);
  if (stands_for(number, value, single)) {
    return true;
  }
  return frexp(value, &binary) == 0.5 && step_up(number) &&
         stands_for(number, value, single);
}

static void find_shortest(double value, bool single, shortest *number)
{
  /* So many digits are always exact: fewer would show as zeros at the end. Not
     so for numbers that have lost digits of their own. */
  int count = single ? FLT_DIG : DBL_DIG;
  int most = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;

  if (value < (single ? (double) FLT_MIN : DBL_MIN)) {
    count = 1;
  }
  while (count < most && !found(value, single, count, number)) {
    count++;
  }
  if (count == most) {
    round_to(value, most, number);
  }
  while (number->count > 1 && number->digits[number->count - 1] == '0') {
    number->count--;
  }
}

static size_t put(char *text, size_t at, const char *bytes, int count)
{
  memcpy(text + at, bytes, (size_t) count);
  return at + (size_t) count;
}

static size_t put_zeros(char *text, size_t at, int count)
{
  memset(text + at, '0', (size_t) count);
  return at + (size_t) count;
}

static size_t write_fixed(const shortest *number, char *text, size_t at)
{
  int whole = number->exponent + 1; /* digits before the point */

  if (whole <= 0) {
    at = put(text, at, "0.", 2);
    at = put_zeros(text, at, -whole);
    return put(text, at, number->digits, number->count);
  }
  if (whole >= number->count) {
    at = put(text, at, number->digits, number->count);
    return put_zeros(text, at, whole - number->count);
  }
  at = put(text, at, number->digits, whole);
  text[at++] = '.';
  return put(text, at, number->digits + whole, number->count - whole);
}

static size_t write_scientific(const shortest *number, char *text, size_t at)
{
  text[at++] = number->digits[0];
  if (number->count > 1) {
    text[at++] = '.';
    at = put(text, at, number->digits + 1, number->count - 1);
  }
  return at + (size_t) snprintf(text + at, PG_FLOAT_BYTES - at, "e%+03d",
                                number->exponent);
}

size_t pg_float_write(double value, bool single, char *text)
{
  shortest number;
  size_t at = 0;

  if (isnan(value)) {
    return put(text, 0, "NaN", 3);
  }
  if (signbit(value)) {
    text[at++] = '-';
    value = -value;
  }
  if (isinf(value)) {
    return put(text, at, "Infinity", 8);
  }
  if (value == 0) {
    return put(text, at, "0", 1);
  }
  find_shortest(value, single, &number);
  if (number.exponent >= -4 && number.exponent < (single ? 6 : 15)) {
    return write_fixed(&number, text, at);
  }
  return write_scientific(&number, text, at);
}
