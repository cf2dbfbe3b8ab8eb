/**
 * SQL as a row of words, literals and signs: the one scanner of all that looks into a
 * statement.
 *
 * It reads a text as the server does in covet's sessions. A backslash escapes in
 * literals (NO_BACKSLASH_ESCAPES is taken out of sql_mode) and a quote that is doubled
 * stands for itself; `"` quotes literals. Comments are stepped over: `#` and `--` with
 * a blank behind it to the end of the line, and what stands between slash and star,
 * not nested. A comment for the server alone (behind its star an exclamation mark, or
 * M and one) is code, whatever version it is for.
 */
#ifndef COVET_DRIVER_MYSQL_SCAN_H
#define COVET_DRIVER_MYSQL_SCAN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum my_token_kind {
  MY_TOKEN_WORD,     /* of letters, digits, _, $ and all beyond ASCII */
  MY_TOKEN_NAME,     /* in backquotes */
  MY_TOKEN_LITERAL,  /* in other quotes */
  MY_TOKEN_VARIABLE, /* @ and, mostly, a name: of the user's own */
  MY_TOKEN_SIGN      /* one byte; or @@, of the server's variables */
} my_token_kind;

/** A piece of the text, *borrowed* from it: with its quotes, if it has any. */
typedef struct my_token {
  my_token_kind kind;
  const char *at;
  size_t length; /* never 0 */
} my_token;

/** A scanner; copies of it go on by themselves. */
typedef struct my_scan {
  const char *from;
  const char *at;
  const char *end;
  bool in_code; /* of a comment for the server alone */
  bool has_code;
} my_scan;

/** Begin. The text stays the caller's, and is to outlive the scanner. */
void my_scan_start(my_scan *scan, const char *sql, size_t length);

/** The next token. Returns false at the end. */
bool my_scan_next(my_scan *scan, my_token *token);

/** Whether the token is that word, which is given in lower case. */
bool my_token_is(const my_token *token, const char *word);

/** Whether it is one of those words; the list ends with NULL. */
bool my_token_is_of(const my_token *token, const char *const *words);

/** Whether it is a word or a name in backquotes that stands for that one, in any
 *  case. */
bool my_token_names(const my_token *token, const char *name, size_t length);

bool my_token_is_sign(const my_token *token, char sign);

/** What a word, a name or a literal stands for, without its quotes and escapes: no
 *  more than `size` bytes with the NUL behind them. Returns how many there are, which
 *  may be more. */
size_t my_token_text(const my_token *token, char *text, size_t size);

/** Whether it stands for that text. */
bool my_token_stands_for(const my_token *token, const char *text);

#endif
