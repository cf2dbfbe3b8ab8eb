/* Fields of binary COPY. The server takes them as they are: what a text means
 * has to be found out here. */
#include "../core/number.h"
#include "postgres_calendar.h"
#include "postgres_numeric.h"
#include "postgres_text.h"
#include "postgres_write.h"

#include <math.h>
#include <string.h>
#include <strings.h>

bool pg_value_writes_binary(const pg_type *type)
{
  switch (type->form) {
  case PG_FORM_TEXT:
  case PG_FORM_BOOL:
  case PG_FORM_INT2:
  case PG_FORM_INT4:
  case PG_FORM_INT8:
  case PG_FORM_OID:
  case PG_FORM_XID8:
  case PG_FORM_FLOAT4:
  case PG_FORM_FLOAT8:
  case PG_FORM_NUMERIC:
  case PG_FORM_BYTEA:
  case PG_FORM_JSONB:
  case PG_FORM_UUID:
  case PG_FORM_DATE:
  case PG_FORM_TIME:
  case PG_FORM_TIMESTAMP:
  case PG_FORM_TIMESTAMPTZ:
  case PG_FORM_CUSTOM_BINARY:
    return true;
  default:
    return false;
  }
}

static int refuse_text(const pg_type *type, covet_error *error)
{
  return pg_write_refuse(type, COVET_ERROR_INVALID_VALUE, "a text that is none",
                         error);
}

/* --- Texts of what has a binary form ---------------------------------------------- */

/* The server's words for a boolean and their beginnings, where those tell. */
static bool parse_boolean(const char *text, size_t length, int64_t *value)
{
  static const struct {
    const char *word;
    size_t least;
    int64_t value;
  } words[] = {{"true", 1, 1}, {"false", 1, 0}, {"yes", 1, 1}, {"no", 1, 0},
               {"on", 2, 1},   {"off", 2, 0},   {"1", 1, 1},   {"0", 1, 0}};

  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (length >= words[i].least && length <= strlen(words[i].word) &&
        strncasecmp(text, words[i].word, length) == 0) {
      *value = words[i].value;
      return true;
    }
  }
  return false;
}

static int write_boolean_text(const pg_type *type, const covet_cell *cell,
                              pg_buffer *buffer, covet_error *error)
{
  int64_t value;

  if (!parse_boolean(cell->bytes, (size_t) cell->length, &value)) {
    return refuse_text(type, error);
  }
  return pg_write_bits(buffer, (uint64_t) value, 1);
}

static int write_integer_text(const pg_type *type, const covet_cell *cell,
                              pg_buffer *buffer, covet_error *error)
{
  covet_cell number = {.kind = COVET_INTEGER};

  if (!covet_number_integer(cell->bytes, (size_t) cell->length,
                            &number.integer)) {
    return refuse_text(type, error);
  }
  if (!pg_write_fits(type->form, number.integer)) {
    return pg_write_refuse(type, COVET_ERROR_INVALID_VALUE,
                           "an integer out of its range", error);
  }
  return pg_write_fixed(type, &number, buffer);
}

static bool has_digit(const covet_cell *cell, char least)
{
  for (int32_t i = 0; i < cell->length; i++) {
    char byte = cell->bytes[i];

    if (byte == 'e' || byte == 'E') {
      return false;
    }
    if (byte >= least && byte <= '9') {
      return true;
    }
  }
  return false;
}

/* What rounds to infinity, or to zero, is out of the server's range. */
static int write_float_text(const pg_type *type, const covet_cell *cell,
                            pg_buffer *buffer, covet_error *error)
{
  covet_cell number = {.kind = COVET_FLOAT};

  if (!pg_text_float(cell->bytes, (uint32_t) cell->length,
                     type->form == PG_FORM_FLOAT4, &number.number)) {
    return refuse_text(type, error);
  }
  if ((isinf(number.number) && has_digit(cell, '0')) ||
      (number.number == 0 && has_digit(cell, '1'))) {
    return pg_write_refuse(type, COVET_ERROR_INVALID_VALUE,
                           "a number out of its range", error);
  }
  return pg_write_fixed(type, &number, buffer);
}

