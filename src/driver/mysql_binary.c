/* Values of the binary protocol. */
#include "mysql_value.h"

#include <string.h>

enum {
  NO_DECIMALS = 31, /* as many as there are */
  MOST_DECIMALS = 6
};

static size_t left_in(const my_source *from)
{
  return (size_t) (from->end - from->at);
}

static uint64_t whole(const unsigned char *bytes, unsigned size)
{
  uint64_t value = 0;

  for (unsigned i = size; i-- > 0;) {
    value = value << 8 | bytes[i];
  }
  return value;
}

/* --- Numbers ---------------------------------------------------------------------- */

static void set_integer(covet_cell *cell, int64_t value)
{
  cell->integer = value;
  cell->length = 0;
  cell->kind = COVET_INTEGER;
}

/* An integer of `size` bytes, its sign spread if it has one. */
static my_read_status read_integer(const my_column *column, my_source *from,
                                   unsigned size, covet_cell *cell)
{
  unsigned unused = 64 - size * 8;
  uint64_t value;

  if (left_in(from) < size) {
    return MY_READ_MALFORMED;
  }
  value = whole(from->at, size);
  from->at += size;
  if (cell == NULL) {
    return MY_READ_OK;
  }
  if (column->is_unsigned) {
    set_integer(cell, (int64_t) value);
    if (value > INT64_MAX) {
      cell->kind = COVET_UNSIGNED;
    }
  } else {
    set_integer(cell, (int64_t) (value << unused) >> unused);
  }
  return MY_READ_OK;
}

my_read_status my_read_tiny(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  (void) batch;
  return read_integer(column, from, 1, cell);
}

my_read_status my_read_short(const my_column *column, my_source *from,
                             covet_batch *batch, covet_cell *cell)
{
  (void) batch;
  return read_integer(column, from, 2, cell);
}

my_read_status my_read_long(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  (void) batch;
  return read_integer(column, from, 4, cell);
}

my_read_status my_read_longlong(const my_column *column, my_source *from,
                                covet_batch *batch, covet_cell *cell)
{
  (void) batch;
  return read_integer(column, from, 8, cell);
}

static void set_number(covet_cell *cell, double value)
{
  cell->number = value;
  cell->length = 0;
  cell->kind = COVET_FLOAT;
}

/* A double holds every float exactly. */
my_read_status my_read_float(const my_column *column, my_source *from,
                             covet_batch *batch, covet_cell *cell)
{
  uint32_t bits;
  float value;

  (void) column;
  (void) batch;
  if (left_in(from) < sizeof(bits)) {
    return MY_READ_MALFORMED;
  }
  bits = (uint32_t) whole(from->at, sizeof(bits));
  from->at += sizeof(bits);
  memcpy(&value, &bits, sizeof(value));
  if (cell != NULL) {
    set_number(cell, (double) value);
  }
  return MY_READ_OK;
}

my_read_status my_read_double(const my_column *column, my_source *from,
                              covet_batch *batch, covet_cell *cell)
{
  uint64_t bits;
  double value;

  (void) column;
  (void) batch;
  if (left_in(from) < sizeof(bits)) {
    return MY_READ_MALFORMED;
  }
  bits = whole(from->at, sizeof(bits));
  from->at += sizeof(bits);
  memcpy(&value, &bits, sizeof(value));
  if (cell != NULL) {
    set_number(cell, value);
  }
  return MY_READ_OK;
}

/* --- Bytes ------------------------------------------------------------------------ */

/* A length in one byte, or in two, three or eight behind a mark. */
static bool read_length(my_source *from, uint64_t *length)
{
  static const unsigned char sizes[] = {2, 3, 8}; /* of the marks 252 to 254 */
  unsigned first;
  unsigned size;

  if (left_in(from) < 1) {
    return false;
  }
  first = *from->at++;
  if (first < 251) {
    *length = first;
    return true;
  }
  if (first < 252 || first > 254) {
    return false;
  }
  size = sizes[first - 252];
  if (left_in(from) < size) {
    return false;
  }
  *length = whole(from->at, size);
  from->at += size;
  return true;
}

static my_read_status read_bytes(my_source *from, covet_kind kind,
                                 covet_batch *batch, covet_cell *cell)
{
  uint64_t length;

  if (!read_length(from, &length) || length > left_in(from) ||
      length > INT32_MAX) {
    return MY_READ_MALFORMED;
  }
  if (cell != NULL) {
    cell->bytes = covet_batch_copy(batch, from->at, (size_t) length);
    cell->length = (int32_t) length;
    cell->kind = kind;
    if (cell->bytes == NULL) {
      return MY_READ_NO_MEMORY;
    }
  }
  from->at += length;
  return MY_READ_OK;
}

my_read_status my_read_text(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  (void) column;
  return read_bytes(from, COVET_TEXT, batch, cell);
}

my_read_status my_read_blob(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  (void) column;
  return read_bytes(from, COVET_BLOB, batch, cell);
}

