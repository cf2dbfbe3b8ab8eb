#include "url.h"

#include "support/support.h"

#include <string.h>

/* A URL and its parts; NULL where there is none. */
typedef struct good_url {
  const char *text;
  const char *scheme;
  const char *user;
  const char *password;
  const char *host;
  const char *port;
  const char *path;
} good_url;

static const good_url good[] = {
    {"sqlite:app.db", "sqlite", NULL, NULL, NULL, NULL, "app.db"},
    {"sqlite::memory:", "sqlite", NULL, NULL, NULL, NULL, ":memory:"},
    {"sqlite:///var/a.db", "sqlite", NULL, NULL, NULL, NULL, "/var/a.db"},
    {"sqlite:/var/a.db", "sqlite", NULL, NULL, NULL, NULL, "/var/a.db"},
    {"sqlite:", "sqlite", NULL, NULL, NULL, NULL, ""},
    {"sqlite:a%20b%3Fc.db", "sqlite", NULL, NULL, NULL, NULL, "a b?c.db"},
    {"SQLite:x", "sqlite", NULL, NULL, NULL, NULL, "x"},
    {"postgresql://", "postgresql", NULL, NULL, NULL, NULL, NULL},
    {"postgresql:///d", "postgresql", NULL, NULL, NULL, NULL, "d"},
    {"postgres://h", "postgres", NULL, NULL, "h", NULL, NULL},
    {"postgres://h/", "postgres", NULL, NULL, "h", NULL, NULL},
    {"mysql://h:3306/d", "mysql", NULL, NULL, "h", "3306", "d"},
    {"mysql://u@h/d", "mysql", "u", NULL, "h", NULL, "d"},
    {"mysql://u:p@h/d", "mysql", "u", "p", "h", NULL, "d"},
    {"mysql://u:@h/d", "mysql", "u", "", "h", NULL, "d"},
    {"mysql://:p@h/d", "mysql", NULL, "p", "h", NULL, "d"},
    {"mysql://u:p@q:r@h/d", "mysql", "u", "p@q:r", "h", NULL, "d"},
    {"mysql://u:a:b:c@h/d", "mysql", "u", "a:b:c", "h", NULL, "d"},
    {"mysql://u%40x:p%2Fq%3F@h/d", "mysql", "u@x", "p/q?", "h", NULL, "d"},
    {"mysql://u:%c3%A9@h/d", "mysql", "u", "\xC3\xA9", "h", NULL, "d"},
    {"mysql://u:50%25@h/d", "mysql", "u", "50%", "h", NULL, "d"},
    {"postgresql://[::1]:5/d", "postgresql", NULL, NULL, "::1", "5", "d"},
    {"postgresql://[fe80::1]/d", "postgresql", NULL, NULL, "fe80::1", NULL,
     "d"},
    {"postgresql://u:p@[::1]/d", "postgresql", "u", "p", "::1", NULL, "d"},
    {"postgresql://a,b/d", "postgresql", NULL, NULL, "a,b", NULL, "d"},
    {"postgresql://a:1,b:2/d", "postgresql", NULL, NULL, "a,b", "1,2", "d"},
    {"postgresql://a,b:2/d", "postgresql", NULL, NULL, "a,b", ",2", "d"},
    {"postgresql://a:1,[::2]:3,c/d", "postgresql", NULL, NULL, "a,::2,c",
     "1,3,", "d"},
    {"postgresql://%2Frun%2Fpg/d", "postgresql", NULL, NULL, "/run/pg", NULL,
     "d"},
    {"postgresql://h/a%2fb/c", "postgresql", NULL, NULL, "h", NULL, "a/b/c"},
};

static void check_part(const char *url, const char *what, const char *got,
                       const char *wanted)
{
  if ((got == NULL) != (wanted == NULL) ||
      (got != NULL && strcmp(got, wanted) != 0)) {
    fail_msg("%s: %s is '%s', not '%s'", url, what,
             got == NULL ? "(none)" : got, wanted == NULL ? "(none)" : wanted);
  }
}

