/* Fields as the server describes them: what their values are read by, and what
 * they are told to be. */
#include "mysql_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINARY_CHARSET = 63, BYTES_A_CHARACTER = 4 };

static bool is_binary(const MYSQL_FIELD *field)
{
  return field->charsetnr == BINARY_CHARSET;
}

/* What MariaDB tells of a type beyond the protocol's: its name, such as "uuid", or its
 * format, "json". Of no length: it tells nothing. */
static MARIADB_CONST_STRING attribute_of(const MYSQL_FIELD *field,
                                         enum mariadb_field_attr_t which)
{
  MARIADB_CONST_STRING value = {"", 0};

  if (mariadb_field_attr(&value, field, which) != 0 || value.str == NULL) {
    value.str = "";
    value.length = 0;
  }
  return value;
}

static bool is_same_attribute(const MYSQL_FIELD *field,
                              const MYSQL_FIELD *other,
                              enum mariadb_field_attr_t which)
{
  MARIADB_CONST_STRING one = attribute_of(field, which);
  MARIADB_CONST_STRING two = attribute_of(other, which);

  return one.length == two.length && memcmp(one.str, two.str, one.length) == 0;
}

static bool has_attributes(const MYSQL_FIELD *field)
{
  return attribute_of(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME).length > 0 ||
         attribute_of(field, MARIADB_FIELD_ATTR_FORMAT_NAME).length > 0;
}

static bool is_json(const MYSQL_FIELD *field)
{
  MARIADB_CONST_STRING format =
      attribute_of(field, MARIADB_FIELD_ATTR_FORMAT_NAME);

  return field->type == MYSQL_TYPE_JSON ||
         (format.length == 4 && memcmp(format.str, "json", 4) == 0);
}

bool my_fields_complete(MYSQL_FIELD *fields, const MYSQL_FIELD *described,
                        unsigned count)
{
  bool fits = true;

  for (unsigned i = 0; i < count; i++) {
    if (fields[i].extension != NULL && !has_attributes(&fields[i])) {
      fields[i].extension = described[i].extension;
    }
    fits = fits && strcmp(fields[i].name, described[i].name) == 0 &&
           is_same_attribute(&fields[i], &described[i],
                             MARIADB_FIELD_ATTR_DATA_TYPE_NAME) &&
           is_same_attribute(&fields[i], &described[i],
                             MARIADB_FIELD_ATTR_FORMAT_NAME);
  }
  return fits;
}

/* --- Readers ---------------------------------------------------------------------- */

void my_column_choose(my_column *column, const MYSQL_FIELD *field)
{
  bool blob = is_binary(field) && !is_json(field);

  column->binary = blob ? my_read_blob : my_read_text;
  column->text = blob ? my_parse_blob : my_parse_text;
  switch (field->type) {
  case MYSQL_TYPE_TINY:
    column->binary = my_read_tiny;
    column->text = my_parse_integer;
    break;
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_YEAR:
    column->binary = my_read_short;
    column->text = my_parse_integer;
    break;
  case MYSQL_TYPE_LONG:
  case MYSQL_TYPE_INT24:
    column->binary = my_read_long;
    column->text = my_parse_integer;
    break;
  case MYSQL_TYPE_LONGLONG:
    column->binary = my_read_longlong;
    column->text = my_parse_integer;
    break;
  case MYSQL_TYPE_FLOAT:
    column->binary = my_read_float;
    column->text = my_parse_float;
    break;
  case MYSQL_TYPE_DOUBLE:
    column->binary = my_read_double;
    column->text = my_parse_double;
    break;
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    column->binary = my_read_date;
    column->text = my_parse_date;
    break;
  case MYSQL_TYPE_DATETIME:
  case MYSQL_TYPE_TIMESTAMP:
    column->binary = my_read_datetime;
    column->text = my_parse_date;
    break;
  case MYSQL_TYPE_TIME:
    column->binary = my_read_time;
    column->text = my_parse_text;
    break;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    column->binary = my_read_text;
    column->text = my_parse_text;
    break;
  case MYSQL_TYPE_BIT:
  case MYSQL_TYPE_GEOMETRY:
    column->binary = my_read_blob;
    column->text = my_parse_blob;
    break;
  default:
    break;
  }
}

/* --- Kinds ------------------------------------------------------------------------ */

