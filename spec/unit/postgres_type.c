/* The cache of types. */
#include "postgres/bed.h"

#include "driver/postgres_builtin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(pg_types *types, const char *const fields[PG_TYPES_COLUMNS])
{
  int lengths[PG_TYPES_COLUMNS];

  for (int i = 0; i < PG_TYPES_COLUMNS; i++) {
    lengths[i] = fields[i] == NULL ? 0 : (int) strlen(fields[i]);
  }
  return pg_types_add(types, fields, lengths);
}

/* By name, catalogue's name, letter, element and attributes. */
#define ROW(...)                                                               \
  (const char *const[PG_TYPES_COLUMNS])                                        \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

static void test_builtin_types_ascend(void **state)
{
  (void) state;
  for (uint32_t i = 0; i < pg_builtin_count; i++) {
    const pg_type *type = &pg_builtins[i].type;

    assert_true(i == 0 || pg_builtins[i - 1].type.oid < type->oid);
    assert_ptr_equal(pg_builtin_find(type->oid), type);
    assert_true(type->element == 0 || pg_builtin_find(type->element) != NULL);
  }
  assert_null(pg_builtin_find(0));
  assert_null(pg_builtin_find(UINT32_MAX));
}

/* The table is what the server's catalogue says. */
static void test_builtin_types_are_the_servers(void **state)
{
  pg_bed bed;
  PGresult *result;

  (void) state;
  pg_bed_init(&bed);
  pg_bed_connect(&bed);
  result = pg_bed_query(
      &bed,
      "SELECT t.oid, format_type(t.oid, NULL), t.typname, "
      "coalesce(r.rngsubtype,"
      " m.rngtypid, CASE WHEN t.typinput = 'array_in'::regproc THEN t.typelem"
      " END, 0), coalesce(e.typdelim, ',') FROM pg_type t"
      " LEFT JOIN pg_range r ON r.rngtypid = t.oid"
      " LEFT JOIN pg_range m ON to_jsonb(m)->>'rngmultitypid' = t.oid::text"
      " LEFT JOIN pg_type e ON t.typinput = 'array_in'::regproc"
      " AND e.oid = t.typelem",
      PG_FORMAT_TEXT);
  for (int row = 0; row < PQntuples(result); row++) {
    uint32_t oid = (uint32_t) strtoul(PQgetvalue(result, row, 0), NULL, 10);
    const pg_type *type = pg_builtin_find(oid);

    if (type != NULL) {
      assert_string_equal(type->name, PQgetvalue(result, row, 1));
      assert_int_equal(type->element,
                       strtoul(PQgetvalue(result, row, 3), NULL, 10));
      assert_int_equal(type->delimiter, PQgetvalue(result, row, 4)[0]);
    }
  }
  PQclear(result);
  pg_bed_deinit(&bed);
}

static void test_a_type_is_complete_with_all_its_parts(void **state)
{
  pg_types *types = pg_types_new();
  const pg_type *row;

  (void) state;
  assert_non_null(types);
  assert_true(pg_types_complete(types, 1007));
  assert_false(pg_types_complete(types, 20000));
  assert_int_equal(add(types, ROW("20000", "s.row", "row", "c", "0", ",",
                                  "{a,\"b \\\"c\\\"\"}", "{23,20001}")),
                   0);
  assert_false(pg_types_complete(types, 20000));
  assert_int_equal(
      add(types, ROW("20001", "s.row[]", "_row", "a", "20000", ",")), 0);
  assert_true(pg_types_complete(types, 20000)); /* it holds itself */
  assert_true(pg_types_binary(types, 20001));
  row = pg_types_find(types, 20000);
  assert_int_equal(row->attribute_count, 2);
  assert_string_equal(row->attributes[1].name, "b \"c\"");
  assert_int_equal(row->attributes[1].oid, 20001);
  assert_string_equal(row->name, "s.row");
  pg_types_free(types);
}

static void test_what_has_no_binary_reader(void **state)
{
  pg_types *types = pg_types_new();

  (void) state;
  assert_true(pg_types_binary(types, 25));
  assert_false(pg_types_binary(types, 790)); /* money */
  assert_false(pg_types_binary(types, 791));
  assert_false(pg_types_binary(types, 20000));
  assert_int_equal(pg_types_add_unknown(types, 20000), 0);
  assert_true(pg_types_complete(types, 20000));
  assert_false(pg_types_binary(types, 20000));
  assert_int_equal(pg_types_find(types, 20000)->form, PG_FORM_TEXT_ONLY);
  assert_int_equal(pg_types_add_unknown(types, 25), 0);
  assert_int_equal(pg_types_find(types, 25)->form, PG_FORM_TEXT);
  pg_types_free(types);
}

static void test_a_domain_is_of_its_base_kind(void **state)
{
  pg_types *types = pg_types_new();

  (void) state;
  /* in either order, through several */
  add(types, ROW("20002", "outer", "outer", "d", "20001", ","));
  assert_int_equal(pg_types_find(types, 20002)->kind, COVET_TEXT);
  add(types, ROW("20001", "inner", "inner", "d", "1007", ","));
  assert_int_equal(pg_types_find(types, 20001)->kind, COVET_ARRAY);
  assert_int_equal(pg_types_find(types, 20002)->kind, COVET_ARRAY);
  add(types, ROW("20003", "amount", "amount", "d", "1700", ","));
  assert_int_equal(pg_types_find(types, 20003)->kind, COVET_NUMERIC);
  pg_types_free(types);
}

