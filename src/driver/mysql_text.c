/* Values of the text protocol: everything is written as people read it. */
#include "mysql_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 511 };

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

/* The text ends with a NUL where the library has put it, but may hold others. */
static bool copy_number(const char *text, size_t length, char *copy)
{
  if (length == 0 || length > LONGEST_NUMBER) {
    return false;
  }
  memcpy(copy, text, length);
  copy[length] = '\0';
  return true;
}

my_read_status my_parse_integer(const my_column *column, const char *text,
                                size_t length, covet_batch *batch,
                                covet_cell *cell)
{
  char copy[LONGEST_NUMBER + 1];
  char *end = copy;

  (void) batch;
  if (!copy_number(text, length, copy)) {
    return MY_READ_MALFORMED;
  }
  errno = 0;
  cell->length = 0;
  cell->kind = COVET_INTEGER;
  if (column->is_unsigned) {
    cell->natural = strtoull(copy, &end, 10);
    if (cell->natural > INT64_MAX) {
      cell->kind = COVET_UNSIGNED;
    }
  } else {
    cell->integer = strtoll(copy, &end, 10);
  }
  return errno == 0 && *end == '\0' ? MY_READ_OK : MY_READ_MALFORMED;
}

my_read_status my_parse_number(const my_column *column, const char *text,
                               size_t length, covet_batch *batch,
                               covet_cell *cell)
{
  char copy[LONGEST_NUMBER + 1];
  char *end = copy;

  (void) column;
  (void) batch;
  if (!copy_number(text, length, copy)) {
    return MY_READ_MALFORMED;
  }
  cell->number = strtod(copy, &end);
  cell->length = 0;
  cell->kind = COVET_FLOAT;
  return *end == '\0' ? MY_READ_OK : MY_READ_MALFORMED;
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
