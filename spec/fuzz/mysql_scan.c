/* Any bytes as SQL: the scanner steps through all of them, and reads its own tokens
 * again as what they were when they stand apart. */
#include "mysql_scan.h"
#include "mysql_fuzz.h"
#include "mysql_verb.h"

#include <stdio.h>

enum { MOST_BYTES = 4096 };

/* What a token stands for is no longer than itself, and itself where it has no NUL
 * byte. */
static void look(const my_token *token)
{
  char text[MOST_BYTES + 1];
  char cut[3];
  size_t length = my_token_text(token, text, sizeof(text));

  require(length <= token->length && text[length] == '\0');
  require(my_token_text(token, cut, sizeof(cut)) == length);
  require(my_token_text(token, NULL, 0) == length);
  if (strlen(text) == length) {
    require(my_token_stands_for(token, text));
    require(!my_token_stands_for(token, "no text ends so \x01"));
  }
  if (token->kind == MY_TOKEN_WORD || token->kind == MY_TOKEN_NAME) {
    require(my_token_names(token, text, length));
  }
}

/* All of them with a blank between each two. Returns false where that would change
 * them: an @ that joins two names. */
static bool spread(const char *sql, size_t size, char *to, size_t *length)
{
  my_scan scan;
  my_token token;
  const char *behind = sql;

  *length = 0;
  my_scan_start(&scan, sql, size);
  while (my_scan_next(&scan, &token)) {
    require(token.length > 0 && token.at >= behind &&
            token.at + token.length <= sql + size);
    behind = token.at + token.length;
    look(&token);
    if (my_token_is_sign(&token, '@')) {
      return false;
    }
    memcpy(to + *length, token.at, token.length);
    *length += token.length;
    to[(*length)++] = ' ';
  }
  return true;
}

static void compare(const char *sql, size_t size, const char *again,
                    size_t length)
{
  my_scan one;
  my_scan other;
  my_token token;
  my_token same;

  my_scan_start(&one, sql, size);
  my_scan_start(&other, again, length);
  while (my_scan_next(&one, &token)) {
    bool is_last = token.at + token.length == sql + size;

    require(my_scan_next(&other, &same) && same.kind == token.kind);
    /* one that has no end takes the blank behind it too */
    require(same.length == token.length ||
            (is_last && same.length == token.length + 1));
    require(memcmp(same.at, token.at, token.length) == 0);
  }
  require(!my_scan_next(&other, &same));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *sql;
  char *again;
  size_t length;
  my_token word;

  if (size > MOST_BYTES) {
    return 0;
  }
  sql = fuzz_copy(data, size);
  again = malloc(size * 2 + 1);
  require(again != NULL);
  if (spread(sql, size, again, &length)) {
    compare(sql, size, again, length);
  }
  (void) my_verb_of(sql, size);
  (void) my_changes_session(sql, size);
  (void) my_begins_read_only(sql, size);
  if (my_first_word(sql, size, &word)) {
    require(word.kind == MY_TOKEN_WORD);
  }
  free(again);
  free(sql);
  return 0;
}
