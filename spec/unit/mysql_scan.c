/* What is seen in a statement: tokens, verbs, what changes a session, and the places
 * and names that a message is about. */
#include "mysql_scan.h"
#include "mysql_message.h"
#include "mysql_verb.h"

#include "support/support.h"

#include <stdio.h>
#include <string.h>

/* The tokens with bars between them. */
static void check_tokens(const char *sql, const char *expected)
{
  char text[256] = "";
  size_t length = 0;
  my_scan scan;
  my_token token;

  my_scan_start(&scan, sql, strlen(sql));
  while (my_scan_next(&scan, &token)) {
    length +=
        (size_t) snprintf(text + length, sizeof(text) - length, "%s%.*s",
                          length == 0 ? "" : "|", (int) token.length, token.at);
  }
  assert_string_equal(text, expected);
}

static void test_comments(void **state)
{
  (void) state;
  check_tokens("", "");
  check_tokens(" \t\r\n\v\f", "");
  check_tokens("a # b\nc", "a|c");
  check_tokens("a -- b\nc", "a|c");
  check_tokens("a --\tb", "a");
  check_tokens("a --\x01"
               "b\nc",
               "a|c");
  check_tokens("a --", "a");
  check_tokens("a--1", "a|-|-|1");
  check_tokens("a --b\nc", "a|-|-|b|c");
  check_tokens("a /* ' */ b", "a|b");
  check_tokens("a /* /* */ b */", "a|b|*|/");
  check_tokens("a /* b", "a");
  check_tokens("/", "/");
  check_tokens("a/ *b", "a|/|*|b");
  check_tokens("/*/ a */ b", "b");
}

static void test_code(void **state)
{
  (void) state;
  check_tokens("/*! a */ b", "a|b");
  check_tokens("/*!50000 a */", "a");
  check_tokens("/*!100100a*/", "a");
  check_tokens("/*!1001000 a*/", "0|a");
  check_tokens("/*!123 a*/", "123|a");
  check_tokens("/*M!100100 a*/", "a");
  check_tokens("/*Ma*/ b", "b");
  check_tokens("/*! a /* b */ c */ d", "a|c|d");
  check_tokens("/*! '*/' */ d", "'*/'|d");
  check_tokens("a */ b", "a|*|/|b");
  check_tokens("/*!", "");
  check_tokens("/*M", "");
}

static void test_quotes(void **state)
{
  (void) state;
  check_tokens("'a''b'c", "'a''b'|c");
  check_tokens("'a\\'b'c", "'a\\'b'|c");
  check_tokens("'a\\\\'c", "'a\\\\'|c");
  check_tokens("\"a\\\"\"\"b\" c", "\"a\\\"\"\"b\"|c");
  check_tokens("`a``b`.`c\\`d", "`a``b`|.|`c\\`|d");
  check_tokens("'a", "'a");
  check_tokens("'a\\", "'a\\");
  check_tokens("'", "'");
  check_tokens("_utf8'a'", "_utf8|'a'");
  check_tokens("'# -- /* '", "'# -- /* '");
  check_tokens("\xC3\xA4$_1 \xC2\xA0", "\xC3\xA4$_1|\xC2\xA0");
}

static void check_kinds(const char *sql, const char *expected)
{
  char kinds[32] = "";
  my_scan scan;
  my_token token;

  my_scan_start(&scan, sql, strlen(sql));
  for (int i = 0; my_scan_next(&scan, &token); i++) {
    kinds[i] = "wnlvs"[token.kind];
  }
  assert_string_equal(kinds, expected);
}

static void test_kinds(void **state)
{
  (void) state;
  check_kinds("a `b` 'c' \"d\" @e @'f' @`g` @@h (", "wnllvvvsws");
  check_kinds("'a'@'b' a@b `a`@`b`", "lslwswnsn");
  check_kinds("a @b", "wv");
  check_kinds("@", "v");
  check_kinds("@a.b:=1", "vssw");
}

