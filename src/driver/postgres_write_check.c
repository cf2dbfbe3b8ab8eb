/* Which values a type takes. */
#include "postgres_write.h"

#include "../core/error.h"

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
  case COVET_INTERVAL:
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
  case PG_FORM_GUESSED:
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
  (void) pg_write_refuse(type, COVET_ERROR_USAGE, what, error);
  error->code = COVET_CODE_NEEDS_ENCODING;
  return COVET_EUSAGE;
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
  static const double end = 9223372036854775808.0; /* 2^63 */

  if (!isfinite(value)) {
    return refuse_value(type, "a number that is not finite", error);
  }
  if (value != floor(value)) {
    return refuse_value(type, "a number with a fraction", error);
  }
  if (value < -end || value >= end ||
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
