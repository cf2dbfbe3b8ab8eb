#include "mysql_message.h"

#include "mysql_scan.h"

#include <stdlib.h>
#include <string.h>

/* A piece of a text. */
typedef struct piece {
  const char *at;
  size_t length;
} piece;

/* --- Messages --------------------------------------------------------------------- */

/* What the server fills in: */
enum {
  A_KEY = 'k',        /* the name of a key or constraint */
  A_COLUMN = 'c',     /* of a column; without backquotes it may be qualified */
  A_TABLE = 't',      /* of a table; likewise */
  A_DEFINITION = 'f', /* of a foreign key */
  A_STATEMENT = 's',  /* a piece of it */
  A_NUMBER = 'n',     /* v: anything */
  DOUBLED =
      'a' - 'A' /* capitals: backquotes that are the name's own are doubled */
};

typedef struct format {
  int code;
  const char *text;
} format;

/* In English, as servers tell them unless lc_messages says otherwise: a message in
 * another language fits none. */
static const format formats[] = {
    {1022, "Can't write; duplicate key in table '%t'"},
    {1062, "Duplicate entry '%v' for key '%k'"},
    {1586, "Duplicate entry '%v' for key '%k'"},
    {1859, "Duplicate entry for key '%k'"},
    {1169, "Can't write, because of unique constraint, to table '%t'"},
    {1451, "Cannot delete or update a parent row: a foreign key constraint "
           "fails (%f)"},
    {1452, "Cannot add or update a child row: a foreign key constraint fails "
           "(%f)"},
    {1761, "Foreign key constraint for table '%t', record '%v' would lead to "
           "a duplicate entry in table '%v', key '%v'"},
    {1762, "Foreign key constraint for table '%t', record '%v' would lead to "
           "a duplicate entry in a child table"},
    {3819, "Check constraint '%k' is violated."},
    {4025, "CONSTRAINT `%K` failed for `%v`.`%T`"},
    {1048, "Column '%c' cannot be null"},
    {1263, "Column set to default value; NULL supplied to NOT NULL column "
           "'%c' at row %n"},
    {1364, "Field '%c' doesn't have a default value"},
    {1052, "Column '%c' in %v is ambiguous"},
    {1054, "Unknown column '%c' in '%v'"},
    {1072, "Key column '%c' doesn't exist in table"},
    {1091, "Can't DROP %v `%C`; check that it exists"},
    {1091, "Can't DROP '%c'; check that column/key exists"},
    {1264, "Out of range value for column '%c' at row %n"},
    {1265, "Data truncated for column '%c' at row %n"},
    {1292, "Incorrect %v value: '%v' for column `%v`.`%t`.`%c` at row %n"},
    {1292, "Incorrect %v value: '%v' for column '%c' at row %n"},
    {1366, "Incorrect %v value: '%v' for column `%v`.`%t`.`%c` at row %n"},
    {1366, "Incorrect %v value: '%v' for column '%c' at row %n"},
    {1406, "Data too long for column '%c' at row %n"},
    {1051, "Unknown table '%t'"},
    {1109, "Unknown table '%t' in %v"},
    {1146, "Table '%t' doesn't exist"},
    {4092, "Unknown VIEW: '%t'"},
    {1064, "You have an error in your SQL syntax; check the manual that "
           "corresponds to your MariaDB server version for the right syntax to "
           "use near '%s' at line %n"},
    {1064, "You have an error in your SQL syntax; check the manual that "
           "corresponds to your MySQL server version for the right syntax to "
           "use near '%s' at line %n"},
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]), MOST_HOLES = 6 };

/* The literal texts of a format, and the holes between them. */
typedef struct parts {
  unsigned count; /* of the holes, at least one */
  piece literals[MOST_HOLES + 1];
  char holes[MOST_HOLES];
  piece found[MOST_HOLES];
  unsigned long number; /* of a row or line */
} parts;