static void check_text(const char *sql, const char *expected)
{
  char text[32];
  my_scan scan;
  my_token token;

  my_scan_start(&scan, sql, strlen(sql));
  assert_true(my_scan_next(&scan, &token));
  assert_int_equal(my_token_text(&token, text, sizeof(text)), strlen(expected));
  assert_string_equal(text, expected);
  assert_true(my_token_stands_for(&token, expected));
  assert_false(my_token_stands_for(&token, "other"));
  assert_int_equal(my_token_text(&token, text, 2), strlen(expected));
  assert_true(strlen(text) < 2);
}

static void test_texts(void **state)
{
  (void) state;
  check_text("abc", "abc");
  check_text("'it''s'", "it's");
  check_text("'it\\'s \\n \\x \\\\'", "it's \n x \\");
  check_text("`a``b\\n`", "a`b\\n");
  check_text("\"\"\"\"", "\"");
  check_text("''", "");
  check_text("'", "");
  check_text("'a", "a");
}

static void check_verb(const char *sql, my_verb expected)
{
  assert_int_equal(my_verb_of(sql, strlen(sql)), expected);
}

static void test_verbs(void **state)
{
  (void) state;
  check_verb("", MY_VERB_OTHER);
  check_verb("'select'", MY_VERB_OTHER);
  check_verb("; ((SELECT 1))", MY_VERB_SELECT);
  check_verb("-- x\n/* y */ # z\nselect 1", MY_VERB_SELECT);
  check_verb("/*!40000 insert */ into t values (1)", MY_VERB_INSERT);
  check_verb("--select", MY_VERB_OTHER);
  check_verb("selects", MY_VERB_OTHER);
  check_verb("with a as (select 1) select * from a", MY_VERB_SELECT);
  check_verb("with a as (select 1) (select * from a)", MY_VERB_SELECT);
  check_verb("with recursive `update`(b) as (select 1 union select 2), "
             "c as (values (1)) select ')' from c for update",
             MY_VERB_SELECT);
  check_verb("with a as (select 1) update t, a set b = 1", MY_VERB_CHANGE);
  check_verb("with a as (select '(') delete from t", MY_VERB_CHANGE);
  check_verb("with a as (select 1 /* ( */) /* select */ delete t from t",
             MY_VERB_CHANGE);
  check_verb("with a as (select 1) /*!80000 update t, */ select",
             MY_VERB_CHANGE);
  check_verb("begin", MY_VERB_BEGIN);
  check_verb("begin /* not */ work", MY_VERB_BEGIN);
  check_verb("begin not atomic select 1; end", MY_VERB_OTHER);
  check_verb("start\ntransaction", MY_VERB_BEGIN);
  check_verb("start slave", MY_VERB_OTHER);
  check_verb("start", MY_VERB_OTHER);
  check_verb("execute immediate 'select 1'", MY_VERB_EXECUTE);
}

static bool reads_only(const char *sql)
{
  return my_begins_read_only(sql, strlen(sql));
}

static void test_read_only(void **state)
{
  (void) state;
  assert_true(reads_only("start transaction READ  ONLY"));
  assert_true(reads_only("set transaction isolation level read committed; "
                         "start transaction read /* */ only"));
  assert_false(reads_only("start transaction /* read only */"));
  assert_false(reads_only("start transaction read write"));
}

static bool changes(const char *sql)
{
  return my_changes_session(sql, strlen(sql));
}

static void test_changes(void **state)
{
  (void) state;
  assert_true(changes("set names latin1"));
  assert_true(changes("select 1; lock tables t write"));
  assert_true(changes("select GET_LOCK('a', 1)"));
  assert_true(changes("select `get_lock`('a', 1)"));
  assert_true(changes("select 1 into @a"));
  assert_true(changes("select 1 /*! into @a */"));
  assert_true(changes("call p(@`a`)"));
  assert_false(changes("select 'get_lock', \"@a\", `@b`, c@d, @@e -- @f"));
  assert_false(changes("select setting from lock_tables"));
  assert_false(changes("grant all on *.* to 'a'@'b'"));
  assert_false(changes("select 1 # ; set @a = 1"));
}

