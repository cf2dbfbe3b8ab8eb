/* Readers of values by themselves: what is malformed, what is at its limits, and
 * how the types of fields are told. spec/mysql compares them with a server. */
#include "mysql_value.h"

#include "core/batch.h"
#include "support/support.h"

#include <string.h>

typedef struct value_bed {
  covet_shape_table table;
  const covet_shape *shape;
  covet_batch *batch;
} value_bed;

static void start(value_bed *bed)
{
  covet_column column = {.name = "v", .type = "", .name_length = 1};

  assert_int_equal(covet_shape_table_init(&bed->table), 0);
  bed->shape = covet_shape_intern(&bed->table, &column, 1);
  assert_non_null(bed->shape);
  bed->batch = covet_batch_new(bed->shape, 1);
  assert_non_null(bed->batch);
}

static void stop(value_bed *bed)
{
  covet_batch_free(bed->batch);
  covet_shape_release(bed->shape);
  covet_shape_table_deinit(&bed->table);
}

static my_read_status read_value(value_bed *bed, enum enum_field_types type,
                                 unsigned decimals, const char *bytes,
                                 size_t length, covet_cell *cell)
{
  MYSQL_FIELD field = {.type = type, .decimals = decimals, .charsetnr = 63};
  my_column column = {.decimals = (unsigned char) decimals};
  my_source from = {(const unsigned char *) bytes,
                    (const unsigned char *) bytes + length};

  my_column_choose(&column, &field);
  return column.binary(&column, &from, bed->batch, cell);
}

/* Every value, cut off everywhere. */
static void test_cut_off(void **state)
{
  static const struct {
    enum enum_field_types type;
    const char *bytes;
    size_t length;
  } cases[] = {
      {MYSQL_TYPE_TINY, "\x01", 1},
      {MYSQL_TYPE_SHORT, "\x01\x02", 2},
      {MYSQL_TYPE_LONG, "\x01\x02\x03\x04", 4},
      {MYSQL_TYPE_LONGLONG, "\x01\x02\x03\x04\x05\x06\x07\x08", 8},
      {MYSQL_TYPE_FLOAT, "\0\0\x80\x3f", 4},
      {MYSQL_TYPE_DOUBLE, "\0\0\0\0\0\0\xf0\x3f", 8},
      {MYSQL_TYPE_BLOB,
       "\x03"
       "abc",
       4},
      {MYSQL_TYPE_BLOB,
       "\xfc\x03\x00"
       "abc",
       6},
      {MYSQL_TYPE_BLOB,
       "\xfd\x03\x00\x00"
       "abc",
       7},
      {MYSQL_TYPE_BLOB,
       "\xfe\x03\0\0\0\0\0\0\0"
       "abc",
       12},
      {MYSQL_TYPE_DATE, "\x04\xea\x07\x01\x02", 5},
      {MYSQL_TYPE_DATETIME, "\x07\xea\x07\x01\x02\x03\x04\x05", 8},
      {MYSQL_TYPE_DATETIME, "\x0b\xea\x07\x01\x02\x03\x04\x05\x01\0\0\0", 12},
      {MYSQL_TYPE_TIME, "\x08\0\x01\0\0\0\x02\x03\x04", 9},
      {MYSQL_TYPE_TIME, "\x0c\x01\x22\0\0\0\x16\x3b\x3b\x3f\x42\x0f\0", 13},
  };
  value_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    covet_cell cell;

    assert_int_equal(read_value(&bed, cases[i].type, 0, cases[i].bytes,
                                cases[i].length, &cell),
                     MY_READ_OK);
    for (size_t length = 0; length < cases[i].length; length++) {
      assert_int_equal(
          read_value(&bed, cases[i].type, 0, cases[i].bytes, length, &cell),
          MY_READ_MALFORMED);
    }
  }
  stop(&bed);
}

/* Lengths that no value has. */
static void test_lengths(void **state)
{
  static const struct {
    enum enum_field_types type;
    const char *bytes;
  } cases[] = {
      {MYSQL_TYPE_BLOB, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff"},
      {MYSQL_TYPE_BLOB, "\xfe\0\0\0\x80\0\0\0\0"},
      {MYSQL_TYPE_DATE, "\xff"},
      {MYSQL_TYPE_DATETIME, "\xff"},
      {MYSQL_TYPE_TIME, "\xff"},
  };
  char bytes[64];
  value_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    covet_cell cell;

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, cases[i].bytes, cases[i].type == MYSQL_TYPE_BLOB ? 9 : 1);
    assert_int_equal(
        read_value(&bed, cases[i].type, 0, bytes, sizeof(bytes), &cell),
        MY_READ_MALFORMED);
  }
  stop(&bed);
}

