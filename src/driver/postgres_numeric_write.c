#include "../core/number.h"
#include "postgres_numeric.h"
#include "postgres_write.h"

#include <string.h>
#include <strings.h>

enum {
  GROUP_DIGITS = 4,
  MOST_WHOLE_DIGITS = 131072, /* before the point */
  MOST_EXPONENT = 1000000
};

/* A number's text, taken apart. Its value is 0.ddd times 10^point. */
typedef struct decimal {
  const char
      *digits; /* from the first that is not 0; a point may be among them */
  const char *end;
  int64_t count; /* of the digits */
  int64_t point;
  int64_t scale; /* digits behind the point */
  bool negative;
} decimal;

static bool is_digit(const char *at, const char *end)
{
  return at < end && *at >= '0' && *at <= '9';
}

/* Leading zeros are passed over, with the point if it is among them. */
static void skip_zeros(decimal *number)
{
  while (number->digits < number->end &&
         (*number->digits == '0' || *number->digits == '.')) {
    if (*number->digits == '0') {
      number->count--;
      number->point--;
    }
    number->digits++;
  }
}

static bool read_exponent(const char *at, const char *end, decimal *number)
{
  int64_t exponent;

  if (at == end) {
    return true;
  }
  if ((*at != 'e' && *at != 'E') ||
      !covet_number_integer(at + 1, (size_t) (end - at - 1), &exponent) ||
      exponent > MOST_EXPONENT || exponent < -MOST_EXPONENT) {
    return false;
  }
  number->point += exponent;
  number->scale -= exponent;
  return true;
}

static bool read_decimal(const char *at, const char *end, decimal *number)
{
  memset(number, 0, sizeof(*number));
  number->negative = at < end && *at == '-';
  at += at < end && (*at == '-' || *at == '+');
  number->digits = at;
  for (; is_digit(at, end); at++) {
    number->point++;
  }
  number->count = number->point;
  if (at < end && *at == '.') {
    for (at++; is_digit(at, end); at++) {
      number->count++;
    }
  }
  number->end = at;
  number->scale = number->count - number->point;
  if (number->count == 0 || !read_exponent(at, end, number)) {
    return false;
  }
  if (number->scale < 0) {
    number->scale = 0;
  }
  skip_zeros(number);
  return number->point <= MOST_WHOLE_DIGITS &&
         number->scale <= PG_NUMERIC_MOST_SCALE;
}

/* --- Groups ------------------------------------------------------------------------- */

static int write_head(pg_buffer *buffer, int64_t count, int64_t weight,
                      unsigned sign, int64_t scale)
{
  uint64_t bits = (uint64_t) (uint16_t) count << 48 |
                  (uint64_t) (uint16_t) weight << 32 | (uint64_t) sign << 16 |
                  (uint64_t) (uint16_t) scale;

  return pg_write_bits(buffer, bits, 8);
}

/* The next group of `width` digits; those behind the last one are zeros. */
static unsigned next_group(decimal *number, int width)
{
  unsigned group = 0;

  for (int i = 0; i < width; i++) {
    if (number->digits < number->end && *number->digits == '.') {
      number->digits++;
    }
    group *= 10;
    if (number->digits < number->end) {
      group += (unsigned) (*number->digits++ - '0');
    }
  }
  return group;
}

static int write_groups(decimal *number, pg_buffer *buffer)
{
  /* The first group ends where the others, counted from the point, begin. */
  int64_t before = number->point - 1;
  int64_t weight = before >= 0 ? before / GROUP_DIGITS
                               : -((-before + GROUP_DIGITS - 1) / GROUP_DIGITS);
  int width = (int) (before - weight * GROUP_DIGITS) + 1;
  int64_t count = (number->count - width + GROUP_DIGITS * 2 - 1) / GROUP_DIGITS;
  size_t start = buffer->length;
  size_t end;
  char *groups = pg_buffer_reserve(buffer, 8 + (size_t) count * 2 + 8);
  int64_t kept = 0;

  if (groups == NULL) {
    return COVET_ENOMEM;
  }
  buffer->length += 8; /* the head, when they are counted */
  for (int64_t i = 0; i < count; i++) {
    unsigned group = next_group(number, i == 0 ? width : GROUP_DIGITS);

    pg_write_bits(buffer, group, 2);
    kept = group != 0 ? i + 1 : kept;
  }
  end = start + 8 + (size_t) kept * 2; /* no zeros at the end */
  buffer->length = start;
  if (write_head(buffer, kept, weight,
                 number->negative ? PG_NUMERIC_NEGATIVE : 0,
                 number->scale) != 0) {
    return COVET_ENOMEM;
  }
  buffer->length = end;
  return 0;
}

static bool equals(const char *text, uint32_t length, const char *word)
{
  return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

static unsigned special_sign(const char *text, uint32_t length)
{
  uint32_t sign = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;

  if (equals(text, length, "NaN")) {
    return PG_NUMERIC_NAN;
  }
  if (equals(text + sign, length - sign, "Infinity") ||
      equals(text + sign, length - sign, "inf")) {
    return text[0] == '-' ? PG_NUMERIC_MINUS_INFINITY : PG_NUMERIC_INFINITY;
  }
  return 0;
}

int pg_numeric_write(const char *text, uint32_t length, pg_buffer *buffer)
{
  unsigned special = special_sign(text, length);
  decimal number;

  if (special != 0) {
    return write_head(buffer, 0, 0, special, 0);
  }
  if (!read_decimal(text, text + length, &number)) {
    return COVET_EUSAGE;
  }
  if (number.digits == number.end) {
    return write_head(buffer, 0, 0, 0, number.scale);
  }
  return write_groups(&number, buffer);
}
