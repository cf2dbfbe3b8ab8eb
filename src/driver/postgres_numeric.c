#include "postgres_numeric.h"

#include "postgres_digits.h"
#include "postgres_read.h"

enum { HEAD_BYTES = 8, SHORT_TEXT = 128 };

/* The head of the wire's form. The first group stands for 10000^weight. */
typedef struct numeric {
  int count;
  int weight;
  unsigned sign;
  int scale; /* decimal digits after the point */
  const char *groups;
} numeric;

static bool read_head(const char *bytes, uint32_t length, numeric *number)
{
  if (length < HEAD_BYTES) {
    return false;
  }
  number->count = (int16_t) pg_get16(bytes);
  number->weight = (int16_t) pg_get16(bytes + 2);
  number->sign = pg_get16(bytes + 4);
  number->scale = pg_get16(bytes + 6);
  number->groups = bytes + HEAD_BYTES;
  if (number->count < 0 || number->scale > PG_NUMERIC_MOST_SCALE ||
      length != HEAD_BYTES + 2 * (uint32_t) number->count) {
    return false;
  }
  for (int i = 0; i < number->count; i++) {
    if (pg_get16(number->groups + (ptrdiff_t) 2 * i) > 9999) {
      return false;
    }
  }
  return true;
}

/* The server sends no groups of zeros at the front and no -0; if it did, they would
 * show. */
static void strip_zeros(numeric *number)
{
  while (number->count > 0 && pg_get16(number->groups) == 0) {
    number->groups += 2;
    number->count--;
    number->weight--;
  }
  if (number->count == 0) {
    number->weight = 0;
    number->sign = 0;
  }
}

/* Those that were left out are zeros. */
static unsigned group_at(const numeric *number, int index)
{
  return index >= 0 && index < number->count
             ? pg_get16(number->groups + (ptrdiff_t) 2 * index)
             : 0;
}

static size_t text_size(const numeric *number)
{
  size_t whole = number->weight < 0 ? 1 : ((size_t) number->weight + 1) * 4;

  return 1 + whole + 1 + (size_t) number->scale + 3; /* a last group in whole */
}

static char *write_whole(const numeric *number, char *to)
{
  if (number->weight < 0) {
    *to++ = '0';
    return to;
  }
  to = pg_put_unsigned(to, group_at(number, 0), 1);
  for (int i = 1; i <= number->weight; i++) {
    to = pg_put4(to, group_at(number, i));
  }
  return to;
}

static char *write_fraction(const numeric *number, char *to)
{
  char *end;
  int index = number->weight + 1;

  if (number->scale == 0) {
    return to;
  }
  *to++ = '.';
  end = to + number->scale;
  while (to < end) {
    to = pg_put4(to, group_at(number, index++));
  }
  return end;
}

static pg_read_status read_special(const pg_reader *reader, unsigned sign,
                                   covet_cell *cell)
{
  switch (sign) {
  case PG_NUMERIC_NAN:
    return pg_read_made(reader, "NaN", 3, cell);
  case PG_NUMERIC_INFINITY:
    return pg_read_made(reader, "Infinity", 8, cell);
  case PG_NUMERIC_MINUS_INFINITY:
    return pg_read_made(reader, "-Infinity", 9, cell);
  default:
    return PG_READ_MALFORMED;
  }
}

pg_read_status pg_numeric_binary(pg_reader *reader, const pg_type *type,
                                 const char *bytes, uint32_t length,
                                 covet_cell *cell)
{
  char small[SHORT_TEXT];
  char *text = small;
  char *at;
  numeric number;

  (void) type;
  if (!read_head(bytes, length, &number)) {
    return PG_READ_MALFORMED;
  }
  if (number.sign != 0 && number.sign != PG_NUMERIC_NEGATIVE) {
    return read_special(reader, number.sign, cell);
  }
  strip_zeros(&number);
  if (text_size(&number) > sizeof(small)) {
    text = covet_batch_alloc(reader->batch, text_size(&number));
  }
  if (text == NULL) {
    return PG_READ_NO_MEMORY;
  }
  at = text;
  if (number.sign == PG_NUMERIC_NEGATIVE) {
    *at++ = '-';
  }
  at = write_fraction(&number, write_whole(&number, at));
  if (text == small) {
    return pg_read_made(reader, text, (size_t) (at - text), cell);
  }
  cell->bytes = text;
  cell->length = (int32_t) (at - text);
  cell->kind = COVET_TEXT;
  return PG_READ_OK;
}