/* --- Dates and times ---------------------------------------------------------------- */

static char *put_digits(char *to, uint64_t value, unsigned digits)
{
  for (unsigned i = digits; i-- > 0;) {
    to[i] = (char) ('0' + value % 10);
    value /= 10;
  }
  return to + digits;
}

/* Hours go beyond a day, and have two digits at least. */
static char *put_hours(char *to, uint64_t hours)
{
  unsigned digits = 2;

  for (uint64_t rest = hours / 100; rest > 0; rest /= 10) {
    digits++;
  }
  return put_digits(to, hours, digits);
}

static char *put_fraction(char *to, uint64_t micro, unsigned decimals)
{
  if (decimals >= NO_DECIMALS) {
    decimals = micro == 0 ? 0 : MOST_DECIMALS;
  } else if (decimals > MOST_DECIMALS) {
    decimals = MOST_DECIMALS;
  }
  if (decimals == 0) {
    return to;
  }
  *to++ = '.';
  (void) put_digits(to, micro, MOST_DECIMALS);
  return to + decimals;
}

static char *put_clock(char *to, const unsigned char *bytes)
{
  for (int i = 0; i < 3; i++) {
    if (i > 0) {
      *to++ = ':';
    }
    to = put_digits(to, bytes[i], 2);
  }
  return to;
}

static char *put_day(char *to, const unsigned char *bytes)
{
  to = put_digits(to, whole(bytes, 2), 4);
  *to++ = '-';
  to = put_digits(to, bytes[2], 2);
  *to++ = '-';
  return put_digits(to, bytes[3], 2);
}

static my_read_status keep(covet_batch *batch, const char *text, size_t length,
                           covet_cell *cell)
{
  cell->bytes = covet_batch_copy(batch, text, length);
  cell->length = (int32_t) length;
  cell->kind = COVET_TEXT;
  return cell->bytes == NULL ? MY_READ_NO_MEMORY : MY_READ_OK;
}

/* The bytes that are there, those behind them being zero. */
static bool take_moment(my_source *from, unsigned char *bytes, size_t size)
{
  size_t length;

  memset(bytes, 0, size);
  if (left_in(from) < 1) {
    return false;
  }
  length = *from->at++;
  if (length > size || length > left_in(from)) {
    return false;
  }
  memcpy(bytes, from->at, length);
  from->at += length;
  return true;
}

static bool is_zero_day(const unsigned char *bytes)
{
  return bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0;
}

/* What the option makes of 0000-00-00. True: that is all. */
static bool replace_zero(const my_column *column, covet_cell *cell,
                         my_read_status *status)
{
  if (column->zero_dates == MY_ZERO_AS_IS) {
    return false;
  }
  *status = MY_READ_ZERO_DATE;
  if (column->zero_dates == MY_ZERO_NULL) {
    cell->integer = 0;
    cell->length = -1;
    cell->kind = COVET_NULL;
    *status = MY_READ_OK;
  }
  return true;
}

/* Year, month, day; hour, minute, second; microseconds. */
static my_read_status read_moment(const my_column *column, my_source *from,
                                  bool has_clock, covet_batch *batch,
                                  covet_cell *cell)
{
  unsigned char bytes[11];
  char text[40];
  char *to;
  my_read_status status;

  if (!take_moment(from, bytes, sizeof(bytes))) {
    return MY_READ_MALFORMED;
  }
  if (cell == NULL) {
    return MY_READ_OK;
  }
  if (is_zero_day(bytes) && replace_zero(column, cell, &status)) {
    return status;
  }
  to = put_day(text, bytes);
  if (has_clock) {
    *to++ = ' ';
    to = put_clock(to, bytes + 4);
    to = put_fraction(to, whole(bytes + 7, 4), column->decimals);
  }
  return keep(batch, text, (size_t) (to - text), cell);
}

my_read_status my_read_date(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  return read_moment(column, from, false, batch, cell);
}

my_read_status my_read_datetime(const my_column *column, my_source *from,
                                covet_batch *batch, covet_cell *cell)
{
  return read_moment(column, from, true, batch, cell);
}

/* Sign, days; hour, minute, second; microseconds. */
my_read_status my_read_time(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell)
{
  unsigned char bytes[12];
  char text[48];
  char *to = text;
  uint64_t hours;

  if (!take_moment(from, bytes, sizeof(bytes))) {
    return MY_READ_MALFORMED;
  }
  if (cell == NULL) {
    return MY_READ_OK;
  }
  hours = whole(bytes + 1, 4) * 24 + bytes[5];
  if (bytes[0] != 0) {
    *to++ = '-';
  }
  to = put_hours(to, hours);
  for (int i = 6; i < 8; i++) {
    *to++ = ':';
    to = put_digits(to, bytes[i], 2);
  }
  to = put_fraction(to, whole(bytes + 8, 4), column->decimals);
  return keep(batch, text, (size_t) (to - text), cell);
}
