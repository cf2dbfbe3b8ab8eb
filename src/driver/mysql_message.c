/* What a message of the server's tells in words only: constraint, table, column,
 * and the place in the SQL. */
#include "../core/error.h"
#include "mysql_driver.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A piece of a text. */
typedef struct piece {
  const char *at;
  size_t length; /* 0: none */
} piece;

static void keep(char *field, size_t size, piece found)
{
  if (found.length > 0) {
    covet_error_text(field, size, found.at, found.length);
  }
}

/* What stands behind `before` up to `quote`; the last one, for values may be quoted
 * in front of it. */
static piece behind(const char *text, const char *before, char quote)
{
  piece found = {NULL, 0};
  const char *end;

  for (const char *at = strstr(text, before); at != NULL;
       at = strstr(at + 1, before)) {
    found.at = at + strlen(before);
  }
  if (found.at == NULL) {
    return found;
  }
  end = strchr(found.at, quote);
  found.length = end == NULL ? 0 : (size_t) (end - found.at);
  return found;
}

/* `db`.`t`.`c`, or db.t.c: the part behind the last dot. */
static piece last_part(piece whole)
{
  for (size_t i = whole.length; i > 0; i--) {
    if (whole.at[i - 1] == '.') {
      whole.at += i;
      whole.length -= i;
      break;
    }
  }
  while (whole.length > 0 && *whole.at == '`') {
    whole.at++;
    whole.length--;
  }
  while (whole.length > 0 && whole.at[whole.length - 1] == '`') {
    whole.length--;
  }
  return whole;
}

/* A name in backquotes, with what is joined to it by dots. */
static piece quoted_path(const char *text, const char *before)
{
  piece found = {strstr(text, before), 0};
  bool inside = false;

  if (found.at == NULL) {
    found.at = "";
    return found;
  }
  found.at += strlen(before);
  while (found.at[found.length] != '\0' &&
         (inside || found.at[found.length] == '`' ||
          found.at[found.length] == '.')) {
    inside ^= found.at[found.length] == '`';
    found.length++;
  }
  return found;
}

/* --- Names ---------------------------------------------------------------------------- */

/* The table that a statement changes. */
static piece target_of(const char *sql, size_t length)
{
  static const char *const marks[] = {"into ", "update ", "from "};
  piece found = {"", 0};

  for (size_t m = 0; m < sizeof(marks) / sizeof(marks[0]); m++) {
    size_t size = strlen(marks[m]);

    for (size_t i = 0; i + size < length && found.length == 0; i++) {
      if (strncasecmp(sql + i, marks[m], size) != 0) {
        continue;
      }
      found.at = sql + i + size;
      while (i + size + found.length < length &&
             !isspace((unsigned char) found.at[found.length]) &&
             strchr("(,;", found.at[found.length]) == NULL) {
        found.length++;
      }
    }
  }
  return last_part(found);
}

static void read_unique(covet_error *error)
{
  keep(error->constraint, sizeof(error->constraint),
       last_part(behind(error->message, "for key '", '\'')));
}

/* ... fails (`db`.`t`, CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES ... */
static void read_foreign_key(covet_error *error)
{
  keep(error->table, sizeof(error->table),
       last_part(quoted_path(error->message, "fails (")));
  keep(error->constraint, sizeof(error->constraint),
       last_part(quoted_path(error->message, "CONSTRAINT ")));
  keep(error->column, sizeof(error->column),
       last_part(quoted_path(error->message, "FOREIGN KEY (")));
}

/* CONSTRAINT `c` failed for `db`.`t`; Check constraint 'c' is violated. */
static void read_check(covet_error *error)
{
  keep(error->constraint, sizeof(error->constraint),
       last_part(quoted_path(error->message, "CONSTRAINT ")));
  keep(error->constraint, sizeof(error->constraint),
       behind(error->message, "Check constraint '", '\''));
  keep(error->table, sizeof(error->table),
       last_part(quoted_path(error->message, "failed for ")));
}

/* Column 'c' cannot be null; ... for column 'c' at row 1; Field 'c' doesn't ... */
static void read_column(covet_error *error)
{
  keep(error->column, sizeof(error->column),
       last_part(behind(error->message, "Field '", '\'')));
  keep(error->column, sizeof(error->column),
       last_part(behind(error->message, "olumn '", '\'')));
  keep(error->column, sizeof(error->column),
       last_part(quoted_path(error->message, "for column ")));
}

