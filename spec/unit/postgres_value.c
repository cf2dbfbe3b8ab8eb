/* Readers and writers by themselves: what is malformed, what is not understood,
 * what is refused. postgres_wire.c compares them with a server. */
#include "postgres/bed.h"

#include <math.h>
#include <string.h>

/* Types of the server, as it would tell of them. */
static const char *const rows[][PG_TYPES_COLUMNS] = {
    {"20000", "s.node", "node", "c", "0", ",", "{name,rest}", "{25,20001}"},
    {"20001", "s.node[]", "_node", "a", "20000", ",", NULL, NULL},
    {"20002", "hstore", "hstore", "b", "0", ",", NULL, NULL},
    {"20003", "moods", "moods", "d", "1009", ",", NULL, NULL},
    {"20004", "seldom", "seldom", "c", "0", ",", "{a}", "{29999}"},
    {"20005", "code", "code", "b", "0", ",", NULL, NULL},
    {"20006", "code[]", "_code", "a", "20005", ",", NULL, NULL},
};

static void start(pg_bed *bed)
{
  pg_bed_init(bed);
  assert_int_equal(pg_types_set_custom(bed->types, "code", true), 0);
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    int lengths[PG_TYPES_COLUMNS];

    for (int j = 0; j < PG_TYPES_COLUMNS; j++) {
      lengths[j] = rows[i][j] == NULL ? 0 : (int) strlen(rows[i][j]);
    }
    assert_int_equal(pg_types_add(bed->types, rows[i], lengths), 0);
  }
  bed->batch = covet_batch_new(bed->shape, 1);
}

static pg_read_status read_bytes(pg_bed *bed, uint32_t oid, pg_format format,
                                 const char *bytes, size_t length,
                                 covet_cell *cell, uint32_t *missing)
{
  *missing = 0;
  return pg_value_read(bed->types, pg_types_find(bed->types, oid), format,
                       bytes, (int32_t) length, bed->batch, cell, missing);
}

static covet_cell read_text(pg_bed *bed, uint32_t oid, const char *text)
{
  covet_cell cell;
  uint32_t missing;

  assert_int_equal(
      read_bytes(bed, oid, PG_FORMAT_TEXT, text, strlen(text), &cell, &missing),
      PG_READ_OK);
  return cell;
}

/* What is no text of its type comes as it is. */
static void test_texts_not_understood(void **state)
{
  static const struct {
    uint32_t oid;
    const char *text;
  } texts[] = {
      {16, "true"},
      {23, ""},
      {23, " 1"},
      {23, "1x"},
      {20, "9223372036854775808"},
      {26, "-1"},
      {701, "1,5"},
      {701, "0x10"},
      {701, "1e"},
      {701, "."},
      {17, "\\x0"},
      {17, "\\xzz"},
      {17, "a\\1"},
      {17, "\\"},
      {1184, "Sun Mar 10 07:00:00 2024 UTC"},
      {1184, "2024-03-10 07:00:00"},
      {1184, "2023-02-29 00:00:00+00"},
      {1184, "0000-01-01 00:00:00+00"},
      {1184, "2024-03-10 25:00:00+00"},
      {1184, "2024-03-10 07:60:00+00"},
      {1007, ""},
      {1007, "1"},
      {1007, "{"},
      {1007, "{1"},
      {1007, "{1}}"},
      {1007, "{1,}"},
      {1007, "{,1}"},
      {1007, "{{1},2}"},
      {1007, "{{1},{2,3}}"},
      {1007, "{{1},{{2}}}"},
      {1007, "{{}}"},
      {1007, "{{{{{{{1}}}}}}}"},
      {1007, "[0:2]={1,2}"},
      {1007, "[0:1][0:1]={1,2}"},
      {1007, "[0:1={1,2}"},
      {1007, "[0:1]{1,2}"},
      {1007, "[x:1]={1}"},
      {1009, "{\"a}"},
      {1009, "{a\\"},
      {20000, "(a"},
      {20000, "a,b)"},
      {20000, "(a,\"b)"},
      {20000, "(a,b)x"},
      {3904, "[1,2"},
      {3904, "1,2)"},
      {3904, "[1)"},
      {3904, "[1,2,3)"},
      {3904, "Empty"},
      {4451, "{"},
      {4451, "{[1,2)"},
      {4451, "{[1,2),}"},
      {4451, "{[1,2)[3,4)}"},
      {4451, "[1,2)"},
      {20002, "\"a\"=>1"},
      {20002, "a=>\"1\""},
      {20002, "\"a\"=>\"1\","},
      {20002, "\"a\"->\"1\""},
      {20002, "\"a\"=>\"1"},
  };
  pg_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    covet_cell cell = read_text(&bed, texts[i].oid, texts[i].text);

    if (cell.kind != COVET_TEXT ||
        cell.length != (int32_t) strlen(texts[i].text) ||
        memcmp(cell.bytes, texts[i].text, (size_t) cell.length) != 0) {
      fail_msg("%u '%s': kind %u", texts[i].oid, texts[i].text, cell.kind);
    }
  }
  pg_bed_deinit(&bed);
}