static void check_text(value_bed *bed, enum enum_field_types type,
                       unsigned decimals, const char *bytes, size_t length,
                       const char *expected)
{
  covet_cell cell;

  assert_int_equal(read_value(bed, type, decimals, bytes, length, &cell),
                   MY_READ_OK);
  assert_int_equal(cell.kind, COVET_TEXT);
  assert_int_equal(cell.length, strlen(expected));
  assert_memory_equal(cell.bytes, expected, strlen(expected));
}

static void test_moments(void **state)
{
  value_bed bed;

  (void) state;
  start(&bed);
  check_text(&bed, MYSQL_TYPE_DATE, 0, "\0", 1, "0000-00-00");
  check_text(&bed, MYSQL_TYPE_DATETIME, 0, "\0", 1, "0000-00-00 00:00:00");
  check_text(&bed, MYSQL_TYPE_DATETIME, 3, "\x04\xea\x07\x01\x02", 5,
             "2026-01-02 00:00:00.000");
  check_text(&bed, MYSQL_TYPE_TIME, 0, "\0", 1, "00:00:00");
  check_text(&bed, MYSQL_TYPE_TIME, 6,
             "\x0c\x01\x22\0\0\0\x16\x3b\x3b\x3f\x42\x0f\0", 13,
             "-838:59:59.999999");
  stop(&bed);
}

static double parse_number(value_bed *bed, enum enum_field_types type,
                           const char *text)
{
  MYSQL_FIELD field = {.type = type};
  my_column column = {0};
  covet_cell cell = {.kind = COVET_NULL};

  my_column_choose(&column, &field);
  assert_int_equal(column.text(&column, text, strlen(text), bed->batch, &cell),
                   MY_READ_OK);
  assert_int_equal(cell.kind, COVET_FLOAT);
  return cell.number;
}

static void check_numbers(value_bed *bed)
{
  assert_true(parse_number(bed, MYSQL_TYPE_DOUBLE, "0.1") == 0.1);
  assert_true(parse_number(bed, MYSQL_TYPE_DOUBLE, "-1.5e-7") == -1.5e-7);
  /* as the other protocol has it */
  assert_true(parse_number(bed, MYSQL_TYPE_FLOAT, "0.1") == (double) 0.1F);
}

static void test_numbers_as_text(void **state)
{
  value_bed bed;

  (void) state;
  start(&bed);
  check_numbers(&bed);
  if (unit_comma_locale()) {
    check_numbers(&bed);
    unit_plain_locale();
  }
  stop(&bed);
}

static void check_type(MYSQL_FIELD field, const char *expected)
{
  char text[48];
  size_t length = my_field_type(&field, text, sizeof(text));

  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
  /* cut off, and ended */
  length = my_field_type(&field, text, 4);
  assert_true(length < 4 && strlen(text) == length);
}

static void test_types(void **state)
{
  (void) state;
  check_type((MYSQL_FIELD){.type = MYSQL_TYPE_TINY, .length = 1}, "tinyint(1)");
  check_type((MYSQL_FIELD){.type = MYSQL_TYPE_LONGLONG, .flags = UNSIGNED_FLAG},
             "bigint unsigned");
  check_type((MYSQL_FIELD){.type = MYSQL_TYPE_NEWDECIMAL,
                           .length = 67,
                           .decimals = 30},
             "decimal(65,30)");
  check_type((MYSQL_FIELD){.type = MYSQL_TYPE_VAR_STRING,
                           .length = 80,
                           .charsetnr = 45},
             "varchar(20)");
  check_type(
      (MYSQL_FIELD){.type = MYSQL_TYPE_BLOB, .length = 65535, .charsetnr = 63},
      "blob");
  check_type((MYSQL_FIELD){.type = MYSQL_TYPE_DATETIME, .decimals = 6},
             "datetime(6)");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cut_off), cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_moments), cmocka_unit_test(test_numbers_as_text),
      cmocka_unit_test(test_types),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
