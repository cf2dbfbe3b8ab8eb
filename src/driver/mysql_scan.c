#include "mysql_scan.h"

#include <string.h>

/* Bytes by themselves: what ctype.h says of them depends on the locale. */

static bool is_blank(char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_control(char c)
{
  return (unsigned char) c < ' ' || c == 127;
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static int lower(char c)
{
  return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool is_of_word(char c)
{
  return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '_' ||
         c == '$' || (unsigned char) c >= 0x80;
}

static bool is_quote(char c)
{
  return c == '\'' || c == '"' || c == '`';
}

/* --- Comments --------------------------------------------------------------------- */

static const char *line_end(const char *at, const char *end)
{
  const char *found = memchr(at, '\n', (size_t) (end - at));

  return found == NULL ? end : found + 1;
}

static const char *block_end(const char *at, const char *end)
{
  for (; end - at >= 2; at++) {
    if (at[0] == '*' && at[1] == '/') {
      return at + 2;
    }
  }
  return end;
}

/* The code in a comment for the server alone, behind its version of five digits or
 * six; NULL: another comment begins here. */
static const char *code_begin(const char *at, const char *end)
{
  size_t digits = 0;

  at += 2;
  at += at < end && *at == 'M';
  if (at == end || *at != '!') {
    return NULL;
  }
  at++;
  while (digits < 6 && at + digits < end && is_digit(at[digits])) {
    digits++;
  }
  return digits >= 5 ? at + digits : at;
}

static bool is_dashes(const char *at, const char *end)
{
  return end - at >= 2 && at[0] == '-' && at[1] == '-' &&
         (end - at == 2 || is_blank(at[2]) || is_control(at[2]));
}

/* Behind the comment that begins here; NULL: none does. */
static const char *comment_end(my_scan *scan)
{
  const char *at = scan->at;
  const char *code;

  if (*at == '#' || is_dashes(at, scan->end)) {
    return line_end(at, scan->end);
  }
  if (scan->end - at < 2) {
    return NULL;
  }
  if (scan->in_code && at[0] == '*' && at[1] == '/') {
    scan->in_code = false;
    return at + 2;
  }
  if (at[0] != '/' || at[1] != '*') {
    return NULL;
  }
  code = code_begin(at, scan->end);
  if (code == NULL) {
    return block_end(at + 2, scan->end);
  }
  scan->in_code = true;
  scan->has_code = true;
  return code;
}

/* --- Tokens ----------------------------------------------------------------------- */

static const char *quoted_end(const char *at, const char *end)
{
  char quote = *at;

  for (at++; at < end; at++) {
    bool is_pair = end - at >= 2 && ((*at == '\\' && quote != '`') ||
                                     (*at == quote && at[1] == quote));

    if (is_pair) {
      at++;
    } else if (*at == quote) {
      return at + 1;
    }
  }
  return end;
}

static const char *word_end(const char *at, const char *end)
{
  while (at < end && is_of_word(*at)) {
    at++;
  }
  return at;
}

/* Behind an @: what joins a user's name and its host is a sign, as in 'a'@'b'. */
static const char *variable_end(const my_scan *scan, my_token *token)
{
  const char *at = scan->at + 1;
  bool joins = scan->at > scan->from &&
               (is_of_word(scan->at[-1]) || is_quote(scan->at[-1]));

  token->kind = joins ? MY_TOKEN_SIGN : MY_TOKEN_VARIABLE;
  if (joins) {
    return at;
  }
  if (at < scan->end && *at == '@') {
    token->kind = MY_TOKEN_SIGN;
    return at + 1;
  }
  if (at < scan->end && is_quote(*at)) {
    return quoted_end(at, scan->end);
  }
  while (at < scan->end && (is_of_word(*at) || *at == '.')) {
    at++;
  }
  return at;
}

static const char *token_end(const my_scan *scan, my_token *token)
{
  const char *at = scan->at;

  if (is_quote(*at)) {
    token->kind = *at == '`' ? MY_TOKEN_NAME : MY_TOKEN_LITERAL;
    return quoted_end(at, scan->end);
  }
  if (is_of_word(*at)) {
    token->kind = MY_TOKEN_WORD;
    return word_end(at, scan->end);
  }
  if (*at == '@') {
    return variable_end(scan, token);
  }
  token->kind = MY_TOKEN_SIGN;
  return at + 1;
}

void my_scan_start(my_scan *scan, const char *sql, size_t length)
{
  memset(scan, 0, sizeof(*scan));
  scan->from = sql;
  scan->at = sql;
  scan->end = sql + length;
}

bool my_scan_next(my_scan *scan, my_token *token)
{
  while (scan->at < scan->end) {
    const char *behind = is_blank(*scan->at) ? scan->at + 1 : comment_end(scan);

    if (behind == NULL) {
      token->at = scan->at;
      scan->at = token_end(scan, token);
      token->length = (size_t) (scan->at - token->at);
      return true;
    }
    scan->at = behind;
  }
  return false;
}

/* --- What they are ---------------------------------------------------------------- */

bool my_token_is(const my_token *token, const char *word)
{
  if (token->kind != MY_TOKEN_WORD) {
    return false;
  }
  for (size_t i = 0; i < token->length; i++) {
    if (word[i] == '\0' || lower(token->at[i]) != word[i]) {
      return false;
    }
  }
  return word[token->length] == '\0';
}

bool my_token_is_of(const my_token *token, const char *const *words)
{
  for (; *words != NULL; words++) {
    if (my_token_is(token, *words)) {
      return true;
    }
  }
  return false;
}

bool my_token_is_sign(const my_token *token, char sign)
{
  return token->kind == MY_TOKEN_SIGN && token->length == 1 &&
         *token->at == sign;
}

/* The letter behind a backslash, as the server reads it. */
static char unescaped(char c)
{
  static const char from[] = "0bnrtZ";
  static const char to[] = "\0\b\n\r\t\032";
  const char *found = c == '\0' ? NULL : strchr(from, c);

  if (found != NULL) {
    c = to[found - from];
  }
  return c;
}

/* The next byte that the token stands for, from `*at` on. Returns false at its end. */
static bool next_byte(const my_token *token, const char **at, char *byte)
{
  const char *end = token->at + token->length;
  int quote = is_quote(*token->at) ? *token->at : '\0';

  if (*at == token->at && quote != '\0') {
    (*at)++;
  }
  if (*at == end || (quote != '\0' && **at == quote && end - *at == 1)) {
    return false;
  }
  *byte = *(*at)++;
  if (quote == '\0' || *at == end) {
    return true;
  }
  if (*byte == quote) {
    (*at)++; /* it is doubled */
  } else if (*byte == '\\' && quote != '`') {
    *byte = unescaped(*(*at)++);
  }
  return true;
}

size_t my_token_text(const my_token *token, char *text, size_t size)
{
  const char *at = token->at;
  size_t length = 0;
  char byte;

  while (next_byte(token, &at, &byte)) {
    if (length + 1 < size) {
      text[length] = byte;
    }
    length++;
  }
  if (size > 0) {
    text[length < size ? length : size - 1] = '\0';
  }
  return length;
}

bool my_token_names(const my_token *token, const char *name, size_t length)
{
  const char *at = token->at;
  const char *end = name + length;
  char byte;

  if (token->kind != MY_TOKEN_WORD && token->kind != MY_TOKEN_NAME) {
    return false;
  }
  while (next_byte(token, &at, &byte)) {
    if (name == end || lower(byte) != lower(*name++)) {
      return false;
    }
  }
  return name == end;
}

bool my_token_stands_for(const my_token *token, const char *text)
{
  const char *at = token->at;
  char byte;

  while (next_byte(token, &at, &byte)) {
    if (byte == '\0' || byte != *text++) {
      return false;
    }
  }
  return *text == '\0';
}