#define BYTES(text) text, sizeof(text) - 1

static void test_malformed_bytes(void **state)
{
  static const struct {
    uint32_t oid;
    const char *bytes;
    size_t length;
  } values[] = {
      {16, BYTES("")},
      {16, BYTES("\1\1")},
      {21, BYTES("\0")},
      {23, BYTES("\0\0\0\0\0")},
      {20, BYTES("\0\0\0\0")},
      {700, BYTES("\0\0\0\0\0\0\0\0")},
      {701, BYTES("\0\0\0\0")},
      {1700, BYTES("\0\0\0\0\0\0\0")},
      {1700, BYTES("\0\1\0\0\0\0\0\0")},
      {1700, BYTES("\0\1\0\0\0\0\0\0\x27\x10")},         /* 10000 */
      {1700, BYTES("\xFF\xFF\0\0\0\0\0\0")},             /* -1 groups */
      {1700, BYTES("\0\0\0\0\x12\x34\0\0")},             /* a sign of none */
      {1700, BYTES("\0\0\0\0\0\0\x40\0")},               /* scale */
      {1083, BYTES("\0\0\0\x14\x1D\xD7\x60\x01")},       /* after 24:00 */
      {1083, BYTES("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")}, /* before 0:00 */
      {1266, BYTES("\0\0\0\0\0\0\0\0")},
      {3802, BYTES("\2{}")},
      {3802, BYTES("")},
      {2950, BYTES("\0\0\0\0")},
      {869, BYTES("\2\x20\0\4\1\2\3")},
      {869, BYTES("\4\x20\0\4\1\2\3\4")},
      {869, BYTES("\2\x21\0\4\1\2\3\4")},
      {1560, BYTES("\0\0\0\x09\1")},
      {1560, BYTES("\xFF\xFF\xFF\xFF")},
      {604, BYTES("\0\0\0\1")},
      {602, BYTES("\1\x10\0\0\0")},
      {3614, BYTES("\0\0\0\1a")},
      {3614, BYTES("\0\0\0\1a\0\0\1")},
      {1007, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\x7F\xFF\xFF\xFF\0\0\0\1")},
      {1007, BYTES("\0\0\0\7\0\0\0\0\0\0\0\x17")},
      {1007, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\xFF\xFF\xFF"
                   "\xFE")},
      {1007, BYTES("\0\0\0\0\0\0\0\0\0\0\0\x17\0")},
      {2249, BYTES("\0\0\0\1")},
      {2249, BYTES("\0\0\0\1\0\0\0\x17\0\0\0\4\0\0\0")},
      {3904, BYTES("")},
      {3904, BYTES("\2\0\0\0\4\0\0\0\1")},
      {3904, BYTES("\1\0")},
      {4451, BYTES("\0\0\0\1\xFF\xFF\xFF\xFF")},
      {20002, BYTES("\0\0\0\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")},
  };
  pg_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    covet_cell cell;
    uint32_t missing;
    pg_read_status status =
        read_bytes(&bed, values[i].oid, PG_FORMAT_BINARY, values[i].bytes,
                   values[i].length, &cell, &missing);

    if (status != PG_READ_MALFORMED || cell.kind != COVET_NULL) {
      fail_msg("%zu, type %u: status %d", i, values[i].oid, (int) status);
    }
  }
  pg_bed_deinit(&bed);
}

/* A node in a node in a node... by text, whose quotes double each time, as far as
 * that goes; by bytes to the limit and one beyond. */
