/* The words of a statement, as far as they matter. */
#include "mysql_driver.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct verb_word {
  const char *word;
  my_verb verb;
} verb_word;

static const verb_word words[] = {
    {"select", MY_VERB_SELECT},       {"values", MY_VERB_SELECT},
    {"table", MY_VERB_SELECT},        {"with", MY_VERB_WITH},
    {"insert", MY_VERB_INSERT},       {"replace", MY_VERB_INSERT},
    {"update", MY_VERB_CHANGE},       {"delete", MY_VERB_CHANGE},
    {"begin", MY_VERB_BEGIN},         {"start", MY_VERB_BEGIN},
    {"commit", MY_VERB_COMMIT},       {"rollback", MY_VERB_ROLLBACK},
    {"savepoint", MY_VERB_SAVEPOINT}, {"release", MY_VERB_SAVEPOINT},
    {"show", MY_VERB_SHOW},           {"explain", MY_VERB_SHOW},
    {"describe", MY_VERB_SHOW},       {"desc", MY_VERB_SHOW},
    {"load", MY_VERB_LOAD},
};

static const char *line_end(const char *sql, const char *end)
{
  const char *line = memchr(sql, '\n', (size_t) (end - sql));

  return line == NULL ? end : line + 1;
}

static const char *comment_end(const char *sql, const char *end)
{
  while (end - sql >= 2 && (sql[0] != '*' || sql[1] != '/')) {
    sql++;
  }
  return end - sql >= 2 ? sql + 2 : end;
}

/* Behind blanks, comments and parentheses; what stands in a comment for the server
 * counts. */
static const char *first_word(const char *sql, const char *end)
{
  while (sql < end) {
    if (isspace((unsigned char) *sql) || *sql == '(' || *sql == ';') {
      sql++;
    } else if (*sql == '#' ||
               (end - sql >= 2 && sql[0] == '-' && sql[1] == '-')) {
      sql = line_end(sql, end);
    } else if (end - sql >= 3 && sql[0] == '/' && sql[1] == '*' &&
               sql[2] == '!') {
      sql += 3;
      while (sql < end && isdigit((unsigned char) *sql)) {
        sql++;
      }
    } else if (end - sql >= 2 && sql[0] == '/' && sql[1] == '*') {
      sql = comment_end(sql + 2, end);
    } else {
      break;
    }
  }
  return sql;
}

static size_t word_length(const char *from, const char *end)
{
  const char *at = from;

  while (at < end && (isalnum((unsigned char) *at) || *at == '_')) {
    at++;
  }
  return (size_t) (at - from);
}

size_t my_first_word(const char *sql, size_t length, const char **word)
{
  *word = first_word(sql, sql + length);
  return word_length(*word, sql + length);
}

/* BEGIN NOT ATOMIC and START SLAVE begin no transaction. */
static bool is_other(my_verb verb, const char *from, const char *end)
{
  size_t length = (size_t) (end - from);

  if (verb != MY_VERB_BEGIN) {
    return false;
  }
  return tolower((unsigned char) *from) == 's'
             ? !my_mentions(from, length, "transaction")
             : my_mentions(from, length, "atomic");
}

my_verb my_verb_of(const char *sql, size_t length)
{
  const char *from;
  size_t size = my_first_word(sql, length, &from);

  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (strlen(words[i].word) == size &&
        strncasecmp(from, words[i].word, size) == 0) {
      return is_other(words[i].verb, from, sql + length) ? MY_VERB_OTHER
                                                         : words[i].verb;
    }
  }
  return MY_VERB_OTHER;
}

bool my_mentions(const char *sql, size_t length, const char *word)
{
  size_t size = strlen(word);

  for (const char *at = sql; at + size <= sql + length; at++) {
    if (tolower((unsigned char) *at) == *word &&
        strncasecmp(at, word, size) == 0) {
      return true;
    }
  }
  return false;
}

/* Behind a string or a name in backquotes that begins here. */
static const char *quoted_end(const char *sql, const char *end)
{
  char quote = *sql;

  for (sql++; sql < end && *sql != quote; sql++) {
    sql += *sql == '\\' && quote != '`';
  }
  return sql < end ? sql + 1 : end;
}

/* Behind what holds no words of the statement's, one byte on elsewhere. */
static const char *step(const char *sql, const char *end)
{
  if (*sql == '\'' || *sql == '"' || *sql == '`') {
    return quoted_end(sql, end);
  }
  if (*sql == '#' || (end - sql >= 3 && sql[0] == '-' && sql[1] == '-' &&
                      isspace((unsigned char) sql[2]))) {
    return line_end(sql, end);
  }
  if (end - sql >= 3 && sql[0] == '/' && sql[1] == '*' && sql[2] != '!' &&
      sql[2] != 'M') {
    return comment_end(sql + 2, end);
  }
  return sql + 1;
}

/* A variable of the session's own, which may be set here: @name, not @@name nor the
 * host of a user's name. */
static bool has_variable(const char *sql, size_t length)
{
  const char *end = sql + length;

  if (memchr(sql, '@', length) == NULL) {
    return false;
  }
  for (const char *at = sql; at < end; at = step(at, end)) {
    bool is_first = at == sql || (!isalnum((unsigned char) at[-1]) &&
                                  strchr("@_$'\"`", at[-1]) == NULL);

    if (*at == '@' && is_first && end - at > 1 && at[1] != '@') {
      return true;
    }
  }
  return false;
}

/* What the server's own tracking does not tell: locks, what counts for the next
 * transaction, variables that a query sets, statements and tables of the session's
 * own. */
bool my_changes_session(const char *sql, size_t length, my_verb verb)
{
  static const char *const changing[] = {"set",     "lock",    "unlock",
                                         "handler", "prepare", "execute",
                                         "xa",      "flush",   "use"};
  const char *from;
  size_t size;

  switch (verb) {
  case MY_VERB_SELECT:
  case MY_VERB_WITH:
  case MY_VERB_INSERT:
  case MY_VERB_CHANGE:
  case MY_VERB_LOAD:
    return my_mentions(sql, length, "get_lock") || has_variable(sql, length);
  case MY_VERB_OTHER:
    break;
  default:
    return false;
  }
  size = my_first_word(sql, length, &from);
  for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
    if (strlen(changing[i]) == size &&
        strncasecmp(from, changing[i], size) == 0) {
      return true;
    }
  }
  return my_mentions(sql, length, "get_lock") || has_variable(sql, length);
}
