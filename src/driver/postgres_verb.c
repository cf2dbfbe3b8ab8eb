/* The words of a statement, as far as they matter: what may be sent together, and
 * what leaves a session changed. */
#include "postgres.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct verb_word {
  const char *word;
  pg_verb verb;
} verb_word;

static const verb_word words[] = {
    {"select", PG_VERB_SELECT},       {"values", PG_VERB_SELECT},
    {"table", PG_VERB_SELECT},        {"with", PG_VERB_WITH},
    {"insert", PG_VERB_CHANGE},       {"update", PG_VERB_CHANGE},
    {"delete", PG_VERB_CHANGE},       {"merge", PG_VERB_CHANGE},
    {"begin", PG_VERB_BEGIN},         {"start", PG_VERB_BEGIN},
    {"commit", PG_VERB_COMMIT},       {"end", PG_VERB_COMMIT},
    {"rollback", PG_VERB_ROLLBACK},   {"abort", PG_VERB_ROLLBACK},
    {"savepoint", PG_VERB_SAVEPOINT}, {"release", PG_VERB_SAVEPOINT},
    {"copy", PG_VERB_COPY},           {"explain", PG_VERB_EXPLAIN},
    {"show", PG_VERB_SHOW},           {"listen", PG_VERB_LISTEN},
};

/* Behind blanks, comments and parentheses. */
static const char *first_word(const char *sql, const char *end)
{
  while (sql < end) {
    if (isspace((unsigned char) *sql) || *sql == '(' || *sql == ';') {
      sql++;
    } else if (end - sql >= 2 && sql[0] == '-' && sql[1] == '-') {
      const char *line = memchr(sql, '\n', (size_t) (end - sql));

      sql = line == NULL ? end : line + 1;
    } else if (end - sql >= 2 && sql[0] == '/' && sql[1] == '*') {
      int depth = 1;

      for (sql += 2; sql < end && depth > 0; sql++) {
        if (end - sql >= 2 && sql[0] == '*' && sql[1] == '/') {
          depth--;
          sql++;
        } else if (end - sql >= 2 && sql[0] == '/' && sql[1] == '*') {
          depth++;
          sql++;
        }
      }
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

static bool is_word(const char *from, size_t length, const char *word)
{
  return strlen(word) == length && strncasecmp(from, word, length) == 0;
}

pg_verb pg_verb_of(const char *sql, size_t length)
{
  const char *end = sql + length;
  const char *from = first_word(sql, end);
  size_t size = word_length(from, end);

  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (is_word(from, size, words[i].word)) {
      return words[i].verb;
    }
  }
  if (is_word(from, size, "prepare")) {
    from = first_word(from + size, end);
    if (is_word(from, word_length(from, end), "transaction")) {
      return PG_VERB_COMMIT;
    }
  }
  return PG_VERB_OTHER;
}

bool pg_mentions(const char *sql, size_t length, const char *word)
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

static bool mentions_any(const char *sql, size_t length,
                         const char *const *list)
{
  while (*list != NULL && !pg_mentions(sql, length, *list)) {
    list++;
  }
  return *list != NULL;
}

bool pg_text_reads(const char *sql, size_t length, pg_verb verb)
{
  static const char *const changes[] = {"insert", "update", "delete", "merge",
                                        NULL};

  switch (verb) {
  case PG_VERB_SELECT:
  case PG_VERB_SHOW:
  case PG_VERB_EXPLAIN:
    return true;
  case PG_VERB_WITH:
    return !mentions_any(sql, length, changes);
  default:
    return false;
  }
}

bool pg_text_shares(const char *sql, size_t length)
{
  static const char *const waits[] = {"for update", "for share", "for no key",
                                      "pg_sleep", NULL};
  pg_verb verb = pg_verb_of(sql, length);

  return (verb == PG_VERB_SELECT || verb == PG_VERB_WITH ||
          verb == PG_VERB_CHANGE) &&
         !pg_changes_session(sql, length, verb) &&
         !mentions_any(sql, length, waits);
}

bool pg_has_many_params(const char *sql, size_t length)
{
  const char *end = sql + length;

  if (length < (size_t) PG_MOST_DESCRIBED * 4) {
    return false;
  }
  for (; sql < end; sql++) {
    if (*sql == '$' && strtoul(sql + 1, NULL, 10) > PG_MOST_DESCRIBED) {
      return true;
    }
  }
  return false;
}

/* Statements that are none of these and change only data and schema. */
static bool is_harmless(const char *sql, size_t length)
{
  static const char *const harmless[] = {
      "create", "alter",   "drop",       "truncate", "comment", "grant",
      "revoke", "analyze", "vacuum",     "reindex",  "cluster", "refresh",
      "notify", "lock",    "checkpoint", "explain",  NULL};
  const char *from = first_word(sql, sql + length);
  size_t size = word_length(from, sql + length);

  for (const char *const *word = harmless; *word != NULL; word++) {
    if (is_word(from, size, *word)) {
      return !pg_mentions(sql, length, "temp");
    }
  }
  return false;
}

bool pg_changes_session(const char *sql, size_t length, pg_verb verb)
{
  switch (verb) {
  case PG_VERB_SELECT:
  case PG_VERB_WITH:
  case PG_VERB_CHANGE:
  case PG_VERB_EXPLAIN:
    return pg_mentions(sql, length, "set_config") ||
           pg_mentions(sql, length, "advisory_lock") ||
           pg_mentions(sql, length, "dblink") ||
           (verb == PG_VERB_SELECT && pg_mentions(sql, length, "into temp"));
  case PG_VERB_BEGIN:
  case PG_VERB_COMMIT:
  case PG_VERB_ROLLBACK:
  case PG_VERB_SAVEPOINT:
  case PG_VERB_COPY:
  case PG_VERB_SHOW:
    return false;
  case PG_VERB_LISTEN:
  case PG_VERB_OTHER:
    break;
  }
  return !is_harmless(sql, length);
}