static void test_depth_is_limited(void **state)
{
  enum { LEVEL_BYTES = 12 + 8 + 4 + 4 + 4 + 4 + 4 };
  static char bytes[PG_MAX_DEPTH * LEVEL_BYTES + 256];
  size_t length = 0;
  pg_bed bed;
  covet_cell cell;
  uint32_t missing;

  (void) state;
  start(&bed);
  for (int level = 0; level <= PG_MAX_DEPTH; level += 2) {
    pg_buffer row = {0};
    pg_buffer list = {0};

    /* a row (NULL, list so far), in a list of one */
    pg_buffer_add_int32(&row, 2);
    pg_buffer_add_int32(&row, 25);
    pg_buffer_add_int32(&row, -1);
    pg_buffer_add_int32(&row, 20001);
    pg_buffer_add_int32(&row, level == 0 ? -1 : (int32_t) length);
    pg_buffer_add(&row, bytes, length);
    pg_buffer_add(&list, "\0\0\0\1\0\0\0\0\0\0\x4E\x20\0\0\0\1\0\0\0\1", 20);
    pg_buffer_add_int32(&list, (int32_t) row.length);
    pg_buffer_add(&list, row.bytes, row.length);
    length = list.length;
    assert_true(length <= sizeof(bytes));
    memcpy(bytes, list.bytes, length);
    pg_buffer_deinit(&row);
    pg_buffer_deinit(&list);
    assert_int_equal(read_bytes(&bed, 20001, PG_FORMAT_BINARY, bytes, length,
                                &cell, &missing),
                     level < PG_MAX_DEPTH ? PG_READ_OK : PG_READ_TOO_DEEP);
  }
  pg_bed_deinit(&bed);
}

static void test_types_that_are_missing(void **state)
{
  pg_bed bed;
  covet_cell cell;
  uint32_t missing;

  (void) state;
  start(&bed);
  assert_int_equal(read_bytes(&bed, 2249, PG_FORMAT_BINARY,
                              BYTES("\0\0\0\1\0\0\x75\x2F\0\0\0\1x"), &cell,
                              &missing),
                   PG_READ_UNKNOWN);
  assert_int_equal(missing, 29999);
  assert_int_equal(
      read_bytes(&bed, 20004, PG_FORMAT_TEXT, BYTES("(x)"), &cell, &missing),
      PG_READ_UNKNOWN);
  assert_int_equal(missing, 29999);
  /* a type that has another attribute, or one less, by now */
  assert_int_equal(
      read_bytes(&bed, 20000, PG_FORMAT_TEXT, BYTES("(a,,c)"), &cell, &missing),
      PG_READ_OUTDATED);
  assert_int_equal(missing, 20000);
  assert_int_equal(read_bytes(&bed, 20000, PG_FORMAT_BINARY,
                              BYTES("\0\0\0\1\0\0\0\x19\0\0\0\1x"), &cell,
                              &missing),
                   PG_READ_OUTDATED);
  assert_int_equal(missing, 20000);
  pg_bed_deinit(&bed);
}

static void test_kinds_of_nested_cells(void **state)
{
  pg_bed bed;
  covet_cell cell;

  (void) state;
  start(&bed);
  assert_int_equal(read_text(&bed, 1700, "1.5").kind, COVET_TEXT);
  assert_int_equal(read_text(&bed, 114, "[]").kind, COVET_TEXT);
  assert_int_equal(read_text(&bed, 20005, "x").kind, COVET_TEXT);
  assert_int_equal(read_text(&bed, 1231, "{1.5}").nested->cells[0].kind,
                   COVET_NUMERIC);
  assert_int_equal(read_text(&bed, 199, "{[]}").nested->cells[0].kind,
                   COVET_JSON);
  assert_int_equal(read_text(&bed, 20006, "{x}").nested->cells[0].kind,
                   COVET_CUSTOM);
  assert_int_equal(read_text(&bed, 1007, "{x}").nested->cells[0].kind,
                   COVET_TEXT); /* no number */
  cell = read_text(&bed, 2249, "(a,,\"\")");
  assert_int_equal(cell.kind, COVET_COMPOSITE);
  assert_int_equal(cell.nested->count, 3);
  assert_null(cell.nested->names);
  assert_int_equal(cell.nested->cells[0].kind, COVET_TEXT);
  assert_int_equal(cell.nested->cells[1].length, -1);
  assert_int_equal(cell.nested->cells[2].length, 0);
  cell = read_text(&bed, 20003, "[0:1]={a,b}");
  assert_int_equal(cell.nested->sizes[0], 2);
  assert_int_equal(cell.nested->sizes[1], 0);
  assert_int_equal(cell.nested->type_id, 1009);
  cell = read_text(&bed, 3904, "(,5)");
  assert_int_equal(cell.nested->flags, COVET_RANGE_LOWER_INFINITE);
  assert_int_equal(cell.nested->cells[0].kind, COVET_NULL);
  assert_int_equal(cell.nested->cells[1].integer, 5);
  pg_bed_deinit(&bed);
}

