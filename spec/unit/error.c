/* The vocabulary: each kind once, found by its name; texts that are cut. */
#include "error.h"

#include "support/support.h"

#include <string.h>

static void test_names_are_unique_and_found(void **state)
{
  (void) state;
  for (int kind = 1; kind < COVET_ERROR_KIND_COUNT; kind++) {
    const char *name = covet_error_kind_name((covet_error_kind) kind);

    assert_true(strlen(name) > 0);
    assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
    assert_int_equal(covet_error_kind_find(name), kind);
    for (int other = 1; other < kind; other++) {
      assert_string_not_equal(name,
                              covet_error_kind_name((covet_error_kind) other));
    }
  }
}

static void test_what_is_none(void **state)
{
  (void) state;
  assert_string_equal(covet_error_kind_name(COVET_ERROR_NONE), "");
  assert_string_equal(covet_error_kind_name(COVET_ERROR_KIND_COUNT), "");
  assert_string_equal(covet_error_kind_name((covet_error_kind) -1), "");
  assert_int_equal(covet_error_kind_find("no_such_kind"), COVET_ERROR_NONE);
  assert_int_equal(covet_error_kind_find(""), COVET_ERROR_NONE);
  assert_int_equal(covet_error_kind_find("UNIQUE_VIOLATION"), COVET_ERROR_NONE);
}

static void test_phases_and_retries(void **state)
{
  static const char *const phases[] = {"",      "queue", "connect",
                                       "query", "fetch", "reset"};
  static const char *const retries[] = {"no", "safe", "idempotent_only",
                                        "unknown_outcome"};

  (void) state;
  for (int i = 0; i < 6; i++) {
    assert_string_equal(covet_phase_name((covet_phase) i), phases[i]);
  }
  for (int i = 0; i < 4; i++) {
    assert_string_equal(covet_retry_name((covet_retry) i), retries[i]);
  }
}

static void test_text_is_cut_between_characters(void **state)
{
  static const char text[] = "ab\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  static const size_t kept[] = {0, 1, 2, 2, 4, 4, 4, 7, 7, 7, 7, 11, 12};
  char field[16];

  (void) state;
  for (size_t size = 1; size <= 13; size++) {
    memset(field, '#', sizeof(field));
    covet_error_text(field, size, text, sizeof(text) - 1);
    assert_int_equal(strlen(field), kept[size - 1]);
    assert_memory_equal(field, text, kept[size - 1]);
    assert_int_equal(field[size], '#'); /* not a byte beyond the field */
  }
}

static void test_text_of_unknown_length(void **state)
{
  char field[8];

  (void) state;
  covet_error_text(field, sizeof(field), "abc", SIZE_MAX);
  assert_string_equal(field, "abc");
  covet_error_text(field, sizeof(field), "abcdefghijk", SIZE_MAX);
  assert_string_equal(field, "abcdefg");
  covet_error_text(field, sizeof(field), NULL, 5);
  assert_string_equal(field, "");
}

static void test_set_clears_what_was_there(void **state)
{
  covet_error error;
  char text[2000];

  (void) state;
  memset(&error, 'x', sizeof(error));
  memset(text, 'y', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  covet_error_set(&error, COVET_ERROR_USAGE, "%s", text);
  assert_int_equal(error.kind, COVET_ERROR_USAGE);
  assert_int_equal(error.retry, COVET_RETRY_NO);
  assert_int_equal(error.position, 0);
  assert_string_equal(error.table, "");
  assert_string_equal(error.detail, "");
  assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
  covet_error_set(NULL, COVET_ERROR_USAGE, "nobody wants it");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names_are_unique_and_found),
      cmocka_unit_test(test_what_is_none),
      cmocka_unit_test(test_phases_and_retries),
      cmocka_unit_test(test_text_is_cut_between_characters),
      cmocka_unit_test(test_text_of_unknown_length),
      cmocka_unit_test(test_set_clears_what_was_there),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