covet_kind my_field_kind(const MYSQL_FIELD *field, bool is_utc)
{
  bool is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;

  switch (field->type) {
  case MYSQL_TYPE_TINY:
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_YEAR:
  case MYSQL_TYPE_LONG:
  case MYSQL_TYPE_INT24:
    return COVET_INTEGER;
  case MYSQL_TYPE_LONGLONG:
    return is_unsigned ? COVET_UNSIGNED : COVET_INTEGER;
  case MYSQL_TYPE_FLOAT:
  case MYSQL_TYPE_DOUBLE:
    return COVET_FLOAT;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    return COVET_NUMERIC;
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return COVET_DATE;
  case MYSQL_TYPE_TIME:
    return COVET_TIME;
  case MYSQL_TYPE_DATETIME:
    return COVET_TIMESTAMP;
  case MYSQL_TYPE_TIMESTAMP:
    return is_utc ? COVET_TIMESTAMPTZ : COVET_TIMESTAMP;
  case MYSQL_TYPE_BIT:
  case MYSQL_TYPE_GEOMETRY:
    return COVET_BLOB;
  case MYSQL_TYPE_NULL:
    return COVET_NULL;
  default:
    if (is_json(field)) {
      return COVET_JSON;
    }
    return is_binary(field) ? COVET_BLOB : COVET_TEXT;
  }
}

/* --- Types as CREATE TABLE has them ------------------------------------------------- */

static const char *number_name(enum enum_field_types type)
{
  switch (type) {
  case MYSQL_TYPE_TINY:
    return "tinyint";
  case MYSQL_TYPE_SHORT:
    return "smallint";
  case MYSQL_TYPE_INT24:
    return "mediumint";
  case MYSQL_TYPE_LONG:
    return "int";
  case MYSQL_TYPE_LONGLONG:
    return "bigint";
  case MYSQL_TYPE_FLOAT:
    return "float";
  case MYSQL_TYPE_DOUBLE:
    return "double";
  default:
    return NULL;
  }
}

static const char *moment_name(enum enum_field_types type)
{
  switch (type) {
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return "date";
  case MYSQL_TYPE_TIME:
    return "time";
  case MYSQL_TYPE_DATETIME:
    return "datetime";
  case MYSQL_TYPE_TIMESTAMP:
    return "timestamp";
  case MYSQL_TYPE_YEAR:
    return "year";
  default:
    return NULL;
  }
}

/* TINYTEXT to LONGTEXT, TINYBLOB to LONGBLOB, by how long they can be. */
static const char *long_name(const MYSQL_FIELD *field)
{
  static const char *const names[][2] = {{"tinytext", "tinyblob"},
                                         {"text", "blob"},
                                         {"mediumtext", "mediumblob"},
                                         {"longtext", "longblob"}};
  unsigned size = field->length <= 255U * BYTES_A_CHARACTER        ? 0
                  : field->length <= 65535U * BYTES_A_CHARACTER    ? 1
                  : field->length <= 16777215U * BYTES_A_CHARACTER ? 2
                                                                   : 3;

  if (is_binary(field)) {
    size = field->length <= 255        ? 0
           : field->length <= 65535    ? 1
           : field->length <= 16777215 ? 2
                                       : 3;
  }
  return names[size][is_binary(field)];
}

static int write_string(const MYSQL_FIELD *field, char *text, size_t size)
{
  bool binary = is_binary(field);
  bool fixed = field->type == MYSQL_TYPE_STRING;
  unsigned long length =
      binary ? field->length : field->length / BYTES_A_CHARACTER;

  if (field->flags & ENUM_FLAG) {
    return snprintf(text, size, "enum");
  }
  if (field->flags & SET_FLAG) {
    return snprintf(text, size, "set");
  }
  return snprintf(text, size, "%s%s(%lu)", fixed ? "" : "var",
                  binary ? "binary" : "char", length);
}

static int write_number(const MYSQL_FIELD *field, const char *name, char *text,
                        size_t size)
{
  const char *sign = field->flags & UNSIGNED_FLAG ? " unsigned" : "";

  if (field->type == MYSQL_TYPE_TINY && field->length == 1 && *sign == '\0') {
    return snprintf(text, size, "tinyint(1)");
  }
  return snprintf(text, size, "%s%s", name, sign);
}

static int write_decimal(const MYSQL_FIELD *field, char *text, size_t size)
{
  bool is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
  /* its width: the digits, a point, and a sign */
  unsigned long digits =
      field->length - (field->decimals > 0) - (is_unsigned ? 0 : 1);

  return snprintf(text, size, "decimal(%lu,%u)%s", digits, field->decimals,
                  is_unsigned ? " unsigned" : "");
}

static int write_moment(const MYSQL_FIELD *field, const char *name, char *text,
                        size_t size)
{
  if (field->decimals > 0 && field->decimals <= 6 &&
      field->type != MYSQL_TYPE_DATE) {
    return snprintf(text, size, "%s(%u)", name, field->decimals);
  }
  return snprintf(text, size, "%s", name);
}