/* The cells outlive the cache, with the names of attributes. */
static void test_names_stay_with_the_batch(void **state)
{
  pg_bed bed;
  covet_cell cell;
  covet_cell other;

  (void) state;
  start(&bed);
  cell = read_text(&bed, 20001, "{\"(a,)\",\"(b,{})\"}");
  other = read_text(&bed, 20000, "(c,)");
  pg_types_free(bed.types);
  bed.types = NULL;
  assert_string_equal(cell.nested->cells[0].nested->names[1], "rest");
  assert_ptr_equal(cell.nested->cells[0].nested->names, other.nested->names);
  pg_bed_deinit(&bed);
}

static void test_floats_in_a_locale_with_a_comma(void **state)
{
  const pg_type *type;
  covet_cell cell = {.number = 1.5e-7, .kind = COVET_FLOAT};
  pg_buffer buffer = {0};
  covet_error error;
  pg_bed bed;

  (void) state;
  if (!unit_comma_locale()) {
    print_message("no locale with a decimal comma can be made\n");
    skip();
  }
  start(&bed);
  type = pg_types_find(bed.types, 701);
  assert_true(read_text(&bed, 701, "1.5").number == 1.5);
  assert_true(read_text(&bed, 701, "1.2345678901234567e-300").number ==
              1.2345678901234567e-300);
  assert_int_equal(pg_value_write_copy_text(type, &cell, &buffer, &error), 0);
  assert_int_equal(buffer.length, 7);
  assert_memory_equal(buffer.bytes, "1.5e-07", 7);
  pg_buffer_deinit(&buffer);
  unit_plain_locale();
  pg_bed_deinit(&bed);
}

/* --- Writers ----------------------------------------------------------------------- */

#define INTEGER(value)                                                         \
  {                                                                            \
    .integer = (value), .kind = COVET_INTEGER                                  \
  }
#define NUMBER(value)                                                          \
  {                                                                            \
    .number = (value), .kind = COVET_FLOAT                                     \
  }
#define BOOLEAN(value)                                                         \
  {                                                                            \
    .integer = (value), .kind = COVET_BOOLEAN                                  \
  }
#define TEXT(value)                                                            \
  {                                                                            \
    .bytes = (value), .length = sizeof(value) - 1, .kind = COVET_TEXT          \
  }
#define BLOB(value)                                                            \
  {                                                                            \
    .bytes = (value), .length = sizeof(value) - 1, .kind = COVET_BLOB          \
  }

typedef struct refusal {
  uint32_t oid;
  covet_cell cell;
  covet_error_kind kind;
  const char *message;
} refusal;

