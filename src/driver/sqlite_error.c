#include "../core/error.h"
#include "sqlite.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* "a, b" -> the first word; "t.c" -> table and column. */
static void split_columns(covet_error *error, const char *names)
{
  const char *dot = strchr(names, '.');
  const char *end = strchr(names, ',');

  if (end == NULL) {
    end = names + strlen(names);
  }
  if (dot != NULL && dot < end) {
    covet_error_text(error->table, sizeof(error->table), names,
                     (size_t) (dot - names));
    covet_error_text(error->column, sizeof(error->column), dot + 1,
                     (size_t) (end - dot - 1));
  }
}

static const char *after(const char *text, const char *prefix)
{
  size_t length = strlen(prefix);

  return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* "t.c" -> "c" */
static const char *last_part(const char *name)
{
  const char *dot = strrchr(name, '.');

  return dot != NULL && dot[1] != '\0' ? dot + 1 : name;
}

static covet_error_kind constraint_kind(int code)
{
  switch (code) {
  case SQLITE_CONSTRAINT_UNIQUE:
  case SQLITE_CONSTRAINT_PRIMARYKEY:
  case SQLITE_CONSTRAINT_ROWID:
    return COVET_ERROR_UNIQUE_VIOLATION;
  case SQLITE_CONSTRAINT_FOREIGNKEY:
    return COVET_ERROR_FOREIGN_KEY_VIOLATION;
  case SQLITE_CONSTRAINT_NOTNULL:
    return COVET_ERROR_NOT_NULL_VIOLATION;
  case SQLITE_CONSTRAINT_DATATYPE:
    return COVET_ERROR_DATATYPE_MISMATCH;
  default:
    return COVET_ERROR_CHECK_VIOLATION;
  }
}

static void constraint_names(covet_error *error)
{
  const char *rest = strstr(error->message, "constraint failed: ");
  const char *index;

  if (error->kind == COVET_ERROR_DATATYPE_MISMATCH) {
    /* "cannot store TEXT value in INT column t.c" */
    rest = strstr(error->message, " column ");
    if (rest != NULL) {
      split_columns(error, rest + strlen(" column "));
    }
    return;
  }
  if (rest == NULL) {
    return;
  }
  rest += strlen("constraint failed: ");
  index = after(rest, "index '");
  if (index != NULL) {
    covet_error_text(error->constraint, sizeof(error->constraint), index,
                     strcspn(index, "'"));
  } else if (error->kind == COVET_ERROR_CHECK_VIOLATION) {
    covet_error_text(error->constraint, sizeof(error->constraint), rest,
                     strlen(rest));
  } else {
    covet_error_text(error->constraint, sizeof(error->constraint), rest,
                     strlen(rest));
    split_columns(error, rest);
  }
}

/* SQLITE_ERROR covers everything that is wrong with a statement; its (never
 * translated) texts tell which. */
static void statement_kind(covet_error *error)
{
  static const struct {
    const char *text;
    covet_error_kind kind;
  } texts[] = {
      {"no such table: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such view: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such index: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such column: ", COVET_ERROR_UNDEFINED_COLUMN},
      {"no such function: ", COVET_ERROR_UNDEFINED_FUNCTION},
      {"wrong number of arguments to function ",
       COVET_ERROR_UNDEFINED_FUNCTION},
      {"ambiguous column name: ", COVET_ERROR_AMBIGUOUS_COLUMN},
      {"near ", COVET_ERROR_SYNTAX_ERROR},
      {"incomplete input", COVET_ERROR_SYNTAX_ERROR},
      {"unrecognized token", COVET_ERROR_SYNTAX_ERROR},
      {"integer overflow", COVET_ERROR_NUMERIC_OUT_OF_RANGE},
      {"malformed JSON", COVET_ERROR_INVALID_VALUE},
      {"sub-select returns ", COVET_ERROR_SYNTAX_ERROR},
      {"SELECTs to the left and right of ", COVET_ERROR_SYNTAX_ERROR},
      {"not authorized", COVET_ERROR_PERMISSION_DENIED},
  };
  const char *text = error->message;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    const char *name = after(text, texts[i].text);

    if (name == NULL) {
      continue;
    }
    error->kind = texts[i].kind;
    if (error->kind == COVET_ERROR_UNDEFINED_TABLE &&
        after(text, "no such index: ") == NULL) {
      name = last_part(name);
      covet_error_text(error->table, sizeof(error->table), name, strlen(name));
    } else if (error->kind == COVET_ERROR_UNDEFINED_COLUMN ||
               error->kind == COVET_ERROR_AMBIGUOUS_COLUMN) {
      name =
          last_part(name); /* in front of a dot stands what may be an alias */
      covet_error_text(error->column, sizeof(error->column), name,
                       strlen(name));
    }
    return;
  }
  if (strstr(text, "has no column named ") != NULL) {
    const char *name = strstr(text, "named ") + strlen("named ");
    const char *table = after(text, "table ");

    error->kind = COVET_ERROR_UNDEFINED_COLUMN;
    if (table != NULL) {
      covet_error_text(error->table, sizeof(error->table), table,
                       (size_t) (strstr(table, " has no column") - table));
    }
    covet_error_text(error->column, sizeof(error->column), name, strlen(name));
  } else if (strstr(text, " values were supplied") != NULL ||
             (strstr(text, " values for ") != NULL &&
              strstr(text, "columns") != NULL)) {
    error->kind = COVET_ERROR_SYNTAX_ERROR;
  } else if (strstr(text, " may not be modified") != NULL) {
    error->kind = COVET_ERROR_PERMISSION_DENIED;
  }
}