/* --- Messages --------------------------------------------------------------------- */

typedef struct message {
  int code;
  covet_error_kind kind;
  const char *sql;
  const char *text;
  const char *table;
  const char *column;
  const char *constraint;
  int64_t position;
  bool names_tables;
} message;

#define NEAR_MARIADB                                                           \
  "You have an error in your SQL syntax; check the manual that corresponds "   \
  "to "                                                                        \
  "your MariaDB server version for the right syntax to use near "
#define CHILD                                                                  \
  "Cannot add or update a child row: a foreign key constraint fails "

static const message messages[] = {
    {1062, COVET_ERROR_UNIQUE_VIOLATION, "insert into d.t values (1)",
     "Duplicate entry '1' for key 'PRIMARY'", "t", "", "PRIMARY", 0, false},
    {1062, COVET_ERROR_UNIQUE_VIOLATION, "replace `a``b` values ('into x')",
     "Duplicate entry 'x' for key 'y' for key 'a.b'", "a`b", "", "a.b", 0,
     false},
    {1062, COVET_ERROR_UNIQUE_VIOLATION, "call p()",
     "Duplicate entry '1' for key 't.b'", "t", "", "b", 0, true},
    {1062, COVET_ERROR_UNIQUE_VIOLATION, "call p('insert into x values')",
     "Duplicate entry '1' for key 'b'", "", "", "b", 0, false},
    {1062, COVET_ERROR_UNIQUE_VIOLATION, "insert into t values (1)",
     "Doppelter Eintrag '1' f\xC3\xBCr Schl\xC3\xBCssel 'b'", "t", "", "", 0,
     false},
    {1366, COVET_ERROR_INVALID_VALUE, "insert into t values ('a')",
     "Incorrect integer value: 'a' for column `d`.`t.u`.`b`c` at row 1", "t.u",
     "b`c", "", 0, false},
    {1366, COVET_ERROR_INVALID_VALUE, "insert into t values ('a')",
     "Incorrect integer value: 'x' for column 'y' at row 1' for column "
     "`d`.`e`.`b` at row 2",
     "e", "b", "", 0, false},
    {1366, COVET_ERROR_INVALID_VALUE, "insert into t values ('a')",
     "Incorrect integer value: 'x' for column `d`.`e`.`b` at row 1' for column "
     "'y' at row 1",
     "t", "y", "", 0, false},
    {1292, COVET_ERROR_INVALID_VALUE,
     "update t set a = 'column ''x'' at row 1'",
     "Truncated incorrect DOUBLE value: 'for column 'x' at row 1'", "t", "", "",
     0, false},
    {1406, COVET_ERROR_STRING_TOO_LONG, "update t as u set a = 'b'",
     "Data too long for column 'a' at row 1", "t", "a", "", 0, false},
    {1406, COVET_ERROR_STRING_TOO_LONG, "update t join u set a = 'b'",
     "Data too long for column 'a' at row 1", "", "a", "", 0, false},
    {1406, COVET_ERROR_STRING_TOO_LONG, "update t, u set a = 'b'",
     "Data too long for column 'a' at row 1", "", "a", "", 0, false},
    {1406, COVET_ERROR_STRING_TOO_LONG,
     "insert into t values (1); insert into u values (2)",
     "Data too long for column 'a' at row 1", "", "a", "", 0, false},
    {1406, COVET_ERROR_STRING_TOO_LONG, "insert into t values (1); -- more",
     "Data too long for column 'a' at row 1", "t", "a", "", 0, false},
    {1264, COVET_ERROR_NUMERIC_OUT_OF_RANGE,
     "load data local infile 'into table x' into table t",
     "Out of range value for column 'a' at row 1", "t", "a", "", 0, false},
    {1048, COVET_ERROR_NOT_NULL_VIOLATION, "insert ignore into t values (null)",
     "Column 'a.b' cannot be null", "t", "b", "", 0, false},
    {1364, COVET_ERROR_NOT_NULL_VIOLATION, "insert into t () values ()",
     "Field 'a' doesn't have a default value", "t", "a", "", 0, false},
    {1452, COVET_ERROR_FOREIGN_KEY_VIOLATION, "insert into x values (1)",
     CHILD "(`d`.`t`, CONSTRAINT `c``d` FOREIGN KEY (`a`) REFERENCES `p` "
           "(`id`) ON DELETE CASCADE)",
     "t", "a", "c`d", 0, false},
    {1452, COVET_ERROR_FOREIGN_KEY_VIOLATION, "insert into x values (1)",
     CHILD "(`d`.`t`, CONSTRAINT `c` FOREIGN KEY (`a`, `b`) REFERENCES `p` "
           "(`id`, `n`))",
     "t", "", "c", 0, false},
    {4025, COVET_ERROR_CHECK_VIOLATION, "insert into t values (1)",
     "CONSTRAINT `t.a` failed for `d`.`t`", "t", "a", "a", 0, false},
    {4025, COVET_ERROR_CHECK_VIOLATION, "insert into t values (1)",
     "CONSTRAINT `w``.x` failed for `d`.`t``u`", "t`u", "", "w`.x", 0, false},
    {3819, COVET_ERROR_CHECK_VIOLATION, "delete from t where a = 1",
     "Check constraint 'c' is violated.", "t", "", "c", 0, true},
    {1054, COVET_ERROR_UNDEFINED_COLUMN,
     "select 'x', x.u, `u`.`X` /* u.x */ from u",
     "Unknown column 'u.x' in "
     "'SELECT'",
     "", "x", "", 18, false},
    {1052, COVET_ERROR_AMBIGUOUS_COLUMN, "select xx, x from a, b",
     "Column 'x' in field list is ambiguous", "", "x", "", 12, false},
    {1146, COVET_ERROR_UNDEFINED_TABLE, "select 't' from d.t",
     "Table 'd.t' doesn't exist", "t", "", "", 19, false},
    {1064, COVET_ERROR_SYNTAX_ERROR, "select on\n from on ",
     NEAR_MARIADB "'on' at line 2", "", "", "", 17, false},
    {1064, COVET_ERROR_SYNTAX_ERROR, "selct 'near ''x'' at line 1' at line 9",
     NEAR_MARIADB "'selct 'near ''x'' at line 1' at line 9' at line 1", "", "",
     "", 1, false},
    {1064, COVET_ERROR_SYNTAX_ERROR, "a\nb and on and on and on",
     NEAR_MARIADB "'b and on a...' at line 2", "", "", "", 3, false},
    {1064, COVET_ERROR_SYNTAX_ERROR, "select (1", NEAR_MARIADB "'' at line 1",
     "", "", "", 9, false},
};

static void test_messages(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
    const message *given = &messages[i];
    covet_error error = {.code = given->code, .kind = given->kind};

    (void) snprintf(error.message, sizeof(error.message), "%s", given->text);
    my_message_read(&error, given->sql, strlen(given->sql),
                    given->names_tables);
    assert_string_equal(error.table, given->table);
    assert_string_equal(error.column, given->column);
    assert_string_equal(error.constraint, given->constraint);
    assert_int_equal(error.position, given->position);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_comments),  cmocka_unit_test(test_code),
      cmocka_unit_test(test_quotes),    cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_texts),     cmocka_unit_test(test_verbs),
      cmocka_unit_test(test_read_only), cmocka_unit_test(test_changes),
      cmocka_unit_test(test_messages),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
