/* Texts as numbers. */
#include "number.h"

#include "support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void check_float(const char *text, double expected)
{
  double value = NAN;

  assert_true(covet_number_float(text, strlen(text), false, &value));
  assert_memory_equal(&value, &expected, sizeof(value));
}

static void check_single(const char *text, float expected)
{
  double value = NAN;

  assert_true(covet_number_float(text, strlen(text), true, &value));
  assert_true(value == (double) expected);
}

static void check_floats(void)
{
  check_float("0", 0.0);
  check_float("-0", -0.0);
  check_float("1.5", 1.5);
  check_float(".5", 0.5);
  check_float("5.", 5.0);
  check_float("+1e3", 1000.0);
  check_float("0.1", 0.1);
  check_float("123456789.123", 123456789.123);
  check_float("2.2250738585072014e-308", DBL_MIN);
  check_float("1.7976931348623157E308", DBL_MAX);
  check_float("9007199254740993", 9007199254740992.0);
  check_float("9007199254740993.0000000000000000000000000000001",
              9007199254740994.0);
  check_float("1e400", INFINITY);
  check_float("1e-400", 0.0);
  check_single("0.1", 0.1F);
  check_single("3.40282e38", 3.40282e38F);
  check_single("1.17549e-38", 1.17549e-38F);
  check_single("16777217", 16777216.0F);
}

static void test_floats(void **state)
{
  (void) state;
  check_floats();
}

static void test_floats_in_a_locale_with_a_comma(void **state)
{
  char text[8];

  (void) state;
  if (!unit_comma_locale()) {
    print_message("no locale with a decimal comma can be made\n");
    skip();
  }
  (void) snprintf(text, sizeof(text), "%.1f", 1.5);
  assert_string_equal(text, "1,5");
  check_floats();
  unit_plain_locale();
}

static void test_no_floats(void **state)
{
  static const char *const texts[] = {"",    "-",   ".",    "e5",  "1e",
                                      "1,5", " 1",  "1 ",   "0x1", "inf",
                                      "nan", "1e+", "1.5.", "--1", "1e5.0"};
  double value;

  (void) state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    assert_false(covet_number_float(texts[i], strlen(texts[i]), false, &value));
  }
  assert_false(covet_number_float("1\0", 2, false, &value));
}

static void test_integers(void **state)
{
  int64_t value = 0;
  uint64_t natural = 0;

  (void) state;
  assert_true(covet_number_integer("-9223372036854775808", 20, &value));
  assert_true(value == INT64_MIN);
  assert_true(covet_number_integer("+9223372036854775807", 20, &value));
  assert_true(value == INT64_MAX);
  assert_false(covet_number_integer("9223372036854775808", 19, &value));
  assert_false(covet_number_integer("-9223372036854775809", 20, &value));
  assert_false(covet_number_integer("-", 1, &value));
  assert_false(covet_number_integer("", 0, &value));
  assert_false(covet_number_integer("1.0", 3, &value));
  assert_true(
      covet_number_unsigned("18446744073709551615", 20, UINT64_MAX, &natural));
  assert_true(natural == UINT64_MAX);
  assert_false(
      covet_number_unsigned("18446744073709551616", 20, UINT64_MAX, &natural));
  assert_false(covet_number_unsigned("11", 2, 10, &natural));
  assert_false(covet_number_unsigned("-1", 2, 10, &natural));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_floats),
      cmocka_unit_test(test_floats_in_a_locale_with_a_comma),
      cmocka_unit_test(test_no_floats),
      cmocka_unit_test(test_integers),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