static covet_error_kind io_kind(sqlite3 *db)
{
  int system = sqlite3_system_errno(db);

  if (system == ENOSPC || system == EDQUOT) {
    return COVET_ERROR_DISK_FULL;
  }
  return COVET_ERROR_DATABASE_ERROR;
}

static void set_kind(covet_error *error, sqlite3 *db, int code)
{
  error->kind = COVET_ERROR_DATABASE_ERROR;
  switch (code & 0xFF) {
  case SQLITE_ERROR:
    statement_kind(error);
    break;
  case SQLITE_CONSTRAINT:
    error->kind = constraint_kind(code);
    constraint_names(error);
    break;
  case SQLITE_BUSY:
    error->retry = COVET_RETRY_SAFE;
    error->kind = code == SQLITE_BUSY_SNAPSHOT
                      ? COVET_ERROR_SERIALIZATION_FAILURE
                      : COVET_ERROR_LOCK_TIMEOUT;
    break;
  case SQLITE_LOCKED:
    error->retry = COVET_RETRY_SAFE;
    error->kind = COVET_ERROR_LOCK_TIMEOUT;
    break;
  case SQLITE_SCHEMA:
    error->retry = COVET_RETRY_SAFE;
    break;
  case SQLITE_NOMEM:
    error->kind = COVET_ERROR_OUT_OF_MEMORY;
    break;
  case SQLITE_READONLY:
    error->kind = COVET_ERROR_READ_ONLY;
    break;
  case SQLITE_INTERRUPT:
    error->kind = COVET_ERROR_INTERRUPTED;
    break;
  case SQLITE_ABORT:
    error->kind = COVET_ERROR_TRANSACTION_ABORTED;
    break;
  case SQLITE_IOERR:
    error->kind = io_kind(db);
    break;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    error->kind = COVET_ERROR_CORRUPT;
    break;
  case SQLITE_FULL:
    error->kind = COVET_ERROR_DISK_FULL;
    break;
  case SQLITE_CANTOPEN:
    error->kind = COVET_ERROR_CONNECTION_FAILED;
    break;
  case SQLITE_TOOBIG:
    error->kind = COVET_ERROR_STRING_TOO_LONG;
    break;
  case SQLITE_MISMATCH:
    error->kind = COVET_ERROR_DATATYPE_MISMATCH;
    break;
  case SQLITE_RANGE:
    error->kind = COVET_ERROR_USAGE;
    break;
  case SQLITE_AUTH:
  case SQLITE_PERM:
    error->kind = COVET_ERROR_PERMISSION_DENIED;
    break;
  default:
    break;
  }
}

