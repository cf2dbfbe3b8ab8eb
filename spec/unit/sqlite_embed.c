/* The C programs of examples/ and spec/embed/, run as a user runs them: they
 * see the installed header and the shared library only. */
#include "support/support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run `<build>/examples/<name> argument`; answers its exit status. */
static int run(const char *name, const char *argument, char *output, int size)
{
  char self[512];
  char command[1024];
  ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  size_t got;
  FILE *pipe;
  int status;

  assert_true(length > 0);
  self[length] = '\0';
  *strrchr(self, '/') = '\0'; /* <build>/unit */
  (void) snprintf(command, sizeof(command), "'%s/../examples/%s' '%s' 2>&1",
                  self, name, argument);
  pipe = popen(command, "r");
  assert_non_null(pipe);
  got = fread(output, 1, (size_t) size - 1, pipe);
  output[got] = '\0';
  status = pclose(pipe);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void test_example_in_memory(void **state)
{
  char output[400];

  (void) state;
  assert_int_equal(run("embed", "sqlite::memory:", output, sizeof(output)), 0);
  assert_string_equal(output, "1000 rows, the squares add up to 333833500\n");
}

/* The rows are in the file, and SQLite itself counts them. */
static void test_example_on_a_file(void **state)
{
  sqlite3_stmt *statement;
  char output[400];
  char url[200];
  sqlite3 *db;
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  (void) snprintf(url, sizeof(url), "sqlite:%s", u.path);
  assert_int_equal(run("embed", url, output, sizeof(output)), 0);
  assert_int_equal(sqlite3_open(u.path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(
                       db, "SELECT count(*) FROM squares WHERE square = n * n",
                       -1, &statement, NULL),
                   SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  assert_int_equal(sqlite3_column_int(statement, 0), 1000);
  assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  unit_deinit(&u);
}

static void test_example_says_what_is_wrong(void **state)
{
  char output[400];

  (void) state;
  assert_int_equal(run("embed", "sqlite:/", output, sizeof(output)), 1);
  assert_non_null(strstr(output, "directory"));
  assert_int_equal(run("embed", "nonsense", output, sizeof(output)), 1);
  assert_non_null(strstr(output, "scheme"));
}

static void test_all_functions_are_exported(void **state)
{
  char output[400];

  (void) state;
  assert_int_equal(run("exports", "", output, sizeof(output)), 0);
  assert_non_null(strstr(output, "functions, 0 of them twice"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_example_in_memory),
      cmocka_unit_test(test_example_on_a_file),
      cmocka_unit_test(test_example_says_what_is_wrong),
      cmocka_unit_test(test_all_functions_are_exported),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
