/* Values of the text protocol: everything is written as people read it. */
#include "../core/number.h"
#include "mysql_value.h"

#include <string.h>

static my_read_status keep(covet_kind kind, const char *text, size_t length,
                           covet_batch *batch, covet_cell *cell)
{
  if (length > INT32_MAX) {
    return MY_READ_MALFORMED;
  }
  cell->bytes = covet_batch_copy(batch, text, length);
  cell->length = (int32_t) length;
  cell->kind = kind;
  return cell->bytes == NULL ? MY_READ_NO_MEMORY : MY_READ_OK;
}

my_read_status my_parse_text(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell)
{
  (void) column;
  return keep(COVET_TEXT, text, length, batch, cell);
}

my_read_status my_parse_blob(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell)
{
  (void) column;
  return keep(COVET_BLOB, text, length, batch, cell);
}

my_read_status my_parse_integer(const my_column *column, const char *text,
                                size_t length, covet_batch *batch,
                                covet_cell *cell)
{
  (void) batch;
  cell->length = 0;
  cell->kind = COVET_INTEGER;
  if (!column->is_unsigned) {
    return covet_number_integer(text, length, &cell->integer)
               ? MY_READ_OK
               : MY_READ_MALFORMED;
  }
  if (!covet_number_unsigned(text, length, UINT64_MAX, &cell->natural)) {
    return MY_READ_MALFORMED;
  }
  if (cell->natural > INT64_MAX) {
    cell->kind = COVET_UNSIGNED;
  }
  return MY_READ_OK;
}

static my_read_status read_number(const char *text, size_t length, bool single,
                                  covet_cell *cell)
{
  cell->length = 0;
  cell->kind = COVET_FLOAT;
  return covet_number_float(text, length, single, &cell->number)
             ? MY_READ_OK
             : MY_READ_MALFORMED;
}

/* Six digits, which the nearest FLOAT may have been written with. */
my_read_status my_parse_float(const my_column *column, const char *text,
                              size_t length, covet_batch *batch,
                              covet_cell *cell)
{
  (void) column;
  (void) batch;
  return read_number(text, length, true, cell);
}

my_read_status my_parse_double(const my_column *column, const char *text,
                               size_t length, covet_batch *batch,
                               covet_cell *cell)
{
  (void) column;
  (void) batch;
  return read_number(text, length, false, cell);
}

my_read_status my_parse_date(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell)
{
  static const char zero[] = "0000-00-00";

  if (column->zero_dates != MY_ZERO_AS_IS && length >= sizeof(zero) - 1 &&
      memcmp(text, zero, sizeof(zero) - 1) == 0) {
    if (column->zero_dates == MY_ZERO_ERROR) {
      return MY_READ_ZERO_DATE;
    }
    cell->integer = 0;
    cell->length = -1;
    cell->kind = COVET_NULL;
    return MY_READ_OK;
  }
  return keep(COVET_TEXT, text, length, batch, cell);
}
