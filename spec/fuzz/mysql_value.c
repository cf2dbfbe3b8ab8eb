/* Any bytes as values: the first three choose the type, the protocol and what the
 * server says of the column. A reader stays within the bytes, and what it makes of
 * them is whole. */
#include "mysql_value.h"
#include "batch.h"
#include "mysql_fuzz.h"

static const enum enum_field_types types[] = {
    MYSQL_TYPE_TINY,      MYSQL_TYPE_SHORT,    MYSQL_TYPE_LONG,
    MYSQL_TYPE_LONGLONG,  MYSQL_TYPE_INT24,    MYSQL_TYPE_YEAR,
    MYSQL_TYPE_FLOAT,     MYSQL_TYPE_DOUBLE,   MYSQL_TYPE_NEWDECIMAL,
    MYSQL_TYPE_DATE,      MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIMESTAMP,
    MYSQL_TYPE_TIME,      MYSQL_TYPE_STRING,   MYSQL_TYPE_BLOB,
    MYSQL_TYPE_BIT,       MYSQL_TYPE_JSON,     MYSQL_TYPE_GEOMETRY,
    MYSQL_TYPE_VAR_STRING};

enum { HEAD = 3, TYPES = sizeof(types) / sizeof(types[0]) };

static covet_batch *make_batch(void)
{
  static covet_shape_table table;
  static const covet_shape *shape;
  covet_column column = {.name = "v", .type = "", .name_length = 1};

  if (shape == NULL) {
    require(covet_shape_table_init(&table) == 0);
    shape = covet_shape_intern(&table, &column, 1);
    require(shape != NULL);
  }
  return covet_batch_new(shape, 1);
}

static void look(const covet_cell *cell)
{
  static volatile unsigned sum; /* so that the reads stay */

  (void) sum;
  if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
    for (int32_t i = 0; i < cell->length; i++) {
      sum += (unsigned char) cell->bytes[i];
    }
    return;
  }
  require(cell->kind == COVET_INTEGER || cell->kind == COVET_UNSIGNED ||
          cell->kind == COVET_FLOAT || cell->kind == COVET_NULL);
}

static void read_binary(const my_column *column, const uint8_t *data,
                        size_t size)
{
  unsigned char *bytes = fuzz_copy(data, size);
  my_source from = {bytes, bytes + size};
  covet_batch *batch = make_batch();

  while (from.at < from.end) {
    my_source again = from;
    covet_cell cell = {.kind = COVET_NULL, .length = -1};
    my_read_status status = column->binary(column, &from, batch, &cell);

    require(from.at <= from.end && status != MY_READ_NO_MEMORY);
    if (status == MY_READ_MALFORMED) {
      break;
    }
    require(from.at > again.at);
    if (status == MY_READ_OK) {
      look(&cell);
    }
    require(column->binary(column, &again, NULL, NULL) == MY_READ_OK);
    require(again.at == from.at);
  }
  covet_batch_free(batch);
  free(bytes);
}

static void read_text(const my_column *column, const uint8_t *data, size_t size)
{
  char *bytes = fuzz_copy(data, size);
  covet_batch *batch = make_batch();
  covet_cell cell = {.kind = COVET_NULL, .length = -1};

  if (column->text(column, bytes, size, batch, &cell) == MY_READ_OK) {
    free(bytes); /* nothing points to them */
    look(&cell);
  } else {
    free(bytes);
  }
  covet_batch_free(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MYSQL_FIELD field = {.name = "v"};
  my_column column = {0};
  char type[48];

  if (size < HEAD || size > 65536) {
    return 0;
  }
  field.type = types[data[0] % TYPES];
  field.flags = data[1] & 1 ? UNSIGNED_FLAG : 0;
  field.charsetnr = data[1] & 2 ? 63 : 45;
  field.length = (unsigned long) data[2] << (data[1] >> 4);
  column.is_unsigned = (data[1] & 1) != 0;
  column.decimals = data[2];
  column.zero_dates = (my_zero_dates) ((data[1] >> 2) % 3);
  field.decimals = data[2];
  my_column_choose(&column, &field);
  require(my_field_type(&field, type, sizeof(type)) < sizeof(type));
  require(my_field_kind(&field, true) <= COVET_UNSIGNED);
  read_binary(&column, data + HEAD, size - HEAD);
  read_text(&column, data + HEAD, size - HEAD);
  return 0;
}
