#include "mysql_verb.h"

typedef struct verb_word {
  const char *word;
  my_verb verb;
} verb_word;

static const verb_word words[] = {
    {"select", MY_VERB_SELECT},     {"values", MY_VERB_SELECT},
    {"table", MY_VERB_SELECT},      {"insert", MY_VERB_INSERT},
    {"replace", MY_VERB_INSERT},    {"update", MY_VERB_CHANGE},
    {"delete", MY_VERB_CHANGE},     {"begin", MY_VERB_BEGIN},
    {"start", MY_VERB_BEGIN},       {"commit", MY_VERB_COMMIT},
    {"rollback", MY_VERB_ROLLBACK}, {"savepoint", MY_VERB_SAVEPOINT},
    {"release", MY_VERB_SAVEPOINT}, {"show", MY_VERB_SHOW},
    {"explain", MY_VERB_SHOW},      {"describe", MY_VERB_SHOW},
    {"desc", MY_VERB_SHOW},         {"load", MY_VERB_LOAD},
    {"execute", MY_VERB_EXECUTE},
};

static my_verb verb_of(const my_token *token)
{
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (my_token_is(token, words[i].word)) {
      return words[i].verb;
    }
  }
  return MY_VERB_OTHER;
}

/* Behind parentheses, and statements that are empty. */
static bool next_word(my_scan *scan, my_token *word)
{
  while (my_scan_next(scan, word)) {
    if (!my_token_is_sign(word, '(') && !my_token_is_sign(word, ';')) {
      return word->kind == MY_TOKEN_WORD;
    }
  }
  return false;
}

bool my_first_word(const char *sql, size_t length, my_token *word)
{
  my_scan scan;

  my_scan_start(&scan, sql, length);
  return next_word(&scan, word);
}

size_t my_bare_length(const char *sql, size_t length)
{
  my_scan scan;
  my_token token;
  size_t bare = 0;

  my_scan_start(&scan, sql, length);
  while (my_scan_next(&scan, &token)) {
    if (!my_token_is_sign(&token, ';')) {
      bare = (size_t) (token.at + token.length - sql);
    }
  }
  return scan.has_code ? length : bare;
}

/* Behind WITH: all of these words are reserved, so that nothing else is called so,
 * and the named queries stand in parentheses. What changes something cannot. */
static my_verb main_verb(my_scan *scan)
{
  my_token token;
  int depth = 0;

  while (my_scan_next(scan, &token) && !my_token_is_sign(&token, ';')) {
    my_verb verb = depth == 0 ? verb_of(&token) : MY_VERB_OTHER;

    if (verb == MY_VERB_SELECT || verb == MY_VERB_INSERT ||
        verb == MY_VERB_CHANGE) {
      return verb;
    }
    depth += my_token_is_sign(&token, '(') - my_token_is_sign(&token, ')');
  }
  return MY_VERB_SELECT;
}

/* BEGIN NOT ATOMIC and START SLAVE begin no transaction. */
static my_verb beginning(my_scan *scan, const my_token *first)
{
  my_token second;
  bool has_second = my_scan_next(scan, &second);

  if (my_token_is(first, "start")) {
    return has_second && my_token_is(&second, "transaction") ? MY_VERB_BEGIN
                                                             : MY_VERB_OTHER;
  }
  return has_second && my_token_is(&second, "not") ? MY_VERB_OTHER
                                                   : MY_VERB_BEGIN;
}

my_verb my_verb_of(const char *sql, size_t length)
{
  my_scan scan;
  my_token first;
  my_verb verb;

  my_scan_start(&scan, sql, length);
  if (!next_word(&scan, &first)) {
    return MY_VERB_OTHER;
  }
  if (my_token_is(&first, "with")) {
    return main_verb(&scan);
  }
  verb = verb_of(&first);
  return verb == MY_VERB_BEGIN ? beginning(&scan, &first) : verb;
}

bool my_begins_read_only(const char *sql, size_t length)
{
  my_scan scan;
  my_token token;
  bool behind_read = false;

  my_scan_start(&scan, sql, length);
  while (my_scan_next(&scan, &token)) {
    if (behind_read && my_token_is(&token, "only")) {
      return true;
    }
    behind_read = my_token_is(&token, "read");
  }
  return false;
}

/* The server tells of what it tracks (session_track_state_change): variables of its
 * own that were set, the database, temporary tables, statements of PREPARE, wherever
 * that happened, in a procedure too. It does not tell of
 *
 * - variables of the user's own that a query sets (`select 1 into @a`): one that is
 *   named anywhere counts, for what is only read was set before;
 * - locks of GET_LOCK, of tables, and of FLUSH TABLES WITH READ LOCK;
 * - what is meant for the next transaction only (SET TRANSACTION);
 * - open handlers, and transactions of XA;
 * - what EXECUTE runs, whose text is not here.
 *
 * Those who only seem to do so (`set global`, the body of a procedure that is made)
 * cost a reset that was not needed. What a stored function does is not seen. */
bool my_changes_session(const char *sql, size_t length)
{
  static const char *const changing[] = {"set", "lock",    "unlock", "handler",
                                         "xa",  "execute", "flush",  NULL};
  my_scan scan;
  my_token token;
  bool is_first = true;

  my_scan_start(&scan, sql, length);
  while (my_scan_next(&scan, &token)) {
    if (token.kind == MY_TOKEN_VARIABLE ||
        my_token_names(&token, "get_lock", 8) ||
        (is_first && my_token_is_of(&token, changing))) {
      return true;
    }
    is_first = my_token_is_sign(&token, ';');
  }
  return false;
}

bool my_text_shares(const char *sql, size_t length)
{
  static const char *const unlike[] = {"into",
                                       "update",
                                       "lock",
                                       "share",
                                       "procedure",
                                       "sleep",
                                       "benchmark",
                                       "get_lock",
                                       "next",
                                       "nextval",
                                       "setval",
                                       "lastval",
                                       "row_count",
                                       "found_rows",
                                       "last_insert_id",
                                       "sql_calc_found_rows",
                                       "previous",
                                       "is_used_lock",
                                       "release_lock",
                                       "release_all_locks",
                                       "is_free_lock",
                                       "master_pos_wait",
                                       "master_gtid_wait",
                                       NULL};
  my_scan scan;
  my_token token;

  if (my_verb_of(sql, length) != MY_VERB_SELECT) {
    return false;
  }
  my_scan_start(&scan, sql, length);
  while (my_scan_next(&scan, &token)) {
    if (token.kind == MY_TOKEN_VARIABLE || my_token_is_of(&token, unlike)) {
      return false;
    }
  }
  return true;
}
