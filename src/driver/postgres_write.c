/* Values as text and in binary of a fixed size, and parameters. */
#include "postgres_write.h"

#include "postgres_digits.h"
#include "postgres_float.h"

#include <string.h>

/* --- Text --------------------------------------------------------------------------- */

static int add_hex(pg_buffer *buffer, const covet_cell *cell)
{
  static const char digits[] = "0123456789abcdef";
  size_t length = (size_t) cell->length;
  char *to = pg_buffer_reserve(buffer, length * 2 + 2);

  if (to == NULL) {
    return COVET_ENOMEM;
  }
  *to++ = '\\';
  *to++ = 'x';
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char) cell->bytes[i];

    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
  }
  buffer->length += length * 2 + 2;
  return 0;
}

static int add_integer(pg_buffer *buffer, int64_t value)
{
  char digits[PG_INTEGER_BYTES + 1];
  char *end = pg_put_integer(digits, value);

  return pg_buffer_add(buffer, digits, (size_t) (end - digits));
}

static int add_number(const pg_type *type, pg_buffer *buffer, double value)
{
  char text[PG_FLOAT_BYTES];

  if (pg_write_takes(type) == PG_TAKES_INTEGER) {
    return add_integer(buffer, (int64_t) value); /* "1e+15" is none */
  }
  return pg_buffer_add(buffer, text, pg_float_write(value, false, text));
}

int pg_write_text(const pg_type *type, const covet_cell *cell,
                  pg_buffer *buffer)
{
  bool bytes = pg_write_takes(type) == PG_TAKES_BYTES;

  switch (cell->kind) {
  case COVET_INTEGER:
    return add_integer(buffer, cell->integer);
  case COVET_FLOAT:
    return add_number(type, buffer, cell->number);
  case COVET_BOOLEAN: /* json knows no others; boolean takes these too */
    return cell->integer ? pg_buffer_add(buffer, "true", 4)
                         : pg_buffer_add(buffer, "false", 5);
  case COVET_BLOB:
    bytes = pg_write_takes(type) != PG_TAKES_TEXT;
    break;
  default:
    break;
  }
  return bytes ? add_hex(buffer, cell)
               : pg_buffer_add(buffer, cell->bytes, (size_t) cell->length);
}

/* --- Binary of a fixed size -------------------------------------------------------- */

int pg_write_bits(pg_buffer *buffer, uint64_t bits, int size)
{
  char *to = pg_buffer_reserve(buffer, 8);

  if (to == NULL) {
    return COVET_ENOMEM;
  }
  for (int i = 0; i < size; i++) {
    to[i] = (char) (bits >> (8 * (size - 1 - i)));
  }
  buffer->length += (size_t) size;
  return 0;
}

static int write_single(pg_buffer *buffer, float value)
{
  uint32_t bits;

  memcpy(&bits, &value, sizeof(bits));
  return pg_write_bits(buffer, bits, 4);
}

static int write_double(pg_buffer *buffer, double value)
{
  uint64_t bits;

  memcpy(&bits, &value, sizeof(bits));
  return pg_write_bits(buffer, bits, 8);
}

int pg_write_fixed(const pg_type *type, const covet_cell *cell,
                   pg_buffer *buffer)
{
  bool whole = cell->kind != COVET_FLOAT;
  uint64_t bits = (uint64_t) (pg_write_takes(type) == PG_TAKES_INTEGER && !whole
                                  ? (int64_t) cell->number
                                  : cell->integer);

  switch (type->form) {
  case PG_FORM_INT2:
    return pg_write_bits(buffer, bits, 2);
  case PG_FORM_INT4:
  case PG_FORM_OID:
    return pg_write_bits(buffer, bits, 4);
  case PG_FORM_INT8:
  case PG_FORM_XID8:
    return pg_write_bits(buffer, bits, 8);
  case PG_FORM_FLOAT4: /* rounded once */
    return write_single(buffer,
                        whole ? (float) cell->integer : (float) cell->number);
  case PG_FORM_FLOAT8:
    return write_double(buffer, whole ? (double) cell->integer : cell->number);
  default:
    return pg_write_bits(buffer, cell->integer != 0, 1);
  }
}

/* --- Parameters -------------------------------------------------------------------- */

/* Bytes are the value itself in binary, whatever the type; what a codec has made
 * for the binary form as well. */
static bool is_raw(const pg_type *type, const covet_cell *cell)
{
  return cell->kind == COVET_BLOB ||
         (cell->kind == COVET_TEXT &&
          (pg_write_takes(type) == PG_TAKES_BYTES ||
           (type != NULL && type->form == PG_FORM_CUSTOM_BINARY)));
}

static bool is_fixed(const pg_type *type, const covet_cell *cell)
{
  switch (pg_write_takes(type)) {
  case PG_TAKES_BOOLEAN:
    return cell->kind == COVET_BOOLEAN;
  case PG_TAKES_INTEGER:
  case PG_TAKES_FLOAT:
    return cell->kind == COVET_INTEGER || cell->kind == COVET_FLOAT;
  default:
    return false;
  }
}

int pg_value_write(const pg_type *type, const covet_cell *cell,
                   pg_buffer *buffer, pg_format *format, covet_error *error)
{
  int status = pg_write_check(type, cell, error);

  *format = PG_FORMAT_BINARY;
  if (status != 0) {
    return status;
  }
  if (is_raw(type, cell)) {
    return pg_buffer_add(buffer, cell->bytes, (size_t) cell->length);
  }
  if (is_fixed(type, cell)) {
    return pg_write_fixed(type, cell, buffer);
  }
  *format = PG_FORMAT_TEXT;
  return pg_write_text(type, cell, buffer);
}
