/* The readers against a server: of one value its binary form, its text form and
 * what the server itself prints come to the same cell. The cases are in
 * postgres/cases.h and postgres/random.h. */
#include "postgres/bed.h"

#include "driver/postgres_float.h"
#include "postgres/cases.h"
#include "postgres/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 600 };

/* Time zones with daylight saving, odd offsets, and offsets in seconds once. */
static const char *const zones[] = {
    "America/New_York", "Asia/Kathmandu",     "Pacific/Apia",
    "Europe/Amsterdam", "Pacific/Kiritimati", "America/St_Johns",
    "Africa/Monrovia",
};

/* What psql shows of a cell that is not made of others. */
static size_t print_cell(const covet_cell *cell, bool single, char *text)
{
  switch (cell->kind) {
  case COVET_INTEGER:
    return (size_t) sprintf(text, "%" PRId64, cell->integer);
  case COVET_BOOLEAN:
    text[0] = cell->integer ? 't' : 'f';
    return 1;
  case COVET_FLOAT:
    return pg_float_write(cell->number, single, text);
  case COVET_BLOB:
    memcpy(text, "\\x", 2);
    for (int32_t i = 0; i < cell->length; i++) {
      sprintf(text + 2 + (size_t) i * 2, "%02x",
              (unsigned) (unsigned char) cell->bytes[i]);
    }
    return 2 + (size_t) cell->length * 2;
  default:
    memcpy(text, cell->bytes, (size_t) cell->length);
    return (size_t) cell->length;
  }
}

static bool is_nested(const covet_cell *cell)
{
  return cell->kind >= COVET_ARRAY && cell->kind <= COVET_MAP;
}

static void check_print(const covet_cell *cell, const pg_type *type,
                        const char *text, int length, const char *sql)
{
  char *printed;
  size_t size;

  if (is_nested(cell) || cell->kind == COVET_NULL) {
    return;
  }
  printed = malloc((size_t) cell->length * 2 + 64);
  assert_non_null(printed);
  size = print_cell(cell, type->form == PG_FORM_FLOAT4, printed);
  if (size != (size_t) length || memcmp(printed, text, size) != 0) {
    fail_msg("%s: the server prints '%s', not '%.*s'", sql, text, (int) size,
             printed);
  }
  free(printed);
}

/* What is written of a cell is what the server sent. */
static void check_written(const pg_type *type, const covet_cell *cell,
                          const char *bytes, int length, const char *sql)
{
  pg_buffer buffer = {0};
  covet_error error;

  if (pg_value_write_binary(type, cell, &buffer, &error) != 0) {
    fail_msg("%s: %s", sql, error.message);
  }
  if (buffer.length != (size_t) length + 4 ||
      memcmp(buffer.bytes + 4, bytes, (size_t) length) != 0) {
    fail_msg("%s: written of kind %u is not what the server sends", sql,
             cell->kind);
  }
  pg_buffer_deinit(&buffer);
}

/* By the value and, where that is another one, by its text. */
static void check_writers(const pg_type *type, const covet_cell *cell,
                          const PGresult *text, const PGresult *binary, int row,
                          const char *sql)
{
  covet_cell other = {.kind = COVET_TEXT};
  const char *bytes = PQgetvalue(binary, row, 0);
  int length = PQgetlength(binary, row, 0);

  if (!pg_value_writes_binary(type) ||
      (type->form == PG_FORM_NUMERIC && length == 8 && bytes[4] != 0)) {
    return; /* the server sends a scale with infinities, and reads none */
  }
  check_written(type, cell, bytes, length, sql);
  other.bytes = PQgetvalue(text, row, 0);
  other.length = PQgetlength(text, row, 0);
  if (cell->kind != COVET_BLOB) {
    check_written(type, &other, bytes, length, sql);
  }
}

/* Both forms of one value. `zone`: the server prints another zone's times. */
static void check_value(pg_bed *bed, const PGresult *text,
                        const PGresult *binary, int row, const char *sql,
                        bool zone)
{
  const pg_type *type = pg_bed_type(bed, PQftype(text, 0));
  char shown[2][SHOWN];
  covet_cell a;
  covet_cell b;
  int length = PQgetlength(text, row, 0);

  if (PQgetisnull(text, row, 0)) {
    return;
  }
  a = pg_bed_read(bed, type, PG_FORMAT_TEXT, PQgetvalue(text, row, 0), length);
  if (!zone) {
    check_print(&a, type, PQgetvalue(text, row, 0), length, sql);
  }
  if (!pg_types_binary(bed->types, type->oid)) {
    return;
  }
  b = pg_bed_read(bed, type, PG_FORMAT_BINARY, PQgetvalue(binary, row, 0),
                  PQgetlength(binary, row, 0));
  if (!pg_bed_equal(&a, &b)) {
    fail_msg("%s (%s), '%.300s': text %s, binary %s", sql, type->name,
             PQgetvalue(text, row, 0), pg_bed_show(&a, shown[0], SHOWN),
             pg_bed_show(&b, shown[1], SHOWN));
  }
  check_writers(type, &a, text, binary, row, sql);
  assert_true(a.kind == type->kind || a.kind == COVET_TEXT ||
              type->kind == COVET_TEXT);
}

