/* Parameters: what a type takes, and how that is sent. */
#include "postgres_write.h"

#include "../core/error.h"
#include "postgres_digits.h"
#include "postgres_float.h"

#include <math.h>
#include <string.h>

/* --- What a type takes --------------------------------------------------------------- */

/* Of a domain, whose base is not at hand, the kind is all there is. */
static pg_takes takes_by_kind(covet_kind kind)
{
  switch (kind) {
  case COVET_BOOLEAN:
    return PG_TAKES_BOOLEAN;
  case COVET_NUMERIC:
    return PG_TAKES_NUMERIC;
  case COVET_BLOB:
    return PG_TAKES_BYTES;
  case COVET_JSON:
    return PG_TAKES_JSON;
  case COVET_NULL:
  case COVET_TEXT:
  case COVET_INTEGER: /* of a size that is not known */
  case COVET_FLOAT:
    return PG_TAKES_ANYTHING;
  case COVET_CUSTOM:
    return PG_TAKES_CODEC;
  default:
    return PG_TAKES_FORMAT;
  }
}

pg_takes pg_write_takes(const pg_type *type)
{
  if (type == NULL) {
    return PG_TAKES_ANYTHING;
  }
  switch (type->form) {
  case PG_FORM_TEXT_ONLY:
    return PG_TAKES_ANYTHING;
  case PG_FORM_TEXT:
    return type->kind == COVET_JSON ? PG_TAKES_JSON : PG_TAKES_TEXT;
  case PG_FORM_INT2:
  case PG_FORM_INT4:
  case PG_FORM_INT8:
  case PG_FORM_OID:
  case PG_FORM_XID8:
    return PG_TAKES_INTEGER;
  case PG_FORM_FLOAT4:
  case PG_FORM_FLOAT8:
    return PG_TAKES_FLOAT;
  case PG_FORM_BOOL:
  case PG_FORM_NUMERIC:
  case PG_FORM_BYTEA:
  case PG_FORM_JSONB:
  case PG_FORM_DOMAIN:
  case PG_FORM_CUSTOM_TEXT:
  case PG_FORM_CUSTOM_BINARY:
    return takes_by_kind(type->kind);
  default:
    return PG_TAKES_FORMAT;
  }
}

int pg_write_refuse(const pg_type *type, covet_error_kind kind,
                    const char *what, covet_error *error)
{
  covet_error_set(error, kind, "expected %s, got %s",
                  type == NULL ? "a value" : type->name, what);
  return COVET_EUSAGE;
}

static int refuse_kind(const pg_type *type, const covet_cell *cell,
                       covet_error *error)
{
  const char *what = "a value of no kind that parameters have";

  switch (cell->kind) {
  case COVET_INTEGER:
    what = "an integer";
    break;
  case COVET_FLOAT:
    what = "a number";
    break;
  case COVET_BOOLEAN:
    what = "a boolean";
    break;
  case COVET_TEXT:
    what = "a text";
    break;
  case COVET_BLOB:
    what = "bytes";
    break;
  default:
    break;
  }
  return pg_write_refuse(type, COVET_ERROR_USAGE, what, error);
}

static int refuse_value(const pg_type *type, const char *what,
                        covet_error *error)
{
  return pg_write_refuse(type, COVET_ERROR_INVALID_VALUE, what, error);
}

/* --- Checks ------------------------------------------------------------------------- */

bool pg_write_fits(pg_form form, int64_t value)
{
  switch (form) {
  case PG_FORM_INT2:
    return value >= INT16_MIN && value <= INT16_MAX;
  case PG_FORM_INT4:
    return value >= INT32_MIN && value <= INT32_MAX;
  case PG_FORM_OID:
    return value >= 0 && value <= UINT32_MAX;
  case PG_FORM_XID8:
    return value >= 0;
  default:
    return true;
  }
}

static int check_integer(const pg_type *type, const covet_cell *cell,
                         covet_error *error)
{
  switch (pg_write_takes(type)) {
  case PG_TAKES_BOOLEAN:
  case PG_TAKES_BYTES:
  case PG_TAKES_FORMAT:
    return refuse_kind(type, cell, error);
  case PG_TAKES_INTEGER:
    return pg_write_fits(type->form, cell->integer)
               ? 0
               : refuse_value(type, "an integer out of its range", error);
  default:
    return 0;
  }
}

static int check_whole(const pg_type *type, double value, covet_error *error)
{
  if (!isfinite(value)) {
    return refuse_value(type, "a number that is not finite", error);
  }
  if (value != floor(value)) {
    return refuse_value(type, "a number with a fraction", error);
  }
  if (value < -0x1p63 || value >= 0x1p63 ||
      !pg_write_fits(type->form, (int64_t) value)) {
    return refuse_value(type, "a number out of its range", error);
  }
  return 0;
}

static int check_number(const pg_type *type, const covet_cell *cell,
                        covet_error *error)
{
  double value = cell->number;

  switch (pg_write_takes(type)) {
  case PG_TAKES_BOOLEAN:
  case PG_TAKES_BYTES:
  case PG_TAKES_FORMAT:
    return refuse_kind(type, cell, error);
  case PG_TAKES_INTEGER:
    return check_whole(type, value, error);
  case PG_TAKES_JSON:
    return isfinite(value)
               ? 0
               : refuse_value(type, "a number that is not finite", error);
  case PG_TAKES_FLOAT:
    if (type->form == PG_FORM_FLOAT4 && isfinite(value) && value != 0 &&
        (isinf((float) value) || (float) value == 0)) {
      return refuse_value(type, "a number out of its range", error);
    }
    return 0;
  default:
    return 0;
  }
}

static int check_boolean(const pg_type *type, const covet_cell *cell,
                         covet_error *error)
{
  switch (pg_write_takes(type)) {
  case PG_TAKES_ANYTHING:
  case PG_TAKES_BOOLEAN:
  case PG_TAKES_TEXT:
  case PG_TAKES_JSON:
  case PG_TAKES_CODEC:
    return 0;
  default:
    return refuse_kind(type, cell, error);
  }
}

/* The protocol would take a NUL, the server's texts have none. */
static int check_text(const pg_type *type, const covet_cell *cell,
                      covet_error *error)
{
  bool bytes = pg_write_takes(type) == PG_TAKES_BYTES ||
               (type != NULL && type->form == PG_FORM_CUSTOM_BINARY);

  if (!bytes && cell->length > 0 &&
      memchr(cell->bytes, '\0', (size_t) cell->length) != NULL) {
    return refuse_value(type, "a text with a NUL byte", error);
  }
  return 0;
}

static int check_bytes(const pg_type *type, const covet_cell *cell,
                       covet_error *error)
{
  switch (pg_write_takes(type)) {
  case PG_TAKES_ANYTHING:
  case PG_TAKES_BYTES:
  case PG_TAKES_CODEC:
    return 0;
  case PG_TAKES_TEXT:
    return check_text(type, cell, error);
  default:
    return refuse_kind(type, cell, error);
  }
}

int pg_write_check(const pg_type *type, const covet_cell *cell,
                   covet_error *error)
{
  switch (cell->kind) {
  case COVET_INTEGER:
    return check_integer(type, cell, error);
  case COVET_FLOAT:
    return check_number(type, cell, error);
  case COVET_BOOLEAN:
    return check_boolean(type, cell, error);
  case COVET_TEXT:
    return check_text(type, cell, error);
  case COVET_BLOB:
    return check_bytes(type, cell, error);
  default:
    return refuse_kind(type, cell, error);
  }
}

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