static void test_good_ones(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    const good_url *wanted = &good[i];
    covet_arena arena = {0};
    covet_error error = {0};
    covet_url url;

    if (covet_url_parse(wanted->text, &arena, &url, &error) != 0) {
      fail_msg("%s: %s", wanted->text, error.message);
    }
    check_part(wanted->text, "scheme", url.scheme, wanted->scheme);
    check_part(wanted->text, "user", url.user, wanted->user);
    check_part(wanted->text, "password", url.password, wanted->password);
    check_part(wanted->text, "host", url.host, wanted->host);
    check_part(wanted->text, "port", url.port, wanted->port);
    check_part(wanted->text, "path", url.path, wanted->path);
    assert_int_equal(url.option_count, 0);
    covet_arena_deinit(&arena);
  }
}

/* All of these hold the word "secret" where a password could stand. */
static const char *const bad[] = {
    "",
    "secret",
    "://h/secret",
    "//u:secret@h",
    "my sql://u:secret@h/d",
    "mysql:u:secret@h/d",
    "mysql:/u:secret@h/d",
    "mysql://u:secret%@h/d",
    "mysql://u:secret%2@h/d",
    "mysql://u:secret%zz@h/d",
    "mysql://u:secret%00@h/d",
    "mysql://u:secret@h:port/d",
    "mysql://u:secret@h:33o6/d",
    "mysql://u:secret@::1/d",
    "mysql://u:secret@[::1/d",
    "mysql://u:secret@h/d%",
    "mysql://u:secret@h/%00",
    "mysql://u:secret@h/d?x",
    "mysql://u:secret@h/d?=1",
    "mysql://u:secret@h/d?a=1&",
    "mysql://u:secret@h/d?a=%4",
    "mysql://u:secret@h/d?%00=1",
    "sqlite://secret/x.db",
    "sqlite://",
    "sqlite:x%GG",
};

static void test_bad_ones_show_no_password(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    covet_arena arena = {0};
    covet_error error = {0};
    covet_url url;

    if (covet_url_parse(bad[i], &arena, &url, &error) != COVET_EUSAGE) {
      fail_msg("%s was accepted", bad[i]);
    }
    assert_int_equal(error.kind, COVET_ERROR_USAGE);
    assert_true(strlen(error.message) > 0);
    if (strstr(error.message, "secret") != NULL) {
      fail_msg("'%s' shows the password", error.message);
    }
    covet_arena_deinit(&arena);
  }
}

/* Nor does what comes after the parser. */
static void test_no_driver_shows_no_password(void **state)
{
  static const char *const urls[] = {
      "oracle://u:secret@h/d",
      "x+y://u:secret@h:1,g:2/d?a=b",
      "sqlite://u:secret@h/d",
  };
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
    covet_adapter *adapter = NULL;
    covet_error error = {0};

    assert_true(
        covet_adapter_new(u.runtime, urls[i], NULL, 0, &adapter, &error) < 0);
    assert_null(adapter);
    assert_true(strlen(error.message) > 0);
    assert_null(strstr(error.message, "secret"));
  }
  unit_deinit(&u);
}

static void test_options(void **state)
{
  covet_arena arena = {0};
  covet_error error = {0};
  covet_url url;

  (void) state;
  assert_int_equal(
      covet_url_parse("mysql://h/d?a=1&b%20c=x%26y%3Dz&empty=&eq=p=q", &arena,
                      &url, &error),
      0);
  assert_int_equal(url.option_count, 4);
  assert_string_equal(url.options[0].name, "a");
  assert_string_equal(url.options[0].value, "1");
  assert_string_equal(url.options[1].name, "b c");
  assert_string_equal(url.options[1].value, "x&y=z");
  assert_string_equal(url.options[2].name, "empty");
  assert_string_equal(url.options[2].value, "");
  assert_string_equal(url.options[3].name, "eq");
  assert_string_equal(url.options[3].value, "p=q");
  assert_string_equal(url.path, "d");
  assert_int_equal(covet_url_parse("sqlite:x?", &arena, &url, &error), 0);
  assert_int_equal(url.option_count, 0);
  assert_string_equal(url.path, "x");
  covet_arena_deinit(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good_ones),
      cmocka_unit_test(test_bad_ones_show_no_password),
      cmocka_unit_test(test_no_driver_shows_no_password),
      cmocka_unit_test(test_options),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