/* By every writer. */
static const refusal refusals[] = {
    {21, INTEGER(32768), COVET_ERROR_INVALID_VALUE,
     "expected smallint, got an integer out of its range"},
    {23, INTEGER(-2147483649), COVET_ERROR_INVALID_VALUE,
     "expected integer, got an integer out of its range"},
    {26, INTEGER(-1), COVET_ERROR_INVALID_VALUE,
     "expected oid, got an integer out of its range"},
    {23, NUMBER(1.5), COVET_ERROR_INVALID_VALUE,
     "expected integer, got a number with a fraction"},
    {20, NUMBER(0x1p63), COVET_ERROR_INVALID_VALUE,
     "expected bigint, got a number out of its range"},
    {20, NUMBER(NAN), COVET_ERROR_INVALID_VALUE,
     "expected bigint, got a number that is not finite"},
    {700, NUMBER(1e39), COVET_ERROR_INVALID_VALUE,
     "expected real, got a number out of its range"},
    {700, NUMBER(1e-60), COVET_ERROR_INVALID_VALUE,
     "expected real, got a number out of its range"},
    {114, NUMBER(INFINITY), COVET_ERROR_INVALID_VALUE,
     "expected json, got a number that is not finite"},
    {23, BOOLEAN(1), COVET_ERROR_USAGE, "expected integer, got a boolean"},
    {1700, BOOLEAN(1), COVET_ERROR_USAGE, "expected numeric, got a boolean"},
    {16, INTEGER(1), COVET_ERROR_USAGE, "expected boolean, got an integer"},
    {16, NUMBER(1), COVET_ERROR_USAGE, "expected boolean, got a number"},
    {17, INTEGER(1), COVET_ERROR_USAGE, "expected bytea, got an integer"},
    {17, BOOLEAN(1), COVET_ERROR_USAGE, "expected bytea, got a boolean"},
    {114, BLOB("{}"), COVET_ERROR_USAGE, "expected json, got bytes"},
    {23, BLOB("1"), COVET_ERROR_USAGE, "expected integer, got bytes"},
    {1184, INTEGER(0), COVET_ERROR_USAGE,
     "expected timestamp with time zone, got an integer"},
    {2950, BLOB("0123456789abcdef"), COVET_ERROR_USAGE,
     "expected uuid, got bytes"},
    {1007, INTEGER(1), COVET_ERROR_USAGE, "expected integer[], got an integer"},
    {20000, NUMBER(1), COVET_ERROR_USAGE, "expected s.node, got a number"},
    {25, TEXT("a\0b"), COVET_ERROR_INVALID_VALUE,
     "expected text, got a text with a NUL byte"},
    {25, BLOB("\0"), COVET_ERROR_INVALID_VALUE,
     "expected text, got a text with a NUL byte"},
    {3802, TEXT("\"\0\""), COVET_ERROR_INVALID_VALUE,
     "expected jsonb, got a text with a NUL byte"},
};

/* By the binary writer, which has to know what a text means. */
static const refusal binary_refusals[] = {
    {16, TEXT("o"), COVET_ERROR_INVALID_VALUE,
     "expected boolean, got a text that is none"},
    {23, TEXT("1.0"), COVET_ERROR_INVALID_VALUE,
     "expected integer, got a text that is none"},
    {21, TEXT("40000"), COVET_ERROR_INVALID_VALUE,
     "expected smallint, got an integer out of its range"},
    {701, TEXT("1e999"), COVET_ERROR_INVALID_VALUE,
     "expected double precision, got a number out of its range"},
    {701, TEXT("1e-999"), COVET_ERROR_INVALID_VALUE,
     "expected double precision, got a number out of its range"},
    {701, TEXT("one"), COVET_ERROR_INVALID_VALUE,
     "expected double precision, got a text that is none"},
    {1700, TEXT("1e200000"), COVET_ERROR_INVALID_VALUE,
     "expected numeric, got a text that is none"},
    {1700, TEXT("1e-16384"), COVET_ERROR_INVALID_VALUE,
     "expected numeric, got a text that is none"},
    {1700, TEXT("."), COVET_ERROR_INVALID_VALUE,
     "expected numeric, got a text that is none"},
    {1700, TEXT(""), COVET_ERROR_INVALID_VALUE,
     "expected numeric, got a text that is none"},
    {2950, TEXT("a0eebc99"), COVET_ERROR_INVALID_VALUE,
     "expected uuid, got a text that is none"},
    {1082, TEXT("2024-02-30"), COVET_ERROR_INVALID_VALUE,
     "expected date, got a text that is none"},
    {1082, TEXT("1900-02-29"), COVET_ERROR_INVALID_VALUE,
     "expected date, got a text that is none"},
    {1082, TEXT("4714-11-23 BC"), COVET_ERROR_INVALID_VALUE,
     "expected date, got a text that is none"},
    {1082, TEXT("5874898-01-01"), COVET_ERROR_INVALID_VALUE,
     "expected date, got a text that is none"},
    {1082, TEXT("2024-13-01"), COVET_ERROR_INVALID_VALUE,
     "expected date, got a text that is none"},
    {1083, TEXT("24:00:01"), COVET_ERROR_INVALID_VALUE,
     "expected time without time zone, got a text that is none"},
    {1114, TEXT("294277-01-01 00:00:00"), COVET_ERROR_INVALID_VALUE,
     "expected timestamp without time zone, got a text that is none"},
    {1184, TEXT("2024-01-01 00:00:00"), COVET_ERROR_INVALID_VALUE,
     "expected timestamp with time zone, got a text without an offset"},
    {1184, TEXT("now"), COVET_ERROR_INVALID_VALUE,
     "expected timestamp with time zone, got a text that is none"},
};