static int hex_value(char digit)
{
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  digit = (char) (digit | 0x20);
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Like the server: braces around it and hyphens after each four digits are left
 * to the writer. */
static bool parse_uuid(const char *text, size_t length, char *bytes)
{
  bool braces = length >= 2 && text[0] == '{' && text[length - 1] == '}';
  size_t end = braces ? length - 1 : length;
  size_t at = braces ? 1 : 0;

  for (int i = 0; i < 16; i++) {
    int high = at < end ? hex_value(text[at]) : -1;
    int low = at + 1 < end ? hex_value(text[at + 1]) : -1;

    if (high < 0 || low < 0) {
      return false;
    }
    bytes[i] = (char) (high << 4 | low);
    at += 2;
    if (i % 2 == 1 && i < 15 && at < end && text[at] == '-') {
      at++;
    }
  }
  return at == end;
}

static int write_uuid_text(const pg_type *type, const covet_cell *cell,
                           pg_buffer *buffer, covet_error *error)
{
  char bytes[16];

  return parse_uuid(cell->bytes, (size_t) cell->length, bytes)
             ? pg_buffer_add(buffer, bytes, sizeof(bytes))
             : refuse_text(type, error);
}

/* A text without an offset means the session's time zone, which only the server
 * knows: it is refused rather than guessed. */
static int write_moment_text(const pg_type *type, const covet_cell *cell,
                             pg_buffer *buffer, covet_error *error)
{
  const char *text = cell->bytes;
  uint32_t length = (uint32_t) cell->length;
  int64_t us = 0;
  int32_t days = 0;
  bool good = false;

  switch (type->form) {
  case PG_FORM_DATE:
    return pg_date_parse(text, length, &days)
               ? pg_write_bits(buffer, (uint32_t) days, 4)
               : refuse_text(type, error);
  case PG_FORM_TIME:
    good = pg_time_parse(text, length, &us);
    break;
  case PG_FORM_TIMESTAMP:
    good = pg_timestamp_parse(text, length, &us);
    break;
  default:
    good = pg_timestamptz_parse(text, length, &us);
    if (!good && pg_timestamp_parse(text, length, &us)) {
      return pg_write_refuse(type, COVET_ERROR_INVALID_VALUE,
                             "a text without an offset", error);
    }
    break;
  }
  return good ? pg_write_bits(buffer, (uint64_t) us, 8)
              : refuse_text(type, error);
}

/* --- Fields -------------------------------------------------------------------------- */

/* Any number as its text first, which says all of it. */
static int write_numeric(const pg_type *type, const covet_cell *cell,
                         pg_buffer *buffer, covet_error *error)
{
  pg_buffer text = {0};
  int status = pg_write_text(type, cell, &text);

  if (status == 0) {
    status = pg_numeric_write(text.bytes, (uint32_t) text.length, buffer);
  }
  pg_buffer_deinit(&text);
  return status == COVET_EUSAGE ? refuse_text(type, error) : status;
}

static int write_text_field(const pg_type *type, const covet_cell *cell,
                            pg_buffer *buffer, covet_error *error)
{
  switch (type->form) {
  case PG_FORM_BOOL:
    return write_boolean_text(type, cell, buffer, error);
  case PG_FORM_INT2:
  case PG_FORM_INT4:
  case PG_FORM_INT8:
  case PG_FORM_OID:
  case PG_FORM_XID8:
    return write_integer_text(type, cell, buffer, error);
  case PG_FORM_FLOAT4:
  case PG_FORM_FLOAT8:
    return write_float_text(type, cell, buffer, error);
  case PG_FORM_UUID:
    return write_uuid_text(type, cell, buffer, error);
  case PG_FORM_DATE:
  case PG_FORM_TIME:
  case PG_FORM_TIMESTAMP:
  case PG_FORM_TIMESTAMPTZ:
    return write_moment_text(type, cell, buffer, error);
  default: /* text, json, and bytes, whose text is what they are */
    return pg_buffer_add(buffer, cell->bytes, (size_t) cell->length);
  }
}

static int write_field(const pg_type *type, const covet_cell *cell,
                       pg_buffer *buffer, covet_error *error)
{
  pg_takes takes = pg_write_takes(type);

  if (type->form == PG_FORM_NUMERIC) {
    return write_numeric(type, cell, buffer, error);
  }
  if (type->form == PG_FORM_JSONB && pg_write_bits(buffer, 1, 1) != 0) {
    return COVET_ENOMEM; /* the version of its binary form */
  }
  if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
    return write_text_field(type, cell, buffer, error);
  }
  if (takes == PG_TAKES_BOOLEAN || takes == PG_TAKES_INTEGER ||
      takes == PG_TAKES_FLOAT) {
    return pg_write_fixed(type, cell, buffer);
  }
  return pg_write_text(type, cell, buffer);
}

int pg_value_write_binary(const pg_type *type, const covet_cell *cell,
                          pg_buffer *buffer, covet_error *error)
{
  size_t start = buffer->length;
  size_t end;
  int status;

  if (cell->kind == COVET_NULL) {
    return pg_buffer_add_int32(buffer, -1);
  }
  status = pg_write_check(type, cell, error);
  if (status != 0) {
    return status;
  }
  status = pg_buffer_add_int32(buffer, 0);
  if (status == 0) {
    status = write_field(type, cell, buffer, error);
  }
  if (status != 0) {
    buffer->length = start;
    return status;
  }
  end = buffer->length; /* the length goes before what it counts */
  buffer->length = start;
  pg_buffer_add_int32(buffer, (int32_t) (end - start - 4));
  buffer->length = end;
  return 0;
}
