#include "driver.h"

#include "support/support.h"

#include <string.h>

static void test_booleans(void **state)
{
  static const char *const yes[] = {"true", "1", "on", "yes", "TRUE", "Yes"};
  static const char *const no[] = {"false", "0", "off", "no", "Off"};
  static const char *const bad[] = {"", "2", "truee", "y", " true", "nil"};
  covet_error error = {0};
  bool value;

  (void) state;
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
    value = false;
    assert_int_equal(
        covet_option_boolean(&(covet_option){"x", yes[i]}, &value, &error), 0);
    assert_true(value);
  }
  for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
    value = true;
    assert_int_equal(
        covet_option_boolean(&(covet_option){"x", no[i]}, &value, &error), 0);
    assert_false(value);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    assert_int_equal(
        covet_option_boolean(&(covet_option){"wide", bad[i]}, &value, &error),
        COVET_EUSAGE);
    assert_int_equal(error.kind, COVET_ERROR_USAGE);
    assert_non_null(strstr(error.message, "wide"));
  }
}

static int integer(const char *text, int64_t *value, covet_error *error)
{
  return covet_option_integer(&(covet_option){"size", text}, -5, 100, value,
                              error);
}

static void test_integers(void **state)
{
  static const char *const bad[] = {
      "",   "x",  "1x",  "1.5", "-6", "101", "99999999999999999999",
      "0x", "1 ", "1e2",
  };
  covet_error error = {0};
  int64_t value = 0;

  (void) state;
  assert_int_equal(integer("100", &value, &error), 0);
  assert_int_equal(value, 100);
  assert_int_equal(integer("-5", &value, &error), 0);
  assert_int_equal(value, -5);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    value = 42;
    assert_int_equal(integer(bad[i], &value, &error), COVET_EUSAGE);
    assert_int_equal(value, 42);
    assert_non_null(strstr(error.message, "size"));
  }
}

static void test_seconds(void **state)
{
  static const char *const bad[] = {"",    "x",   "-1",   "1s",
                                    "inf", "nan", "1e10", "1e400"};
  covet_error error = {0};
  uint64_t us = 7;

  (void) state;
  assert_int_equal(
      covet_option_seconds(&(covet_option){"t", "0.25"}, &us, &error), 0);
  assert_int_equal(us, 250000);
  assert_int_equal(covet_option_seconds(&(covet_option){"t", "0"}, &us, &error),
                   0);
  assert_int_equal(us, 0);
  assert_int_equal(
      covet_option_seconds(&(covet_option){"t", "1e9"}, &us, &error), 0);
  assert_int_equal(us, UINT64_C(1000000000000000));
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    assert_int_equal(
        covet_option_seconds(&(covet_option){"t", bad[i]}, &us, &error),
        COVET_EUSAGE);
  }
}

/* The nearest known name for what was written, "" for none. */
static void check_nearest(const char *written, const char *wanted)
{
  static const char *const names[] = {"path",        "readers", "journal_mode",
                                      "synchronous", "timeout", NULL};
  covet_error error = {0};
  const char *offer;

  assert_int_equal(covet_option_unknown(written, names, &error), COVET_EUSAGE);
  assert_int_equal(error.kind, COVET_ERROR_USAGE);
  offer = strstr(error.message, "did you mean '");
  assert_int_equal(offer != NULL, wanted[0] != '\0');
  if (offer != NULL) {
    offer += strlen("did you mean '");
    assert_int_equal(strncmp(offer, wanted, strlen(wanted)), 0);
    assert_int_equal(offer[strlen(wanted)], '\'');
  }
}

static void test_nearest_name(void **state)
{
  char long_name[300];

  (void) state;
  check_nearest("reader", "readers");
  check_nearest("raeders", "readers");
  check_nearest("jornal_mode", "journal_mode");
  check_nearest("journalmode", "journal_mode");
  check_nearest("syncronous", "synchronous");
  check_nearest("timeuot", "timeout");
  check_nearest("pth", "path");
  check_nearest("something_else", "");
  memset(long_name, 'r', sizeof(long_name) - 1);
  long_name[sizeof(long_name) - 1] = '\0';
  check_nearest(long_name, "");
}

/* The same through the public interface, from the URL and from options. */
static void test_of_an_adapter(void **state)
{
  static const struct {
    const char *name;
    const char *value;
    const char *text; /* that the error must hold */
  } bad[] = {
      {"reader", "4", "did you mean 'readers'"},
      {"readers", "0", "between 1 and"},
      {"readers", "many", "a whole number"},
      {"journal_mode", "wall", "journal_mode cannot be 'wall'"},
      {"synchronous", "", "synchronous cannot be ''"},
      {"foreign_keys", "maybe", "true or false"},
      {"busy_timeout", "-1", "a number of seconds"},
      {"statement_cache_size", "-1", "between 0 and"},
  };
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    covet_option option = {bad[i].name, bad[i].value};
    covet_adapter *adapter = NULL;
    covet_error error = {0};

    assert_int_equal(covet_adapter_new(u.runtime, "sqlite::memory:", &option, 1,
                                       &adapter, &error),
                     COVET_EUSAGE);
    assert_null(adapter);
    if (strstr(error.message, bad[i].text) == NULL) {
      fail_msg("'%s' does not say '%s'", error.message, bad[i].text);
    }
  }
  unit_deinit(&u);
}

static void test_options_win_over_the_url(void **state)
{
  const covet_option option = {"read_only", "false"};
  covet_error error = {0};
  char url[200];
  unit_slot made;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  (void) strcat(strcat(strcpy(url, "sqlite:"), u.path), "?read_only=true");
  assert_int_equal(
      covet_adapter_new(u.runtime, url, &option, 1, &u.adapter, &error), 0);
  made = unit_query(&u, "CREATE TABLE t (x)", 0);
  unit_assert_ok(&made);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_booleans),
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_seconds),
      cmocka_unit_test(test_nearest_name),
      cmocka_unit_test(test_of_an_adapter),
      cmocka_unit_test(test_options_win_over_the_url),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