void sqlite_error_fill(covet_error *error, sqlite3 *db, int code)
{
  const char *text = db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db);

  memset(error, 0, sizeof(*error));
  covet_error_text(error->message, sizeof(error->message), text, strlen(text));
  error->code = code;
  set_kind(error, db, code);
  if ((code & 0xFF) == SQLITE_IOERR && db != NULL &&
      sqlite3_system_errno(db) != 0) {
    const char *reason = strerror(sqlite3_system_errno(db));

    covet_error_text(error->detail, sizeof(error->detail), reason,
                     strlen(reason));
  }
}

static bool is_word_byte(char byte)
{
  return isalnum((unsigned char) byte) || byte == '_' || byte == '$' ||
         (unsigned char) byte >= 0x80;
}

/* Where a word stands in the text if it stands there once; -1. */
static ptrdiff_t find_word(const char *text, size_t length, const char *word)
{
  size_t size = strlen(word);
  ptrdiff_t found = -1;

  for (size_t i = 0; size > 0 && i + size <= length; i++) {
    if (memcmp(text + i, word, size) != 0 ||
        (i > 0 && is_word_byte(text[i - 1])) ||
        (i + size < length && is_word_byte(text[i + size]))) {
      continue;
    }
    if (found >= 0) {
      return -1;
    }
    found = (ptrdiff_t) i;
  }
  return found;
}

static size_t without_blanks_at_end(const char *text, size_t length)
{
  while (length > 0 && isspace((unsigned char) text[length - 1])) {
    length--;
  }
  return length;
}

/* SQLite does not say where: for a name that stands in the text but once, and
 * for a text that ends too early, that is clear. */
static void find_position(covet_error *error, const covet_op *op, size_t offset)
{
  const char *text = op->sql + offset;
  size_t length = op->sql_length - offset;
  ptrdiff_t at = -1;

  if (error->kind == COVET_ERROR_UNDEFINED_TABLE) {
    const char *name = strstr(error->message, ": ");

    at = name == NULL ? -1 : find_word(text, length, last_part(name + 2));
  } else if (error->kind == COVET_ERROR_UNDEFINED_COLUMN) {
    at = find_word(text, length, error->column);
  } else if (strcmp(error->message, "incomplete input") == 0) {
    at = (ptrdiff_t) without_blanks_at_end(text, length);
  }
  if (at >= 0) {
    error->position = (int64_t) offset + at + 1;
  }
}

void sqlite_fault(sqlite_connection *connection, covet_op *op, int code,
                  size_t offset)
{
  covet_error *error;
  int at = sqlite3_error_offset(connection->db);

  /* a stopped operation's wait for a lock ends as if the lock was not given */
  if (((code & 0xFF) == SQLITE_INTERRUPT || (code & 0xFF) == SQLITE_BUSY ||
       (code == SQLITE_ERROR && connection->called)) &&
      covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return;
  }
  error = covet_op_fault(op);
  if (error == &op->runtime->out_of_memory || error->kind != COVET_ERROR_NONE) {
    return;
  }
  sqlite_error_fill(error, connection->db, code);
  error->phase = op->phase;
  if (at >= 0) {
    error->position = (int64_t) offset + at + 1;
  } else if (offset <= op->sql_length) {
    find_position(error, op, offset);
  }
  if (code == SQLITE_BUSY && connection->lock_us == 0) {
    /* it did not even wait: two transactions that read want to write */
    error->kind = COVET_ERROR_DEADLOCK;
    covet_error_text(error->hint, sizeof(error->hint),
                     "begin it with mode = \"immediate\"", SIZE_MAX);
  } else if (error->kind == COVET_ERROR_LOCK_TIMEOUT) {
    covet_error_text(error->detail, sizeof(error->detail),
                     "another process holds the lock", SIZE_MAX);
  }
}