static void test_extensions_are_known_by_name(void **state)
{
  pg_types *types = pg_types_new();

  (void) state;
  add(types, ROW("20001", "ext.hstore", "hstore", "b", "0", ","));
  add(types, ROW("20002", "citext", "citext", "b", "0", ","));
  add(types, ROW("20003", "hstore", "hstore", "e", "0", ","));
  add(types, ROW("20004", "box2d", "box2d", "b", NULL, ","));
  assert_int_equal(pg_types_find(types, 20001)->form, PG_FORM_HSTORE);
  assert_int_equal(pg_types_find(types, 20001)->kind, COVET_MAP);
  assert_int_equal(pg_types_find(types, 20002)->form, PG_FORM_TEXT);
  assert_int_equal(pg_types_find(types, 20003)->form, PG_FORM_TEXT);
  assert_int_equal(pg_types_find(types, 20004)->form, PG_FORM_TEXT_ONLY);
  pg_types_free(types);
}

static void test_rows_without_sense_are_refused(void **state)
{
  pg_types *types = pg_types_new();

  (void) state;
  assert_int_equal(add(types, ROW("x", "a", "a", "b", "0", ",")), COVET_EUSAGE);
  assert_int_equal(add(types, ROW(NULL, "a", "a", "b", "0", ",")),
                   COVET_EUSAGE);
  assert_int_equal(add(types, ROW("4294967296", "a", "a", "b", "0", ",")),
                   COVET_EUSAGE);
  assert_int_equal(add(types, ROW("20000", "a", "a", "a", "-1", ",")),
                   COVET_EUSAGE);
  assert_int_equal(add(types, ROW("20000", "a", "a", "c", "0", ",")),
                   COVET_EUSAGE);
  assert_int_equal(
      add(types, ROW("20000", "a", "a", "c", "0", ",", "{a}", "{1,2}")),
      COVET_EUSAGE);
  assert_int_equal(
      add(types, ROW("20000", "a", "a", "c", "0", ",", "{a", "{1}")),
      COVET_EUSAGE);
  assert_int_equal(add(types, ROW("23", "mine", "mine", "b", "0", ",")), 0);
  assert_string_equal(pg_types_find(types, 23)->name, "integer");
  pg_types_free(types);
}

static void test_codecs_take_types_over(void **state)
{
  pg_types *types = pg_types_new();
  const pg_type *point = pg_types_find(types, 600);
  const pg_type *before;

  (void) state;
  add(types, ROW("20001", "s.box3d", "box3d", "b", "0", ","));
  before = pg_types_find(types, 20001);
  assert_int_equal(pg_types_set_custom(types, "box3d", true), 0);
  assert_int_equal(pg_types_set_custom(types, "point", false), 0);
  assert_int_equal(pg_types_set_custom(types, "later", false), 0);
  assert_int_equal(pg_types_find(types, 20001)->form, PG_FORM_CUSTOM_BINARY);
  assert_int_equal(pg_types_find(types, 20001)->kind, COVET_CUSTOM);
  assert_int_equal(before->form, PG_FORM_TEXT_ONLY); /* who has it may go on */
  assert_int_equal(point->form, PG_FORM_POINT);
  assert_int_equal(pg_types_find(types, 600)->form, PG_FORM_CUSTOM_TEXT);
  assert_false(pg_types_binary(types, 1017));
  add(types, ROW("20002", "s.later", "later", "c", "0", ",", "{a}", "{29999}"));
  assert_true(pg_types_complete(types, 20002)); /* the codec knows the rest */
  assert_int_equal(pg_types_set_custom(types, "s.later", true), 0);
  assert_int_equal(pg_types_find(types, 20002)->form, PG_FORM_CUSTOM_BINARY);
  pg_types_free(types);
}

static void test_what_is_forgotten_stays_valid(void **state)
{
  pg_types *types = pg_types_new();
  const pg_type *found;

  (void) state;
  assert_int_equal(pg_types_set_custom(types, "inet", false), 0);
  add(types, ROW("20001", "mood", "mood", "e", "0", ","));
  found = pg_types_find(types, 20001);
  pg_types_forget(types);
  assert_null(pg_types_find(types, 20001));
  assert_string_equal(found->name, "mood");
  assert_int_equal(pg_types_find(types, 869)->form, PG_FORM_CUSTOM_TEXT);
  add(types, ROW("20001", "humour", "humour", "e", "0", ","));
  assert_string_equal(pg_types_find(types, 20001)->name, "humour");
  pg_types_free(types);
}

static void test_thousands_of_types(void **state)
{
  enum { TYPES = 5000 };
  pg_types *types = pg_types_new();
  char oid[16];
  char names[16];

  (void) state;
  for (int i = 0; i < TYPES; i++) {
    snprintf(oid, sizeof(oid), "%d", 20000 + i);
    snprintf(names, sizeof(names), "{%d}", 20001 + i);
    assert_int_equal(
        add(types, ROW(oid, "t", "t", "c", "0", ",", "{next}", names)), 0);
  }
  assert_false(pg_types_complete(types, 20000));
  assert_int_equal(pg_types_add_unknown(types, 20000 + TYPES), 0);
  assert_true(pg_types_complete(types, 20000));
  assert_false(pg_types_binary(types, 20000));
  pg_types_free(types);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_builtin_types_ascend),
      cmocka_unit_test(test_builtin_types_are_the_servers),
      cmocka_unit_test(test_a_type_is_complete_with_all_its_parts),
      cmocka_unit_test(test_what_has_no_binary_reader),
      cmocka_unit_test(test_a_domain_is_of_its_base_kind),
      cmocka_unit_test(test_extensions_are_known_by_name),
      cmocka_unit_test(test_rows_without_sense_are_refused),
      cmocka_unit_test(test_codecs_take_types_over),
      cmocka_unit_test(test_what_is_forgotten_stays_valid),
      cmocka_unit_test(test_thousands_of_types),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