static void check_refusal(const refusal *one, int status,
                          const pg_buffer *buffer, const covet_error *error)
{
  if (status != COVET_EUSAGE || error->kind != one->kind ||
      strcmp(error->message, one->message) != 0) {
    fail_msg("%s: status %d, %s", one->message, status,
             status == 0 ? "written" : error->message);
  }
  assert_int_equal(buffer->length, 3);
}

static void test_values_are_refused(void **state)
{
  pg_buffer buffer = {0};
  covet_error error;
  pg_format format;
  pg_bed bed;

  (void) state;
  start(&bed);
  assert_int_equal(pg_buffer_add(&buffer, "abc", 3), 0);
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    const refusal *one = &refusals[i];
    const pg_type *type = pg_types_find(bed.types, one->oid);

    check_refusal(one,
                  pg_value_write(type, &one->cell, &buffer, &format, &error),
                  &buffer, &error);
    check_refusal(one,
                  pg_value_write_copy_text(type, &one->cell, &buffer, &error),
                  &buffer, &error);
    check_refusal(one, pg_value_write_binary(type, &one->cell, &buffer, &error),
                  &buffer, &error);
  }
  for (size_t i = 0; i < sizeof(binary_refusals) / sizeof(refusal); i++) {
    const refusal *one = &binary_refusals[i];
    const pg_type *type = pg_types_find(bed.types, one->oid);

    check_refusal(one, pg_value_write_binary(type, &one->cell, &buffer, &error),
                  &buffer, &error);
  }
  pg_buffer_deinit(&buffer);
  pg_bed_deinit(&bed);
}

static void test_parameters_of_no_known_type(void **state)
{
  static const struct {
    covet_cell cell;
    pg_format format;
    const char *bytes;
  } values[] = {
      {INTEGER(-5), PG_FORMAT_TEXT, "-5"},
      {NUMBER(0.1), PG_FORMAT_TEXT, "0.1"},
      {BOOLEAN(1), PG_FORMAT_TEXT, "true"},
      {TEXT("a"), PG_FORMAT_TEXT, "a"},
      {BLOB("\\x"), PG_FORMAT_BINARY, "\\x"},
  };

  (void) state;
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    pg_buffer buffer = {0};
    covet_error error;
    pg_format format;

    assert_int_equal(
        pg_value_write(NULL, &values[i].cell, &buffer, &format, &error), 0);
    assert_int_equal(format, values[i].format);
    assert_int_equal(buffer.length, strlen(values[i].bytes));
    assert_memory_equal(buffer.bytes, values[i].bytes, buffer.length);
    pg_buffer_deinit(&buffer);
  }
}

static void test_nulls_of_copy(void **state)
{
  covet_cell null = {.length = -1, .kind = COVET_NULL};
  pg_buffer buffer = {0};
  covet_error error;
  pg_bed bed;

  (void) state;
  start(&bed);
  assert_int_equal(pg_value_write_copy_text(pg_types_find(bed.types, 25), &null,
                                            &buffer, &error),
                   0);
  assert_int_equal(pg_value_write_binary(pg_types_find(bed.types, 25), &null,
                                         &buffer, &error),
                   0);
  assert_int_equal(buffer.length, 6);
  assert_memory_equal(buffer.bytes, "\\N\xFF\xFF\xFF\xFF", 6);
  pg_buffer_deinit(&buffer);
  pg_bed_deinit(&bed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_texts_not_understood),
      cmocka_unit_test(test_malformed_bytes),
      cmocka_unit_test(test_depth_is_limited),
      cmocka_unit_test(test_types_that_are_missing),
      cmocka_unit_test(test_kinds_of_nested_cells),
      cmocka_unit_test(test_names_stay_with_the_batch),
      cmocka_unit_test(test_floats_in_a_locale_with_a_comma),
      cmocka_unit_test(test_values_are_refused),
      cmocka_unit_test(test_parameters_of_no_known_type),
      cmocka_unit_test(test_nulls_of_copy),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
