/* The writers against a server: a parameter, a field of binary COPY and a field of
 * COPY's text format arrive as the value that was meant. */
#include "postgres/bed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A type, a value for it, and what the server then has. */
typedef struct sent {
  const char *type;
  covet_cell cell;
  const char *text;
} sent;

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

static const sent values[] = {
    {"boolean", BOOLEAN(1), "t"},
    {"boolean", BOOLEAN(0), "f"},
    {"boolean", TEXT("yes"), "t"},
    {"boolean", TEXT("of"), "f"},
    {"smallint", INTEGER(-32768), "-32768"},
    {"smallint", NUMBER(32767.0), "32767"},
    {"smallint", TEXT("-5"), "-5"},
    {"integer", INTEGER(-2147483647 - 1), "-2147483648"},
    {"integer", NUMBER(1e9), "1000000000"},
    {"bigint", INTEGER(INT64_MIN), "-9223372036854775808"},
    {"bigint", NUMBER(1e18), "1000000000000000000"},
    {"bigint", NUMBER(-0x1p63), "-9223372036854775808"},
    {"oid", INTEGER(4294967295), "4294967295"},
    {"xid8", TEXT("9223372036854775807"), "9223372036854775807"},
    {"real", NUMBER(0.1), "0.1"},
    {"real", INTEGER(16777217), "1.6777216e+07"},
    {"real", TEXT("1e-45"), "1e-45"},
    {"double precision", NUMBER(0.1), "0.1"},
    {"double precision", NUMBER(NAN), "NaN"},
    {"double precision", NUMBER(-INFINITY), "-Infinity"},
    {"double precision", NUMBER(-0.0), "-0"},
    {"double precision", INTEGER(9007199254740993), "9.007199254740992e+15"},
    {"double precision", TEXT("-1.5E+3"), "-1500"},
    {"numeric", INTEGER(INT64_MIN), "-9223372036854775808"},
    {"numeric", INTEGER(0), "0"},
    {"numeric", NUMBER(0.1), "0.1"},
    {"numeric", NUMBER(1e22), "10000000000000000000000"},
    {"numeric", NUMBER(1.5e-7), "0.00000015"},
    {"numeric", NUMBER(NAN), "NaN"},
    {"numeric", NUMBER(INFINITY), "Infinity"},
    {"numeric", TEXT("-0.00"), "0.00"},
    {"numeric", TEXT("00012.50e1"), "125.0"},
    {"numeric", TEXT("1e5"), "100000"},
    {"numeric", TEXT(".5"), "0.5"},
    {"numeric", TEXT("5."), "5"},
    {"numeric", TEXT("+5e-3"), "0.005"},
    {"numeric", TEXT("nan"), "NaN"},
    {"numeric", TEXT("-inf"), "-Infinity"},
    {"text", TEXT(""), ""},
    {"text", TEXT("a\tb\\c\nd\re\bf\fg\v\\N"), "a\tb\\c\nd\re\bf\fg\v\\N"},
    {"text", TEXT("\\."), "\\."},
    {"text", TEXT("\xC3\xA9\xE2\x82\xAC"), "\xC3\xA9\xE2\x82\xAC"},
    {"text", INTEGER(-5), "-5"},
    {"text", NUMBER(1.5), "1.5"},
    {"text", BOOLEAN(1), "true"},
    {"text", BLOB("ab"), "ab"},
    {"bytea", TEXT("\0\\x41\xFF\t"), "\\x005c783431ff09"},
    {"bytea", BLOB("\0\\\n"), "\\x005c0a"},
    {"bytea", BLOB(""), "\\x"},
    {"json", TEXT("{\"a\": \"b\\\\\\nc\"}"), "{\"a\": \"b\\\\\\nc\"}"},
    {"json", BOOLEAN(0), "false"},
    {"jsonb", TEXT("[1,  2]"), "[1, 2]"},
    {"jsonb", INTEGER(12), "12"},
    {"jsonb", NUMBER(1e-7), "0.0000001"},
    {"jsonb", BOOLEAN(1), "true"},
    {"uuid", TEXT("A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    {"uuid", TEXT("{a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11}"),
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    {"date", TEXT("2024-02-29"), "2024-02-29"},
    {"date", TEXT("0044-03-15 BC"), "0044-03-15 BC"},
    {"date", TEXT("-infinity"), "-infinity"},
    {"date", TEXT("5874897-12-31"), "5874897-12-31"},
    {"time", TEXT("24:00"), "24:00:00"},
    {"time", TEXT("01:02:03.0000015"), "01:02:03.000002"},
    {"time", TEXT("01:02:03.9999996"), "01:02:04"},
    {"timestamp", TEXT("2024-02-29T12:34:56.7"), "2024-02-29 12:34:56.7"},
    {"timestamp", TEXT("2024-02-29"), "2024-02-29 00:00:00"},
    {"timestamp", TEXT("2024-02-29 24:00"), "2024-03-01 00:00:00"},
    {"timestamp", TEXT("0001-01-01 00:00:00 BC"), "0001-01-01 00:00:00 BC"},
    {"timestamp", TEXT("infinity"), "infinity"},
    {"timestamptz", TEXT("2024-02-29 12:00:00+05:30"),
     "2024-02-29 06:30:00+00"},
    {"timestamptz", TEXT("2024-02-29T12:00Z"), "2024-02-29 12:00:00+00"},
    {"timestamptz", TEXT("2024-02-29 12:00-0830"), "2024-02-29 20:30:00+00"},
    {"timestamptz", TEXT("2024-02-29 12:00:00-00:01:15"),
     "2024-02-29 12:01:15+00"},
    {"timestamptz", TEXT("0044-03-15 12:00:00-02 BC"),
     "0044-03-15 14:00:00+00 BC"},
    {"interval", TEXT("1 day"), "1 day"},
    {"inet", TEXT("1.2.3.4/24"), "1.2.3.4/24"},
    {"integer[]", TEXT("{1,NULL,3}"), "{1,NULL,3}"},
    {"text[]", TEXT("{\"a\\\\\\\\b\",\"\t\"}"), "{\"a\\\\\\\\b\",\"\t\"}"},
    {"int4range", TEXT("[1,5)"), "[1,5)"},
    {"money", INTEGER(5), "$5.00"},
    {"point", TEXT("(1,2)"), "(1,2)"},
    {"mood", TEXT("so so"), "so so"},
    {"posint", INTEGER(7), "7"},
    {"flag", BOOLEAN(1), "t"},
    {"raw", BLOB("\xFF\0"), "\\xff00"},
    {"raw", TEXT("\xFF\0"), "\\xff00"},
    {"amount", NUMBER(2.5), "2.5"},
};

static const char *const setup[] = {
    "DROP SCHEMA IF EXISTS wire_write CASCADE; CREATE SCHEMA wire_write",
    "SET search_path = wire_write, public",
    "CREATE TYPE mood AS ENUM ('sad', 'so so')",
    "CREATE DOMAIN posint AS integer CHECK (value > 0)",
    "CREATE DOMAIN flag AS boolean",
    "CREATE DOMAIN raw AS bytea",
    "CREATE DOMAIN amount AS numeric",
    "SET lc_monetary = 'en_US.UTF-8'",
};

enum { SETUPS = sizeof(setup) / sizeof(setup[0]) };

static void start(pg_bed *bed)
{
  pg_bed_init(bed);
  pg_bed_connect(bed);
  for (size_t i = 0; i < SETUPS - 1; i++) {
    pg_bed_run(bed, setup[i]);
  }
  /* where there is no such locale, money is without a sign */
  PQclear(PQexec(bed->connection, setup[SETUPS - 1]));
}

static const pg_type *named(pg_bed *bed, const char *name)
{
  char sql[128];
  PGresult *result;
  uint32_t oid;

  snprintf(sql, sizeof(sql), "SELECT '%s'::regtype::oid", name);
  result = pg_bed_query(bed, sql, PG_FORMAT_TEXT);
  oid = (uint32_t) strtoul(PQgetvalue(result, 0, 0), NULL, 10);
  PQclear(result);
  return pg_bed_type(bed, oid);
}

static void check_text(const sent *one, const char *how, const char *text)
{
  bool money = strcmp(one->type, "money") == 0 && one->text[0] != text[0];

  if (strcmp(text, one->text + (money ? 1 : 0)) != 0) {
    fail_msg("%s of '%s' for %s: '%s'", how, one->text, one->type, text);
  }
}

static void check_answer(const sent *one, const char *how, PGresult *result)
{
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    fail_msg("%s of '%s' for %s: %s", how, one->text, one->type,
             PQresultErrorMessage(result));
  }
  check_text(one, how, PQgetvalue(result, 0, 0));
  PQclear(result);
}

/* Bytes as a parameter of the type; a NUL follows them. */
static void check_bytes(pg_bed *bed, const sent *one, const pg_type *type,
                        const char *how, const char *bytes, size_t length,
                        pg_format format)
{
  int sizes[] = {(int) length};
  int formats[] = {(int) format};
  const char *bound[] = {bytes};
  Oid types[] = {type->oid};
  char sql[128];

  snprintf(sql, sizeof(sql), "SELECT $1::%s", one->type);
  check_answer(
      one, how,
      PQexecParams(bed->connection, sql, 1, types, bound, sizes, formats, 0));
}

static void check_parameter(pg_bed *bed, const sent *one, const pg_type *type)
{
  pg_buffer buffer = {0};
  pg_format format;
  covet_error error;

  if (pg_value_write(type, &one->cell, &buffer, &format, &error) != 0) {
    fail_msg("'%s' for %s: %s", one->text, one->type, error.message);
  }
  assert_int_equal(pg_buffer_add(&buffer, "", 1), 0);
  check_bytes(bed, one, type, "parameter", buffer.bytes, buffer.length - 1,
              format);
  pg_buffer_deinit(&buffer);
}

static void check_binary(pg_bed *bed, const sent *one, const pg_type *type)
{
  pg_buffer buffer = {0};
  covet_error error;

  if (!pg_value_writes_binary(type)) {
    return;
  }
  if (pg_value_write_binary(type, &one->cell, &buffer, &error) != 0) {
    fail_msg("'%s' for %s: %s", one->text, one->type, error.message);
  }
  check_bytes(bed, one, type, "binary", buffer.bytes + 4, buffer.length - 4,
              PG_FORMAT_BINARY);
  pg_buffer_deinit(&buffer);
}

static void check_copy(pg_bed *bed, const sent *one, const pg_type *type)
{
  pg_buffer buffer = {0};
  covet_error error;
  char sql[128];
  PGresult *result;

  assert_int_equal(pg_value_write_copy_text(type, &one->cell, &buffer, &error),
                   0);
  assert_int_equal(pg_buffer_add(&buffer, "\n", 1), 0);
  snprintf(sql, sizeof(sql),
           "DROP TABLE IF EXISTS one; CREATE TABLE one (v %s)", one->type);
  pg_bed_run(bed, sql);
  PQclear(PQexec(bed->connection, "COPY one FROM STDIN"));
  PQputCopyData(bed->connection, buffer.bytes, (int) buffer.length);
  PQputCopyEnd(bed->connection, NULL);
  result = PQgetResult(bed->connection);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) {
    fail_msg("COPY of '%s' for %s: %s", one->text, one->type,
             PQresultErrorMessage(result));
  }
  PQclear(result);
  assert_null(PQgetResult(bed->connection));
  check_answer(one, "COPY", pg_bed_query(bed, "TABLE one", PG_FORMAT_TEXT));
  pg_buffer_deinit(&buffer);
}