/* Chance comes out the same twice. */
static PGresult *query_seeded(pg_bed *bed, const char *sql, pg_format format)
{
  char seed[64];

  snprintf(seed, sizeof(seed), "SELECT setseed(1.0 / %u)", bed->seed + 1);
  pg_bed_run(bed, seed);
  return pg_bed_query(bed, sql, format);
}

static void check_query(pg_bed *bed, const char *sql, bool zone)
{
  PGresult *text = query_seeded(bed, sql, PG_FORMAT_TEXT);
  PGresult *binary = query_seeded(bed, sql, PG_FORMAT_BINARY);

  assert_int_equal(PQntuples(text), PQntuples(binary));
  for (int row = 0; row < PQntuples(text); row++) {
    check_value(bed, text, binary, row, sql, zone);
  }
  pg_bed_clear(bed);
  PQclear(text);
  PQclear(binary);
}

/* One type's literals. */
static void check_case(pg_bed *bed, const pg_case *one, bool zone)
{
  char sql[8192];

  for (size_t i = 0; i < PG_CASE_VALUES && one->values[i] != NULL; i++) {
    char *literal = PQescapeLiteral(bed->connection, one->values[i],
                                    strlen(one->values[i]));

    snprintf(sql, sizeof(sql), "SELECT %s::%s", literal, one->type);
    check_query(bed, sql, zone);
    PQfreemem(literal);
  }
}

static void start(pg_bed *bed)
{
  pg_bed_init(bed);
  pg_bed_connect(bed);
  for (size_t i = 0; i < PG_COUNT(pg_case_setup); i++) {
    pg_bed_run(bed, pg_case_setup[i]);
  }
}

static void test_values_read_alike(void **state)
{
  pg_bed bed;

  (void) state;
  start(&bed);
  for (size_t i = 0; i < PG_COUNT(pg_cases); i++) {
    check_case(&bed, &pg_cases[i], false);
  }
  for (size_t i = 0; i < PG_COUNT(pg_case_queries); i++) {
    check_query(&bed, pg_case_queries[i], false);
  }
  pg_bed_deinit(&bed);
}

static void test_every_zone_comes_to_utc(void **state)
{
  pg_bed bed;
  char sql[128];

  (void) state;
  start(&bed);
  for (size_t zone = 0; zone < PG_COUNT(zones); zone++) {
    snprintf(sql, sizeof(sql), "SET TimeZone = '%s'", zones[zone]);
    pg_bed_run(&bed, sql);
    for (size_t i = 0; i < PG_COUNT(pg_cases); i++) {
      if (strstr(pg_cases[i].type, "timestamptz") != NULL ||
          strstr(pg_cases[i].type, "tstz") != NULL) {
        check_case(&bed, &pg_cases[i], true);
      }
    }
    check_query(&bed, pg_random_moments, true);
  }
  pg_bed_deinit(&bed);
}

static void test_bytea_in_escape_format(void **state)
{
  pg_bed bed;

  (void) state;
  start(&bed);
  pg_bed_run(&bed, "SET bytea_output = 'escape'");
  for (size_t i = 0; i < PG_COUNT(pg_cases); i++) {
    if (strncmp(pg_cases[i].type, "bytea", 5) == 0) {
      check_case(&bed, &pg_cases[i], true);
    }
  }
  check_query(&bed,
              "SELECT decode(md5(n::text), 'hex') FROM"
              " generate_series(1, 2000) n",
              true);
  pg_bed_deinit(&bed);
}

/* In binary the columns of a record have their types; in text they have none. */
static void test_records_of_no_declared_type(void **state)
{
  static const char sql[] = "SELECT row(1, 'a b'::text, NULL::int, 2.50,"
                            " array[row(true, '5'::posint)], 'sad'::mood)";
  static const uint32_t kinds[] = {COVET_INTEGER, COVET_TEXT,  COVET_NULL,
                                   COVET_NUMERIC, COVET_ARRAY, COVET_TEXT};
  pg_bed bed;
  PGresult *result;
  covet_cell cell;

  (void) state;
  start(&bed);
  result = pg_bed_query(&bed, sql, PG_FORMAT_BINARY);
  cell =
      pg_bed_read(&bed, pg_bed_type(&bed, PQftype(result, 0)), PG_FORMAT_BINARY,
                  PQgetvalue(result, 0, 0), PQgetlength(result, 0, 0));
  assert_int_equal(cell.kind, COVET_COMPOSITE);
  assert_int_equal(cell.nested->count, 6);
  assert_null(cell.nested->names);
  for (size_t i = 0; i < PG_COUNT(kinds); i++) {
    assert_int_equal(cell.nested->cells[i].kind, kinds[i]);
  }
  PQclear(result);
  pg_bed_deinit(&bed);
}

static void test_random_values_read_alike(void **state)
{
  pg_bed bed;
  const char *rounds = getenv("COVET_PG_ROUNDS");
  long count = rounds == NULL ? 1 : strtol(rounds, NULL, 10);

  (void) state;
  start(&bed);
  for (long round = 0; round < count; round++) {
    bed.seed++;
    for (size_t i = 0; i < PG_COUNT(pg_random_queries); i++) {
      check_query(&bed, pg_random_queries[i], false);
    }
  }
  pg_bed_deinit(&bed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_read_alike),
      cmocka_unit_test(test_every_zone_comes_to_utc),
      cmocka_unit_test(test_bytea_in_escape_format),
      cmocka_unit_test(test_records_of_no_declared_type),
      cmocka_unit_test(test_random_values_read_alike),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