static void read_table(covet_error *error)
{
  keep(error->table, sizeof(error->table),
       last_part(behind(error->message, "able '", '\'')));
}

static void read_names(covet_error *error, const char *sql, size_t length)
{
  switch (error->kind) {
  case COVET_ERROR_UNIQUE_VIOLATION:
    read_unique(error);
    break;
  case COVET_ERROR_FOREIGN_KEY_VIOLATION:
    read_foreign_key(error);
    break;
  case COVET_ERROR_CHECK_VIOLATION:
    read_check(error);
    break;
  case COVET_ERROR_NOT_NULL_VIOLATION:
  case COVET_ERROR_UNDEFINED_COLUMN:
  case COVET_ERROR_AMBIGUOUS_COLUMN:
  case COVET_ERROR_INVALID_VALUE:
  case COVET_ERROR_NUMERIC_OUT_OF_RANGE:
  case COVET_ERROR_STRING_TOO_LONG:
    read_column(error);
    break;
  case COVET_ERROR_UNDEFINED_TABLE:
    read_table(error);
    return;
  default:
    return;
  }
  if (error->table[0] == '\0' && error->kind != COVET_ERROR_UNDEFINED_COLUMN &&
      error->kind != COVET_ERROR_AMBIGUOUS_COLUMN) {
    keep(error->table, sizeof(error->table), target_of(sql, length));
  }
}

/* --- Places ----------------------------------------------------------------------------- */

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
                         piece wanted)
{
  for (size_t i = from; i + wanted.length <= length; i++) {
    if (memcmp(sql + i, wanted.at, wanted.length) == 0) {
      return (int64_t) i + 1;
    }
  }
  return 0;
}

/* ... to use near 'x' at line 2: the text from there on, as far as it is shown. In
 * a text of several statements the lines count from the one at fault. */
static int64_t place_near(const char *message, const char *sql, size_t length)
{
  static const char before[] = "near '";
  const char *near = strstr(message, before);
  const char *line = NULL;
  piece shown;
  int64_t place = 0;

  for (const char *at = near; at != NULL; at = strstr(at + 1, "' at line ")) {
    line = at == near ? line : at;
  }
  if (near == NULL || line == NULL) {
    return 0;
  }
  shown.at = near + sizeof(before) - 1;
  shown.length = (size_t) (line - shown.at);
  if (shown.length == 0) {
    return (int64_t) length; /* the end came too soon */
  }
  place =
      find_from(sql, length,
                line_start(sql, length, strtoul(line + 10, NULL, 10)), shown);
  return place != 0 ? place : find_from(sql, length, 0, shown);
}

static bool is_name_byte(char byte)
{
  return isalnum((unsigned char) byte) || byte == '_' || byte == '$' ||
         (unsigned char) byte >= 128;
}

/* A name outside of strings; the names of columns are the same in any case. */
static int64_t place_of_name(piece name, const char *sql, size_t length)
{
  char quote = '\0';

  for (size_t i = 0; name.length > 0 && i + name.length <= length; i++) {
    if (quote != '\0') {
      if (sql[i] == '\\') {
        i++;
      } else if (sql[i] == quote) {
        quote = '\0';
      }
      continue;
    }
    if (strncasecmp(sql + i, name.at, name.length) == 0 &&
        (i == 0 || !is_name_byte(sql[i - 1])) &&
        (i + name.length == length || !is_name_byte(sql[i + name.length]))) {
      return (int64_t) i + 1;
    }
    if (sql[i] == '\'' || sql[i] == '"') {
      quote = sql[i];
    }
  }
  return 0;
}

static int64_t place_of(const covet_error *error, const char *sql,
                        size_t length)
{
  const char *message = error->message;

  switch (error->kind) {
  case COVET_ERROR_SYNTAX_ERROR:
    return place_near(message, sql, length);
  case COVET_ERROR_UNDEFINED_COLUMN:
  case COVET_ERROR_AMBIGUOUS_COLUMN:
    return place_of_name(behind(message, "olumn '", '\''), sql, length);
  case COVET_ERROR_UNDEFINED_TABLE:
    return place_of_name(last_part(behind(message, "able '", '\'')), sql,
                         length);
  default:
    return 0;
  }
}

void my_message_read(covet_error *error, const char *sql, size_t length)
{
  read_names(error, sql, length);
  error->position = place_of(error, sql, length);
}