size_t my_field_type(const MYSQL_FIELD *field, char *text, size_t size)
{
  const char *number = number_name(field->type);
  const char *moment = moment_name(field->type);
  MARIADB_CONST_STRING own =
      attribute_of(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME);
  int length;

  if (is_json(field)) {
    length = snprintf(text, size, "json");
  } else if (own.length > 0) {
    length = snprintf(text, size, "%.*s", (int) own.length, own.str);
  } else if (number != NULL) {
    length = write_number(field, number, text, size);
  } else if (moment != NULL) {
    length = write_moment(field, moment, text, size);
  } else if (field->type == MYSQL_TYPE_NEWDECIMAL ||
             field->type == MYSQL_TYPE_DECIMAL) {
    length = write_decimal(field, text, size);
  } else if (field->type == MYSQL_TYPE_BIT) {
    length = snprintf(text, size, "bit(%lu)", field->length);
  } else if (field->type == MYSQL_TYPE_GEOMETRY) {
    length = snprintf(text, size, "geometry");
  } else if (field->type == MYSQL_TYPE_NULL) {
    length = 0;
    text[0] = '\0';
  } else if (field->type >= MYSQL_TYPE_TINY_BLOB &&
             field->type <= MYSQL_TYPE_BLOB) {
    length = snprintf(text, size, "%s", long_name(field));
  } else {
    length = write_string(field, text, size);
  }
  return length < (int) size ? (size_t) length : size - 1;
}

/* --- The columns of a result --------------------------------------------------------- */

static uint64_t mix_text(uint64_t mark, const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    mark = (mark ^ (unsigned char) text[i]) * UINT64_C(0x100000001B3);
  }
  return (mark ^ length) * UINT64_C(0x100000001B3);
}

/* What tells two lists of fields apart. */
static uint64_t mark_of(const MYSQL_FIELD *fields, unsigned count)
{
  uint64_t mark = count + UINT64_C(0x9E3779B97F4A7C15);

  for (unsigned i = 0; i < count; i++) {
    const MYSQL_FIELD *field = &fields[i];
    uint64_t parts[] = {(uint64_t) field->type | field->flags << 8,
                        field->length,
                        (uint64_t) field->decimals << 32 | field->charsetnr};

    for (size_t part = 0; part < sizeof(parts) / sizeof(parts[0]); part++) {
      mark = (mark ^ parts[part]) * UINT64_C(0xFF51AFD7ED558CCD);
      mark ^= mark >> 29;
    }
    mark = mix_text(mark, field->name, strlen(field->name));
    for (int which = 0; which <= MARIADB_FIELD_ATTR_LAST; which++) {
      MARIADB_CONST_STRING value =
          attribute_of(field, (enum mariadb_field_attr_t) which);

      mark = mix_text(mark, value.str, value.length);
    }
  }
  return mark == 0 ? 1 : mark;
}

static void describe(covet_column *column, const MYSQL_FIELD *field, char *type,
                     size_t size, bool is_utc)
{
  column->name = field->name;
  column->name_length = (uint32_t) strlen(field->name);
  column->type_length = (uint32_t) my_field_type(field, type, size);
  column->type = type;
  column->kind = my_field_kind(field, is_utc);
  column->type_id = (uint32_t) field->type;
}

static const covet_shape *make_shape(const MYSQL_FIELD *fields, unsigned count,
                                     covet_shape_table *shapes, bool is_utc)
{
  enum { TYPE_SIZE = 48 };
  covet_column *columns = malloc(count * sizeof(*columns));
  char(*types)[TYPE_SIZE] = malloc(count * sizeof(*types));
  const covet_shape *shape = NULL;

  if (columns != NULL && types != NULL) {
    for (unsigned i = 0; i < count; i++) {
      describe(&columns[i], &fields[i], types[i], TYPE_SIZE, is_utc);
    }
    shape = covet_shape_intern(shapes, columns, count);
  }
  free(columns);
  free(types);
  return shape;
}

void my_columns_deinit(my_columns *columns)
{
  covet_shape_release(columns->shape);
  free(columns->list);
  memset(columns, 0, sizeof(*columns));
}

bool my_columns_fit(my_columns *columns, const MYSQL_FIELD *fields,
                    unsigned count, covet_shape_table *shapes,
                    my_zero_dates zero_dates, bool is_utc)
{
  uint64_t mark = mark_of(fields, count);

  if (columns->mark == mark && columns->shape != NULL) {
    return true;
  }
  my_columns_deinit(columns);
  columns->list = calloc(count, sizeof(*columns->list));
  columns->shape = make_shape(fields, count, shapes, is_utc);
  if (columns->list == NULL || columns->shape == NULL) {
    my_columns_deinit(columns);
    return false;
  }
  for (unsigned i = 0; i < count; i++) {
    columns->list[i].is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0 ||
                                   fields[i].type == MYSQL_TYPE_YEAR;
    columns->list[i].decimals = (unsigned char) fields[i].decimals;
    columns->list[i].zero_dates = zero_dates;
    my_column_choose(&columns->list[i], &fields[i]);
  }
  columns->mark = mark;
  return true;
}