static void test_values_arrive(void **state)
{
  pg_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    const pg_type *type = named(&bed, values[i].type);

    check_parameter(&bed, &values[i], type);
    check_binary(&bed, &values[i], type);
    check_copy(&bed, &values[i], type);
  }
  pg_bed_deinit(&bed);
}

/* Any bits of a float: both texts are the server's, and lead back. */
static void check_float(pg_bed *bed, const pg_type *type, uint64_t bits)
{
  bool single = type->form == PG_FORM_FLOAT4;
  covet_cell cell = {.kind = COVET_FLOAT};
  covet_cell read;
  pg_buffer buffer = {0};
  float small;
  uint32_t low = (uint32_t) bits;
  pg_format format;
  covet_error error;
  PGresult *result;

  memcpy(&small, &low, sizeof(small));
  memcpy(&cell.number, &bits, sizeof(bits));
  cell.number = single ? (double) small : cell.number;
  assert_int_equal(pg_value_write(type, &cell, &buffer, &format, &error), 0);
  result = PQexecParams(bed->connection, "SELECT $1", 1, &type->oid,
                        (const char *const[]){buffer.bytes},
                        (int[]){(int) buffer.length}, (int[]){(int) format}, 0);
  read = pg_bed_read(bed, type, PG_FORMAT_TEXT, PQgetvalue(result, 0, 0),
                     PQgetlength(result, 0, 0));
  if (!isnan(cell.number) && read.integer != cell.integer) {
    fail_msg("%.17g: the server says %s", cell.number,
             PQgetvalue(result, 0, 0));
  }
  if (!single) {
    buffer.length = 0;
    assert_int_equal(pg_value_write_copy_text(type, &cell, &buffer, &error), 0);
    assert_int_equal(pg_buffer_add(&buffer, "", 1), 0);
    assert_string_equal(buffer.bytes, PQgetvalue(result, 0, 0));
  }
  PQclear(result);
  pg_buffer_deinit(&buffer);
}

static void test_floats_of_any_bits(void **state)
{
  pg_bed bed;
  const char *rounds = getenv("COVET_PG_ROUNDS");
  long count = rounds == NULL ? 1 : strtol(rounds, NULL, 10);
  uint64_t bits = UINT64_C(0x9E3779B97F4A7C15);

  (void) state;
  start(&bed);
  for (long i = 0; i < count * 1000; i++) {
    bits ^= bits << 13; /* xorshift */
    bits ^= bits >> 7;
    bits ^= bits << 17;
    check_float(&bed, pg_types_find(bed.types, 701), bits);
    check_float(&bed, pg_types_find(bed.types, 700), bits);
    pg_bed_clear(&bed);
  }
  pg_bed_deinit(&bed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_arrive),
      cmocka_unit_test(test_floats_of_any_bits),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
