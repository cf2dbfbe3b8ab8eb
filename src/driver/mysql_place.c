/* Names and places in a statement. */
#include "mysql_message.h"
#include "mysql_scan.h"

#include <string.h>

/* The next token; at the end one of no length. */
static void advance(my_scan *scan, my_token *token)
{
  if (!my_scan_next(scan, token)) {
    token->kind = MY_TOKEN_SIGN;
    token->at = scan->end;
    token->length = 0;
  }
}

static void skip_words(my_scan *scan, my_token *token, const char *const *words)
{
  do {
    advance(scan, token);
  } while (my_token_is_of(token, words));
}

/* --- The table that is changed ---------------------------------------------------- */

static bool is_name(const my_token *token)
{
  return token->kind == MY_TOKEN_WORD || token->kind == MY_TOKEN_NAME;
}

/* Step over names that dots join; `*last` is the last one. */
static bool skip_path(my_scan *scan, my_token *token, my_token *last)
{
  while (is_name(token)) {
    *last = *token;
    advance(scan, token);
    if (!my_token_is_sign(token, '.')) {
      return true;
    }
    advance(scan, token);
  }
  return false;
}

/* Step over the other name that a table may have; what follows must not be another
 * table. */
static bool is_alone(my_scan *scan, my_token *token, const char *const *behind)
{
  static const char *const joins[] = {"join",  "inner",         "cross",
                                      "left",  "right",         "natural",
                                      "using", "straight_join", NULL};

  if (my_token_is(token, "as")) {
    advance(scan, token);
  }
  if (is_name(token) && !my_token_is_of(token, behind) &&
      !my_token_is_of(token, joins)) {
    advance(scan, token);
  }
  return token->length == 0 || my_token_is_sign(token, ';') ||
         my_token_is_of(token, behind);
}

static bool target_of_update(my_scan *scan, my_token *token, my_token *table)
{
  static const char *const before[] = {"low_priority", "ignore", NULL};
  static const char *const behind[] = {"set", NULL};

  skip_words(scan, token, before);
  return skip_path(scan, token, table) && is_alone(scan, token, behind);
}

static bool target_of_delete(my_scan *scan, my_token *token, my_token *table)
{
  static const char *const before[] = {"low_priority", "quick", "ignore", NULL};
  static const char *const behind[] = {"where", "order", "limit", "returning",
                                       NULL};

  skip_words(scan, token, before);
  if (!my_token_is(token, "from")) {
    return false;
  }
  advance(scan, token);
  return skip_path(scan, token, table) && is_alone(scan, token, behind);
}

static bool target_of_load(my_scan *scan, my_token *token, my_token *table)
{
  while (token->length > 0 && !my_token_is(token, "into")) {
    advance(scan, token);
  }
  advance(scan, token);
  if (!my_token_is(token, "table")) {
    return false;
  }
  advance(scan, token);
  return skip_path(scan, token, table);
}

static bool target_of(my_scan *scan, my_token *token, my_token *table)
{
  static const char *const before[] = {
      "low_priority", "delayed", "high_priority", "ignore", "into", NULL};

  advance(scan, token);
  if (my_token_is(token, "insert") || my_token_is(token, "replace")) {
    skip_words(scan, token, before);
    return skip_path(scan, token, table);
  }
  if (my_token_is(token, "update")) {
    return target_of_update(scan, token, table);
  }
  if (my_token_is(token, "delete")) {
    return target_of_delete(scan, token, table);
  }
  return my_token_is(token, "load") && target_of_load(scan, token, table);
}

bool my_place_target(const char *sql, size_t length, char *table, size_t size)
{
  my_scan scan;
  my_token token;
  my_token found;

  my_scan_start(&scan, sql, length);
  if (!target_of(&scan, &token, &found)) {
    return false;
  }
  while (token.length > 0 && !my_token_is_sign(&token, ';')) {
    advance(&scan, &token);
  }
  advance(&scan, &token);
  if (token.length > 0) {
    return false; /* which of the statements it was nobody knows */
  }
  (void) my_token_text(&found, table, size);
  return true;
}

/* --- Names ------------------------------------------------------------------------ */

/* Whether the path begins with this token. */
static bool is_path(my_scan scan, my_token token, const char *path,
                    size_t length)
{
  if (my_token_names(&token, path, length)) {
    return true; /* a dot may be part of it */
  }
  for (;;) {
    const char *dot = memchr(path, '.', length);
    size_t part = dot == NULL ? length : (size_t) (dot - path);

    if (!my_token_names(&token, path, part)) {
      return false;
    }
    if (dot == NULL) {
      return true;
    }
    path += part + 1;
    length -= part + 1;
    if (!my_scan_next(&scan, &token) || !my_token_is_sign(&token, '.') ||
        !my_scan_next(&scan, &token)) {
      return false;
    }
  }
}

int64_t my_place_name(const char *sql, size_t length, const char *path,
                      size_t path_length)
{
  my_scan scan;
  my_token token;

  my_scan_start(&scan, sql, length);
  while (path_length > 0 && my_scan_next(&scan, &token)) {
    if (is_path(scan, token, path, path_length)) {
      return token.at - sql + 1;
    }
  }
  return 0;
}

/* --- What is shown ---------------------------------------------------------------- */

/* Where the line of that number begins. */
static size_t line_start(const char *sql, size_t length, unsigned long line)
{
  size_t at = 0;

  while (line > 1) {
    const char *end = memchr(sql + at, '\n', length - at);

    if (end == NULL) {
      return at;
    }
    at = (size_t) (end - sql) + 1;
    line--;
  }
  return at;
}

static int64_t find_from(const char *sql, size_t length, size_t from,
                         const char *shown, size_t shown_length)
{
  for (size_t i = from; i + shown_length <= length; i++) {
    if (memcmp(sql + i, shown, shown_length) == 0) {
      return (int64_t) i + 1;
    }
  }
  return 0;
}

/* Up to the text's end, but for blanks. */
static int64_t find_end(const char *sql, size_t length, const char *shown,
                        size_t shown_length)
{
  for (; length >= shown_length; length--) {
    size_t at = length - shown_length;

    if (memcmp(sql + at, shown, shown_length) == 0) {
      return (int64_t) at + 1;
    }
    if (strchr(" \t\r\n;", sql[length - 1]) == NULL) {
      break;
    }
  }
  return 0;
}

int64_t my_place_near(const char *sql, size_t length, const char *shown,
                      size_t shown_length, unsigned long line)
{
  static const char more[] = "...";
  enum { MORE = sizeof(more) - 1 };
  int64_t place;

  if (shown_length == 0) {
    return (int64_t) length; /* the end came too soon */
  }
  place = find_end(sql, length, shown, shown_length);
  if (place == 0 && shown_length > MORE &&
      memcmp(shown + shown_length - MORE, more, MORE) == 0) {
    shown_length -= MORE; /* it was cut off */
  }
  if (place == 0) {
    place = find_from(sql, length, line_start(sql, length, line), shown,
                      shown_length);
  }
  return place != 0 ? place : find_from(sql, length, 0, shown, shown_length);
}