static void split(const char *text, parts *into)
{
  memset(into, 0, sizeof(*into));
  for (;;) {
    piece *literal = &into->literals[into->count];

    literal->at = text;
    literal->length = strcspn(text, "%");
    text += literal->length;
    if (*text == '\0') {
      return;
    }
    into->holes[into->count++] = text[1];
    text += 2;
  }
}

/* The last one in front of `end`; NULL: there is none behind `from`. */
static const char *find_last(const char *from, const char *end, piece wanted)
{
  for (size_t room = (size_t) (end - from); room >= wanted.length; room--) {
    const char *at = from + (room - wanted.length);

    if (memcmp(at, wanted.at, wanted.length) == 0) {
      return at;
    }
    if (at == from) {
      break;
    }
  }
  return NULL;
}

static bool is_number(piece text, unsigned long *number)
{
  bool fits = text.length > 0 && strspn(text.at, "0123456789") >= text.length;

  *number = fits ? strtoul(text.at, NULL, 10) : 0;
  return fits;
}

/* Whether the message has the format from its first byte to its last. Values may hold
 * anything, and stand in front of names; so it is read from its end. */
static bool fits(const char *message, parts *of)
{
  const piece *first = &of->literals[0];
  const piece *last = &of->literals[of->count];
  const char *from = message + first->length;
  const char *end = message + strlen(message);

  if ((size_t) (end - message) < first->length + last->length ||
      memcmp(message, first->at, first->length) != 0 ||
      memcmp(end - last->length, last->at, last->length) != 0) {
    return false;
  }
  end -= last->length;
  for (unsigned i = of->count; i-- > 0;) {
    const char *before =
        i == 0 ? message : find_last(from, end, of->literals[i]);

    if (before == NULL) {
      return false;
    }
    of->found[i].at = before + of->literals[i].length;
    of->found[i].length = (size_t) (end - of->found[i].at);
    end = before;
    if (of->holes[i] == A_NUMBER && !is_number(of->found[i], &of->number)) {
      return false;
    }
  }
  return true;
}

/* --- Names ------------------------------------------------------------------------ */

/* db.t.c: what stands behind the last dot. */
static piece last_part(piece path)
{
  for (size_t i = path.length; i > 0; i--) {
    if (path.at[i - 1] == '.') {
      path.at += i;
      path.length -= i;
      break;
    }
  }
  return path;
}

static void keep(char *field, size_t size, piece name)
{
  covet_error_text(field, size, name.at, name.length);
}

/* A name between backquotes, with those of its own doubled. */
static void keep_doubled(char *field, size_t size, piece name)
{
  const my_token token = {MY_TOKEN_NAME, name.at - 1, name.length + 2};
  char text[256];

  (void) my_token_text(&token, text, sizeof(text));
  covet_error_text(field, size, text, strlen(text));
}

/* Behind its table's name, where the server tells that. */
static void keep_key(covet_error *error, piece key, bool names_tables)
{
  piece name = names_tables ? last_part(key) : key;

  if (name.length < key.length) {
    covet_error_text(error->table, sizeof(error->table), key.at,
                     key.length - name.length - 1);
  }
  keep(error->constraint, sizeof(error->constraint), name);
}

/* `db`.`t`, CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES ...; of several columns none
 * is the one. */
static void keep_definition(covet_error *error, piece definition)
{
  my_scan scan;
  my_token token;
  const char *before = "";
  unsigned columns = 0;

  my_scan_start(&scan, definition.at, definition.length);
  while (my_scan_next(&scan, &token) && !my_token_is(&token, "references")) {
    if (my_token_is(&token, "constraint")) {
      before = "constraint";
    } else if (my_token_is(&token, "key")) {
      before = "key";
    } else if (token.kind == MY_TOKEN_NAME && *before == 'c') {
      (void) my_token_text(&token, error->constraint,
                           sizeof(error->constraint));
    } else if (token.kind == MY_TOKEN_NAME && *before == 'k') {
      columns++;
      (void) my_token_text(&token, error->column, sizeof(error->column));
    } else if (token.kind == MY_TOKEN_NAME) {
      (void) my_token_text(&token, error->table, sizeof(error->table));
    }
  }
  if (columns > 1) {
    error->column[0] = '\0';
  }
}

/* MariaDB calls the check of a column after its table and itself. */
static void split_check(covet_error *error)
{
  size_t length = strlen(error->table);

  if (error->kind == COVET_ERROR_CHECK_VIOLATION && length > 0 &&
      strncmp(error->constraint, error->table, length) == 0 &&
      error->constraint[length] == '.') {
    memmove(error->constraint, error->constraint + length + 1,
            strlen(error->constraint + length + 1) + 1);
    covet_error_text(error->column, sizeof(error->column), error->constraint,
                     strlen(error->constraint));
  }
}

static void keep_names(covet_error *error, const parts *of, bool names_tables)
{
  for (unsigned i = 0; i < of->count; i++) {
    piece found = of->found[i];
    bool in_backquotes = found.at[-1] == '`';
    piece name = in_backquotes ? found : last_part(found);

    switch (of->holes[i]) {
    case A_KEY:
      keep_key(error, found, names_tables);
      break;
    case A_KEY - DOUBLED:
      keep_doubled(error->constraint, sizeof(error->constraint), found);
      break;
    case A_COLUMN:
      keep(error->column, sizeof(error->column), name);
      break;
    case A_COLUMN - DOUBLED:
      keep_doubled(error->column, sizeof(error->column), found);
      break;
    case A_TABLE:
      keep(error->table, sizeof(error->table), name);
      break;
    case A_TABLE - DOUBLED:
      keep_doubled(error->table, sizeof(error->table), found);
      break;
    case A_DEFINITION:
      keep_definition(error, found);
      break;
    default:
      break;
    }
  }
  split_check(error);
}

/* Where what is wrong was written, or is about to be. */
static bool is_of_writing(covet_error_kind kind)
{
  return kind == COVET_ERROR_UNIQUE_VIOLATION ||
         kind == COVET_ERROR_FOREIGN_KEY_VIOLATION ||
         kind == COVET_ERROR_CHECK_VIOLATION ||
         kind == COVET_ERROR_NOT_NULL_VIOLATION ||
         kind == COVET_ERROR_INVALID_VALUE ||
         kind == COVET_ERROR_NUMERIC_OUT_OF_RANGE ||
         kind == COVET_ERROR_STRING_TOO_LONG;
}

/* --- Places ----------------------------------------------------------------------- */

static int64_t place_of(const covet_error *error, const parts *of,
                        const char *sql, size_t length)
{
  const piece *found = &of->found[0];

  switch (error->kind) {
  case COVET_ERROR_SYNTAX_ERROR:
    return of->holes[0] != A_STATEMENT
               ? 0
               : my_place_near(sql, length, found->at, found->length,
                               of->number);
  case COVET_ERROR_UNDEFINED_COLUMN:
  case COVET_ERROR_AMBIGUOUS_COLUMN:
    return my_place_name(sql, length, found->at, found->length);
  case COVET_ERROR_UNDEFINED_TABLE:
    return my_place_name(sql, length, error->table, strlen(error->table));
  default:
    return 0;
  }
}

void my_message_read(covet_error *error, const char *sql, size_t length,
                     bool names_tables)
{
  parts of;

  error->position = 0;
  for (size_t i = 0; i < FORMATS; i++) {
    if (formats[i].code != error->code) {
      continue;
    }
    split(formats[i].text, &of);
    if (fits(error->message, &of)) {
      keep_names(error, &of, names_tables);
      error->position = place_of(error, &of, sql, length);
      break;
    }
  }
  if (error->table[0] == '\0' && is_of_writing(error->kind)) {
    (void) my_place_target(sql, length, error->table, sizeof(error->table));
  }
}
